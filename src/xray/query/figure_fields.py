"""Lists of fields as they are written: what records are grouped by, what figures are of."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from xray.query.checker import check_field
from xray.query.fields import Field, FieldType
from xray.query.plan import FieldRef, Scope
from xray.query.syntax import WrittenField
from xray.query.tokens import Token, refuse, split_query

_HINT: Final = "Write fields with commas between them, like run.pipeline, name."
_NUMERIC: Final[frozenset[FieldType]] = frozenset({"number", "duration"})


def read_group_fields(text: str, scope: Scope) -> list[FieldRef]:
    """The fields that *text* lists, which records of *scope* can be grouped by.

    Raises:
        InvalidQueryError: one of them is none, or has no single value; `at` says where.
    """
    return _read(text, scope, _find_group_fault)


def read_figure_fields(text: str, scope: Scope) -> list[FieldRef]:
    """The fields that *text* lists, which figures about records of *scope* can be of.

    Raises:
        InvalidQueryError: one of them is none, or holds no numbers; `at` says where.
    """
    return _read(text, scope, _find_figure_fault)


_Fault = tuple[str, str] | None


def _find_group_fault(field: Field, ref: FieldRef, said: str) -> _Fault:
    if ref.path or field.type not in ("time", "list", "map"):
        return None
    if field.type == "time":
        return f"{field.name} is a time, almost no two of which are equal.", "Give bucket=1h."
    if field.type == "list":
        return (
            f"{field.name} is a list: a record would be in several groups.",
            f"Ask for one of them beside it: {said} has 'a'.",
        )
    return f"{field.name} is a map.", f"Name something inside: {said}.<name>."


def _find_figure_fault(field: Field, ref: FieldRef, said: str) -> _Fault:
    if ref.path or field.type in _NUMERIC or field.type == "value":
        return None
    if field.type == "map":
        return f"{field.name} is a map.", f"Name a number inside: {said}.<name>."
    kind = {"time": "a time", "list": "a list", "id": "an id"}.get(field.type, "text")
    return f"{field.name} is {kind}, no number.", f"Group by it, or count: by={said}." if (
        field.type in ("text", "word", "id")
    ) else "Name a field that holds numbers."


def _read(
    text: str, scope: Scope, find_fault: Callable[[Field, FieldRef, str], _Fault]
) -> list[FieldRef]:
    found: list[FieldRef] = []
    is_expected = True
    for token in split_query(text):
        if is_expected:
            found.append(_read_field(token, text, scope, find_fault))
        elif token.kind != "end" and (token.kind, token.text) != ("sign", ","):
            detail = f"{token.said} is one word too many."
            raise refuse(text, token.start, token.end, detail, _HINT)
        is_expected = not is_expected
    return found


def _read_field(
    token: Token, text: str, scope: Scope, find_fault: Callable[[Field, FieldRef, str], _Fault]
) -> FieldRef:
    if token.kind != "path":
        detail = "A field is missing here."
        if token.kind not in ("sign", "end"):
            detail = f"{text[token.start : token.end][:60]} is no field."
        raise refuse(text, token.start, token.end, detail, _HINT)
    written = WrittenField(token.keys)
    field, ref = check_field(written, text, scope)
    fault = find_fault(field, ref, text[written.start : written.end])
    if fault is not None:
        raise refuse(text, written.start, written.end, *fault)
    return ref
