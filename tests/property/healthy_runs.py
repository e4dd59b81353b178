"""Random pipelines that do as they should, and the same with one defect planted."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any, Literal

from xray import XRay
from xray.capture.run import Run
from xray.model.facts import Fact
from xray.model.vocabulary import CaptureLevel
from xray.testing.sink import MemorySink

Fault = Literal[
    "none", "slice", "invented", "ignored_check", "skipped_check", "flipped", "no_number",
    "saturated", "wrong_output", "dropped_shard", "exchanged_limits", "off_by_one",
]  # fmt: skip

NAMED: dict[Fault, tuple[str, str]] = {
    "slice": ("vanished", "rank"),
    "invented": ("not_offered", "rank"),
    "ignored_check": ("kept_though_failed", "rules"),
    "skipped_check": ("unchecked", "rules"),
    "flipped": ("order_flipped", "rank"),
    "no_number": ("not_a_number", "rank"),
    "saturated": ("saturated", "rank"),
    "wrong_output": ("answer_differs", "pick"),
    "dropped_shard": ("silent_part", "shard_2"),
    "exchanged_limits": ("limits_exclude", "rules"),
    "off_by_one": ("cut_out_of_rank", "rank"),
}
"""The finding that names each fault, and its step."""


@dataclass
class World:
    """One random pipeline.

    Args:
        seed: makes it what it is.
        fault: what is wrong with it.
        capture: how much of it is recorded.
    """

    seed: int
    fault: Fault = "none"
    capture: CaptureLevel = "sample"
    random: Random = field(init=False)

    def __post_init__(self) -> None:
        self.random = Random(self.seed)
        random = self.random
        self.size = random.choice((60, 120, 300))
        self.top = random.randint(6, 12)
        self.limits = (random.randint(15, 25), random.randint(60, 80))
        self.stops_early = random.random() < 0.4
        self.names_score = random.random() < 0.7 or self.fault in ("flipped", "no_number")
        self.digits = random.choice((1, 2, 6))
        self.is_sharded = random.random() < 0.4 or self.fault == "dropped_shard"

    def record(self) -> tuple[str, Sequence[Fact]]:
        """The id of the run and its facts."""
        sink = MemorySink()
        with XRay("random", sink=sink, capture=self.capture).run(input=self.seed) as run:
            found = self._retrieve(run, self._write_words(run))
            kept = self._filter(run, found)
            ranked = self._rank(run, kept)
            self._pick(run, ranked)
        return run.run_id, sink.facts

    def _write_words(self, run: Run) -> list[str]:
        words = [f"word {number}" for number in range(self.random.randint(3, 6))]
        with run.step("write_words", step_type="generate") as step:
            for word in words:
                step.accept(word)
        return words

    def _retrieve(self, run: Run, words: list[str]) -> list[tuple[str, str]]:
        names = [f"item-{number}" for number in range(self.size)]
        found = [(name, words[at % len(words)]) for at, name in enumerate(names)]
        self.random.shuffle(found)
        parts = 4 if self.is_sharded else 1
        for part in range(parts):
            name = f"shard_{part + 1}" if self.is_sharded else "search"
            with run.step(name, step_type="retrieve", params={"limit": 10_000}) as step:
                if self.fault == "dropped_shard" and part == 1:
                    found[part::parts] = [("", "")] * len(found[part::parts])
                    continue
                for item, word in found[part::parts]:
                    step.accept(item, origin=word)
        return [pair for pair in found if pair[0]]

    def _filter(self, run: Run, found: list[tuple[str, str]]) -> list[str]:
        low, high = self.limits
        if self.fault == "exchanged_limits":
            low, high = high, low
        kept = []
        spared = found[0][1]
        with run.step("rules", step_type="filter") as step:
            for name, word in found:
                value = self.random.randint(0, 100)
                rules = [("too_low", ">=", low), ("too_high", "<=", high)]
                if self.fault == "skipped_check" and word == spared:
                    rules = rules[1:]
                is_kept = True
                for check, op, limit in rules:
                    passed = step.check(
                        name, check, field="value", observed=value, op=op, limit=limit
                    )
                    is_ignored = self.fault == "ignored_check" and check == "too_high"
                    is_kept &= passed or (is_ignored and value % 2 == 0)
                    if self.stops_early and not passed and not is_ignored:
                        break
                if is_kept:
                    step.accept(name)
                    kept.append(name)
                else:
                    step.reject(name)
        return kept

    def _rank(self, run: Run, kept: list[str]) -> list[str]:
        scores = {name: round(self.random.random(), self.digits) for name in kept}
        if self.fault == "saturated":
            scores = {name: 1.0 if at % 4 else 0.5 for at, name in enumerate(kept)}
        if self.fault == "invented":
            scores["ghost"] = 0.99
        is_down = self.fault != "flipped"
        order = sorted(scores, key=lambda name: (scores[name], name), reverse=is_down)
        if self.fault == "slice":
            order = [name for name in order if name in kept[: len(kept) // 2]]
        off = int(self.fault == "off_by_one")
        with run.step("rank", step_type="rank", params={"top_k": self.top}) as step:
            for rank, name in enumerate(order, 1):
                score: Any = scores[name]
                if self.fault == "no_number" and rank % 3 == 0:
                    score = math.nan
                if self.names_score:
                    score = {"total": score, "part": self.random.random()}
                if off < rank <= self.top + off:
                    step.accept(name, score=score, rank=rank)
                else:
                    step.reject(name, "below_cut", score=score, rank=rank)
        return order[off : self.top + off]

    def _pick(self, run: Run, ranked: list[str]) -> None:
        with run.step("pick", step_type="select") as step:
            for name in ranked[:1]:
                step.select(name)
            for name in ranked[1:]:
                step.reject(name, "not_selected")
        answer = ranked[1:2] if self.fault == "wrong_output" else ranked[:1]
        run.set_output({"answer": answer[0] if answer else None})
