"""What the host of this process may do to its threads, and to its end."""

from __future__ import annotations

import os
import sys
from typing import Final

from xray.delivery.notices import of_process
from xray.model.interruptions import is_interruption

# Where processes are frozen or killed between two pieces of work.
_SERVERLESS: Final = (
    "AWS_LAMBDA_FUNCTION_NAME",
    "FUNCTIONS_WORKER_RUNTIME",
    "FUNCTION_TARGET",
    "K_SERVICE",
)
# A module that is there in the processes of uWSGI and nowhere else. The one that forks the others
# ends without exit hooks.
_UWSGI: Final = "uwsgi"


def may_end_unseen() -> bool:
    """Whether this process may be frozen or ended without notice, or its threads stand still."""
    return _UWSGI in sys.modules or any(name in os.environ for name in _SERVERLESS)


def is_about_to_fork() -> bool:
    """Whether the host forks this process in C, without Python's hooks, before it serves anything.

    A thread that is in the interpreter, or waits for it, at that moment would hold it for ever in
    the child.
    """
    host = sys.modules.get(_UWSGI)
    if host is None:
        return False
    try:
        is_worker = host.worker_id() != 0
        # A mule or a spooler is a child of the master's too; without a master there is none.
        return not is_worker and host.masterpid() in (0, os.getpid())
    except Exception as error:
        if is_interruption(error):
            raise
        return False


def are_threads_held_up() -> bool:
    """Whether no other thread runs while the host waits for a request.

    Releases of uWSGI before 2.0.27 keep the interpreter meanwhile, unless `--enable-threads` was
    asked for.
    """
    return not getattr(sys.modules.get(_UWSGI), "has_threads", True)


def warn_of_held_up_threads() -> None:
    """Say what holds delivery up that only whoever starts the host can change."""
    if are_threads_held_up():
        of_process.warn(
            "held up",
            "X-Ray: uWSGI without --enable-threads lets no thread run between requests: records "
            "wait on disk until the process ends.",
        )
