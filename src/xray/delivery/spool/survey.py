"""What waits in the spool, for somebody who only looks: nothing is changed."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from msgspec import Struct

from xray.delivery.spool.files import FAILURES, Files
from xray.delivery.spool.frames import scan_segment
from xray.delivery.spool.lanes import LOCK, QUARANTINE, SEGMENT_SUFFIX, list_lanes
from xray.delivery.spool.reading import MAX_SEGMENT_BYTES


class LaneSurvey(Struct, frozen=True, kw_only=True):
    """What one process keeps, or left.

    Args:
        name: the directory.
        is_owned: whether that process lives and delivers it itself.
        records: whole records that wait.
        decisions: the decisions they carry.
        bytes: what they take on disk.
        since_s: when the oldest of them was written last, in seconds since 1970; None: nothing
            waits.
        unreadable_bytes: what cannot be read.
        is_foreign: whether a later version of X-Ray wrote some of it.
    """

    name: str
    is_owned: bool
    records: int = 0
    decisions: int = 0
    bytes: int = 0
    since_s: float | None = None
    unreadable_bytes: int = 0
    is_foreign: bool = False


class QuarantineSurvey(Struct, frozen=True, kw_only=True):
    """What was set aside for one cause.

    Args:
        cause: `damaged`, `unreadable`, `too_large`, or the code a server refused it with.
        files: how many files.
        bytes: what they take.
        since_s: when the first was kept, in seconds since 1970.
    """

    cause: str
    files: int
    bytes: int
    since_s: float


class SpoolSurvey(Struct, frozen=True, kw_only=True):
    """What waits for one server.

    Args:
        path: the directory.
        lanes: by process, oldest first.
        quarantine: by cause.
    """

    path: str
    lanes: list[LaneSurvey]
    quarantine: list[QuarantineSurvey]

    @property
    def records(self) -> int:
        """Records that wait."""
        return sum(lane.records for lane in self.lanes)

    @property
    def orphaned(self) -> list[LaneSurvey]:
        """What processes left that are dead."""
        return [lane for lane in self.lanes if not lane.is_owned and lane.bytes]


def is_destination(files: Files, path: Path) -> bool:
    """Whether *path* is the directory of one server, not a spool that holds such directories."""
    with suppress(*FAILURES):
        return any(LOCK in files.list_directory(lane) for lane in list_lanes(files, path))
    return False


def survey_destination(files: Files, path: Path) -> SpoolSurvey:
    """What waits in the directory of one server."""
    return SpoolSurvey(
        path=str(path),
        lanes=[_survey_lane(files, lane) for lane in list_lanes(files, path)],
        quarantine=_survey_quarantine(files, path / QUARANTINE),
    )


def _survey_lane(files: Files, path: Path) -> LaneSurvey:
    records = decisions = size = unreadable = 0
    since_s: float | None = None
    is_foreign = False
    names: list[str] = []
    with suppress(*FAILURES):
        names = [name for name in files.list_directory(path) if name.endswith(SEGMENT_SUFFIX)]
    for name in names:
        try:
            facts = files.describe(path / name)
            scan = scan_segment(files.read(path / name, 0, MAX_SEGMENT_BYTES))
        except FAILURES:
            continue
        size += facts.size
        since_s = facts.modified_s if since_s is None else min(since_s, facts.modified_s)
        records += len(scan.frames)
        decisions += sum(frame.decisions for frame in scan.frames)
        unreadable += scan.damaged_bytes
        is_foreign = is_foreign or scan.is_foreign
    return LaneSurvey(
        name=path.name,
        is_owned=_is_owned(files, path),
        records=records,
        decisions=decisions,
        bytes=size,
        since_s=since_s,
        unreadable_bytes=unreadable,
        is_foreign=is_foreign,
    )


def _is_owned(files: Files, path: Path) -> bool:
    try:
        if LOCK not in files.list_directory(path):
            return False
        handle = files.lock(path / LOCK)
    except FAILURES:
        return False
    if handle is None:
        return True
    with suppress(*FAILURES):
        files.close(handle)
    return False


def _survey_quarantine(files: Files, path: Path) -> list[QuarantineSurvey]:
    kept: dict[str, list[tuple[int, float]]] = {}
    with suppress(*FAILURES):
        for name in files.list_directory(path):
            cause = name.rpartition(".")[2]
            facts = files.describe(path / name)
            kept.setdefault(cause, []).append((facts.size, facts.modified_s))
    return [
        QuarantineSurvey(
            cause=cause,
            files=len(found),
            bytes=sum(size for size, _ in found),
            since_s=min(since_s for _, since_s in found),
        )
        for cause, found in sorted(kept.items())
    ]
