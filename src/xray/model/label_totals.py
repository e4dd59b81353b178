"""Sums of labelled candidates that other limits are tried on, and the precision they make."""

from __future__ import annotations

from msgspec import Struct

from xray.model.quality import LimitQuality, Side
from xray.model.vocabulary import LabelWord

Fates = tuple[int, int, int, int, int]
"""How many good are kept, bad kept, good dropped, bad dropped, and of how many it is unknown."""

_NONE: Fates = (0, 0, 0, 0, 0)


class LabelTotals(Struct, array_like=True, frozen=True):
    """What became of labelled candidates of steps, and what would with other limits.

    Args:
        was: as recorded.
        would_be: with the other limits.
    """

    was: Fates = _NONE
    would_be: Fates = _NONE

    def __add__(self, other: LabelTotals) -> LabelTotals:
        return LabelTotals(_add(self.was, other.was), _add(self.would_be, other.would_be))

    @classmethod
    def of(cls, label: LabelWord, was: bool | None, would_be: bool | None) -> LabelTotals:
        """One candidate: whether it was kept, and would be; None where that is unknown."""
        return cls(_count(label, was), _count(label, would_be))

    def describe(self) -> list[LimitQuality]:
        """Precision and recall before and after; empty without labelled candidates."""
        if self == LabelTotals():
            return []
        return [_rate("was", self.was), _rate("would_be", self.would_be)]

    def word(self) -> str:
        """The same in a sentence; empty without labelled candidates."""
        if self == LabelTotals():
            return ""
        (good_was, bad_was, *_), (good, bad, *_, unknown) = self.was, self.would_be
        if (good, bad, unknown) == (good_was, bad_was, self.was[-1]):
            return "Nothing would change for the labelled candidates."
        before, after = describe_share(self.was), describe_share(self.would_be)
        told = (
            f"Of the labelled it would keep {good:,} good and {bad:,} bad instead of "
            f"{good_was:,} and {bad_was:,}: {after} instead of {before}."
        )
        if unknown > self.was[-1]:
            told += f" Of {unknown:,} labelled ones it cannot be told."
        return told


def describe_share(fates: Fates) -> str:
    """Precision and recall of *fates* as they stand in a sentence."""
    rated = _rate("was", fates)
    precision = "none" if rated.precision is None else f"{rated.precision:.2f}"
    recall = "none" if rated.recall is None else f"{rated.recall:.2f}"
    return f"precision {precision}, recall {recall}"


def _add(one: Fates, other: Fates) -> Fates:
    a, b, c, d, e = (x + y for x, y in zip(one, other, strict=True))
    return a, b, c, d, e


def _count(label: LabelWord, is_kept: bool | None) -> Fates:
    if is_kept is None:
        return 0, 0, 0, 0, 1
    is_good = label == "good"
    return (
        int(is_kept and is_good),
        int(is_kept and not is_good),
        int(not is_kept and is_good),
        int(not is_kept and not is_good),
        0,
    )


def _rate(side: Side, fates: Fates) -> LimitQuality:
    good_kept, bad_kept, good_dropped, bad_dropped, unknown = fates
    kept, good = good_kept + bad_kept, good_kept + good_dropped
    return LimitQuality(
        side=side,
        precision=good_kept / kept if kept else None,
        recall=good_kept / good if good else None,
        good_kept=good_kept,
        bad_kept=bad_kept,
        good_dropped=good_dropped,
        bad_dropped=bad_dropped,
        unknown=unknown,
    )
