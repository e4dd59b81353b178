"""The checked plan of an aggregate: which records, in which groups, with which figures."""

from __future__ import annotations

from fractions import Fraction
from typing import Final, Literal

from msgspec import Struct

from xray.query.language import format_field
from xray.query.plan import FieldRef, Plan, Scope

FigureKind = Literal["sum", "mean", "min", "max", "quantile"]
Order = Literal["count", "group", "time"]

MAX_GROUPS: Final = 1_000
MAX_FIGURES: Final = 20
MAX_BY: Final = 8

_WEEK_US: Final = 604_800_000_000
_FIRST_MONDAY_US: Final = 345_600_000_000


class Figure(Struct, frozen=True):
    """One number about each group.

    Args:
        kind: what is made of the field's numbers.
        field: the field.
        percent: for a quantile, which, as it was written: `99.9`.
    """

    kind: FigureKind
    field: FieldRef
    percent: str = ""

    @property
    def word(self) -> str:
        """How a question names what is made: `mean`, `p99.9`."""
        return f"p{self.percent}" if self.kind == "quantile" else self.kind

    @property
    def share(self) -> Fraction:
        """For a quantile, the share of the weight that lies at or below it."""
        return Fraction(self.percent) / 100


class Shape(Struct, frozen=True, kw_only=True):
    """How records are grouped and what is said of each group.

    Args:
        scope: whose records.
        by: the fields they are grouped by.
        bucket_us: the width of the buckets of time; 0 for none.
        bucket: the same as it was written.
        figures: what is said of each group besides its count.
        limit: how many groups are shown, 1 to `MAX_GROUPS`.
        order: what they are sorted by: their count, their group, their time, or a figure.
        is_ascending: whether the least comes first.
    """

    scope: Scope
    by: tuple[FieldRef, ...] = ()
    bucket_us: int = 0
    bucket: str = ""
    figures: tuple[Figure, ...] = ()
    limit: int = MAX_GROUPS
    order: Order | Figure = "count"
    is_ascending: bool = False

    @property
    def fields(self) -> tuple[FieldRef, ...]:
        """The fields figures are of, each once."""
        return tuple(dict.fromkeys(figure.field for figure in self.figures))

    @property
    def has_groups(self) -> bool:
        """Whether there can be any number of groups, and not just one of all records."""
        return bool(self.by or self.bucket_us)

    def is_spread(self, field: FieldRef) -> bool:
        """Whether a quantile of *field* is asked."""
        return any(one.kind == "quantile" and one.field == field for one in self.figures)

    def name(self, field: FieldRef) -> str:
        """*field* as the answer names it."""
        return format_field(field, self.scope)

    def label(self, figure: Figure) -> str:
        """*figure* as the answer names it: `mean(rejection_rate)`."""
        return f"{figure.word}({self.name(figure.field)})"


class AggregatePlan(Struct, frozen=True, kw_only=True):
    """One checked question about many records at once.

    Args:
        rows: which records; its `after` is where the part before ended.
        shape: how they are grouped and what is said of them.
    """

    rows: Plan
    shape: Shape

    def identify(self) -> str:
        """What makes it the same question on every part, besides its records."""
        shape = self.shape
        return repr((shape.by, shape.bucket_us, shape.figures))


def find_bucket_us(moment_us: int, width_us: int) -> int:
    """Where the bucket of *moment_us* begins, in µs since 1970; those of weeks with a Monday."""
    return moment_us - (moment_us - bucket_origin_us(width_us)) % width_us


def bucket_origin_us(width_us: int) -> int:
    """Where one bucket of that width begins."""
    return _FIRST_MONDAY_US if width_us % _WEEK_US == 0 else 0
