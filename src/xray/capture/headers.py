"""The headers that carry a run to another process, written and read.

They are spelt out in `spec/wire.md`, for processes in other languages.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import islice
from typing import Any, Final

from msgspec import Struct

from xray.capture.naming import read_name
from xray.model.ids import parse_uuid

RUN_HEADER: Final = "x-xray-run"
PIPELINE_HEADER: Final = "x-xray-pipeline"
STEP_HEADER: Final = "x-xray-step"
ORDINALS_HEADER: Final = "x-xray-ordinals"
SAMPLED_HEADER: Final = "x-xray-sampled"

_NAMES: Final = (RUN_HEADER, PIPELINE_HEADER, STEP_HEADER, ORDINALS_HEADER, SAMPLED_HEADER)
_SAMPLED: Final = {"0": False, "1": True}
_MAX_HEADERS: Final = 1_000
_MAX_DIGITS: Final = 15
_MAX_VALUE_LENGTH: Final = 4_096

Headers = Mapping[str, Any] | Iterable[tuple[Any, Any]]
"""Headers as web frameworks give them: a mapping, pairs of text or bytes, a WSGI environment."""


class Handover(Struct, frozen=True):
    """Where in a run another process goes on.

    Args:
        run_id: the run.
        pipeline: its pipeline.
        step_id: the step that was open, which contains those of the other process.
        ordinals: the first position of its steps, and how many there are for it; None: by time.
        is_kept: where runs are sampled whole, whether this one is kept; None: all are.
    """

    run_id: str
    pipeline: str
    step_id: str | None = None
    ordinals: tuple[int, int] | None = None
    is_kept: bool | None = None


def write_headers(handover: Handover) -> dict[str, str]:
    """*handover* as headers of an HTTP request or a queued message."""
    from urllib.parse import quote

    headers = {RUN_HEADER: handover.run_id, PIPELINE_HEADER: quote(handover.pipeline, safe="")}
    if handover.step_id is not None:
        headers[STEP_HEADER] = handover.step_id
    if handover.ordinals is not None:
        headers[ORDINALS_HEADER] = "{}+{}".format(*handover.ordinals)
    if handover.is_kept is not None:
        headers[SAMPLED_HEADER] = "1" if handover.is_kept else "0"
    return headers


def names_run(headers: Headers) -> bool:
    """Whether *headers* speak of a run at all, well or badly."""
    return bool(_pick(headers).get(RUN_HEADER))


def read_headers(headers: Headers) -> Handover | None:
    """What *headers* hand over; None when they name no run."""
    found = _pick(headers)
    run_id = parse_uuid(found.get(RUN_HEADER, ""))
    if run_id is None:
        return None
    from urllib.parse import unquote

    return Handover(
        run_id,
        read_name(unquote(found.get(PIPELINE_HEADER, "")), "unnamed"),
        parse_uuid(found.get(STEP_HEADER, "")),
        _read_ordinals(found.get(ORDINALS_HEADER, "")),
        _SAMPLED.get(found.get(SAMPLED_HEADER, "")),
    )


def _read_ordinals(text: str) -> tuple[int, int] | None:
    first, _, size = text.partition("+")
    if all(
        part.isascii() and part.isdecimal() and len(part) <= _MAX_DIGITS for part in (first, size)
    ):
        return int(first), int(size)
    return None


def _pick(headers: Headers) -> dict[str, str]:
    """The headers of ours among *headers*, by lower-case name; of several, the first."""
    pairs = headers.items() if isinstance(headers, Mapping) else headers
    found: dict[str, str] = {}
    for name, value in islice(pairs, _MAX_HEADERS):
        key = _read_text(name).lower().replace("_", "-").removeprefix("http-")
        if key in _NAMES:
            found.setdefault(key, _read_text(value).strip())
    return found


def _read_text(value: object) -> str:
    if isinstance(value, (list, tuple)) and value:
        value = value[0]
    if isinstance(value, bytes):
        value = value[:_MAX_VALUE_LENGTH].decode("latin-1")
    return value[:_MAX_VALUE_LENGTH] if isinstance(value, str) else ""
