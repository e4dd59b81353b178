"""How capture behaves, in one immutable table."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from xray.capture.redaction import Redactor
from xray.model.clock import Clock, SystemClock
from xray.model.vocabulary import CaptureLevel

CENSUS_ROWS: Final = 1_024
CENSUS_BYTES: Final = 65_536
FULL_BYTES_PER_RUN: Final = 8 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class CaptureSettings:
    """How the runs of one client are captured.

    Args:
        level: how much of each decision is kept where the step does not say.
        redactor: what must never leave the process.
        environment: where the pipeline runs, e.g. `production`.
        repository: where its code lives.
        version: the version of that code.
        clock: where timestamps and durations come from.
    """

    level: CaptureLevel = "sample"
    redactor: Redactor = field(default_factory=Redactor)
    environment: str | None = None
    repository: str | None = None
    version: str | None = None
    clock: Clock = field(default_factory=SystemClock)
