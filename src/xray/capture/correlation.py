"""Links from a run to other systems: ids the pipeline gives, and OpenTelemetry's if present."""

from __future__ import annotations

import sys
from itertools import islice
from typing import Any, Final

from xray.capture.spelling import count_omission, well_formed
from xray.model.ids import canonical_id
from xray.model.kinds import is_a

_MAX_LENGTH: Final = 256
_MAX_LINKS: Final = 64


def correlate(given: object, omissions: dict[str, int] | None = None) -> dict[str, str]:
    """Correlation ids: a mapping of names to ids, or one id alone, filed under `id`.

    Args:
        given: an id is text, a whole number, a UUID or bytes; anything else is left out.
        omissions: counts what was cut or left out; added to.
    """
    counts: dict[str, int] = {} if omissions is None else omissions
    if given is None:
        return {}
    if not is_a(given, dict):
        alone = _read_link(given, counts)
        return {} if alone is None else {"id": alone}
    links: dict[str, str] = {}
    for name, value in _read_links(given, counts):
        link = _read_link(value, counts)
        if link is not None and is_a(name, str):
            links[_cut(str.__str__(name), counts)] = link
    return links


def _read_links(given: dict[Any, Any], counts: dict[str, int]) -> list[tuple[Any, Any]]:
    left_out = dict.__len__(given) - _MAX_LINKS
    if left_out > 0:
        count_omission(counts, "truncated", left_out)
    try:
        return list(islice(dict.items(given), _MAX_LINKS))
    except RuntimeError:
        # Another thread changed the mapping while we read it.
        count_omission(counts, "truncated")
        return []


def _read_link(value: object, counts: dict[str, int]) -> str | None:
    link = canonical_id(value)
    if link is None:
        count_omission(counts, "opaque")
        return None
    return _cut(link, counts)


def _cut(text: str, counts: dict[str, int]) -> str:
    if len(text) > _MAX_LENGTH:
        count_omission(counts, "truncated")
    return well_formed(text[:_MAX_LENGTH])


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
