"""Conditions on decisions that a step's columns answer, without opening a row."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Final

from xray.model.counts import score_value
from xray.model.decisions import DecisionTable
from xray.query.evaluate import compare, is_present
from xray.query.plan import AllOf, AnyOf, Comparison, Condition, Exists, Not

_COLUMNS: Final[dict[str, Callable[[DecisionTable], Sequence[object]]]] = {
    "candidate_id": lambda table: table.candidate_ids,
    "decision": lambda table: table.verdicts,
    "reason": lambda table: table.reasons,
    "rank": lambda table: table.ranks,
    "by": lambda table: table.partitions,
    "part_of": lambda table: table.wholes,
    "score": lambda table: [score_value(score) for score in table.scores],
}


def split_condition(condition: Condition) -> tuple[Condition, Condition]:
    """*condition* in two that hold together when it does: one that columns answer, and the rest."""
    parts = condition.parts if isinstance(condition, AllOf) else (condition,)
    answered = [part for part in parts if _is_answered(part)]
    return AllOf(tuple(answered)), AllOf(tuple(part for part in parts if part not in answered))


def find_rows(condition: Condition, table: DecisionTable) -> Iterable[int]:
    """The places of the rows of *table* that meet a condition columns answer, in order."""
    if condition == AllOf():
        return range(len(table))
    return [place for place, holds in enumerate(_mask(condition, table)) if holds]


def _is_answered(condition: Condition) -> bool:
    if isinstance(condition, (AllOf, AnyOf)):
        return all(map(_is_answered, condition.parts))
    if isinstance(condition, Not):
        return _is_answered(condition.part)
    if not isinstance(condition, (Comparison, Exists)):
        return False
    field = condition.field
    return field.scope == "decision" and field.name in _COLUMNS and not field.path


def _mask(condition: Condition, table: DecisionTable) -> list[bool]:
    if isinstance(condition, AllOf):
        masks = [_mask(part, table) for part in condition.parts]
        return [True] * len(table) if not masks else list(map(all, zip(*masks, strict=True)))
    if isinstance(condition, AnyOf):
        masks = [_mask(part, table) for part in condition.parts]
        return [False] * len(table) if not masks else list(map(any, zip(*masks, strict=True)))
    if isinstance(condition, Not):
        return [not holds for holds in _mask(condition.part, table)]
    assert isinstance(condition, (Comparison, Exists))
    column = _COLUMNS[condition.field.name](table)
    # Columns repeat few values; each is compared once. Numbers that are equal compare alike.
    known: dict[object, bool]
    if isinstance(condition, Exists):
        known = {value: is_present(value) for value in set(column)}
    else:
        op, operand = condition.op, condition.value
        known = {value: compare(value, op, operand) for value in set(column)}
    return [known[value] for value in column]
