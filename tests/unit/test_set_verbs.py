"""What the verbs about many candidates do, and what they never do to a pipeline."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from xray import REDACTED, Step, XRay, rule
from xray.capture import sampled
from xray.capture.guard import swallowed
from xray.capture.sampled import SampledStep
from xray.model.records import Decision
from xray.testing import MemorySink

PRODUCTS: list[dict[str, Any]] = [
    {"id": "stand", "price": 150, "brand": "acme", "stock": True},
    {"id": "case", "price": 20, "brand": "acme", "stock": True},
    {"id": "cable", "price": None, "brand": "else", "stock": False},
    {"id": "cover", "price": 90, "brand": "else", "stock": True},
]


@pytest.fixture
def sink() -> MemorySink:
    return MemorySink()


@pytest.fixture
def step(sink: MemorySink) -> Iterator[Step]:
    with XRay("p", sink=sink).run() as run, run.step("work", "filter") as opened:
        yield opened


def finish(step: Step, sink: MemorySink) -> dict[str, Decision]:
    step.close()
    return {one.candidate_id: one for one in sink.decisions("work")}


def ids_of(items: list[dict[str, Any]]) -> list[str]:
    return [item["id"] for item in items]


def test_every_rule_is_evaluated_and_the_first_that_fails_is_the_reason(
    step: Step, sink: MemorySink
) -> None:
    kept = step.filter(
        PRODUCTS,
        [
            rule("price_too_high", "price", "<=", 100),
            ("too_cheap", "price", ">", 50),
            ("out", "stock"),
        ],
    )
    found = finish(step, sink)
    assert ids_of(kept) == ["cover"]
    assert [found[name].reason for name in ("stand", "case", "cable")] == [
        "price_too_high", "too_cheap", "missing:price",
    ]  # fmt: skip
    stand = [(one.name, one.observed, one.limit, one.passed) for one in found["stand"].checks]
    assert stand == [("price_too_high", 150, 100, False), ("too_cheap", 150, 50, True)]
    assert [one.name for one in found["cable"].checks] == ["missing:price", "missing:price", "out"]


def test_the_first_rule_that_fails_may_stop_the_others(step: Step, sink: MemorySink) -> None:
    rules = [("dear", "price", "<=", 100), ("out", "stock")]
    kept = step.filter(PRODUCTS, rules, evaluate="first")
    found = finish(step, sink)
    assert ids_of(kept) == ["case", "cover"]
    assert [one.name for one in found["cable"].checks] == ["missing:price"]


@pytest.mark.parametrize(("evaluate", "asked"), [(None, 2), ("first", 2), ("all", 4)])
def test_a_predicate_is_spared_where_an_earlier_rule_decides(
    step: Step, evaluate: Any, asked: int
) -> None:
    seen: list[str] = []

    def is_wanted(product: dict[str, Any]) -> bool:
        seen.append(product["id"])
        return True

    step.filter(
        PRODUCTS, [("dear", "price", "<=", 100), ("unwanted", is_wanted)], evaluate=evaluate
    )
    assert len(seen) == asked


def test_a_predicate_may_tell_why_and_how_sure(step: Step, sink: MemorySink) -> None:
    def judge(product: dict[str, Any]) -> tuple[bool, str, float]:
        return product["brand"] == "acme", f"made by {product['brand']}", 0.5

    kept = step.filter(PRODUCTS, judge)
    found = finish(step, sink)
    assert ids_of(kept) == ["stand", "case"]
    assert (found["cover"].reason, found["cover"].reasoning) == ("judge", "made by else")
    assert found["case"].score == 0.5


async def test_a_predicate_may_be_awaited(step: Step, sink: MemorySink) -> None:
    async def ask(product: dict[str, Any]) -> bool:
        return bool(product["stock"])

    kept = await step.afilter(PRODUCTS, [("out", ask), ("dear", "price", "<=", 100)])
    assert ids_of(kept) == ["case", "cover"]
    assert finish(step, sink)["cable"].reason == "out"


def test_a_predicate_that_must_be_awaited_is_no_silent_yes(step: Step) -> None:
    async def ask(product: dict[str, Any]) -> bool:
        return True

    with pytest.raises(TypeError, match=r"await step\.afilter"):
        step.filter(PRODUCTS, [("out", ask)])


def test_an_error_of_a_predicate_is_the_callers_and_what_was_decided_is_kept(
    step: Step, sink: MemorySink
) -> None:
    def check(product: dict[str, Any]) -> bool:
        return bool(product["price"] < 100)

    with pytest.raises(TypeError, match="NoneType"):
        step.filter(PRODUCTS, [("dear", check)])
    found = finish(step, sink)
    assert {name: one.decision for name, one in found.items()} == {
        "stand": "rejected", "case": "accepted",
    }  # fmt: skip


def test_an_error_after_the_census_keeps_what_was_decided(
    monkeypatch: pytest.MonkeyPatch, sink: MemorySink
) -> None:
    def check(name: str) -> bool:
        if name == "c9":
            raise LookupError(name)
        return True

    monkeypatch.setattr(sampled, "CENSUS_ROWS", 3)
    with (
        XRay("p", sink=sink).run() as run,
        run.step("work", "filter") as step,
        pytest.raises(LookupError),
    ):
        step.filter([f"c{number}" for number in range(20)], [("known", check)])
    assert sink.summary("work").counts.accepted == 9
    assert [one for group in sink.roster("work") for one in group.ids] == [
        f"c{number}" for number in range(3, 9)
    ]


@pytest.mark.usefixtures("swallowing")
def test_results_do_not_depend_on_recording(monkeypatch: pytest.MonkeyPatch, step: Step) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("no room")

    monkeypatch.setattr(SampledStep, "enter_many", fail)
    before = swallowed().get("Step.filter", 0)
    assert ids_of(step.filter(PRODUCTS, [("out", "stock")])) == ["stand", "case", "cover"]
    assert ids_of(step.rank(PRODUCTS, "price", top=1)) == ["stand"]
    assert ids_of(step.take(PRODUCTS, 1)) == ["stand"]
    assert ids_of(step.dedupe(PRODUCTS, "brand")) == ["stand", "cable"]
    step.decide(["a"], [True])
    assert swallowed()["Step.filter"] == before + 1


@pytest.mark.usefixtures("swallowing")
def test_columns_of_different_lengths_break_nothing_where_only_recorded(step: Step) -> None:
    step.decide(["a", "b"], [True])
    step.reject_many(["a", "b"], ["dear"])
    step.ranked(["a"], scores=[1, 2])


def test_columns_of_different_lengths_are_an_error_of_a_filter(step: Step) -> None:
    with pytest.raises(ValueError, match="'out' has 1 values for 4 items"):
        step.filter(PRODUCTS, [("out", [True])])


@pytest.mark.parametrize(
    ("rules", "error", "words"),
    [
        ([("dear", "price", "=<", 100)], ValueError, "compares nothing; use one of <, <="),
        ([("dear", "price", "<=")], TypeError, "Rule 1 is no rule"),
        ([7], TypeError, "Rule 1 is no rule"),
    ],
)
@pytest.mark.parametrize("is_on", [True, False])
def test_what_is_no_rule_is_refused_whether_recording_or_not(
    rules: Any, error: type[Exception], words: str, is_on: bool, sink: MemorySink
) -> None:
    client = XRay("p", sink=sink, enabled=is_on)
    with (
        client.run() as run,
        run.step("work", "filter") as step,
        pytest.raises(error, match=words),
    ):
        step.filter(PRODUCTS, rules)


def test_an_iterator_is_read_once(step: Step, sink: MemorySink) -> None:
    kept = step.filter(iter(PRODUCTS), [("out", "stock")])
    assert ids_of(kept) == ["stand", "case", "cover"]
    assert len(finish(step, sink)) == 4


def test_ranks_are_given_before_and_after_and_the_cut_says_so(step: Step, sink: MemorySink) -> None:
    kept = step.rank(PRODUCTS, lambda product: product["price"], top=2)
    found = finish(step, sink)
    assert ids_of(kept) == ["stand", "cover"]
    assert (found["cover"].rank_before, found["cover"].rank) == (4, 2)
    assert (found["case"].reason, found["case"].rank) == ("below_cut", 3)
    assert (found["cable"].rank, found["cable"].score) == (4, None)


def test_named_scores_order_by_the_overall_one_and_are_all_kept(
    step: Step, sink: MemorySink
) -> None:
    scores = {"price": "price", "total": [1, 4, 3, 2]}
    kept = step.rank(PRODUCTS, scores)
    assert ids_of(kept) == ["case", "cable", "cover", "stand"]
    assert finish(step, sink)["case"].score == {"price": 20, "total": 4}


def test_each_query_has_a_top_of_its_own(step: Step, sink: MemorySink) -> None:
    kept = step.rank(PRODUCTS, "price", top=1, by=lambda product: product["brand"])
    assert ids_of(kept) == ["stand", "cover"]
    found = finish(step, sink)
    assert [(found[name].by, found[name].rank) for name in ("case", "cable")] == [
        ("acme", 2), ("else", 2),
    ]  # fmt: skip


def test_what_a_select_step_takes_is_selected(sink: MemorySink) -> None:
    with XRay("p", sink=sink).run() as run, run.step("choose", "select") as step:
        best = step.take(step.rank(PRODUCTS, "price"), 1)
    assert ids_of(best) == ["stand"]
    assert sink.summary("choose").selected == ["stand"]
    assert sink.summary("choose").reasons == {"below_cut": 3}


def test_a_duplicate_names_the_one_that_stays(step: Step, sink: MemorySink) -> None:
    kept = step.dedupe(PRODUCTS, ["brand", "stock"])
    found = finish(step, sink)
    assert ids_of(kept) == ["stand", "cable", "cover"]
    assert (found["case"].reason, found["case"].merged_into) == ("duplicate", "stand")


def test_the_same_candidate_twice_is_decided_again_and_no_duplicate_of_itself(
    step: Step, sink: MemorySink
) -> None:
    assert step.dedupe(["a", "b", "a"]) == ["a", "b"]
    step.close()
    counts = sink.summary("work").counts
    assert (counts.accepted, counts.rejected, counts.redecided) == (2, 0, 1)


def test_losers_are_merged_into_one_or_into_one_each(step: Step, sink: MemorySink) -> None:
    step.merged(["b", "c"], into="a")
    step.merged(np.array([4, 5]), into=[1, 2])
    merged = {name: one.merged_into for name, one in finish(step, sink).items()}
    assert merged == {"b": "a", "c": "a", "4": "1", "5": "2"}


def test_what_was_ranked_elsewhere_is_recorded_in_its_order(step: Step, sink: MemorySink) -> None:
    step.ranked(["b", "a", "c"], scores=[0.9, 0.5, 0.1], top=2)
    found = finish(step, sink)
    assert [(name, one.rank, one.score, one.reason) for name, one in found.items()] == [
        ("b", 1, 0.9, None), ("a", 2, 0.5, None), ("c", 3, 0.1, "below_cut"),
    ]  # fmt: skip


def test_more_reasons_than_are_told_apart_count_as_other(step: Step, sink: MemorySink) -> None:
    ids = [f"c{number}" for number in range(400)]
    step.reject_many(ids, [f"r{number}" for number in range(400)])
    step.close()
    reasons = sink.summary("work").reasons
    assert sum(reasons.values()) == 400
    assert reasons["r0"] == 1
    assert reasons["other"] == 400 - (len(reasons) - 1)


def test_only_named_attributes_are_kept_where_some_are_named(step: Step, sink: MemorySink) -> None:
    step.filter(PRODUCTS, [("out", "stock")], attrs=["brand"])
    assert finish(step, sink)["case"].attributes == {"brand": "acme"}


def test_an_object_is_kept_by_the_fields_that_decided(step: Step, sink: MemorySink) -> None:
    class Product:
        def __init__(self, sku: str, price: float) -> None:
            self.sku, self.price, self.secret = sku, price, "x"

    kept = step.filter([Product("a", 1), Product("b", 9)], [("dear", "price", "<", 5)], key="sku")
    assert [product.sku for product in kept] == ["a"]
    found = finish(step, sink)
    assert found["b"].attributes == {"price": 9}


def test_hidden_fields_are_hidden_in_attributes_and_evidence(sink: MemorySink) -> None:
    people = [{"id": "a", "password": 3}, {"id": "b", "password": 900}]
    with XRay("p", sink=sink).run() as run, run.step("work", "filter") as step:
        step.filter(people, [("long", "password", "<", 5)])
    first, second = sink.decisions("work")
    assert second.reason == "long"
    for one in (first, second):
        assert one.attributes is not None
        kept = [one.attributes["password"], one.checks[0].observed, one.checks[0].limit]
        assert not {3, 5, 900} & {value for value in kept if type(value) is int}


def test_a_hook_is_asked_about_each_kept_item(sink: MemorySink) -> None:
    def hide(key: str, value: object) -> object:
        return REDACTED if key == "brand" else value

    with XRay("p", sink=sink, redact=hide).run() as run, run.step("work", "filter") as step:
        step.filter(PRODUCTS, [("out", "stock")])
    assert all("acme" not in repr(one) for one in sink.decisions("work"))


@pytest.fixture
def crowded() -> Iterator[None]:
    """Threads take turns as often as they can."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


@pytest.mark.usefixtures("crowded")
@pytest.mark.parametrize("width", [50, 100, 500])
def test_threads_that_decide_at_once_lose_and_count_twice_nothing(
    sink: MemorySink, width: int
) -> None:
    starts = range(0, 5_000, width)

    def work(number: int) -> None:
        ids = np.arange(5_000) + number * 5_000
        for start in starts:
            step.decide(
                ids[start : start + width], ids[start : start + width] % 2 == 0, reason="odd"
            )
            step.reject(f"single-{number}-{start}", "odd")

    with XRay("p", sink=sink).run() as run, run.step("work", "filter") as step:
        threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    singles = 4 * len(starts)
    counts = sink.summary("work").counts
    assert (counts.accepted, counts.rejected, counts.redecided) == (10_000, 10_000 + singles, 0)
    named = [one for group in sink.roster("work") for one in group.ids]
    census = [row.candidate_id for row in sink.step("work").rows]
    assert len({*named, *census}) == len(named) + len(census) == 20_000 + singles


ALONE = """
import sys
import {library} as library
from xray import XRay
from xray.testing import MemorySink

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name in ("numpy", "pandas", "polars", "pyarrow"):
            raise ModuleNotFoundError(name)

sys.meta_path.insert(0, Absent())
sink = MemorySink()
rows = [{{"id": f"p{{number}}", "price": number}} for number in range(2_000)]
with XRay("p", sink=sink).run() as run, run.step("work", "filter") as step:
    kept = step.filter({frame}, [("dear", "price", "<=", 100), ("odd", {mask})])
assert sink.summary("work").reasons == {{"dear": 1_899, "odd": 50}}, sink.summary("work").reasons
assert len(kept) == 51
"""


@pytest.mark.parametrize(
    ("library", "frame", "mask"),
    [
        ("json", "rows", "[row['price'] % 2 == 0 for row in rows]"),
        ("polars", "library.DataFrame(rows)", "library.col('price') % 2 == 0"),
        (
            "pyarrow",
            "library.Table.from_pylist(rows)",
            "library.array([row['price'] % 2 == 0 for row in rows])",
        ),
    ],
)
def test_a_library_works_alone_and_no_other_is_imported(
    library: str, frame: str, mask: str
) -> None:
    pytest.importorskip(library)
    program = ALONE.format(library=library, frame=frame, mask=mask)
    done = subprocess.run(
        [sys.executable, "-c", program],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
