"""Links from a run to other systems: ids the pipeline gives, and OpenTelemetry's if present."""

from __future__ import annotations

import sys
from itertools import islice
from typing import Any, Final

from xray.capture.snapshot import spell_plain, well_formed
from xray.model.kinds import is_a

_MAX_LENGTH: Final = 256
_MAX_LINKS: Final = 64


def correlate(given: object) -> dict[str, str]:
    """Correlation ids: a mapping of names to ids, or one id alone, filed under `id`."""
    if given is None:
        return {}
    if is_a(given, dict):
        return {
            _text(name): _text(value)
            for name, value in islice(dict.items(given), _MAX_LINKS)
            if is_a(name, str) and is_a(value, (str, int))
        }
    return {"id": _text(given)} if is_a(given, (str, int)) else {}


def _text(value: str | int) -> str:
    plain = spell_plain(int.__int__(value)) if is_a(value, int) else str.__str__(value)
    return well_formed(plain[:_MAX_LENGTH])


def read_active_span(run_id: str) -> dict[str, str]:
    """The active OpenTelemetry span's ids, after writing `xray.run_id` on that span.

    OpenTelemetry is used when the pipeline has loaded it, and never imported for it.
    """
    trace: Any = sys.modules.get("opentelemetry.trace")
    if trace is None:
        return {}
    span = trace.get_current_span()
    context = span.get_span_context()
    if not context.is_valid:
        return {}
    span.set_attribute("xray.run_id", run_id)
    return {"trace_id": f"{context.trace_id:032x}", "span_id": f"{context.span_id:016x}"}
