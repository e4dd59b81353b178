"""Sums over runs of what they would have decided with other limits; parts add up to the whole.

Every number is an integer and every merge takes sums, unions, the greatest or the first of an
order, so that it matters neither in which order nor in which groups parts are added up.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, TypeVar

from msgspec import Struct

from xray.model.label_totals import LabelTotals
from xray.model.sketch import Sketch
from xray.model.vocabulary import StepType
from xray.model.what_if_runs import RunChange

_UNITS: Final = 1 << 20
"""A weight is counted in millionths, so that sums do not depend on their order."""

MAX_GROUPS: Final = 64
MAX_EXAMPLES: Final = 10
MAX_LIMITS: Final = 4
MAX_CHECKS: Final = 20

_Key = TypeVar("_Key")


def in_units(weight: float) -> int:
    """How many units a run of *weight* counts."""
    return round(weight * _UNITS)


class Count(Struct, array_like=True, frozen=True):
    """How many, of those stored and of all.

    Args:
        stored: of those stored.
        units: of all, in units.
    """

    stored: int = 0
    units: int = 0

    def __add__(self, other: Count) -> Count:
        return Count(self.stored + other.stored, self.units + other.units)

    @property
    def estimate(self) -> float:
        """How many of all."""
        return self.units / _UNITS


class Extent(Struct, array_like=True, frozen=True):
    """How many at least, and at most."""

    least: Count = Count()
    most: Count = Count()

    def __add__(self, other: Extent) -> Extent:
        return Extent(self.least + other.least, self.most + other.most)


class Curve(Struct, array_like=True, frozen=True):
    """What the candidates of some steps had observed, from which survivors follow at any limit.

    Args:
        always: rows that are kept whatever the limit.
        silent: rows that were kept and do not tell what was observed.
        unproven: rows that were rejected and do not.
        surely: what was observed of the rows that the check alone decides about.
        maybe: the same of rows that another check may drop.
        kept: candidates that steps with sampled rows kept.
        waiting: how many those rejected by the check.
        others: how many they rejected for anything else.
        met: what the check observed of all candidates of such steps that met it.
        failed: the same of those that did not.
    """

    always: int = 0
    silent: int = 0
    unproven: int = 0
    surely: Sketch | None = None
    maybe: Sketch | None = None
    kept: int = 0
    waiting: int = 0
    others: int = 0
    met: Sketch | None = None
    failed: Sketch | None = None

    def __add__(self, other: Curve) -> Curve:
        return Curve(
            self.always + other.always,
            self.silent + other.silent,
            self.unproven + other.unproven,
            merge_sketches(self.surely, other.surely),
            merge_sketches(self.maybe, other.maybe),
            self.kept + other.kept,
            self.waiting + other.waiting,
            self.others + other.others,
            merge_sketches(self.met, other.met),
            merge_sketches(self.failed, other.failed),
        )


def merge_sketches(one: Sketch | None, other: Sketch | None) -> Sketch | None:
    """The sketch of the values of both."""
    if one is None or other is None:
        return one or other
    return one.merge(other)


class GroupKey(Struct, array_like=True, frozen=True, order=True):
    """What makes steps of several runs the same: they are summed up.

    Args:
        pipeline: their pipeline.
        name: their name.
        step_type: their type.
        checks: name, field and operator of each check whose limit is changed, and that as JSON.
    """

    pipeline: str
    name: str
    step_type: StepType
    checks: tuple[tuple[str, str, str, str], ...]


class GroupTotals(Struct, array_like=True, frozen=True):
    """Sums over steps of one name.

    Args:
        steps: how many.
        kept: candidates they kept.
        newly_kept: those they would keep besides.
        newly_dropped: those they would drop besides.
        was: recorded limits, as JSON, of each check; the first of them in order.
        has_more_limits: whether there are others.
        curve: survivors at other limits; None where several limits are changed.
        labelled: what becomes of labelled candidates.
    """

    steps: int = 0
    kept: int = 0
    newly_kept: tuple[int, int] = (0, 0)
    newly_dropped: tuple[int, int] = (0, 0)
    was: tuple[frozenset[str], ...] = ()
    has_more_limits: bool = False
    curve: Curve | None = None
    labelled: LabelTotals = LabelTotals()

    def __add__(self, other: GroupTotals) -> GroupTotals:
        was, has_more = self.was or other.was, self.has_more_limits or other.has_more_limits
        if self.was and other.was:
            unions = [a | b for a, b in zip(self.was, other.was, strict=True)]
            was = tuple(frozenset(sorted(one)[:MAX_LIMITS]) for one in unions)
            has_more = has_more or any(len(one) > MAX_LIMITS for one in unions)
        curve = self.curve if other.curve is None else other.curve
        if self.curve is not None and other.curve is not None:
            curve = self.curve + other.curve
        return GroupTotals(
            self.steps + other.steps,
            self.kept + other.kept,
            _add_pairs(self.newly_kept, other.newly_kept),
            _add_pairs(self.newly_dropped, other.newly_dropped),
            was,
            has_more,
            curve,
            self.labelled + other.labelled,
        )


def _add_pairs(one: tuple[int, int], other: tuple[int, int]) -> tuple[int, int]:
    return one[0] + other[0], one[1] + other[1]


class Totals(Struct, array_like=True, frozen=True):
    """Sums over runs.

    Args:
        limits: what is asked, as JSON.
        runs: the runs that were looked at.
        judged: those that recorded such a check.
        exact: those of which all numbers are exact.
        unjudged: the others, by why.
        doubts: runs of which numbers are bounds, by why.
        kept: candidates the steps concerned kept.
        newly_kept: candidates they would keep besides.
        keeping: the runs in which there are such.
        newly_dropped: candidates they would drop besides.
        dropping: the runs in which there are such.
        touched: the runs of whose answer a step would drop a candidate.
        groups: sums over steps of one name.
        has_more_groups: whether there are others.
        examples: the runs in which most would change.
        checks: checks seen where runs could not be judged.
    """

    limits: str
    runs: Count = Count()
    judged: Count = Count()
    exact: Count = Count()
    unjudged: dict[str, Count] = {}
    doubts: dict[str, Count] = {}
    kept: Count = Count()
    newly_kept: Extent = Extent()
    keeping: Extent = Extent()
    newly_dropped: Extent = Extent()
    dropping: Extent = Extent()
    touched: Extent = Extent()
    groups: dict[GroupKey, GroupTotals] = {}
    has_more_groups: bool = False
    examples: list[RunChange] = []
    checks: frozenset[str] = frozenset()

    def __add__(self, other: Totals) -> Totals:
        groups = add_groups(self.groups, other.groups)
        return Totals(
            limits=self.limits,
            runs=self.runs + other.runs,
            judged=self.judged + other.judged,
            exact=self.exact + other.exact,
            unjudged=add_counts(self.unjudged, other.unjudged),
            doubts=add_counts(self.doubts, other.doubts),
            kept=self.kept + other.kept,
            newly_kept=self.newly_kept + other.newly_kept,
            keeping=self.keeping + other.keeping,
            newly_dropped=self.newly_dropped + other.newly_dropped,
            dropping=self.dropping + other.dropping,
            touched=self.touched + other.touched,
            groups={key: groups[key] for key in sorted(groups)[:MAX_GROUPS]},
            has_more_groups=self.has_more_groups
            or other.has_more_groups
            or len(groups) > MAX_GROUPS,
            examples=choose_examples([*self.examples, *other.examples]),
            checks=frozenset(sorted(self.checks | other.checks)[:MAX_CHECKS]),
        )


def choose_examples(runs: Iterable[RunChange]) -> list[RunChange]:
    """Those in which most would change, those whose answer is touched first among equals."""
    return sorted(runs, key=_rank_example)[:MAX_EXAMPLES]


def _rank_example(run: RunChange) -> tuple[object, ...]:
    least = run.newly_kept_least + run.newly_dropped_least
    most = run.newly_kept_most + run.newly_dropped_most
    return (-most, -least, -len(run.lost_answers), run.run_id)


def add_counts(one: dict[_Key, Count], other: dict[_Key, Count]) -> dict[_Key, Count]:
    """The sums of two tables."""
    return {**one, **{key: one.get(key, Count()) + count for key, count in other.items()}}


def add_groups(
    one: dict[GroupKey, GroupTotals], other: dict[GroupKey, GroupTotals]
) -> dict[GroupKey, GroupTotals]:
    """The sums of two tables."""
    return {**one, **{key: one.get(key, GroupTotals()) + more for key, more in other.items()}}
