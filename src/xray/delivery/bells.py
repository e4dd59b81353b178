"""What wakes a thread that waits for work."""

from __future__ import annotations

import threading

from xray.model.interruptions import is_interruption


class Bell:
    """Wakes the one thread that waits for it; rung while nobody waits, it wakes the next wait.

    A finaliser or a signal handler may ring while its own thread rings or waits, which a
    `threading.Event` would answer with a deadlock: it takes a lock in Python code.
    """

    def __init__(self) -> None:
        self._silence = threading.Lock()
        self._silence.acquire()

    def ring(self) -> None:
        """Wake the thread; many rings before it wakes are one."""
        try:
            self._silence.release()
        except RuntimeError as error:  # it rings
            if is_interruption(error):
                raise

    def wait(self, seconds: float) -> None:
        """Wait until it rings, at most *seconds*."""
        self._silence.acquire(timeout=seconds)
