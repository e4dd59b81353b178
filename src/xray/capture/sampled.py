"""Steps that keep every decision: all of them, or the first as a census."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

from msgspec import Raw

from xray.capture.drawn import DrawnStep
from xray.capture.guard import caught
from xray.capture.ledger import encode_row
from xray.capture.rows import MAX_QUICK_ROW_BYTES, UNFIT
from xray.capture.settings import CENSUS_BYTES, CENSUS_ROWS
from xray.capture.settlement import SealedRows
from xray.capture.snapshot import snapshot
from xray.capture.step import FULL_INPUT_LIMITS, VALUE_LIMITS
from xray.model.facts import ACCEPTED, REJECTED, SELECTED, DecisionRow
from xray.model.interruptions import is_interruption
from xray.model.vocabulary import CaptureLevel


class SampledStep(DrawnStep):
    """Keeps every decision up to the census limit, and goes on as a `DrawnStep`."""

    _looked_at: int = 0

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._max_rows = CENSUS_ROWS
        self._bytes_left = CENSUS_BYTES
        self._next_look = min(CENSUS_ROWS, CENSUS_BYTES // MAX_QUICK_ROW_BYTES)

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
            # Written out, test by test: any call or chain here would cost as much as the rest.
            if (
                type(candidate_id) is str
                and candidate_id
                and reasoning is None
                and score is None
                and observed is None
                and limit is None
                and op is None
                and origin is None
                and rank is None
                and by is None
                and part_of is None
                and (type(reason) is str or reason is None)
                and self._ledger is None
                and not self._pending_checks
            ):
                try:
                    is_plain = attributes is None
                    if type(attributes) is dict:
                        harmless = self._harmless_keys
                        for name in attributes:
                            if type(name) is not str or name not in harmless:
                                break
                            value = attributes[name]
                            kind = type(value)
                            if not (
                                kind is int or kind is float or value is None or kind is bool
                                or (kind is str and len(value) <= MAX_QUICK_ROW_BYTES)
                            ):  # fmt: skip
                                break
                        else:
                            is_plain = True
                    row = is_plain and encode_row((REJECTED, candidate_id, reason, attributes))
                except UNFIT as error:
                    # The walk over what was given mends it.
                    if is_interruption(error):
                        raise
                    row = b""
                if row and len(row) <= MAX_QUICK_ROW_BYTES:
                    rows = self._encoded
                    rows.append(row)
                    if len(rows) >= self._next_look:
                        self._look()
                    return
            if self._ledger is not None:
                # Bound to a name before the census ended, or on its way in another thread.
                super().reject(
                    candidate_id, reason, attributes, reasoning, score, observed, limit,
                    op, origin, rank, by, part_of,
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
                reasoning is reason is observed is limit is op is origin is rank is by is part_of
                and part_of is None
                and self._ledger is None
                and type(candidate_id) is str
                and candidate_id
                and (score is None or (type(score) is float and -1e308 < score < 1e308))
                and (attributes is None or self._rows.are_plain(attributes))
                and not self._pending_checks
                and self._keep_plain((ACCEPTED, candidate_id, None, attributes, score))
            ):
                return
            if self._ledger is not None:
                # Bound to a name before the census ended, or on its way in another thread.
                super().accept(
                    candidate_id, score, attributes, reasoning, observed, limit,
                    op, origin, rank, by, part_of, reason,
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
                reasoning is reason is observed is limit is op is origin is rank is by is part_of
                and part_of is None
                and self._ledger is None
                and type(candidate_id) is str
                and candidate_id
                and (score is None or (type(score) is float and -1e308 < score < 1e308))
                and (attributes is None or self._rows.are_plain(attributes))
                and not self._pending_checks
                and self._keep_plain((SELECTED, candidate_id, None, attributes, score))
            ):
                return
            if self._ledger is not None:
                # Bound to a name before the census ended, or on its way in another thread.
                super().select(
                    candidate_id, score, attributes, reasoning, observed, limit,
                    op, origin, rank, by, part_of, reason,
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

    def _keep_plain(self, parts: tuple[object, ...]) -> bool:
        try:
            row = encode_row(parts)
        except UNFIT as error:
            if is_interruption(error):
                raise
            return False
        if len(row) > MAX_QUICK_ROW_BYTES:
            return False
        self._keep(row)
        return True

    def _keep(self, row: bytes) -> None:
        self._encoded.append(row)
        if len(self._encoded) >= self._next_look or len(row) > MAX_QUICK_ROW_BYTES:
            self._look()

    def _look(self) -> None:
        """See whether the census is full, and when to look again.

        The verbs do not count bytes: that many rows as quick ones can be do not go past the limit.
        """
        with self._switch:
            count = len(self._encoded)
            self._bytes_left -= sum(map(len, self._encoded[self._looked_at :]))
            self._looked_at = count
            rows_left = min(self._max_rows - count, self._bytes_left // MAX_QUICK_ROW_BYTES)
            self._next_look = count + max(1, rows_left)
            is_full = count >= self._max_rows or self._bytes_left <= 0
        if is_full:
            self._end_census()

    def _enter(self, row: DecisionRow) -> None:
        if self._ledger is None:
            self._keep(encode_row(row))
        else:
            super()._enter(row)

    @property
    def _room(self) -> int:
        if self._ledger is not None:
            return super()._room
        return max(1, min(super()._room, self._next_look - len(self._encoded)))

    def _enter_encoded(self, rows: Sequence[bytes]) -> None:
        if self._ledger is None and max(map(len, rows)) <= MAX_QUICK_ROW_BYTES:
            self._encoded += rows
            if len(self._encoded) >= self._next_look:
                self._look()
            return
        for place, row in enumerate(rows):
            if self._ledger is not None:
                super()._enter_encoded(rows[place:])
                return
            self._keep(row)

    def _end_census(self) -> None:
        self._begin_draws()

    def _become_drawn(self) -> None:
        # The level the step was opened with, which the class would take with it.
        self.level = self.level
        self.__class__ = _StepAfterCensus


class _StepAfterCensus(SampledStep):
    """A step whose census is over; what is still bound to a census verb comes here, too."""

    reject = DrawnStep.reject
    accept = DrawnStep.accept
    select = DrawnStep.select


class FullStep(SampledStep):
    """Keeps every decision, up to what one run may hold."""

    level: CaptureLevel = "full"

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._max_rows = sys.maxsize
        self._bytes_left = self.run.full_bytes_left
        self._next_look = max(1, self._bytes_left // MAX_QUICK_ROW_BYTES)

    def _freeze(self, value: object, key: str = "") -> Raw:
        limits = FULL_INPUT_LIMITS if key == "input" else VALUE_LIMITS
        return snapshot(value, self._redactor, self._omissions, limits, key)

    def _end_census(self) -> None:
        self._take_share()
        super()._end_census()

    def _seal(self) -> SealedRows:
        self._take_share()
        return super()._seal()

    def _take_share(self) -> None:
        self.run.full_bytes_left -= sum(map(len, self._encoded))
