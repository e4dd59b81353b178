"""How aggregates are asked, and the exact words they are refused with."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import pytest

from xray.errors import InvalidQueryError
from xray.query.aggregate import MAX_GROUPS, AggregatePlan, Figure, find_bucket_us
from xray.query.aggregate_parameters import aggregate_from_parameters
from xray.query.cursor import encode_cursor
from xray.query.plan import FieldRef, Position

NOW_US = 1_767_225_600_000_000
HOUR_US = 3_600_000_000
CORPUS = Path(__file__).parents[1] / "oracle" / "rejected_aggregates.txt"


class Rejected(NamedTuple):
    asked: str
    pointer: str
    sentence: str


def read_corpus() -> list[Rejected]:
    blocks = CORPUS.read_text(encoding="utf-8").strip().split("\n\n")
    return [Rejected(*block.split("\n")) for block in blocks if not block.startswith("#")]


def read_pairs(asked: str) -> list[tuple[str, str]]:
    return [(name, value) for name, _, value in (one.partition("=") for one in asked.split(" & "))]


def plan(asked: str) -> AggregatePlan:
    return aggregate_from_parameters(read_pairs(asked), NOW_US)


def point(asked: str, error: InvalidQueryError) -> str:
    """Carets below what *error* points at in *asked*; a dash where it points nowhere."""
    if error.at is None:
        return "-"
    start, end = error.at
    before = asked.index(f"{error.parameter}=") + len(error.parameter) + 1 + start
    return " " * before + "^" * (end - start)


def refusal_of(asked: str) -> Rejected:
    with pytest.raises(InvalidQueryError) as caught:
        plan(asked)
    return Rejected(asked, point(asked, caught.value), str(caught.value))


def test_the_corpus_holds_many_aggregates_each_once() -> None:
    corpus = read_corpus()
    assert len(corpus) >= 50
    assert len({case.asked for case in corpus}) == len(corpus)


@pytest.mark.parametrize("case", read_corpus(), ids=lambda case: case.asked)
def test_what_cannot_be_asked_is_refused_in_exactly_these_words(case: Rejected) -> None:
    assert refusal_of(case.asked) == case


def test_figures_and_groups_are_named_by_fields() -> None:
    shape = plan(
        "of=steps & mean=filter_rate,score & p99.90=duration & by=run.pipeline, name"
    ).shape
    assert [shape.label(figure) for figure in shape.figures] == [
        "mean(rejection_rate)",
        "mean(score)",
        "p99.9(duration_ms)",
    ]
    assert [shape.name(field) for field in shape.by] == ["run.pipeline", "name"]
    assert (shape.limit, shape.order, shape.is_ascending) == (MAX_GROUPS, "count", False)


def test_what_is_asked_twice_is_answered_once() -> None:
    shape = plan("of=runs & p50=duration_ms & median=duration & by=status & by=status").shape
    assert (len(shape.figures), len(shape.by)) == (1, 1)


def test_odd_keys_stand_in_quotes() -> None:
    (field,) = plan("of=runs & by=metadata.'a,b'").shape.by
    assert field == FieldRef("run", "metadata", ("a,b",))


@pytest.mark.parametrize("sort", ["mean", "mean(score)", "avg( score )"])
def test_groups_are_sorted_by_a_figure(sort: str) -> None:
    shape = plan(f"of=steps & mean=score & max=score & sort={sort} & order=asc").shape
    assert shape.order == Figure("mean", FieldRef("step", "score"))
    assert shape.is_ascending


def test_buckets_are_sorted_by_time_unless_something_else_is_said() -> None:
    assert plan("of=runs & bucket=1h").shape.order == "time"
    assert plan("of=runs & bucket=1h & sort=count").shape.order == "count"


def test_all_parameters_of_the_list_say_which_records() -> None:
    where = plan("of=steps & rejection_rate_gt=0.9 & q=step_type = 'filter'").rows.where
    assert "rejection_rate" in repr(where)
    assert "step_type" in repr(where)


def test_buckets_begin_on_round_moments_and_weeks_on_mondays() -> None:
    thursday = NOW_US + 8 * HOUR_US + 1
    assert find_bucket_us(thursday, HOUR_US) == thursday - 1
    monday = find_bucket_us(thursday, 7 * 24 * HOUR_US)
    assert monday == NOW_US - 3 * 24 * HOUR_US
    assert find_bucket_us(0, 7 * 24 * HOUR_US) == -3 * 24 * HOUR_US


def test_a_cursor_belongs_to_one_aggregate() -> None:
    asked = plan("of=steps & mean=score & by=name")
    cursor = encode_cursor(Position(5, "x"), asked.rows, asked.identify())
    again = plan(f"of=steps & mean=score & by=name & limit=3 & cursor={cursor}")
    assert again.rows.after == Position(5, "x")
    assert again.rows.now_us == NOW_US
    with pytest.raises(InvalidQueryError, match="another question"):
        plan(f"of=steps & max=score & by=name & cursor={cursor}")
