"""A group of runs, folded into what is compared of them, one run after another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from xray.forensics.groups.samples import Example, Sample, Share, join
from xray.model.run_figures import RunFigures, StepFigures
from xray.model.vocabulary import StepType

MAX_STEPS: Final = 300
MAX_NAMES: Final = 64
MAX_SETTING_VALUES: Final = 24
_MAX_VALUE: Final = 200
_MAX_DEPTH: Final = 3

StepKey = tuple[str, StepType, str | None]
"""By what a step is known in other runs: its name, its type, and the word used for the type."""


class Named:
    """Figures of one kind by name, as many as are kept apart.

    Args:
        rest: the value in the runs where the name does not occur.
    """

    def __init__(self, rest: float | None) -> None:
        self._rest = rest
        self.samples: dict[str, Sample] = {}
        self.is_cut = False

    def add(self, name: str, value: float, weight: float, example: Example) -> None:
        """Count a run in which *name* has *value*; too many names are left out."""
        sample = self.samples.get(name)
        if sample is None:
            if len(self.samples) >= MAX_NAMES:
                self.is_cut = True
                return
            sample = self.samples[name] = Sample(self._rest)
        sample.add(value, weight, example)

    def sample(self, name: str) -> Sample:
        """The values that *name* has."""
        return self.samples.get(name) or Sample(self._rest)


class Settings:
    """What runs or steps were told, by path: how many runs were told which value."""

    def __init__(self) -> None:
        self.by_path: dict[str, dict[str, Share] | None] = {}

    def add(self, path: str, value: object, weight: float, example: Example) -> None:
        """Count a run that was told *value*; a path with too many values is left out."""
        found = self.by_path.get(path, _ABSENT)
        if found is _ABSENT:
            if len(self.by_path) >= MAX_NAMES:
                return
            found = self.by_path[path] = {}
        if found is None:
            return
        text = spell_setting(value)
        share = found.get(text)
        if share is None:
            if len(found) >= MAX_SETTING_VALUES:
                self.by_path[path] = None
                return
            share = found[text] = Share(example)
        share.add(weight)

    def add_all(self, prefix: str, value: Any, weight: float, example: Example) -> None:
        """Count a run that was told *value*, each of its fields by itself."""
        if value is not None:
            self._add_below(prefix, value, weight, example, _MAX_DEPTH)

    def _add_below(
        self, path: str, value: Any, weight: float, example: Example, depth: int
    ) -> None:
        if type(value) is dict and value and depth:
            for name, inner in value.items():
                self._add_below(f"{path}.{name}", inner, weight, example, depth - 1)
        else:
            self.add(path, value, weight, example)


_ABSENT: Final[dict[str, Share]] = {}


def spell_setting(value: object) -> str:
    """*value* as JSON, cut where it is long."""
    text = msgspec.json.encode(value).decode()
    return text if len(text) <= _MAX_VALUE else f"{text[:_MAX_VALUE]}…"


class StepFold:
    """What is compared of one step, over the runs that have it.

    Args:
        key: the step.
        ordinal: where it stands in its run.
    """

    def __init__(self, key: StepKey, ordinal: int) -> None:
        self.key = key
        self.ordinal = ordinal
        self.all = Share()
        self.deciding = Share()
        self.duration = Sample()
        self.rate = Sample()
        self.input = Sample()
        self.output = Sample()
        self.score = Sample()
        self.precision = Sample()
        self.recall = Sample()
        self.failed = Sample(0.0)
        self.times = Sample(1.0)
        self.reasons = Named(0.0)
        self.errors = Named(0.0)
        self.stats = Named(None)
        self.settings = Settings()

    def add(self, step: StepFigures, weight: float, example: Example) -> None:
        """Count what *step* did in one run."""
        if not self.all.runs:
            self.all.example = self.deciding.example = example
        self.all.add(weight)
        self.ordinal = min(self.ordinal, step.ordinal)
        if step.duration_ms is not None:
            self.duration.add(step.duration_ms, weight, example)
        if step.input_count is not None:
            self.input.add(step.input_count, weight, example)
        if step.output_count is not None:
            self.output.add(step.output_count, weight, example)
        if step.score is not None:
            self.score.add(step.score, weight, example)
        if step.rejection_rate is not None:
            self.rate.add(float(step.rejection_rate), weight, example)
        if step.precision is not None:
            self.precision.add(step.precision, weight, example)
        if step.recall is not None:
            self.recall.add(step.recall, weight, example)
        self._add_reasons(step, weight, example)
        if step.status == "failed":
            self.failed.add(1.0, weight, example)
        if step.error is not None:
            self.errors.add(step.error, 1.0, weight, example)
        for name, value in step.stats.items():
            self.stats.add(name, value, weight, example)
        self.settings.add_all("params", step.params, weight, example)

    def empty(self) -> dict[float, Share]:
        """The runs in which nothing came out, as 1, and the others that say so, as 0."""
        nothing = [share for count, share in self.output.values.items() if not count]
        rest = [share for count, share in self.output.values.items() if count]
        return {0.0: join(rest), 1.0: join(nothing)}

    def unscored(self) -> dict[float, Share]:
        """The runs in which something came out without a score, as 1, or with one, as 0."""
        scored = join(self.score.values.values())
        return {0.0: scored, 1.0: self.all.less([self.empty()[1.0], scored])}

    def _add_reasons(self, step: StepFigures, weight: float, example: Example) -> None:
        offered = max(step.decided, step.input_count or 0)
        if offered:
            self.deciding.add(weight)
            for reason, count in step.reasons.items():
                self.reasons.add(reason, count / offered, weight, example)


class PipelineFold:
    """What is compared of the runs of one pipeline."""

    def __init__(self) -> None:
        self.all = Share()
        self.duration = Sample()
        self.failed = Sample(0.0)
        self.lost = Sample(0.0)
        self.errors = Named(0.0)
        self.settings = Settings()
        self.steps: dict[StepKey, StepFold] = {}
        self._has_more_steps = False

    def add(self, run: RunFigures) -> None:
        """Count one run."""
        if not self.all.runs:
            self.all.example = (run.run_id, "")
        weight, example = run.weight, (run.run_id, "")
        self.all.add(weight)
        if run.duration_ms is not None:
            self.duration.add(run.duration_ms, weight, example)
        if run.status == "failed":
            self.failed.add(1.0, weight, example)
        elif run.status in ("abandoned", "cancelled"):
            self.lost.add(1.0, weight, example)
        if run.error is not None:
            self.errors.add(run.error, 1.0, weight, example)
        for name in ("version", "environment", "repository"):
            self.settings.add(name, getattr(run, name), weight, example)
        self.settings.add_all("params", run.params, weight, example)
        for key, same in _sort_out(run.steps).items():
            fold = self.steps.get(key)
            if fold is None:
                if len(self.steps) >= MAX_STEPS:
                    self._has_more_steps = True
                    continue
                fold = self.steps[key] = StepFold(key, same[0].ordinal)
            step = same[0] if len(same) == 1 else join_steps(same)
            at = (run.run_id, step.step_id)
            fold.add(step, weight, at)
            if len(same) > 1:
                fold.times.add(len(same), weight, at)

    @property
    def is_cut(self) -> bool:
        """Whether there were more steps, reasons, errors or statistics than are kept apart."""
        named = [self.errors]
        for step in self.steps.values():
            named += (step.reasons, step.errors, step.stats)
        return self._has_more_steps or any(one.is_cut for one in named)


def _sort_out(steps: Sequence[StepFigures]) -> dict[StepKey, list[StepFigures]]:
    by_key: dict[StepKey, list[StepFigures]] = {}
    for step in steps:
        by_key.setdefault((step.name, step.step_type, step.declared_type), []).append(step)
    return by_key


def join_steps(steps: Sequence[StepFigures]) -> StepFigures:
    """The steps of one name in one run as one: times and counts add up, the last one's end counts.

    Args:
        steps: at least one, by ordinal.
    """
    rated = [step for step in steps if step.rejection_rate is not None]
    decided = sum(step.decided for step in rated)
    rates = [(step.rejection_rate or 0.0, step.decided if decided else 1) for step in rated]
    whole = sum(weight for _, weight in rates)
    scores = [step.score for step in steps if step.score is not None]
    errors = [step.error for step in steps if step.error is not None]
    return replace(
        steps[-1],
        ordinal=steps[0].ordinal,
        error=errors[-1] if errors else None,
        duration_ms=_add(step.duration_ms for step in steps),
        input_count=_add(step.input_count for step in steps),
        output_count=_add(step.output_count for step in steps),
        decided=sum(step.decided for step in steps),
        rejection_rate=sum(rate * weight for rate, weight in rates) / whole if whole else None,
        score=min(scores) if scores else None,
        reasons=_add_maps([step.reasons for step in steps]),
        stats=_add_maps([step.stats for step in steps]),
    )


def _add(numbers: Any) -> Any:
    known = [number for number in numbers if number is not None]
    return sum(known) if known else None


def _add_maps(maps: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    total: dict[str, Any] = {}
    for one in maps:
        for name, number in one.items():
            total[name] = total.get(name, 0) + number
    return total


class Group(Struct):
    """The runs that meet one question, folded.

    Args:
        pipelines: what is compared of each pipeline.
        unfinished: how many runs had no end yet; they are not compared.
        first_us: the start of the oldest run, in µs since 1970.
        last_us: that of the newest.
    """

    pipelines: dict[str, PipelineFold] = msgspec.field(default_factory=dict)
    all: Share = msgspec.field(default_factory=Share)
    unfinished: int = 0
    first_us: int | None = None
    last_us: int | None = None

    def add(self, run: RunFigures) -> None:
        """Take in one run."""
        if run.status == "running":
            self.unfinished += 1
            return
        at_us = run.started_at_us
        self.first_us = at_us if self.first_us is None else min(self.first_us, at_us)
        self.last_us = at_us if self.last_us is None else max(self.last_us, at_us)
        self.all.add(run.weight)
        fold = self.pipelines.get(run.pipeline)
        if fold is None:
            fold = self.pipelines[run.pipeline] = PipelineFold()
        fold.add(run)
