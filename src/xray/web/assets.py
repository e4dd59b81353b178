"""Style sheets, scripts and pictures, each under an address that changes with its content."""

from __future__ import annotations

import gzip
import hashlib
import mimetypes
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from xray.errors import NotFoundError

FOLDER: Final = "/ui/static"
_HASH_LENGTH: Final = 12
_TEXTS: Final = frozenset({".css", ".js", ".svg", ".json"})
_YEAR_S: Final = 31_536_000


@dataclass(frozen=True, slots=True)
class Asset:
    """One file.

    Args:
        name: its name in `static/`.
        content: its bytes.
        compressed: the same by gzip; None where that saves nothing.
        media_type: what it is.
        address: where it is served; another once its content is.
    """

    name: str
    content: bytes
    compressed: bytes | None
    media_type: str
    address: str


@cache
def list_assets() -> dict[str, Asset]:
    """Every file in `static/`, by name, all under one digest so that modules find each other."""
    contents = {
        file.name: file.read_bytes() for file in files("xray.web").joinpath("static").iterdir()
    }
    digest = hashlib.sha256()
    for name in sorted(contents):
        digest.update(hashlib.sha256(contents[name]).digest())
    folder = f"{FOLDER}/{digest.hexdigest()[:_HASH_LENGTH]}"
    return {
        name: Asset(
            name=name,
            content=content,
            compressed=gzip.compress(content, mtime=0) if _is_text(name) else None,
            media_type=_media_type(name),
            address=f"{folder}/{name}",
        )
        for name, content in contents.items()
    }


def _is_text(name: str) -> bool:
    return name[name.rfind(".") :] in _TEXTS


def _media_type(name: str) -> str:
    if name.endswith(".js"):
        return "text/javascript"
    return mimetypes.guess_type(name)[0] or "application/octet-stream"


def address_of(name: str) -> str:
    """Where the file *name* of `static/` is served."""
    return list_assets()[name].address


async def serve_asset(request: Request) -> Response:
    """One file, for ever: its address names its content."""
    asset = list_assets().get(request.path_params["name"])
    if asset is None or asset.address != request.url.path:
        raise NotFoundError("There is no such file.", hint="Load the page again.")
    headers = {
        "Cache-Control": f"public, max-age={_YEAR_S}, immutable",
        "X-Content-Type-Options": "nosniff",
        "Vary": "Accept-Encoding",
    }
    content = asset.content
    if asset.compressed is not None and "gzip" in request.headers.get("accept-encoding", ""):
        content = asset.compressed
        headers["Content-Encoding"] = "gzip"
    return Response(content, headers=headers, media_type=asset.media_type)
