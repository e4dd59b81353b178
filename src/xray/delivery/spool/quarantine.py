"""Keeps, for a person to look at, what could not be read or what a server refused."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from xray.delivery.queue import Parcel
from xray.delivery.spool.files import FAILURES, Files, attempt, write_all
from xray.delivery.spool.frames import encode_frames
from xray.model.ids import new_uuid7

MAX_QUARANTINE_BYTES: Final = 16 << 20


class Quarantine:
    """A directory beside the lanes, bounded; the oldest files make room for later ones.

    A file is named `<UUIDv7>.<cause>`. What is kept here counts as lost.

    Args:
        files: the file system.
        path: the directory; made when something is kept.
        max_bytes: how much it may hold.
    """

    def __init__(self, files: Files, path: Path, max_bytes: int = MAX_QUARANTINE_BYTES) -> None:
        self._files = files
        self.path = path
        self._max_bytes = max_bytes

    def keep_bytes(self, cause: str, content: bytes) -> bool:
        """Keep *content*; whether it was."""
        path = self._next_path(cause)
        try:
            self._make_room(len(content))
            handle = self._files.create(path)
        except FAILURES:
            return False
        try:
            write_all(self._files, handle, content)
        except FAILURES:
            attempt(self._files.remove, path)
            return False
        finally:
            attempt(self._files.close, handle)
        return True

    def keep_parcels(self, cause: str, parcels: Sequence[Parcel]) -> bool:
        """Keep records a server refused, as a segment; whether they were."""
        records = [(parcel.decisions, parcel.encoded) for parcel in parcels]
        return self.keep_bytes(cause, b"".join(encode_frames(1, records)))

    def move(self, cause: str, path: Path) -> bool:
        """Keep the file at *path* without reading it; whether that was possible."""
        try:
            self._make_room(self._files.describe(path).size)
            self._files.rename(path, self._next_path(cause))
        except FAILURES:
            return False
        return True

    def _next_path(self, cause: str) -> Path:
        return self.path / f"{new_uuid7()}.{cause}"

    def _make_room(self, size: int) -> None:
        try:
            self._files.make_directory(self.path)
        except FileExistsError:
            pass
        sizes: dict[Path, int] = {}
        for name in self._files.list_directory(self.path):
            try:
                sizes[self.path / name] = self._files.describe(self.path / name).size
            except FileNotFoundError:  # noqa: PERF203  (another process may have made room)
                continue
        used = sum(sizes.values())
        for path, held in sizes.items():
            if used + size <= self._max_bytes:
                return
            attempt(self._files.remove, path)
            used -= held
