"""What delivery tells a person: at most one line a minute of each kind, never a record."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Final

from xray.model.clock import Clock, SystemClock
from xray.model.interruptions import is_interruption
from xray.model.kinds import name_kind

_INTERVAL_S: Final = 60.0

logger: Final = logging.getLogger("xray")


class Notices:
    """Warnings, limited in rate by kind."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._last_s: dict[str, float] = {}

    def warn(self, kind: str, text: str, *args: object) -> None:
        """Log *text* unless one of its *kind* was logged within the last minute.

        An exception among *args* is named by its kind.
        """
        try:
            now_s = self._clock.monotonic_s()
            last_s = self._last_s.get(kind)
            if last_s is not None and now_s - last_s < _INTERVAL_S:
                return
            self._last_s[kind] = now_s
            logger.warning(
                text, *(name_kind(one) if isinstance(one, Exception) else one for one in args)
            )
        except Exception as error:
            # A broken log handler of the host is not ours to report.
            if is_interruption(error):
                raise


def attempt(what: str, work: Callable[[], object]) -> None:
    """Do *work*, which the interpreter or a thread of ours asks for, and tell when it fails."""
    try:
        work()
    except Exception as error:
        if is_interruption(error):
            raise
        of_process.warn(what, "X-Ray failed inside %s (%s).", what, error)


of_process: Final = Notices(SystemClock())
"""What concerns the process and not one server: all its clients tell it but once."""
