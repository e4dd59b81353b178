"""Links from a run to other systems: ids the pipeline gives, and OpenTelemetry's if present."""

from __future__ import annotations

import sys
from typing import Any

from xray.capture.snapshot import well_formed

_MAX_LENGTH = 256


def correlate(given: object) -> dict[str, str]:
    """Correlation ids: a mapping of names to ids, or one id alone, filed under `id`."""
    if given is None:
        return {}
    if isinstance(given, dict):
        return {
            well_formed(str.__str__(name)[:_MAX_LENGTH]): _text(value)
            for name, value in dict.items(given)
            if isinstance(name, str) and isinstance(value, (str, int))
        }
    return {"id": _text(given)} if isinstance(given, (str, int)) else {}


def _text(value: str | int) -> str:
    plain = str.__str__(value) if isinstance(value, str) else str(int(value))
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
