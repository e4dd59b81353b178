"""What a condition means, over plain records: the reference every engine's SQL must agree with.

Two-valued: a comparison whose operand is missing, not a number (NaN) or of another type is false,
`!=` included. A bool is no number. Text is compared by code point; `contains` disregards case.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Final

import msgspec
from msgspec import Struct

from xray.model.clock import to_wall_us
from xray.model.counts import score_value
from xray.model.facts import ErrorInfo
from xray.model.records import Decision, Run, Step, displayed_status
from xray.query.fields import FIELDS
from xray.query.plan import (
    AllOf,
    AnyOf,
    AnyRow,
    Comparator,
    Comparison,
    Condition,
    Exists,
    FieldRef,
    Has,
    Not,
    Operand,
    Scope,
)

Record = Run | Step | Decision
RowsBelow = Callable[[Scope, Record], Iterable[Record]]
"""The steps or decisions below a run, or the decisions below a step."""

RowsAbout = Callable[[Step, str], Iterable[Decision]]
"""The decisions of a step about one candidate."""

_COMPUTED_FIELDS: Final[dict[Scope, frozenset[str]]] = {
    "run": frozenset({"status", "started_at", "error"}),
    "step": frozenset(
        {"started_at", "error", "rejected_count", "accepted_count", "selected_count"}
    ),
    "decision": frozenset({"score"}),
}
_DIRECT_FIELDS: Final[dict[Scope, frozenset[str]]] = {
    scope: frozenset(field.name for field in FIELDS if field.scope == scope) - computed
    for scope, computed in _COMPUTED_FIELDS.items()
}
_COUNTS: Final = {
    "rejected_count": "rejected",
    "accepted_count": "accepted",
    "selected_count": "selected",
}


class _Frame(Struct, frozen=True):
    run: Run | None
    step: Step | None
    decision: Decision | None
    now_us: int
    rows_below: RowsBelow | None
    rows_about: RowsAbout | None

    def record(self, scope: Scope) -> Record | None:
        if scope == "run":
            return self.run
        return self.step if scope == "step" else self.decision

    def innermost(self) -> Record | None:
        return self.decision or self.step or self.run


def meets(
    condition: Condition,
    record: Record,
    run: Run | None = None,
    now_us: int = 0,
    *,
    step: Step | None = None,
    rows_below: RowsBelow | None = None,
    rows_about: RowsAbout | None = None,
) -> bool:
    """Whether *record* meets *condition*.

    Args:
        condition: what must hold.
        record: a run, a step or a decision.
        run: the run of a step or decision, for conditions that name its fields.
        now_us: the moment `abandoned` is judged by; 0 takes each status as it is.
        step: the step of a decision, for conditions that name its fields.
        rows_below: gives the rows that `AnyRow` asks about; without it `AnyRow` is false.
        rows_about: gives those about one candidate, where that is faster.
    """
    frame = _Frame(
        record if isinstance(record, Run) else run,
        record if isinstance(record, Step) else step,
        record if isinstance(record, Decision) else None,
        now_us,
        rows_below,
        rows_about,
    )
    return _holds(condition, frame)


def _holds(condition: Condition, frame: _Frame) -> bool:
    if isinstance(condition, Comparison):
        return compare(_read(condition.field, frame), condition.op, condition.value)
    if isinstance(condition, AllOf):
        return all(_holds(part, frame) for part in condition.parts)
    if isinstance(condition, AnyOf):
        return any(_holds(part, frame) for part in condition.parts)
    if isinstance(condition, Not):
        return not _holds(condition.part, frame)
    if isinstance(condition, Exists):
        return is_present(_read(condition.field, frame))
    if isinstance(condition, Has):
        return has(_read(condition.field, frame), condition.value)
    return _any_row_holds(condition, frame)


def _any_row_holds(condition: AnyRow, frame: _Frame) -> bool:
    above = frame.innermost()
    if frame.rows_below is None or above is None:
        return False
    if condition.scope == "decision" and isinstance(above, Run):
        around: Iterable[_Frame] = [_below(frame, row) for row in frame.rows_below("step", above)]
    else:
        around = [frame]
    return any(
        _holds(condition.condition, _below(frame_above, row))
        for frame_above in around
        for row in _rows_below(frame_above, condition)
    )


def _rows_below(frame: _Frame, asked: AnyRow) -> Iterable[Record]:
    above = frame.innermost()
    if frame.rows_below is None or above is None:
        return ()
    if frame.rows_about is not None and isinstance(above, Step) and asked.scope == "decision":
        candidate_id = named_value(asked.condition, "decision", "candidate_id")
        if candidate_id is not None:
            return frame.rows_about(above, candidate_id)
    return frame.rows_below(asked.scope, above)


def _below(frame: _Frame, row: Record) -> _Frame:
    step = row if isinstance(row, Step) else frame.step
    decision = row if isinstance(row, Decision) else None
    return _Frame(frame.run, step, decision, frame.now_us, frame.rows_below, frame.rows_about)


def compare(value: object, op: Comparator, operand: Operand) -> bool:
    """Whether `value op operand` holds; false when their types differ or *value* is missing."""
    if op == "contains":
        is_text = isinstance(value, str) and isinstance(operand, str)
        return is_text and holds_text(str(value), str(operand))
    if isinstance(operand, bool) or isinstance(value, bool):
        if not (isinstance(operand, bool) and isinstance(value, bool)):
            return False
        return value == operand if op == "=" else op == "!=" and value != operand
    if isinstance(operand, str):
        return isinstance(value, str) and _is_ordered(value, op, operand)
    if not isinstance(value, (int, float)) or math.isnan(value) or math.isnan(operand):
        return False
    return _is_ordered(value, op, operand)


def holds_text(text: str, wanted: str) -> bool:
    """Whether *wanted* occurs in *text*, upper and lower case being the same."""
    return wanted.casefold() in text.casefold()


def _is_ordered(value: str | float, op: Comparator, operand: str | float) -> bool:
    if value == operand:
        return op in ("=", "<=", ">=")
    if op == "=" or op == "!=":
        return op == "!="
    is_less = value < operand  # type: ignore[operator]  # both are text, or both are numbers
    return is_less if op in ("<", "<=") else not is_less


def has(value: object, wanted: Operand) -> bool:
    """Whether the list *value* holds *wanted*, told apart by type as `compare` does."""
    return isinstance(value, list) and any(compare(item, "=", wanted) for item in value)


def is_present(value: object) -> bool:
    """Whether a field has a value: anything but None, NaN, the empty list and the empty map."""
    if isinstance(value, float):
        return not math.isnan(value)
    return not (value is None or (isinstance(value, (list, dict)) and not value))


def walk_path(value: object, path: tuple[str, ...]) -> object:
    """What lies under the keys *path* in nested maps; None when nothing does."""
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    return value


def _read(field: FieldRef, frame: _Frame) -> object:
    record = frame.record(field.scope)
    return None if record is None else read_field(record, field, frame.now_us)


def read_field(record: Record, field: FieldRef, now_us: int = 0) -> object:
    """The value a condition sees in *field* of *record*; None when it is missing.

    Args:
        record: a record of the field's own scope.
        field: which field, with the path below it.
        now_us: the moment `abandoned` is judged by; 0 takes the status as it is.
    """
    name = field.name
    value: object = None
    if name in _DIRECT_FIELDS[field.scope]:
        value = getattr(record, name)
    elif isinstance(record, Decision):
        value = score_value(record.score) if name == "score" else None
    elif name == "started_at":
        value = to_wall_us(record.started_at)
    elif name == "error":
        value = _plain_error(record.error)
    elif isinstance(record, Run):
        value = _status(record, now_us) if name == "status" else None
    elif name in _COUNTS:
        value = getattr(record.counts, _COUNTS[name])
    return walk_path(value, field.path) if field.path else value


def _status(run: Run, now_us: int) -> str:
    if not now_us:
        return run.status
    return displayed_status(run.status, to_wall_us(run.started_at), now_us)


def _plain_error(error: ErrorInfo | None) -> dict[str, object] | None:
    # As the API shows it: what an error did not say is not there.
    if error is None:
        return None
    plain: dict[str, object] = msgspec.to_builtins(error)
    return plain


def named_value(condition: Condition, scope: Scope, name: str) -> str | None:
    """The text that *condition* as a whole demands of a field with `=`, or None.

    A question about decisions is answered from the step, run or candidate it demands.
    """
    if isinstance(condition, Comparison):
        field = condition.field
        is_it = field.scope == scope and field.name == name and not field.path
        is_demand = is_it and condition.op == "=" and isinstance(condition.value, str)
        return str(condition.value) if is_demand else None
    if isinstance(condition, AllOf):
        found = (named_value(part, scope, name) for part in condition.parts)
        return next((value for value in found if value is not None), None)
    return None


def named_below(condition: Condition, name: str = "candidate_id") -> str | None:
    """What *condition* demands some decision below a record to have in the field *name*, or None.

    A run or step that meets it is one of those that decided about such a candidate.
    """
    if isinstance(condition, AllOf):
        found = (named_below(part, name) for part in condition.parts)
        return next((value for value in found if value is not None), None)
    if not isinstance(condition, AnyRow):
        return None
    if condition.scope == "decision":
        return named_value(condition.condition, "decision", name)
    return named_below(condition.condition, name)


def scopes_named(condition: Condition) -> set[Scope]:
    """The scopes whose fields *condition* reads."""
    if isinstance(condition, (AllOf, AnyOf)):
        return {scope for part in condition.parts for scope in scopes_named(part)}
    if isinstance(condition, Not):
        return scopes_named(condition.part)
    if isinstance(condition, AnyRow):
        return scopes_named(condition.condition) | {condition.scope}
    return {condition.field.scope}
