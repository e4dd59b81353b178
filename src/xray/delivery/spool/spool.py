"""A backlog on disk: what is appended outlives the process, whatever kills it."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import Final

from xray.delivery.backlog import MemoryBacklog
from xray.delivery.forks import hold_forks
from xray.delivery.losses import Ledger, Volume
from xray.delivery.notices import Notices
from xray.delivery.queue import Parcel, measure_parcels
from xray.delivery.reports import note_loss
from xray.delivery.settings import DeliverySettings
from xray.delivery.spool.files import FAILURES, Files, SystemFiles
from xray.delivery.spool.lanes import (
    QUARANTINE,
    Lane,
    adopt_lane,
    list_lanes,
    open_lane,
)
from xray.delivery.spool.places import name_destination
from xray.delivery.spool.quarantine import Quarantine
from xray.delivery.spool.reading import LaneReader
from xray.delivery.spool.room import drop_something, measure_excess
from xray.delivery.spool.segments import Segment
from xray.model.facts import RunPatched
from xray.model.interruptions import is_interruption
from xray.wire.codec import encode_fact

_FIRST_RETRY_S: Final = 1.0
_MAX_RETRY_S: Final = 30.0
_LOOK_S: Final = 0.02
# Numbers of parcels that no flush of this process waits for.
_FIRST_ADOPTED_NUMBER: Final = -(1 << 62)


class _NoRoomError(OSError):
    """The spool holds as much as it may, and nothing in it may be dropped."""


class Spool:
    """Keeps parcels in files until a server has them, and takes over what dead processes left.

    Where no file can be written, parcels are kept in memory and the disk is tried again now and
    then. Nothing here raises.

    Args:
        settings: where the files are, and how large they may grow.
        ledger: where what is adopted and lost is booked.
        files: the file system.
    """

    def __init__(
        self, settings: DeliverySettings, ledger: Ledger, files: Files | None = None
    ) -> None:
        self._settings = settings
        self._ledger = ledger
        self._files: Files = SystemFiles() if files is None else files
        self._clock = settings.clock
        self._notices = Notices(settings.clock)
        self._lock = threading.RLock()
        self._memory = MemoryBacklog()
        name = settings.spool_name or name_destination(settings.url)
        self._destinations = [place / name for place in settings.spool_places]
        self._own: LaneReader | None = None
        self._adopted: list[LaneReader] = []
        self._left_alone: set[Path] = set()
        self._reader_of: dict[int, LaneReader] = {}
        self._adopted_numbers = count(_FIRST_ADOPTED_NUMBER)
        self._is_adopted_next = False
        self._retry_at_s = 0.0
        self._retry_s = 0.0
        self._look_at_s = 0.0
        self._is_closed = False
        self._held_bytes = 0
        self._waiting = (0, 0)
        self._oldest: int | None = None

    def append(self, parcels: Sequence[Parcel]) -> int:
        """Keep *parcels*, on disk if that is possible; returns how many, from the first on."""
        with self._lock:
            if self._is_closed:
                return 0
            try:
                self._write(parcels)
            except _NoRoomError:
                if self._settings.on_full == "wait" and self._keeps_anything:
                    return 0
                self._memory.append(parcels)
            except Exception as error:
                if is_interruption(error):
                    raise
                # Whatever a disk does, records are kept.
                self._retreat(error)
                self._memory.append(parcels)
            self._take_stock()
            return len(parcels)

    def _write(self, parcels: Sequence[Parcel]) -> None:
        now_s = self._clock.monotonic_s()
        if now_s < self._retry_at_s:
            raise BlockingIOError("the disk is left alone for a while")
        own = self._own or self._open()
        if self._memory.waiting_facts:
            self._move_from_memory(own.lane)
        if parcels:
            self._write_to(own.lane, parcels)
        self._retry_s = 0.0

    def _write_to(self, lane: Lane, parcels: Sequence[Parcel]) -> None:
        segment = lane.writing_to
        if segment is None or segment.size >= self._settings.segment_bytes:
            if not self._make_room(lane):
                raise _NoRoomError
            try:
                lane.begin_segment()
            except FileNotFoundError:
                self._leave_own()
                raise
        lane.append(parcels, self._clock.monotonic_s())

    def _move_from_memory(self, lane: Lane) -> None:
        while waiting := self._memory.peek(
            self._settings.max_batch_bytes, self._settings.max_batch_facts
        ):
            self._write_to(lane, waiting)
            self._memory.forget(waiting)

    def _open(self) -> LaneReader:
        # A child that is forked meanwhile would hold the lock and not know of it.
        with hold_forks():
            lane = open_lane(self._files, self._destinations)
            lane.is_ever_synced = self._settings.sync != "never"
            self._own = self._make_reader(lane)
        return self._own

    def _make_reader(self, lane: Lane) -> LaneReader:
        return LaneReader(
            lane,
            self._ledger,
            Quarantine(self._files, lane.path.parent / QUARANTINE),
            self._notices,
            self._adopted_numbers,
            self._clock.monotonic_s,
        )

    def _leave_own(self) -> None:
        """Somebody removed the directory: what it held is counted, and another one is made."""
        own, self._own = self._own, None
        if own is not None:
            own.lane.abandon()
            self._adopted.append(own)

    def _retreat(self, error: BaseException) -> None:
        if isinstance(error, BlockingIOError):
            return
        self._retry_s = min(_MAX_RETRY_S, max(_FIRST_RETRY_S, 2 * self._retry_s))
        self._retry_at_s = self._clock.monotonic_s() + self._retry_s
        self._notices.warn(
            "spool",
            "X-Ray: the spool cannot be written (%s); records wait in memory.",
            getattr(error, "strerror", None) or type(error).__name__,
        )

    def take(self, max_bytes: int, max_facts: int) -> list[Parcel]:
        """The oldest parcels not taken before, within the bounds; they stay until settled."""
        with self._lock:
            if self._is_closed:
                return []
            parcels = self._take_next(max_bytes, max_facts)
            if self._finish_adoptions() and not parcels:
                parcels = self._take_next(max_bytes, max_facts)
            self._take_stock()
            return parcels

    def _take_next(self, max_bytes: int, max_facts: int) -> list[Parcel]:
        # What is in memory is the least safe.
        parcels = self._memory.take(max_bytes, max_facts)
        if parcels:
            return parcels
        for reader in self._readers_in_turn():
            parcels = reader.take(max_bytes, max_facts)
            self._reader_of.update((parcel.number, reader) for parcel in parcels)
            if parcels:
                break
        return parcels

    def _readers_in_turn(self) -> list[LaneReader]:
        """Its own and the adopted one by one, so that neither holds up the other."""
        own = [self._own] if self._own is not None else []
        self._is_adopted_next = not self._is_adopted_next
        return [*self._adopted, *own] if self._is_adopted_next else [*own, *self._adopted]

    def settle(self, parcels: Sequence[Parcel]) -> list[Parcel]:
        """Let go of *parcels*; returns those that were still kept."""
        with self._lock:
            if self._is_closed:
                return []
            settled = self._memory.settle(parcels)
            for parcel in parcels:
                reader = self._reader_of.pop(parcel.number, None)
                if reader is not None and reader.settle(parcel):
                    settled.append(parcel)
            self._finish_adoptions()
            self._take_stock()
            return settled

    def set_aside(self, parcels: Sequence[Parcel], cause: str) -> None:
        """Keep a copy of *parcels*, which a server refused for *cause*, for a person to look at."""
        with self._lock:
            readers = self._readers
            if readers and parcels:
                path = readers[-1].lane.path.parent / QUARANTINE
                Quarantine(self._files, path).keep_parcels(cause, parcels)

    def tend(self) -> bool:
        """Do what is due: force to disk, look for dead processes; whether there is more to send."""
        with self._lock:
            if self._is_closed:
                return False
            now_s = self._clock.monotonic_s()
            if self._memory.waiting_facts and now_s >= self._retry_at_s:
                self.append(())
            if self._own is not None:
                self._sync_if_due(self._own)
            if now_s < self._look_at_s:
                return False
            self._look_at_s = now_s + self._settings.adoption_interval_s
            for reader in self._readers:
                reader.lane.retry_leftovers()
            has_adopted = self._adopt()
            self._finish_adoptions()
            self._take_stock()
            return has_adopted

    def _sync_if_due(self, own: LaneReader) -> None:
        age_s = own.lane.unsynced_age_s(self._clock.monotonic_s())
        # The writer looks again in a moment, and waiting for that must not exceed the interval.
        is_due = age_s >= self._settings.sync_interval_s - 2 * self._settings.poll_interval_s
        if self._settings.sync == "always" or is_due:
            for segment, error in own.lane.sync():
                self._mend_unsynced(own, segment, error)

    def _mend_unsynced(self, own: LaneReader, segment: Segment, error: BaseException) -> None:
        """What could not be forced to disk is written anew; what is with the sender is as it is."""
        self._notices.warn(
            "sync",
            "X-Ray: the spool cannot be forced to disk (%s).",
            getattr(error, "strerror", None) or type(error).__name__,
        )
        if segment.in_flight or not segment.untaken.records:
            return
        parcels = own.book(segment)
        if parcels and segment in own.lane.segments:
            with suppress(*FAILURES):
                own.lane.rewrite(segment, parcels)

    def _adopt(self) -> bool:
        known = {reader.lane.path for reader in self._adopted} | self._left_alone
        has_adopted = False
        for destination in self._destinations:
            for path in list_lanes(self._files, destination):
                if path in known:
                    continue
                # A child that is forked meanwhile would hold the lock and not know of it.
                with hold_forks():
                    lane = adopt_lane(self._files, path)
                    if lane is not None:
                        self._adopted.append(self._make_reader(lane))
                        has_adopted = True
        return has_adopted

    def _finish_adoptions(self) -> bool:
        """Let go of lanes that are empty; whether that left something to say."""
        has_abandoned = False
        for reader in list(self._adopted):
            if all(segment.is_foreign for segment in reader.lane.segments):
                self._adopted.remove(reader)
                if reader.lane.segments:
                    self._left_alone.add(reader.lane.path)
                has_abandoned = self._mark_abandoned(reader.lane) or has_abandoned
                reader.lane.release()
        return has_abandoned

    def _mark_abandoned(self, lane: Lane) -> bool:
        """The process that began these runs is dead: they will not end."""
        if not lane.is_owned:
            return False
        facts = [RunPatched(run_id=run_id, status="abandoned") for run_id in lane.open_runs.run_ids]
        parcels = [Parcel(next(self._adopted_numbers), encode_fact(fact), 0) for fact in facts]
        if parcels:
            self._ledger.adopt(measure_parcels(parcels))
            self._memory.append(parcels[self.append(parcels) :])
        return bool(parcels)

    def _make_room(self, own: Lane) -> bool:
        """Whether another segment may be begun; what counts least is dropped for it."""
        settings = self._settings
        excess = measure_excess(
            self._files, own.path.parent, settings.segment_bytes, settings.max_spool_bytes
        )
        while excess > 0:
            freed = 0 if settings.on_full == "wait" else drop_something(self._readers, self._lose)
            if not freed:
                return False
            excess -= freed
        return True

    def _lose(self, cause: str, lost: Volume, parcels: Sequence[Parcel]) -> None:
        self._ledger.lose(cause, lost)
        for parcel in parcels:
            note_loss(self._ledger, cause, parcel.encoded)
        self._notices.warn(
            cause, "X-Ray: the spool is full; the oldest records in it are dropped and counted."
        )

    @property
    def _keeps_anything(self) -> bool:
        """Whether room may come; what an empty spool has no room for must go through memory."""
        return bool(self._memory.oldest_number or any(part.lane.segments for part in self._readers))

    @property
    def _readers(self) -> list[LaneReader]:
        """Those of dead processes, then its own."""
        return [*self._adopted, *([self._own] if self._own is not None else [])]

    def drain(self) -> list[Parcel]:
        """Let go of everything; returns what does not outlive the process."""
        with self._lock:
            lost = self._memory.drain()
            if not self._is_closed:
                self._is_closed = True
                for reader in self._readers:
                    reader.lane.release()
                self._take_stock()
            return lost

    def vacate(self) -> None:
        """Give up the directory as long as nothing is in it; the next record makes another."""
        with self._lock:
            own = self._own
            if own is not None and not own.lane.segments:
                self._own = None
                own.lane.release()

    def abandon(self) -> None:
        """Close what the process this one was forked from has open, and leave its files alone."""
        self._is_closed = True
        for reader in self._readers:
            reader.lane.abandon()

    def _take_stock(self) -> None:
        """Note the sizes, so that the pipeline reads them without waiting for a disk."""
        waiting = [reader.waiting for reader in self._readers]
        self._waiting = (
            sum(records for records, _ in waiting) + self._memory.waiting_facts,
            sum(size for _, size in waiting) + self._memory.waiting_bytes,
        )
        self._held_bytes = self._memory.held_bytes
        numbers = [self._memory.oldest_number]
        if self._own is not None:
            numbers.append(self._own.lowest_number)
        self._oldest = min((number for number in numbers if number is not None), default=None)

    @property
    def oldest_number(self) -> int | None:
        """The number of the oldest parcel of this process that is kept; None when none is."""
        # What a disk that hangs says too late is not waited for.
        if self._lock.acquire(timeout=_LOOK_S):
            self._lock.release()
        return self._oldest

    @property
    def waiting_bytes(self) -> int:
        """Wire bytes that are kept and not taken."""
        return self._waiting[1]

    @property
    def waiting_facts(self) -> int:
        """Parcels that are kept and not taken."""
        return self._waiting[0]

    @property
    def held_bytes(self) -> int:
        """Memory that kept parcels take."""
        return self._held_bytes

    @property
    def volume(self) -> Volume:
        """What would be lost if the process died now."""
        return self._memory.volume
