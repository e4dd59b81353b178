"""What tells a server of records it will never see: which runs lost how many, and why."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import msgspec

from xray.delivery.losses import Ledger
from xray.delivery.queue import Parcel, measure_parcels
from xray.model.facts import RunPatched
from xray.model.ids import new_uuid7, parse_uuid
from xray.wire.codec import encode_fact

MAX_REPORTS_AT_ONCE: Final = 20


class _Head(msgspec.Struct):
    fact: str = ""
    run_id: str = ""


_head_decoder: Final = msgspec.msgpack.Decoder(_Head)


def lose_parcels(ledger: Ledger, cause: str, parcels: Iterable[Parcel]) -> None:
    """Book *parcels* as lost for *cause*, and remember the runs they were of."""
    parcels = list(parcels)
    ledger.lose(cause, measure_parcels(parcels))
    for parcel in parcels:
        note_loss(ledger, cause, parcel.encoded)


def note_loss(ledger: Ledger, cause: str, encoded: bytes) -> None:
    """Remember which run the lost record *encoded* was of."""
    try:
        head = _head_decoder.decode(encoded)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return
    if head.fact == "run_patched":
        ledger.tell_again(head.run_id)
    elif parse_uuid(head.run_id) == head.run_id:
        ledger.note_run(head.run_id, cause)


class Reporter:
    """Makes the records that tell of losses, under an id of this process.

    Args:
        ledger: the books of this process.
    """

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._process_id = new_uuid7()

    def write(self, max_runs: int = MAX_REPORTS_AT_ONCE) -> list[bytes]:
        """Records that tell what was not told before."""
        return [
            encode_fact(RunPatched(run_id=run_id, lost={self._process_id: counts}))
            for run_id, counts in self._ledger.take_untold(max_runs)
        ]
