"""What routes answer: the bodies, and how they become HTTP."""

from __future__ import annotations

from typing import Final

import msgspec
from msgspec import Struct
from starlette.responses import Response

JSON_MEDIA_TYPE: Final = "application/json"
_HEADERS: Final = {"X-Content-Type-Options": "nosniff", "Cache-Control": "no-store"}

_encoder = msgspec.json.Encoder()


class Health(Struct, frozen=True):
    """The server serves."""

    status: str = "ok"


class Index(Struct, frozen=True):
    """What there is: one line a route."""

    name: str
    routes: dict[str, str]
    openapi: str = "/openapi.json"


class StoredStep(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A step was stored, or was there already.

    Args:
        id: the same as `step_id`.
        ignored: names in the body that mean nothing here.
    """

    step_id: str
    id: str
    run_id: str
    name: str
    ordinal: int | None = None
    ignored: list[str] = []


class StoredRun(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A run was stored or changed, or was there already.

    Args:
        id: the same as `run_id`.
        steps: the steps its body held.
        ignored: names in the body that mean nothing here.
    """

    run_id: str
    id: str
    steps: list[StoredStep] = []
    ignored: list[str] = []


def reply(body: Struct, status: int = 200) -> Response:
    """*body* as JSON."""
    return Response(_encoder.encode(body), status, _HEADERS, media_type=JSON_MEDIA_TYPE)
