"""The sink of one run that may not be kept: what it takes waits until the run's fate is known."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Final, Literal

from msgspec.structs import replace

from xray.capture.guard import caught, guarded, warn
from xray.capture.sink import AnsweringSink, Sink, require_answers
from xray.errors import NotFoundError
from xray.model.facts import Fact, RunFinished, RunStarted, StepFinished, StepRows
from xray.model.forking import Turn
from xray.sampling.books import Books, Place, books
from xray.sampling.drawing import choose_ticket, is_drawn
from xray.sampling.holding import Held, Room, hold, room

if TYPE_CHECKING:
    from xray.model.answers import Why
    from xray.model.summary import RunSummary

Fate = Literal["waiting", "kept", "left_out"]
FindRule = Callable[[list[Held]], str | None]
FindWatched = Callable[[Held], str | None]

OVER_BOUND: Final = "too large to hold"
RULE_FAILED: Final = "a keep rule failed"
_ATTACHED: Final = "attached_sampled_out"


_turn: Final = Turn()  # one for all runs


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampling:
    """Which runs of a client are kept.

    Args:
        share: how many the draw keeps, from 0 to 1.
        find_rule: the keep rule that a run meets; None for none.
        find_watched: the watched candidate that a fact tells of; None for none.
        room: the memory undecided runs share.
        books: where the others are added up.
    """

    share: float
    find_rule: FindRule | None = None
    find_watched: FindWatched | None = None
    room: Room = room
    books: Books = books

    def sift(self, sink: Sink, environment: str | None = None, version: str | None = None) -> Sieve:
        """The sink of a run that is about to start.

        Args:
            sink: where it goes if it is kept.
            environment: where the pipeline runs.
            version: the version of its code.
        """
        return Sieve(Place(sink, environment, version), self)

    def keeps(self, run_id: str) -> bool:
        """Whether the draw keeps the run of that id, which was started with a key."""
        return is_drawn(run_id, self.share)


@lru_cache(maxsize=64)
def find_sampling(share: float, keep: tuple[str, ...], watch: tuple[str, ...]) -> Sampling:
    """The sampling that a client's settings ask for; queries are read once."""
    if not keep and not watch:
        return Sampling(share=share)
    # Questions are loaded only where somebody asks one.
    from xray.sampling.rules import KeepRules, Watch

    return Sampling(
        share=share,
        find_rule=KeepRules(keep).find if keep else None,
        find_watched=Watch(watch).find if watch else None,
    )


def leave_out(sink: Sink, environment: str | None = None, version: str | None = None) -> Sieve:
    """The sink of a run that the process which started it does not keep: its steps are tallied.

    Args:
        sink: where tallies go.
        environment: where the pipeline runs.
        version: the version of its code.
    """
    return Sieve(Place(sink, environment, version), None)


class Sieve:
    """Keeps or leaves out one run.

    A run that is drawn goes on to the sink at once, one that is not waits. Both are held, because
    rules must not depend on the draw: a run that a rule keeps stands for itself, drawn or not.

    Args:
        place: where what is kept goes.
        sampling: which runs are kept; None leaves this one out.
    """

    def __init__(self, place: Place, sampling: Sampling | None) -> None:
        self._place = place
        self._sink = place.sink
        self._sampling = sampling or Sampling(share=0.0)
        self._fate: Fate = "left_out" if sampling is None else "waiting"
        self._is_drawn = False
        self._kept_for: str | None = None
        self._held: list[Held] = []
        self._held_bytes = 0
        self._chunks: dict[str, list[Held]] = {}
        self._pid = os.getpid()
        self._left_to_others = 0

    def put(self, fact: Fact) -> None:
        """Take *fact*: pass it on, hold it, or count it."""
        if os.getpid() != self._pid:
            self._leave_parent_behind()
        if isinstance(fact, RunFinished):
            self._end(fact)
            return
        if isinstance(fact, RunStarted):
            fact = self._begin(fact)
        if self._is_passed_on(fact):
            self._sink.put(fact)

    def _begin(self, started: RunStarted) -> RunStarted:
        sampling = self._sampling
        self._is_drawn = is_drawn(choose_ticket(started), sampling.share)
        if self._is_drawn:
            return replace(started, weight=1.0 / sampling.share)
        sampling.books.watch_over(self)
        return started

    def _is_passed_on(self, fact: Fact) -> bool:
        if self._is_kept():
            return True
        held = hold(fact)
        with _turn.lock:
            fate = self._fate
            has_room = True
            if fate == "waiting":
                self._held.append(held)
                self._held_bytes += held.held_bytes
                has_room = self._sampling.room.take(held.held_bytes)
        if fate == "left_out":
            self._count(fact, held)
            return False
        if fate == "waiting":
            reason = self._find_watched(held) if has_room else OVER_BOUND
            if reason is not None:
                self.keep(reason)
        return self._is_drawn or fate == "kept"

    def _count(self, fact: Fact, held: Held) -> None:
        """Count a step of a run that is left out; its chunks come before itself."""
        if isinstance(fact, StepRows):
            self._chunks.setdefault(fact.step_id, []).append(held)
        elif isinstance(fact, StepFinished):
            self._sampling.books.add(self._place, [held, *self._chunks.pop(fact.step_id, ())])

    def _find_watched(self, held: Held) -> str | None:
        find = self._sampling.find_watched
        found = None if find is None else find(held)
        return None if found is None else f"watch: {found}"

    def keep(self, reason: str) -> None:
        """Keep the run: what was held goes on, and so does what follows."""
        if os.getpid() != self._pid:
            self._leave_parent_behind()
        with _turn.lock:
            if self._fate != "waiting":
                if self._fate == "left_out":
                    warn("keep", "A run can be kept until it ends, where it was started.")
                elif self._kept_for is None:
                    self._kept_for = reason
                return
            self._kept_for = reason
            held = self._decide("kept")
        if not self._is_drawn:
            for one in held:
                self._sink.put(one.open())

    def _decide(self, fate: Fate) -> list[Held]:
        """Take what was held, which waits no longer."""
        with _turn.lock:
            self._fate = fate
            held, self._held = self._held, []
            size, self._held_bytes = self._held_bytes, 0
        self._sampling.room.give(size)
        self._sampling.books.release(self)
        return held

    def _end(self, finished: RunFinished) -> None:
        if self._fate == "waiting":
            end = hold(finished)
            reason = self._find_rule(end)
            if reason is not None:
                self.keep(reason)
            elif self._is_drawn:
                self._decide("kept")
            else:
                held = self._decide("left_out")
                self._sampling.books.add(self._place, [*held, end])
        if self._is_kept():
            self._sink.put(self._stamp(finished))

    def _is_kept(self) -> bool:
        return self._fate == "kept"

    def _find_rule(self, end: Held) -> str | None:
        find = self._sampling.find_rule
        if find is None:
            return None
        try:
            return find([*self._held, end])
        except Exception as error:  # noqa: BLE001  (what cannot be judged is kept)
            caught("Sampling.keep", error)
            return RULE_FAILED

    def _stamp(self, finished: RunFinished) -> RunFinished:
        omissions = finished.omissions
        if self._left_to_others:
            omissions = {**omissions, _ATTACHED: self._left_to_others}
        is_corrected = self._is_drawn and self._kept_for is not None
        return replace(
            finished,
            weight=1.0 if is_corrected else None,
            kept_for=self._kept_for,
            omissions=omissions,
        )

    def hand_over(self) -> bool:
        """Whether another process must send what it adds to the run."""
        if self._is_drawn or self._fate == "kept":
            return True
        self._left_to_others += 1
        return False

    def give_up(self) -> None:
        """The process ends before the run: it is counted as running."""
        if self._fate == "waiting":
            held = self._decide("left_out")
            self._sampling.books.add(self._place, held)

    def __del__(self) -> None:
        # Nobody can end the run any more. A finaliser may interrupt anything, so it only notes it.
        with guarded("Sieve.del"):
            held = getattr(self, "_held", None)
            if not held or os.getpid() != self._pid:
                return
            self._sampling.room.give(self._held_bytes)
            if not self._is_drawn:
                self._sampling.books.forget_run(self, self._place, held)

    def _leave_parent_behind(self) -> None:
        """In a child: the parent decides about the run; what is added here is sent or counted."""
        with _turn.lock:
            self._pid = os.getpid()
            self._held_bytes = 0
            self._chunks = {}
        if self._fate == "waiting":
            self._decide("kept" if self._is_drawn else "left_out")

    def settle_run(self, run_id: str) -> None:
        """The run's last fact was put.

        Raises:
            XRayDeliveryError: only in `offline_mode="fail"`, and for a run that is kept.
        """
        if self._fate == "kept":
            self._sink.settle_run(run_id)

    def count_loss(self, cause: str, records: int = 1, decisions: int = 0) -> None:
        """Count what was lost before it could become a fact."""
        self._sink.count_loss(cause, records, decisions)

    def summarize(self, run_id: str) -> RunSummary:
        """How the run went.

        Raises:
            NotFoundError: it was not kept, or its sink answers no questions.
            XRayError: whatever else there is no answer for.
        """
        return self._ask().summarize(run_id)

    def explain(self, run_id: str, candidate_id: str) -> Why:
        """Why a candidate ended as it did.

        Raises:
            NotFoundError: the run was not kept, or its sink answers no questions.
            XRayError: whatever else there is no answer for.
        """
        return self._ask().explain(run_id, candidate_id)

    def _ask(self) -> AnsweringSink:
        if self._fate != "kept":
            raise NotFoundError(
                "The run was not kept: it is counted, and what it recorded is gone.",
                hint="Runs are sampled here; keep=, watch= and run.keep() keep those that matter.",
                code="run_sampled_out",
            )
        return require_answers(self._sink)
