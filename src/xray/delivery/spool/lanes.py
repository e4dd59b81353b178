"""A lane: the directory in which one process keeps its segments, and the lock that owns it.

The directory itself is the truth: what a file in it holds is still to be delivered, and what has
been delivered is not there any more. There is no index that could disagree with it.
"""

from __future__ import annotations

import errno
import os
import re
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from xray.delivery.queue import Parcel
from xray.delivery.spool.files import FAILURES, Files, attempt, write_all
from xray.delivery.spool.frames import encode_frames, scan_segment
from xray.delivery.spool.openruns import OpenRuns
from xray.delivery.spool.segments import Segment
from xray.model.ids import new_uuid7, parse_uuid

SEGMENT_SUFFIX: Final = ".seg"
QUARANTINE: Final = "quarantine"
LOCK: Final = "owner.lock"
_NOTES: Final = "runs.open"
_DRAFT_SUFFIX: Final = ".new"
_MAX_NOTES_BYTES: Final = 16 << 20
_OPEN_ATTEMPTS: Final = 8
_LANE: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\.[0-9]+\Z")
_DRAFT: Final = re.compile(r"([0-9]{8,}|runs)\.new\Z")


class Lane:
    """The segments of one process: this one's own, or a dead one's.

    Args:
        files: the file system.
        path: the directory.
        lock: the handle that owns it.
    """

    def __init__(self, files: Files, path: Path, lock: int) -> None:
        self._files = files
        self.path = path
        self.segments: deque[Segment] = deque()
        self.open_runs = OpenRuns()
        self._lock: int | None = lock
        self._current: Segment | None = None
        self._handles: dict[int, int] = {}
        self._last_number = 0
        self._noted: list[str] = []
        self._leftovers: list[Path] = []
        self._unsynced_since_s: dict[int, float] = {}
        self._is_directory_synced = True
        self.is_ever_synced = True

    @property
    def writing_to(self) -> Segment | None:
        """The segment that appended records go to; None until there is one."""
        return self._current

    def begin_segment(self) -> None:
        """Let the next records go to a new file; raises one of FAILURES where none can be made."""
        self.finish_segment()
        number = self._last_number + 1
        path = self.path / f"{number:08d}{SEGMENT_SUFFIX}"
        self._last_number = number
        self._handles[number] = self._files.create(path)
        self._current = Segment(number, path, has_detail=False)
        self.segments.append(self._current)
        self._is_directory_synced = False

    def finish_segment(self, segment: Segment | None = None) -> None:
        """Append no more to the current segment; only if it is *segment*, when that is given."""
        current = self._current
        if current is None or (segment is not None and current is not segment):
            return
        self._current = None
        if current.number not in self._unsynced_since_s:
            self._close(current.number)

    def _close(self, number: int) -> None:
        self._unsynced_since_s.pop(number, None)
        handle = self._handles.pop(number, None)
        if handle is not None:
            attempt(self._files.close, handle)

    def append(self, parcels: Sequence[Parcel], now_s: float) -> None:
        """Write *parcels* to the current segment; raises one of FAILURES where not all could be."""
        segment = self._current
        assert segment is not None
        records = ((parcel.decisions, parcel.encoded) for parcel in parcels)
        try:
            data = b"".join(encode_frames(segment.records + 1, records))
            write_all(self._files, self._handles[segment.number], data)
        except FAILURES:
            self._condemn(segment)
            raise
        segment.note_append(parcels, len(data))
        segment.has_detail = segment.has_detail or any(parcel.decisions for parcel in parcels)
        if self.is_ever_synced:
            self._unsynced_since_s.setdefault(segment.number, now_s)
        for parcel in parcels:
            self.open_runs.read(parcel.encoded, segment.number)

    def _condemn(self, segment: Segment) -> None:
        """Half a record may stand at the end: cut it off if possible, and write there no more."""
        attempt(self._files.truncate, self._handles[segment.number], segment.size)
        self.finish_segment()
        if not segment.records:
            self.segments.pop()
            self._close(segment.number)
            self._remove(segment.path)

    def unsynced_age_s(self, now_s: float) -> float:
        """How long the oldest bytes have waited that a loss of power would take; 0: none do."""
        return now_s - min(self._unsynced_since_s.values(), default=now_s)

    def sync(self) -> list[tuple[Segment, BaseException]]:
        """Make what was appended survive a loss of power; returns where that failed, and why.

        The same bytes are not tried again: after a failure the system may have let go of them,
        and would report success.
        """
        failed: list[tuple[Segment, BaseException]] = []
        waiting = [part for part in self.segments if part.number in self._unsynced_since_s]
        for segment in waiting:
            del self._unsynced_since_s[segment.number]
            try:
                self._files.sync(self._handles[segment.number])
            except FAILURES as error:
                self.finish_segment(segment)
                failed.append((segment, error))
            if segment is not self._current:
                self._close(segment.number)
        if waiting and not self._is_directory_synced:
            self._is_directory_synced = attempt(
                self._files.sync_directory, self.path.parent
            ) and attempt(self._files.sync_directory, self.path)
        return failed

    def read(self, segment: Segment) -> bytes:
        """What *segment* holds from the first record on that was not handed out."""
        return self._files.read(segment.path, segment.read_at, segment.size - segment.read_at)

    def rewrite(self, segment: Segment, parcels: Sequence[Parcel]) -> None:
        """Put a file with only *parcels* in the place of *segment*; raises one of FAILURES if not.

        None of its records may be with the sender.
        """
        self.finish_segment(segment)
        records = ((parcel.decisions, parcel.encoded) for parcel in parcels)
        draft = segment.path.with_suffix(_DRAFT_SUFFIX)
        try:
            size = self._write_draft(draft, encode_frames(1, records), is_synced=True)
            self._files.rename(draft, segment.path)
        except FAILURES:
            attempt(self._files.remove, draft)
            raise
        self._close(segment.number)
        segment.start_over(parcels, size)

    def delete(self, segment: Segment) -> None:
        """Remove *segment*: nothing in it is wanted any more."""
        self.finish_segment(segment)
        self._close(segment.number)
        self._keep_notes(segment)
        self.segments.remove(segment)
        self._remove(segment.path)
        self.retry_leftovers()

    def forget(self, segment: Segment) -> None:
        """Leave the file of *segment* where it is and think of it no more."""
        self.segments.remove(segment)

    def _remove(self, path: Path) -> None:
        try:
            self._files.remove(path)
        except FileNotFoundError:
            pass
        except FAILURES:
            # Delivered records that stay are sent once more by a later process, and no harm done.
            self._leftovers.append(path)

    def retry_leftovers(self) -> None:
        """Try again to remove the files that could not be."""
        waiting, self._leftovers = self._leftovers, []
        for path in waiting:
            self._remove(path)

    def _keep_notes(self, segment: Segment) -> None:
        noted = self.open_runs.note(segment.number)
        if noted == self._noted:
            return
        if noted:
            self._write_notes(noted)
        elif attempt(self._files.remove, self.path / _NOTES):
            self._noted = []

    def _write_notes(self, run_ids: list[str]) -> None:
        path = self.path / _NOTES
        draft = path.with_suffix(_DRAFT_SUFFIX)
        try:
            self._write_draft(draft, encode_frames(1, ((0, name.encode()) for name in run_ids)))
            self._files.rename(draft, path)
            self._noted = run_ids
        except FAILURES:
            # A run that began and never ends is shown as abandoned after a time all the same.
            attempt(self._files.remove, draft)

    def _write_draft(self, draft: Path, pieces: Sequence[bytes], *, is_synced: bool = False) -> int:
        data = b"".join(pieces)
        attempt(self._files.remove, draft)
        handle = self._files.create(draft)
        try:
            write_all(self._files, handle, data)
            if is_synced:
                self._files.sync(handle)
        finally:
            attempt(self._files.close, handle)
        return len(data)

    def load(self) -> None:
        """Learn what a dead process left; raises one of FAILURES where it cannot be listed."""
        self._noted = self._read_notes()
        self.open_runs.recall(self._noted)
        for name in self._files.list_directory(self.path):
            stem, suffix = os.path.splitext(name)
            path = self.path / name
            if _DRAFT.match(name):
                attempt(self._files.remove, path)
            elif suffix == SEGMENT_SUFFIX and stem.isascii() and stem.isdigit():
                try:
                    size = self._files.describe(path).size
                except FAILURES:
                    continue
                self._last_number = max(self._last_number, int(stem))
                self.segments.append(Segment(int(stem), path, size, is_booked=False))

    def _read_notes(self) -> list[str]:
        try:
            content = self._files.read(self.path / _NOTES, 0, _MAX_NOTES_BYTES)
        except FAILURES:
            return []
        names = [frame.payload.decode("ascii", "replace") for frame in scan_segment(content).frames]
        return [name for name in names if parse_uuid(name) == name]

    @property
    def is_owned(self) -> bool:
        """Whether this process still owns the directory."""
        return self._lock is not None

    def release(self) -> None:
        """Give up the directory: it is removed if it is empty, else another process finds it."""
        self.finish_segment()
        if self._lock is None:
            return
        self.retry_leftovers()
        if not self.segments and not self._leftovers:
            attempt(self._files.remove, self.path / _NOTES)
            # While the lock is held nobody else can be in there.
            attempt(self._files.remove, self.path / LOCK)
            attempt(self._files.remove_directory, self.path)
        self.abandon()

    def abandon(self) -> None:
        """Close what is open here and change nothing; in a child, the parent still owns it."""
        lock, self._lock = self._lock, None
        self._current = None
        for number in list(self._handles):
            self._close(number)
        if lock is not None:
            attempt(self._files.close, lock)


def open_lane(files: Files, destinations: Sequence[Path]) -> Lane:
    """A new lane in the first of *destinations* where one can be made.

    Raises:
        OSError: it can be made in none.
    """
    failure: BaseException = OSError(errno.ENOENT, "there is no place for it")
    for destination in destinations:
        try:
            _make_directories(files, destination)
            _check_owner(files, destination)
            return _make_lane(files, destination)
        except (*FAILURES, ValueError) as error:  # noqa: PERF203  (few, and slow anyway)
            failure = error
    raise failure


def _make_directories(files: Files, path: Path) -> None:
    try:
        files.make_directory(path)
    except FileExistsError:
        return
    except FileNotFoundError:
        if path.parent == path:
            raise
        _make_directories(files, path.parent)
        with suppress(FileExistsError):  # another process needed it too
            files.make_directory(path)
    attempt(files.sync_directory, path.parent)


def _check_owner(files: Files, path: Path) -> None:
    """Nobody else may read what is kept there, or put something in its place."""
    facts = files.describe(path)
    if not facts.is_directory or facts.uid != files.own_uid() or not facts.is_private:
        raise PermissionError(errno.EPERM, "the directory is not this user's alone")


def _make_lane(files: Files, destination: Path) -> Lane:
    for _ in range(_OPEN_ATTEMPTS):
        path = destination / f"{new_uuid7()}.{os.getpid()}"
        files.make_directory(path)
        lock = files.lock(path / LOCK)
        # Somebody who looks for dead owners may have been quicker than the lock.
        if lock is not None:
            return Lane(files, path, lock)
    raise OSError(errno.EAGAIN, "no lane could be locked")


def list_lanes(files: Files, destination: Path) -> list[Path]:
    """The lanes in *destination*, oldest first; none where it is not this user's own."""
    try:
        _check_owner(files, destination)
        names = files.list_directory(destination)
    except FAILURES:
        return []
    return [destination / name for name in names if _LANE.match(name)]


def measure_lanes(files: Files, destination: Path) -> int:
    """Bytes in all lanes of *destination*, whosever they are."""
    used = 0
    for path in list_lanes(files, destination):
        with suppress(*FAILURES):
            for name in files.list_directory(path):
                with suppress(*FAILURES):
                    used += files.describe(path / name).size
    return used


def adopt_lane(files: Files, path: Path) -> Lane | None:
    """The lane at *path* when its owner is dead and was this user; else None. Never raises."""
    try:
        facts = files.describe(path)
        if not facts.is_directory or facts.uid != files.own_uid():
            return None
        lock = files.lock(path / LOCK)
        if lock is None:
            return None
    except FAILURES:
        return None
    lane = Lane(files, path, lock)
    try:
        lane.load()
    except FAILURES:
        lane.abandon()
        return None
    return lane
