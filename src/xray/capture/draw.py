"""A fair sample of the decisions of one verdict and reason, drawn while they pass."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from math import log, log1p
from typing import Final

from msgspec import Struct

from xray.capture.sets.ids import Ids
from xray.capture.standings import Standings
from xray.model.facts import SELECTED, OriginRef

SAMPLES_PER_REASON: Final = 50
MAX_KEPT_SELECTED: Final = 1_024

Origins = tuple[OriginRef, ...]


class Combination:
    """Candidates that count alike, in the order they were decided.

    Args:
        draw: their verdict and reason, and the sample of those after the census.
        origins: what brought them.
        is_named: the pipeline named the reason; else it follows from a check or from free text.
        failed_check: the first check that failed, which names a later verdict without a reason.
        is_census: their rows are kept, whatever follows.
        is_partitioned: they were decided `by` something, and `ids` holds `(by, id)`.
    """

    __slots__ = (
        "draw",
        "failed_check",
        "ids",
        "is_census",
        "is_named",
        "is_partitioned",
        "is_watched",
        "next_length",
        "origins",
    )

    def __init__(
        self,
        draw: Draw,
        origins: Origins,
        *,
        is_named: bool,
        failed_check: str | None,
        is_census: bool = False,
        is_partitioned: bool = False,
    ) -> None:
        self.draw = draw
        self.origins = origins
        self.is_named = is_named
        self.failed_check = failed_check
        self.is_census = is_census
        self.is_partitioned = is_partitioned
        self.ids: list[Hashable] = []
        self.is_watched = False
        """Its decisions are not told to the draw one by one; see `Draw.watch`."""
        self.next_length = 1
        """How long `ids` is when the draw of a watched one is to be asked."""


class Batch:
    """Decisions made in one call, in their order.

    Args:
        ids: the candidates.
        codes: for each the place of what it counts as among `combinations`.
        combinations: what they count as; None for codes that do not occur.
        standings: where they stand, in steps that order them.
    """

    __slots__ = ("codes", "combinations", "ids", "standings")

    def __init__(
        self,
        ids: Ids,
        codes: bytes,
        combinations: Sequence[Combination | None],
        standings: Standings | None = None,
    ) -> None:
        self.ids = ids
        self.codes = codes
        self.combinations = combinations
        self.standings = standings

    @property
    def is_census(self) -> bool:
        """Whether their rows are kept, whatever follows."""
        return any(one is not None and one.is_census for one in self.combinations)

    def find(self, place: int) -> Combination:
        """What the decision at *place* counts as."""
        combination = self.combinations[self.codes[place]]
        assert combination is not None
        return combination


class Drawn(Struct):
    """A row in a sample: that of the decision at *index* of its combination or batch."""

    source: Combination | Batch
    index: int
    row: bytes


class Draw:
    """The sample of one verdict and reason: Algorithm L (K.-H. Li, "Reservoir-sampling algorithms
    of time complexity O(n(1+log(N/n)))", ACM TOMS 20(4), 1994).

    Args:
        verdict: the verdict its decisions share.
        reason: the reason they share.
        random: numbers from 0 up to, but not including, 1.
    """

    __slots__ = (
        "_apart",
        "_capacity",
        "_filled",
        "_next_place",
        "_random",
        "_threshold",
        "_watched",
        "reason",
        "sample",
        "verdict",
    )

    def __init__(self, verdict: int, reason: str | None, random: Callable[[], float]) -> None:
        self.verdict = verdict
        self.reason = reason
        self.sample: list[Drawn] = []
        self._capacity = MAX_KEPT_SELECTED if verdict == SELECTED else SAMPLES_PER_REASON
        self._random = random
        self._threshold = 1.0
        self._next_place = 1
        self._watched: list[Combination] = []
        self._apart = 0
        self._filled = 0

    def watch(self, combination: Combination) -> None:
        """Count the decisions of *combination* by its length, and be asked at `next_length`."""
        if not combination.is_watched:
            combination.is_watched = True
            self._apart -= len(combination.ids)
            self._watched.append(combination)
            self._spread(self._count_passed())

    def count_apart(self) -> None:
        """Count a decision of a combination that is not watched."""
        self._apart += 1

    def ask(self, combination: Combination, encode: Callable[..., bytes], *given: object) -> None:
        """Draw the last decision of *combination* if its turn has come.

        Args:
            combination: what was decided last.
            encode: makes the row of what is *given*; called only for one that is drawn.
        """
        passed = self._count_passed()
        # `>=`, because another thread may have gone past the exact place.
        if passed >= self._next_place:
            drawn = Drawn(combination, len(combination.ids) - 1, encode(*given))
            self._put(self._choose_slot(passed), drawn)
        self._spread(passed)

    def ask_many(
        self,
        batch: Batch,
        places: Sequence[int],
        encode: Callable[[Sequence[int]], Iterable[bytes]],
    ) -> None:
        """Draw from a batch what asking for each of its decisions would have drawn.

        Args:
            batch: what was decided last.
            places: which of its decisions have this verdict and reason.
            encode: makes the rows at some places; called only for those that stay drawn.
        """
        passed, count = self._count_passed(), len(places)
        self._apart += count
        chosen: dict[int, int] = {}
        # The next place is read once a turn, because another thread may move it meanwhile.
        while (place := max(self._next_place, passed + 1)) <= passed + count:
            chosen[self._choose_slot(place)] = place
        drawn = [int(places[place - passed - 1]) for place in chosen.values()]
        for slot, place, row in zip(chosen, drawn, encode(drawn), strict=True):
            self._put(slot, Drawn(batch, place, row))
        self._spread(passed + count)

    def let_go(self) -> None:
        """Forget what was decided."""
        self.sample.clear()
        self._watched.clear()

    def _count_passed(self) -> int:
        passed = self._apart
        for combination in self._watched:
            passed += len(combination.ids)
        return passed

    def _spread(self, passed: int) -> None:
        """Share the way to the next place out, so that no combination runs past it unasked."""
        if self._watched:
            stretch = max(1, (self._next_place - passed) // len(self._watched))
            for combination in self._watched:
                combination.next_length = len(combination.ids) + stretch

    def _choose_slot(self, place: int) -> int:
        """Where in the sample the decision at *place* goes; sets the next place to be asked at."""
        if self._filled < self._capacity:
            slot = self._filled
            self._filled += 1
            if self._filled < self._capacity:
                self._next_place = place + 1
                return slot
        else:
            slot = int(self._random() * self._capacity)
        self._threshold *= (1.0 - self._random()) ** (1.0 / self._capacity)
        skip = log(1.0 - self._random()) / log1p(-self._threshold)
        self._next_place = place + 1 + int(skip)
        return slot

    def _put(self, slot: int, drawn: Drawn) -> None:
        if slot < len(self.sample):
            self.sample[slot] = drawn
        else:
            self.sample.append(drawn)
