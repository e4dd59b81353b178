"""What a process and its children take, as Linux counts it: CPU, and memory they do not share."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

_PROC = Path("/proc")
_TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")
_REAPED_TIMES = slice(13, 15)


class Processes:
    """A process and its children; children that ended count with what they took.

    Args:
        parent: the process; None for none.
    """

    def __init__(self, parent: int | None) -> None:
        self._parent = parent

    def cpu_s(self) -> float:
        """The CPU that all of them have taken so far; that of ended children in ticks of 10 ms."""
        if self._parent is None:
            return 0.0
        running_ns = sum(map(_read_cpu_ns, self._list()))
        ended = sum(map(int, _read_stat(self._parent)[_REAPED_TIMES]))
        return running_ns / 1e9 + ended / _TICKS_A_SECOND

    def memory_mb(self) -> float:
        """What they hold of memory: what some share counts once, where Linux tells (PSS)."""
        return sum(map(_read_memory_kb, self._list())) * 1024 / 1e6

    def _list(self) -> Iterator[int]:
        if self._parent is None:
            return
        yield self._parent
        with contextlib.suppress(OSError):
            children = _PROC / f"{self._parent}/task/{self._parent}/children"
            yield from map(int, children.read_text().split())


def find_parent(pid: int, name: str) -> int | None:
    """The parent of process *pid*; None where no process *name* has that number here."""
    try:
        if (_PROC / f"{pid}/comm").read_text().strip() != name:
            return None
        return int(_read_stat(pid)[1])
    except OSError:
        return None


def read_peak_mb() -> float:
    """The most that was ever resident of this process."""
    return _read_kb(_PROC / "self/status", "VmHWM") * 1024 / 1e6


def _read_stat(pid: int) -> list[str]:
    """The fields behind the name of the process, which may hold anything."""
    return (_PROC / f"{pid}/stat").read_text().rpartition(")")[2].split()


def _read_cpu_ns(pid: int) -> int:
    # It may end between being listed and being looked at.
    with contextlib.suppress(OSError):
        return int((_PROC / f"{pid}/schedstat").read_text().split()[0])
    return 0


def _read_memory_kb(pid: int) -> int:
    with contextlib.suppress(OSError):
        return _read_kb(_PROC / f"{pid}/smaps_rollup", "Pss")
    with contextlib.suppress(OSError):
        return _read_kb(_PROC / f"{pid}/status", "VmRSS")
    return 0


def _read_kb(path: Path, name: str) -> int:
    for line in path.read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1])
    return 0
