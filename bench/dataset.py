"""The data every store benchmark runs on: the same facts each time, made from a seed.

200,000 runs of 5 steps, mostly 2 to 8 decisions a step, plus 200 runs with steps of 1,000 to 5,000
decisions and one with a step of 100,000. Products are picked with a skew, so that a few are met
everywhere, and none twice in a step.
"""

from __future__ import annotations

import random
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

import msgspec
from msgspec import Raw

from xray.model.counts import tally_rows
from xray.model.facts import (
    ACCEPTED,
    REJECTED,
    SELECTED,
    Check,
    DecisionRow,
    Fact,
    OriginRef,
    RosterGroup,
    RunFinished,
    RunStarted,
    StepFinished,
    StepRoster,
    StepRows,
)
from xray.model.vocabulary import CaptureLevel, StepType

EDITION: Final = 2
"""Raised whenever other data come of the same shape, so that none is kept from before."""

_START_US = 1_764_547_200_000_000
_SPAN_US = 30 * 24 * 3600 * 1_000_000
_CHUNK_ROWS = 8_192
_CENSUS_ROWS = 1_024
PIPELINES = tuple(f"pipeline-{number}" for number in range(20))
_STEPS: tuple[tuple[str, StepType], ...] = (
    ("expand_query", "generate"),
    ("search_catalogue", "retrieve"),
    ("apply_rules", "filter"),
    ("score_matches", "rank"),
    ("choose_best", "select"),
)
_FILTER = 2
_SMALL_ROWS = (2, 3, 4, 4, 5, 6, 7, 8)
_LARGE_ROWS = 3_000
_BRANDS = ("Acme", "Borealis", "Cobalt", "Dune", "Ember", "Fjord", "Granite", "Harbor")
_GOODS = (
    "laptop stand", "water bottle", "desk lamp", "phone case", "yoga mat", "travel mug", "keyboard",
    "backpack", "headphones", "notebook", "monitor arm", "charger", "camera strap", "wool socks",
)  # fmt: skip
_TRAITS = (
    "foldable", "stainless", "insulated", "wireless", "adjustable", "compact", "heavy duty",
    "waterproof", "ergonomic", "lightweight", "bamboo", "aluminium", "magnetic", "recycled",
)  # fmt: skip
_REASONS = ("price_too_high", "rating_too_low", "wrong_category", "below_cut")


@dataclass(frozen=True)
class Shape:
    """How much data there is.

    Args:
        small_runs: runs of five small steps.
        large_runs: runs whose steps have 1,000 to 5,000 decisions.
        huge_rows: decisions of the one largest step.
        products: how many different candidates the catalogue has.
        sampled_runs: how many of the large runs were captured at `sample`: beyond 1,024 decisions
            a step names its candidates and keeps no detail.
        step_factor: by how much the steps of small runs are larger than 2 to 8 decisions.
    """

    small_runs: int = 200_000
    large_runs: int = 200
    huge_rows: int = 100_000
    products: int = 200_000
    sampled_runs: int = 0
    step_factor: float = 1.0

    def holding(self, decisions: int) -> Shape:
        """As many runs, whose small steps are so large that all have about *decisions*.

        Raises:
            ValueError: the large steps alone have more.
        """
        others = self.huge_rows + self.large_runs * len(_STEPS) * _LARGE_ROWS
        usual = self.small_runs * len(_STEPS) * sum(_SMALL_ROWS) / len(_SMALL_ROWS)
        factor = (decisions - others) / usual
        if factor < 1 / min(_SMALL_ROWS):
            raise ValueError(
                f"{decisions:,} decisions are too few: the large steps have {others:,}."
            )
        return replace(self, step_factor=factor)


FULL = Shape()
QUICK = Shape(small_runs=3_000, large_runs=3, huge_rows=10_000, products=20_000)


class Dataset:
    """Facts of generated runs; the same for the same shape and seed.

    Args:
        shape: how much.
        seed: which.
        capture: `minimal` leaves the decisions out and keeps their counts.
    """

    def __init__(
        self, shape: Shape = FULL, *, seed: int = 1, capture: CaptureLevel = "full"
    ) -> None:
        self.shape = shape
        self._capture = capture
        self._dice = random.Random(seed)

    def runs(self) -> Iterator[list[Fact]]:
        """The facts of one run after another."""
        shape, dice = self.shape, self._dice
        large_every = shape.small_runs // shape.large_runs if shape.large_runs else 0
        sampled_left = shape.sampled_runs
        for number in range(shape.small_runs):
            yield self.make_run(number, _small_steps(dice, shape.step_factor), self._capture)
            if large_every and number % large_every == large_every - 1:
                sizes = [dice.randint(1_000, 5_000) for _ in _STEPS]
                yield self.make_run(number, sizes, "sample" if sampled_left > 0 else self._capture)
                sampled_left -= 1
        sizes = _small_steps(dice, shape.step_factor)
        sizes[_FILTER] = shape.huge_rows
        yield self.make_run(shape.small_runs, sizes, self._capture)

    def _time_ordered_id(self, at_us: int) -> str:
        low = self._dice.getrandbits(80)
        return str(uuid.UUID(int=(at_us // 1000) << 80 | low & ~(0xF << 76) | 0x7 << 76))

    def make_run(
        self,
        number: int,
        sizes: Sequence[int],
        capture: CaptureLevel,
        *,
        is_handed_on: bool = False,
    ) -> list[Fact]:
        """The facts of one run whose steps have *sizes* decisions.

        Args:
            number: which run of the data it is.
            sizes: how many decisions each step has.
            capture: its level.
            is_handed_on: whether from the filter on each step decides what the one before it let
                through, whatever its size; otherwise each draws its candidates anew.
        """
        dice = self._dice
        at_us = _START_US + number * _SPAN_US // self.shape.small_runs
        run_id = self._time_ordered_id(at_us)
        pipeline = PIPELINES[int(len(PIPELINES) * dice.random() ** 2)]
        facts: list[Fact] = [
            RunStarted(
                run_id=run_id,
                pipeline=pipeline,
                started_at_us=at_us,
                input=_pack({"query": self._title(), "limit": dice.randint(5, 50)}),
                metadata=_pack({"user": f"u{dice.randint(1, 5000)}", "tier": dice.choice("abc")}),
                environment="production",
                version=f"1.{number * 10 // self.shape.small_runs}.0",
            )
        ]
        took_ms = 0.0
        kept: list[str] = []
        for ordinal, size in enumerate(sizes):
            began_us = at_us + int(took_ms * 1000)
            candidate_ids = (
                kept if is_handed_on and ordinal >= _FILTER else self._draw(ordinal, size)
            )
            step, more, kept = self._step(
                run_id, pipeline, ordinal, began_us, candidate_ids, capture
            )
            took_ms += step.duration_ms or 0.0
            facts += [step, *more]
        facts.append(
            RunFinished(
                run_id=run_id,
                status="failed" if dice.random() < 0.03 else "completed",
                duration_ms=took_ms + dice.uniform(1, 50),
                output=_pack({"chosen": self._product()}),
            )
        )
        return facts

    def _step(
        self,
        run_id: str,
        pipeline: str,
        ordinal: int,
        at_us: int,
        candidate_ids: Sequence[str],
        capture: CaptureLevel,
    ) -> tuple[StepFinished, list[Fact], list[str]]:
        dice = self._dice
        name, step_type = _STEPS[ordinal]
        rows = [
            self._row(step_type, candidate_id, rank)
            for rank, candidate_id in enumerate(candidate_ids, start=1)
        ]
        kept = [row.candidate_id for row in rows if row.verdict != REJECTED]
        named: list[DecisionRow] = []
        if capture == "sample":
            rows, named = rows[:_CENSUS_ROWS], rows[_CENSUS_ROWS:]
        chunks = [rows[at : at + _CHUNK_ROWS] for at in range(0, len(rows), _CHUNK_ROWS)]
        is_minimal = capture == "minimal"
        step_id = self._time_ordered_id(at_us)
        step = StepFinished(
            run_id=run_id,
            step_id=step_id,
            pipeline=pipeline,
            name=name,
            step_type=step_type,
            ordinal=ordinal,
            started_at_us=at_us,
            duration_ms=dice.uniform(1, 2000),
            stats=_pack({"latency_p50": dice.uniform(1, 50), "cache_hits": dice.randint(0, 9)}),
            capture=capture,
            rows=[] if is_minimal else chunks[0],
            chunks=0 if is_minimal else len(chunks) - 1,
            tally=tally_rows([*rows, *named]) if is_minimal or named or len(chunks) > 1 else None,
            roster_chunks=int(bool(named)),
            omissions={"sampled_out": len(named)} if named else {},
        )
        if is_minimal:
            return step, [], kept
        if named:
            return step, [_roster(step, named)], kept
        more: list[Fact] = [
            StepRows(run_id=run_id, step_id=step_id, chunk=chunk, rows=chunks[chunk])
            for chunk in range(1, len(chunks))
        ]
        return step, more, kept

    def _draw(self, ordinal: int, size: int) -> list[str]:
        _, step_type = _STEPS[ordinal]
        return _draw_distinct(self._search if step_type == "generate" else self._product, size)

    def _row(self, step_type: StepType, product: str, rank: int) -> DecisionRow:
        dice = self._dice
        if step_type == "generate":
            return DecisionRow(ACCEPTED, product)
        if step_type == "retrieve":
            origin = [OriginRef(self._keyword(), None, rank)]
            return DecisionRow(ACCEPTED, product, None, self._attributes(), origin=origin)
        if step_type == "filter":
            return self._filtered(product)
        if step_type == "rank":
            verdict, reason = (ACCEPTED, None) if rank <= 3 else (REJECTED, "below_cut")
            score = round(dice.random(), 6)
            return DecisionRow(verdict, product, reason, self._attributes(), score, rank=rank)
        verdict, reason = (SELECTED, None) if rank == 1 else (REJECTED, "not_selected")
        return DecisionRow(verdict, product, reason, self._attributes(), round(dice.random(), 6))

    def _filtered(self, product: str) -> DecisionRow:
        dice = self._dice
        if dice.random() < 0.4:
            return DecisionRow(ACCEPTED, product, None, self._attributes())
        price = dice.randint(101, 999)
        text = f"{self._title()} costs {price}, above the limit of 100"
        check = Check("price_too_high", "price", "<=", price, 100, False)
        reason = dice.choice(_REASONS)
        attributes = self._attributes()
        return DecisionRow(REJECTED, product, reason, attributes, reasoning=text, checks=[check])

    def _product(self) -> str:
        number = int(self.shape.products * self._dice.random() ** 2)
        return f"B0{number * 2_654_435_761 % (1 << 40):08X}"

    def _search(self) -> str:
        dice = self._dice
        keyword = self._keyword()
        return keyword if dice.random() < 0.5 else f"{keyword} under {dice.randint(5, 500)}"

    def _keyword(self) -> str:
        return f"{self._dice.choice(_TRAITS)} {self._dice.choice(_GOODS)}"

    def _title(self) -> str:
        dice = self._dice
        return f"{dice.choice(_BRANDS)} {dice.choice(_TRAITS)} {dice.choice(_GOODS)}"

    def _attributes(self) -> Raw:
        dice = self._dice
        return _pack(
            {
                "title": f"{self._title()} with {dice.choice(_TRAITS)} {dice.choice(_GOODS)}",
                "price": dice.randint(500, 50_000) / 100,
                "rating": dice.randint(10, 50) / 10,
                "reviews": int(10_000 * dice.random() ** 3),
            }
        )


def batches(
    runs: Iterator[list[Fact]], max_decisions: int = 6_000, max_facts: int = 2_000
) -> Iterator[list[Fact]]:
    """Whole runs in batches of about that many decisions or facts, as a busy sender sends them."""
    batch: list[Fact] = []
    decisions = 0
    for facts in runs:
        batch += facts
        decisions += count_decisions(facts)
        if decisions >= max_decisions or len(batch) >= max_facts:
            yield batch
            batch, decisions = [], 0
    if batch:
        yield batch


def count_decisions(facts: list[Fact]) -> int:
    """How many decisions with detail *facts* hold."""
    return sum(len(fact.rows) for fact in facts if isinstance(fact, (StepFinished, StepRows)))


def _small_steps(dice: random.Random, factor: float) -> list[int]:
    return [round(factor * dice.choice(_SMALL_ROWS)) for _ in _STEPS]


def _draw_distinct(draw: Callable[[], str], count: int) -> list[str]:
    drawn: dict[str, None] = {}
    while len(drawn) < count:
        drawn[draw()] = None
    return list(drawn)


def _roster(step: StepFinished, named: list[DecisionRow]) -> StepRoster:
    groups: dict[tuple[int, str | None], list[str]] = {}
    for row in named:
        groups.setdefault((row.verdict, row.reason), []).append(row.candidate_id)
    return StepRoster(
        run_id=step.run_id,
        step_id=step.step_id,
        chunk=1,
        total=len(named),
        groups=[
            RosterGroup(verdict, reason, None, None, ids)
            for (verdict, reason), ids in groups.items()
        ],
    )


def _pack(value: object) -> Raw:
    return Raw(msgspec.msgpack.encode(value))
