"""When each step ran within its run, as bars one below the other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from xray.model.records import Step

WIDTH: Final = 160.0
_LEAST: Final = 1.5
_MS_PER_S: Final = 1000.0


@dataclass(frozen=True, slots=True)
class TimeBar:
    """When one step ran, in units of `WIDTH`.

    Args:
        start: where its bar begins.
        length: how long it is.
        is_open: the step has no end yet; its bar reaches to the end.
    """

    start: float
    length: float
    is_open: bool = False


def lay_waterfall(
    started_at: datetime,
    duration_ms: float | None,
    steps: Sequence[Step],
    width: float = WIDTH,
) -> list[TimeBar]:
    """A bar for each of *steps* of a run, on one scale of time.

    Args:
        started_at: when the run began.
        duration_ms: how long it took, as far as that is known.
        steps: its steps.
        width: how long the whole run is drawn.
    """
    starts = [_MS_PER_S * (step.started_at - started_at).total_seconds() for step in steps]
    ends = [start + (step.duration_ms or 0.0) for start, step in zip(starts, steps, strict=True)]
    # Steps of other processes have other clocks, and may stand before the run's own beginning.
    begin = min([0.0, *starts])
    span = max([duration_ms or 0.0, *ends]) - begin
    if span <= 0:
        return [TimeBar(0.0, width, step.duration_ms is None) for step in steps]
    bars: list[TimeBar] = []
    for start, end, step in zip(starts, ends, steps, strict=True):
        is_open = step.duration_ms is None
        left = min(width - _LEAST, width * (start - begin) / span)
        length = width - left if is_open else max(_LEAST, width * (end - start) / span)
        bars.append(TimeBar(round(left, 1), round(length, 1), is_open))
    return bars
