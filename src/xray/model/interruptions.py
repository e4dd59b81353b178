"""What interrupts X-Ray's code at any line of it and is meant for the pipeline."""

from __future__ import annotations

import functools
import signal
import threading
from types import CodeType
from typing import Final

_SIGNALS: Final = tuple(signal.valid_signals())


def is_interruption(error: BaseException) -> bool:
    """Whether a signal handler raised *error*: a limit of time, say, that the pipeline set itself.

    Whatever code is running then meets it, and only who set the limit may catch it. What is no
    `Exception`, such as Ctrl-C, is an interruption as well.
    """
    if not isinstance(error, Exception):
        return True
    if threading.current_thread() is not threading.main_thread():
        return False
    handlers = {_find_code(signal.getsignal(number)) for number in _SIGNALS} - {None}
    trace = error.__traceback__ if handlers else None
    while trace is not None:
        if trace.tb_frame.f_code in handlers:
            return True
        trace = trace.tb_next
    return False


def _find_code(handler: object) -> CodeType | None:
    """The code that runs when *handler* is called; None for one that is not written in Python."""
    while isinstance(handler, functools.partial):
        handler = handler.func
    function = getattr(handler, "__func__", handler)
    code = getattr(function, "__code__", None)
    if code is None:
        called = getattr(type(handler), "__call__", None)  # noqa: B004
        code = getattr(called, "__code__", None)
    return code if isinstance(code, CodeType) else None
