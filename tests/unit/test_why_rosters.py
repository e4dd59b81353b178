"""What `why` and the findings say of candidates whose detail was not kept, from rosters."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from xray import XRay
from xray.capture.run import Run
from xray.forensics.evidence import RunEvidence, load_evidence
from xray.forensics.findings.finders import find
from xray.forensics.why import explain
from xray.model.facts import StepRoster
from xray.model.ids import new_uuid7
from xray.store.memory import MemoryStore
from xray.store.protocol import Store
from xray.store.sqlite.engine import SqliteStore
from xray.testing.sink import MemorySink

ITEMS = [f"item-{number}" for number in range(3_000)]
_MAX_TRIES = 2_000_000


@pytest.fixture
def file(tmp_path: Path) -> Iterator[Store]:
    store = SqliteStore(tmp_path / "xray.db")
    yield store
    store.close()


def examine(
    store: Store, pipeline: Callable[[Run], None], is_roster_whole: bool = True
) -> RunEvidence:
    sink = MemorySink()
    with XRay("crowd", sink=sink).run() as run:
        pipeline(run)
    facts = [fact for fact in sink.facts if is_roster_whole or not isinstance(fact, StepRoster)]
    assert not store.submit(new_uuid7(), facts).result(30).rejected
    return load_evidence(store, run.run_id)


def search(run: Run, found: list[str]) -> None:
    with run.step("search", step_type="retrieve") as step:
        for name in found:
            step.accept(name)


def sieve(run: Run, name: str, offered: list[str], kept: Callable[[str], bool]) -> None:
    with run.step(name, step_type="filter") as step:
        for one in offered:
            if kept(one):
                step.accept(one)
            else:
                step.reject(one, "dull")


def test_what_two_rosters_lost_between_them_is_counted_though_nobody_knows_the_ids(
    file: Store,
) -> None:
    def pipeline(run: Run) -> None:
        search(run, ITEMS)
        sieve(run, "taste", ITEMS[:1500] + ITEMS[1503:], lambda one: one.endswith("7"))

    evidence = examine(file, pipeline)
    (finding,) = find(evidence)
    assert (finding.code, finding.count, finding.certainty) == ("vanished", 3, "known")
    assert finding.text.startswith(
        "taste never decided 3 of the 3,000 candidates that search returned"
    )
    why = explain(evidence, ITEMS[1501])
    assert (why.outcome, why.decided_at, why.certainty) == ("vanished", "taste", "known")
    assert explain(evidence, ITEMS[1503]).outcome == "rejected"


def test_invented_candidates_are_found_among_those_without_detail(file: Store) -> None:
    def pipeline(run: Run) -> None:
        search(run, ITEMS)
        sieve(run, "taste", [*ITEMS, "made-up-1", "made-up-2"], lambda one: one.endswith("7"))

    evidence = examine(file, pipeline)
    (finding,) = find(evidence)
    assert (finding.code, finding.count) == ("not_offered", 2)
    assert finding.text.startswith("taste decided at least 2 candidates that search had not")
    assert explain(evidence, "made-up-2").outcome == "not_offered"


def test_a_roster_that_did_not_arrive_leaves_the_question_open() -> None:
    def pipeline(run: Run) -> None:
        search(run, ITEMS)
        sieve(run, "taste", ITEMS, lambda one: one.endswith("7"))

    evidence = examine(MemoryStore(), pipeline, is_roster_whole=False)
    ledgers = [evidence.ledger(step) for step in evidence.steps]
    hidden = [one for one in ITEMS[-60:] if not any(ledger.has(one) for ledger in ledgers)]
    assert hidden
    assert {explain(evidence, one).certainty for one in hidden[:20]} == {"unknown"}
    assert [one.code for one in find(evidence)] == ["flow_unknown"]


def test_a_stranger_that_looks_like_another_candidate_was_not_decided(file: Store) -> None:
    def pipeline_with(stranger: str) -> Callable[[Run], None]:
        def pipeline(run: Run) -> None:
            search(run, [stranger, *ITEMS])
            sieve(run, "first", [stranger, *ITEMS], lambda one: one != stranger)
            sieve(run, "second", ITEMS, lambda one: one.endswith("7"))

        return pipeline

    before = examine(file, pipeline_with("anybody"))
    roster = before.ledger(before.steps[-1]).roster
    assert roster is not None
    names = (f"stranger-{number}" for number in range(_MAX_TRIES))
    stranger = next(name for name in names if name in roster)
    evidence = examine(file, pipeline_with(stranger))
    assert evidence.ledger(evidence.steps[-1]).has(stranger)
    why = explain(evidence, stranger)
    assert (why.outcome, why.decided_at, why.certainty) == ("rejected", "first", "known")
    assert [stop.kind for stop in why.journey] == ["accepted", "rejected", "not_reached"]
    assert find(evidence) == []


def test_parts_whose_whole_was_not_kept_are_said_to_be_unknown() -> None:
    def pipeline(run: Run) -> None:
        with run.step("search", step_type="retrieve") as step:
            for number, one in enumerate(ITEMS):
                step.accept(one, part_of=f"book-{number // 3}")
        sieve(run, "taste", ITEMS, lambda one: one.endswith("7"))

    evidence = examine(MemoryStore(), pipeline)
    whole = explain(evidence, "book-0")
    assert whole.parts == ["item-0", "item-1", "item-2"]
    assert "Whether it has more parts among" in whole.answer
    unnamed = [explain(evidence, f"book-{number}") for number in range(900, 1000)]
    silent = [why for why in unnamed if why.outcome == "never_retrieved"]
    assert silent
    assert {why.certainty for why in silent} == {"inferred"}


def test_one_candidate_decided_for_several_queries_keeps_each_verdict(file: Store) -> None:
    def pipeline(run: Run) -> None:
        with run.step("judge", step_type="filter") as step:
            for query in ("q1", "q2"):
                for one in ITEMS:
                    if query == "q1":
                        step.accept(one, by=query)
                    else:
                        step.reject(one, "dull", by=query)

    why = explain(examine(file, pipeline), "item-2999")
    assert [(stop.by, stop.kind) for stop in why.journey] == [
        ("q1", "accepted"),
        ("q2", "rejected"),
    ]


def test_duplicates_without_detail_were_merged_like_those_with_detail(file: Store) -> None:
    def pipeline(run: Run) -> None:
        search(run, ITEMS)
        with run.step("dedupe", step_type="filter") as step:
            step.merged(ITEMS[1:], into=ITEMS[0])
            step.accept(ITEMS[0])

    evidence = examine(file, pipeline)
    hidden = [one for one in ITEMS if not evidence.ledger(evidence.steps[-1]).has_row(one)]
    why = explain(evidence, hidden[-1])
    assert (why.outcome, why.certainty, why.decided_at) == ("merged", "known", "dedupe")
    assert why.answer.startswith(f"dedupe merged {hidden[-1]} into another candidate")
