"""What remains of runs that were not kept: how many, how they ended, what their steps decided.

Runs are sampled whole where there is much traffic. The others are added up by the minute they
began in, so that how many there were, how long they took and what was rejected stays exact.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from datetime import datetime
from typing import Annotated, Final

from msgspec import Meta, Struct

from xray.model.bounds import Count, Uuid, WallTime
from xray.model.clock import from_wall_us
from xray.model.vocabulary import RunStatus, StepStatus, StepType

MINUTE_US: Final = 60_000_000
MAX_TALLY_REASONS: Final = 256
OTHER: Final = "other"

DURATION_EDGES_MS: Final = (
    1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 20_000, 50_000, 100_000,
    200_000, 500_000,
)  # fmt: skip
RATE_EDGES: Final = (0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99)
"""Upper edges of buckets; an edge belongs below. They are stored: edges may follow, never move."""

_MAX_BUCKETS: Final = 32

Amount = Annotated[float, Meta(ge=0, le=1e300)]


class Spread(Struct, array_like=True, frozen=True):
    """How the values of one measure lie.

    Args:
        count: how many there are.
        total: their sum.
        buckets: how many lie up to each edge and above the one before, the last beyond all edges;
            empty buckets at the end are left out.
    """

    count: Count = 0
    total: Amount = 0.0
    buckets: Annotated[list[Count], Meta(max_length=_MAX_BUCKETS)] = []

    @property
    def mean(self) -> float | None:
        """Their mean; None without any."""
        return self.total / self.count if self.count else None

    def above(self, place: int) -> int:
        """How many lie above the edge at *place*."""
        return self.count - sum(self.buckets[: place + 1])


class RunTally(Struct, frozen=True, omit_defaults=True):
    """Runs of one pipeline and minute.

    Args:
        statuses: how many ended how; `running` for those whose end this process did not see.
        duration_ms: how long they took, by `DURATION_EDGES_MS`.
    """

    statuses: dict[RunStatus, Count] = {}
    duration_ms: Spread = Spread()

    @property
    def count(self) -> int:
        """How many runs there were."""
        return sum(self.statuses.values())


class StepTally(Struct, frozen=True, omit_defaults=True):
    """Steps of one name and type, of one pipeline and minute.

    Args:
        statuses: how many ended how.
        rejected: candidates whose last verdict in their step is rejected.
        accepted: those whose last verdict is accepted.
        selected: those whose last verdict is selected.
        reasons: rejected candidates by reason; beyond 256 reasons under `other`.
        input_count: candidates that came in, of all steps that say.
        output_count: candidates that went on, of all steps that say.
        empty: steps with an `output_count` of 0.
        rejection_rate: the steps' own rates, by `RATE_EDGES`.
        duration_ms: how long they took, by `DURATION_EDGES_MS`.
    """

    name: str
    step_type: StepType
    statuses: dict[StepStatus, Count] = {}
    rejected: Count = 0
    accepted: Count = 0
    selected: Count = 0
    reasons: dict[str, Count] = {}
    input_count: Count = 0
    output_count: Count = 0
    empty: Count = 0
    rejection_rate: Spread = Spread()
    duration_ms: Spread = Spread()

    @property
    def count(self) -> int:
        """How many steps there were."""
        return sum(self.statuses.values())

    @property
    def decided(self) -> int:
        """How many candidates they decided."""
        return self.rejected + self.accepted + self.selected


class Tallied(Struct, tag="tallied", tag_field="fact", kw_only=True, frozen=True,
              omit_defaults=True):  # fmt: skip
    """Runs and steps that were not kept, added up; several facts may tell of one minute.

    Args:
        tally_id: made by the client, so that what is sent twice counts once.
        pipeline: the runs' pipeline.
        minute_us: the minute they began in, as its first microsecond since 1970.
        environment: where they ran.
        version: the version of the pipeline's code.
        runs: the runs.
        steps: their steps, each by the minute it began in, by name and type.
    """

    tally_id: Uuid
    pipeline: str
    minute_us: WallTime
    environment: str | None = None
    version: str | None = None
    runs: RunTally = RunTally()
    steps: list[StepTally] = []


class MinuteTally(Struct, frozen=True, kw_only=True):
    """What a store knows of the runs of one pipeline and minute that were not kept."""

    minute: datetime
    pipeline: str
    environment: str | None = None
    version: str | None = None
    runs: RunTally = RunTally()
    steps: list[StepTally] = []


class _SpreadSum:
    """A spread that grows."""

    __slots__ = ("_buckets", "_count", "_edges", "_total")

    def __init__(self, edges: tuple[float, ...]) -> None:
        self._edges = edges
        self._count = 0
        self._total = 0.0
        self._buckets = [0] * (len(edges) + 1)

    def add(self, value: float | None) -> None:
        if value is None:
            return
        self._count += 1
        self._total += value
        self._buckets[bisect_left(self._edges, value)] += 1

    def merge(self, spread: Spread) -> None:
        self._count += spread.count
        self._total += spread.total
        missing = len(spread.buckets) - len(self._buckets)
        self._buckets += [0] * missing
        for place, count in enumerate(spread.buckets):
            self._buckets[place] += count

    def seal(self) -> Spread:
        used = len(self._buckets)
        while used and not self._buckets[used - 1]:
            used -= 1
        return Spread(self._count, self._total, self._buckets[:used])


class RunSum:
    """Runs that are being added up."""

    def __init__(self) -> None:
        self._statuses: dict[RunStatus, int] = {}
        self._duration_ms = _SpreadSum(DURATION_EDGES_MS)

    def add(self, status: RunStatus, duration_ms: float | None) -> None:
        """Count a run."""
        self._statuses[status] = self._statuses.get(status, 0) + 1
        self._duration_ms.add(duration_ms)

    def merge(self, tally: RunTally) -> None:
        """Count what was added up elsewhere."""
        for status, count in tally.statuses.items():
            self._statuses[status] = self._statuses.get(status, 0) + count
        self._duration_ms.merge(tally.duration_ms)

    def seal(self) -> RunTally:
        """The runs so far."""
        return RunTally(statuses=dict(self._statuses), duration_ms=self._duration_ms.seal())


class StepSum:
    """Steps of one name and type that are being added up."""

    def __init__(self, name: str, step_type: StepType) -> None:
        self.name = name
        self.step_type = step_type
        self._statuses: dict[StepStatus, int] = {}
        self._verdicts = [0, 0, 0]
        self._reasons: dict[str, int] = {}
        self._counts = [0, 0, 0]
        self._rejection_rate = _SpreadSum(RATE_EDGES)
        self._duration_ms = _SpreadSum(DURATION_EDGES_MS)

    def add(
        self,
        status: StepStatus,
        *,
        duration_ms: float | None,
        verdicts: tuple[int, int, int],
        reasons: dict[str, int],
        input_count: int | None,
        output_count: int | None,
        rejection_rate: float | None,
    ) -> None:
        """Count a step.

        Args:
            status: how it ended.
            duration_ms: how long it took.
            verdicts: candidates it rejected, accepted and selected.
            reasons: rejected candidates by reason.
            input_count: candidates that came in.
            output_count: candidates that went on.
            rejection_rate: the share it rejected.
        """
        self._statuses[status] = self._statuses.get(status, 0) + 1
        self._add_verdicts(verdicts)
        self._add_reasons(reasons)
        self._add_counts(input_count or 0, output_count or 0, int(output_count == 0))
        self._rejection_rate.add(rejection_rate)
        self._duration_ms.add(duration_ms)

    def merge(self, tally: StepTally) -> None:
        """Count what was added up elsewhere."""
        for status, count in tally.statuses.items():
            self._statuses[status] = self._statuses.get(status, 0) + count
        self._add_verdicts((tally.rejected, tally.accepted, tally.selected))
        self._add_reasons(tally.reasons)
        self._add_counts(tally.input_count, tally.output_count, tally.empty)
        self._rejection_rate.merge(tally.rejection_rate)
        self._duration_ms.merge(tally.duration_ms)

    def _add_verdicts(self, verdicts: tuple[int, int, int]) -> None:
        self._verdicts = [one + more for one, more in zip(self._verdicts, verdicts, strict=True)]

    def _add_counts(self, *counts: int) -> None:
        self._counts = [one + more for one, more in zip(self._counts, counts, strict=True)]

    def _add_reasons(self, reasons: dict[str, int]) -> None:
        for reason, count in reasons.items():
            is_known = reason in self._reasons or len(self._reasons) < MAX_TALLY_REASONS
            name = reason if is_known else OTHER
            self._reasons[name] = self._reasons.get(name, 0) + count

    def seal(self) -> StepTally:
        """The steps so far."""
        rejected, accepted, selected = self._verdicts
        input_count, output_count, empty = self._counts
        return StepTally(
            name=self.name,
            step_type=self.step_type,
            statuses=dict(self._statuses),
            rejected=rejected,
            accepted=accepted,
            selected=selected,
            reasons=dict(self._reasons),
            input_count=input_count,
            output_count=output_count,
            empty=empty,
            rejection_rate=self._rejection_rate.seal(),
            duration_ms=self._duration_ms.seal(),
        )


class MinuteSum:
    """The runs and steps of one pipeline and minute that are being added up."""

    def __init__(self) -> None:
        self.runs = RunSum()
        self._steps: dict[tuple[str, StepType], StepSum] = {}

    def step(self, name: str, step_type: StepType) -> StepSum:
        """The steps of that name and type."""
        found = self._steps.get((name, step_type))
        if found is None:
            found = self._steps[name, step_type] = StepSum(name, step_type)
        return found

    @property
    def size(self) -> int:
        """How many kinds of step are told apart."""
        return len(self._steps)

    def steps(self) -> list[StepTally]:
        """The steps so far, by name and type."""
        return [self._steps[key].seal() for key in sorted(self._steps)]


def merge_minutes(facts: Iterable[Tallied], step_name: str | None = None) -> list[MinuteTally]:
    """*facts* by minute, oldest first, then by pipeline, environment and version.

    Args:
        facts: tallies of any minutes and pipelines, each once.
        step_name: the only steps that are wanted; all when absent.
    """
    sums: dict[tuple[int, str, str, str], tuple[Tallied, MinuteSum]] = {}
    for fact in facts:
        key = (fact.minute_us, fact.pipeline, fact.environment or "", fact.version or "")
        _, minute = sums.setdefault(key, (fact, MinuteSum()))
        minute.runs.merge(fact.runs)
        for step in fact.steps:
            if step_name is None or step.name == step_name:
                minute.step(step.name, step.step_type).merge(step)
    return [
        MinuteTally(
            minute=from_wall_us(fact.minute_us),
            pipeline=fact.pipeline,
            environment=fact.environment,
            version=fact.version,
            runs=minute.runs.seal(),
            steps=minute.steps(),
        )
        for _, (fact, minute) in sorted(sums.items(), key=lambda item: item[0])
    ]
