"""The roster: what became of every candidate a step decided, also where no detail was kept.

A roster knows candidates by hash. Asked for one it answers with its verdict, reason and origins;
about a candidate it never held it is wrong at most once in 100,000 times. It cannot name its
candidates, but two rosters can be compared (`model.missing`).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from heapq import merge
from operator import itemgetter

from msgspec import Struct
from msgspec.structs import replace

from xray.model.decisions import DecisionTable, ListedDecisions
from xray.model.facts import REJECTED
from xray.model.fates import Fate
from xray.model.holdings import Holding
from xray.model.ranking import Placing, has_rank, unpack_place
from xray.model.records import Decision, Origin
from xray.model.spans import SpanLike
from xray.model.vocabulary import UNNAMED_REASON, LabelWord, Verdict


class Matched(Struct, frozen=True):
    """The entries of a roster, by whether they may stand for hashes that were asked for.

    Args:
        fates: what codes stand for.
        found: the hash, the code and the place of each entry that may; one that may stand for
            several hashes comes with each.
        others: the first and last hash that each other entry can stand for, and its code, by the
            last.
    """

    fates: list[Fate]
    found: list[tuple[int, int, int]]
    others: list[tuple[int, int, int]]


class Roster:
    """Every candidate a step decided after its census, with its verdict, reason and origins.

    Args:
        step_id: the step.
        run_id: its run.
        total: how many candidates it holds once all of it arrived.
        holdings: what arrived.
        keep: which fates it is restricted to; all when absent.
    """

    def __init__(
        self,
        step_id: str,
        run_id: str,
        total: int,
        holdings: Sequence[Holding],
        keep: Callable[[Fate], bool] | None = None,
    ) -> None:
        self.step_id = step_id
        self.run_id = run_id
        self.total = total
        self._holdings = holdings
        self._keep = keep

    @property
    def held(self) -> int:
        """How many candidates arrived, whatever it is restricted to."""
        return sum(map(len, self._holdings))

    @property
    def is_complete(self) -> bool:
        """Whether all of it arrived: only then does its silence about a candidate say anything."""
        return self.held == self.total

    @property
    def mistaken(self) -> float:
        """The chance that a candidate which is not in it is found: at most 1e-5."""
        return sum(holding.mistaken for holding in self._holdings)

    def __contains__(self, candidate_id: str) -> bool:
        return any(self._codes(holding, candidate_id) for holding in self._holdings)

    def find(self, candidate_id: str) -> list[Decision]:
        """What the step decided about *candidate_id*: one decision for each `by`."""
        return [
            self._decision(candidate_id, holding.fates[code], unpack_place(place))
            for holding in self._holdings
            for code, place in holding.find_placed(candidate_id)
            if self._keep is None or self._keep(holding.fates[code])
        ]

    @property
    def has_places(self) -> bool:
        """Whether it knows a rank or a score of some candidate."""
        return any(True for holding in self._holdings for _ in holding.places())

    def expect(self, hashes: frozenset[int]) -> None:
        """Look for *hashes* at once, since some of them will be asked for again and again."""
        for holding in self._holdings:
            holding.expect(hashes)

    def find_all(self, hashes: Collection[int]) -> dict[Fate, list[int]]:
        """Those of *hashes* whose candidates it may hold, by what became of them."""
        by_fate: dict[Fate, list[int]] = {}
        for holding in self._holdings:
            found: list[list[int]] = [[] for _ in holding.fates]
            for hashed, code in holding.find_all(hashes):
                found[code].append(hashed)
            for fate, hashed_alike in zip(holding.fates, found, strict=True):
                if hashed_alike and (self._keep is None or self._keep(fate)):
                    by_fate.setdefault(fate, []).extend(hashed_alike)
        return by_fate

    def match(self, hashes: Collection[int]) -> Matched:
        """Its entries that may stand for one of *hashes*, and the others."""
        matched = Matched([], [], [])
        for holding in self._holdings:
            wanted = [self._keep is None or self._keep(fate) for fate in holding.fates]
            shift = len(matched.fates)
            matched.fates.extend(holding.fates)
            found, others = holding.match(hashes)
            if not shift and all(wanted):
                matched.found.extend(found)
                matched.others.extend(others)
                continue
            matched.found.extend(
                (hashed, shift + code, place) for hashed, code, place in found if wanted[code]
            )
            matched.others.extend(
                (first, last, shift + code) for first, last, code in others if wanted[code]
            )
        if len(self._holdings) > 1:
            matched.others.sort(key=itemgetter(1))
        return matched

    def list_beside(self, hashes: Collection[int]) -> list[tuple[int, int, int]]:
        """The first and last hash of each entry that stands for none of *hashes*, by the last.

        What stands behind the two means something to the holding of the entry only.
        """
        beside: list[tuple[int, int, int]] = []
        for holding in self._holdings:
            wanted = [self._keep is None or self._keep(fate) for fate in holding.fates]
            spans = holding.list_beside(hashes)
            beside += spans if all(wanted) else [span for span in spans if wanted[span[2]]]
        if len(self._holdings) > 1:
            beside.sort(key=itemgetter(1))
        return beside

    def find_spans(self, hashes: Collection[int]) -> list[tuple[int, int, int]]:
        """The first and last hash that each entry taken for one of *hashes* stands for, and that.

        None where the id itself is known: such an entry stands for no other candidate.
        """
        found: list[tuple[int, int, int]] = []
        for holding in self._holdings:
            if holding.mistaken:
                wanted = [self._keep is None or self._keep(fate) for fate in holding.fates]
                spans = holding.find_spans(hashes)
                found += [(span[0], span[1], hashed) for hashed, span in spans if wanted[span[2]]]
        return found

    def list_apart(self, spans: Sequence[SpanLike]) -> Sequence[SpanLike]:
        """Those of *spans*, which come by ascending last hash, that none of its entries may mean.

        A span is the first and the last hash of something; what stands behind does not matter.
        """
        for holding in self._holdings:
            if spans:
                is_wanted = [self._keep is None or self._keep(fate) for fate in holding.fates]
                spans = holding.list_apart(spans, is_wanted)
        return spans

    def find_last(self, verdict: Verdict, by: str | None) -> Placing | None:
        """The last in rank among the candidates with *verdict* that were decided for *by*.

        Where none has a rank, the one with the lowest score.
        """
        places = [
            place
            for holding in self._holdings
            for code, place in holding.places()
            if (holding.fates[code].decision, holding.fates[code].by) == (verdict, by)
        ]
        if any(map(has_rank, places)):
            return unpack_place(max(places))
        return unpack_place(min(places)) if places else None

    def only(self, keep: Callable[[Fate], bool]) -> Roster:
        """The roster of the candidates whose fate *keep* wants."""
        return Roster(
            self.step_id,
            self.run_id,
            self.total,
            self._holdings,
            lambda fate: keep(fate) and (self._keep is None or self._keep(fate)),
        )

    def counts(self) -> dict[Fate, int]:
        """How many candidates met each fate, as far as they arrived."""
        counts: dict[Fate, int] = {}
        for holding in self._holdings:
            tally = [0] * len(holding.fates)
            for _, _, code in holding.spans():
                tally[code] += 1
            for fate, count in zip(holding.fates, tally, strict=True):
                if count and (self._keep is None or self._keep(fate)):
                    counts[fate] = counts.get(fate, 0) + count
        return counts

    def entries(self) -> Iterator[tuple[int, int, Fate]]:
        """The first and last hash that each entry can stand for, by the last, and its fate."""
        if len(self._holdings) == 1:
            return self._entries(self._holdings[0])
        return merge(*map(self._entries, self._holdings), key=itemgetter(1))

    def spans(self) -> Iterator[tuple[int, int]]:
        """The first and last hash that each entry can stand for, ascending."""
        if len(self._holdings) == 1:
            return self._spans(self._holdings[0])
        return merge(*map(self._spans, self._holdings))

    def spans_of(self, candidate_id: str) -> list[tuple[int, int]]:
        """For each entry taken for *candidate_id*, the first and last hash it can stand for.

        None where the id itself is known: such an entry stands for no other candidate.
        """
        return [
            (first, last)
            for holding in self._holdings
            if holding.mistaken
            for first, last, code in holding.spans_of(candidate_id)
            if self._keep is None or self._keep(holding.fates[code])
        ]

    def overlaps(self, first: int, last: int) -> bool:
        """Whether some entry may stand for a hash from *first* to *last*."""
        return any(
            self._keep is None or self._keep(holding.fates[code])
            for holding in self._holdings
            for code in holding.overlaps(first, last)
        )

    def _spans(self, holding: Holding) -> Iterator[tuple[int, int]]:
        if self._keep is None:
            return ((first, last) for first, last, _ in holding.spans())
        wanted = list(map(self._keep, holding.fates))
        return ((first, last) for first, last, code in holding.spans() if wanted[code])

    def _entries(self, holding: Holding) -> Iterator[tuple[int, int, Fate]]:
        fates = holding.fates
        for first, last, code in holding.spans():
            if self._keep is None or self._keep(fates[code]):
                yield first, last, fates[code]

    def _codes(self, holding: Holding, candidate_id: str) -> list[int]:
        codes = holding.find(candidate_id)
        return [code for code in codes if self._keep is None or self._keep(holding.fates[code])]

    def _decision(self, candidate_id: str, fate: Fate, placing: Placing | None) -> Decision:
        is_unnamed = fate.verdict == REJECTED and not fate.reason
        return Decision(
            candidate_id=candidate_id,
            decision=fate.decision,
            step_id=self.step_id,
            run_id=self.run_id,
            reason=UNNAMED_REASON if is_unnamed else fate.reason,
            score=None if placing is None else placing.score,
            score_error=None if placing is None else placing.score_error,
            rank=None if placing is None else placing.rank,
            origin=[
                Origin(candidate_id=one.candidate_id, step_id=one.step_id, rank=one.rank,
                       score=one.score)
                for one in fate.origin
            ],
            by=fate.by,
            weight=0.0,
            has_detail=False,
        )  # fmt: skip


def decisions_about(
    candidate_id: str,
    table: DecisionTable,
    roster: Roster | None,
    label: LabelWord | None = None,
) -> DecisionTable:
    """What a step decided about one candidate: its rows, and where there is none the roster's word.

    Args:
        candidate_id: the candidate.
        table: every decision with detail.
        roster: the step's roster.
        label: what somebody said of the candidate.
    """
    if roster is None:
        return table
    rows = table.find(candidate_id)
    detailed = {row.by for row in rows if row.decision is not None and not row.is_logged}
    named = [row for row in roster.find(candidate_id) if row.by not in detailed]
    if label is not None:
        named = [replace(row, label=label) for row in named]
    return ListedDecisions(table.step_id, [*rows, *named])
