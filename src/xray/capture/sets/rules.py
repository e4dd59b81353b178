"""Rules: what must be true of a candidate for a filter to keep it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any, Final

from msgspec import Struct

from xray.capture.sets.columns import is_column
from xray.capture.sets.libraries import find_library
from xray.model.vocabulary import OPERATORS, parse_operator

_COMPARISON: Final = (
    r'\[\(col\("(?P<field>[^"]+)"\)\) (?P<op><=|<|>=|>|==|!=) '
    r"\((?:dyn (?P<kind>int|float): )(?P<limit>-?[0-9.]+(?:e[+-]?[0-9]+)?)\)\]"
)


class Rule(Struct, frozen=True, eq=False):
    """A comparison that must hold; `xray.rule(...)` makes one.

    Args:
        name: the reason of a rejection where it does not.
        values: the field that is compared, or the values themselves in a column.
        op: how they are compared.
        limit: what they are compared with.
        field: what the values are called; empty means as the rule.
    """

    name: str
    values: Any
    op: str
    limit: Any
    field: str = ""


class Condition(Struct, frozen=True, eq=False):
    """Truth values that are there: a column, an expression of the frame, or a field of them."""

    name: str
    values: Any


class Predicate(Struct, frozen=True, eq=False):
    """A predicate of the pipeline's, asked about one item at a time."""

    name: str
    ask: Callable[[Any], Any]


AnyRule = Rule | Condition | Predicate


def rule(name: str, field: Any, op: str, limit: Any, *, called: str | None = None) -> Rule:
    """State what must be true of a candidate to be kept: `rule("too_dear", "price", "<=", 100)`.

    Args:
        name: the reason of those that are rejected by it.
        field: the field to compare, or a column of values, one a candidate.
        op: one of `<`, `<=`, `>`, `>=`, `==`, `!=`, `in`, `not in`.
        limit: what to compare it with.
        called: what the values of a column are called in the evidence.

    Raises:
        ValueError: *op* is none of these.
    """
    if type(op) is not str or parse_operator(op) is None:
        raise ValueError(f"{op!r} compares nothing; use one of {', '.join(OPERATORS)}.")
    if isinstance(field, str):
        return Rule(name, field, op, limit, called or field)
    label = getattr(field, "name", None) if called is None else called
    return Rule(name, field, op, limit, label if isinstance(label, str) else "")


def read_rules(given: Any) -> list[AnyRule]:
    """The rules of a filter, however they were written.

    Raises:
        TypeError: one of them is no rule.
        ValueError: one compares by an operator that does not exist.
    """
    is_one = isinstance(given, (Rule, str)) or callable(given)
    rules: Iterable[Any] = [given] if is_one else given
    return [_read_rule(one, number) for number, one in enumerate(rules, start=1)]


def _read_rule(given: Any, number: int) -> AnyRule:
    if isinstance(given, Rule):
        return given
    if isinstance(given, tuple) and len(given) == 4:
        return rule(*given)
    if isinstance(given, tuple) and len(given) == 2 and isinstance(given[0], str):
        name, what = given
        if isinstance(what, str) or is_column(what):
            return Condition(name, what)
        found = find_library(what)
        if found is not None and found[1] == "expression":
            return _read_expression(name, what)
        if callable(what):
            return Predicate(name, what)
    if callable(given):
        name = getattr(given, "__name__", "<lambda>")
        return Predicate(f"rule_{number}" if name == "<lambda>" else name, given)
    raise TypeError(
        f"Rule {number} is no rule: give xray.rule(name, field, op, limit), a tuple of the same, "
        "(name, column or expression), (name, predicate), or a predicate."
    )


def _read_expression(name: str, expression: Any) -> AnyRule:
    """A comparison of one column with a number as such, so that it leaves evidence."""
    read = re.fullmatch(_COMPARISON, str(expression))
    if read is None:
        return Condition(name, expression)
    number = int if read["kind"] == "int" else float
    return Rule(name, read["field"], read["op"], number(read["limit"]), read["field"])
