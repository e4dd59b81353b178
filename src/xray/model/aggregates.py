"""What an aggregate answers: figures of groups of records, and how many records each rests on."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import msgspec
from msgspec import Struct

from xray.model.records import Scan

GroupValue = str | bool | int | float | None
"""What the records of a group have in a field; None where they have no value there."""


class FigureGroup(Struct, frozen=True, kw_only=True):
    """The figures of one group of records.

    Args:
        group: what its records have in each field they are grouped by.
        start: where its bucket of time begins; absent without buckets.
        count: how many records it stands for: by their weights, or those held and those tallied.
        rows: how many records it holds.
        tallied: how many of them were not kept, and counted from tallies.
        figures: each figure by its name, e.g. `mean(rejection_rate)`; None where nothing is known.
        n: for each field a figure is of, how many of its records have a number there.
    """

    group: dict[str, GroupValue]
    start: datetime | msgspec.UnsetType = msgspec.UNSET
    count: int | float
    rows: int
    tallied: int = 0
    figures: dict[str, int | float | None]
    n: dict[str, int]


class OtherGroups(Struct, frozen=True, kw_only=True):
    """The groups that are not shown one by one, as one.

    Args:
        groups: how many they are.
        groups_is_exact: false where they were too many to be told apart: there are at least so
            many.
        count: how many records they stand for: by their weights, or those held and those tallied.
        rows: how many records they hold.
        tallied: how many of them were not kept, and counted from tallies.
        figures: their figures.
        n: for each field, how many of their records have a number there.
    """

    groups: int
    groups_is_exact: bool
    count: int | float
    rows: int
    tallied: int = 0
    figures: dict[str, int | float | None]
    n: dict[str, int]


class QuantileMethod(Struct, frozen=True):
    """How quantiles were found.

    Args:
        method: `exact`, or by a `sketch` where there were too many different values.
        relative_error: how far a quantile may lie from the exact one, as a share of it.
    """

    method: Literal["exact", "sketch"]
    relative_error: float = 0.0


class Aggregate(Struct, frozen=True, kw_only=True):
    """Figures of groups of runs, steps or decisions.

    Args:
        of: `runs`, `steps` or `decisions`.
        by: the fields they are grouped by.
        bucket: the width of the buckets of time, e.g. `1h`; None without.
        figures: the names of the figures, as in each group.
        groups: the groups.
        other: the groups beyond the limit, as one; None when all are shown.
        count: how many records all groups stand for: by their weights, or those held and those
            tallied.
        rows: how many records all groups hold.
        tallied: how many of them were not kept, and counted from tallies.
        is_estimated: whether records that were kept stand for others by their weights.
        quantiles: how quantiles were found; None where none was asked.
        complete: false when the search stopped at its budget: the figures are of what it looked at.
        next_cursor: goes on where it stopped; the answer is about the rest alone.
        scan: how far it came.
        state: of an answer that is one of several parts, what parts are added up from.
    """

    of: Literal["runs", "steps", "decisions"]
    by: list[str]
    bucket: str | None = None
    figures: list[str]
    groups: list[FigureGroup]
    other: OtherGroups | None = None
    count: int | float
    rows: int
    tallied: int = 0
    is_estimated: bool = False
    quantiles: QuantileMethod | None = None
    complete: bool = True
    next_cursor: str | None = None
    scan: Scan | None = None
    state: str | msgspec.UnsetType = msgspec.UNSET
