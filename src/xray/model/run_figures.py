"""Runs with the figures of their steps: what two groups of runs are compared by."""

from __future__ import annotations

from collections.abc import Iterable
from math import isfinite
from typing import Any

from msgspec import Struct

from xray.model.clock import to_wall_us
from xray.model.records import Run, Step
from xray.model.values import is_mark
from xray.model.vocabulary import RunStatus, StepStatus, StepType


class StepFigures(Struct, frozen=True, gc=False):
    """What one step took, decided and gave, without the decisions.

    Args:
        error: the type of its error.
        decided: how many candidates it decided.
        reasons: how many of them it rejected, by reason; none that counts nothing.
        stats: the numbers the pipeline logged.
        precision: of the labelled candidates it kept, the share that is good; None without any.
        recall: of the labelled good that came to it, the share it kept.
    """

    step_id: str
    name: str
    step_type: StepType
    declared_type: str | None = None
    ordinal: int = 0
    status: StepStatus = "completed"
    error: str | None = None
    duration_ms: float | None = None
    input_count: int | None = None
    output_count: int | None = None
    decided: int = 0
    rejection_rate: float | None = None
    score: float | None = None
    reasons: dict[str, int] = {}
    stats: dict[str, float] = {}
    params: Any = None
    precision: float | None = None
    recall: float | None = None


class RunFigures(Struct, frozen=True, kw_only=True, gc=False):
    """What one run took and how it ended, with its steps by ordinal.

    Args:
        error: the type of its error.
        weight: how many runs it stands for.
    """

    run_id: str
    pipeline: str
    status: RunStatus
    started_at_us: int
    duration_ms: float | None = None
    error: str | None = None
    repository: str | None = None
    version: str | None = None
    environment: str | None = None
    params: Any = None
    weight: float = 1.0
    steps: list[StepFigures] = []


def figures_of(run: Run, steps: Iterable[Step]) -> RunFigures:
    """The figures of *run* and of *steps*, which are its own."""
    return RunFigures(
        run_id=run.run_id,
        pipeline=run.pipeline,
        status=run.status,
        started_at_us=to_wall_us(run.started_at),
        duration_ms=run.duration_ms,
        error=None if run.error is None else run.error.type,
        repository=run.repository,
        version=run.version,
        environment=run.environment,
        params=run.params,
        weight=run.weight,
        steps=[_step_figures(step) for step in steps],
    )


def _step_figures(step: Step) -> StepFigures:
    counts = step.counts
    return StepFigures(
        step_id=step.step_id,
        name=step.name,
        step_type=step.step_type,
        declared_type=step.declared_type,
        ordinal=step.ordinal,
        status=step.status,
        error=None if step.error is None else step.error.type,
        duration_ms=step.duration_ms,
        input_count=step.input_count,
        output_count=step.output_count,
        decided=counts.rejected + counts.accepted + counts.selected,
        rejection_rate=step.rejection_rate,
        score=step.score,
        reasons={name: one.count for name, one in step.rejections.items() if one.count},
        stats=pick_numbers(step.stats),
        params=step.params,
    )


def pick_numbers(stats: dict[str, Any]) -> dict[str, float]:
    """The entries of *stats* that are finite numbers; none of a map that was not kept."""
    if is_mark(stats):
        return {}
    return {
        name: value
        for name, value in stats.items()
        if type(value) is int or (type(value) is float and isfinite(value))
    }
