"""The runs that were asked about last, kept open for the next question about them.

Whoever looks into a run asks several questions about it, and most of each answer is reading what
the run decided. A server knows when a run changes, as everything that is stored comes through it.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final
from weakref import WeakKeyDictionary

from xray.forensics.evidence import RunEvidence, load_evidence
from xray.model.clock import Clock
from xray.store.protocol import Store

MAX_DECISIONS: Final = 300_000
"""How many decisions the runs on a shelf have together: some 400 bytes each."""
_MAX_AGE_S: Final = 300.0
"""A run that nothing more is heard of turns out to be abandoned; by then it is read again."""
_MAX_CHANGES: Final = 10_000


@dataclass(frozen=True, slots=True)
class _Place:
    evidence: RunEvidence
    decisions: int
    read_at_s: float


class Shelf:
    """Runs that are open, the one asked about last at the end; from any thread.

    Args:
        clock: the time.
        max_decisions: how many decisions they may have together.
    """

    def __init__(self, clock: Clock, max_decisions: int = MAX_DECISIONS) -> None:
        self._clock = clock
        self._max_decisions = max_decisions
        self._lock = threading.Lock()
        self._places: OrderedDict[str, _Place] = OrderedDict()
        self._decisions = 0
        self._moment = 0
        self._changed: OrderedDict[str, int] = OrderedDict()
        self._forgotten = 0

    def take(self, store: Store, run_id: str) -> RunEvidence:
        """What *store* knows about a run, as it is.

        Raises:
            NotFoundError: no run has that id.
        """
        with self._lock:
            place = self._places.get(run_id)
            if place is not None:
                if self._clock.monotonic_s() - place.read_at_s < _MAX_AGE_S:
                    self._places.move_to_end(run_id)
                    return place.evidence
                self._remove(run_id)
            since = self._moment
        evidence = load_evidence(store, run_id)
        decisions = sum(_count_decisions(evidence))
        with self._lock:
            # What was read before a change must not outlive it.
            is_stale = self._changed.get(run_id, self._forgotten) > since
            if not is_stale and decisions <= self._max_decisions // 2:
                self._remove(run_id)
                self._places[run_id] = _Place(evidence, decisions, self._clock.monotonic_s())
                self._decisions += decisions
                while self._decisions > self._max_decisions:
                    self._remove(next(iter(self._places)))
        return evidence

    def forget(self, run_ids: Iterable[str]) -> None:
        """These runs changed."""
        with self._lock:
            self._moment += 1
            for run_id in run_ids:
                self._remove(run_id)
                self._changed[run_id] = self._moment
                self._changed.move_to_end(run_id)
            while len(self._changed) > _MAX_CHANGES:
                _, self._forgotten = self._changed.popitem(last=False)

    def _remove(self, run_id: str) -> None:
        place = self._places.pop(run_id, None)
        if place is not None:
            self._decisions -= place.decisions


def _count_decisions(evidence: RunEvidence) -> Iterable[int]:
    for step in evidence.steps:
        yield step.counts.rejected + step.counts.accepted + step.counts.selected


_shelves: Final[WeakKeyDictionary[Store, Shelf]] = WeakKeyDictionary()


def put_up_shelf(store: Store, clock: Clock) -> Shelf:
    """Keep the runs of *store* that are asked about open from here on.

    Whoever does must tell the shelf of every change, once it is durable.
    """
    shelf = _shelves[store] = Shelf(clock)
    return shelf


def take_down_shelf(store: Store) -> None:
    """Read the runs of *store* anew for each question from here on."""
    _shelves.pop(store, None)


def open_run(store: Store, run_id: str) -> RunEvidence:
    """What *store* knows about a run, from its shelf where it has one.

    Raises:
        NotFoundError: no run has that id.
    """
    shelf = _shelves.get(store)
    return load_evidence(store, run_id) if shelf is None else shelf.take(store, run_id)
