"""What became of a rule's limit over time: constant, changed, two side by side, or many."""

from __future__ import annotations

from datetime import datetime
from itertools import pairwise

import msgspec
from msgspec import Struct

from xray.forensics.rules.rule_fold import LimitKey, RuleFold, Span
from xray.forensics.wording import list_items, show_value
from xray.model.clock import from_wall_us
from xray.model.rules import LimitHistory, LimitUse


class History(Struct, frozen=True):
    """A rule's limits over time.

    Args:
        kind: how they follow one another.
        uses: each of them, oldest first.
        text: what became of them; empty where nothing did.
        began_us: when the newest of them came.
    """

    kind: LimitHistory
    uses: list[LimitUse]
    text: str = ""
    began_us: int | None = None


def trace_limits(rule: RuleFold) -> History:
    """What became of the limit of *rule*."""
    ordered = sorted(rule.limits.items(), key=lambda one: (one[1].first_us, one[0]))
    uses = [_show(key, span) for key, span in ordered]
    if rule.varies:
        return History("varies", uses)
    if len(ordered) < 2:
        return History("constant", uses)
    spans = [span for _, span in ordered]
    pairs = list(pairwise(spans))
    if all(before.last_us < after.first_us for before, after in pairs):
        said = [_say_change(before, after) for before, after in pairwise(ordered)]
        return History("changed", uses, list_items(said), spans[-1].first_us)
    if len(ordered) == 2:
        return History("side_by_side", uses, _say_both(ordered), spans[1].first_us)
    return History("varies", uses)


def _show(key: LimitKey, span: Span) -> LimitUse:
    return LimitUse(
        field=key.field,
        op=key.op,
        limit=msgspec.json.decode(key.limit),
        runs=span.runs.runs,
        first=from_wall_us(span.first_us),
        last=from_wall_us(span.last_us),
        newest_run=span.newest,
        versions=sorted(span.versions),
    )


def _say_change(before: tuple[LimitKey, Span], after: tuple[LimitKey, Span]) -> str:
    (was, first), (now, second) = before, after
    with_version = _say_version(first, second)
    return (
        f"from {_say_limit(was, now)} to {_say_limit(now, was)}"
        f"{f' with version {with_version}' if with_version else ''} at "
        f"{show_time(from_wall_us(second.first_us))}"
    )


def _say_both(ordered: list[tuple[LimitKey, Span]]) -> str:
    said = []
    (_, one), (_, other) = ordered
    for (key, span), (_, against) in zip(ordered, reversed(ordered), strict=True):
        version = _say_version(against, span)
        runs = f"{span.runs.runs:,} run{'' if span.runs.runs == 1 else 's'}"
        said.append(f"{show_limit(key)} in {runs}{f' of version {version}' if version else ''}")
    start, end = max(one.first_us, other.first_us), min(one.last_us, other.last_us)
    return (
        f"{said[0]} and {said[1]}, side by side from {show_time(from_wall_us(start))} to "
        f"{show_time(from_wall_us(end))}"
    )


def _say_version(other: Span, one: Span) -> str:
    """The version that one limit came with; empty where it is not the only one, or has both."""
    if len(one.versions) != 1 or one.has_more or one.versions & other.versions:
        return ""
    (version,) = one.versions
    return version


def _say_limit(key: LimitKey, other: LimitKey) -> str:
    """A limit, with what it is compared to where that changed as well."""
    is_plain = (key.field, key.op) == (other.field, other.op)
    return show_value(msgspec.json.decode(key.limit)) if is_plain else show_limit(key)


def show_limit(key: LimitKey) -> str:
    """What a rule observes, how it compares that, and what with."""
    return f"{key.field} {key.op} {show_value(msgspec.json.decode(key.limit))}"


def show_time(moment: datetime) -> str:
    """A moment, to the minute."""
    return moment.strftime("%Y-%m-%d %H:%M")
