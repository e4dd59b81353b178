"""What is done when the process forks, where processes can."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable

from xray.model.interruptions import is_interruption

Hook = Callable[[], None]


def call_at_fork(
    *,
    before: Hook | None = None,
    after_in_parent: Hook | None = None,
    after_in_child: Hook | None = None,
) -> None:
    """Let these be called around every fork, as `os.register_at_fork` does.

    What one of them raises is dropped: the interpreter would print it, and at a fork there is
    nobody to tell, because even logging may be held by a thread that is not forked.
    """
    if not hasattr(os, "register_at_fork"):
        return
    hooks = {
        "before": before,
        "after_in_parent": after_in_parent,
        "after_in_child": after_in_child,
    }
    os.register_at_fork(**{when: _mute(hook) for when, hook in hooks.items() if hook is not None})


class Turn:
    """A lock for all of a process, which a child finds free: whoever held it is not forked.

    Held for a few lines only; a finaliser or a signal handler may take it again.
    """

    def __init__(self) -> None:
        self.lock = threading.RLock()
        call_at_fork(after_in_child=self._renew)

    def _renew(self) -> None:
        self.lock = threading.RLock()


def _mute(hook: Hook) -> Hook:
    def call() -> None:
        try:
            hook()
        except Exception as error:
            # The interpreter says what it ignores here, as it would without X-Ray.
            if is_interruption(error):
                raise

    return call
