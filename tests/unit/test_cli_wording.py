"""Times, durations, rates and values in a person's words."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.cli_records import make_step
from xray.cli.terminal import Terminal
from xray.cli.wording import (
    MIN_SHORT_ID,
    say_certainty,
    say_count,
    say_duration,
    say_number,
    say_rate,
    say_value,
    say_when,
    shorten_ids,
)
from xray.model.values import MARK

NOW = datetime(2026, 1, 10, 12, 0, 0, tzinfo=timezone.utc)
TERMINAL = Terminal()


@pytest.mark.parametrize(
    ("age", "said"),
    [
        (timedelta(seconds=-3), "just now"),
        (timedelta(seconds=4), "just now"),
        (timedelta(seconds=59), "59 s ago"),
        (timedelta(seconds=60), "1 min ago"),
        (timedelta(minutes=59, seconds=59), "59 min ago"),
        (timedelta(hours=23, minutes=59), "23 h ago"),
        (timedelta(hours=24), "1 day ago"),
        (timedelta(days=6, hours=23), "6 days ago"),
    ],
)
def test_a_moment_is_said_as_an_age(age: timedelta, said: str) -> None:
    assert say_when(NOW - age, NOW) == said


@pytest.mark.parametrize("age", [timedelta(days=7), timedelta(minutes=-2)])
def test_an_old_or_future_moment_is_said_as_a_local_date(age: timedelta) -> None:
    moment = NOW - age
    assert say_when(moment, NOW) == moment.astimezone().strftime("%Y-%m-%d %H:%M")


@pytest.mark.parametrize(
    ("duration_ms", "said"),
    [
        (None, "-"),
        (0, "<1 ms"),
        (0.9, "<1 ms"),
        (12.4, "12 ms"),
        (999.6, "1.0 s"),
        (59_949, "59.9 s"),
        (59_960, "1 min 0 s"),
        (125_000, "2 min 5 s"),
        (3_780_000, "1 h 3 min"),
    ],
)
def test_a_duration_has_the_unit_that_suits_it(duration_ms: float | None, said: str) -> None:
    assert say_duration(duration_ms) == said


def test_a_rate_that_is_not_known_is_a_dash_and_never_zero() -> None:
    assert say_rate(make_step(0, "f", "filter")) == "-"
    assert say_rate(make_step(0, "f", "filter", rejection_rate=0.0)) == "0.0 %"
    assert say_rate(make_step(0, "f", "filter", rejection_rate=0.9333)) == "93.3 %"
    assert say_count(None) == "-"
    assert say_count(1204) == "1,204"


@pytest.mark.parametrize(
    ("number", "said"),
    [(50.0, "50"), (0.123456789, "0.123457"), (150, "150"), (2_500_000.0, "2,500,000")],
)
def test_a_number_is_as_short_as_it_can_be(number: float, said: str) -> None:
    assert say_number(number) == said


def test_what_is_known_needs_no_word() -> None:
    assert say_certainty("known", "counted") == ""
    assert say_certainty("inferred", "samples") == "(inferred: samples)"
    assert say_certainty("unknown") == "(unknown)"


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (None, "-"),
        ("text", "text"),
        (True, "true"),
        ({"id": 1, "tags": ["a"]}, '{"id":1,"tags":["a"]}'),
        ({MARK: "redacted"}, "<redacted>"),
        ({MARK: "object", "type": "Socket"}, "<object Socket>"),
        ({MARK: "float", "value": "NaN"}, "NaN"),
        ({MARK: "truncated", "type": "str", "length": 9, "head": "begin"}, "begin…"),
        ({MARK: "map", "value": {MARK: "mine"}}, "<mine>"),
        ([{MARK: "redacted"}, 2], '["<redacted>",2]'),
        ("\x1b[0m", "\\x1b[0m"),
        ("x" * 100, "x" * 59 + "…"),
    ],
)
def test_a_value_is_one_short_line_with_marks_in_words(value: Any, said: str) -> None:
    assert say_value(value, TERMINAL) == said


def test_short_ids_are_no_longer_than_needed() -> None:
    one, two = "0193f0c2-7a51-7abc-8def-0123456789ab", "0193f0c2-7a51-7abd-8def-0123456789ab"
    assert shorten_ids([one]) == {one: "0193f0c2-7a51"}
    assert shorten_ids([one, two]) == {one: "0193f0c2-7a51-7abc", two: "0193f0c2-7a51-7abd"}


@given(st.lists(st.uuids().map(str)))
def test_short_ids_tell_runs_apart(run_ids: list[str]) -> None:
    shortened = shorten_ids(run_ids)
    assert len(set(shortened.values())) == len(set(run_ids))
    for run_id, short in shortened.items():
        assert run_id.startswith(short)
        assert len(short) >= MIN_SHORT_ID
