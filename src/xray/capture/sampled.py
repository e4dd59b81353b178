"""Steps that keep detail: all of it, or a census and then a sample a reason."""

from __future__ import annotations

import threading
from typing import Any, Final

import msgspec
from msgspec import Raw

from xray.capture.guard import caught
from xray.capture.ledger import Ledger
from xray.capture.settings import CENSUS_BYTES, CENSUS_ROWS
from xray.capture.step import MAX_CHUNK_BYTES, Step
from xray.model.facts import ACCEPTED, REJECTED, SELECTED, DecisionRow, Reservoir, Tally
from xray.model.ids import MAX_CANDIDATE_ID_LENGTH
from xray.model.vocabulary import CaptureLevel

_MAX_PLAIN_ROW_BYTES: Final = 2_048
_MAX_PLAIN_FIELDS: Final = 16
_MAX_PLAIN_TEXT_LENGTH: Final = 1_024

_encode: Final = msgspec.msgpack.Encoder().encode


class SampledStep(Step):
    """Keeps every decision up to the census limit, then exact counts and a sample a reason."""

    level: CaptureLevel = "sample"

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._encoded: list[bytes] = []
        self._rows_left: float = CENSUS_ROWS
        self._bytes_left = CENSUS_BYTES
        self._entered_rows = 0
        self._ledger: Ledger | None = None
        self._switch = threading.Lock()

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
                # One chain of identity tests is the cheapest way to see that nothing else is given.
                reasoning is score is observed is limit is op is origin is rank is by is part_of
                and part_of is None
                and type(candidate_id) is str
                and (reason is None or type(reason) is str)
                and not self._pending_checks
                and self._enter_plain(REJECTED, candidate_id, reason, attributes)
            ):
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
                # One chain of identity tests is the cheapest way to see that nothing else is given.
                reasoning is score is observed is limit is op is origin is rank is by is part_of
                and part_of is None
                and type(candidate_id) is str
                and reason is None
                and not self._pending_checks
                and self._enter_plain(ACCEPTED, candidate_id, None, attributes)
            ):
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
                # One chain of identity tests is the cheapest way to see that nothing else is given.
                reasoning is score is observed is limit is op is origin is rank is by is part_of
                and part_of is None
                and type(candidate_id) is str
                and reason is None
                and not self._pending_checks
                and self._enter_plain(SELECTED, candidate_id, None, attributes)
            ):
                return
            self._enter(
                self._rows.make_row(
                    SELECTED, candidate_id, reason, attributes, reasoning, score, observed, limit,
                    op, origin, rank, by, part_of,
                )
            )  # fmt: skip
        except Exception as error:  # noqa: BLE001
            caught("Step.select", error)

    def _enter_plain(
        self, verdict: int, candidate_id: str, reason: str | None, attributes: object
    ) -> bool:
        """Enter a decision that needs no walk over what it holds; False when it does need one."""
        ledger = self._ledger
        if ledger is not None:
            if not 0 < len(candidate_id) <= MAX_CANDIDATE_ID_LENGTH or not candidate_id.isascii():
                return False
            if reason is not None and (len(reason) > 256 or not reason.isascii()):
                return False
            wanted = ledger.enter_plain(candidate_id, verdict, reason)
            if wanted is not None:
                row = self._rows.make_row(verdict, candidate_id, reason, attributes)
                ledger.keep(candidate_id, wanted, row)
            return True
        if attributes is not None and not self._is_plain(attributes):
            return False
        if len(candidate_id) > MAX_CANDIDATE_ID_LENGTH or not candidate_id:
            return False
        try:
            encoded = _encode((verdict, candidate_id, reason, attributes))
        except (UnicodeEncodeError, OverflowError):
            return False
        if len(encoded) > _MAX_PLAIN_ROW_BYTES:
            return False
        self._keep(encoded)
        return True

    def _is_plain(self, attributes: object) -> bool:
        """Whether *attributes* can be encoded as they are: small, flat, and nothing to redact."""
        if type(attributes) is not dict or len(attributes) > _MAX_PLAIN_FIELDS:
            return False
        harmless = self._harmless_keys
        for name, value in attributes.items():
            if type(name) is not str or name not in harmless:
                return False
            kind = type(value)
            if kind is str:
                if len(value) > _MAX_PLAIN_TEXT_LENGTH:
                    return False
            # By identity: a type may answer hashing with code of the pipeline's.
            elif not (kind is float or kind is int or kind is bool or value is None):
                return False
        return True

    def _keep(self, row: bytes) -> None:
        self._encoded.append(row)
        self._rows_left -= 1
        self._bytes_left -= len(row)
        if self._rows_left <= 0 or self._bytes_left <= 0:
            self._end_census()

    def _enter(self, row: DecisionRow) -> None:
        ledger = self._ledger
        if ledger is None:
            self._keep(_encode(row))
        else:
            ledger.enter(row)

    def _end_census(self) -> None:
        with self._switch:
            ledger = self._ledger
            if ledger is None:
                ledger = Ledger(f"{self.run.run_id}:{self.ordinal}")
                self._enter_rows(ledger)
                self._ledger = ledger

    def _enter_rows(self, ledger: Ledger) -> None:
        rows = self._encoded[self._entered_rows :]
        self._entered_rows += len(rows)
        ledger.enter_census(rows)

    def _seal(self) -> tuple[list[Raw], list[Reservoir], Tally | None]:
        evidence = self._rows.leftover_evidence()
        if self._ledger is None:
            if sum(map(len, self._encoded)) <= MAX_CHUNK_BYTES:
                return (
                    [*map(Raw, self._encoded), *(Raw(_encode(row)) for row in evidence)],
                    [],
                    None,
                )
            self._end_census()
        ledger = self._ledger
        assert ledger is not None
        # A thread that was past the test when the census ended may have kept a row since.
        self._enter_rows(ledger)
        sealed = ledger.seal(evidence, self._rows.anonymous)
        if sealed.sampled_out:
            self._omit("sampled_out", sealed.sampled_out)
        return sealed.rows, sealed.reservoirs, sealed.tally


class FullStep(SampledStep):
    """Keeps every decision, up to what one run may hold."""

    level: CaptureLevel = "full"

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._rows_left = float("inf")
        self._bytes_left = self.run.full_bytes_left

    def _seal(self) -> tuple[list[Raw], list[Reservoir], Tally | None]:
        self.run.full_bytes_left -= sum(map(len, self._encoded))
        return super()._seal()
