"""URL parameters as the checked plan of an aggregate.

`?of=steps&q=step_type = 'filter'&mean=rejection_rate&by=run.pipeline&bucket=1h`: what is asked of
which records. Every other parameter is one of the list of those records, and says which of them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Final

from msgspec.structs import replace

from xray.errors import InvalidQueryError
from xray.query.aggregate import (
    MAX_BY,
    MAX_FIGURES,
    MAX_GROUPS,
    AggregatePlan,
    Figure,
    FigureKind,
    Order,
    Shape,
)
from xray.query.cursor import asked_at_us, decode_cursor
from xray.query.fields import SCOPES
from xray.query.figure_fields import read_figure_fields, read_group_fields
from xray.query.parameters import MAX_PARAMETERS, parameter_names, plan_from_parameters
from xray.query.plan import FieldRef, Plan, Scope
from xray.query.spelling import find_nearest
from xray.query.tokens import shorten
from xray.query.values import read_span_us

_KINDS: Final[dict[str, FigureKind]] = {
    "sum": "sum", "total": "sum",
    "mean": "mean", "avg": "mean", "average": "mean",
    "min": "min", "max": "max",
}  # fmt: skip
_PERCENTS: Final = {"median": "50"}
_PERCENT: Final = re.compile(r"p(\d{1,3}(?:\.\d{1,6})?)", re.ASCII)
_ORDERS: Final[dict[str, Order]] = {"count": "count", "group": "group", "time": "time"}
_BUCKETS_US: Final = {
    "minute": 60_000_000, "hour": 3_600_000_000, "day": 86_400_000_000, "week": 604_800_000_000,
}  # fmt: skip
_FOREIGN: Final = {
    "quantile": "Write p95=….",
    "quantiles": "Write p50=… and p95=….",
    "percentile": "Write p95=….",
    "count": "Leave it out: every group has its count.",
    "group": "Write by=….",
    "group_by": "Write by=….",
    "groupby": "Write by=….",
    "interval": "Write bucket=1h.",
    "every": "Write bucket=1h.",
    "where": "Write q=….",
    "filter": "Write q=….",
    "order_by": "Write sort=….",
}
"""How others name what is asked of aggregates, and what to write here."""

_MIN_BUCKET_US: Final = 1_000
_OWN: Final = ("of", "by", "bucket", "sort", "order", "limit", "cursor")
_WORDS: Final = (*_OWN, *_KINDS, *_PERCENTS, "p50", "p90", "p95", "p99")
_SORTED_BY: Final = re.compile(r"\s*([\w.]+)\s*(?:\((.*)\)\s*)?\Z", re.DOTALL)


def aggregate_from_parameters(params: Sequence[tuple[str, str]], now_us: int) -> AggregatePlan:
    """The checked aggregate that URL parameters ask.

    Args:
        params: names and decoded values, in any order.
        now_us: the moment of asking; a cursor brings the moment of its first part instead.

    Raises:
        InvalidQueryError: a parameter is unknown, or its value cannot be used; `parameter` says
            which, and `at` where in its value.
    """
    if len(params) > MAX_PARAMETERS:
        raise InvalidQueryError(f"A question has at most {MAX_PARAMETERS} parameters.")
    asked = _Asked(params)
    scope = asked.scope
    by: list[FieldRef] = []
    for text in asked.values["by"]:
        by += _name_fields("by", text, lambda said: read_group_fields(said, scope))
    figures: list[Figure] = []
    for word, kind, text in asked.figures:
        fields = _name_fields(word, text, lambda said: read_figure_fields(said, scope))
        figures += [Figure(kind[0], field, kind[1]) for field in fields]
    if len(by) > MAX_BY:
        raise InvalidQueryError(f"Records are grouped by at most {MAX_BY} fields.")
    if len(figures) > MAX_FIGURES:
        raise InvalidQueryError(f"At most {MAX_FIGURES} figures are answered at once.")
    bucket = asked.one("bucket")
    shape = Shape(
        scope=scope,
        by=tuple(dict.fromkeys(by)),
        bucket_us=0 if bucket is None else _read_bucket(bucket),
        bucket="" if bucket is None else bucket.strip(),
        figures=tuple(dict.fromkeys(figures)),
        limit=_read_limit(asked.one("limit")),
    )
    order = _read_order(asked.one("sort"), shape)
    is_ascending = _read_direction(asked.one("order"), order)
    return _plan(asked, replace(shape, order=order, is_ascending=is_ascending), now_us)


class _Asked:
    """The parameters, those of the aggregate apart from those of the list."""

    def __init__(self, params: Sequence[tuple[str, str]]) -> None:
        self.values: dict[str, list[str]] = {name: [] for name in _OWN}
        self.figures: list[tuple[str, tuple[FigureKind, str], str]] = []
        rest: list[tuple[str, str]] = []
        for name, value in params:
            kind = _read_word(name)
            if name in self.values:
                self.values[name].append(_require_value(name, value))
            elif kind is not None:
                self.figures.append((name, kind, _require_value(name, value)))
            else:
                rest.append((name, value))
        self.scope = _read_scope(self.one("of"))
        self.rest = rest
        for name, _ in rest:
            _require_known(name, self.scope)

    def one(self, name: str) -> str | None:
        """The only value of *name*, or None."""
        values = self.values[name]
        if len(values) > 1:
            raise InvalidQueryError(f"{name}= is given {len(values)} times.", hint="Give it once.")
        return values[0] if values else None


def _plan(asked: _Asked, shape: Shape, now_us: int) -> AggregatePlan:
    cursor = asked.one("cursor")
    if cursor is not None:
        now_us = asked_at_us(cursor)
    rows = plan_from_parameters(shape.scope, asked.rest, now_us)
    plan = AggregatePlan(rows=rows, shape=shape)
    if cursor is None:
        return plan
    after = decode_cursor(cursor, rows, plan.identify())
    rows = Plan(scope=rows.scope, where=rows.where, after=after, now_us=now_us)
    return AggregatePlan(rows=rows, shape=shape)


def _require_value(name: str, value: str) -> str:
    if not value.strip():
        raise InvalidQueryError(
            f"The parameter {name!r} has no value.", hint=f"Write {name}=… or leave it out."
        )
    return value


def _require_known(name: str, scope: Scope) -> None:
    """Refuse a misspelled word of aggregates as one; what is left is one of lists."""
    head = name.split(".")[0]
    known = parameter_names(scope)
    if _PERCENT.match(name) is not None:
        raise InvalidQueryError(
            f"{name[:60]!r} is no quantile.", hint="Write one from p0 to p100: p95, p99.9."
        )
    if head in known or head in SCOPES:
        return
    if name in _FOREIGN:
        raise InvalidQueryError(
            f"There is no parameter {name!r} for aggregates.", hint=_FOREIGN[name]
        )
    near = find_nearest(name, _WORDS)
    if near is not None and find_nearest(name, known) is None:
        raise InvalidQueryError(
            f"There is no parameter {name[:60]!r} for aggregates.", hint=f"Did you mean {near!r}?"
        )


def _read_scope(value: str | None) -> Scope:
    if value is None:
        raise InvalidQueryError(
            "It is not said what is aggregated.",
            hint="Give of=runs, of=steps or of=decisions.",
            code="missing_parameter",
        )
    lowered = value.strip().lower()
    for scope in SCOPES:
        if lowered in (scope, f"{scope}s"):
            return scope
    nouns = [f"{scope}s" for scope in SCOPES]
    near = find_nearest(lowered, nouns)
    raise InvalidQueryError(
        f"There are no {shorten(value)!r} to aggregate.",
        hint=f"Did you mean {near!r}?" if near else f"There are {', '.join(nouns)}.",
    )


def _read_word(word: str) -> tuple[FigureKind, str] | None:
    """What the parameter *word* makes of a field's numbers, and for a quantile which."""
    kind = _KINDS.get(word)
    if kind is not None:
        return kind, ""
    if word in _PERCENTS:
        return "quantile", _PERCENTS[word]
    quantile = _PERCENT.fullmatch(word)
    if quantile is None or float(quantile[1]) > 100:
        return None
    whole, _, part = quantile[1].partition(".")
    part = part.rstrip("0")
    return "quantile", str(int(whole)) + (f".{part}" if part else "")


def _name_fields(word: str, text: str, read: Callable[[str], list[FieldRef]]) -> list[FieldRef]:
    """What *read* makes of *text*, the value of the parameter *word*."""
    try:
        return read(text)
    except InvalidQueryError as error:
        error.parameter = word
        raise


def _read_bucket(text: str) -> int:
    width_us = _BUCKETS_US.get(text.strip().lower()) or read_span_us(text)
    if width_us is None or width_us < _MIN_BUCKET_US:
        raise InvalidQueryError(
            f"bucket={text[:60]!r} is no width of time.",
            hint="Write a number and one of ms s m h d w, like 1h, 15m or 1d.",
        )
    return width_us


def _read_limit(text: str | None) -> int:
    if text is None:
        return MAX_GROUPS
    number = int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0
    if not 1 <= number <= MAX_GROUPS:
        raise InvalidQueryError(
            f"limit={text[:60]!r} is not a number of groups from 1 to {MAX_GROUPS}.",
            hint="The groups beyond it are shown as one.",
        )
    return number


def _read_order(text: str | None, shape: Shape) -> Order | Figure:
    if text is None:
        return "time" if shape.bucket_us else "count"
    own = _ORDERS.get(text.strip().lower())
    if own == "time" and not shape.bucket_us:
        raise InvalidQueryError(
            "sort='time' needs buckets of time.", hint="Give their width, like bucket=1h."
        )
    if own is not None:
        return own
    figure = _find_figure(text, shape)
    if figure is not None:
        return figure
    labels = [shape.label(one) for one in shape.figures]
    known = ("count", "group", *(("time",) if shape.bucket_us else ()), *labels)
    near = find_nearest(text, (*known, *(one.word for one in shape.figures)))
    raise InvalidQueryError(
        f"There is nothing to sort by that is called {text[:100]!r}.",
        hint=f"Did you mean {near!r}?" if near else f"There are: {', '.join(known)}.",
    )


def _find_figure(text: str, shape: Shape) -> Figure | None:
    """The only figure of *shape* that *text* names: `mean`, or `mean(rejection_rate)`."""
    said = _SORTED_BY.match(text)
    word = None if said is None else _read_word(said[1])
    if said is None or word is None:
        return None
    found = [figure for figure in shape.figures if (figure.kind, figure.percent) == word]
    if said[2] is not None:
        named = _name_fields("sort", said[2], lambda inner: read_figure_fields(inner, shape.scope))
        found = [figure for figure in found if named == [figure.field]]
    if len(found) > 1:
        labels = " or ".join(repr(shape.label(figure)) for figure in found)
        raise InvalidQueryError(f"sort={text[:100]!r} could be several.", hint=f"Write {labels}.")
    return found[0] if found else None


def _read_direction(text: str | None, order: Order | Figure) -> bool:
    """Whether the least comes first."""
    if text is None:
        return order in ("group", "time")
    lowered = text.strip().lower()
    if lowered not in ("asc", "desc"):
        raise InvalidQueryError(
            f"order={text[:60]!r} is no order.", hint="Write asc or desc: the least or most first."
        )
    return lowered == "asc"
