"""When to ask a server again that did not answer, answered badly, or refuses everything."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from typing import Final

_SPREAD: Final = 0.5


class Backoff:
    """Pauses that grow with each failure, with full jitter so that clients spread out.

    Args:
        first_s: upper bound of the first pause.
        max_s: upper bound of every pause.
        max_retry_after_s: the longest pause a server may ask for.
        draw: a random number in [0, 1).
    """

    def __init__(
        self,
        first_s: float,
        max_s: float,
        max_retry_after_s: float,
        draw: Callable[[], float],
    ) -> None:
        self._first_s = first_s
        self._max_s = max_s
        self._max_retry_after_s = max_retry_after_s
        self._draw = draw
        self._failures = 0

    @property
    def failures(self) -> int:
        """Failures since the last success."""
        return self._failures

    def reset(self) -> None:
        """The server answered well."""
        self._failures = 0

    def fail(self, retry_after_s: float = 0.0) -> tuple[float, float]:
        """Note a failure.

        Returns:
            how long the server itself asked to be left alone, and the pause chosen above that.
        """
        asked_s = min(max(retry_after_s, 0.0), self._max_retry_after_s)
        # Every client is told the same moment, so the longer that is, the wider they spread.
        ceiling_s = max(self._first_s * 2.0 ** min(self._failures, 32), asked_s * _SPREAD)
        self._failures += 1
        return asked_s, self._draw() * min(self._max_s, ceiling_s)


def parse_retry_after(text: str | None, wall_us: int) -> float:
    """Seconds that a `Retry-After` header asks for; 0 when it is absent or makes no sense."""
    if not text:
        return 0.0
    text = text.strip()
    if text.isascii() and text.isdigit():
        return float(text[:12])
    try:
        moment = parsedate_to_datetime(text)
    except (TypeError, ValueError):
        return 0.0
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=timezone.utc)
    now = datetime.fromtimestamp(wall_us / 1e6, timezone.utc)
    return max(0.0, (moment - now).total_seconds())
