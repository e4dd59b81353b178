"""Exceptions of the pipeline as text; no exception, traceback or frame is ever held on to."""

from __future__ import annotations

import sys
from types import TracebackType
from typing import Final

from xray.capture.snapshot import well_formed
from xray.model.facts import ErrorInfo
from xray.model.vocabulary import StepStatus

_MAX_MESSAGE_LENGTH: Final = 2_000
_MAX_FRAMES: Final = 8
_PLAIN: Final = (str, int, float, bool, type(None))


def status_after(error: BaseException | None) -> StepStatus:
    """How a run or step ended that was left by *error*.

    Leaving by `sys.exit(0)` completes it; Ctrl-C, task cancellation and a closed generator cancel
    it; everything else fails it.
    """
    if error is None:
        return "completed"
    if isinstance(error, SystemExit):
        return "completed" if error.code in (None, 0) else "failed"
    # Looked up, because only a pipeline that runs tasks has loaded what cancels them.
    tasks = sys.modules.get("asyncio.exceptions")
    if isinstance(error, (KeyboardInterrupt, GeneratorExit)) or (
        tasks is not None and isinstance(error, tasks.CancelledError)
    ):
        return "cancelled"
    return "failed"


def describe_error(error: BaseException | None) -> ErrorInfo | None:
    """The type, message and innermost frames of *error*; None for none."""
    if error is None:
        return None
    return ErrorInfo(
        type=type(error).__qualname__,
        message=_message(error),
        where=_frames(error.__traceback__),
    )


def _message(error: BaseException) -> str:
    arguments = BaseException.__getattribute__(error, "args")
    is_plain = all(type(argument) in _PLAIN for argument in arguments)
    # A `__str__` written in C (KeyError, OSError) runs no code of the pipeline's.
    if is_plain and type(type(error).__str__).__name__ == "wrapper_descriptor":
        text = str(error)
    else:
        text = ", ".join(
            str(argument) if type(argument) in _PLAIN else type(argument).__name__
            for argument in arguments
        )
    return well_formed(text[:_MAX_MESSAGE_LENGTH])


def _frames(traceback: TracebackType | None) -> list[str]:
    frames: list[str] = []
    while traceback is not None:
        code = traceback.tb_frame.f_code
        module = traceback.tb_frame.f_globals.get("__name__", "?")
        frames.append(f"{module}:{code.co_name}:{traceback.tb_lineno}")
        traceback = traceback.tb_next
    return frames[-_MAX_FRAMES:]
