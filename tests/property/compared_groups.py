"""Groups of runs drawn from one world or from two, as records of their figures."""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from xray.forensics.groups.group import Group
from xray.model.run_figures import RunFigures, StepFigures

SIZES = ((5, 5), (8, 60), (30, 30), (12, 200), (100, 100), (60, 300), (500, 500))
_serial = itertools.count(1)


@dataclass(frozen=True)
class World:
    """How runs come about; two groups of one world differ by chance alone.

    Args:
        skew: the spread of durations on a log scale.
        spread: how much rejection rates differ between runs beyond what counts explain.
        rare: the chance that a reason occurs in a run at all.
        failing: the share of steps that fail.
        sampled: the share of the runs without a failure that are kept.
        price_limit: a parameter; lower rejects more.
        version: the version of all runs.
        slow: by how much the search is slower.
        extra_reason: the share of candidates that a reason of its own takes.
        search_fails: the share of searches that time out.
        has_dedupe: whether there is a step between search and filter.
    """

    skew: float = 1.0
    spread: float = 0.5
    rare: float = 0.03
    failing: float = 0.02
    sampled: float = 1.0
    price_limit: float = 100.0
    version: str | None = None
    slow: float = 1.0
    extra_reason: float = 0.0
    search_fails: float = 0.0
    has_dedupe: bool = False


STILL: tuple[World, ...] = (
    World(),
    World(skew=2.5, spread=2.0, rare=0.01),
    World(skew=0.2, spread=0.0, rare=0.3, failing=0.2),
    World(rare=0.004, failing=0.001, spread=1.0),
    World(sampled=0.1, failing=0.05),
)


def draw_group(dice: random.Random, world: World, count: int) -> list[RunFigures]:
    """*count* runs of *world*."""
    runs: list[RunFigures] = []
    while len(runs) < count:
        run = _draw_run(dice, world)
        is_kept = run.status == "failed" or dice.random() < world.sampled
        if is_kept:
            runs.append(run)
    return runs


def _draw_run(dice: random.Random, world: World) -> RunFigures:
    load = math.exp(dice.gauss(0, world.skew))
    found = dice.choice((0, 3, 10, 20, 20, 50, 200))
    search_failed = dice.random() < world.search_fails
    steps = [_step("search", "retrieve", 0, dice, world, load * 40 * world.slow, out=found,
                   stats={"calls": dice.randint(1, 4), "cache": dice.random()},
                   error="TimeoutError" if search_failed else None)]  # fmt: skip
    if world.has_dedupe:
        steps.append(_step("dedupe", "filter", 1, dice, world, load, into=found, out=found))
    steps += _filter_and_pick(dice, world, load, found)
    is_failed = any(step.status == "failed" for step in steps)
    is_weighted = world.sampled < 1 and not is_failed
    return RunFigures(
        run_id=f"0190a000-0000-7000-8000-{next(_serial):012d}",
        pipeline="search",
        status="failed" if is_failed else "completed",
        started_at_us=next(_serial),
        duration_ms=sum(step.duration_ms or 0.0 for step in steps),
        error="TimeoutError" if is_failed else None,
        version=world.version or dice.choice(("1", "1", "1", "2")),
        params={"limit": dice.choice((5, 10)), "arm": dice.choice("abcd")},
        weight=1 / world.sampled if is_weighted else 1.0,
        steps=steps,
    )


def _filter_and_pick(
    dice: random.Random, world: World, load: float, found: int
) -> list[StepFigures]:
    severity = 1 / (1 + math.exp(-dice.gauss(0, world.spread))) if world.spread else 0.5
    dear = min(1.0, severity * 100 / world.price_limit)
    odd = dice.random() < world.rare
    reasons = dict.fromkeys(("price", "rating", "stock", "odd", "novel"), 0)
    for _ in range(found):
        chance = dice.random()
        if chance < dear * 0.5:
            reasons["price"] += 1
        elif chance < dear * 0.5 + severity * 0.2:
            reasons["rating"] += 1
        elif chance < dear * 0.5 + severity * 0.2 + world.extra_reason:
            reasons["novel"] += 1
        elif odd and chance > 0.95:
            reasons["odd"] += 1
    kept = found - sum(reasons.values())
    return [
        _step("filter", "filter", 2, dice, world, load * 3, into=found, out=kept,
              reasons={name: count for name, count in reasons.items() if count},
              params={"price_limit": world.price_limit}),
        _step("pick", "select", 3, dice, world, load, into=kept, out=min(1, kept),
              reasons={"not_selected": kept - 1} if kept > 1 else {},
              score=round(dice.betavariate(8, 2), 2) if kept else None),
    ]  # fmt: skip


def _step(
    name: str,
    step_type: str,
    ordinal: int,
    dice: random.Random,
    world: World,
    duration_ms: float,
    *,
    out: int,
    into: int | None = None,
    reasons: dict[str, int] | None = None,
    score: float | None = None,
    stats: dict[str, float] | None = None,
    params: object = None,
    error: str | None = None,
) -> StepFigures:
    if error is None and dice.random() < world.failing:
        error = dice.choice(("TimeoutError", "TimeoutError", "ValueError"))
    rejected = sum((reasons or {}).values())
    return StepFigures(
        step_id=f"0190b000-0000-7000-8000-{next(_serial):012d}",
        name=name,
        step_type=step_type,  # type: ignore[arg-type]
        ordinal=ordinal,
        status="completed" if error is None else "failed",
        error=error,
        duration_ms=duration_ms * math.exp(dice.gauss(0, 0.3)),
        input_count=into,
        output_count=out,
        decided=rejected + out,
        rejection_rate=None if into is None or not rejected + out else rejected / (rejected + out),
        score=score,
        reasons=reasons or {},
        stats=stats or {},
        params=params,
    )


def fold(runs: Iterable[RunFigures]) -> Group:
    """The runs as one group."""
    group = Group()
    group.add_all(list(runs))
    return group


Draw = Callable[[random.Random, World, int], list[RunFigures]]
