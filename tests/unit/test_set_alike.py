"""One filter, however it is written and whatever holds the candidates, leaves the same records."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import msgspec
import numpy as np
import pytest

from xray import Step, XRay, rule
from xray.capture import sampled
from xray.model.facts import StepFinished, StepRoster, StepRows
from xray.testing import MemorySink
from xray.wire.codec import encode_fact

pandas = pytest.importorskip("pandas", reason="set verbs over pandas are not tested")
polars = pytest.importorskip("polars", reason="set verbs over polars are not tested")
pyarrow = pytest.importorskip("pyarrow", reason="set verbs over Arrow are not tested")

Row = dict[str, Any]
Evaluate = Any

NOT_A_NUMBER = {"$xray": "float", "value": "NaN"}
COUNT = 400
LIMIT = 100
FIELDS = ["id", "price", "rating", "stock"]
RULES = [
    rule("price_too_high", "price", "<=", LIMIT),
    rule("rating_too_low", "rating", ">=", 3),
    ("out_of_stock", "stock"),
]


def name_text(number: int) -> str:
    return f"prod_{number}"


def name_number(number: int) -> int:
    return number * 7 - 50


def name_parts(number: int) -> tuple[str, int]:
    return f"shop{number % 3}", number


def make_rows(name: Callable[[int], object], gap: float | None) -> list[Row]:
    """Candidates, some without a price, some without a rating, and some without either."""
    return [
        {
            "id": name(number),
            "price": gap if number % 11 == 5 else float(number * 37 % 200),
            "rating": gap if number % 7 == 3 else float(number % 6),
            "stock": number % 5 > 0,
        }
        for number in range(COUNT)
    ]


def as_array(rows: list[Row]) -> Any:
    kind = "i8" if type(rows[0]["id"]) is int else "U12"
    filled = [tuple(math.nan if row[f] is None else row[f] for f in FIELDS) for row in rows]
    return np.array(filled, dtype=[("id", kind), ("price", "f8"), ("rating", "f8"), ("stock", "?")])


def by_index(rows: list[Row]) -> Any:
    return pandas.DataFrame(rows).set_index("id", drop=False)


CONTAINERS: dict[str, Callable[[list[Row]], Any]] = {
    "array": as_array,
    "pandas": pandas.DataFrame,
    "pandas index": by_index,
    "pandas nullable": lambda rows: pandas.DataFrame(rows).convert_dtypes(),
    "polars": lambda rows: polars.DataFrame(rows, strict=False),
    "polars lazy": lambda rows: polars.LazyFrame(rows, strict=False),
    "arrow": pyarrow.Table.from_pylist,
    "arrow batch": pyarrow.RecordBatch.from_pylist,
}
COLUMNS: dict[str, Callable[[list[Any]], Any]] = {
    "list": list,
    "array": np.array,
    "objects": lambda values: np.array(values, dtype=object),
    "pandas": pandas.Series,
    "pandas index": pandas.Index,
    "polars": polars.Series,
    "arrow": pyarrow.array,
    "arrow chunks": lambda values: pyarrow.chunked_array([values[:150], values[150:]]),
}

names = pytest.mark.parametrize("name", [name_text, name_number])
gaps = pytest.mark.parametrize("gap", [None, math.nan])
sizes = pytest.mark.parametrize("census_rows", [50, 1_024])
evaluations = pytest.mark.parametrize("evaluate", [None, "all", "first"])


def record(work: Callable[[Step], Any], census_rows: int) -> list[Any]:
    """All that travels about a step, but for ids and times that are made anew each time."""
    sink = MemorySink()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sampled, "CENSUS_ROWS", census_rows)
        client = XRay("p", sink=sink)
        with client.run(key="same") as run, run.step("work", "filter") as step:
            work(step)
    told: list[Any] = []
    for fact in sink.facts:
        if isinstance(fact, (StepFinished, StepRows)):
            spelled = plain(msgspec.msgpack.decode(encode_fact(fact)))
            for volatile in ("step_id", "started_at_us", "duration_ms"):
                spelled.pop(volatile, None)
            told.append(spelled)
        else:
            assert not isinstance(fact, StepRoster) or fact.size == fact.total
    roster: dict[str, list[str]] = {}
    for group in sink.roster("work"):
        roster.setdefault(str((group.verdict, group.reason, group.origin)), []).extend(group.ids)
    return [*told, roster]


def plain(value: Any) -> Any:
    """*value*, in which nothing there is stands for what is not a number, too.

    An array cannot tell one from the other; what can, tells them apart in attributes.
    """
    if value == NOT_A_NUMBER:
        return None
    if isinstance(value, dict):
        return {name: plain(one) for name, one in value.items()}
    if isinstance(value, list):
        return [plain(one) for one in value]
    return None if isinstance(value, float) and math.isnan(value) else value


def check_each(rows: list[Row], evaluate: Evaluate) -> Callable[[Step], None]:
    """The filter as a loop of single verbs."""

    def work(step: Step) -> None:
        for row in rows:
            is_kept = step.check(row["id"], "price_too_high", row["price"], "<=", LIMIT, "price")
            if is_kept or evaluate != "first":
                is_rated = step.check(row["id"], "rating_too_low", row["rating"], ">=", 3, "rating")
                is_kept = is_kept and is_rated
            if is_kept:
                step.accept(row["id"], attributes=row)
            else:
                step.reject(row["id"], attributes=row)

    return work


@sizes
@evaluations
@gaps
@names
def test_a_list_leaves_what_a_loop_of_single_verbs_leaves(
    name: Callable[[int], object], gap: float | None, evaluate: Evaluate, census_rows: int
) -> None:
    rows = make_rows(name, gap)
    by_set = record(lambda step: step.filter(rows, RULES[:2], evaluate=evaluate), census_rows)
    assert by_set == record(check_each(rows, evaluate), census_rows)


@sizes
@evaluations
@gaps
@names
@pytest.mark.parametrize("container", list(CONTAINERS))
def test_every_container_leaves_what_a_list_leaves(
    container: str,
    name: Callable[[int], object],
    gap: float | None,
    evaluate: Evaluate,
    census_rows: int,
) -> None:
    rows = make_rows(name, gap)
    given = CONTAINERS[container](rows)
    expected = record(lambda step: step.filter(rows, RULES, evaluate=evaluate), census_rows)
    found = record(lambda step: step.filter(given, RULES, evaluate=evaluate), census_rows)
    assert found == expected
    reasons = expected[0]["tally"]["reasons"] if "tally" in expected[0] else {"missing:price"}
    assert "missing:price" in reasons


@sizes
@evaluations
@gaps
def test_an_index_of_several_levels_leaves_what_tuples_leave(
    gap: float | None, evaluate: Evaluate, census_rows: int
) -> None:
    rows = make_rows(name_parts, gap)
    fields = [{name: row[name] for name in FIELDS[1:]} for row in rows]
    index = pandas.MultiIndex.from_tuples([row["id"] for row in rows])
    frame = pandas.DataFrame(fields, index=index)

    def by_column(step: Step) -> None:
        prices = [row["price"] for row in rows]
        ratings = [row["rating"] for row in rows]
        step.filter(
            [row["id"] for row in rows],
            [
                rule("price_too_high", prices, "<=", LIMIT, called="price"),
                rule("rating_too_low", ratings, ">=", 3, called="rating"),
                ("out_of_stock", [row["stock"] for row in rows]),
            ],
            evaluate=evaluate,
        )

    by_frame = record(
        lambda step: step.filter(frame, RULES, evaluate=evaluate, attrs=[]), census_rows
    )
    assert forget_attributes(by_frame) == forget_attributes(record(by_column, census_rows))


def forget_attributes(told: list[Any]) -> list[Any]:
    """What was told without attributes, which candidates that are only ids have none of."""
    for row in told[0].get("rows", []) + [
        row for one in told[0].get("reservoirs", []) for row in one[3]
    ]:
        row[3] = None
    return told


@sizes
@names
@pytest.mark.parametrize("column", list(COLUMNS))
def test_a_mask_leaves_the_same_in_every_library(
    column: str, name: Callable[[int], object], census_rows: int
) -> None:
    rows = make_rows(name, None)
    ids = [row["id"] for row in rows]
    keep = [row["price"] is not None and row["price"] <= LIMIT for row in rows]

    def loop(step: Step) -> None:
        for one, is_kept in zip(ids, keep, strict=True):
            if is_kept:
                step.accept(one)
            else:
                step.reject(one, "price_too_high")

    make = COLUMNS[column]
    by_loop = record(loop, census_rows)
    decided = record(
        lambda step: step.decide(make(ids), make(keep), reason="price_too_high"), census_rows
    )
    assert decided == by_loop
    in_parts = record(
        lambda step: [
            step.decide(make(ids[part]), make(keep[part]), reason="price_too_high")
            for part in (slice(0, 20), slice(20, 330), slice(330, None))
        ],
        census_rows,
    )
    assert in_parts == by_loop
    expected = record(lambda step: step.filter(ids, [("price_too_high", keep)]), census_rows)
    filtered = record(
        lambda step: step.filter(make(ids), [("price_too_high", make(keep))]), census_rows
    )
    assert filtered == expected


@gaps
@sizes
def test_an_expression_leaves_what_the_rule_leaves(gap: float | None, census_rows: int) -> None:
    rows = make_rows(name_text, gap)
    rules = [rule("price_too_high", "price", "<=", LIMIT)]
    expected = record(lambda step: step.filter(rows, rules), census_rows)
    for frame in (polars.DataFrame(rows, strict=False), polars.LazyFrame(rows, strict=False)):
        expressed = [("price_too_high", polars.col("price") <= LIMIT)]
        assert record(lambda step: step.filter(frame, expressed), census_rows) == expected  # noqa: B023
