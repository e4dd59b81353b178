"""What checks observed is told of all rows, also of those whose detail was sampled out."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random

import numpy
import pytest

from xray import XRay, rule
from xray.capture.step import Step
from xray.model.ids import new_uuid7
from xray.model.sketch import Sketch, sketch_values
from xray.store.memory import MemoryStore
from xray.store.protocol import Store
from xray.store.sqlite.engine import SqliteStore
from xray.testing.sink import MemorySink

COUNT = 3_000
ITEMS = [f"item-{number}" for number in range(COUNT)]
PRICES = [round(Random(7).gauss(100, 40), 2) + number % 13 for number in range(COUNT)]
LIMIT = 100.0


def one_by_one(step: Step) -> None:
    for item, price in zip(ITEMS, PRICES, strict=True):
        if price <= LIMIT:
            step.accept(item, observed=price, limit=LIMIT, op="<=", reason="dear")
        else:
            step.reject(item, "dear", observed=price, limit=LIMIT, op="<=")


def checked(step: Step) -> None:
    for item, price in zip(ITEMS, PRICES, strict=True):
        if step.check(item, "dear", observed=price, op="<=", limit=LIMIT):
            step.accept(item)
        else:
            step.reject(item)


def filtered(step: Step) -> None:
    items = [{"id": item, "price": price} for item, price in zip(ITEMS, PRICES, strict=True)]
    step.filter(items, rules=[rule("dear", "price", "<=", LIMIT)])


def masked(step: Step) -> None:
    dear = rule("dear", numpy.array(PRICES), "<=", LIMIT)
    step.filter(numpy.array(ITEMS), rules=[dear])


def record(work: Callable[[Step], None], **options: object) -> MemorySink:
    sink = MemorySink()
    client = XRay("shop", sink=sink, **options)  # type: ignore[arg-type]
    with client.run() as run, run.step("rules", step_type="filter") as step:
        work(step)
    return sink


def told(sink: MemorySink) -> dict[tuple[str, bool], Sketch]:
    return {(one.name, one.passed): one.sketch for one in sink.step("rules").sketches}


@pytest.mark.parametrize("work", [one_by_one, checked, filtered, masked])
def test_every_verb_tells_the_values_of_all_rows(work: Callable[[Step], None]) -> None:
    sink = record(work)
    assert sink.step("rules").omissions["sampled_out"] > 1_000
    assert told(sink) == {
        ("dear", passed): sketch_values(
            array("d", [price for price in PRICES if (price <= LIMIT) == passed])
        )
        for passed in (True, False)
    }


def test_small_steps_tell_their_values_by_their_rows() -> None:
    sink = record(lambda step: step.reject("a", "dear", observed=3, limit=2, op="<="))
    assert sink.step("rules").sketches == []


def test_values_of_redacted_fields_are_never_told() -> None:
    def work(step: Step) -> None:
        for number, item in enumerate(ITEMS):
            step.reject(item, "password", observed=number, limit=1, op="<=")
            step.check(item, "secret_check", observed=number, op="<=", limit=1, field="api_key")

    assert told(record(work)) == {}


def test_a_hook_that_may_change_values_keeps_them_from_being_told() -> None:
    sink = record(one_by_one, redact=lambda key, value: value)
    assert sink.step("rules").sketches == []


@pytest.fixture(params=["memory", "sqlite"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    opened: Store = MemoryStore()
    if request.param == "sqlite":
        opened = SqliteStore(tmp_path / "xray.db")
    yield opened
    opened.close()


def test_a_stored_step_says_how_the_values_lie(store: Store) -> None:
    sink = record(one_by_one)
    assert not store.submit(new_uuid7(), sink.facts).result(30).rejected
    step = store.step(sink.step("rules").step_id)
    assert step is not None
    (check,) = step.checks
    assert check.name == "dear"
    assert check.passed is not None
    assert check.failed is not None
    kept = sorted(price for price in PRICES if price <= LIMIT)
    assert (check.passed.count, check.passed.least, check.passed.greatest) == (
        len(kept), kept[0], kept[-1],
    )  # fmt: skip
    assert check.passed.count + check.failed.count == COUNT
    middle = next(one for one in check.passed.quantiles if one.share == 0.5)
    assert abs(middle.value - kept[(len(kept) + 1) // 2 - 1]) <= middle.error
    assert middle.error < abs(middle.value) / 250
