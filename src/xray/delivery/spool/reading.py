"""Hands out the records of a lane in order, and sets aside what cannot be read."""

from __future__ import annotations

import errno
from collections import deque
from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

from xray.delivery.losses import Ledger, Volume
from xray.delivery.notices import Notices
from xray.delivery.queue import Parcel, within_bounds
from xray.delivery.spool.files import FAILURES
from xray.delivery.spool.frames import Frame, Scan, scan_segment
from xray.delivery.spool.lanes import Lane
from xray.delivery.spool.quarantine import Quarantine
from xray.delivery.spool.segments import Segment

DAMAGED: Final = "spool_damaged"
MAX_SEGMENT_BYTES: Final = 64 << 20
_FIRST_RETRY_S: Final = 1.0
_MAX_RETRY_S: Final = 30.0
# With these pauses a disk has ten minutes to recover before a file of its counts as lost.
_MAX_FAILED_READS: Final = 24
# What these say is true of the process, not of the file.
_PASSING: Final = (errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EINTR, errno.EAGAIN)


class _Entry(NamedTuple):
    parcel: Parcel
    sequence: int
    end: int


class LaneReader:
    """Reads the segments of one lane, oldest first, one at a time.

    Args:
        lane: what is read.
        ledger: where records of a dead process, and damaged ones, are booked.
        quarantine: where damaged segments are kept.
        notices: where a person is told.
        numbers: numbers for the parcels of a dead process.
        now_s: reads the monotonic clock.
    """

    def __init__(
        self,
        lane: Lane,
        ledger: Ledger,
        quarantine: Quarantine,
        notices: Notices,
        numbers: Iterator[int],
        now_s: Callable[[], float],
    ) -> None:
        self.lane = lane
        self._ledger = ledger
        self._quarantine = quarantine
        self._notices = notices
        self._numbers = numbers
        self._now_s = now_s
        self._segment: Segment | None = None
        self._entries: deque[_Entry] = deque()
        self._taken: dict[int, Segment] = {}

    def take(self, max_bytes: int, max_facts: int) -> list[Parcel]:
        """The oldest records not handed out before, within the bounds; none when none is left."""
        while not self._entries:
            segment = self._next_segment()
            if segment is None:
                return []
            self._load(segment)
        segment = self._segment
        assert segment is not None
        chosen = within_bounds([entry.parcel for entry in self._entries], max_bytes, max_facts)
        for parcel in chosen:
            entry = self._entries.popleft()
            segment.read_sequence = entry.sequence
            segment.read_at = entry.end
            self._taken[parcel.number] = segment
        segment.in_flight += len(chosen)
        segment.untaken -= Volume(len(chosen), sum(parcel.decisions for parcel in chosen))
        return chosen

    def settle(self, parcel: Parcel) -> bool:
        """Let go of *parcel*; whether it was still kept."""
        segment = self._taken.pop(parcel.number, None)
        if segment is None:
            return False
        segment.in_flight -= 1
        if segment.is_spent:
            self._delete(segment)
        return True

    @property
    def waiting(self) -> tuple[int, int]:
        """Records and bytes that were not handed out; a segment not read yet counts as one."""
        segments = self.lane.segments
        records = sum(part.untaken.records if part.is_booked else 1 for part in segments)
        return records, sum(part.size - part.read_at for part in segments)

    @property
    def lowest_number(self) -> int | None:
        """The lowest number of what is kept; None when nothing is."""
        numbers = [number for number in self._taken if number > 0]
        waiting = (segment.lowest_number for segment in self.lane.segments)
        numbers += [number for number in waiting if number is not None]
        return min(numbers, default=None)

    @property
    def loaded_bytes(self) -> int:
        """Memory taken by records that were read and not handed out."""
        return sum(entry.parcel.held_bytes for entry in self._entries)

    def book(self, segment: Segment) -> list[Parcel]:
        """All records of *segment* that were not handed out; none may be with the sender."""
        self._unload()
        self._load(segment)
        parcels = [entry.parcel for entry in self._entries]
        self._unload()
        return parcels

    def _unload(self) -> None:
        """Forget what was read and not handed out; it is read again."""
        self._entries.clear()
        self._segment = None

    def _next_segment(self) -> Segment | None:
        now_s = self._now_s()
        for segment in self.lane.segments:
            is_waiting = segment.untaken.records or not segment.is_booked
            if is_waiting and not segment.is_foreign and segment.retry_at_s <= now_s:
                return segment
        return None

    def _load(self, segment: Segment) -> None:
        """Read what was not handed out of *segment* into memory; its files may be gone after."""
        if segment.size > MAX_SEGMENT_BYTES:
            self._give_up(segment)
            return
        try:
            content = self.lane.read(segment)
        except FileNotFoundError:
            content = b""
        except FAILURES as error:
            self._try_again_later(segment, error)
            return
        segment.failed_reads, segment.retry_at_s = 0, 0.0
        scan = scan_segment(content, segment.read_sequence)
        if scan.is_foreign:
            self._leave_alone(segment)
            return
        self._book(segment, scan)
        if scan.damaged_bytes:
            self._set_aside(content)
        if not content or scan.damaged_bytes:
            # Nothing is appended behind damage, nor to a file that somebody removed.
            self.lane.finish_segment(segment)
        if segment.is_spent:
            self._delete(segment)
            return
        self._segment = segment
        for frame in scan.frames:
            self._entries.append(self._enter(segment, frame))

    def _try_again_later(self, segment: Segment, error: BaseException) -> None:
        pause_s = min(_MAX_RETRY_S, _FIRST_RETRY_S * 2.0 ** min(segment.failed_reads, 32))
        segment.retry_at_s = self._now_s() + pause_s
        if isinstance(error, OSError) and error.errno not in _PASSING:
            segment.failed_reads += 1
            if segment.failed_reads >= _MAX_FAILED_READS:
                self._give_up(segment)

    def _enter(self, segment: Segment, frame: Frame) -> _Entry:
        number = segment.number_of(frame.sequence)
        if number is None:
            number = next(self._numbers)
        parcel = Parcel(number, frame.payload, frame.decisions)
        return _Entry(parcel, frame.sequence, segment.read_at + frame.end)

    def _book(self, segment: Segment, scan: Scan) -> None:
        found = Volume(len(scan.frames), sum(frame.decisions for frame in scan.frames))
        if segment.is_booked:
            missing = segment.untaken - found
        else:
            missing = scan.lost
            segment.is_booked = True
            self._ledger.adopt(found + missing)
            for frame in scan.frames:
                self.lane.open_runs.read(frame.payload, segment.number)
        segment.untaken = found
        if missing:
            self._lose(missing)

    def _lose(self, missing: Volume) -> None:
        self._ledger.lose(DAMAGED, missing)
        self._notices.warn(
            DAMAGED, "X-Ray: %d records in the spool could not be read.", missing.records
        )

    def _set_aside(self, content: bytes) -> None:
        if self._quarantine.keep_bytes("damaged", content):
            self._notices.warn(
                "quarantine", "X-Ray: part of the spool is damaged; see `xray spool` for a copy."
            )

    def _give_up(self, segment: Segment) -> None:
        """It cannot be read, whatever is tried."""
        if not segment.is_booked:
            # Nobody can say how many records a dead process left in it: it counts as one.
            segment.untaken, segment.is_booked = Volume(1, 0), True
            self._ledger.adopt(segment.untaken)
        missing, segment.untaken = segment.untaken, Volume()
        if missing:
            self._lose(missing)
        if self._quarantine.move("unreadable", segment.path):
            self._notices.warn("quarantine", "X-Ray: a file of the spool cannot be read.")
            self._delete_if_spent(segment)
        else:
            segment.is_foreign = True

    def _leave_alone(self, segment: Segment) -> None:
        segment.is_foreign = True
        self._notices.warn("foreign", "X-Ray: a later version wrote part of the spool; it is kept.")

    def _delete_if_spent(self, segment: Segment) -> None:
        if segment.is_spent:
            self._delete(segment)

    def _delete(self, segment: Segment) -> None:
        if self._segment is segment:
            self._segment = None
        self.lane.delete(segment)
