"""What `why` says of an outranked candidate of which only a roster tells."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from random import Random

import numpy
import pytest

from xray import XRay
from xray.forensics.evidence import RunEvidence, load_evidence
from xray.forensics.why import explain
from xray.model.answers import Cut, Why
from xray.model.facts import Fact
from xray.model.ids import new_uuid7
from xray.store.memory import MemoryStore
from xray.store.protocol import Store
from xray.store.sqlite.engine import SqliteStore
from xray.testing.sink import MemorySink

COUNT = 5_000
ITEMS = [f"item-{rank}" for rank in range(1, COUNT + 1)]
SCORES = [round(1 - rank / 6_000, 4) for rank in range(1, COUNT + 1)]


@pytest.fixture(params=["memory", "sqlite"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    opened: Store = MemoryStore()
    if request.param == "sqlite":
        opened = SqliteStore(tmp_path / "xray.db")
    yield opened
    opened.close()


def rank_one_by_one(kept: int, capture: str = "sample") -> tuple[str, list[Fact]]:
    sink = MemorySink()
    client = XRay("crowd", sink=sink, capture=capture)
    with client.run() as run, run.step("relevance", step_type="rank") as step:
        for rank, (name, score) in enumerate(zip(ITEMS, SCORES, strict=True), 1):
            if rank <= kept:
                step.accept(name, score, rank=rank)
            else:
                step.reject(name, "below_cut", score=score, rank=rank)
    return run.run_id, sink.facts


def examine(store: Store, recorded: tuple[str, list[Fact]]) -> RunEvidence:
    run_id, facts = recorded
    assert not store.submit(new_uuid7(), facts).result(30).rejected
    return load_evidence(store, run_id)


def hidden_one(evidence: RunEvidence, places: range) -> int:
    """The first of *places*, from 1, of which no row was kept."""
    ledger = evidence.ledger(evidence.steps[0])
    return next(place for place in places if not ledger.has_row(ITEMS[place - 1]))


def cut_of(why: Why) -> Cut:
    cut = why.journey[0].cut
    assert cut is not None
    return cut


@pytest.mark.parametrize("kept", [10, 2_500])
def test_a_candidate_without_detail_is_outranked_by_rank_and_about_its_score(
    store: Store, kept: int
) -> None:
    evidence = examine(store, rank_one_by_one(kept))
    place = hidden_one(evidence, range(3_000, 3_100))
    why = explain(evidence, ITEMS[place - 1])
    assert (why.outcome, why.certainty, why.decided_at) == ("outranked", "known", "relevance")
    cut = cut_of(why)
    assert (cut.rank, cut.ranked_count, cut.last_kept_rank) == (place, COUNT, kept)
    assert cut.score is not None
    assert cut.gap is not None
    assert cut.score_error is not None
    assert cut.gap_error is not None
    assert abs(cut.score - SCORES[place - 1]) <= cut.score_error < 1e-5
    assert abs(cut.gap - (SCORES[kept - 1] - SCORES[place - 1])) <= cut.gap_error < 2e-5
    assert f"rank {place} of 5,000 where the cut is {kept}, score about {SCORES[place - 1]}" in (
        why.answer
    )
    assert why.journey[0].rank == place


def test_the_cut_is_that_of_a_full_capture(store: Store) -> None:
    sampled = examine(store, rank_one_by_one(2_500))
    full = examine(MemoryStore(), rank_one_by_one(2_500, "full"))
    for place in range(2_501, COUNT, 83):
        cut, truth = (cut_of(explain(one, ITEMS[place - 1])) for one in (sampled, full))
        assert (cut.rank, cut.last_kept_rank) == (truth.rank, truth.last_kept_rank)
        assert cut.gap == pytest.approx(truth.gap, abs=2e-5)
        assert cut.score == pytest.approx(truth.score, abs=1e-5)


def record_all_forms(name: str) -> tuple[str, list[Fact]]:
    """The same order, the first hundred kept, told by different verbs."""
    sink = MemorySink()
    with XRay("crowd", sink=sink).run() as run, run.step("order", step_type="rank") as step:
        if name == "one by one":
            for rank, (item, score) in enumerate(zip(ITEMS, SCORES, strict=True), 1):
                if rank <= 100:
                    step.accept(item, score, rank=rank)
                else:
                    step.reject(item, "below_cut", score=score, rank=rank)
        elif name == "lists":
            step.ranked(ITEMS, scores=SCORES, top=100)
        elif name == "arrays":
            step.ranked(numpy.array(ITEMS), scores=numpy.array(SCORES), top=100)
        elif name == "items":
            mixed = [{"id": item, "s": score} for item, score in zip(ITEMS, SCORES, strict=True)]
            Random(5).shuffle(mixed)
            step.rank(mixed, "s", top=100)
        elif name == "partitions":
            step.ranked(ITEMS, scores=SCORES, top=100, by="query")
    return run.run_id, sink.facts


@pytest.mark.parametrize("name", ["one by one", "lists", "arrays", "items", "partitions"])
def test_every_verb_that_orders_tells_the_roster_the_same(store: Store, name: str) -> None:
    evidence = examine(store, record_all_forms(name))
    roster = evidence.ledger(evidence.steps[0]).roster
    assert roster is not None
    told = 0
    for rank, (item, score) in list(enumerate(zip(ITEMS, SCORES, strict=True), 1))[::9]:
        for row in roster.find(item):
            told += 1
            assert (row.rank, row.by) == (rank, "query" if name == "partitions" else None)
            assert row.score == pytest.approx(score, abs=1e-5)
    assert roster.is_complete
    assert told > (COUNT - 1_100) // 9


def test_what_the_last_verdict_leaves_out_the_one_before_it_says(store: Store) -> None:
    sink = MemorySink()
    with XRay("crowd", sink=sink).run() as run, run.step("order", step_type="rank") as step:
        for rank, item in enumerate(ITEMS, 1):
            step.reject(item, "below_cut", score=rank / 8, rank=rank)
        step.accept(ITEMS[-1], 77.5)
        step.ranked(ITEMS[-3:-1], scores=[0.5, 0.25])
    evidence = examine(store, (run.run_id, sink.facts))
    roster = evidence.ledger(evidence.steps[0]).roster
    assert roster is not None
    found = [roster.find(item)[0] for item in ITEMS[-4:]]
    assert [(row.decision, row.rank, row.score) for row in found] == [
        ("rejected", COUNT - 3, (COUNT - 3) / 8),
        ("accepted", 1, 0.5),
        ("accepted", 2, 0.25),
        ("accepted", COUNT, 77.5),
    ]


def test_other_steps_say_nothing_of_ranks(store: Store) -> None:
    sink = MemorySink()
    with XRay("crowd", sink=sink).run() as run, run.step("rules", step_type="filter") as step:
        for rank, item in enumerate(ITEMS, 1):
            step.reject(item, "dear", score=rank / 8, rank=rank)
    evidence = examine(store, (run.run_id, sink.facts))
    roster = evidence.ledger(evidence.steps[0]).roster
    assert roster is not None
    assert {(row.rank, row.score) for item in ITEMS[::9] for row in roster.find(item)} == {
        (None, None)
    }
