"""What is usual of steps, kept while they arrive: every step counts once, at its run's weight."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from xray.model.baseline import DAY_US, Baseline, BaselineKey, StepFigures, Usual, sum_usual
from xray.model.bins import Number, round_weight
from xray.model.records import Step

Counted = tuple[BaselineKey, StepFigures, Number]


class BaselineBook:
    """The baselines of a store that keeps them in this process."""

    def __init__(self) -> None:
        self._usual: dict[BaselineKey, Usual] = {}
        self._counted: dict[str, Counted] = {}
        self._runs: set[tuple[BaselineKey, str]] = set()

    def count(self, step_id: str, run_id: str, key: BaselineKey, figures: StepFigures,
              weight: float) -> None:  # fmt: skip
        """Let a step count with these figures and this weight, whatever it counted with before.

        Args:
            step_id: the step.
            run_id: its run.
            key: which steps and day it belongs to.
            figures: what it adds.
            weight: its run's weight.
        """
        counted = (key, figures, round_weight(weight))
        earlier = self._counted.get(step_id)
        if earlier == counted:
            return
        self._counted[step_id] = counted
        change = Usual()
        if earlier is not None:
            change.add(earlier[1], earlier[2], -1)
        change.add(figures, counted[2])
        if (key, run_id) not in self._runs:
            self._runs.add((key, run_id))
            change.runs = 1
        self._usual.setdefault(key, Usual()).merge(change)

    def take_back(self, run_id: str, step_ids: Collection[str]) -> None:
        """Let nothing count any more that the steps of a run counted for."""
        for key, one in list(self._runs):
            if one == run_id:
                self._usual[key].merge(Usual(runs=-1))
        for step_id in step_ids:
            counted = self._counted.get(step_id)
            if counted is not None:
                key, figures, weight = counted
                change = Usual()
                change.add(figures, weight, -1)
                self._usual[key].merge(change)
        self.release(run_id, step_ids)
        self._usual = {key: usual for key, usual in self._usual.items() if not usual.is_empty}

    def drop(self, pipeline: str) -> None:
        """Forget what was usual of the steps of *pipeline*."""
        self._usual = {key: usual for key, usual in self._usual.items() if key.pipeline != pipeline}
        self._runs = {(key, one) for key, one in self._runs if key.pipeline != pipeline}
        self._counted = {
            step_id: counted
            for step_id, counted in self._counted.items()
            if counted[0].pipeline != pipeline
        }

    def release(self, run_id: str, step_ids: Collection[str]) -> None:
        """A run is deleted: what it counted stays, and what comes of it later counts again."""
        for step_id in step_ids:
            self._counted.pop(step_id, None)
        self._runs = {(key, one) for key, one in self._runs if one != run_id}

    def items(self) -> Iterable[tuple[BaselineKey, Usual]]:
        """What is usual of each kind of step and day."""
        return self._usual.items()

    def list(
        self, pipeline: str, step_name: str | None, from_us: int, to_us: int | None
    ) -> list[Baseline]:
        """What was usual of the steps of a pipeline, day by day."""
        return list_baselines(
            (key, sum_usual([usual]))
            for key, usual in self._usual.items()
            if key.pipeline == pipeline
            and step_name in (None, key.step_name)
            and from_us <= key.day * DAY_US
            and (to_us is None or key.day * DAY_US < to_us)
        )


def list_baselines(found: Iterable[tuple[BaselineKey, Usual]]) -> list[Baseline]:
    """*found* by day, then by name and type of the steps."""
    ordered = sorted(found, key=lambda pair: (pair[0].day, *pair[0]))
    return [
        Baseline(
            pipeline=key.pipeline,
            step_name=key.step_name,
            step_type=key.step_type,
            day=key.day,
            usual=usual,
        )
        for key, usual in ordered
    ]


def key_step(step: Step, started_at_us: int) -> BaselineKey:
    """The baseline that *step* belongs to."""
    return BaselineKey(step.pipeline, step.name, step.step_type, started_at_us // DAY_US)
