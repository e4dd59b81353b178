"""Steps after their census: exact counts, a roster of everybody, and a sample a reason."""

from __future__ import annotations

import threading
from collections.abc import Hashable, Sequence
from functools import partial
from operator import is_
from typing import Any, Final

from xray.capture.chunks import MAX_CHUNK_BYTES
from xray.capture.draw import Batch, Combination, Origins
from xray.capture.evidence import read_origins
from xray.capture.guard import caught
from xray.capture.ledger import Ledger, PlainCombinations, decode_row, encode_row, key_of
from xray.capture.observations import Observations
from xray.capture.rows import IMPLIED_CHECK
from xray.capture.sets.decisions import Decisions
from xray.capture.settlement import SealedRows, seal
from xray.capture.spelling import count_omission
from xray.capture.standings import read_standing
from xray.capture.step import Step
from xray.model.facts import ACCEPTED, REJECTED, SELECTED, DecisionRow, OriginRef
from xray.model.vocabulary import RANKING_STEP_TYPES, CaptureLevel

_PORTION: Final = 256


class DrawnStep(Step):
    """Enters every candidate under what it counts as, and keeps the detail of those drawn.

    The verbs' bodies are written out, because a call of a function costs as much as the rest.
    """

    level: CaptureLevel = "sample"

    # Made when the census ends, before there is a ledger.
    _order: list[Combination | Batch]
    _rejected: PlainCombinations
    _failed: PlainCombinations
    _accepted: PlainCombinations
    _selected: PlainCombinations

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._encoded: list[bytes] = []
        self._entered_rows = 0
        self._switch = threading.Lock()
        self._ledger: Ledger | None = None
        self._arriving: tuple[Decisions, list[bytes]] | None = None
        """Decisions about many candidates that are being made, and their rows so far."""
        self._standings: list[tuple[Hashable, int | None, float | None]] | None = None
        """Where candidates stand, in steps that order them."""

    def reject(
        self,
        candidate_id: object,
        reason: str | None = None,
        attributes: object = None,
        reasoning: str | None = None,
        score: object = None,
        observed: object = None,
        limit: object = None,
        op: str | None = None,
        origin: object = None,
        rank: int | None = None,
        by: object = None,
        part_of: object = None,
    ) -> None:
        """Record that a candidate goes no further."""
        try:
            if (
                origin is None
                and by is None
                and type(candidate_id) is str
                and candidate_id
                and (
                    (type(reason) is str and reason)
                    or reason is reasoning is observed is limit is None
                )
                and not self._pending_checks
            ):
                plain = self._rejected if observed is None and limit is None else self._failed
                try:
                    combination: Combination | None = plain[reason]
                except KeyError:
                    combination = self._watch(plain, reason)
                if combination is not None:
                    ids = combination.ids
                    ids.append(candidate_id)
                    self._order.append(combination)
                    if (score is not None or rank is not None) and self._standings is not None:
                        self._stand(candidate_id, rank, score)
                    if len(ids) >= combination.next_length:
                        combination.draw.ask(
                            combination, self._rows.encode, REJECTED, candidate_id, reason,
                            attributes, reasoning, score, observed, limit, op, origin, rank, by,
                            part_of,
                        )  # fmt: skip
                    if observed is not None:
                        self._offer(
                            combination, REJECTED, candidate_id, reason, attributes, reasoning,
                            score, observed, limit, op, origin, rank, by, part_of,
                        )  # fmt: skip
                    return
            self._enter(
                self._rows.make_row(
                    REJECTED, candidate_id, reason, attributes, reasoning, score, observed, limit,
                    op, origin, rank, by, part_of,
                )
            )  # fmt: skip
        except Exception as error:  # noqa: BLE001
            caught("Step.reject", error)

    def accept(
        self,
        candidate_id: object,
        score: object = None,
        attributes: object = None,
        reasoning: str | None = None,
        observed: object = None,
        limit: object = None,
        op: str | None = None,
        origin: object = None,
        rank: int | None = None,
        by: object = None,
        part_of: object = None,
        reason: str | None = None,
    ) -> None:
        """Record that a candidate survives this step."""
        try:
            if (
                origin is None
                and by is None
                and reason is None
                and type(candidate_id) is str
                and candidate_id
                and not self._pending_checks
            ):
                plain = self._accepted
                try:
                    combination: Combination | None = plain[None]
                except KeyError:
                    combination = self._watch(plain, None)
                if combination is not None:
                    ids = combination.ids
                    ids.append(candidate_id)
                    self._order.append(combination)
                    if (score is not None or rank is not None) and self._standings is not None:
                        self._stand(candidate_id, rank, score)
                    if len(ids) >= combination.next_length:
                        combination.draw.ask(
                            combination, self._rows.encode, ACCEPTED, candidate_id, reason,
                            attributes, reasoning, score, observed, limit, op, origin, rank, by,
                            part_of,
                        )  # fmt: skip
                    if observed is not None:
                        self._offer(
                            combination, ACCEPTED, candidate_id, reason, attributes, reasoning,
                            score, observed, limit, op, origin, rank, by, part_of,
                        )  # fmt: skip
                    return
            self._enter(
                self._rows.make_row(
                    ACCEPTED, candidate_id, reason, attributes, reasoning, score, observed, limit,
                    op, origin, rank, by, part_of,
                )
            )  # fmt: skip
        except Exception as error:  # noqa: BLE001
            caught("Step.accept", error)

    def select(
        self,
        candidate_id: object,
        score: object = None,
        attributes: object = None,
        reasoning: str | None = None,
        observed: object = None,
        limit: object = None,
        op: str | None = None,
        origin: object = None,
        rank: int | None = None,
        by: object = None,
        part_of: object = None,
        reason: str | None = None,
    ) -> None:
        """Record that a candidate is in the answer."""
        try:
            if (
                origin is None
                and by is None
                and reason is None
                and type(candidate_id) is str
                and candidate_id
                and not self._pending_checks
            ):
                plain = self._selected
                try:
                    combination: Combination | None = plain[None]
                except KeyError:
                    combination = self._watch(plain, None)
                if combination is not None:
                    ids = combination.ids
                    ids.append(candidate_id)
                    self._order.append(combination)
                    if (score is not None or rank is not None) and self._standings is not None:
                        self._stand(candidate_id, rank, score)
                    if len(ids) >= combination.next_length:
                        combination.draw.ask(
                            combination, self._rows.encode, SELECTED, candidate_id, reason,
                            attributes, reasoning, score, observed, limit, op, origin, rank, by,
                            part_of,
                        )  # fmt: skip
                    if observed is not None:
                        self._offer(
                            combination, SELECTED, candidate_id, reason, attributes, reasoning,
                            score, observed, limit, op, origin, rank, by, part_of,
                        )  # fmt: skip
                    return
            self._enter(
                self._rows.make_row(
                    SELECTED, candidate_id, reason, attributes, reasoning, score, observed, limit,
                    op, origin, rank, by, part_of,
                )
            )  # fmt: skip
        except Exception as error:  # noqa: BLE001
            caught("Step.select", error)

    @property
    def has_recorded(self) -> bool:
        """Whether anything was recorded in the step."""
        return bool(self._encoded) or super().has_recorded

    def enter_many(self, decisions: Decisions) -> None:
        """Enter decisions about many candidates, as the verbs would one by one."""
        ledger, place = self._ledger, 0
        if ledger is None or not decisions.are_plain or self._pending_checks:
            place = self._enter_each(decisions)
            ledger = self._ledger
        if place < len(decisions.codes):
            assert ledger is not None
            encode = partial(self._rows.encode_many, decisions)
            ledger.enter_many(decisions, place, self._read_origins(decisions), encode)

    def _enter_each(self, decisions: Decisions) -> int:
        """Enter decisions one by one until the rest can be entered at once; how many they were."""
        count, place = len(decisions.codes), 0
        arriving: list[bytes] = []
        if decisions.are_plain and not self._pending_checks:
            self._arriving = decisions, arriving
        try:
            while place < count:
                portion = range(place, min(count, place + self._room))
                rows = [*self._rows.encode_many(decisions, portion)]
                arriving += rows if self._ledger is None else ()
                self._enter_encoded(rows)
                place += len(rows)
                if self._ledger is not None and decisions.are_plain and not self._pending_checks:
                    break
        finally:
            self._arriving = None
        return place

    @property
    def _room(self) -> int:
        """How many rows can be entered before something must be looked at."""
        return _PORTION

    def _read_origins(self, decisions: Decisions) -> Origins:
        refs = read_origins(decisions.origin, self.run.find_step) or ()
        return tuple(OriginRef(ref.candidate_id, ref.step_id) for ref in refs)

    def _enter_encoded(self, rows: Sequence[bytes]) -> None:
        if self._ledger is not None:
            for row in rows:
                self._enter_row(self._ledger, decode_row(row))

    def _stand(self, candidate_id: Hashable, rank: Any, score: Any) -> None:
        if type(score) is not float or (rank is not None and type(rank) is not int):
            rank, score = read_standing(rank, score)
        if self._standings is not None:
            self._standings.append((candidate_id, rank, score))

    def _watch(self, plain: PlainCombinations, reason: str | None) -> Combination | None:
        return None if self._ledger is None else self._ledger.watch(plain, reason)

    def _offer(
        self,
        combination: Combination,
        verdict: int,
        candidate_id: str,
        reason: str | None,
        attributes: object,
        reasoning: object,
        score: object,
        observed: object,
        limit: object,
        *more: object,
    ) -> None:
        if self._ledger is not None:
            given = (verdict, candidate_id, reason, attributes, reasoning, score, observed, limit)
            self._ledger.offer(
                combination,
                reason or IMPLIED_CHECK,
                observed,
                limit,
                lambda: self._rows.encode(*given, *more),
            )

    def _enter(self, row: DecisionRow) -> None:
        """Enter a decision that is more than its id and reason."""
        if self._ledger is not None:
            self._enter_row(self._ledger, row)

    def _enter_row(self, ledger: Ledger, row: DecisionRow) -> None:
        ledger.enter(row)
        if self._standings is not None and (row.score is not None or row.rank is not None):
            self._stand(key_of(row), row.rank, row.score)

    def _begin_draws(self) -> None:
        """End the census: what follows is entered in the ledger."""
        with self._switch:
            if self._ledger is None:
                observations = Observations(self._rows.hides, is_open=self._rows.shows_operands)
                ledger = Ledger(f"{self.run.run_id}:{self.ordinal}", observations)
                self._enter_census(ledger)
                self._order = ledger.order
                if self.step_type in RANKING_STEP_TYPES:
                    self._standings = ledger.standings
                self._rejected = PlainCombinations(REJECTED)
                self._failed = PlainCombinations(REJECTED, has_failed=True)
                self._accepted = PlainCombinations(ACCEPTED)
                self._selected = PlainCombinations(SELECTED)
                self._become_drawn()
                self._ledger = ledger

    def _become_drawn(self) -> None:
        """Choose the verbs once, so that none of them asks again whether the census is over."""

    def _enter_census(self, ledger: Ledger) -> None:
        rows = self._encoded[self._entered_rows :]
        self._entered_rows += len(rows)
        decisions, arriving = self._arriving or (None, [])
        arrived = arriving.copy()
        first = len(rows) - len(arrived)
        # Unless another thread kept some in between, they need not be read again.
        if decisions is None or first < 0 or not all(map(is_, rows[first:], arrived)):
            ledger.enter_census(rows)
            return
        ledger.enter_census(rows[:first])
        ledger.enter_census_many(decisions, self._read_origins(decisions), arrived)

    def _seal(self) -> SealedRows:
        evidence = self._rows.leftover_evidence()
        if self._ledger is None:
            if sum(map(len, self._encoded)) <= MAX_CHUNK_BYTES:
                return SealedRows(rows=[*self._encoded, *map(encode_row, evidence)])
            self._begin_draws()
        ledger = self._ledger
        assert ledger is not None
        # A thread that was past the test when the census ended may have kept a row since.
        self._enter_census(ledger)
        sealed = seal(ledger, evidence, self._rows.anonymous)
        ledger.let_go()
        for plain in (self._rejected, self._failed, self._accepted, self._selected):
            plain.clear()
        if sealed.sampled_out:
            count_omission(self._omissions, "sampled_out", sealed.sampled_out)
        return sealed
