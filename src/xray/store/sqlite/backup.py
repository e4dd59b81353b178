"""A copy of a database file, taken while it is written."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Final

from xray.errors import StoreError
from xray.model.backup import Backup
from xray.store.sqlite.connection import connect_view, translated_errors

_LOOK_S: Final = 0.2


def back_up(path: Path, target: Path, show: Callable[[int], None] = lambda _: None) -> Backup:
    """Copy the database *path* to *target* as it is at one moment, and check the copy.

    Whoever writes it goes on meanwhile. The copy has no free pages and is written beside *target*
    first: a file of that name is whole, whatever happens.

    Args:
        path: the database file.
        target: the copy; there must be no such file.
        show: is told now and then how many bytes are copied.

    Raises:
        StoreError: *path* is no X-Ray database, *target* exists or cannot be written, or the copy
            is not sound.
    """
    if target.exists():
        raise StoreError(
            f"{target} exists.", hint="Name a file that does not, or move it away.", code="exists"
        )
    part = target.with_name(f"{target.name}.part")
    try:
        # Made here, since SQLite would let everybody read it whom the umask allows.
        os.close(os.open(part, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600))
    except OSError as error:
        raise StoreError(
            f"{part} cannot be written: {error.strerror}.",
            hint="Name a file in a folder that can be written.",
        ) from error
    try:
        with translated_errors(), closing(connect_view(path)) as connection:
            connection.execute("pragma query_only = 0")
            with _watched(part, show):
                connection.execute("vacuum into ?", (str(part),))
        backup = _check(part)
        _settle(part, target)
    finally:
        part.unlink(missing_ok=True)
    return backup


@contextlib.contextmanager
def _watched(part: Path, show: Callable[[int], None]) -> Iterator[None]:
    """Within it, the size of *part* is shown as it grows."""
    is_over = threading.Event()

    def look() -> None:
        while not is_over.wait(_LOOK_S):
            show(part.stat().st_size)

    watcher = threading.Thread(target=look, name="xray-backup-progress", daemon=True)
    watcher.start()
    try:
        yield
    finally:
        is_over.set()
        watcher.join()


def _check(part: Path) -> Backup:
    with translated_errors(), closing(connect_view(part)) as copy:
        found = copy.execute("pragma integrity_check(1)").fetchone()[0]
        if found != "ok":
            raise StoreError(
                f"The copy is not sound: {found}.", hint="Check the disk.", code="not_sound"
            )
        runs, steps = (
            int(copy.execute(f"select count(*) from {table}").fetchone()[0])  # noqa: S608
            for table in ("runs", "steps")
        )
    return Backup(runs=runs, steps=steps, size_bytes=part.stat().st_size)


def _settle(part: Path, target: Path) -> None:
    """Let *part* be *target* once all of it is on disk."""
    for place in (part, part.parent):
        descriptor = os.open(place, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    os.replace(part, target)
    for suffix in ("-wal", "-shm"):
        Path(f"{part}{suffix}").unlink(missing_ok=True)
