"""Which candidates each step decided and let through: of all the run knows by id, or of one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Protocol

from msgspec import Struct

from xray.forensics.evidence import Ledger
from xray.forensics.keys import Keys, join_keys
from xray.model.records import Step
from xray.model.vocabulary import VERDICTS, Verdict

Role = Literal["creates", "keeps", "maps", "contains"]


class Edge(Struct, frozen=True):
    """One step works on what another let through.

    Args:
        source: the step whose survivors are offered.
        through: steps between the two that recorded no candidates, nearest first.
        is_declared: `takes=` says so; otherwise it follows from the order of the steps.
        is_partial: beside it, a step that recorded no candidates may have brought more.
    """

    source: Step
    through: tuple[Step, ...] = ()
    is_declared: bool = False
    is_partial: bool = False


class Graph(Protocol):
    """The steps of a run and what each takes from."""

    @property
    def steps(self) -> Sequence[Step]:
        """The steps that count, by ordinal."""
        ...

    def ledger(self, step: Step) -> Ledger:
        """The decisions of *step*."""
        ...

    def edges(self, step: Step) -> tuple[Edge, ...]:
        """What *step* takes its candidates from."""
        ...

    def role(self, step: Step) -> Role:
        """What *step* does with candidates."""
        ...


class Reach:
    """How far candidates came, as sets of keys.

    Where a roster knows candidates by hash only, the sets hold those of them whose ids some other
    step recorded.

    Args:
        graph: the run's steps.
        candidate_id: the only candidate to look at; all that the run knows by id when absent.
    """

    def __init__(self, graph: Graph, candidate_id: str | None = None) -> None:
        self.candidate_id = candidate_id
        self._graph = graph
        self._let_through: dict[str, Keys] = {}
        self._decided: dict[str, Keys] = {}

    def keys(self, step: Step, verdict: Verdict) -> Keys:
        """The candidates *step* decided with *verdict*."""
        ledger = self._graph.ledger(step)
        if self.candidate_id is None:
            return ledger.keys(verdict)
        return ledger.keys_about(self.candidate_id, verdict)

    def decided(self, step: Step) -> Keys:
        """The candidates *step* decided."""
        if self.candidate_id is None:
            return self._graph.ledger(step).decided
        found = self._decided.get(step.step_id)
        if found is None:
            keys = (self.keys(step, verdict) for verdict in VERDICTS)
            found = self._decided[step.step_id] = join_keys(keys)
        return found

    def let_through(self, step: Step) -> Keys:
        """The selected of *step* if any, else its accepted, else what it did not reject."""
        if step.step_id not in self._let_through:
            for earlier in self._graph.steps:  # in order, so that no chain is walked recursively
                if earlier.step_id not in self._let_through:
                    self._let_through[earlier.step_id] = Keys()
                    self._let_through[earlier.step_id] = self._find_survivors(earlier)
                if earlier.step_id == step.step_id:
                    break
        return self._let_through[step.step_id]

    def offered(self, step: Step) -> Keys:
        """What the steps that *step* takes from let through, together."""
        sources = (edge.source for edge in self._graph.edges(step))
        return join_keys(map(self.let_through, sources))

    def _find_survivors(self, step: Step) -> Keys:
        counts = step.counts
        if counts.selected:
            return self.keys(step, "selected")
        if counts.accepted:
            return self.keys(step, "accepted")
        ledger = self._graph.ledger(step)
        is_rest_known = ledger.is_complete("rejected") and not ledger.dropped_elsewhere
        if counts.rejected and is_rest_known and self._graph.role(step) != "creates":
            return self.offered(step).without(self.keys(step, "rejected"))
        return Keys()


def is_more_than_chance(found: int, asked: int) -> bool:
    """Whether *found* of *asked* candidates are in a roster by more than its rare mistakes."""
    if asked <= 10:
        return found > 0
    return found > (1 if asked <= 400 else 2)
