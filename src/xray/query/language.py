"""The query language of `spec/query.md`: text to condition, and a plan back to text."""

from __future__ import annotations

from typing import Final

from xray.model.clock import from_wall_us
from xray.query.checker import check
from xray.query.fields import BY_SCOPE
from xray.query.parser import parse_text
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
    Operand,
    Plan,
    Scope,
    simplify,
)
from xray.query.tokens import is_bare_key, refuse, say_text

MAX_QUERY_LENGTH: Final = 16_384


def parse_query(query: str, scope: Scope, now_us: int) -> Condition:
    """The checked condition that *query* asks; every record meets the empty one.

    Args:
        query: the text.
        scope: what is listed.
        now_us: the moment of asking, which spans such as `24h` are counted back from.

    Raises:
        InvalidQueryError: it is no query; `at` says where the fault lies.
    """
    if len(query) > MAX_QUERY_LENGTH:
        raise refuse(
            query,
            MAX_QUERY_LENGTH,
            len(query),
            f"The query is longer than {MAX_QUERY_LENGTH:,} characters.",
            "Ask for less.",
        )
    written = parse_text(query)
    return AllOf() if written is None else check(written, query, scope, now_us)


def format_query(plan: Plan) -> str:
    """The canonical text of what *plan* asks; it reads back as the same condition."""
    return format_condition(plan.where, plan.scope)


def format_condition(condition: Condition, scope: Scope) -> str:
    """The canonical text of *condition* in a list of *scope*; empty when every record meets it."""
    plain = simplify(condition)
    return "" if plain == AllOf() else _Writer(scope).whole(plain)


def format_field(field: FieldRef, scope: Scope) -> str:
    """The text that names *field* in a list of *scope*."""
    return _Writer(scope).field(field)


class _Writer:
    """Writes conditions down.

    Args:
        bare: the scope whose fields stand alone; None within any(…), where all name theirs.
    """

    def __init__(self, bare: Scope | None) -> None:
        self._bare = bare

    def whole(self, condition: Condition) -> str:
        """The text of *condition*."""
        if isinstance(condition, AllOf):
            return " and ".join(self._members(condition))
        if isinstance(condition, AnyOf):
            return " or ".join(self._members(condition))
        if isinstance(condition, Not):
            is_call = isinstance(condition.part, (Exists, AnyRow))
            part = self.whole(condition.part)
            return f"not {part}" if is_call else f"not ({part})"
        if isinstance(condition, AnyRow):
            return f"any({_Writer(None).whole(condition.condition)})"
        if isinstance(condition, Exists):
            return f"exists({self.field(condition.field)})"
        sign = "has" if isinstance(condition, Has) else condition.op
        value = _say_value(condition.field, condition.value)
        return f"{self.field(condition.field)} {sign} {value}"

    def _members(self, joined: AllOf | AnyOf) -> list[str]:
        """The parts of *joined*; neighbours that ask one field for several values as one list."""
        op = "=" if isinstance(joined, AnyOf) else "!="
        members: list[str] = []
        listed: list[Comparison] = []
        for part in joined.parts:
            if not (isinstance(part, Comparison) and part.op == op):
                members += self._listed(listed)
                listed = []
                members.append(self._member(part, joined))
                continue
            if listed and not _can_share_list(listed[-1], part):
                members += self._listed(listed)
                listed = []
            listed.append(part)
        return members + self._listed(listed)

    def _member(self, part: Condition, joined: AllOf | AnyOf) -> str:
        text = self.whole(part)
        return f"({text})" if isinstance(joined, AllOf) and isinstance(part, AnyOf) else text

    def _listed(self, comparisons: list[Comparison]) -> list[str]:
        if len(comparisons) < 2:
            return [self.whole(one) for one in comparisons]
        field = comparisons[0].field
        sign = "in" if comparisons[0].op == "=" else "not in"
        values = ", ".join(_say_value(field, one.value) for one in comparisons)
        return [f"{self.field(field)} {sign} ({values})"]

    def field(self, field: FieldRef) -> str:
        """The text that names *field*."""
        names: list[str] = [] if field.scope == self._bare else [field.scope]
        names.append(field.name)
        names += [key if is_bare_key(key) else say_text(key) for key in field.path]
        return ".".join(names)


def _can_share_list(one: Comparison, other: Comparison) -> bool:
    return one.field == other.field and _kind(one.value) == _kind(other.value)


def _kind(value: Operand) -> str:
    if isinstance(value, bool):
        return "flag"
    return "text" if isinstance(value, str) else "number"


def _say_value(field: FieldRef, value: Operand) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return say_text(value)
    if BY_SCOPE[field.scope][field.name].type == "time":
        return from_wall_us(int(value)).isoformat().replace("+00:00", "Z")
    return repr(value)
