"""What is called known about a candidate is what happened to it, however little was recorded."""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.small_runs import evidence_of, row, step
from xray.forensics.findings.finders import find
from xray.forensics.why import explain
from xray.model.answers import Stop, Why
from xray.model.facts import ACCEPTED, REJECTED, SELECTED, StepFinished, Tally
from xray.model.vocabulary import StepType

RETRIEVER_STYLES = ("both", "both", "both", "sampled", "minimal", "silent")
KEEPER_STYLES = ("both", "both", "both", "drops", "sampled", "minimal", "silent")
CHOOSER_STYLES = ("both", "both", "keeps", "keeps", "sampled", "minimal", "silent")


@dataclass
class World:
    """A pipeline as it was: what each step had before it, and what it let through."""

    steps: list[StepFinished] = field(default_factory=list)
    created: dict[str, set[str]] = field(default_factory=dict)
    had: dict[str, set[str]] = field(default_factory=dict)
    kept: dict[str, set[str]] = field(default_factory=dict)
    lost_before: dict[str, str] = field(default_factory=dict)
    dropped_at: dict[str, str] = field(default_factory=dict)
    selected: set[str] = field(default_factory=set)

    def record(
        self, random: Random, name: str, kind: StepType, kept: list[str], dropped: list[str],
        styles: tuple[str, ...],
    ) -> None:  # fmt: skip
        """Record the step as thoroughly, or as little, as one of *styles*."""
        code = SELECTED if kind == "select" else ACCEPTED
        style = random.choice(styles)
        rows = [row(code, one) for one in kept]
        rows += [row(REJECTED, one, reason="dull") for one in dropped]
        random.shuffle(rows)
        tally = Tally(
            rejected=len(dropped),
            accepted=len(kept) if code == ACCEPTED else 0,
            selected=len(kept) if code == SELECTED else 0,
        )
        if style in ("drops", "keeps"):
            rows = [one for one in rows if (one.verdict == REJECTED) == (style == "drops")]
        if style == "minimal":
            made = step(name, kind, capture="minimal", tally=tally)
        elif style == "silent":
            made = step(name, kind)
        elif style == "sampled":
            stored = random.randint(0, len(rows))
            census = [one for at, one in enumerate(rows) if at < stored or one.verdict == SELECTED]
            made = step(name, kind, census, tally=tally)
        else:
            made = step(name, kind, rows)
        self.steps.append(made)


def build(random: Random) -> World:
    """One or two retrievers, then steps that keep some; now and then some get lost before one."""
    world = World()
    universe = [f"c{number}" for number in range(random.randint(2, 9))]
    alive: list[str] = []
    for number in range(random.choice([1, 1, 2])):
        found = random.sample(universe, random.randint(1, len(universe)))
        world.record(random, f"find{number}", "retrieve", found, [], RETRIEVER_STYLES)
        world.created[f"find{number}"] = set(found)
        alive += [one for one in found if one not in alive]
    count = random.randint(1, 4)
    for number in range(count):
        name = f"step{number}"
        if random.random() < 0.25 and len(alive) > 1:
            for one in random.sample(alive, random.randint(1, len(alive) - 1)):
                world.lost_before[one] = name
                alive.remove(one)
        chooses = number == count - 1 and bool(alive) and random.random() < 0.5
        kept = random.sample(alive, random.randint(1 if chooses else 0, len(alive)))
        dropped = [one for one in alive if one not in kept]
        kind: StepType = "select" if chooses else random.choice(["filter", "rank"])
        styles = CHOOSER_STYLES if chooses else KEEPER_STYLES
        world.record(random, name, kind, kept, dropped, styles)
        world.had[name], world.kept[name] = set(alive), set(kept)
        world.dropped_at.update(dict.fromkeys(dropped, name))
        world.selected = set(kept) if chooses else set()
        alive = kept
    return world


@settings(deadline=None)
@given(st.integers(0, 2**32))
def test_what_is_known_is_what_happened(seed: int) -> None:
    world = build(Random(seed))
    evidence = evidence_of(*world.steps)
    for finding in find(evidence):
        assert finding.code != "not_offered", finding
        if finding.code == "vanished":
            lost = {world.lost_before.get(one) for one in finding.examples}
            assert lost <= {finding.step_name}, finding
    for candidate in (*(f"c{number}" for number in range(9)), "nobody"):
        why = explain(evidence, candidate)
        if why.certainty == "known":
            assert is_true_of(world, why), (candidate, why)
        for stop in why.journey:
            if stop.certainty == "known":
                assert happened(world, stop, candidate), (candidate, stop)


def is_true_of(world: World, why: Why) -> bool:
    """Whether *why* says what became of its candidate."""
    candidate = why.candidate_id
    if why.outcome == "selected":
        return candidate in world.selected
    if why.outcome in ("rejected", "outranked"):
        return world.dropped_at.get(candidate) == why.decided_at
    if why.outcome == "vanished":
        return world.lost_before.get(candidate) == why.decided_at
    if why.outcome == "survived":
        last = world.steps[-1].name
        return candidate in world.kept[last]
    assert why.outcome == "never_retrieved"
    return not any(candidate in created for created in world.created.values())


def happened(world: World, stop: Stop, candidate: str) -> bool:
    """Whether *stop* says what happened to *candidate* there."""
    created = world.created.get(stop.name, set())
    had, kept = world.had.get(stop.name, set()), world.kept.get(stop.name, set())
    if stop.kind == "not_recorded":
        return candidate not in created
    if stop.kind == "not_reached":
        return candidate not in had
    if stop.kind == "vanished":
        return world.lost_before.get(candidate) == stop.name
    if stop.kind == "rejected":
        return candidate in had - kept
    return candidate in created | kept
