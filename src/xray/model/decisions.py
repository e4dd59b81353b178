"""The decisions a store kept of one step, as columns: a column is cheap, a whole row is opened."""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Protocol, TypeVar

from msgspec import Struct

from xray.model.counts import is_reason_inferred, reason_of
from xray.model.facts import EVIDENCE, REJECTED, DecisionRow, OriginRef, Score, StepFinished
from xray.model.facts import Check as CheckRow
from xray.model.records import Check, Decision, Origin
from xray.model.values import open_map, plain_value
from xray.model.vocabulary import VERDICTS, LabelWord, Verdict

_Name = TypeVar("_Name", bound=Hashable)


class Outline(Struct, frozen=True, gc=False):
    """One decision without its free-form values: what is cheap to have of every row of a step.

    Args:
        candidate_id: the candidate.
        verdict: the verdict; None where only checks were recorded.
        reason: why it was rejected.
        score: a number, or named numbers, as they were sent: some may not be finite.
        rank: its rank.
        by: the query or left record it belongs to.
        checks: evidence.
        weight: how many candidates of its step the row stands for.
        is_logged: the row only illustrates.
    """

    candidate_id: str
    verdict: Verdict | None
    reason: str | None
    score: Score | None
    rank: int | None
    by: str | None
    checks: Sequence[Check | CheckRow]
    weight: float
    is_logged: bool


class DecisionTable(Protocol):
    """One step's stored decisions, one a candidate (and `by`), in recorded order."""

    step_id: str

    @property
    def candidate_ids(self) -> Sequence[str]:
        """The candidates."""
        ...

    @property
    def places(self) -> Mapping[str, int]:
        """The index of the last row about each candidate."""
        ...

    @property
    def codes(self) -> bytes:
        """Their verdicts as `DecisionRow` has them, in the same order."""
        ...

    @property
    def verdicts(self) -> Sequence[Verdict | None]:
        """Their verdicts, in the same order; None where only checks were recorded."""
        ...

    @property
    def logged(self) -> Sequence[bool]:
        """Whether the row only illustrates, in the same order."""
        ...

    @property
    def partitions(self) -> Sequence[str | None]:
        """What each decision is `by`, in the same order."""
        ...

    @property
    def wholes(self) -> Sequence[str | None]:
        """What each candidate is `part_of`, in the same order."""
        ...

    @property
    def reasons(self) -> Sequence[str | None]:
        """Why, in the same order; every rejected one has a reason."""
        ...

    @property
    def scores(self) -> Sequence[Score | None]:
        """Their scores, in the same order."""
        ...

    @property
    def ranks(self) -> Sequence[int | None]:
        """Their ranks, in the same order."""
        ...

    @property
    def origins(self) -> Sequence[tuple[str, ...]]:
        """The ids of what brought each candidate, in the same order."""
        ...

    @property
    def checks(self) -> Sequence[Sequence[Check | CheckRow]]:
        """The evidence about each candidate, in the same order."""
        ...

    @property
    def anonymous(self) -> Sequence[bool]:
        """Whether the candidate had no id of its own, in the same order."""
        ...

    @property
    def weights(self) -> Sequence[float]:
        """How many candidates of its step each row stands for, in the same order."""
        ...

    def __len__(self) -> int: ...

    def row(self, index: int) -> Decision:
        """The whole decision at *index*."""
        ...

    def find(self, candidate_id: str) -> list[Decision]:
        """Every decision about *candidate_id*: one for each `by`."""
        ...

    def __iter__(self) -> Iterator[Decision]: ...


class ListedDecisions:
    """A decision table over decisions that are all opened already."""

    def __init__(self, step_id: str, decisions: Iterable[Decision]) -> None:
        self.step_id = step_id
        self._decisions = list(decisions)

    @cached_property
    def candidate_ids(self) -> Sequence[str]:
        """The candidates."""
        return [decision.candidate_id for decision in self._decisions]

    @cached_property
    def places(self) -> Mapping[str, int]:
        """The index of the last row about each candidate."""
        return place_last(self.candidate_ids)

    @cached_property
    def codes(self) -> bytes:
        """Their verdicts as `DecisionRow` has them, in the same order."""
        return bytes(EVIDENCE if word is None else VERDICTS.index(word) for word in self.verdicts)

    @cached_property
    def verdicts(self) -> Sequence[Verdict | None]:
        """Their verdicts, in the same order; None where only checks were recorded."""
        return [decision.decision for decision in self._decisions]

    @cached_property
    def logged(self) -> Sequence[bool]:
        """Whether the row only illustrates, in the same order."""
        return [decision.is_logged for decision in self._decisions]

    @cached_property
    def partitions(self) -> Sequence[str | None]:
        """What each decision is `by`, in the same order."""
        return [decision.by for decision in self._decisions]

    @cached_property
    def wholes(self) -> Sequence[str | None]:
        """What each candidate is `part_of`, in the same order."""
        return [decision.part_of for decision in self._decisions]

    @cached_property
    def reasons(self) -> Sequence[str | None]:
        """Why, in the same order; every rejected one has a reason."""
        return [decision.reason for decision in self._decisions]

    @cached_property
    def scores(self) -> Sequence[Score | None]:
        """Their scores, in the same order."""
        return [decision.score for decision in self._decisions]

    @cached_property
    def ranks(self) -> Sequence[int | None]:
        """Their ranks, in the same order."""
        return [decision.rank for decision in self._decisions]

    @cached_property
    def origins(self) -> Sequence[tuple[str, ...]]:
        """The ids of what brought each candidate, in the same order."""
        return [tuple(one.candidate_id for one in row.origin) for row in self._decisions]

    @cached_property
    def checks(self) -> Sequence[Sequence[Check | CheckRow]]:
        """The evidence about each candidate, in the same order."""
        return [decision.checks for decision in self._decisions]

    @cached_property
    def anonymous(self) -> Sequence[bool]:
        """Whether the candidate had no id of its own, in the same order."""
        return [decision.is_anonymous for decision in self._decisions]

    @cached_property
    def weights(self) -> Sequence[float]:
        """How many candidates of its step each row stands for, in the same order."""
        return [decision.weight for decision in self._decisions]

    def __len__(self) -> int:
        return len(self._decisions)

    def row(self, index: int) -> Decision:
        """The whole decision at *index*."""
        return self._decisions[index]

    def find(self, candidate_id: str) -> list[Decision]:
        """Every decision about *candidate_id*: one for each `by`."""
        return [found for found in self._decisions if found.candidate_id == candidate_id]

    def __iter__(self) -> Iterator[Decision]:
        return iter(self._decisions)


def place_last(names: Sequence[_Name]) -> Mapping[_Name, int]:
    """The index of the last row about each candidate, of rows about *names*."""
    return dict(zip(names, range(len(names)), strict=True))


def open_decision(
    row: DecisionRow,
    *,
    step_id: str,
    run_id: str,
    weight: float = 1.0,
    is_logged: bool = False,
    label: LabelWord | None = None,
) -> Decision:
    """The decision that *row* records.

    Args:
        row: a resolved row.
        step_id: the step that decided.
        run_id: that step's run.
        weight: how many candidates the row stands for.
        is_logged: the row came from `log_sampled_candidates`.
        label: what somebody said of the candidate.
    """
    is_rejected = row.verdict == REJECTED
    return Decision(
        candidate_id=row.candidate_id,
        decision=VERDICTS[row.verdict] if row.verdict < len(VERDICTS) else None,
        step_id=step_id,
        run_id=run_id,
        reason=shown_reason(row),
        is_reason_inferred=is_rejected and is_reason_inferred(row),
        reasoning=row.reasoning,
        score=row.score,
        rank=row.rank,
        rank_before=row.rank_before,
        attributes=open_map(row.attributes),
        origin=[
            Origin(
                candidate_id=ref.candidate_id, step_id=ref.step_id, rank=ref.rank, score=ref.score
            )
            for ref in row.origin or ()
        ],
        checks=[open_check(check) for check in row.checks or ()],
        by=row.by,
        part_of=row.part_of,
        merged_into=row.merged_into,
        weight=weight,
        is_logged=is_logged,
        is_anonymous=row.is_anonymous,
        label=label,
    )


def shown_reason(row: DecisionRow) -> str | None:
    """The reason a decision is shown with: every rejected one has one."""
    return reason_of(row) if row.verdict == REJECTED else row.reason


def outline_decisions(table: DecisionTable) -> list[Outline]:
    """Every decision of *table* without its free-form values, in recorded order."""
    columns = (
        table.candidate_ids,
        table.verdicts,
        table.reasons,
        table.scores,
        table.ranks,
        table.partitions,
        table.checks,
        table.weights,
        table.logged,
    )
    return list(map(Outline, *columns))


def list_origins(origin: Iterable[OriginRef] | None) -> tuple[str, ...]:
    """The ids of what brought a candidate."""
    return tuple([ref.candidate_id for ref in origin]) if origin else ()


def open_check(check: CheckRow) -> Check:
    """The evidence *check* holds, with its margin."""
    return Check(
        name=check.name,
        field=check.field or check.name,
        op=check.op,
        observed=plain_value(check.observed),
        limit=plain_value(check.limit),
        passed=check.passed,
        margin=_margin(check.observed, check.limit),
    )


def _margin(observed: object, limit: object) -> float | None:
    if isinstance(observed, bool) or isinstance(limit, bool):
        return None
    if isinstance(observed, (int, float)) and isinstance(limit, (int, float)):
        try:
            difference = observed - limit
        except OverflowError:
            return None
        return float(difference) if math.isfinite(difference) else None
    return None


def weigh_rows(
    fact: StepFinished, resolved: Iterable[DecisionRow]
) -> Iterator[tuple[DecisionRow, float, bool]]:
    """Every row *fact* carries with its weight and whether it only illustrates.

    Args:
        fact: the step.
        resolved: its census rows, one a candidate.
    """
    for row in resolved:
        yield row, 1.0, False
    for reservoir in fact.reservoirs:
        weight = reservoir.seen / len(reservoir.rows) if reservoir.rows else 0.0
        for row in reservoir.rows:
            yield row, weight, False
    for row in fact.logged:
        yield row, 1.0, True
