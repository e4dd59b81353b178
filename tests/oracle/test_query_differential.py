"""Memory, SQLite and the independent interpreter agree on generated queries over hostile rows."""

from __future__ import annotations

import functools
import os
import random
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.oracle.differential import (
    NOW_US,
    QUERIES_A_WORLD,
    STORES,
    Trial,
    ask_many,
    compare_many,
    make_world,
)
from tests.oracle.interpreter import LEVELS, Oracle, Reading, read_tables
from tests.oracle.questions import Questions
from xray.query.fields import BY_SCOPE, SCOPES
from xray.query.language import parse_query

QUICK_WORLDS, QUICK_QUERIES = 17, 400
PROVEN = 1_000_000


@settings(
    max_examples=QUICK_WORLDS,
    deadline=None,
    derandomize=True,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)
@given(number=st.integers(0, 1 << 32))
def test_generated_queries_are_answered_as_the_oracle_answers_them(
    tmp_path_factory: pytest.TempPathFactory, number: int
) -> None:
    chance = random.Random(number)
    with closing(Trial(make_world(chance), tmp_path_factory.mktemp("world"))) as trial:
        telling = ask_many(trial, chance, QUICK_QUERIES)
    assert telling > QUICK_QUERIES / 4


def test_the_suite_compares_twenty_thousand_answers() -> None:
    assert QUICK_WORLDS * QUICK_QUERIES * STORES == 20_400


@pytest.mark.prove
def test_query_a_million_answers_are_as_the_oracle_answers_them(
    capsys: pytest.CaptureFixture[str],
) -> None:
    seed = int(os.environ.get("XRAY_PROVE_SEED") or random.SystemRandom().randrange(1 << 30))
    kept = os.environ.get("XRAY_PROVE_PROGRESS")
    with capsys.disabled():
        print(f"\nXRAY_PROVE_SEED={seed}", flush=True)
        say = functools.partial(print, flush=True)
        compared = compare_many(PROVEN, seed, say, kept=None if kept is None else Path(kept))
    assert compared >= PROVEN
    assert QUERIES_A_WORLD > 0


def test_a_comparison_goes_on_where_it_stopped(tmp_path: Path) -> None:
    kept = tmp_path / "progress.json"
    said: list[str] = []
    assert compare_many(10 * STORES, 5, said.append, queries=10, kept=kept) == 10 * STORES
    assert compare_many(20 * STORES, 5, said.append, queries=10, kept=kept) == 20 * STORES
    assert "worlds 5 to 5" in said[0]
    assert "worlds 5 to 6" in said[1]
    assert compare_many(20 * STORES, 5, said.append, queries=10, kept=kept) == 20 * STORES


def test_a_store_that_answers_wrongly_is_caught_and_the_query_cut_short(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("xray.query.evaluate.is_present", lambda value: value is not None)
    chance = random.Random(1)
    trial = Trial(make_world(chance), tmp_path)
    with closing(trial), pytest.raises(AssertionError, match="the oracle") as caught:
        ask_many(trial, chance, 2_000)
    shown, _, _ = str(caught.value).partition("\n")
    assert "exists(" in shown
    assert len(shown) < 120


def test_every_kind_of_condition_is_asked(tmp_path: Path) -> None:
    chance = random.Random(2)
    with closing(Trial(make_world(chance), tmp_path)) as trial:
        questions = Questions(chance, trial.runs)
        asked = [(level, questions.write(level)) for _ in range(1_000) for level in LEVELS]
    text = "\n".join(query for _, query in asked)
    for word in (
        " and ", " or ", "not (", "any(step.", "any(decision.", "exists(", " has ", " contains ",
        " in (", " not in (", " = ", "==", " != ", " < ", " <= ", " > ", " >= ", "true", "24h",
        "run.", "step.", "metadata.", '."', ".'", "SUCCESS",
    ):  # fmt: skip
        assert word in text, word
    for level, query in asked:
        parse_query(query, level, NOW_US)  # type: ignore[arg-type]


def test_the_oracle_reads_the_same_fields_from_the_page() -> None:
    assert {level: set(fields) for level, fields in read_tables().items()} == {
        scope: set(BY_SCOPE[scope]) for scope in SCOPES
    }


@pytest.mark.parametrize(
    ("query", "is_true"),
    [
        ("", True),
        ("metadata.n = 1", True),
        ("metadata.n = '1'", False),
        ("metadata.n != '1'", False),
        ("not (metadata.n != '1')", True),
        ("metadata.missing not in (1)", False),
        ("not metadata.missing in (1)", True),
        ("metadata.flag = true and metadata.flag != 1", False),
        ("metadata.empty = ''", True),
        ("exists(metadata.empty) and not exists(metadata.nothing)", True),
        ("exists(metadata.list)", False),
        ("metadata.'a.b'.c has 'x'", True),
        ("pipeline contains 'STRASSE'", True),
        ("pipeline = 'strasse'", False),
        ("duration_ms >= 1.5s and duration <= 1500", True),
        ("started_at >= 1h and started_at < 0s", True),
        ("status in ('SUCCESS', 'FAILURE')", True),
        ("any(step.name = 'a' and any(decision.score > 1))", True),
        ("any(step.name = 'b' and any(decision.score > 1))", False),
        ("any(decision.score > 1 and step.name = 'a' and run.metadata.n = 1)", True),
        ("not any(step.name = 'c') or metadata.n = 2 and metadata.n = 3", True),
    ],
)
def test_the_oracle_says_what_the_page_says(query: str, is_true: bool) -> None:
    decision = {"decision": "rejected", "score": {"z": 9, "total": 2}, "attributes": {}}
    metadata = {"n": 1, "flag": True, "empty": "", "nothing": None, "list": []}
    run = {
        "run_id": "0195f0a2-0000-7000-8000-000000000001",
        "pipeline": "Straße",
        "status": "completed",
        "started_at": "2025-12-31T23:30:00Z",
        "duration_ms": 1500.0,
        "metadata": {**metadata, "a.b": {"c": ["x"]}},
        "steps": [
            {"name": "a", "step_id": "s1", "decisions": [decision]},
            {"name": "b", "step_id": "s2", "decisions": []},
        ],
    }
    assert bool(Oracle([run], NOW_US).ask(query, "run")) == is_true
    assert Reading(query).whole()
