"""Exceptions of the pipeline as text; no exception, traceback or frame is ever held on to."""

from __future__ import annotations

import sys
from collections import deque
from types import TracebackType, WrapperDescriptorType
from typing import Final

from xray.capture.redaction import Redactor
from xray.capture.spelling import bounded_text, well_formed
from xray.model.facts import ErrorInfo
from xray.model.kinds import is_a, is_one_of, name_kind, read_class_field, read_member
from xray.model.vocabulary import StepStatus

_MAX_MESSAGE_LENGTH: Final = 2_000
_MAX_FRAMES: Final = 8
_MAX_ARGUMENTS: Final = 16
_MAX_INT_BITS: Final = 2_048
_PLAIN: Final = (str, int, float, bool, bytes, type(None))
_SYNTAX_FIELDS: Final = ("msg", "filename", "lineno")
_read_arguments: Final = BaseException.__dict__["args"].__get__
_read_traceback: Final = BaseException.__dict__["__traceback__"].__get__
_read_exit_code: Final = SystemExit.__dict__["code"].__get__
_read_file_name: Final = OSError.__dict__["filename"].__get__
_read_second_file_name: Final = OSError.__dict__["filename2"].__get__


def status_after(error: BaseException | None) -> StepStatus:
    """How a run or step ended that was left by *error*.

    Leaving by `sys.exit(0)` completes it; Ctrl-C, task cancellation and a closed generator cancel
    it; everything else fails it.
    """
    if error is None:
        return "completed"
    if is_a(error, SystemExit):
        code = _read_exit_code(error)
        return "completed" if code is None or (type(code) is int and code == 0) else "failed"
    # Looked up, because only a pipeline that runs tasks has loaded what cancels them.
    tasks = sys.modules.get("asyncio.exceptions")
    if is_a(error, (KeyboardInterrupt, GeneratorExit)) or (
        tasks is not None and is_a(error, tasks.CancelledError)
    ):
        return "cancelled"
    return "failed"


def describe_error(
    error: BaseException | None, redactor: Redactor | None = None
) -> ErrorInfo | None:
    """The type, message and innermost frames of *error*; None for none.

    Args:
        error: what was raised.
        redactor: its hook is asked about the message, under the key `error`.
    """
    if error is None:
        return None
    if not is_a(error, BaseException):
        return ErrorInfo(type=name_kind(error), message=_ask(_spell(error), redactor), where=[])
    return ErrorInfo(
        type=name_kind(error),
        message=_ask(_message(error), redactor),
        where=_frames(_read_traceback(error)),
    )


def _ask(message: str, redactor: Redactor | None) -> str:
    if redactor is None or redactor.hook is None:
        return message
    kept = redactor.apply("error", message)
    return _spell(kept) if is_a(kept, str) else "<redacted>"


def _message(error: BaseException) -> str:
    given: tuple[object, ...] = _read_arguments(error)
    shown: list[object] = [*given]
    if is_a(error, OSError):
        # The file is no argument of the exception any more, yet its text shows it.
        shown += [_read_file_name(error), _read_second_file_name(error)]
    elif is_a(error, SyntaxError):
        shown += [read_member(error, name) for name in _SYNTAX_FIELDS]
    is_plain = all(is_one_of(one, _PLAIN) for one in shown)
    # A `__str__` written in C (KeyError, OSError) runs no code of the pipeline's.
    speaks_for_itself = type(read_class_field(type(error), "__str__")) is WrapperDescriptorType
    if is_plain and speaks_for_itself and not any(_is_long_int(one) for one in shown):
        text = str(error)
    else:
        text = ", ".join(_spell(argument) for argument in given[:_MAX_ARGUMENTS])
    return well_formed(text[:_MAX_MESSAGE_LENGTH])


def _spell(value: object) -> str:
    return bounded_text(value, {}, _MAX_MESSAGE_LENGTH) or "None"


def _is_long_int(value: object) -> bool:
    return type(value) is int and value.bit_length() > _MAX_INT_BITS


def _frames(traceback: TracebackType | None) -> list[str]:
    frames: deque[str] = deque(maxlen=_MAX_FRAMES)
    while traceback is not None:
        code = traceback.tb_frame.f_code
        module = dict.get(traceback.tb_frame.f_globals, "__name__")
        place = module if type(module) is str else "?"
        frames.append(well_formed(f"{place}:{code.co_name}:{traceback.tb_lineno}"))
        traceback = traceback.tb_next
    return list(frames)
