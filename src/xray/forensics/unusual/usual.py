"""What was usual of a run's steps on the days before it, without the run itself."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from typing import Final, TypeVar

from msgspec import structs

from xray.model.baseline import (
    DAY_US,
    WINDOW_DAYS,
    Baseline,
    Usual,
    recall_figures,
    sum_usual,
)
from xray.model.bins import Number, round_weight
from xray.model.clock import to_wall_us
from xray.model.records import Run, Step
from xray.store.protocol import Store

MIN_RUNS: Final = 20
"""How many runs there must be before anything is said."""
ENOUGH_RUNS: Final = 100
"""With this many on earlier days, the run's own day is left out: it may be all wrong."""
_MAX_NAMES: Final = 100
_Kind = TypeVar("_Kind", str, int)


@dataclass(frozen=True)
class Window:
    """What was usual of one kind of step, without the run that is looked at.

    Args:
        usual: the figures.
        days: over how many days.
    """

    usual: Usual
    days: int

    @cached_property
    def _independence(self) -> float:
        """How many independent steps a unit of weight is worth.

        Steps of one run are alike, and a few heavy runs tell less than as many light ones.
        """
        usual = self.usual
        if not usual.weight or not usual.squares or not usual.steps:
            return 0.0
        runs = min(1.0, usual.runs / usual.steps)
        return float(usual.weight) / float(usual.squares) * runs

    def worth(self, weight: Number) -> float:
        """How many independent values *weight* is worth."""
        return float(weight) * self._independence


def window_us(run: Run) -> tuple[int, int]:
    """The days whose baselines say what was usual when *run* began, in µs since 1970."""
    day = to_wall_us(run.started_at) // DAY_US
    return max(0, day - WINDOW_DAYS) * DAY_US, (day + 1) * DAY_US


def load_baselines(store: Store, run: Run, steps: Sequence[Step]) -> list[Baseline]:
    """What was usual of the steps of *run* on the days up to its own.

    Args:
        store: where records are.
        run: the run.
        steps: its steps; of more than a hundred names the first ones.
    """
    from_us, to_us = window_us(run)
    names = list(dict.fromkeys(step.name for step in steps))[:_MAX_NAMES]
    found = (store.baselines(run.pipeline, name, from_us, to_us) for name in names)
    return list(chain.from_iterable(found))


def open_windows(
    run: Run, steps: Sequence[Step], baselines: Iterable[Baseline]
) -> dict[tuple[str, str], Window]:
    """For each name and type of step that has enough of a past, what was usual.

    Args:
        run: the run that is looked at.
        steps: its steps.
        baselines: of its pipeline, this run included or not.
    """
    own_day = to_wall_us(run.started_at) // DAY_US
    own: dict[tuple[str, str, int], Usual] = {}
    for step in steps:
        day = to_wall_us(step.started_at) // DAY_US
        usual = own.setdefault((step.name, step.step_type, day), Usual(runs=-1))
        usual.add(recall_figures(step), round_weight(run.weight), -1)
    kinds = {(step.name, step.step_type) for step in steps if step.pipeline == run.pipeline}
    days: dict[tuple[str, str], dict[int, Usual]] = {}
    for one in baselines:
        kind = (one.step_name, one.step_type)
        if kind in kinds and own_day - WINDOW_DAYS <= one.day <= own_day:
            mine = own.get((*kind, one.day))
            usual = one.usual if mine is None else _subtract(one.usual, mine)
            days.setdefault(kind, {})[one.day] = usual
    found = {kind: _choose_days(by_day, own_day) for kind, by_day in days.items()}
    return {kind: window for kind, window in found.items() if window.usual.runs >= MIN_RUNS}


def _subtract(usual: Usual, own: Usual) -> Usual:
    """*usual* without the run's own steps, whether they count already or not."""
    rest = sum_usual([usual, own])
    return structs.replace(
        rest,
        failures=_keep_positive(rest.failures),
        durations=_keep_positive(rest.durations),
        inputs=_keep_positive(rest.inputs),
        outputs=_keep_positive(rest.outputs),
        rates=_keep_positive(rest.rates),
        shares={reason: _keep_positive(bins) for reason, bins in rest.shares.items()},
    )


def _keep_positive(weights: dict[_Kind, Number]) -> dict[_Kind, Number]:
    return {kind: weight for kind, weight in weights.items() if weight > 0}


def _choose_days(by_day: dict[int, Usual], own_day: int) -> Window:
    earlier = {day: usual for day, usual in by_day.items() if day < own_day}
    if sum(usual.runs for usual in earlier.values()) < ENOUGH_RUNS:
        earlier = by_day
    days = [day for day, usual in earlier.items() if usual.runs > 0]
    return Window(
        sum_usual(earlier.values()), min(WINDOW_DAYS, own_day - min(days, default=own_day))
    )
