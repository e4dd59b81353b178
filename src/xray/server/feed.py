"""Which runs changed: told to whoever listens, as soon as the change is durable."""

from __future__ import annotations

import asyncio
import secrets
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

_KEPT_CHANGES: Final = 5_000
_GATHERED_S: Final = 0.25
"""How long changes are gathered before they are told, so that a busy server tells few times."""


@dataclass(frozen=True, slots=True)
class Changes:
    """Runs that changed since a moment.

    Args:
        run_ids: each once, the one that changed last at the end.
        until: the moment to listen on from, as a word for the listener.
        missed: how many changes were forgotten before they could be told.
    """

    run_ids: list[str]
    until: str
    missed: int = 0


class Feed:
    """Remembers the last changes, in the order they became durable. For one thread: the server's.

    A moment is a number of this process; its name tells the processes of a server apart.
    """

    def __init__(self) -> None:
        self._name = secrets.token_hex(4)
        self._count = 0
        self._changes: deque[str] = deque(maxlen=_KEPT_CHANGES)
        self._is_ended = False
        self._news = asyncio.Event()

    @property
    def moment(self) -> str:
        """Now, as a word for `wait`."""
        return f"{self._name}-{self._count}"

    def note(self, run_ids: Sequence[str]) -> None:
        """These runs changed, each once."""
        self._changes.extend(run_ids)
        self._count += len(run_ids)
        self._news.set()

    def end(self) -> None:
        """Let everybody who listens go."""
        self._is_ended = True
        self._news.set()

    @property
    def is_ended(self) -> bool:
        """Whether the server stops."""
        return self._is_ended

    async def wait(self, since: str, timeout_s: float) -> Changes:
        """What changed since a moment, or nothing when *timeout_s* are over.

        Args:
            since: a moment; one of another process means now.
            timeout_s: how long to wait for the first change.
        """
        name, _, number = since.partition("-")
        is_known = name == self._name and number.isdecimal()
        after = min(int(number), self._count) if is_known else self._count
        if after == self._count and not self._is_ended:
            self._news.clear()
            try:
                await asyncio.wait_for(self._news.wait(), timeout_s)
            except asyncio.TimeoutError:
                return Changes([], self.moment)
        if not self._is_ended:
            await asyncio.sleep(_GATHERED_S)
        fresh = self._count - after
        kept = min(fresh, len(self._changes))
        newest_first = dict.fromkeys(list(reversed(self._changes))[:kept])
        return Changes(list(newest_first)[::-1], self.moment, fresh - kept)
