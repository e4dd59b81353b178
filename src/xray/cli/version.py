"""Which X-Ray this is."""

from __future__ import annotations


def read_version() -> str:
    """The version of the installed distribution."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("xray-forensics")
    except PackageNotFoundError:
        return "unknown"
