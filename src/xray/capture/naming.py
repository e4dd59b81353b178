"""What a pipeline author writes to name and qualify runs and steps, read into bounded words."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, Final

from xray.capture.failures import status_after
from xray.capture.guard import warn
from xray.capture.snapshot import bounded_text, read_list, well_formed
from xray.model.kinds import is_a
from xray.model.vocabulary import (
    DECLARABLE_STEP_TYPES,
    CaptureLevel,
    RunStatus,
    StepType,
    parse_capture_level,
    parse_run_status,
    parse_step_type,
)

_MAX_NAME_LENGTH: Final = 256
_MAX_CODE_LENGTH: Final = 512
_SCRIPT: Final = "__main__"
_MAX_TAGS: Final = 64
_MAX_ATTEMPT: Final = 2**31 - 1


def read_name(name: object, default: str) -> str:
    """A name of the pipeline's as short text."""
    text = bounded_text(name, {}, _MAX_NAME_LENGTH)
    return text or default


def name_code(function: Callable[..., Any]) -> str | None:
    """What *function* is called where it is defined: `module:qualified.name`.

    In a script, which is imported under no name, the file's own stands for the module.
    """
    module = getattr(function, "__module__", None)
    name = getattr(function, "__qualname__", None)
    if type(module) is not str or type(name) is not str:
        return None
    if module == _SCRIPT:
        module = _name_program() or module
    return f"{module}:{name}"[:_MAX_CODE_LENGTH]


def _name_program() -> str | None:
    """The module that is run by `python -m`, or the name of the script's file."""
    program = sys.modules.get(_SCRIPT)
    run_by_name = getattr(getattr(program, "__spec__", None), "name", None)
    if type(run_by_name) is str:
        return run_by_name
    path = getattr(program, "__file__", None)
    return path.replace("\\", "/").rpartition("/")[2] if type(path) is str else None


def read_attempt(attempt: object) -> int:
    """The number of an attempt, from 1."""
    return attempt if type(attempt) is int and 0 < attempt <= _MAX_ATTEMPT else 1


def read_tags(tags: object) -> list[str]:
    """One tag or several, each once, without what is no text."""
    given = [tags] if is_a(tags, str) else read_list(tags, _MAX_TAGS) or []
    kept = [well_formed(str.__str__(tag)[:_MAX_NAME_LENGTH]) for tag in given if is_a(tag, str)]
    return list(dict.fromkeys(kept))


def read_step_type(word: object) -> tuple[StepType, str | None]:
    """The step type for the declared *word*, and the word itself where it is none of ours."""
    known = parse_step_type(str.__str__(word)) if is_a(word, str) else None
    if known is not None and known != "custom":
        return known, None
    warn(
        "step_type",
        "A step has no known step_type and is kept as custom; the types are %s.",
        ", ".join(DECLARABLE_STEP_TYPES),
    )
    return "custom", None if word is None else bounded_text(word, {}, _MAX_NAME_LENGTH)


def read_level(level: object, default: CaptureLevel) -> CaptureLevel:
    """The capture level a step asks for, or *default*."""
    if level is None:
        return default
    known = parse_capture_level(str.__str__(level)) if is_a(level, str) else None
    if known is None:
        warn("capture", "capture= takes minimal, sample or full; the client's level is used.")
    return known or default


def read_status(status: object, error: BaseException | None) -> RunStatus:
    """How a run ended: as the pipeline says, else as *error* tells."""
    if status is None:
        return status_after(error)
    known = parse_run_status(str.__str__(status)) if is_a(status, str) else None
    if known is None or known in ("running", "abandoned"):
        warn("status", "finish(status=…) takes completed, failed or cancelled.")
        return status_after(error)
    return known
