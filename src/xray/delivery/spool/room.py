"""Keeps a spool within its bounds: what counts least goes first, and all that goes is counted."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from xray.delivery.losses import Volume
from xray.delivery.queue import Parcel, measure_parcels
from xray.delivery.spool.condensing import condense
from xray.delivery.spool.files import FAILURES, Files
from xray.delivery.spool.lanes import measure_lanes
from xray.delivery.spool.reading import LaneReader
from xray.delivery.spool.segments import Segment

FULL: Final = "spool_full"
FULL_OF_DETAIL: Final = "spool_full:detail"
_FREE_SHARE: Final = 10

Lose = Callable[[str, Volume, Sequence[Parcel]], None]


def measure_excess(files: Files, destination: Path, wanted: int, max_bytes: int) -> int:
    """How much has to go from *destination* before *wanted* bytes more may be written there.

    The bound is *max_bytes* or, on a nearly full disk, a tenth of what is free. What others do to
    a disk costs no more records than are coming in.
    """
    used = measure_lanes(files, destination)
    excess = used + wanted - max_bytes
    with suppress(*FAILURES):
        share = (files.count_free_bytes(destination) + used) // _FREE_SHARE
        excess = max(excess, min(wanted, used + wanted - share))
    return excess


def drop_something(readers: Sequence[LaneReader], lose: Lose) -> int:
    """Drop the oldest candidates or, where none are left, the oldest records.

    Args:
        readers: the lanes, oldest first; what the sender has of them is not touched.
        lose: told the cause, what was dropped, and the records that went whole.

    Returns:
        how many bytes that freed; 0 when nothing may be dropped.
    """
    droppable = [
        (reader, segment)
        for reader in readers
        for segment in list(reader.lane.segments)
        if not segment.in_flight and not segment.is_foreign and not segment.retry_at_s
    ]
    for reader, segment in droppable:
        if segment.has_detail and (freed := _drop_detail(reader, segment, lose)):
            return freed
    for reader, segment in droppable:
        size = segment.size
        parcels = reader.book(segment)
        if not segment.is_booked:
            continue
        if segment in reader.lane.segments:
            lose(FULL, segment.untaken, parcels)
            reader.lane.open_runs.forget(segment.number)
            reader.lane.delete(segment)
        return size
    return 0


def _drop_detail(reader: LaneReader, segment: Segment, lose: Lose) -> int:
    size = segment.size
    whole = reader.book(segment)
    segment.has_detail = False
    condensed = condense(whole)
    lost = measure_parcels(whole) - measure_parcels(condensed)
    if not lost or segment not in reader.lane.segments:
        return 0
    try:
        reader.lane.rewrite(segment, condensed)
    except FAILURES:
        return 0
    lose(FULL_OF_DETAIL, lost, ())
    if not condensed:
        reader.lane.delete(segment)
        return size
    return size - segment.size
