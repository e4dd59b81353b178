"""What is known about one run: its steps, and each step's decisions as sets and rows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cached_property

from xray.errors import NotFoundError
from xray.model.decisions import DecisionTable
from xray.model.records import Decision, Run, Step
from xray.model.vocabulary import ANONYMOUS_PREFIX, VERDICTS, Verdict
from xray.store.protocol import Store

Key = tuple[str | None, str]
"""What one decision of a step is about: (`by`, candidate id)."""


class Ledger:
    """One step's stored decisions, as sets of keys and as rows that are opened one by one.

    Rows of `log_sampled_candidates` can be read, but belong to no set: they count nowhere.
    """

    def __init__(self, step: Step, table: DecisionTable) -> None:
        self.step = step
        self._table = table

    @cached_property
    def _positions(self) -> dict[str, list[int]]:
        positions: dict[str, list[int]] = {}
        for index, candidate_id in enumerate(self._table.candidate_ids):
            positions.setdefault(candidate_id, []).append(index)
        return positions

    @cached_property
    def _keys(self) -> dict[Verdict, frozenset[Key]]:
        keys: dict[Verdict, set[Key]] = {verdict: set() for verdict in VERDICTS}
        table = self._table
        for by, candidate_id, verdict, is_logged in zip(
            table.partitions, table.candidate_ids, table.verdicts, table.logged, strict=True
        ):
            if verdict is not None and not is_logged and self._has_identity(candidate_id):
                keys[verdict].add((by, candidate_id))
        return {verdict: frozenset(found) for verdict, found in keys.items()}

    def _has_identity(self, candidate_id: str) -> bool:
        """Whether the id is the candidate's own, so that another step may be compared by it."""
        return not (self.anonymous_count and candidate_id.startswith(ANONYMOUS_PREFIX))

    @property
    def anonymous_count(self) -> int:
        """How many of the candidates had no id of their own."""
        return self.step.counts.anonymous

    @property
    def dropped_elsewhere(self) -> int:
        """How many more the counts set by hand say were dropped, where only rejections are known.

        Then the candidates that were not rejected cannot be taken to have been kept.
        """
        step = self.step
        if step.declared_input_count is None or step.declared_output_count is None:
            return 0
        dropped = step.declared_input_count - step.declared_output_count
        return max(0, dropped - step.counts.rejected)

    @property
    def candidate_ids(self) -> Iterable[str]:
        """Every candidate some row is about, once."""
        return self._positions.keys()

    def keys(self, verdict: Verdict) -> frozenset[Key]:
        """The stored keys with *verdict*."""
        return self._keys[verdict]

    @cached_property
    def decided(self) -> frozenset[Key]:
        """The stored keys with any verdict."""
        return frozenset().union(*self._keys.values())

    def is_complete(self, *verdicts: Verdict) -> bool:
        """Whether every candidate the step decided so is stored; by default, for any verdict."""
        counts = self.step.counts
        counted = {
            "rejected": counts.rejected,
            "accepted": counts.accepted,
            "selected": counts.selected,
        }
        return all(len(self._keys[word]) == counted[word] for word in verdicts or VERDICTS)

    @property
    def decided_count(self) -> int:
        """How many distinct candidates the step decided, stored or not."""
        counts = self.step.counts
        return counts.rejected + counts.accepted + counts.selected

    def has(self, candidate_id: str) -> bool:
        """Whether some row is about *candidate_id*."""
        return candidate_id in self._positions

    def find(self, candidate_id: str) -> list[Decision]:
        """Every row about *candidate_id*; those that count before those that only illustrate."""
        rows = [self._table.row(index) for index in self._positions.get(candidate_id, ())]
        return sorted(rows, key=lambda row: row.is_logged)

    def rows(self, verdicts: Sequence[Verdict]) -> Iterator[Decision]:
        """The rows whose verdict is among *verdicts*, opened as they are asked for."""
        for index, verdict in enumerate(self._table.verdicts):
            if verdict in verdicts:
                yield self._table.row(index)

    @cached_property
    def _parts(self) -> dict[str, list[str]]:
        parts: dict[str, dict[str, None]] = {}
        for whole, candidate_id in zip(self._table.wholes, self._table.candidate_ids, strict=True):
            if whole is not None:
                parts.setdefault(whole, {})[candidate_id] = None
        return {whole: list(found) for whole, found in parts.items()}

    @property
    def wholes(self) -> Iterable[str]:
        """Every whole some row names with `part_of`, once."""
        return self._parts.keys()

    def parts_of(self, whole: str) -> list[str]:
        """The candidates recorded as parts of *whole*, as first seen."""
        return self._parts.get(whole, [])


class RunEvidence:
    """One run, its steps by ordinal, and the decisions of each step, loaded when first needed.

    Args:
        run: the run.
        steps: its steps.
        load_table: gives the decisions of a step by its id.
    """

    def __init__(
        self, run: Run, steps: Iterable[Step], load_table: Callable[[str], DecisionTable]
    ) -> None:
        self.run = run
        self.steps: list[Step] = sorted(steps, key=lambda step: (step.ordinal, step.started_at))
        self._load_table = load_table
        self._ledgers: dict[str, Ledger] = {}

    @cached_property
    def steps_by_id(self) -> dict[str, Step]:
        """The steps by their ids."""
        return {step.step_id: step for step in self.steps}

    def ledger(self, step: Step) -> Ledger:
        """The decisions of *step*."""
        found = self._ledgers.get(step.step_id)
        if found is None:
            found = Ledger(step, self._load_table(step.step_id))
            self._ledgers[step.step_id] = found
        return found


def load_evidence(store: Store, run_id: str) -> RunEvidence:
    """What *store* knows about a run.

    Raises:
        NotFoundError: no run has that id.
    """
    run = store.run(run_id)
    if run is None:
        raise NotFoundError(
            f"No run has the id {run_id}.", hint="`xray runs` lists the runs there are."
        )
    return RunEvidence(run, store.steps_of_run(run_id), store.decisions_of_step)
