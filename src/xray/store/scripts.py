"""Migrations: numbered scripts beside an engine's code, which only lead forward."""

from __future__ import annotations

import re
from collections.abc import Sequence
from importlib import resources
from typing import Final

from xray.model.migration import Migration

_CONCERNED: Final = re.compile(
    r"^(?:create table|alter table|create view|drop table|update)\s+(\w+)",
    re.MULTILINE,
)


def read_scripts(package: str) -> list[str]:
    """The scripts of an engine, in their order.

    Args:
        package: where they lie, in a folder `migrations`.
    """
    folder = resources.files(package) / "migrations"
    scripts = sorted(
        (entry for entry in folder.iterdir() if entry.name.endswith(".sql")),
        key=lambda entry: entry.name,
    )
    return [script.read_text(encoding="utf-8") for script in scripts]


def list_due(scripts: Sequence[str], version: int) -> list[Migration]:
    """The migrations that lead on from *version*."""
    return [
        Migration(number, list(dict.fromkeys(_CONCERNED.findall(script))))
        for number, script in enumerate(scripts[version:], start=version + 1)
    ]
