"""How capture behaves, in one immutable table."""

from __future__ import annotations

from typing import Final

from msgspec import Struct, field

from xray.capture.redaction import RedactionHook, Redactor
from xray.model.clock import Clock, SystemClock
from xray.model.vocabulary import CaptureLevel

CENSUS_ROWS: Final = 1_024
CENSUS_BYTES: Final = 65_536
FULL_BYTES_PER_RUN: Final = 8 << 20
_MAX_REDACTORS: Final = 16

_Redaction = tuple[tuple[str, ...], RedactionHook | None, tuple[str, ...]]
_redactors: Final[list[tuple[_Redaction, Redactor]]] = []


def find_redactor(
    keys: tuple[str, ...] = (), hook: RedactionHook | None = None, allowed: tuple[str, ...] = ()
) -> Redactor:
    """The redactor of these keys and that hook; making one takes longer than recording a run."""
    for (known_keys, known_hook, known_allowed), redactor in _redactors:
        # The hook by identity: comparing it could run code of the pipeline's.
        if known_hook is hook and known_keys == keys and known_allowed == allowed:
            return redactor
    redactor = Redactor(keys, hook, allowed)
    # Hooks that are made anew for each run would pile up.
    _redactors[:] = [*_redactors[1 - _MAX_REDACTORS :], ((keys, hook, allowed), redactor)]
    return redactor


class CaptureSettings(Struct, frozen=True, kw_only=True):
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
    redactor: Redactor = field(default_factory=find_redactor)
    environment: str | None = None
    repository: str | None = None
    version: str | None = None
    clock: Clock = field(default_factory=SystemClock)
