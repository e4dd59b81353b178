"""A whole in its parts, as pieces of one bar."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

WIDTH: Final = 120.0


@dataclass(frozen=True, slots=True)
class Part:
    """One piece of a bar, in units of the given width.

    Args:
        x: where it begins.
        length: how long it is.
    """

    x: float
    length: float


def lay_parts(counts: Sequence[float], width: float = WIDTH) -> list[Part]:
    """A piece for each of *counts*, one behind the other, that together fill *width*.

    Args:
        counts: how great each part is; all zero gives no pieces of any length.
        width: how long the whole is.
    """
    total = sum(counts)
    pieces: list[Part] = []
    before = 0.0
    for count in counts:
        start = width * before / total if total else 0.0
        before += count
        end = width * before / total if total else 0.0
        pieces.append(Part(round(start, 1), round(round(end, 1) - round(start, 1), 1)))
    return pieces
