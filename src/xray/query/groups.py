"""Groups of records while they are being counted: whatever a store feeds in, and parts added up."""

from __future__ import annotations

import base64
import binascii
import math
from collections.abc import Iterable, Sequence
from typing import Final

import msgspec
from msgspec import Struct

from xray.errors import ServerError
from xray.model.aggregates import GroupValue
from xray.query.aggregate import Shape
from xray.query.distribution import (
    EXACT,
    MAX_LEVEL,
    Distribution,
    Number,
    coarsen,
    round_number,
)

MAX_TRACKED_GROUPS: Final = 10_000
MAX_EXACT_NUMBERS: Final = 100_000
_VERSION: Final = 1
_INT_REACH: Final = 2.0**64


class Numbers(Struct, array_like=True):
    """What is known of a field's numbers in one group.

    Args:
        n: how many records have one.
        weight: how much those weigh.
        total: their sum, each as often as its record weighs.
        least: the least of them.
        most: the greatest.
        spread: how much weight each has, where a quantile of the field is asked.
    """

    n: int = 0
    weight: float = 0.0
    total: float = 0.0
    least: Number | None = None
    most: Number | None = None
    spread: Distribution = {}

    def include(self, more: Numbers) -> None:
        """Count the numbers of *more*, but for their spread."""
        self.n += more.n
        self.weight += more.weight
        self.total += more.total
        if more.least is not None:
            self.least = more.least if self.least is None else min(self.least, more.least)
        if more.most is not None:
            self.most = more.most if self.most is None else max(self.most, more.most)


class Group(Struct, array_like=True):
    """One group.

    Args:
        values: what its records have in each field they are grouped by.
        start_us: where its bucket of time begins; None without buckets.
        rows: how many records it holds.
        count: how much they weigh.
        numbers: what is known of each field that figures are of.
        tallied: how much of the count are records that were not kept, only tallied.
    """

    values: tuple[GroupValue, ...]
    start_us: int | None
    rows: int
    count: float
    numbers: list[Numbers]
    tallied: int = 0


class State(Struct, array_like=True):
    """All that was counted, as it travels: `groups` told apart, and the `rest` as one."""

    version: int
    shape: Shape
    level: int
    groups: list[Group]
    rest: Group | None


_Key = tuple[object, ...]


class Groups:
    """The groups of one aggregate.

    Args:
        shape: how records are grouped and what is said of them.
        max_groups: how many groups are told apart; records of further ones go to `rest`.
        max_numbers: how many different numbers are kept for quantiles before they are put in bins.
    """

    def __init__(
        self,
        shape: Shape,
        *,
        max_groups: int = MAX_TRACKED_GROUPS,
        max_numbers: int = MAX_EXACT_NUMBERS,
    ) -> None:
        self.shape = shape
        self.level = EXACT
        self.rest: Group | None = None
        self._max_groups = max_groups
        self._max_numbers = max_numbers
        self._fields = shape.fields
        self._is_spread = [shape.is_spread(field) for field in self._fields]
        self._kept = 0
        self._groups: dict[_Key, Group] = {}
        if not shape.has_groups:
            self.find((), None)

    def listed(self) -> list[Group]:
        """The groups that are told apart."""
        return list(self._groups.values())

    def add(
        self,
        values: tuple[GroupValue, ...],
        start_us: int | None,
        weight: float,
        numbers: Sequence[Number | None],
    ) -> None:
        """Count one record.

        Args:
            values: what it has in each field that is grouped by.
            start_us: where its bucket of time begins.
            weight: how many records it stands for.
            numbers: what it has in each field that figures are of; None without a number.
        """
        self.add_to(self.find(values, start_us), weight, numbers)

    def add_to(self, group: Group, weight: float, numbers: Sequence[Number | None]) -> None:
        """Count one record in *group*, which `find` gave."""
        group.rows += 1
        group.count += weight
        for number, known, is_spread in zip(numbers, group.numbers, self._is_spread, strict=True):
            if number is None:
                continue
            known.n += 1
            known.weight += weight
            known.total += weight * number
            if known.least is None or number < known.least:
                known.least = number
            if known.most is None or number > known.most:
                known.most = number
            if is_spread and weight > 0:
                self._spread(known, number, weight)

    def fold(
        self,
        values: tuple[GroupValue, ...],
        start_us: int | None,
        rows: int,
        count: float,
        numbers: Sequence[Numbers],
        *,
        tallied: int = 0,
    ) -> None:
        """Count records of one group that were counted already."""
        more = Group(values, start_us, rows, count, [*numbers], tallied)
        self._fold(self.find(values, start_us), more)

    def merge(self, other: Groups) -> None:
        """Count all that *other* has counted."""
        self.restore(other.state())

    def state(self) -> State:
        """All that was counted."""
        return State(_VERSION, self.shape, self.level, self.listed(), self.rest)

    def find(self, values: tuple[GroupValue, ...], start_us: int | None) -> Group:
        """The group of records with these values; `rest` where there are too many."""
        # True is 1 to a dict, and two groups here.
        key = (start_us, *((value, value.__class__ is bool) for value in values))
        group = self._groups.get(key)
        if group is not None:
            return group
        if len(self._groups) >= self._max_groups:
            return self._find_rest()
        group = self._groups[key] = self._empty(values, start_us)
        return group

    def _find_rest(self) -> Group:
        if self.rest is None:
            self.rest = self._empty((), None)
        return self.rest

    def _empty(self, values: tuple[GroupValue, ...], start_us: int | None) -> Group:
        return Group(values, start_us, 0, 0.0, [Numbers() for _ in self._fields])

    def _fold(self, group: Group, more: Group) -> None:
        _add_up(group, more)
        for place, further in enumerate(more.numbers):
            for number, weight in further.spread.items():
                self._spread(group.numbers[place], number, weight)

    def _spread(self, known: Numbers, number: Number, weight: float) -> None:
        spread = known.spread
        if self.level:
            number = round_number(number, self.level)
        if number in spread:
            spread[number] += weight
            return
        spread[number] = weight
        self._kept += 1
        while self._kept > self._max_numbers and self.level < MAX_LEVEL:
            self._coarsen(self.level + 1)

    def _coarsen(self, level: int) -> None:
        self.level = level
        self._kept = 0
        groups = self.listed() if self.rest is None else [*self.listed(), self.rest]
        for known in (known for group in groups for known in group.numbers):
            known.spread = coarsen(known.spread, level)
            self._kept += len(known.spread)

    def join(self, groups: Iterable[Group]) -> Group:
        """*groups* as one."""
        joined = self._empty((), None)
        for group in groups:
            _add_up(joined, group)
            for known, further in zip(joined.numbers, group.numbers, strict=True):
                for number, weight in further.spread.items():
                    known.spread[number] = known.spread.get(number, 0.0) + weight
        return joined

    def pack(self) -> str:
        """All that was counted, as text; `unpack` reads it."""
        return base64.b64encode(msgspec.msgpack.encode(self.state())).decode("ascii")

    def restore(self, state: State) -> Groups:
        """These groups, with what *state* has counted besides."""
        if state.level > self.level:
            self._coarsen(state.level)
        for group in state.groups:
            self._fold(self.find(group.values, group.start_us), group)
        if state.rest is not None:
            self._fold(self._find_rest(), state.rest)
        return self


def _add_up(group: Group, more: Group) -> None:
    group.rows += more.rows
    group.count += more.count
    group.tallied += more.tallied
    for known, further in zip(group.numbers, more.numbers, strict=True):
        known.include(further)


def unpack(text: str) -> Groups:
    """The groups that `Groups.pack` made into *text*.

    Raises:
        ServerError: it did not.
    """
    try:
        state = msgspec.msgpack.decode(base64.b64decode(text, validate=True), type=State)
    except (binascii.Error, msgspec.MsgspecError) as error:
        raise ServerError(
            "The parts of the answer cannot be added up.",
            hint="Ask a server of the same version: `xray doctor`.",
            code="unexpected_answer",
        ) from error
    return Groups(state.shape).restore(state)


def as_number(value: object) -> Number | None:
    """The number that *value* is; None when it is none, or has no end."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return value if isinstance(value, int) or math.isfinite(value) else None


def as_group_value(value: object) -> GroupValue:
    """What a record whose field holds *value* is grouped under; None for no value.

    Whole numbers are one value however they were stored; lists and maps are none.
    """
    if isinstance(value, (str, bool)):
        return value
    number = as_number(value)
    if isinstance(number, float) and number.is_integer() and abs(number) < _INT_REACH:
        return int(number)
    return number
