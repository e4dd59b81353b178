"""Every decision of a large step: the census, whose rows are kept, and whatever came after it.

Candidates are entered under what they count as, so that counts stay exact however many there are;
of the rows after the census a fair sample is kept for each verdict and reason.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from functools import partial
from random import Random
from typing import Final, cast

import msgspec
from msgspec import Struct

from xray.capture.comparison import margin_of
from xray.capture.draw import Batch, Combination, Draw, Origins
from xray.capture.evidence import MAX_REASON_LENGTH
from xray.capture.nearest import Nearest
from xray.capture.observations import Observations
from xray.capture.sets.decisions import Decisions, find_places
from xray.capture.standings import Entered
from xray.model.bounds import CandidateId
from xray.model.counts import MAX_REASONS, OTHER_REASON, reason_of
from xray.model.facts import REJECTED, DecisionRow, OriginRef
from xray.model.ids import canonical_id
from xray.model.vocabulary import UNNAMED_REASON

_MAX_COMBINATIONS: Final = 65_536
_Ids = list[CandidateId]

encode_row: Final = msgspec.msgpack.Encoder().encode
decode_row: Final = msgspec.msgpack.Decoder(DecisionRow).decode
_decode_rows: Final = msgspec.msgpack.Decoder(list[DecisionRow]).decode
# Of a row up to its score, which is what most have, no more than its head has to be read.
_LONGEST_HEADER: Final = 0x95


class _Head(Struct, array_like=True, gc=False):
    """The beginning of a row."""

    verdict: int
    candidate_id: str
    reason: str | None = None


_decode_heads: Final = msgspec.msgpack.Decoder(list[_Head]).decode


class PlainCombinations(dict[str | None, Combination]):
    """The combinations of one verdict that a decision falls into by its reason alone.

    Args:
        verdict: the verdict.
        has_failed: a check of the reason's name failed with each decision.
    """

    def __init__(self, verdict: int, *, has_failed: bool = False) -> None:
        super().__init__()
        self.verdict = verdict
        self.has_failed = has_failed


class Ledger:
    """The decisions of one step.

    Args:
        seed: makes the samples the same whenever the same run is recorded again.
        observations: takes what checks observe.
    """

    def __init__(self, seed: str, observations: Observations) -> None:
        self.observations = observations
        self.order: list[Combination | Batch] = []
        """The combination of each decision, as they were made; the census comes first."""
        self.batches: list[Batch] = []
        """Those among them that were made many at once."""
        self.census: list[bytes] = []
        """The encoded rows of the census, in its order."""
        self.standings: list[Entered] = []
        """Where candidates stand that were decided one by one, as they were decided."""
        self.nearest = Nearest()
        self._draws: list[dict[str | None, Draw]] = [{}, {}, {}, {}]
        self._combinations: dict[tuple[object, ...], Combination] = {}
        self._seed = seed

    def enter_census(self, rows: Sequence[bytes]) -> None:
        """Enter rows whose detail is kept whatever follows."""
        if not rows:
            return
        plain: dict[tuple[int, str | None], Combination] = {}
        long_rows = iter(_decode_rows(_join([row for row in rows if row[0] > _LONGEST_HEADER])))
        for encoded, head in zip(rows, _decode_heads(_join(rows)), strict=True):
            if encoded[0] > _LONGEST_HEADER:
                row = next(long_rows)
                combination = self.combine(row, is_census=True)
                combination.ids.append(key_of(row))
                self.observations.add_row(row)
            else:
                verdict, reason = head.verdict, head.reason
                found = plain.get((verdict, reason))
                if found is None:
                    row = DecisionRow(verdict, head.candidate_id, reason)
                    found = plain[verdict, reason] = self.combine(row, is_census=True)
                combination = found
                combination.ids.append(head.candidate_id)
            self.order.append(combination)
        self.census += rows

    def enter(self, row: DecisionRow) -> None:
        """Enter one decision after the census; its detail is kept if it is drawn."""
        combination = self.combine(row, is_census=False)
        combination.ids.append(key_of(row))
        self.order.append(combination)
        if not combination.is_watched:
            combination.draw.count_apart()
        encode = partial(encode_row, row)
        combination.draw.ask(combination, encode)
        for check in row.checks or ():
            self._keep_near(combination, check.name, check.observed, check.limit, encode)
        self.observations.add_row(row)

    def offer(
        self,
        combination: Combination,
        check: str,
        observed: object,
        limit: object,
        encode: Callable[[], bytes],
    ) -> None:
        """Take in what a check observed at the last decision of *combination*.

        Its row is kept if it is among the nearest misses.
        """
        passed = combination.draw.verdict != REJECTED
        self.observations.add(check, "", observed, passed=passed)
        self._keep_near(combination, check, observed, limit, encode)

    def _keep_near(
        self,
        combination: Combination,
        check: str,
        observed: object,
        limit: object,
        encode: Callable[[], bytes],
    ) -> None:
        margin = margin_of(observed, limit)
        if margin is not None:
            self.nearest.offer(check, margin, combination, len(combination.ids) - 1, encode)

    def enter_census_many(
        self, decisions: Decisions, origins: Origins, rows: Sequence[bytes]
    ) -> None:
        """Enter the first of *decisions*, whose *rows* are kept whatever follows."""
        self._begin_batch(decisions, range(len(rows)), origins, is_census=True)
        self.census += rows

    def enter_many(
        self,
        decisions: Decisions,
        start: int,
        origins: Origins,
        encode: Callable[[Sequence[int]], Iterable[bytes]],
    ) -> None:
        """Enter the decisions from *start* on, after the census, as `enter` would one by one.

        Args:
            decisions: decisions that can be entered under their ids alone.
            start: the place of the first.
            origins: what brought the candidates.
            encode: makes the rows of the decisions at some places.
        """
        chosen = range(start, len(decisions.codes))
        # All are counted before any is drawn, so that a row that cannot be made costs a sample.
        batch = self._begin_batch(decisions, chosen, origins, is_census=False)

        def encode_drawn(places: Sequence[int]) -> Iterable[bytes]:
            return encode([start + place for place in places])

        for code in _list_codes(batch.codes, len(batch.combinations)):
            combination = batch.combinations[code]
            assert combination is not None
            combination.draw.ask_many(batch, find_places(batch.codes, code), encode_drawn)
        for check, near in decisions.nearest(start):
            rows = encode([place for place, _ in near])
            for (place, margin), row in zip(near, rows, strict=True):
                self.nearest.offer(check, margin, batch, place - start, partial(_same, row))

    def _begin_batch(
        self, decisions: Decisions, chosen: range, origins: Origins, *, is_census: bool
    ) -> Batch:
        codes = decisions.codes[chosen.start : chosen.stop]
        combinations: list[Combination | None] = [None for _ in decisions.kinds]
        for code in _list_codes(codes, len(combinations)):
            kind = decisions.kinds[code]
            combinations[code] = self.find(
                kind.verdict,
                kind.reason
                or kind.failed_check
                or (UNNAMED_REASON if kind.verdict == REJECTED else None),
                origins,
                is_named=bool(kind.reason),
                failed_check=kind.failed_check,
                is_census=is_census,
            )
        ids = decisions.ids.keep(chosen.start, chosen.stop)
        standings = None if is_census else decisions.stand(chosen)
        batch = Batch(ids, codes, combinations, standings)
        self.order.append(batch)
        self.batches.append(batch)
        self.observations.add_many(decisions.observe(chosen))
        return batch

    def watch(self, plain: PlainCombinations, reason: str | None) -> Combination | None:
        """Make decisions with *reason* fall into *plain*; None where they must be looked at.

        What falls into it is entered by adding its id to the combination's `ids`, the combination
        to `order`, and asking the draw once `next_length` is reached.
        """
        if reason is not None:
            is_known = reason in self._draws[plain.verdict]
            if not is_known and len(self._draws[plain.verdict]) >= MAX_REASONS:
                return None
            if len(reason) > MAX_REASON_LENGTH or not reason.isascii():
                return None
        combination = self.find(
            plain.verdict,
            UNNAMED_REASON if reason is None and plain.verdict == REJECTED else reason,
            is_named=reason is not None,
            failed_check=reason if plain.has_failed else None,
        )
        combination.draw.watch(combination)
        plain[reason] = combination
        return combination

    def combine(self, row: DecisionRow, *, is_census: bool = False) -> Combination:
        """The combination *row* falls into."""
        return self.find(
            row.verdict,
            reason_of(row) if row.verdict == REJECTED else row.reason,
            tuple(OriginRef(ref.candidate_id, ref.step_id) for ref in row.origin or ()),
            is_named=bool(row.reason),
            failed_check=next((check.name for check in row.checks or () if not check.passed), None),
            is_census=is_census,
            is_partitioned=row.by is not None,
        )

    def find(
        self,
        verdict: int,
        reason: str | None,
        origins: Origins = (),
        *,
        is_named: bool,
        failed_check: str | None = None,
        is_census: bool = False,
        is_partitioned: bool = False,
    ) -> Combination:
        """The combination of decisions that have all this in common."""
        key = (verdict, reason, origins, is_named, failed_check, is_census, is_partitioned)
        found = self._combinations.get(key)
        if found is not None:
            return found
        draws = self._draws[verdict]
        if reason not in draws and len(draws) >= MAX_REASONS:
            reason = OTHER_REASON
        draw = draws.get(reason) or draws.setdefault(
            reason, Draw(verdict, reason, self._begin_random(verdict, reason))
        )
        if len(self._combinations) >= _MAX_COMBINATIONS:
            origins = (OriginRef(OTHER_REASON),) if origins else ()
            failed_check = None
        key = (verdict, reason, origins, is_named, failed_check, is_census, is_partitioned)
        return self._combinations.setdefault(
            key,
            Combination(
                draw,
                origins,
                is_named=is_named,
                failed_check=failed_check,
                is_census=is_census,
                is_partitioned=is_partitioned,
            ),
        )

    def combinations(self) -> list[Combination]:
        """Every combination a decision fell into; their plain ids made canonical."""
        found = list(self._combinations.values())
        for combination in found:
            if combination.is_watched:
                combination.ids = _clean(combination.ids)
        return found

    def _begin_random(self, verdict: int, reason: str | None) -> Callable[[], float]:
        # One for each sample, so that it does not depend on how decisions of others come between.
        return Random(f"{self._seed}:{verdict}:{reason}").random  # noqa: S311  (not a secret)

    def let_go(self) -> None:
        """Forget every decision; what is known of them refers to itself in circles.

        Left to the collector of garbage, large steps would add up until it comes round.
        """
        for draw in self.draws():
            draw.let_go()
        self.order.clear()
        self.batches.clear()
        self.census.clear()
        self._combinations.clear()
        self.nearest = Nearest()

    def draws(self) -> list[Draw]:
        """Every verdict and reason that was entered."""
        return [draw for draws in self._draws for draw in draws.values()]


def key_of(row: DecisionRow) -> Hashable:
    """What tells the decisions of a step apart: the candidate, or `(by, candidate)`."""
    return row.candidate_id if row.by is None else (row.by, row.candidate_id)


def _join(rows: Sequence[bytes]) -> bytes:
    """*rows* as one array, which is decoded much faster than as many rows one by one."""
    return b"\xdd" + len(rows).to_bytes(4, "big") + b"".join(rows)


def _list_codes(codes: bytes, count: int) -> list[int]:
    """The codes that occur, in the order in which single verbs would have met them."""
    firsts = [(place, code) for code in range(count) if (place := codes.find(code)) >= 0]
    return [code for _, code in sorted(firsts)]


def _same(row: bytes) -> bytes:
    return row


def _clean(ids: list[Hashable]) -> list[Hashable]:
    """*ids* as they travel: well-formed text of bounded length."""
    texts = cast("list[str]", ids)
    try:
        if "".join(texts).isascii():
            fitting: list[Hashable] = msgspec.convert(texts, _Ids)
            return fitting
    except msgspec.ValidationError:
        pass  # One of them is too long.
    return [canonical_id(text) for text in texts]
