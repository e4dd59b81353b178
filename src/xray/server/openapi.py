"""Prints the OpenAPI document: `python -m xray.server.openapi > spec/openapi.json`."""

from __future__ import annotations

import json
import sys

from xray.server.app import create_app
from xray.server.settings import ServerSettings


def write_document() -> None:
    """Print the document of the routes there are."""
    document = create_app(ServerSettings(store="memory:")).openapi()
    json.dump(document, sys.stdout, indent=2, ensure_ascii=False)
    sys.stdout.write("\n")


if __name__ == "__main__":
    write_document()
