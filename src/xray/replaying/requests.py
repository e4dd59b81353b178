"""What is to be replayed, with which code and which arguments."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from msgspec import Struct


class ReplayRequest(Struct, frozen=True, kw_only=True):
    """What is to be replayed, and how.

    Args:
        run: the recorded run: an id, a unique prefix of one, or `last`.
        step: the step's name, `name#2` for the second so called, or its id; None replays the run.
        code: today's function, or where it is: `module:function`, `file.py:function`, or a module
            alone; None looks where the recorded one was.
        objects: arguments given in place of recorded ones, as they are.
        values: arguments as JSON has them, which take the types that the function's annotations
            ask for.
        texts: arguments as somebody types them, which take those types too.
        candidates: the argument that is given the candidates the step decided, by id with the
            attributes that were recorded of them, in their order.
        times: how often to replay; None replays once, and once more where that differs.
        timeout_s: how long one replay may take.
    """

    run: str
    step: str | None = None
    code: Callable[..., Any] | str | None = None
    objects: Mapping[str, Any] = {}
    values: Mapping[str, Any] = {}
    texts: Mapping[str, str] = {}
    candidates: str | None = None
    times: int | None = None
    timeout_s: float | None = None
