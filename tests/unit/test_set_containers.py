"""The same decisions leave the same records, whatever container the candidates came in."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from xray import Step, XRay, rule
from xray.capture import sampled
from xray.model.records import Decision
from xray.testing import MemorySink

pandas = pytest.importorskip("pandas", reason="set verbs over pandas are not tested")
polars = pytest.importorskip("polars", reason="set verbs over polars are not tested")
pyarrow = pytest.importorskip("pyarrow", reason="set verbs over Arrow are not tested")

Item = dict[str, Any]
Work = Callable[[Step], Any]
Told = tuple[list[Decision], list[Any], Any, Any]

ROWS: list[Item] = [
    {
        "id": f"p{number}",
        "price": None if number % 11 == 5 else float(number * 37 % 200),
        "title": "long " * 60 if number % 13 == 0 else f"item {number}",
        "stock": number % 3 > 0,
    }
    for number in range(120)
]
DTYPE = [("id", "U8"), ("price", "f8"), ("title", "U300"), ("stock", "?")]


def as_array(rows: list[Item]) -> Any:
    filled = [
        (row["id"], math.nan if row["price"] is None else row["price"], row["title"], row["stock"])
        for row in rows
    ]
    return np.array(filled, dtype=DTYPE)


CONTAINERS: dict[str, tuple[Callable[[list[Item]], Any], Callable[[Any], list[str]]]] = {
    "list": (list, lambda held: [row["id"] for row in held]),
    "tuple": (tuple, lambda held: [row["id"] for row in held]),
    "deque": (deque, lambda held: [row["id"] for row in held]),
    "iterator": (iter, lambda held: [row["id"] for row in held]),
    "array": (as_array, lambda held: held["id"].tolist()),
    "pandas": (pandas.DataFrame, lambda held: held["id"].tolist()),
    "pandas index": (
        lambda rows: pandas.DataFrame(rows).set_index("id", drop=False),
        lambda held: held.index.tolist(),
    ),
    "polars": (polars.DataFrame, lambda held: held["id"].to_list()),
    "polars lazy": (polars.LazyFrame, lambda held: held.collect()["id"].to_list()),
    "arrow": (pyarrow.Table.from_pylist, lambda held: held.column("id").to_pylist()),
    "arrow batch": (
        pyarrow.RecordBatch.from_pylist, lambda held: held.column("id").to_pylist(),
    ),
}  # fmt: skip
containers = pytest.mark.parametrize("name", list(CONTAINERS))
sizes = pytest.mark.parametrize("census_rows", [7, 1_024])


def record(work: Work, census_rows: int = 1_024, level: str = "sample") -> tuple[Told, Any]:
    sink = MemorySink()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sampled, "CENSUS_ROWS", census_rows)
        client = XRay("p", sink=sink, capture=level)
        with client.run(key="same") as run, run.step("work", "filter") as step:
            result = work(step)
    decisions = [
        # Ids of steps and runs are made anew each time.
        one.__class__(**{**{f: getattr(one, f) for f in one.__struct_fields__}, "step_id": ""})
        for one in sink.decisions("work")
    ]
    fact = sink.step("work")
    return (decisions, sink.roster("work"), fact.tally, fact.omissions), result


@sizes
@containers
def test_a_filter_leaves_what_a_loop_would(name: str, census_rows: int) -> None:
    def loop(step: Step) -> list[str]:
        kept = []
        for row in ROWS:
            if step.check(row, "price_too_high", row["price"], "<=", 100, field="price"):
                step.accept(row, attributes=short(row))
                kept.append(row["id"])
            else:
                step.reject(row, attributes=short(row))
        return kept

    make, read = CONTAINERS[name]
    rules = [("price_too_high", "price", "<=", 100)]
    told, kept = record(lambda step: step.filter(make(ROWS), rules), census_rows)
    expected, ids = record(loop, census_rows)
    told[3].pop("truncated", None)
    assert told == expected
    assert read(kept) == ids


def short(row: Item) -> Item:
    return {name: value for name, value in row.items() if len(str(value)) < 256}


@containers
def test_a_filter_returns_the_container_it_was_given(name: str) -> None:
    make, _ = CONTAINERS[name]
    given = make(ROWS)
    _, kept = record(lambda step: step.filter(given, [("dear", "price", "<=", 100)]))
    assert type(kept) is (list if name == "iterator" else type(given))


@pytest.mark.parametrize("level", ["minimal", "sample", "full", "off"])
@containers
def test_results_are_the_same_at_every_level_and_off(name: str, level: str) -> None:
    make, read = CONTAINERS[name]

    def work(step: Step) -> list[list[str]]:
        by_title = step.dedupe(make(ROWS), "title")
        return [
            read(step.filter(make(ROWS), [("dear", "price", "<=", 100), ("out", "stock")])),
            read(step.rank(make(ROWS), "price", top=9)),
            read(step.take(make(ROWS), 5)),
            read(by_title),
        ]

    known = [row for row in ROWS if row["price"] is not None]
    seen: dict[str, str] = {}
    for row in ROWS:
        seen.setdefault(row["title"], row["id"])
    expected = [
        [row["id"] for row in known if row["price"] <= 100 and row["stock"]],
        [row["id"] for row in sorted(known, key=lambda row: -row["price"])[:9]],
        [row["id"] for row in ROWS[:5]],
        list(seen.values()),
    ]
    if level == "off":
        client = XRay("p", sink=MemorySink(), enabled=False)
        with client.run() as run, run.step("work", "filter") as step:
            assert work(step) == expected
    else:
        assert record(work, level=level)[1] == expected


def ids_and_masks() -> dict[str, tuple[Any, Any]]:
    ids = [row["id"] for row in ROWS]
    mask = [row["stock"] for row in ROWS]
    return {
        "list": (ids, mask),
        "tuple": (tuple(ids), mask),
        "array": (np.array(ids), np.array(mask)),
        "pandas": (pandas.Series(ids), pandas.Series(mask)),
        "pandas index": (pandas.Index(ids), np.array(mask)),
        "polars": (polars.Series(ids), polars.Series(mask)),
        "arrow": (pyarrow.array(ids), pyarrow.array(mask)),
        "arrow chunks": (pyarrow.chunked_array([ids[:9], ids[9:]]), pyarrow.array(mask)),
    }


@sizes
@pytest.mark.parametrize("name", list(ids_and_masks()))
def test_a_mask_leaves_what_a_loop_would(name: str, census_rows: int) -> None:
    def loop(step: Step) -> None:
        for row in ROWS:
            if row["stock"]:
                step.accept(row["id"])
            else:
                step.reject(row["id"], "out_of_stock")

    ids, mask = ids_and_masks()[name]
    expected, _ = record(loop, census_rows)
    decided = record(lambda step: step.decide(ids, mask, reason="out_of_stock"), census_rows)
    assert decided[0] == expected
    filtered, kept = record(
        lambda step: step.filter(ids, [("out_of_stock", mask)], attrs=[]), census_rows
    )
    assert filtered[1:] == expected[1:]
    assert list(map(str, kept)) == [row["id"] for row in ROWS if row["stock"]]


NUMBERS = [7, -3, 0, 250, 2**40]


@pytest.mark.parametrize(
    "ids",
    [
        np.array(NUMBERS),
        np.array(NUMBERS, dtype=object),
        pandas.Series(NUMBERS),
        polars.Series(NUMBERS),
        pyarrow.array(NUMBERS),
    ],
    ids=["array", "objects", "pandas", "polars", "arrow"],
)
def test_whole_numbers_are_ids_as_python_spells_them(ids: Any) -> None:
    told, _ = record(lambda step: step.accept_many(ids), census_rows=2)
    named = [one.candidate_id for one in told[0]]
    assert named == [str(number) for number in NUMBERS]
    assert [one for group in told[1] for one in group.ids] == named[2:]


def test_rows_of_an_index_of_several_levels_have_ids_of_several_parts() -> None:
    frame = pandas.DataFrame(
        {"price": [1, 500]}, index=pandas.MultiIndex.from_tuples([("a", 1), ("b", 2)])
    )
    (decisions, *_), kept = record(lambda step: step.filter(frame, [("dear", "price", "<", 9)]))
    assert [one.candidate_id for one in decisions] == ['["a",1]', '["b",2]']
    assert kept.index.tolist() == [("a", 1)]


def test_a_boolean_series_counts_by_its_labels() -> None:
    frame = pandas.DataFrame({"price": [1, 2, 3]}, index=["a", "b", "c"])
    turned = pandas.Series([True, False, True], index=["c", "b", "a"])
    _, kept = record(lambda step: step.filter(frame, [("dear", turned)]))
    assert kept.index.tolist() == ["a", "c"]


def test_an_expression_that_compares_a_column_leaves_its_operands() -> None:
    frame = polars.DataFrame(ROWS)
    by_rule = record(lambda step: step.filter(frame, [rule("dear", "price", "<=", 100)]))
    by_expression = record(lambda step: step.filter(frame, [("dear", polars.col("price") <= 100)]))
    assert by_expression[0] == by_rule[0]


def test_any_other_expression_names_the_reason_and_a_gap_is_missing() -> None:
    frame = polars.DataFrame({"id": ["a", "b", "c"], "price": [10, 500, None]})
    expression = polars.col("price") * 2 <= 100
    (decisions, *_), kept = record(lambda step: step.filter(frame, [("dear", expression)]))
    assert kept["id"].to_list() == ["a"]
    assert [one.reason for one in decisions] == [None, "dear", "missing:dear"]


def test_a_lazy_frame_is_collected_once() -> None:
    collected = []

    def note(frame: Any) -> Any:
        collected.append(frame.height)
        return frame

    lazy = polars.LazyFrame(ROWS).map_batches(note)
    _, kept = record(lambda step: step.filter(lazy, [("out", "stock")]))
    assert kept.collect().height == sum(row["stock"] for row in ROWS)
    assert collected == [len(ROWS)]


def test_pandas_keeps_index_and_types() -> None:
    frame = pandas.DataFrame(
        {"price": pandas.array([3, None, 1], dtype="Int64"), "name": ["x", "y", "z"]},
        index=[30, 10, 20],
    )
    _, ranked = record(lambda step: step.rank(frame, "price"))
    assert ranked.index.tolist() == [30, 20, 10]
    assert ranked.dtypes.equals(frame.dtypes)


def test_vectors_are_never_kept() -> None:
    items = [{"id": "a", "vector": [0.5] * 3, "array": np.zeros(3), "price": 3}]
    (decisions, *_), _ = record(lambda step: step.filter(items, [("dear", "price", "<", 9)]))
    assert decisions[0].attributes == {"id": "a", "price": 3}
