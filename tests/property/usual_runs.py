"""Runs of a pipeline that does not change, as unruly as real ones: what is usual, by simulation.

Durations are skewed, slow together in some runs and come in bursts; candidates come in numbers that
vary from a handful to thousands; rejection rates and the mix of reasons vary more than chance would
let them; some reasons, empty results and failures are rare.
"""

from __future__ import annotations

import math
import random
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field

from xray.model.baseline import DAY_US, Baseline, Usual, recall_figures
from xray.model.clock import from_wall_us
from xray.model.facts import ErrorInfo
from xray.model.records import Counts, Rejection, Run, Step

TODAY = 20_000
_NOON_US = DAY_US // 2


@dataclass
class _Kind:
    """How the steps of one kind usually are, drawn once for a pipeline."""

    name: str
    step_type: str
    log_ms: float
    spread: float
    rejects: float = 0.0
    steadiness: float = 50.0
    reasons: dict[str, float] = field(default_factory=dict)
    fails: float = 0.0


class UsualPipeline:
    """A pipeline drawn from *seed*, whose runs are all drawn from the same distributions."""

    def __init__(self, seed: int) -> None:
        self.dice = dice = random.Random(seed)
        self.kinds = [
            _Kind("expand", "generate", 6.0, dice.uniform(0.2, 0.7)),
            _Kind("search", "retrieve", 5.0, dice.uniform(0.2, 1.0)),
            self._filter("rules"),
            self._filter("checks"),
            _Kind("rank", "rank", 4.0, dice.uniform(0.1, 0.6)),
            _Kind("choose", "select", 3.0, dice.uniform(0.1, 0.6)),
        ]
        for kind in self.kinds:
            kind.fails = dice.choice((0.0, 0.0, 0.002, 0.02))
        self.size = dice.choice((8.0, 60.0, 400.0, 2_500.0))
        self.size_spread = dice.uniform(0.05, 0.9)
        self.limit = dice.choice((0, 0, int(self.size)))
        self.empty = dice.choice((0.0, 0.0, 0.01, 0.05))
        self.burst = dice.choice((0.0, 0.01, 0.05, 0.1))
        self.burst_factor = dice.uniform(2.0, 15.0)
        self._is_bursting = False

    def _filter(self, name: str) -> _Kind:
        dice = self.dice
        reasons = {f"common_{n}": dice.uniform(0.5, 5.0) for n in range(dice.randint(1, 4))}
        reasons |= {f"rare_{n}": dice.uniform(0.0, 0.02) for n in range(dice.randint(0, 6))}
        rate = dice.choice((0.0, 0.1, 0.4, 0.9, 0.98))
        steadiness = dice.choice((3.0, 10.0, 50.0, 300.0))
        spread = dice.uniform(0.1, 0.8)
        return _Kind(name, "filter", 3.5, spread, rate, steadiness, reasons)

    def runs(self, count: int) -> Iterator[list[Step]]:
        """The steps of *count* runs, one run after another."""
        for _ in range(count):
            yield self._run()

    def _run(self) -> list[Step]:
        dice = self.dice
        stays = 0.7 if self._is_bursting else self.burst / 3
        self._is_bursting = self.burst > 0 and dice.random() < stays
        load = dice.gauss(0.0, 0.2) + (math.log(self.burst_factor) if self._is_bursting else 0.0)
        candidates = round(self.size * math.exp(dice.gauss(0.0, self.size_spread)))
        if self.limit:
            candidates = min(candidates, self.limit)
        if dice.random() < self.empty:
            candidates = 0
        steps: list[Step] = []
        for ordinal, kind in enumerate(self.kinds):
            step = self._step(kind, ordinal, candidates, load)
            if step.output_count is not None and kind.step_type != "generate":
                candidates = step.output_count
            steps.append(step)
            if step.status == "failed":
                break
        return steps

    def _step(self, kind: _Kind, ordinal: int, candidates: int, load: float) -> Step:
        dice = self.dice
        plain: dict[str, object] = {
            "step_id": str(uuid.UUID(int=dice.getrandbits(128))),
            "run_id": "r",
            "pipeline": "p",
            "name": kind.name,
            "step_type": kind.step_type,
            "ordinal": ordinal,
            "started_at": from_wall_us(TODAY * DAY_US + _NOON_US),
            "duration_ms": math.exp(kind.log_ms + dice.gauss(0.0, kind.spread) + load),
            "status": "completed",
        }
        if dice.random() < kind.fails:
            error = ErrorInfo(type=dice.choice(("TimeoutError", "ValueError")), message="")
            return Step(**{**plain, "status": "failed", "error": error})  # type: ignore[arg-type]
        rejected, reasons = 0, {}
        if kind.step_type == "generate":
            return Step(**plain, output_count=dice.randint(3, 6))  # type: ignore[arg-type]
        if kind.step_type == "retrieve":
            return Step(**plain, output_count=candidates)  # type: ignore[arg-type]
        if kind.step_type in ("rank", "select"):
            kept = min(candidates, 10 if kind.step_type == "rank" else 1)
            rejected, reasons = candidates - kept, {"below_cut": candidates - kept}
        elif kind.rejects:
            rejected, reasons = self._reject(kind, candidates)
        kept = candidates - rejected
        return Step(
            **plain,  # type: ignore[arg-type]
            input_count=candidates or None,
            output_count=kept if candidates else None,
            counts=Counts(rejected=rejected, accepted=kept),
            rejection_rate=rejected / candidates if candidates else None,
            rate_basis="counted" if candidates else None,
            rejections={
                reason: Rejection(count=count) for reason, count in reasons.items() if count
            },
        )

    def _reject(self, kind: _Kind, candidates: int) -> tuple[int, dict[str, int]]:
        dice = self.dice
        rate = dice.betavariate(
            kind.rejects * kind.steadiness, (1 - kind.rejects) * kind.steadiness
        )
        rejected = _draw(dice, candidates, rate)
        shares = {
            reason: dice.gammavariate(weight * kind.steadiness / 5 + 1e-3, 1.0)
            if not reason.startswith("rare") or dice.random() < weight
            else 0.0
            for reason, weight in kind.reasons.items()
        }
        left, total, counts = rejected, sum(shares.values()) or 1.0, {}
        for reason, share in shares.items():
            counts[reason] = min(left, _draw(dice, rejected, share / total))
            left -= counts[reason]
        counts["common_0"] = counts.get("common_0", 0) + left
        return rejected, counts


def _draw(dice: random.Random, count: int, share: float) -> int:
    """How many of *count* it holds for."""
    if count <= 200:
        return sum(dice.random() < share for _ in range(count))
    mean = count * share
    return max(0, min(count, round(dice.gauss(mean, math.sqrt(mean * (1 - share))))))


def summarize_usual(runs: Iterator[list[Step]] | list[list[Step]], count: int) -> list[Baseline]:
    """The baselines of *runs*, spread over the 30 days before today."""
    usual: dict[tuple[str, str, int], Usual] = {}
    for number, steps in enumerate(runs):
        day = TODAY - 30 + number * 30 // count
        for step in steps:
            one = usual.setdefault((step.name, step.step_type, day), Usual())
            one.add(recall_figures(step), 1)
            one.runs += 1
    return [
        Baseline(pipeline="p", step_name=name, step_type=step_type, day=day, usual=one)  # type: ignore[arg-type]
        for (name, step_type, day), one in usual.items()
    ]


def a_run() -> Run:
    """A run of today."""
    return Run(
        run_id="r",
        pipeline="p",
        status="completed",
        started_at=from_wall_us(TODAY * DAY_US + _NOON_US),
    )
