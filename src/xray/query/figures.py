"""From counted groups to the answer: which groups are shown, in which order, with which figures."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import msgspec

from xray.model.aggregates import (
    Aggregate,
    FigureGroup,
    GroupValue,
    OtherGroups,
    QuantileMethod,
)
from xray.model.clock import from_wall_us
from xray.model.records import Scan
from xray.query.aggregate import Figure, Shape
from xray.query.distribution import EXACT, Number, find_quantile, relative_error
from xray.query.groups import Group, Groups, Numbers, unpack

_NOUNS: Final = {"run": "runs", "step": "steps", "decision": "decisions"}
_EXACT_INTS: Final = 2.0**53


def answer_groups(
    groups: Groups,
    *,
    scan: Scan | None = None,
    next_cursor: str | None = None,
    is_part: bool = False,
) -> Aggregate:
    """The answer that *groups* are.

    Args:
        groups: what was counted.
        scan: how far the search came.
        next_cursor: what goes on where it stopped; None when it came to the end.
        is_part: whether other parts of the same answer were or will be given.
    """
    shape = groups.shape
    shown, others = _choose(groups)
    listed = groups.listed()
    everything = [*listed, *([] if groups.rest is None else [groups.rest])]
    has_quantiles = any(figure.kind == "quantile" for figure in shape.figures)
    return Aggregate(
        of=_NOUNS[shape.scope],  # type: ignore[arg-type]
        by=[shape.name(field) for field in shape.by],
        bucket=shape.bucket or None,
        figures=[shape.label(figure) for figure in shape.figures],
        groups=[_show(group, groups) for group in shown],
        other=_show_others(others, groups),
        count=_plain(math.fsum(group.count for group in everything)),
        rows=sum(group.rows for group in everything),
        tallied=sum(group.tallied for group in everything),
        is_estimated=any(group.count != group.rows + group.tallied for group in everything),
        quantiles=_say_method(groups.level) if has_quantiles else None,
        complete=next_cursor is None,
        next_cursor=next_cursor,
        scan=scan,
        state=groups.pack() if is_part else msgspec.UNSET,
    )


def add_parts(parts: Sequence[Aggregate]) -> Aggregate:
    """The answer that *parts* of it are together, in the order they came.

    Raises:
        ServerError: they do not hold what they could be added up from.
    """
    if len(parts) == 1:
        return parts[0]
    groups = unpack(parts[0].state or "")
    for part in parts[1:]:
        groups.merge(unpack(part.state or ""))
    last = parts[-1]
    looked_at = sum(part.scan.rows for part in parts if part.scan is not None)
    scan = None if last.scan is None else Scan(rows=looked_at, back_to=last.scan.back_to)
    return answer_groups(groups, scan=scan, next_cursor=last.next_cursor, is_part=not last.complete)


def _say_method(level: int) -> QuantileMethod:
    if level == EXACT:
        return QuantileMethod("exact")
    return QuantileMethod("sketch", round(relative_error(level), 6))


def _choose(groups: Groups) -> tuple[list[Group], list[Group]]:
    """The groups to show, in order, and the others."""
    shape = groups.shape
    listed = sorted(groups.listed(), key=_by_group)
    if isinstance(shape.order, Figure):
        listed = _sort_by_figure(listed, shape.order, groups, is_ascending=shape.is_ascending)
    else:
        is_least_first = shape.order == "count" and shape.is_ascending
        listed.sort(key=lambda group: group.count, reverse=not is_least_first)
    shown, others = listed[: shape.limit], listed[shape.limit :]
    if shape.order == "group":
        shown.sort(key=_by_group, reverse=not shape.is_ascending)
    elif shape.order == "time":
        shown.sort(key=lambda group: group.start_us or 0, reverse=not shape.is_ascending)
    return shown, others


def _sort_by_figure(
    listed: list[Group], figure: Figure, groups: Groups, *, is_ascending: bool
) -> list[Group]:
    """*listed* by a figure; those without it come last."""
    place = groups.shape.fields.index(figure.field)
    known: list[tuple[Number, Group]] = []
    unknown: list[Group] = []
    for group in listed:
        value = _figure(figure, group.numbers[place])
        if value is None:
            unknown.append(group)
        else:
            known.append((value, group))
    known.sort(key=lambda pair: pair[0], reverse=not is_ascending)
    return [*(group for _, group in known), *unknown]


def _by_group(group: Group) -> tuple[object, ...]:
    start_us = -1 if group.start_us is None else group.start_us
    return (tuple(_rank(value) for value in group.values), start_us)


def _rank(value: GroupValue) -> tuple[int, str | int | float]:
    if value is None:
        return (3, 0)
    if isinstance(value, bool):
        return (0, value)
    return (2, value) if isinstance(value, str) else (1, value)


def _show(group: Group, groups: Groups) -> FigureGroup:
    shape = groups.shape
    names = [shape.name(field) for field in shape.by]
    start = msgspec.UNSET if group.start_us is None else from_wall_us(group.start_us)
    return FigureGroup(
        group=dict(zip(names, group.values, strict=True)),
        start=start,
        count=_plain(group.count),
        rows=group.rows,
        tallied=group.tallied,
        figures=_figures(group, shape),
        n=_numbers_known(group, shape),
    )


def _show_others(others: list[Group], groups: Groups) -> OtherGroups | None:
    rest = groups.rest
    if not others and rest is None:
        return None
    joined = groups.join([*others, *([] if rest is None else [rest])])
    return OtherGroups(
        groups=len(others) + (rest is not None),
        groups_is_exact=rest is None,
        count=_plain(joined.count),
        rows=joined.rows,
        tallied=joined.tallied,
        figures=_figures(joined, groups.shape),
        n=_numbers_known(joined, groups.shape),
    )


def _figures(group: Group, shape: Shape) -> dict[str, Number | None]:
    known = dict(zip(shape.fields, group.numbers, strict=True))
    return {shape.label(figure): _figure(figure, known[figure.field]) for figure in shape.figures}


def _numbers_known(group: Group, shape: Shape) -> dict[str, int]:
    return {
        shape.name(field): known.n for field, known in zip(shape.fields, group.numbers, strict=True)
    }


def _figure(figure: Figure, known: Numbers) -> Number | None:
    if figure.kind == "min":
        return known.least
    if figure.kind == "max":
        return known.most
    if known.weight <= 0:
        return None
    if figure.kind == "quantile":
        found = find_quantile(known.spread, figure.share)
        if found is None or known.least is None or known.most is None:
            return None
        # A bin's middle may lie beyond the numbers it stands for.
        return min(max(found, known.least), known.most)
    if not math.isfinite(known.total):
        return None
    return _plain(known.total) if figure.kind == "sum" else known.total / known.weight


def _plain(number: float) -> int | float:
    is_whole = number.is_integer() and abs(number) < _EXACT_INTS
    return int(number) if is_whole else number
