"""Which runs of a process have not ended, so that whoever finds it dead can say so."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from xray.wire.codec import name_encoded

# The kind is the first field of an encoded fact.
_HEAD_BYTES: Final = 32
_STARTED: Final = b"run_started"
_FINISHED: Final = b"run_finished"
_NOTED: Final = 0
# A program that never ends its runs must not grow for it.
_MAX_OPEN_RUNS: Final = 10_000


class OpenRuns:
    """Runs that began and did not end, each with the segment that says it began."""

    def __init__(self) -> None:
        self._segment_of: dict[str, int] = {}
        self._finished: set[str] = set()
        self._is_dead = False

    def read(self, encoded: bytes, segment: int) -> None:
        """Learn from an encoded fact that stands in *segment*."""
        head = encoded[:_HEAD_BYTES]
        if _STARTED in head:
            run_id = _run_id(encoded)
            if run_id and run_id not in self._finished:
                self._segment_of.setdefault(run_id, segment)
                if len(self._segment_of) > _MAX_OPEN_RUNS:
                    del self._segment_of[next(iter(self._segment_of))]
        elif _FINISHED in head and (run_id := _run_id(encoded)):
            self._segment_of.pop(run_id, None)
            if self._is_dead:
                self._finished.add(run_id)

    def recall(self, run_ids: Iterable[str]) -> None:
        """Begin with the notes of a dead process, whose segments may be read in any order."""
        self._is_dead = True
        self._segment_of = dict.fromkeys(run_ids, _NOTED)

    def forget(self, segment: int) -> None:
        """*segment* is dropped, and with it the word that its runs began."""
        for run_id in [run_id for run_id, place in self._segment_of.items() if place == segment]:
            del self._segment_of[run_id]

    def note(self, segment: int) -> list[str]:
        """The runs that no segment tells of any more once *segment* is gone."""
        leaving = [run_id for run_id, place in self._segment_of.items() if place == segment]
        self._segment_of.update(dict.fromkeys(leaving, _NOTED))
        return [run_id for run_id, place in self._segment_of.items() if place == _NOTED]

    @property
    def run_ids(self) -> list[str]:
        """The runs that have not ended, in the order they began."""
        return list(self._segment_of)


def _run_id(encoded: bytes) -> str | None:
    name = name_encoded(encoded)
    return name.split(":")[1] if name and name.startswith("run:") else None
