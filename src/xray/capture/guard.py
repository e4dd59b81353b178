"""The one place that swallows exceptions, so that X-Ray never breaks the pipeline it watches.

Tests switch it to re-raise (`raising`), so that no fault of ours can hide behind it.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from xray.model.kinds import name_kind

logger: Final = logging.getLogger("xray")

_QUIET_S: Final = 60.0
_last_said_s: dict[str, tuple[float]] = {}
_swallowed: dict[str, int] = {}
_is_raising = False


def caught(where: str, error: Exception) -> None:
    """Count *error* of our own code in *where*; say so at most once a minute, or re-raise in tests.

    Only `Exception` reaches this: Ctrl-C, `SystemExit` and task cancellation are the pipeline's.
    """
    # No call between reading and writing, so no other thread runs there; a lock could be held by
    # a thread that a fork leaves behind.
    _swallowed.setdefault(where, 0)
    _swallowed[where] += 1
    if _is_raising:
        raise error
    warn(where, "X-Ray failed inside %s (%s); the pipeline goes on.", where, name_kind(error))


def warn(kind: str, message: str, *arguments: object) -> None:
    """Log a warning, at most once a minute for each *kind*; never a value of the pipeline's."""
    now_s = time.monotonic()
    # Of threads that come at once, the one whose own entry stands speaks.
    mine = (now_s,)
    last = _last_said_s.setdefault(kind, mine)
    if last is not mine:
        if now_s - last[0] < _QUIET_S:
            return
        _last_said_s[kind] = mine
    try:
        logger.warning(message, *arguments)
    except Exception:  # noqa: BLE001, S110  (a broken log handler of the host is not ours to report)
        pass


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


@contextmanager
def guarded(where: str) -> Iterator[None]:
    """Run a block of our own code that must not break the pipeline."""
    try:
        yield
    except Exception as error:  # noqa: BLE001
        caught(where, error)
