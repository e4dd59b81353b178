"""Runs of thousands of candidates, recorded with a sample of the detail and in full."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from xray import XRay
from xray.capture.run import Run
from xray.model.facts import Fact
from xray.model.vocabulary import CaptureLevel
from xray.testing.sink import MemorySink

REASONS = ("too_dear", "too_heavy", "out_of_stock", "wrong_country", "no_image", "blocked")
INVENTED = 7


@dataclass(frozen=True)
class Plan:
    """What a pipeline does with its candidates, decided before anything is recorded.

    Args:
        keywords: what the retrievers look for.
        found: for each retriever, the candidates it returns with the keywords that brought them.
        offered: what reaches the filter, in its order.
        fates: for each candidate the filter decides, its reason; None when it is kept.
        ranked: what reaches the ranking, best first.
        kept: how many of those it keeps.
        chosen: what is selected of them.
        fails_first: the filter fails once, after it decided some.
        names_losers: the selection names those it did not choose.
    """

    keywords: list[str]
    found: list[list[tuple[str, list[str]]]]
    offered: list[str]
    fates: dict[str, str | None]
    ranked: list[str]
    kept: int
    chosen: list[str]
    fails_first: bool
    names_losers: bool

    @property
    def candidates(self) -> list[str]:
        """Everybody: keywords, what was found, what was invented, and one nobody ever saw."""
        found = [name for each in self.found for name, _ in each]
        everybody = dict.fromkeys([*self.keywords, *found, *self.fates, *self.ranked])
        return [*everybody, "never seen"]

    @property
    def unusual(self) -> list[str]:
        """Those of whom there are few: keywords, the invented, those next to the cut, the chosen,
        and one nobody ever saw."""
        found = {name for each in self.found for name, _ in each}
        invented = [name for name in [*self.fates, *self.ranked] if name not in found]
        at_the_cut = self.ranked[max(0, self.kept - 20) : self.kept + 20]
        few = [*self.keywords, *invented, *at_the_cut, *self.chosen, "never seen"]
        return list(dict.fromkeys(few))


def make_plan(seed: int, count: int) -> Plan:
    """A pipeline with *count* candidates; silent slices and invented ids at random."""
    random = Random(seed)
    keywords = [f"word {seed}.{number}" for number in range(random.randint(3, 20))]
    names = [f"item-{seed}-{number}" for number in range(count)]
    found = [
        (name, random.sample(keywords, random.choice((1, 1, 1, 2))))
        for name in random.sample(names, count)
    ]
    retrieved = [found]
    if random.random() < 0.4:
        middle = random.randint(count // 3, count // 2)
        both = found[middle - count // 10 : middle]
        retrieved = [found[:middle], [*both, *found[middle:]]]
    offered = list(dict.fromkeys(name for each in retrieved for name, _ in each))
    slicing = random.random()
    if slicing < 0.3:
        offered = offered[: random.randint(count // 2, count - 1)]
    elif slicing < 0.5:
        lost = set(random.sample(offered, random.randint(1, count // 10)))
        offered = [name for name in offered if name not in lost]
    if random.random() < 0.4:
        offered += [f"invented-{seed}-{number}" for number in range(INVENTED)]
    if random.random() < 0.5:
        random.shuffle(offered)
    share = random.choice((0.3, 0.6, 0.9))
    fates = {name: random.choice(REASONS) if random.random() < share else None for name in offered}
    ranked = [name for name, reason in fates.items() if reason is None]
    random.shuffle(ranked)
    if random.random() < 0.3:
        ranked = ranked[: max(1, len(ranked) - random.randint(1, count // 10))]
    if random.random() < 0.3:
        ranked.insert(len(ranked) // 2, f"invented-{seed}-late")
    kept = random.choice((min(20, len(ranked)), max(1, len(ranked) // 2)))
    chosen = random.sample(ranked[:kept], min(kept, random.choice((1, 1, 5))))
    return Plan(
        keywords, retrieved, offered, fates, ranked, kept, chosen,
        fails_first=random.random() < 0.2,
        names_losers=random.random() < 0.5,
    )  # fmt: skip


def record(plan: Plan, capture: CaptureLevel) -> tuple[str, Sequence[Fact]]:
    """The id and the facts of a run that does what *plan* says."""
    sink = MemorySink()
    with XRay("crowd", sink=sink, capture=capture).run(input="everything") as run:
        with run.step("words", step_type="generate") as step:
            for word in plan.keywords:
                step.accept(word)
        for number, found in enumerate(plan.found):
            with run.step(f"search{number}", step_type="retrieve") as step:
                for name, words in found:
                    step.accept(name, origin=words)
        if plan.fails_first:
            with contextlib.suppress(TimeoutError):
                _filter(run, plan, plan.offered[: len(plan.offered) // 2], is_lost=True)
        _filter(run, plan, plan.offered)
        with run.step("relevance", step_type="rank") as step:
            for rank, name in enumerate(plan.ranked, 1):
                if rank <= plan.kept:
                    step.accept(name, score=1 / rank, rank=rank)
                else:
                    step.reject(name, "below_cut", score=1 / rank, rank=rank)
        with run.step("pick", step_type="select") as step:
            for name in plan.chosen:
                step.select(name)
            if plan.names_losers:
                for name in plan.ranked[: plan.kept]:
                    if name not in plan.chosen:
                        step.reject(name, "not_selected")
    return run.run_id, sink.facts


def _filter(run: Run, plan: Plan, offered: Sequence[str], is_lost: bool = False) -> None:
    with run.step("rules", step_type="filter") as step:
        for number, name in enumerate(offered):
            reason = plan.fates[name]
            if reason is None:
                step.accept(name)
            elif number % 3:
                step.reject(name, reason, {"number": number})
            else:
                step.check(name, reason, observed=number, op="<=", limit=-1, field="number")
                step.reject(name)
        if is_lost:
            raise TimeoutError("the rules took too long")
