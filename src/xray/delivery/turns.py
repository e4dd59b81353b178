"""Turns between X-Ray's threads and the pipeline's at the interpreter, which runs one at a time."""

from __future__ import annotations

import time
from typing import Final

_LONG_ENOUGH_S: Final = 0.0001


def give_way() -> None:
    """Let a thread of the pipeline's that waits for the interpreter have it.

    One that waits is woken when this thread lets go, and needs a moment to get there: a call of the
    system that takes less is over before. Without that it waits until this thread has to wait for
    something, or has run for five milliseconds.
    """
    time.sleep(_LONG_ENOUGH_S)
