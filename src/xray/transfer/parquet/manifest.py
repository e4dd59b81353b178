"""What a folder says of itself: what it holds, how far its export came, and in which version."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

from xray.errors import ConfigurationError, StoreError
from xray.model.transfer import Amounts
from xray.query.plan import Position

NAME: Final = "manifest.json"
FORMAT: Final = "xray-export"
VERSION: Final = 1


class FileEntry(Struct, frozen=True):
    """One file.

    Args:
        rows: how many rows it has.
        bytes: how large it is.
    """

    rows: int
    bytes: int


class PartEntry(Struct, frozen=True, kw_only=True):
    """Some runs with everything about them: one file in each table.

    Args:
        number: from 1; the files' name.
        amounts: the records it holds, each of which was read again when it was written.
        files: its files by table.
        end: where the runs behind it begin; None behind the last.
    """

    number: int
    amounts: Amounts
    files: dict[str, FileEntry]
    end: Position | None = None


class Manifest(Struct, frozen=True, kw_only=True):
    """What stands in `manifest.json`.

    Args:
        format: what this is.
        version: of the tables.
        source: the store whose runs these are.
        query: which of its runs; all where it is empty.
        asked_us: the moment from which spans of time in the query are counted back.
        parts: what is written, in order.
        is_complete: whether that is all.
    """

    format: str = FORMAT
    version: int = VERSION
    source: str
    query: str = ""
    asked_us: int
    parts: list[PartEntry] = []
    is_complete: bool = False

    @property
    def amounts(self) -> Amounts:
        """The records of all parts."""
        total = Amounts()
        for part in self.parts:
            total = total.plus(part.amounts)
        return total


class _Head(Struct, frozen=True):
    format: str = ""
    version: int = 0


def read_manifest(folder: Path) -> Manifest | None:
    """What *folder* says of itself; None where it is empty or does not exist.

    Raises:
        ConfigurationError: it holds something else.
        StoreError: a later version wrote it, or it cannot be read.
    """
    try:
        if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
            return None
        written = (folder / NAME).read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        raise _refuse(folder) from None
    except OSError as error:
        raise StoreError(f"{folder} cannot be read: {error.strerror}.") from error
    try:
        head = msgspec.json.decode(written, type=_Head)
        if head.format != FORMAT:
            raise _refuse(folder)
        if head.version > VERSION:
            raise StoreError(
                f"{folder} was exported in version {head.version}; this X-Ray reads {VERSION}.",
                hint="Use the version of X-Ray that wrote it, or a later one.",
                code="newer_version",
            )
        return msgspec.json.decode(written, type=Manifest)
    except msgspec.MsgspecError as error:
        raise StoreError(
            f"{folder / NAME} cannot be read: {error}.",
            hint="Bring it back as it was exported, or export again into another folder.",
            code="not_whole",
        ) from error


def _refuse(folder: Path) -> ConfigurationError:
    return ConfigurationError(
        f"{folder} is no folder that xray export wrote.",
        hint="Name one that does not exist or is empty to export, or one that holds an export.",
        code="foreign_folder",
    )


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Let *folder* say *manifest* of itself; it does so wholly or not at all."""
    beside = folder / f".{NAME}.part"
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(msgspec.json.format(msgspec.json.encode(manifest)))
        file.flush()
        os.fsync(file.fileno())
    os.replace(beside, folder / NAME)
    settle(folder)


def settle(folder: Path) -> None:
    """Let the names in *folder* be on disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
