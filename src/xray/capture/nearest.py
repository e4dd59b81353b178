"""The decisions nearest to a limit, whose rows are kept besides those that chance draws."""

from __future__ import annotations

from bisect import insort
from collections.abc import Callable
from typing import Final

from xray.capture.draw import Batch, Combination, Drawn

NEAREST_PER_CHECK: Final = 50
MAX_CHECKS: Final = 64


class Nearest:
    """For each check, by name, the decisions whose observed value was nearest to the limit."""

    def __init__(self) -> None:
        self._by_check: dict[str, list[tuple[float, int, Drawn]]] = {}
        self._offered = 0

    def offer(
        self,
        check: str,
        margin: float,
        source: Combination | Batch,
        index: int,
        encode: Callable[[], bytes],
    ) -> None:
        """Keep a decision if few are nearer.

        Args:
            check: the check's name.
            margin: how far the observed value is from the limit.
            source: what the decision is among.
            index: which of them it is.
            encode: makes the row; called only for one that is kept.
        """
        near = self._by_check.get(check)
        if near is None:
            if len(self._by_check) >= MAX_CHECKS:
                return
            near = self._by_check[check] = []
        if len(near) >= NEAREST_PER_CHECK:
            if margin >= near[-1][0]:
                return
            near.pop()
        self._offered += 1
        drawn = Drawn(source, index, encode())
        # The number settles ties, so that two rows are never compared.
        insort(near, (margin, self._offered, drawn))

    def kept(self) -> list[Drawn]:
        """The decisions kept, each once."""
        found = {
            (drawn.source, drawn.index): drawn
            for near in self._by_check.values()
            for _, _, drawn in near
        }
        return list(found.values())
