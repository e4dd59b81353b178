"""Which candidates each step decided and let through: of all the run knows by id, or of one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet
from operator import itemgetter
from typing import Literal, Protocol

from msgspec import Struct

from xray.forensics.evidence import Key, Ledger
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
        self._let_through: dict[str, frozenset[Key]] = {}
        self._decided: dict[str, frozenset[Key]] = {}

    def keys(self, step: Step, verdict: Verdict) -> frozenset[Key]:
        """The candidates *step* decided with *verdict*."""
        ledger = self._graph.ledger(step)
        if self.candidate_id is None:
            return ledger.keys(verdict)
        return ledger.keys_about(self.candidate_id, verdict)

    def decided(self, step: Step) -> frozenset[Key]:
        """The candidates *step* decided."""
        if self.candidate_id is None:
            return self._graph.ledger(step).decided
        found = self._decided.get(step.step_id)
        if found is None:
            keys = (self.keys(step, verdict) for verdict in VERDICTS)
            found = self._decided[step.step_id] = frozenset().union(*keys)
        return found

    def let_through(self, step: Step) -> frozenset[Key]:
        """The selected of *step* if any, else its accepted, else what it did not reject."""
        if step.step_id not in self._let_through:
            for earlier in self._graph.steps:  # in order, so that no chain is walked recursively
                if earlier.step_id not in self._let_through:
                    self._let_through[earlier.step_id] = frozenset()
                    self._let_through[earlier.step_id] = self._find_survivors(earlier)
                if earlier.step_id == step.step_id:
                    break
        return self._let_through[step.step_id]

    def offered(self, step: Step) -> frozenset[Key]:
        """What the steps that *step* takes from let through, together."""
        sources = (edge.source for edge in self._graph.edges(step))
        return frozenset().union(*map(self.let_through, sources))

    def _find_survivors(self, step: Step) -> frozenset[Key]:
        counts = step.counts
        if counts.selected:
            return self.keys(step, "selected")
        if counts.accepted:
            return self.keys(step, "accepted")
        ledger = self._graph.ledger(step)
        is_rest_known = ledger.is_complete("rejected") and not ledger.dropped_elsewhere
        if counts.rejected and is_rest_known and self._graph.role(step) != "creates":
            return subtract_keys(self.offered(step), self.keys(step, "rejected"))
        return frozenset()


def subtract_keys(keys: AbstractSet[Key], others: AbstractSet[Key]) -> frozenset[Key]:
    """The *keys* that *others* lacks; by candidate alone where only one side has `by`."""
    if has_partitions(keys) == has_partitions(others):
        return frozenset(keys - others)
    ids = {candidate_id for _, candidate_id in others}
    return frozenset(key for key in keys if key[1] not in ids)


def share_keys(keys: AbstractSet[Key], others: AbstractSet[Key]) -> bool:
    """Whether the two sets have a candidate in common."""
    if has_partitions(keys) == has_partitions(others):
        return not keys.isdisjoint(others)
    return not {key[1] for key in keys}.isdisjoint(key[1] for key in others)


def has_candidate(keys: Iterable[Key], candidate_id: str) -> bool:
    """Whether some of *keys* are about the candidate."""
    return any(key[1] == candidate_id for key in keys)


_partition = itemgetter(0)


def has_partitions(keys: Iterable[Key]) -> bool:
    """Whether some of *keys* belong to a `by`."""
    return not {None}.issuperset(map(_partition, keys))


def is_more_than_chance(found: int, asked: int) -> bool:
    """Whether *found* of *asked* candidates are in a roster by more than its rare mistakes."""
    if asked <= 10:
        return found > 0
    return found > (1 if asked <= 400 else 2)
