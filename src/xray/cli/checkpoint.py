"""One line of what `xray doctor` says."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

Verdict = Literal["ok", "problem", "skipped"]


class Checkpoint(Struct, frozen=True):
    """One thing that was looked at.

    Args:
        name: what was looked at.
        verdict: how it is.
        detail: what was seen.
        todo: for a problem, what to do next.
    """

    name: str
    verdict: Verdict
    detail: str
    todo: str = ""
