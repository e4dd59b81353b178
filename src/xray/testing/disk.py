"""A disk in memory that fails when told to, runs full, and forgets what was not forced to it."""

from __future__ import annotations

import copy
import errno
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from xray.delivery.spool.files import FileFacts


class ProcessDiedError(BaseException):
    """The process that made a call is dead; nothing it does has any effect any more."""


@dataclass(eq=False, slots=True)
class _Node:
    uid: int
    is_directory: bool
    folder: str = ""
    is_private: bool = True
    content: bytearray = field(default_factory=bytearray)
    synced: bytes = b""
    is_name_synced: bool = False
    is_linked: bool = True
    holders: set[FakeFiles] = field(default_factory=set)


class FakeDisk:
    """A disk in memory, used by any number of processes.

        disk = FakeDisk()
        files = disk.process()
        files.fail(3, OSError(errno.ENOSPC, "full"))     # its third call fails
        ...
        files.kill()                                     # what it locked is free
        disk.lose_power()                                # what was not synced is gone

    Args:
        capacity_bytes: how much all files together may hold.
    """

    def __init__(self, capacity_bytes: int = 1 << 40) -> None:
        self.capacity_bytes = capacity_bytes
        self.modified_s = 0.0
        self.nodes: dict[Path, _Node] = {Path("/"): _Node(0, is_directory=True)}

    def process(self, uid: int = 1000) -> FakeFiles:
        """The disk as a process of user *uid* sees it."""
        return FakeFiles(self, uid)

    def copy(self) -> FakeDisk:
        """A disk with the same content, owned by nobody."""
        nodes = self.nodes
        twin = FakeDisk(self.capacity_bytes)
        for path, node in nodes.items():
            holders, node.holders = node.holders, set()
            twin.nodes[path] = copy.deepcopy(node)
            node.holders = holders
        return twin

    def lose_power(self, keep: Callable[[bytes, bytes], bytes] | None = None) -> None:
        """Keep only what was forced to disk; every process must be dead.

        Args:
            keep: of a file's synced and written content, what is found later; the synced when
                absent.
        """
        for path, node in list(self.nodes.items()):
            parents_stand = all(parent in self.nodes for parent in path.parents)
            if path != Path("/") and not (node.is_name_synced and parents_stand):
                del self.nodes[path]
            elif not node.is_directory:
                written = bytes(node.content)
                found = node.synced if keep is None else keep(node.synced, written)
                node.content = bytearray(found)

    @property
    def used_bytes(self) -> int:
        """What all files together hold."""
        return sum(len(node.content) for node in self.nodes.values())

    @property
    def files(self) -> dict[Path, bytes]:
        """The content of every file."""
        found = self.nodes.items()
        return {path: bytes(node.content) for path, node in found if not node.is_directory}

    def flip_bit(self, path: Path, bit: int) -> None:
        """Turn one bit of the file *path* round, as a disk that ages does."""
        self.nodes[path].content[bit // 8] ^= 1 << bit % 8

    def put(self, path: Path, content: bytes, uid: int = 1000) -> None:
        """Let *path* hold *content*, as if somebody else had put it there."""
        self.nodes[path] = _Node(
            uid,
            is_directory=False,
            folder=str(path.parent),
            content=bytearray(content),
            synced=content,
            is_name_synced=True,
        )


class FakeFiles:
    """One process's calls to a `FakeDisk`; satisfies `xray.delivery.spool.files.Files`.

    `max_write_bytes` makes writes short: no call of `write` takes more. `calls` names every call.

    Args:
        disk: the disk.
        uid: the user the process acts as.
    """

    def __init__(self, disk: FakeDisk, uid: int) -> None:
        self._disk = disk
        self._uid = uid
        self._handles: dict[int, _Node] = {}
        self._next_handle = 3
        self._failures: dict[int, BaseException] = {}
        self._failing: dict[str, BaseException] = {}
        self.is_dead = False
        self.max_write_bytes = sys.maxsize
        self.calls: list[str] = []

    def fail(self, call: int, error: BaseException) -> None:
        """Let the call numbered *call*, from 1, raise *error* without effect.

        A write has half its effect first. With `ProcessDiedError` the process is dead from there.
        """
        self._failures[call] = error

    def fail_always(self, name: str, error: BaseException | None) -> None:
        """Let every call of the method *name* raise *error*, until it is None."""
        if error is None:
            self._failing.pop(name, None)
        else:
            self._failing[name] = error

    def kill(self) -> None:
        """The process dies: its locks are free, and its calls do nothing any more."""
        self.is_dead = True
        for node in self._handles.values():
            node.holders.discard(self)
        self._handles.clear()

    def fork(self) -> FakeFiles:
        """A child of this process: it shares what is open, and with it the locks."""
        child = FakeFiles(self._disk, self._uid)
        child._handles = dict(self._handles)
        child._next_handle = self._next_handle
        for node in self._handles.values():
            if self in node.holders:
                node.holders.add(child)
        return child

    @property
    def handles(self) -> list[int]:
        """What is open."""
        return list(self._handles)

    def _enter(self, name: str) -> BaseException | None:
        if self.is_dead:
            raise ProcessDiedError
        self.calls.append(name)
        error = self._failures.get(len(self.calls)) or self._failing.get(name)
        if error is not None and name != "write":
            self._raise(error)
        return error

    def _raise(self, error: BaseException) -> None:
        if isinstance(error, ProcessDiedError):
            self.kill()
        raise error

    def _find(self, path: Path) -> _Node:
        node = self._disk.nodes.get(path)
        if node is None:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
        return node

    def _link(self, path: Path, node: _Node) -> None:
        if path in self._disk.nodes:
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST))
        parent = self._find(path.parent)
        if not parent.is_directory:
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
        if parent.uid not in (0, self._uid):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        node.folder = str(path.parent)
        self._disk.nodes[path] = node

    def _open(self, node: _Node) -> int:
        handle, self._next_handle = self._next_handle, self._next_handle + 1
        self._handles[handle] = node
        return handle

    def _children(self, path: Path) -> list[Path]:
        folder = str(path)
        return [child for child, node in self._disk.nodes.items() if node.folder == folder]

    def own_uid(self) -> int:
        """The user this process acts as."""
        return self._uid

    def make_directory(self, path: Path) -> None:
        """Make *path*."""
        self._enter("make_directory")
        self._link(path, _Node(self._uid, is_directory=True))

    def list_directory(self, path: Path) -> list[str]:
        """The names in *path*, sorted."""
        self._enter("list_directory")
        self._find(path)
        return sorted(child.name for child in self._children(path))

    def remove_directory(self, path: Path) -> None:
        """Remove *path*, which must be empty."""
        self._enter("remove_directory")
        self._find(path)
        if self._children(path):
            raise OSError(errno.ENOTEMPTY, os.strerror(errno.ENOTEMPTY))
        del self._disk.nodes[path]

    def describe(self, path: Path) -> FileFacts:
        """What is known of *path*."""
        self._enter("describe")
        node = self._find(path)
        return FileFacts(
            size=len(node.content),
            modified_s=self._disk.modified_s,
            uid=node.uid,
            is_directory=node.is_directory,
            is_private=node.is_private,
        )

    def create(self, path: Path) -> int:
        """A handle to append to *path*, which must not exist."""
        self._enter("create")
        node = _Node(self._uid, is_directory=False)
        self._link(path, node)
        return self._open(node)

    def write(self, handle: int, data: memoryview) -> int:
        """Append *data*; half of it where the call is to fail, as much as fits on a full disk."""
        error = self._enter("write")
        node = self._handles[handle]
        room = self._disk.capacity_bytes - self._disk.used_bytes
        length = min(room, len(data) // 2 if error else len(data), self.max_write_bytes)
        node.content += data[:length]
        if error is not None:
            self._raise(error)
        if data and not length:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return length

    def truncate(self, handle: int, size: int) -> None:
        """Cut the file to *size* bytes."""
        self._enter("truncate")
        del self._handles[handle].content[size:]

    def sync(self, handle: int) -> None:
        """What was written survives a loss of power."""
        self._enter("sync")
        node = self._handles[handle]
        node.synced = bytes(node.content)

    def sync_directory(self, path: Path) -> None:
        """The names in *path* survive a loss of power."""
        self._enter("sync_directory")
        self._find(path)
        for child in self._children(path):
            self._disk.nodes[child].is_name_synced = True

    def close(self, handle: int) -> None:
        """End *handle*, and the lock it holds."""
        self._enter("close")
        self._handles.pop(handle).holders.discard(self)

    def read(self, path: Path, offset: int, length: int) -> bytes:
        """At most *length* bytes of *path* from *offset*."""
        self._enter("read")
        return bytes(self._find(path).content[offset : offset + length])

    def rename(self, path: Path, target: Path) -> None:
        """Give *path* the name *target*, in place of what had it."""
        self._enter("rename")
        node = self._find(path)
        replaced = self._disk.nodes.pop(target, None)
        node.is_name_synced = replaced is not None and replaced.is_name_synced
        self._link(target, node)
        del self._disk.nodes[path]

    def remove(self, path: Path) -> None:
        """Remove the file *path*."""
        self._enter("remove")
        self._find(path).is_linked = False
        del self._disk.nodes[path]

    def lock(self, path: Path) -> int | None:
        """A handle that owns *path*; None while another process owns it."""
        self._enter("lock")
        if path not in self._disk.nodes:
            self._link(path, _Node(self._uid, is_directory=False))
        node = self._find(path)
        if node.holders or node.uid != self._uid:
            return None
        node.holders.add(self)
        return self._open(node)

    def count_free_bytes(self, path: Path) -> int:
        """How many bytes could still be written."""
        self._enter("count_free_bytes")
        self._find(path)
        return self._disk.capacity_bytes - self._disk.used_bytes
