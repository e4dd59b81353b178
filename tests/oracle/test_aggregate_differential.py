"""Memory, SQLite and the independent evaluator agree on generated aggregates over hostile rows."""

from __future__ import annotations

import math
import os
import random
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.oracle.aggregation import Asked, aggregate, group_value, write_asked
from tests.oracle.differential import NOW_US, Trial, make_world
from tests.oracle.interpreter import Json, Oracle
from tests.oracle.questions import Questions
from tests.postgres_server import ScratchStore
from xray import reading
from xray.model.aggregates import Aggregate
from xray.model.clock import to_wall_us
from xray.query.aggregate import AggregatePlan
from xray.query.aggregate_parameters import aggregate_from_parameters
from xray.query.figures import add_parts, answer_groups
from xray.store.memory import MemoryStore
from xray.store.protocol import Store
from xray.store.scanning import ScanBudget
from xray.store.sqlite.engine import SqliteStore
from xray.testing.clock import FakeClock

WORLDS, ASKED = 12, 120
PROVEN, PROVEN_A_WORLD = 50_000, 250


def answer(store: Store, plan: AggregatePlan) -> Aggregate:
    counted = store.aggregate(plan)
    assert counted.end is None
    whole = answer_groups(counted.groups, is_part=True)
    # What travels in parts says the same.
    assert add_parts(
        [whole, answer_groups(type(counted.groups)(plan.shape), is_part=True)]
    ).rows == (whole.rows)
    return whole


def find_difference(asked: Asked, expected: dict[Any, Json], found: Aggregate) -> str | None:
    """How *found* differs from what is expected; None when it does not."""
    if len(found.groups) != len(expected) or found.other is not None:
        return f"{len(found.groups)} groups instead of {len(expected)}"
    for group in found.groups:
        start = None if not asked.bucket else to_wall_us(group.start)  # type: ignore[arg-type]
        key = (tuple(map(group_value, group.group.values())), start)
        if key not in expected:
            return f"the group {key} is none of {list(expected)}"
        wanted = expected[key]
        if group.rows != wanted["rows"] or not math.isclose(group.count, wanted["count"]):
            return f"{group} does not count as {wanted}"
        for (word, field), (value, slack) in zip(asked.figures, wanted["figures"], strict=True):
            figure = list(group.figures.values())[list(asked.figures).index((word, field))]
            if not is_near(figure, value, slack):
                return f"{word} of {field} in {key} is {figure}, not {value}"
    return None


def is_near(found: float | None, wanted: float | None, slack: float) -> bool:
    if wanted is None or math.isinf(wanted) or found is None:
        return found is None and (wanted is None or math.isinf(wanted))
    return found == wanted or abs(found - wanted) <= slack


def compare(trial: Trial, oracle: Oracle, asked: Asked) -> int:
    """Compare what both stores and the oracle answer; how many groups there were."""
    plan = aggregate_from_parameters(asked.parameters(), NOW_US)
    expected = aggregate(oracle, asked)
    for name, store in trial.stores.items():
        difference = find_difference(asked, expected, answer(store, plan))
        assert difference is None, f"{asked}\n{name}: {difference}"
    return len(expected)


def write_distinct(chance: random.Random, questions: Questions) -> Asked:
    """An aggregate whose figures and groups all have names of their own."""
    while True:
        asked = write_asked(chance, questions)
        plan = aggregate_from_parameters(asked.parameters(), NOW_US)
        shape = plan.shape
        if (len(shape.by), len(shape.figures)) == (len(asked.by), len(asked.figures)):
            return asked


@settings(
    max_examples=WORLDS,
    deadline=None,
    derandomize=True,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)
@given(number=st.integers(0, 1 << 32))
def test_generated_aggregates_are_answered_as_the_oracle_answers_them(
    tmp_path_factory: pytest.TempPathFactory, number: int
) -> None:
    chance = random.Random(number)
    groups = 0
    with closing(Trial(make_world(chance), tmp_path_factory.mktemp("world"))) as trial:
        oracle = Oracle(trial.runs, NOW_US)
        questions = Questions(chance, trial.runs)
        for _ in range(ASKED):
            groups += compare(trial, oracle, write_distinct(chance, questions))
    assert groups > ASKED


@pytest.mark.prove
def test_aggregate_many_answers_are_as_the_oracle_answers_them(
    tmp_path_factory: pytest.TempPathFactory, capsys: pytest.CaptureFixture[str]
) -> None:
    number = int(os.environ.get("XRAY_PROVE_SEED") or random.SystemRandom().randrange(1 << 30))
    asked = groups = 0
    with capsys.disabled():
        print(f"\nXRAY_PROVE_SEED={number}", flush=True)
        while asked < PROVEN:
            chance = random.Random(number)
            with closing(Trial(make_world(chance), tmp_path_factory.mktemp("world"))) as trial:
                oracle, questions = Oracle(trial.runs, NOW_US), Questions(chance, trial.runs)
                for _ in range(PROVEN_A_WORLD):
                    groups += compare(trial, oracle, write_distinct(chance, questions))
            asked += PROVEN_A_WORLD
            print(f"{asked:,} aggregates, {groups:,} groups, world {number}", flush=True)
            number += 1
    assert groups > asked


@pytest.mark.parametrize(
    "asked",
    [
        Asked("step", "", ("run.pipeline",), (("mean", "rejection_rate"),), "1h"),
        Asked("run", "", ("status",), (("p50", "duration_ms"), ("sum", "weight"))),
        Asked("run", "", ("metadata.x",), (("max", "metadata.x"), ("mean", "metadata.y"))),
        Asked("decision", "", ("reason", "step.name"), (("mean", "score"), ("p90", "score"))),
        Asked("decision", "candidate_id = 'a'", ("run.pipeline",), (("min", "rank"),), "1w"),
        Asked("step", "exists(input)", ("params.x",), (("mean", "input"),)),
    ],
    ids=str,
)
def test_each_way_of_counting_answers_as_the_oracle(tmp_path: Path, asked: Asked) -> None:
    chance = random.Random(5)
    with closing(Trial(make_world(chance), tmp_path)) as trial:
        assert compare(trial, Oracle(trial.runs, NOW_US), asked)


def test_a_store_that_counts_wrongly_is_caught(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("xray.store.aggregating.weigh", lambda record, run: 1.0)
    chance = random.Random(3)
    asked = Asked("run", "")
    with (
        closing(Trial(make_world(chance), tmp_path)) as trial,
        pytest.raises(AssertionError, match="does not count"),
    ):
        compare(trial, Oracle(trial.runs, NOW_US), asked)


@pytest.mark.parametrize("budget_rows", [1, 2, 3, 5])
def test_parts_of_any_size_add_up_over_records_of_one_moment(
    tmp_path: Path, budget_rows: int
) -> None:
    chance = random.Random(budget_rows)
    facts = make_world(chance)
    budget = ScanBudget(budget_rows, budget_rows, budget_rows)
    clock = FakeClock(NOW_US)
    sqlite = SqliteStore(tmp_path / "parts.db", clock=clock, budget=budget)
    with (
        closing(Trial(facts, tmp_path)) as trial,
        closing(sqlite),
        closing(ScratchStore(clock, budget)) as postgres,
        closing(MemoryStore(clock, budget)) as memory,
    ):
        oracle, questions = Oracle(trial.runs, NOW_US), Questions(chance, trial.runs)
        for store in (sqlite, postgres, memory):
            store.submit("world", facts).result()
        for _ in range(40):
            asked = write_distinct(chance, questions)
            expected = aggregate(oracle, asked)
            for store in (sqlite, postgres, memory):
                found = add_parts(ask_parts(store, asked))
                difference = find_difference(asked, expected, found)
                assert difference is None, f"{asked}\n{store}: {difference}"


def ask_parts(store: Store, asked: Asked) -> list[Aggregate]:
    parts: list[Aggregate] = []
    pairs = asked.parameters()
    while not parts or parts[-1].next_cursor is not None:
        assert len(parts) < 100, "the search does not move on"
        cursor = [("cursor", parts[-1].next_cursor)] if parts else []
        parts.append(reading.aggregate(store, [*pairs, *cursor], NOW_US))  # type: ignore[list-item]
    return parts
