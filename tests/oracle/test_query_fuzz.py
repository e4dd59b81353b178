"""Whatever is written, reading it ends at once: in a condition, or in one sentence and a place."""

from __future__ import annotations

import math
import os
import random
import sys
import time

import pytest

from tests.oracle.hostile import make_world
from tests.oracle.interpreter import LEVELS, Json
from tests.oracle.questions import Questions
from xray.errors import InvalidQueryError
from xray.query.language import MAX_QUERY_LENGTH, format_condition, parse_query
from xray.query.plan import Condition, Scope

NOW_US = 1_767_225_600_000_000
MAX_READING_S = 0.1
PROVEN_S = 300.0
QUICK_QUERIES = 3_000
CALLS_PER_CHARACTER = 20
PIECES = (
    "and", "or", "not", "in", "has", "contains", "any", "exists", "true", "null", "(", ")", ",",
    "=", "!=", "<", ">=", "'", '"', "\\", ".", "..", "-", "+", "0.9", "24h", "1e9", "2026-01-01",
    "status", "score", "step.", "decision.reason", "run.", "metadata.x", "metadata.'a b'", " ",
    "\n", "\t", "\u2028", "“", "ß", "𝕏", "\x00", "\ud800", "\u202e", "%", "~", "[", "{", "&&",
    "like", "1" * 50, "x" * 200, "'" + "\\u0041" * 9 + "'",
)  # fmt: skip
LONG = (
    "(" * MAX_QUERY_LENGTH, ")" * MAX_QUERY_LENGTH, "not " * 4_000, "a." * 8_000, "1" * 16_000,
    "'" + "\\n" * 8_000 + "'", "any(" * 4_000, "x " * 8_000, "key = 'a' and " * 1_000,
    "key in (" + "'a'," * 4_000, "-" * 16_000, "metadata" + ".x" * 8_000 + " = 1", "\\" * 16_000,
    "9" * 8_000 + "." + "9" * 8_000, "2026-01-01T" + "0" * 16_000, " " * 16_000, "key" * 5_000,
    "key = " + '"' * 16_000, "1e" + "9" * 16_000, "or " * 5_000, "exists(" + "a" * 16_000 + ")",
    "key = '" + "é" * 16_000 + "'", "(" * 30 + "not " * 30 + "x", "status = '" + "x" * 16_000 + "'",
)  # fmt: skip


def read(query: str, scope: Scope, max_s: float = math.inf) -> bool:
    """Whether *query* was accepted; it must be refused only in one way, and read within *max_s*."""
    took_s, condition, error = time_reading(query, scope)
    if took_s >= max_s:
        # Garbage may have been collected meanwhile; a query that is slow is slow again.
        took_s = min(time_reading(query, scope)[0] for _ in range(3))
    assert took_s < max_s, (took_s, query)
    if condition is None:
        assert error is not None
        assert error.at is not None, query
        start, end = error.at
        assert 0 <= start < end <= max(len(query), 1) + 1, query
        assert error.detail.endswith((".", "?")), query
        assert len(str(error)) < 1_000, query
        return False
    text = format_condition(condition, scope)
    assert repr(parse_query(text, scope, NOW_US)) == repr(condition), query
    return True


def time_reading(
    query: str, scope: Scope
) -> tuple[float, Condition | None, InvalidQueryError | None]:
    """How long reading *query* took, and what came of it."""
    condition: Condition | None = None
    error: InvalidQueryError | None = None
    began_s, began_cpu_s = time.perf_counter(), time.thread_time()
    try:
        condition = parse_query(query, scope, NOW_US)
    except InvalidQueryError as refused:
        error = refused
    took_s = min(time.perf_counter() - began_s, time.thread_time() - began_cpu_s)
    return took_s, condition, error


def count_calls(query: str, scope: Scope) -> int:
    """How many functions reading *query* calls: its work, on whatever machine."""
    calls = 0

    def note(frame: object, event: str, argument: object) -> None:
        nonlocal calls
        calls += event in ("call", "c_call")

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        parse_query(query, scope, NOW_US)
    except InvalidQueryError:
        pass
    finally:
        sys.setprofile(before)
    return calls


def spoil(query: str, chance: random.Random) -> str:
    """*query* with a few letters or pieces lost, doubled, swapped or put in."""
    letters = list(query)
    for _ in range(chance.randint(1, 4)):
        at = chance.randrange(len(letters) + 1)
        deed = chance.random()
        if deed < 0.3 and letters:
            del letters[at : at + chance.randint(1, 5)]
        elif deed < 0.5:
            letters[at:at] = letters[at : at + chance.randint(1, 20)]
        elif deed < 0.9:
            letters.insert(at, chance.choice(PIECES))
        else:
            letters.insert(at, chr(chance.randrange(0x110000)))
    return "".join(letters)


def write_anything(chance: random.Random, questions: Questions, level: str) -> str:
    kind = chance.random()
    if kind < 0.5:
        return spoil(questions.write(level), chance)
    if kind < 0.6:
        return questions.write(level)
    joint = chance.choice(("", " "))
    return joint.join(chance.choice(PIECES) for _ in range(chance.randint(0, 40)))


def fuzz(
    seed: int, most: float = math.inf, seconds: float = math.inf, max_s: float = math.inf
) -> tuple[int, int]:
    """Read queries, *most* or for *seconds*; how many there were, and how many were accepted."""
    chance = random.Random(seed)
    facts: list[Json] = [{"run_id": "0190c000-0000-7000-8000-000000000001", "steps": []}]
    assert make_world(chance)
    questions = Questions(chance, facts)
    count = accepted = 0
    end_s = time.monotonic() + seconds
    while count < most and time.monotonic() < end_s:
        level: Scope = chance.choice(LEVELS)  # type: ignore[assignment]
        accepted += read(write_anything(chance, questions, level), level, max_s)
        count += 1
    return count, accepted


@pytest.mark.parametrize("query", LONG, ids=lambda query: f"{query[:9]!a} {len(query)}")
def test_the_longest_query_takes_work_in_proportion_to_its_length(query: str) -> None:
    for scope in LEVELS:
        read(query, scope)  # type: ignore[arg-type]
        assert count_calls(query, scope) <= CALLS_PER_CHARACTER * len(query)  # type: ignore[arg-type]


def test_whatever_is_typed_is_read_without_a_crash() -> None:
    count, accepted = fuzz(seed=1, most=QUICK_QUERIES)
    assert count > accepted > 0


@pytest.mark.prove
def test_query_fuzz_five_minutes(capsys: pytest.CaptureFixture[str]) -> None:
    seed = int(os.environ.get("XRAY_PROVE_SEED") or random.SystemRandom().randrange(1 << 30))
    with capsys.disabled():
        print(f"\nXRAY_PROVE_SEED={seed}", flush=True)
        count, accepted = fuzz(seed, seconds=PROVEN_S, max_s=MAX_READING_S)
        print(f"{count:,} queries read, {accepted:,} accepted, {PROVEN_S:g} s", flush=True)
    assert count > accepted > 0
