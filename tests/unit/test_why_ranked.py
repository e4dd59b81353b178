"""What `why` says of an outranked candidate of which only a roster tells."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

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
