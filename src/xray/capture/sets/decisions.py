"""Decisions about many candidates at once, column by column, whichever verb made them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import repeat
from typing import Final, NamedTuple

from msgspec import Struct

from xray.capture.observations import ObservedColumn
from xray.capture.sets.ids import Ids
from xray.capture.sets.libraries import find_numpy
from xray.capture.standings import Standings
from xray.model.facts import Check

MAX_KINDS: Final = 255
_FEW_KINDS: Final = 16


class Kind(NamedTuple):
    """What decisions have in common that count alike.

    Args:
        verdict: the verdict.
        reason: the reason the verb names.
        failed_check: the first check that failed; it names a rejection without a reason.
    """

    verdict: int
    reason: str | None = None
    failed_check: str | None = None


class Detail(Struct):
    """What is kept about one candidate besides its id and what it counts as."""

    attributes: object = None
    reasoning: object = None
    score: object = None
    origin: object = None
    rank: object = None
    by: object = None
    part_of: object = None
    rank_before: object = None
    merged_into: object = None
    checks: list[Check] | None = None


BARE: Final = Detail()
"""Nothing besides the id."""


def _describe_none(places: Sequence[int]) -> Iterable[Detail]:
    return repeat(BARE, len(places))


class Decisions(Struct, frozen=True, kw_only=True):
    """Decisions of one call, in the order they count as made.

    Args:
        ids: the candidates.
        codes: for each the place of its kind among `kinds`.
        kinds: what they count as; at most `MAX_KINDS`.
        describe: makes the details of the decisions at some places; asked for few of many.
        origin: what brought all of them.
        items: the candidates as they were given; stands for those without an id.
        is_plain: they can be entered under their ids alone.
        nearest: finds, from a place on, those whose observed value is nearest to a limit: for each
            check, by name, their places and margins.
        stand: where the decisions at some places stand; None for nowhere.
        observe: what checks observed at some places.
    """

    ids: Ids
    codes: bytes
    kinds: Sequence[Kind]
    describe: Callable[[Sequence[int]], Iterable[Detail]] = _describe_none
    origin: object = None
    items: Sequence[object] | None = None
    is_plain: bool = True
    nearest: Callable[[int], Iterable[tuple[str, list[tuple[int, float]]]]] = lambda _: ()
    stand: Callable[[range], Standings | None] = lambda _: None
    observe: Callable[[range], Iterable[ObservedColumn]] = lambda _: ()

    @property
    def are_bare(self) -> bool:
        """Whether nothing but ids is kept of them."""
        return self.describe is _describe_none and self.origin is None and self.ids.is_complete

    @property
    def are_plain(self) -> bool:
        """Whether they can be entered under their ids, and every candidate has one."""
        return self.is_plain and self.ids.is_complete

    def candidates_at(self, places: Sequence[int]) -> list[object]:
        """The ids at *places*; the candidates themselves where they have none."""
        texts: list[object] = [*self.ids.at(places)]
        if not self.ids.is_complete and self.items is not None:
            items = self.items
            return [text or items[place] for text, place in zip(texts, places, strict=True)]
        return texts


def find_places(codes: bytes, code: int) -> Sequence[int]:
    """The places whose code is *code*, in order."""
    numpy = find_numpy()
    if numpy is None:
        return [place for place, found in enumerate(codes) if found == code]
    places: Sequence[int] = numpy.flatnonzero(numpy.frombuffer(codes, "uint8") == code)
    return places


def count_codes(codes: bytes, kinds: int) -> list[int]:
    """How many decisions there are of each kind."""
    numpy = find_numpy()
    if numpy is None:
        return [codes.count(code) for code in range(kinds)]
    array = numpy.frombuffer(codes, "uint8")
    if kinds <= _FEW_KINDS:
        return [int(numpy.count_nonzero(array == code)) for code in range(kinds)]
    counts: list[int] = numpy.bincount(array, minlength=kinds).tolist()
    return counts
