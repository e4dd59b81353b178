"""What somebody meant to type: the known word nearest to the one that is not known."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

_MAX_WORD_LENGTH: Final = 40
_MIN_BEGINNING: Final = 3


def find_nearest(word: str, known: Iterable[str]) -> str | None:
    """The known word that *word* was probably meant to be, or None.

    Counted are letters to insert, drop, replace or swap with their neighbour: one in a word of up
    to six letters, one more for every further three. Of words that are farther away, the only one
    that begins so is meant. Upper and lower case are the same.
    """
    typed = word.lower()
    if not typed or len(typed) > _MAX_WORD_LENGTH:
        return None
    allowed = max(1, (len(typed) - 1) // 3)
    best: str | None = None
    beginnings: list[str] = []
    for candidate in known:
        if len(typed) >= _MIN_BEGINNING and candidate.lower().startswith(typed):
            beginnings.append(candidate)
        if abs(len(candidate) - len(typed)) > allowed:
            continue
        distance = _distance(typed, candidate.lower())
        if distance <= allowed:
            best, allowed = candidate, distance - 1
    if best is None and len(beginnings) == 1:
        return beginnings[0]
    return best


def _distance(one: str, other: str) -> int:
    before: list[int] = []
    row = list(range(len(other) + 1))
    for i, letter in enumerate(one, 1):
        above, before = before, row
        row = [i]
        for j, wanted in enumerate(other, 1):
            cost = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (letter != wanted))
            is_swapped = i > 1 and j > 1 and letter == other[j - 2] and one[i - 2] == wanted
            row.append(min(cost, above[j - 2] + 1) if is_swapped else cost)
    return row[-1]
