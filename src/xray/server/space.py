"""How much memory the bodies of all requests together may take, so that a flood cannot end it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Final, TypeVar

import anyio

from xray.errors import StoreBusyError

if TYPE_CHECKING:
    from typing_extensions import Self

_Opened = TypeVar("_Opened")

RECEIVED_BYTES: Final = 48 << 20
OPENED_BYTES: Final = 160 << 20


@dataclass(eq=False, slots=True)
class _Waiter:
    size: int
    turn: anyio.Event


class Space:
    """A number of bytes that requests share; who finds too little left waits for its turn.

    One event loop uses it.

    Args:
        max_bytes: how many there are.
    """

    def __init__(self, max_bytes: int) -> None:
        self.max_bytes = max_bytes
        self.taken_bytes = 0
        self._waiting: deque[_Waiter] = deque()

    async def take(self, size: int, patience_s: float) -> None:
        """Take *size* bytes, or all there are if that is less, once they are free.

        Raises:
            StoreBusyError: they did not become free within *patience_s*.
        """
        size = min(size, self.max_bytes)
        if not self._waiting and self.taken_bytes + size <= self.max_bytes:
            self.taken_bytes += size
            return
        waiter = _Waiter(size, anyio.Event())
        self._waiting.append(waiter)
        try:
            with anyio.fail_after(patience_s):
                await waiter.turn.wait()
        except BaseException as error:
            if waiter.turn.is_set():
                self.give(size)
            else:
                self._waiting.remove(waiter)
                self._call_next()
            if isinstance(error, TimeoutError):
                raise busy() from None
            raise

    def try_take(self, size: int) -> bool:
        """Take *size* bytes if they are free and nobody waits; whether they were."""
        if self._waiting or self.taken_bytes + size > self.max_bytes:
            return False
        self.taken_bytes += size
        return True

    def give(self, size: int) -> None:
        """Give *size* bytes back."""
        self.taken_bytes -= min(size, self.max_bytes)
        self._call_next()

    def _call_next(self) -> None:
        while self._waiting:
            waiter = self._waiting[0]
            if self.taken_bytes + waiter.size > self.max_bytes:
                return
            self._waiting.popleft()
            self.taken_bytes += waiter.size
            waiter.turn.set()


class Lease:
    """What one request holds of a space; given back at the end of the `with` block."""

    def __init__(self, space: Space) -> None:
        self._space = space
        self.held_bytes = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.shrink(0)

    async def take(self, size: int, patience_s: float) -> None:
        """Hold *size* bytes more; raises StoreBusyError when that takes too long."""
        await self._space.take(size, patience_s)
        self.held_bytes += min(size, self._space.max_bytes)

    def grow(self, size: int) -> None:
        """Hold *size* bytes more.

        Raises:
            StoreBusyError: they are not free.
        """
        if not self._space.try_take(size):
            raise busy()
        self.held_bytes += size

    def shrink(self, size: int) -> None:
        """Hold *size* bytes at most from here on."""
        surplus = self.held_bytes - size
        if surplus > 0:
            self.held_bytes = size
            self._space.give(surplus)


def busy() -> StoreBusyError:
    """What a request is told for which there is no memory."""
    return StoreBusyError(
        "The server has too many large bodies to read.",
        hint="Send the same again later.",
        code="server_busy",
    )


class Spaces:
    """What the bodies of all requests share: memory, and the turn to open a large one."""

    def __init__(self) -> None:
        self.received = Space(RECEIVED_BYTES)
        self.opened = Space(OPENED_BYTES)
        self._turn = anyio.CapacityLimiter(1)

    async def open_in_turn(self, work: Callable[[], _Opened]) -> _Opened:
        """What *work* makes of a large body, on a thread, one body after another.

        Python runs one thread at a time: each that computes would keep the one that answers
        waiting for a while, again and again, and none would be done sooner.
        """
        return await anyio.to_thread.run_sync(work, limiter=self._turn)
