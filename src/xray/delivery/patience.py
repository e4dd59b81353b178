"""Work on a disk that may never answer, for which nobody waits longer than a while."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable

from xray.delivery.notices import attempt


def attempt_within(
    seconds: float,
    what: str,
    work: Callable[[], object],
    measure: Callable[[], object] = lambda: None,
) -> None:
    """Do *work* in a thread of its own, which is left to itself once it gets nowhere.

    Where the interpreter starts no thread any more, the caller does it.

    Args:
        seconds: how long it may take to get anywhere.
        what: what it is called in the log.
        work: what is to be done.
        measure: how far it is; what never changes is given *seconds* in all.
    """
    thread = threading.Thread(
        target=attempt, args=(what, work), name="xray-last-words", daemon=True
    )
    try:
        if sys.is_finalizing():
            raise RuntimeError("what is started now never begins")
        thread.start()
    except RuntimeError:
        attempt(what, work)
        return
    before: object = thread
    while thread.is_alive() and (now := measure()) != before:
        before = now
        thread.join(seconds)
