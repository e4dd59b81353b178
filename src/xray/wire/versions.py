"""Which versions of the wire format this release speaks."""

from __future__ import annotations

from typing import Final

WIRE_VERSION: Final = 1
"""Raised only when an older reader would misread what is sent; added fields do not raise it."""
