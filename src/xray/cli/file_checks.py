"""What `xray doctor` checks where records go into a database file of this machine."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from xray.cli.checkpoint import Checkpoint
from xray.cli.round_trip import check_round_trip
from xray.cli.wording import say_bytes, say_count
from xray.errors import XRayError
from xray.local import LocalClient
from xray.record_files import is_written
from xray.wire.address import find_file

_NEEDED: Final = ("sqlalchemy", "zstandard")


def check_file_road(url: str, *, is_write_asked: bool) -> Iterator[Checkpoint]:
    """Look at everything between this process and a run in a database file.

    Args:
        url: the file, as `check_file` spells it.
        is_write_asked: whether to record a run and read it back.
    """
    missing = [name for name in _NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        detail = f"{' and '.join(missing)} missing, which a database file needs"
        todo = "Run: pip install 'xray-forensics[server]'"
        yield Checkpoint("packages", "problem", detail, todo)
        yield Checkpoint("file", "skipped", "it cannot be opened without them")
        return
    yield Checkpoint("packages", "ok", " and ".join(_NEEDED))
    path = find_file(url)
    folder = _check_folder(path)
    yield folder
    file = _check_file(url, path)
    yield file
    if file.verdict == "problem":
        return
    yield _check_writer(url, path)
    if is_write_asked and folder.verdict == "ok":
        with ExitStack() as opened:
            yield check_round_trip(url, None, lambda: opened.enter_context(LocalClient(url)))
    else:
        yield Checkpoint("round trip", "skipped", "--write records a run and reads it back")


def _check_folder(path: Path) -> Checkpoint:
    place = next(folder for folder in path.parents if folder.exists())
    if not place.is_dir() or not os.access(place, os.W_OK | os.X_OK):
        todo = "Name a file in a folder that can be written; until then it can only be read."
        return Checkpoint("folder", "problem", f"{place} cannot be written", todo)
    said = "can be written" if place == path.parent else "can be written; the rest is made"
    return Checkpoint("folder", "ok", f"{place} {said}")


def _check_file(url: str, path: Path) -> Checkpoint:
    if not path.exists():
        return Checkpoint("file", "ok", f"{path} is made by the first record")
    try:
        with LocalClient(url) as client:
            total = client.runs(limit=1).total or 0
    except XRayError as error:
        if error.code == "store_too_old" and path.stat().st_size == 0:
            return Checkpoint("file", "ok", f"{path} is empty")
        todo = error.hint or "Name another file."
        return Checkpoint("file", "problem", error.detail, todo)
    runs = "1 run" if total == 1 else f"{say_count(total)} runs"
    return Checkpoint("file", "ok", f"{path}: {runs}, {say_bytes(path.stat().st_size)}")


def _check_writer(url: str, path: Path) -> Checkpoint:
    if not is_written(url):
        return Checkpoint("writer", "ok", "no process writes it at the moment")
    detail = f"a process writes {path.name} at the moment; others wait for their turn"
    return Checkpoint("writer", "ok", detail)
