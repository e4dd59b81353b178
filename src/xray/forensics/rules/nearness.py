"""How many candidates lay near a rule's limit, where what is near is told by the values."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from xray.forensics.rules.rule_fold import RuleFold
from xray.model.rules import Extent, NearMisses

NEAR_SHARE: Final = 0.05
NEAR_MEANS: Final = (
    "near a limit is within 5 % of the spread of the observed values, their outer twentieths left "
    "out"
)
_OUTER: Final = 0.05
_MIN_VALUES: Final = 10
"""Of fewer different values none is just inside a limit: they lie apart."""

_Piece = tuple[float, float, int]
"""The least and the greatest distance of some values from their limit, with its sign; how many."""


def measure_nearness(rule: RuleFold) -> NearMisses | None:
    """The candidates near the limit of *rule*; None where it compares few different numbers."""
    failed, met = [list(_pieces(rule, side)) for side in (0, 1)]
    spread = _find_spread([*failed, *met])
    if not spread or len({piece[0] for piece in (*failed, *met)}) < _MIN_VALUES:
        return None
    width = float(f"{spread * NEAR_SHARE:.3g}")
    return NearMisses(
        width=width,
        share=NEAR_SHARE,
        spread=spread,
        kept=_count_near(met, width),
        killed=_count_near(failed, width),
        observed=sum(count for _, _, count in (*failed, *met)),
        unknown=rule.unplaced,
    )


def _pieces(rule: RuleFold, side: int) -> Iterator[_Piece]:
    margins = rule.margins[side].sketch()
    if margins is not None:
        yield from margins.spans()
    for (_, limit), sketches in rule.by_limit.items():
        sketch = sketches[side]
        if sketch is not None:
            for first, last, count in sketch.spans():
                yield first - limit, last - limit, count


def _find_spread(pieces: Sequence[_Piece]) -> float:
    """How far apart the values are, without the outer twentieths."""
    ordered = sorted(((first + last) / 2, count) for first, last, count in pieces)
    whole = sum(count for _, count in ordered)
    ends: list[float] = []
    for share in (_OUTER, 1 - _OUTER):
        passed = 0
        for value, count in ordered:
            passed += count
            if passed >= share * whole:
                ends.append(value)
                break
    return ends[1] - ends[0] if len(ends) == 2 else 0.0


def _count_near(pieces: Iterable[_Piece], width: float) -> Extent:
    least = most = 0
    for first, last, count in pieces:
        near, far = sorted((abs(first), abs(last)))
        least += count if far <= width else 0
        most += count if near <= width or first <= 0 <= last else 0
    return Extent(
        least=least, most=most, estimate=(least + most) // 2,
        basis="exact" if least == most else "bounds",
    )  # fmt: skip
