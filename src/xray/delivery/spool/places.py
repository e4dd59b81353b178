"""Where the spool may be kept, and under which name the records for one server are found again."""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

_DESTINATION_LENGTH: Final = 16
_DEFAULT_PORTS: Final = {"http": 80, "https": 443}


def list_places(spool_dir: str | None, environ: Mapping[str, str]) -> list[Path]:
    """Directories to try in this order: the one that was named, else the user's, else a temporary.

    Nothing is looked at: the first that can be used is.

    Args:
        spool_dir: what the setting names; nothing else is tried then.
        environ: the variables of this process.
    """
    if spool_dir:
        return [Path(spool_dir).expanduser().absolute()]
    places: list[Path] = []
    named = environ.get("XDG_STATE_HOME", "")
    if os.path.isabs(named):
        places.append(Path(named) / "xray" / "spool")
    home = os.path.expanduser("~")
    if os.path.isabs(home):
        below = "Library/Application Support" if sys.platform == "darwin" else ".local/state"
        places.append(Path(home) / below / "xray" / "spool")
    uid = os.geteuid() if hasattr(os, "geteuid") else 0
    # tempfile would try out where it may write, and nothing is to be written here.
    places.append(Path(environ.get("TMPDIR") or "/tmp") / f"xray-spool-{uid}")  # noqa: S108
    return places


def name_destination(url: str) -> str:
    """The directory of the records for the server at *url*; the address cannot be read from it."""
    return hashlib.sha256(_spell(url).encode("utf-8", "replace")).hexdigest()[:_DESTINATION_LENGTH]


def _spell(url: str) -> str:
    """*url* in one spelling, without a name or password."""
    try:
        parts = urlsplit(url)
        port = parts.port or _DEFAULT_PORTS.get(parts.scheme)
    except ValueError:
        return url
    return f"{parts.scheme}://{(parts.hostname or '').lower()}:{port}{parts.path.rstrip('/')}"
