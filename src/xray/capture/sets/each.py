"""What was given for each of many candidates: partitions, wholes, scores, likeness and ranks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, overload

from xray.capture.comparison import is_missing
from xray.capture.sets.columns import Column, ListColumn, is_column, read_column
from xray.capture.sets.decisions import MAX_KINDS, Detail, Kind
from xray.capture.sets.items import Items
from xray.model.counts import OTHER_REASON, OVERALL_SCORE_NAMES
from xray.model.facts import ACCEPTED, REJECTED

_ALONE: Final = ""
"""The name of a score that stands by itself."""


class Same(Sequence[Any]):
    """One value that counts for every place."""

    def __init__(self, value: Any, count: int) -> None:
        self._value = value
        self._count = count

    def __len__(self) -> int:
        return self._count

    @overload
    def __getitem__(self, place: int) -> Any: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[Any]: ...
    def __getitem__(self, place: Any) -> Any:
        return self._value


def read_each(held: Items, given: Any) -> Sequence[Any]:
    """One value an item: from a column, from a function of the item, or the same for all."""
    if is_column(given):
        values = held.truth(given)
        if len(values) != len(held):
            raise ValueError(f"{len(values)} values for {len(held)} items")
        return values.values(range(len(values)))
    if callable(given):
        return [given(item) for item in held.rows(range(len(held)))]
    return Same(given, len(held))


def read_scores(held: Items, given: Any) -> dict[str, Column]:
    """The scores of the items, by name; one that stands by itself under the empty name."""
    if given is None:
        return {}
    named = given if isinstance(given, Mapping) else {_ALONE: given}
    return {name: _read_score(held, one) for name, one in named.items()}


def _read_score(held: Items, given: Any) -> Column:
    if isinstance(given, str):
        column = held.field(given)
    elif is_column(given):
        column = held.truth(given)
    elif callable(given):
        column = ListColumn([given(item) for item in held.rows(range(len(held)))])
    else:
        column = read_column(given)
    if len(column) != len(held):
        raise ValueError(f"{len(column)} scores for {len(held)} items")
    return column


def choose_score(scores: Mapping[str, Column]) -> Column:
    """The score that orders."""
    for name in (_ALONE, *OVERALL_SCORE_NAMES):
        if name in scores:
            return scores[name]
    return next(iter(scores.values()))


def describe_scores(scores: Mapping[str, Column], places: Sequence[int]) -> list[Detail]:
    """The scores of the items at *places*."""
    if not scores:
        return [Detail() for _ in places]
    if _ALONE in scores:
        return [Detail(score=value) for value in scores[_ALONE].values(places)]
    rows = zip(*(column.values(places) for column in scores.values()), strict=True)
    return [Detail(score=dict(zip(scores, row, strict=True))) for row in rows]


class Cut:
    """Who stays of candidates in an order, and at which rank.

    Args:
        order: their places, the best first.
        partitions: what each is ranked within, by place.
        top: how many stay of each partition.
    """

    def __init__(self, order: Sequence[int], partitions: Sequence[Any], top: int) -> None:
        self.order = order
        self.ranks: Sequence[int] = range(1, len(order) + 1)
        top = max(0, top)
        if isinstance(partitions, Same):
            staying = min(top, len(order))
            self.codes = bytes(staying) + b"\1" * (len(order) - staying)
        else:
            passed: Counter[Any] = Counter()
            ranks = []
            for place in order:
                passed[partitions[place]] += 1
                ranks.append(passed[partitions[place]])
            self.ranks = ranks
            self.codes = bytes(rank > top for rank in ranks)

    def kept(self) -> Sequence[int]:
        """The places of those that stay, in their order."""
        if not any(self.codes):
            return self.order
        if isinstance(self.ranks, range):
            return self.order[: self.codes.count(0)]
        return [place for place, code in zip(self.order, self.codes, strict=True) if not code]


def find_firsts(likeness: Sequence[Any], partitions: Sequence[Any]) -> list[int]:
    """For each item the place of the first that is like it; its own for one like no other."""
    seen: dict[Any, int] = {}
    is_whole = isinstance(partitions, Same)
    return [
        place
        if value is None
        else seen.setdefault(value if is_whole else (partitions[place], value), place)
        for place, value in enumerate(likeness)
    ]


def read_likeness(held: Items, on: Any, key: str | None) -> Sequence[Any]:
    """What the items are alike in; None where one has nothing to be compared by."""
    if on is None:
        return [text or None for text in held.ids(key).texts()]
    places = range(len(held))
    if isinstance(on, str):
        values: Iterable[Any] = held.field(on).values(places)
    elif type(on) is list and on and all(isinstance(name, str) for name in on):
        columns = [held.field(name).values(places) for name in on]
        return [None if any(map(is_missing, row)) else row for row in zip(*columns, strict=True)]
    else:
        values = read_each(held, on)
    return [None if is_missing(value) else value for value in values]


def code_reasons(codes: bytes, reasons: Column) -> tuple[bytes, list[Kind]]:
    """The kinds of decisions that each name a reason of their own, and their codes.

    Args:
        codes: 1 where a candidate is rejected.
        reasons: for each candidate why it would be.
    """
    if len(reasons) != len(codes):
        raise ValueError(f"{len(reasons)} reasons for {len(codes)} decisions")
    kinds = [Kind(ACCEPTED)]
    known: dict[Any, int] = {}
    found = bytearray(len(codes))
    for place, reason in enumerate(reasons.values(range(len(codes)))):
        if not codes[place]:
            continue
        code = known.get(reason)
        if code is None:
            if len(kinds) == MAX_KINDS:
                kinds.append(Kind(REJECTED, OTHER_REASON))
            elif len(kinds) < MAX_KINDS:
                kinds.append(Kind(REJECTED, None if is_missing(reason) else reason))
            code = known[reason] = len(kinds) - 1
        found[place] = code
    return bytes(found), kinds


def list_fields(given: Any) -> list[str]:
    """The fields among what was given as scores or likeness."""
    if isinstance(given, str):
        return [given]
    values: Iterable[Any] = given.values() if isinstance(given, Mapping) else ()
    if type(given) is list:
        values = given
    return [one for one in values if isinstance(one, str)]
