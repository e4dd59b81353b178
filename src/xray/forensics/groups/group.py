"""A group of runs, folded into what is compared of them, a page of runs at a time.

A figure is counted for all runs of a page at once, which takes a fraction of what it takes to
count them run by run.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from typing import Any, Final

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from xray.forensics.groups.samples import Holders, Sample, Share, join
from xray.model.run_figures import RunFigures, StepFigures
from xray.model.vocabulary import StepType

MAX_STEPS: Final = 300
MAX_NAMES: Final = 64
MAX_SETTING_VALUES: Final = 24
_MAX_VALUE: Final = 200
_MAX_DEPTH: Final = 3
_FAILED: Final = {"failed": 1.0}
_LOST: Final = {"abandoned": 1.0, "cancelled": 1.0}

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

    def add_all(
        self,
        maps: Sequence[Mapping[str, float]],
        holders: Holders,
        wholes: Sequence[float] | None = None,
    ) -> None:
        """Count *holders*, each with its map of values by name; too many names are left out.

        Args:
            maps: the values of each.
            holders: the runs.
            wholes: what the values of each are parts of; they count as they are when absent.
        """
        for name in dict.fromkeys(chain.from_iterable(maps)):
            sample = self.samples.get(name)
            if sample is None:
                if len(self.samples) >= MAX_NAMES:
                    self.is_cut = True
                    continue
                sample = self.samples[name] = Sample(self._rest)
            values = [one.get(name) for one in maps]
            if wholes is not None:
                values = [
                    None if value is None else value / whole
                    for value, whole in zip(values, wholes, strict=True)
                ]
            sample.add_all(values, holders)

    def add_words(self, words: Sequence[str | None], holders: Holders) -> None:
        """Count *holders*, in each of which the name at its place occurs, if any."""
        places = [place for place, word in enumerate(words) if word is not None]
        if places:
            self.add_all([{word: 1.0} for word in words if word is not None], holders.pick(places))

    def sample(self, name: str) -> Sample:
        """The values that *name* has."""
        return self.samples.get(name) or Sample(self._rest)


class Settings:
    """What runs or steps were told, by path: how many runs were told which value."""

    def __init__(self) -> None:
        self.by_path: dict[str, dict[str, Share] | None] = {}

    def add_all(self, prefix: str, values: Sequence[Any], holders: Holders) -> None:
        """Count *holders*, each told the value at its place, and each field of that by itself.

        None is nothing that was told.
        """
        for value, places in _find_places(values):
            if value is not None:
                self._add_below(prefix, value, holders.pick(places), _MAX_DEPTH)

    def add_each(self, path: str, values: Sequence[str | None], holders: Holders) -> None:
        """Count *holders*, each told the word at its place, or told that there is none."""
        for value, places in _find_places(values):
            self._add(path, value, holders.pick(places))

    def _add_below(self, path: str, value: Any, holders: Holders, depth: int) -> None:
        if type(value) is dict and value and depth:
            for name, inner in value.items():
                self._add_below(f"{path}.{name}", inner, holders, depth - 1)
        else:
            self._add(path, value, holders)

    def _add(self, path: str, value: object, holders: Holders) -> None:
        """Count runs that were told *value*; a path with too many values is left out."""
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
            share = found[text] = Share()
        share.add_all(holders)


def _find_places(values: Sequence[Any]) -> Iterator[tuple[Any, Sequence[int]]]:
    """Each object among *values* with where it stands: what many are told is mostly one object."""
    if len(set(map(id, values))) == 1:
        yield values[0], range(len(values))
        return
    places: dict[int, list[int]] = {}
    for place, value in enumerate(values):
        places.setdefault(id(value), []).append(place)
    for same in places.values():
        yield values[same[0]], same


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

    def add_all(self, steps: Sequence[StepFigures], holders: Holders) -> None:
        """Count what *steps* did, each in one of the runs *holders*."""
        self.all.add_all(holders)
        self.ordinal = min(self.ordinal, *[step.ordinal for step in steps])
        self.duration.add_all([step.duration_ms for step in steps], holders)
        self.rate.add_all([step.rejection_rate for step in steps], holders)
        self.input.add_all([step.input_count for step in steps], holders)
        self.output.add_all([step.output_count for step in steps], holders)
        self.score.add_all([step.score for step in steps], holders)
        self.precision.add_all([step.precision for step in steps], holders)
        self.recall.add_all([step.recall for step in steps], holders)
        self.failed.add_all([_FAILED.get(step.status) for step in steps], holders)
        self._add_reasons(steps, holders)
        self.errors.add_words([step.error for step in steps], holders)
        self.stats.add_all([step.stats for step in steps], holders)
        self.settings.add_all("params", [step.params for step in steps], holders)

    def empty(self) -> dict[float, Share]:
        """The runs in which nothing came out, as 1, and the others that say so, as 0."""
        nothing = [share for count, share in self.output.values.items() if not count]
        rest = [share for count, share in self.output.values.items() if count]
        return {0.0: join(rest), 1.0: join(nothing)}

    def unscored(self) -> dict[float, Share]:
        """The runs in which something came out without a score, as 1, or with one, as 0."""
        scored = join(self.score.values.values())
        return {0.0: scored, 1.0: self.all.less([self.empty()[1.0], scored])}

    def _add_reasons(self, steps: Sequence[StepFigures], holders: Holders) -> None:
        offered = [max(step.decided, step.input_count or 0) for step in steps]
        places = [place for place, count in enumerate(offered) if count]
        deciding = holders.pick(places)
        self.deciding.add_all(deciding)
        reasons = [steps[place].reasons for place in places]
        self.reasons.add_all(reasons, deciding, [offered[place] for place in places])


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

    def add_all(self, runs: Sequence[RunFigures]) -> None:
        """Count *runs*."""
        holders = _hold(runs, [""] * len(runs))
        self.all.add_all(holders)
        self.duration.add_all([run.duration_ms for run in runs], holders)
        self.failed.add_all([_FAILED.get(run.status) for run in runs], holders)
        self.lost.add_all([_LOST.get(run.status) for run in runs], holders)
        self.errors.add_words([run.error for run in runs], holders)
        self.settings.add_each("version", [run.version for run in runs], holders)
        self.settings.add_each("environment", [run.environment for run in runs], holders)
        self.settings.add_each("repository", [run.repository for run in runs], holders)
        self.settings.add_all("params", [run.params for run in runs], holders)
        for key, same in _sort_out(runs).items():
            fold = self.steps.get(key)
            if fold is None:
                if len(self.steps) >= MAX_STEPS:
                    self._has_more_steps = True
                    continue
                fold = self.steps[key] = StepFold(key, same.steps[0].ordinal)
            for place, repeated in same.repeats.items():
                same.steps[place] = join_steps(repeated)
            holders = _hold(same.runs, [step.step_id for step in same.steps])
            fold.add_all(same.steps, holders)
            times = [len(repeated) for repeated in same.repeats.values()]
            fold.times.add_all(times, holders.pick(list(same.repeats)))

    @property
    def is_cut(self) -> bool:
        """Whether there were more steps, reasons, errors or statistics than are kept apart."""
        named = [self.errors]
        for step in self.steps.values():
            named += (step.reasons, step.errors, step.stats)
        return self._has_more_steps or any(one.is_cut for one in named)


class _Same:
    """The steps of one key in several runs, one a run.

    Attributes:
        runs: the run of each.
        repeats: all the steps of the key in a run that has several, by the place of the run.
    """

    __slots__ = ("repeats", "runs", "steps")

    def __init__(self) -> None:
        self.runs: list[RunFigures] = []
        self.steps: list[StepFigures] = []
        self.repeats: dict[int, list[StepFigures]] = {}


def _sort_out(runs: Sequence[RunFigures]) -> dict[StepKey, _Same]:
    by_key: dict[StepKey, _Same] = {}
    for run in runs:
        for step in run.steps:
            key = (step.name, step.step_type, step.declared_type)
            same = by_key.get(key)
            if same is None:
                same = by_key[key] = _Same()
            elif same.runs[-1] is run:
                place = len(same.runs) - 1
                same.repeats.setdefault(place, [same.steps[place]]).append(step)
                continue
            same.runs.append(run)
            same.steps.append(step)
    return by_key


def _hold(runs: Sequence[RunFigures], step_ids: Sequence[str]) -> Holders:
    weights = [run.weight for run in runs]
    return Holders(
        list(zip([run.run_id for run in runs], step_ids, strict=True)),
        None if weights.count(1.0) == len(weights) else weights,
    )


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

    def add_all(self, runs: Sequence[RunFigures]) -> None:
        """Take in *runs*."""
        by_pipeline: dict[str, list[RunFigures]] = {}
        for run in runs:
            if run.status == "running":
                self.unfinished += 1
                continue
            at_us = run.started_at_us
            self.first_us = at_us if self.first_us is None else min(self.first_us, at_us)
            self.last_us = at_us if self.last_us is None else max(self.last_us, at_us)
            self.all.add(run.weight)
            by_pipeline.setdefault(run.pipeline, []).append(run)
        for pipeline, some in by_pipeline.items():
            fold = self.pipelines.get(pipeline)
            if fold is None:
                fold = self.pipelines[pipeline] = PipelineFold()
            fold.add_all(some)
