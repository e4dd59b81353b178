"""The few file-system calls the spool makes, behind one protocol, so that each can be made to fail.

Everything is created for this user alone, no link is followed, and nothing is overwritten except
by `rename`.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

try:
    import fcntl
except ImportError:  # a system without flock keeps records in memory
    fcntl = None  # type: ignore[assignment]

FAILURES: Final = (OSError, MemoryError)
"""What a call may raise, and what the spool goes on after."""

_PRIVATE_DIRECTORY: Final = 0o700
_PRIVATE_FILE: Final = 0o600
_OTHERS_MAY_WRITE: Final = 0o022
_NO_FOLLOW: Final = getattr(os, "O_NOFOLLOW", 0)
_HELD_BY_ANOTHER: Final = (errno.EWOULDBLOCK, errno.EAGAIN, errno.EACCES)


@dataclass(frozen=True, slots=True)
class FileFacts:
    """What is known of a file or directory without opening it.

    Args:
        size: its bytes.
        modified_s: when it was written last, in seconds since 1970.
        uid: whose it is.
        is_directory: whether it is a directory, and no link to one.
        is_private: whether nobody but its owner may write to it.
    """

    size: int
    modified_s: float
    uid: int
    is_directory: bool
    is_private: bool


class Files(Protocol):
    """The file system as the spool sees it; every call may raise OSError.

    A handle is a number that `create` or `lock` returned and `close` ends.
    """

    def own_uid(self) -> int:
        """The user this process acts as."""
        ...

    def make_directory(self, path: Path) -> None:
        """Make *path*, for this user alone; FileExistsError where something is there."""
        ...

    def list_directory(self, path: Path) -> list[str]:
        """The names in *path*, sorted."""
        ...

    def remove_directory(self, path: Path) -> None:
        """Remove *path*, which must be empty."""
        ...

    def describe(self, path: Path) -> FileFacts:
        """What is known of *path*; a link is described itself."""
        ...

    def create(self, path: Path) -> int:
        """A handle to append to *path*, which must not exist."""
        ...

    def write(self, handle: int, data: memoryview) -> int:
        """Append *data*; returns how much of it was written, which may be less than all."""
        ...

    def truncate(self, handle: int, size: int) -> None:
        """Cut the file to *size* bytes."""
        ...

    def sync(self, handle: int) -> None:
        """Return once what was written would survive a loss of power."""
        ...

    def sync_directory(self, path: Path) -> None:
        """Return once the names in *path* would survive a loss of power."""
        ...

    def close(self, handle: int) -> None:
        """End *handle*, and the lock it holds."""
        ...

    def read(self, path: Path, offset: int, length: int) -> bytes:
        """At most *length* bytes of *path* from *offset*; fewer only at its end."""
        ...

    def rename(self, path: Path, target: Path) -> None:
        """Give *path* the name *target*, in place of what had it."""
        ...

    def remove(self, path: Path) -> None:
        """Remove the file *path*."""
        ...

    def lock(self, path: Path) -> int | None:
        """A handle that owns *path*, which is made if need be; None while another owns it."""
        ...

    def count_free_bytes(self, path: Path) -> int:
        """How many bytes this user could still write where *path* is."""
        ...


class SystemFiles:
    """The file system of the operating system."""

    def own_uid(self) -> int:
        """The user this process acts as."""
        return os.geteuid() if hasattr(os, "geteuid") else 0

    def make_directory(self, path: Path) -> None:
        """Make *path*, for this user alone."""
        os.mkdir(path, _PRIVATE_DIRECTORY)

    def list_directory(self, path: Path) -> list[str]:
        """The names in *path*, sorted."""
        return sorted(os.listdir(path))

    def remove_directory(self, path: Path) -> None:
        """Remove *path*, which must be empty."""
        os.rmdir(path)

    def describe(self, path: Path) -> FileFacts:
        """What is known of *path*."""
        found = os.lstat(path)
        return FileFacts(
            size=found.st_size,
            modified_s=found.st_mtime,
            uid=found.st_uid,
            is_directory=stat.S_ISDIR(found.st_mode),
            is_private=not found.st_mode & _OTHERS_MAY_WRITE,
        )

    def create(self, path: Path) -> int:
        """A handle to append to *path*, which must not exist."""
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL | _NO_FOLLOW
        return os.open(path, flags, _PRIVATE_FILE)

    def write(self, handle: int, data: memoryview) -> int:
        """Append *data*; returns how much of it was written."""
        return os.write(handle, data)

    def truncate(self, handle: int, size: int) -> None:
        """Cut the file to *size* bytes."""
        os.ftruncate(handle, size)

    def sync(self, handle: int) -> None:
        """Return once what was written would survive a loss of power."""
        os.fsync(handle)

    def sync_directory(self, path: Path) -> None:
        """Return once the names in *path* would survive a loss of power."""
        handle = os.open(path, os.O_RDONLY | _NO_FOLLOW)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)

    def close(self, handle: int) -> None:
        """End *handle*, and the lock it holds."""
        os.close(handle)

    def read(self, path: Path, offset: int, length: int) -> bytes:
        """At most *length* bytes of *path* from *offset*."""
        handle = os.open(path, os.O_RDONLY | _NO_FOLLOW)
        try:
            os.lseek(handle, offset, os.SEEK_SET)
            pieces: list[bytes] = []
            while length > 0 and (piece := os.read(handle, length)):
                pieces.append(piece)
                length -= len(piece)
            return b"".join(pieces)
        finally:
            os.close(handle)

    def rename(self, path: Path, target: Path) -> None:
        """Give *path* the name *target*, in place of what had it."""
        os.replace(path, target)

    def remove(self, path: Path) -> None:
        """Remove the file *path*."""
        os.unlink(path)

    def lock(self, path: Path) -> int | None:
        """A handle that owns *path*; None while another owns it."""
        if fcntl is None:
            raise OSError(errno.ENOTSUP, "this system has no flock")
        handle = os.open(path, os.O_RDWR | os.O_CREAT | _NO_FOLLOW, _PRIVATE_FILE)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Whoever owned it before may have removed it between the two calls above.
            is_owned = os.fstat(handle).st_nlink > 0
        except OSError as error:
            os.close(handle)
            if error.errno in _HELD_BY_ANOTHER:
                return None
            raise
        if is_owned:
            return handle
        os.close(handle)
        return None

    def count_free_bytes(self, path: Path) -> int:
        """How many bytes this user could still write where *path* is."""
        if not hasattr(os, "statvfs"):
            return 1 << 62
        found = os.statvfs(path)
        return found.f_bavail * found.f_frsize


def write_all(files: Files, handle: int, data: bytes) -> None:
    """Append all of *data*; raises one of FAILURES when less was written."""
    rest = memoryview(data)
    while rest:
        written = files.write(handle, rest)
        if written <= 0:
            raise OSError(errno.EIO, "nothing was written")
        rest = rest[written:]


def attempt(call: Callable[..., None], *args: object) -> bool:
    """Whether *call* succeeded; for what may fail without any harm."""
    try:
        call(*args)
    except FAILURES:
        return False
    return True
