"""Statistics with an index are found without a scan, whatever was stored when it was chosen."""

from __future__ import annotations

import random
import sqlite3
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import pytest

from xray.model.facts import Fact, StepFinished
from xray.model.records import Page, Step
from xray.model.values import pack_value
from xray.query.cursor import decode_cursor
from xray.query.language import parse_query
from xray.query.plan import Plan
from xray.store.memory import MemoryStore
from xray.store.protocol import Store
from xray.store.sql.stat_index import HOUR_US
from xray.store.sqlite.engine import SqliteStore
from xray.testing.clock import FakeClock

NOW_US = 1_767_225_600_000_000
STEPS = 300
VALUES = (
    0, 1, -1, 0.5, 2**53 + 1, float(2**53), 2**63 - 1, 2**63, 2**64 - 1, -(2**63), 1e300, 5e-324,
    "text", True, None, [1], {"x": 1},
)  # fmt: skip
QUERIES = (
    "stats.x > 0.4",
    "stats.x != 0",
    "stats.x = 9007199254740993",
    "stats.x >= 9223372036854775807 and stats.x < 9223372036854775808",
    "stats.x > 9223372036854775807",
    "stats.x > 0 and stats.y > 0",
    "stats.y > 0.9 and started_at > 10h and started_at <= 3h",
    "stats.y > 0.9 and step_type = 'filter'",
    "stats.y > 0.5 and stats.x > 0 and run.pipeline = 'p'",
    "stats.y > 0.99 and params.n > 100",
    "stats.y > 2",
    "stats.z > 0.9",
    "not (stats.y > 0.1)",
)


def step(number: int, stats: dict[str, object], at_us: int) -> StepFinished:
    return StepFinished(
        run_id=f"0195f0a2-0000-7000-8000-{number // 3:012d}",
        step_id=f"0195f0a2-0000-7000-8001-{number:012d}",
        pipeline="p" if number % 2 else "q",
        name="s",
        step_type="filter" if number % 3 else "rank",
        ordinal=number % 3,
        started_at_us=at_us,
        stats=pack_value(stats),
        params=pack_value({"n": number}),
    )


def world() -> list[Fact]:
    """Steps of a day and a half, a few of one moment, in any order."""
    chance = random.Random(1)
    facts: list[Fact] = []
    for number in range(STEPS):
        at_us = NOW_US - number // 2 * HOUR_US // 4
        stats = {"x": chance.choice(VALUES), "y": chance.random(), "z": chance.random()}
        facts.append(step(number, stats, at_us))
    chance.shuffle(facts)
    return facts


def open_sqlite(path: Path, stats: Sequence[str] | None) -> SqliteStore:
    return SqliteStore(path, clock=FakeClock(NOW_US), index_stats=stats)


def list_rows(path: Path) -> dict[str, int]:
    with closing(sqlite3.connect(path)) as connection:
        return dict(
            connection.execute(
                "select name, count(seq) from indexed_stats left join step_stats on stat = id"
                " group by name"
            ).fetchall()
        )


def wait_until_filled(path: Path) -> None:
    deadline_s = time.monotonic() + 60
    with closing(sqlite3.connect(path)) as connection:
        while connection.execute(
            "select count(*) from indexed_stats where filled_from > 1 or not is_wanted"
        ).fetchone()[0]:
            assert time.monotonic() < deadline_s, "the index is not filled in"
            time.sleep(0.01)


def ask(store: Store, query: str, limit: int = 7) -> list[Page[Step]]:
    """Every page of the answer."""
    where = parse_query(query, "step", NOW_US)
    plan = Plan(scope="step", where=where, limit=limit, now_us=NOW_US)
    pages = [store.steps(plan)]
    while (cursor := pages[-1].next_cursor) is not None:
        after = decode_cursor(cursor, plan)
        pages.append(
            store.steps(Plan(scope="step", where=where, limit=limit, after=after, now_us=NOW_US))
        )
    return pages


def ids(pages: list[Page[Step]]) -> list[str]:
    return [step.step_id for page in pages for step in page.items]


@pytest.mark.parametrize("query", QUERIES)
def test_an_indexed_statistic_finds_what_the_reference_finds(tmp_path: Path, query: str) -> None:
    facts = world()
    with (
        closing(open_sqlite(tmp_path / "x.db", ["x", "y"])) as sqlite,
        closing(MemoryStore(FakeClock(NOW_US))) as memory,
    ):
        for store in (sqlite, memory):
            for start in range(0, STEPS, 40):
                store.submit(str(start), facts[start : start + 40]).result()
        found = ask(sqlite, query)
        assert ids(found) == ids(ask(memory, query))
        exact = [page.total for page in found if page.total_is_exact]
        assert all(total == len(ids(found)) for total in exact)


def test_a_page_says_whether_an_index_led_to_it(tmp_path: Path) -> None:
    with closing(open_sqlite(tmp_path / "x.db", ["y"])) as store:
        store.submit("b", world()).result()
        assert ask(store, "stats.y > 0.5 and started_at > 10h")[0].scan is None
        assert ask(store, "stats.z > 0.5")[0].scan is not None
        narrowed = ask(store, "stats.y > 0.9 and step_type = 'filter'")[-1]
        assert narrowed.scan is not None
        assert narrowed.complete


def test_a_new_file_indexes_the_filter_rate(tmp_path: Path) -> None:
    with closing(open_sqlite(tmp_path / "x.db", None)) as store:
        store.submit("b", [step(1, {"filter_rate": 0.95}, NOW_US)]).result()
        page = ask(store, "stats.filter_rate > 0.9")[0]
        assert (len(page.items), page.scan, page.total) == (1, None, 1)


def test_another_choice_is_filled_in_and_what_is_not_wanted_goes(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    with closing(open_sqlite(path, ["x"])) as store:
        store.submit("b", world()).result()
        before = ids(ask(store, "stats.y > 0.7"))
    with closing(open_sqlite(path, ["y"])) as store:
        wait_until_filled(path)
        assert list_rows(path) == {"y": STEPS}
        pages = ask(store, "stats.y > 0.7")
        assert ids(pages) == before
        assert pages[0].scan is None
        assert ask(store, "stats.x > 0.7")[0].scan is not None
    with closing(open_sqlite(path, [])) as store:
        wait_until_filled(path)
        assert list_rows(path) == {}
        assert ids(ask(store, "stats.y > 0.7")) == before


def test_what_is_not_filled_in_yet_is_a_scan_and_not_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "x.db"
    facts = world()
    with closing(open_sqlite(path, [])) as store:
        store.submit("b", facts[:200]).result()
    filling = "xray.store.sqlite.ledger.SqliteLedger._fill_stats"
    monkeypatch.setattr(filling, lambda self, is_needed: None)
    with closing(open_sqlite(path, ["y"])) as store:
        store.submit("c", facts[200:]).result()
        pages = ask(store, "stats.y > 0.5")
        assert pages[0].scan is not None
        late = ids(pages)
    monkeypatch.undo()
    with closing(open_sqlite(path, None)) as store:
        wait_until_filled(path)
        assert list_rows(path) == {"y": STEPS}
        pages = ask(store, "stats.y > 0.5")
        assert ids(pages) == late
        assert pages[0].scan is None


def test_a_fact_sent_again_is_indexed_once(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    with closing(open_sqlite(path, ["y"])) as store:
        for batch in ("b", "c"):
            store.submit(batch, world()).result()
    assert list_rows(path)["y"] == STEPS  # those of filter_rate are cleared away in idle time
