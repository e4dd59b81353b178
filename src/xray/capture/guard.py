"""The one place that swallows exceptions, so that X-Ray never breaks the pipeline it watches.

Tests switch it to re-raise (`raising`), so that no fault of ours can hide behind it.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Final

from xray.errors import XRayDeliveryError
from xray.model.interruptions import is_interruption
from xray.model.kinds import name_kind

logger: Final = logging.getLogger("xray")

_QUIET_S: Final = 60.0
_last_said_s: dict[str, tuple[float]] = {}
_swallowed: dict[str, int] = {}
_is_raising = False


def caught(where: str, error: Exception) -> None:
    """Count *error* of our own code in *where*; say so at most once a minute, or re-raise in tests.

    Raised again is also what is not ours: what a signal handler of the pipeline's raised while our
    code was running, and the `XRayDeliveryError` that `offline_mode="fail"` asks for. Ctrl-C,
    `SystemExit` and the cancellation of a task are no `Exception` and do not come here.
    """
    try:
        is_passed_on = _is_asked_for(error)
        if not is_passed_on:
            # No call between reading and writing, so no other thread runs there; a lock could be
            # held by a thread that a fork leaves behind.
            _swallowed.setdefault(where, 0)
            _swallowed[where] += 1
            is_passed_on = _is_raising
    except Exception:  # noqa: BLE001  (where the stack is at its end, the guard has no room either)
        is_passed_on = False
    if is_passed_on:
        raise error
    warn(where, "X-Ray failed inside %s (%s); the pipeline goes on.", where, error)


def _is_asked_for(error: Exception) -> bool:
    return isinstance(error, XRayDeliveryError) or is_interruption(error)


def warn(kind: str, message: str, *arguments: object) -> None:
    """Log a warning, at most once a minute for each *kind*; never a value of the pipeline's.

    An exception among *arguments* is named by its kind.
    """
    try:
        now_s = time.monotonic()
        # Of threads that come at once, the one whose own entry stands speaks.
        mine = (now_s,)
        last = _last_said_s.setdefault(kind, mine)
        if last is not mine:
            if now_s - last[0] < _QUIET_S:
                return
            _last_said_s[kind] = mine
        logger.warning(
            message, *(name_kind(one) if isinstance(one, Exception) else one for one in arguments)
        )
    except Exception as error:
        # A broken log handler of the host is not ours to report.
        if is_interruption(error):
            raise


def swallowed() -> dict[str, int]:
    """How many of our own exceptions were swallowed, by where."""
    return dict(_swallowed)


@contextmanager
def raising() -> Iterator[None]:
    """Within the block, exceptions of our own code are raised instead of swallowed."""
    global _is_raising  # noqa: PLW0603  (one switch for the process, as the guard is one place)
    before, _is_raising = _is_raising, True
    try:
        yield
    finally:
        _is_raising = before


class guarded:  # noqa: N801  (used like a function)
    """Run a block of our own code that must not break the pipeline.

    Args:
        where: what it is called in the log.
    """

    __slots__ = ("_where",)

    def __init__(self, where: str) -> None:
        self._where = where

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, kind: object, error: BaseException | None, traceback: TracebackType | None
    ) -> bool:
        if not isinstance(error, Exception):
            return False
        caught(self._where, error)
        return True
