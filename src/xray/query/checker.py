"""From a written query to a checked condition: whose field, of which type, with which value."""

from __future__ import annotations

from typing import Final

from xray.errors import InvalidQueryError
from xray.query.fields import BY_SCOPE, FIELDS, PATHED_TYPES, SCOPES, Field
from xray.query.operands import Judge
from xray.query.plan import (
    AllOf,
    AnyOf,
    AnyRow,
    Comparison,
    Condition,
    Exists,
    FieldRef,
    Has,
    Not,
    Scope,
    simplify,
)
from xray.query.spelling import find_nearest
from xray.query.syntax import (
    Compared,
    Existing,
    Joined,
    Negated,
    SomeRow,
    Written,
    WrittenField,
)
from xray.query.tokens import Key, refuse, shorten

_DEPTH: Final[dict[Scope, int]] = {scope: depth for depth, scope in enumerate(SCOPES)}
_EXAMPLES: Final[dict[Scope, str]] = {
    "run": "any(step.output_count = 0) or any(decision.reason = 'price_too_high')",
    "step": "any(decision.reason = 'price_too_high')",
}


def check(written: Written, query: str, scope: Scope, now_us: int) -> Condition:
    """The condition that *written* is, in its plainest form.

    Args:
        written: the query as it was written.
        query: its text, for errors to point at.
        scope: what is listed.
        now_us: the moment that spans of time are counted back from.

    Raises:
        InvalidQueryError: it names an unknown field, or compares what cannot be compared.
    """
    return simplify(_Checker(query, now_us).condition(written, scope, is_inside=False))


def check_field(written: WrittenField, text: str, scope: Scope) -> tuple[Field, FieldRef]:
    """The field of a list of *scope* that *written* names without any condition.

    Args:
        written: the field as it was written.
        text: where it was written, for errors to point at.
        scope: what is listed.

    Raises:
        InvalidQueryError: there is none, or it is one of many below a record.
    """
    named = _named_scope(written)
    owner = named
    if named is None and written.keys[0].name not in BY_SCOPE[scope]:
        spelled = written.keys[0].name.lower()
        below = [one for one in SCOPES if _DEPTH[one] > _DEPTH[scope] and spelled in BY_SCOPE[one]]
        is_above = any(spelled in BY_SCOPE[one] for one in SCOPES[: _DEPTH[scope] + 1])
        owner = below[0] if below and not is_above else None
    if owner is not None and _DEPTH[owner] > _DEPTH[scope]:
        raise refuse(
            text,
            written.start,
            written.end,
            f"{shorten(text[written.start : written.end])} is of {owner}s, and a {scope} has many.",
            f"Ask about {owner}s instead of {scope}s.",
        )
    return _Checker(text, 0).resolve(written, scope, is_inside=False)


class _Checker:
    def __init__(self, query: str, now_us: int) -> None:
        self._query = query
        self._judge = Judge(query, now_us)

    def condition(self, written: Written, row: Scope, *, is_inside: bool) -> Condition:
        """The condition that *written* is about *row*; *is_inside* any(…) or not."""
        if isinstance(written, Joined):
            parts = tuple(self.condition(part, row, is_inside=is_inside) for part in written.parts)
            return AllOf(parts) if written.word == "and" else AnyOf(parts)
        if isinstance(written, Negated):
            return Not(self.condition(written.part, row, is_inside=is_inside))
        if isinstance(written, SomeRow):
            below = self._row_below(written, row)
            return AnyRow(below, self.condition(written.part, below, is_inside=True))
        field, ref = self.resolve(written.field, row, is_inside=is_inside)
        if isinstance(written, Existing):
            return Exists(ref)
        return self._comparison(written, field, ref)

    def _comparison(self, written: Compared, field: Field, ref: FieldRef) -> Condition:
        values = self._judge.values(written, field, is_free=bool(ref.path))
        if written.sign == "in":
            return AnyOf(tuple(Comparison(ref, "=", value) for value in values))
        if written.sign == "not in":
            return AllOf(tuple(Comparison(ref, "!=", value) for value in values))
        if written.sign == "has":
            return Has(ref, values[0])
        return Comparison(ref, written.sign, values[0])

    def _row_below(self, written: SomeRow, row: Scope) -> Scope:
        """The scope of the row that any(…) binds: the deepest whose fields it names."""
        name_end = written.start + len("any")
        if row == "decision":
            raise refuse(
                self._query,
                written.start,
                name_end,
                "Nothing lies below a decision that any() could ask about.",
                "Write the condition itself.",
            )
        named: list[Scope] = []
        for field in _fields_of(written.part):
            scope = _named_scope(field)
            if scope is None:
                raise self._refuse_bare(field.keys[0], row)
            named.append(scope)
        deepest = max(named, key=_DEPTH.__getitem__, default=row)
        if _DEPTH[deepest] <= _DEPTH[row]:
            below = "step or decision" if row == "run" else "decision"
            raise refuse(
                self._query,
                written.start,
                name_end,
                f"any() names no {below} to look for.",
                f"Write {_EXAMPLES[row]}.",
            )
        return deepest

    def resolve(
        self, written: WrittenField, row: Scope, *, is_inside: bool
    ) -> tuple[Field, FieldRef]:
        """The field that *written* names, about *row*; *is_inside* any(…) or not."""
        scope = _named_scope(written)
        keys = written.keys
        if scope is None:
            if is_inside:
                raise self._refuse_bare(keys[0], row)
            scope = row
        else:
            keys = keys[1:]
            if _DEPTH[scope] > _DEPTH[row]:
                raise self._refuse_below(written, scope, row)
        field = BY_SCOPE[scope].get(keys[0].name)
        if field is None or keys[0].is_quoted:
            raise self._refuse_unknown(keys, scope, row, is_inside=is_inside)
        if len(keys) > 1 and field.type not in PATHED_TYPES:
            raise refuse(
                self._query,
                keys[1].start,
                written.end,
                f"Nothing lies inside {field.name}.",
                f"Write {field.name} alone.",
            )
        return field, FieldRef(scope, field.name, tuple(key.name for key in keys[1:]))

    def _refuse_below(self, written: WrittenField, scope: Scope, row: Scope) -> InvalidQueryError:
        said = shorten(self._query[written.start : written.end])
        return refuse(
            self._query,
            written.start,
            written.end,
            f"A {row} has many {scope}s, so {scope}.… needs any().",
            f"Write any({said} …), which holds when one of them meets it.",
        )

    def _refuse_bare(self, key: Key, row: Scope) -> InvalidQueryError:
        owners = [scope for scope in SCOPES[::-1] if key.name in BY_SCOPE[scope]]
        below = [scope for scope in owners if _DEPTH[scope] > _DEPTH[row]] or owners
        meant = " or ".join(f"{scope}.{shorten(key.name)}" for scope in below)
        return refuse(
            self._query,
            key.start,
            key.end,
            "Within any() every field says whose it is.",
            f"Write {meant}." if meant else "Write step.… or decision.… before it.",
        )

    def _refuse_unknown(
        self, keys: tuple[Key, ...], scope: Scope, row: Scope, *, is_inside: bool
    ) -> InvalidQueryError:
        return refuse(
            self._query,
            keys[0].start,
            keys[0].end,
            f"There is no field {shorten(keys[0].name)!r} of {scope}s.",
            _suggest(keys, scope, row, is_inside=is_inside),
        )


def _suggest(keys: tuple[Key, ...], scope: Scope, row: Scope, *, is_inside: bool) -> str:
    lowered = keys[0].name.lower().replace("-", "_")
    if lowered in BY_SCOPE[scope]:
        return f"Did you mean {lowered}?"
    if lowered in SCOPES or lowered.removesuffix("s") in SCOPES:
        meant = lowered if lowered in SCOPES else lowered.removesuffix("s")
        if len(keys) > 1:
            return f"Did you mean {meant}.{shorten(keys[1].name)}?"
        return f"Write {meant}.x for a field x of the {meant}."
    owner = next((other for other in SCOPES[::-1] if lowered in BY_SCOPE[other]), None)
    if owner is not None and _DEPTH[owner] <= _DEPTH[row]:
        return f"Did you mean {owner}.{lowered}?"
    near = find_nearest(lowered, BY_SCOPE[scope])
    if near is not None:
        return f"Did you mean {near}?"
    if owner is not None:
        said = f"{owner}.{lowered}"
        return f"Did you mean {said}?" if is_inside else f"Did you mean any({said} …)?"
    known = ", ".join(field.name for field in FIELDS if field.scope == scope)
    return f"There are {known}."


def _named_scope(field: WrittenField) -> Scope | None:
    """The scope that stands before a field, or None."""
    first = field.keys[0]
    if len(field.keys) == 1 or first.is_quoted:
        return None
    return next((scope for scope in SCOPES if scope == first.name), None)


def _fields_of(written: Written) -> list[WrittenField]:
    """The fields a condition names itself, not those within a deeper any(…)."""
    if isinstance(written, Joined):
        return [field for part in written.parts for field in _fields_of(part)]
    if isinstance(written, Negated):
        return _fields_of(written.part)
    if isinstance(written, SomeRow):
        return []
    return [written.field]
