"""Which run and step the running code belongs to, per thread and per task."""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from xray.capture.run import Run
    from xray.capture.step import Step

current_run: Final[ContextVar[Run | None]] = ContextVar("xray_run", default=None)
current_step: Final[ContextVar[Step | None]] = ContextVar("xray_step", default=None)
