"""How often runs hold which value of one figure, in little memory however many runs there are."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from itertools import repeat
from typing import Final

from msgspec import Struct

_LEADING: Final = 1024
_HUGE: Final = 1024
_SPLITTER: Final = 2.0**43 + 1.0
_MAX_SPLIT: Final = 2.0**900
_MAX_EXAMPLES: Final = 1_024
"""Of how many values of a figure an example is kept: ids take more memory than all else."""

_split: Final = math.frexp
_join: Final = math.ldexp

Example = tuple[str, str]
"""The ids of a run and of its step; the latter empty where the figure is the run's own."""


class Holders(Struct, frozen=True):
    """Runs that are counted together.

    Args:
        examples: the ids of each.
        weights: what each stands for; None where each stands for itself.
    """

    examples: Sequence[Example]
    weights: Sequence[float] | None = None

    def pick(self, places: Sequence[int]) -> Holders:
        """Those at *places*."""
        weights = self.weights
        return Holders(
            [self.examples[place] for place in places],
            None if weights is None else [weights[place] for place in places],
        )


class Share(Struct, eq=False, gc=False):
    """Some runs: how many, and what they stand for.

    Args:
        example: one of them.
        runs: how many.
    """

    example: Example = ("", "")
    runs: int = 0
    _more: float = 0.0
    _more_squares: float = 0.0

    def add(self, weight: float) -> None:
        """Count one run that stands for *weight*."""
        self.runs += 1
        if weight != 1.0:
            self._more += weight - 1.0
            self._more_squares += weight * weight - 1.0

    def add_all(self, holders: Holders) -> None:
        """Count *holders*; the first of them is the example where there was none."""
        if not self.runs and holders.examples:
            self.example = holders.examples[0]
        if holders.weights is None:
            self.runs += len(holders.examples)
        else:
            for weight in holders.weights:
                self.add(weight)

    @property
    def is_weighted(self) -> bool:
        """Whether some stand for more or less than themselves."""
        return self._more != 0.0 or self._more_squares != 0.0

    @property
    def weight(self) -> float:
        """How many runs these stand for."""
        return self.runs + self._more

    @property
    def squares(self) -> float:
        """What the squares of their weights add up to."""
        return self.runs + self._more_squares

    def less(self, others: Iterable[Share]) -> Share:
        """The runs that are none of *others*, which are some of these."""
        rest = join([self])
        for part in others:
            rest.runs -= part.runs
            rest._more -= part._more
            rest._more_squares -= part._more_squares
            if part.example == rest.example:
                rest.example = ("", "")
        if rest.runs <= 0:
            return Share()
        return rest


def join(shares: Iterable[Share]) -> Share:
    """All the runs of *shares*, which have none in common."""
    whole = Share()
    for share in shares:
        whole.runs += share.runs
        whole._more += share._more
        whole._more_squares += share._more_squares
        whole.example = max(whole.example, share.example)
    return whole


class Sample:
    """The values of one figure.

    Values are kept to one part in a thousand. Runs that are not added one by one all hold *rest*,
    so that a reason which hardly ever occurs costs nothing in the runs without it.

    Args:
        rest: the value of the runs that are not added.
    """

    __slots__ = ("rest", "values")

    def __init__(self, rest: float | None = None) -> None:
        self.rest = rest
        self.values: dict[float, Share] = {}

    def add(self, value: float, weight: float, example: Example) -> None:
        """Count a run that holds *value*."""
        if type(value) is not int or value > _LEADING:
            value = round_leading(value)
        share = self.values.get(value)
        if share is None:
            share = self.values[value] = Share(example)
        # Nearly all runs stand for themselves, and there are very many values to be added.
        if weight == 1.0:
            share.runs += 1
        else:
            share.add(weight)

    def add_all(self, values: Sequence[float | None], holders: Holders) -> None:
        """Count *holders*, each of which has the value at its place; None is not counted."""
        held = [value for value in values if value is not None]
        if not held:
            return
        if len(held) < len(values):
            holders = holders.pick([at for at, value in enumerate(values) if value is not None])
        shares = self.values
        # Nearly all runs stand for themselves, and there are very many values to be added.
        weights = holders.weights or repeat(1.0, len(held))
        for value, example, weight in zip(round_all(held), holders.examples, weights, strict=True):
            share = shares.get(value)
            if share is None:
                share = Share(example if len(shares) < _MAX_EXAMPLES else ("", ""))
                shares[value] = share
            if weight == 1.0:
                share.runs += 1
            else:
                share.add(weight)

    def fill(self, among: Share) -> dict[float, Share]:
        """Every value with its runs, where *among* counts all the runs that are asked."""
        if self.rest is None:
            return self.values
        rest = among.less(self.values.values())
        if not rest.runs:
            return self.values
        own = self.values.get(self.rest)
        return {**self.values, self.rest: rest if own is None else join([rest, own])}


def round_leading(value: float) -> float:
    """*value* to its ten leading binary digits."""
    fraction, exponent = _split(value)
    return _join(round(fraction * _LEADING), exponent - 10) if exponent < _HUGE else value


def round_all(values: Sequence[float]) -> Sequence[float]:
    """Each of *values* as a `Sample` keeps it."""
    types = set(map(type, values))
    if types == {int} and max(values) <= _LEADING:
        return values
    if types == {float} and min(values) > -_MAX_SPLIT and max(values) < _MAX_SPLIT:
        # The upper part of a number, as Veltkamp (1968) splits it: far sooner than by its exponent.
        return [(split := value * _SPLITTER) - (split - value) for value in values]
    return [
        value if type(value) is int and value <= _LEADING else round_leading(value)
        for value in values
    ]


class Paired(Struct, frozen=True):
    """One figure of two groups, value by value, ascending.

    Args:
        values: the values that either group holds.
        a: the runs of one group that hold each.
        b: those of the other.
        is_weighted: whether some runs stand for more than themselves.
    """

    values: list[float]
    a: list[Share]
    b: list[Share]
    is_weighted: bool


_NOBODY: Final = Share()


def line_up(values: list[float], a: list[Share], b: list[Share]) -> Paired:
    """One figure of two groups, whose runs are given by value."""
    is_weighted = any(share._more or share._more_squares for group in (a, b) for share in group)
    return Paired(values, a, b, is_weighted)


def pair(a: dict[float, Share], b: dict[float, Share]) -> Paired:
    """The values of two groups side by side."""
    values = sorted(a.keys() | b.keys())
    return line_up(
        values,
        [a.get(value, _NOBODY) for value in values],
        [b.get(value, _NOBODY) for value in values],
    )


def count_runs(shares: Iterable[Share]) -> int:
    """How many runs there are in all *shares*."""
    return sum([share.runs for share in shares])


def effective_runs(shares: Iterable[Share]) -> float:
    """How many runs of equal weight would tell as much (Kish 1965)."""
    parts = list(shares)
    squares = math.fsum(part.squares for part in parts)
    return math.fsum(part.weight for part in parts) ** 2 / squares if squares else 0.0
