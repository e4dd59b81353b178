"""What a release wrote, every later one opens, and answers as if it had recorded it itself."""

from __future__ import annotations

import lzma
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.contract.golden.cut import FOLDER, NOW_US, batch_facts, read_facts
from tests.contract.store.worlds import everything
from xray.model.labels import LabelsAsked
from xray.query.language import parse_query
from xray.query.plan import Comparison, FieldRef, Plan, Scope
from xray.store.memory import MemoryStore
from xray.store.protocol import Store
from xray.store.sqlite.engine import SqliteStore
from xray.testing.clock import FakeClock

DATABASES = sorted(FOLDER.glob("*.db.xz"))
QUERIES: tuple[tuple[Scope, str], ...] = (
    ("run", "status = 'failed'"),
    ("run", "label = 'bad' and version = 'v0'"),
    ("run", "any(decision.candidate_id = 'p7')"),
    ("run", "any(step.step_type = 'filter' and step.rejection_rate > 0.5)"),
    ("run", "params.depth = 2 and pipeline = 'café'"),
    ("step", "stats.filter_rate > 0.6"),
    ("step", "step_type = 'filter' and stats.index = 'eu-1' and rejected_count > 10"),
)


@pytest.fixture(params=DATABASES, ids=lambda path: path.name.partition(".")[0])
def golden(request: pytest.FixtureRequest) -> Path:
    path: Path = request.param
    return path


@pytest.fixture
def opened(golden: Path, tmp_path: Path) -> Iterator[Store]:
    path = tmp_path / "xray.db"
    path.write_bytes(lzma.decompress(golden.read_bytes()))
    with closing(SqliteStore(path, clock=FakeClock(NOW_US))) as store:
        yield store


@pytest.fixture
def recorded(golden: Path) -> Store:
    """The same facts as this version understands them."""
    facts = golden.with_name(golden.name.replace(".db.", ".facts."))
    store = MemoryStore(FakeClock(NOW_US))
    for number, batch in enumerate(batch_facts(read_facts(facts.read_bytes()))):
        store.submit(str(number), batch).result()
    return store


def test_there_is_a_database_of_every_schema_that_was_released() -> None:
    assert [path.name for path in DATABASES] == ["sqlite-8.db.xz"]


def test_every_run_step_and_decision_is_as_it_was_recorded(opened: Store, recorded: Store) -> None:
    run_ids = recorded.run_ids("", 1_000)
    assert opened.run_ids("", 1_000) == run_ids
    for run_id in run_ids:
        assert opened.run(run_id) == recorded.run(run_id)
        steps = recorded.steps_of_run(run_id)
        assert opened.steps_of_run(run_id) == steps
        for step in steps:
            table, expected = (one.decisions_of_step(step.step_id) for one in (opened, recorded))
            assert list(table) == list(expected)
            assert table.reasons == expected.reasons
            assert opened.sketches_of_step(step.step_id) == recorded.sketches_of_step(step.step_id)


def test_rosters_know_the_candidates_they_knew(opened: Store, recorded: Store) -> None:
    found = 0
    for step in recorded.steps(Plan(scope="step", limit=1_000)).items:
        roster, expected = (one.roster_of_step(step.step_id) for one in (opened, recorded))
        assert (roster is None) == (expected is None)
        if roster is None or expected is None:
            continue
        assert (roster.total, roster.is_complete) == (expected.total, expected.is_complete)
        for number in range(300):
            name = f"p{number}"
            assert [(one.decision, one.reason) for one in roster.find(name)] == [
                (one.decision, one.reason) for one in expected.find(name)
            ]
            found += bool(roster.find(name))
    assert found


@pytest.mark.parametrize(("scope", "query"), QUERIES)
def test_questions_find_what_they_found(
    opened: Store, recorded: Store, scope: Scope, query: str
) -> None:
    plan = Plan(scope=scope, where=parse_query(query, scope, NOW_US), limit=1_000, now_us=NOW_US)
    pages = [one.runs(plan) if scope == "run" else one.steps(plan) for one in (opened, recorded)]
    assert pages[0].items == pages[1].items
    assert pages[0].items


def test_a_candidates_history_labels_tallies_and_baselines_are_there(
    opened: Store, recorded: Store
) -> None:
    where = Comparison(FieldRef("decision", "candidate_id"), "=", "p7")
    plan = Plan(scope="decision", where=where, limit=1_000)
    assert opened.decisions(plan).items == recorded.decisions(plan).items
    assert opened.decisions(plan).items
    asked = LabelsAsked(limit=1_000)
    assert opened.labels(asked) == recorded.labels(asked)
    assert opened.correlated("order-7", 10) == recorded.correlated("order-7", 10)
    assert opened.tallies() == recorded.tallies()
    assert opened.tallies()
    for pipeline in ("shop", "café"):
        assert opened.baselines(pipeline) == recorded.baselines(pipeline)


def test_what_is_forgotten_leaves_the_rest_as_it_was_recorded(
    opened: Store, recorded: Store
) -> None:
    run_ids = recorded.run_ids("", 1_000)
    gone = run_ids[1::3]
    told = [one.forget_runs(gone, [], lambda _: None).result() for one in (opened, recorded)]
    assert (told[0].runs, told[0].steps) == (told[1].runs, told[1].steps)
    assert opened.run_ids("", 1_000) == recorded.run_ids("", 1_000)
    for run_id in recorded.run_ids("", 1_000):
        assert opened.run(run_id) == recorded.run(run_id)
        for step in recorded.steps_of_run(run_id):
            assert opened.step(step.step_id) == recorded.step(step.step_id)
            table, expected = (one.decisions_of_step(step.step_id) for one in (opened, recorded))
            assert list(table) == list(expected)
    for pipeline in ("shop", "café", "bulk"):
        assert opened.baselines(pipeline) == recorded.baselines(pipeline)
    assert opened.tallies() == recorded.tallies()
    test_rosters_know_the_candidates_they_knew(opened, recorded)
    assert opened.find_names(gone, [], lambda _: None).traces == []
    opened.forget_runs([], ["bulk", "shop"], lambda _: None).result()
    assert opened.tallies() == []
    assert opened.baselines("shop") == []
    assert opened.baselines("café") == recorded.baselines("café")


def test_it_goes_on_being_written(opened: Store, golden: Path) -> None:
    facts = golden.with_name(golden.name.replace(".db.", ".facts."))
    before = everything(opened)
    receipts = [
        opened.submit(str(number), batch).result()
        for number, batch in enumerate(batch_facts(read_facts(facts.read_bytes())))
    ]
    assert sum(receipt.accepted for receipt in receipts) == 0
    assert everything(opened) == before
    gone = opened.run_ids("", 1_000)
    assert opened.delete_runs(gone).result().runs == len(gone)
