"""A verb about many candidates leaves the records that single verbs, written out, would leave."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from xray import Step, XRay, rule
from xray.capture import sampled
from xray.capture.ledger import encode_row
from xray.model.facts import DecisionRow, RosterGroup, StepFinished
from xray.testing import MemorySink

Item = dict[str, Any]
Work = Callable[[Step], Any]
Level = Literal["minimal", "sample", "full"]

levels = st.sampled_from(["minimal", "sample", "sample", "full"])
sizes = st.integers(1, 30)
names = st.sampled_from([*"abcdefghijklmnop", "é", "", None])
numbers = st.one_of(
    st.none(), st.integers(-3, 3), st.sampled_from([0.5, float("nan"), float("inf"), "text", True])
)
items = st.lists(
    st.fixed_dictionaries({"id": names, "price": numbers, "stock": st.booleans()}), max_size=70
)
plain_ids = st.lists(st.sampled_from([f"c{n}" for n in range(200)]), max_size=120)


def record(work: Work, level: str, census_rows: int, step_type: str = "filter") -> list[object]:
    """Everything a step recorded, but for what a clock or chance put in."""
    sink = MemorySink()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sampled, "CENSUS_ROWS", census_rows)
        client = XRay("p", sink=sink, capture=level)
        with client.run(key="same") as run, run.step("work", step_type) as step:
            work(step)
    return tell(sink.step("work"), sink)


def tell(step: StepFinished, sink: MemorySink) -> list[object]:
    reservoirs = [
        (one.verdict, one.reason, one.seen, [forget(row) for row in one.rows])
        for one in step.reservoirs
    ]
    rows = [forget(row) for row in step.rows]
    return [rows, reservoirs, step.tally, step.omissions, gather(sink.roster("work"))]


def gather(roster: list[RosterGroup]) -> dict[object, set[str]]:
    """A roster as the sets it stands for, however many groups name each."""
    found: dict[object, set[str]] = {}
    for group in roster:
        origins = [one.candidate_id for one in group.origin or ()]
        named = found.setdefault((group.verdict, group.reason, *origins, group.by), set())
        assert named.isdisjoint(group.ids)
        named.update(group.ids)
        assert len(set(group.ids)) == len(group.ids)
    return found


def forget(row: DecisionRow) -> bytes:
    # What single verbs have no word for. As bytes, because what is not a number equals nothing.
    return encode_row(replace(row, reason=row.reason or None, rank_before=None, merged_into=None))


def is_kept(step: Step, item: Item) -> bool:
    is_cheap = step.check(item, "dear", item["price"], "<=", 1, field="price")
    is_wanted = step.check(item, "low", item["price"], ">", -2, field="price")
    return is_cheap and is_wanted


@given(items, levels, sizes, st.booleans())
def test_filter_is_checking_and_deciding_each(
    given_items: list[Item], level: str, census_rows: int, has_predicate: bool
) -> None:
    results: list[list[Item]] = []

    def by_set(step: Step) -> None:
        rules: list[Any] = [rule("dear", "price", "<=", 1), ("low", "price", ">", -2)]
        if has_predicate:
            rules.append(("sold_out", lambda item: (item["stock"], "seen", 0.5)))
        results.append(step.filter(given_items, rules))

    def by_one(step: Step) -> None:
        kept = []
        for item in given_items:
            if not is_kept(step, item):
                step.reject(item, attributes=item)
            elif not has_predicate:
                step.accept(item, attributes=item)
            elif item["stock"]:
                step.accept(item, 0.5, item, "seen")
            else:
                step.reject(item, "sold_out", item, "seen", 0.5)
            if is_kept_alone(item, has_predicate):
                kept.append(item)
        results.append(kept)

    assert record(by_set, level, census_rows) == record(by_one, level, census_rows)
    assert [*map(id, results[0])] == [*map(id, results[1])]


def is_kept_alone(item: Item, has_predicate: bool) -> bool:
    price = item["price"]
    is_number = isinstance(price, (int, float))
    return is_number and -2 < price <= 1 and (item["stock"] or not has_predicate)


@given(plain_ids, st.lists(st.booleans(), min_size=120, max_size=120), levels, sizes)
@pytest.mark.parametrize("kind", ["list", "array"])
def test_decide_is_accepting_and_rejecting_each(
    kind: str, ids: list[str], mask: list[bool], level: str, census_rows: int
) -> None:
    mask = mask[: len(ids)]
    scores = [float(number) for number in range(len(ids))]

    def by_set(step: Step) -> None:
        if kind == "array":
            step.decide(np.array(ids), np.array(mask), reason="dear", scores=np.array(scores))
        else:
            step.decide(ids, mask, reason="dear", scores=scores)

    def by_one(step: Step) -> None:
        for candidate, is_good, score in zip(ids, mask, scores, strict=True):
            if is_good:
                step.accept(candidate, score)
            else:
                step.reject(candidate, "dear", score=score)

    assert record(by_set, level, census_rows) == record(by_one, level, census_rows)


@given(st.lists(st.integers(-5, 400), max_size=120), levels, sizes, st.data())
def test_decisions_mixed_with_single_ones_and_made_again_count_once(
    numbers: list[int], level: str, census_rows: int, data: st.DataObject
) -> None:
    mask = data.draw(st.lists(st.booleans(), min_size=len(numbers), max_size=len(numbers)))
    first = numbers[: len(numbers) // 2]
    single = st.sampled_from([*map(str, numbers), "else"])
    others = data.draw(st.lists(single, max_size=8))

    def decide(step: Step, chosen: list[int], reason: str) -> None:
        for number, is_good in zip(chosen, mask, strict=False):
            if is_good:
                step.accept(number)
            else:
                step.reject(number, reason)

    def by_set(step: Step) -> None:
        step.decide(np.array(numbers, "int64"), np.array(mask, bool), reason="dear")
        for other in others:
            step.reject(other, "dear")
        step.decide(first, mask[: len(first)], reason="far")

    def by_one(step: Step) -> None:
        decide(step, numbers, "dear")
        for other in others:
            step.reject(other, "dear")
        decide(step, first, "far")

    assert record(by_set, level, census_rows) == record(by_one, level, census_rows)


@given(items, levels, sizes, st.one_of(st.none(), st.integers(0, 9)), st.booleans())
def test_rank_is_sorting_and_cutting(
    given_items: list[Item], level: str, census_rows: int, top: int | None, is_apart: bool
) -> None:
    scored = [{**item, "score": place * 7 % 5} for place, item in enumerate(given_items)]
    results: list[list[Item]] = []

    def by_set(step: Step) -> None:
        by: Any = (lambda item: "in" if item["stock"] else "out") if is_apart else None
        results.append(step.rank(scored, "score", top=top, by=by))

    def by_one(step: Step) -> None:
        kept, passed = [], {"in": 0, "out": 0}
        for item in sorted(scored, key=lambda item: -item["score"]):
            group = "in" if item["stock"] or not is_apart else "out"
            passed[group] += 1
            rank, by = passed[group], group if is_apart else None
            if top is None or rank <= top:
                kept.append(item)
                step.accept(item, item["score"], item, rank=rank, by=by)
            else:
                step.reject(item, "below_cut", item, score=item["score"], rank=rank, by=by)
        results.append(kept)

    assert record(by_set, level, census_rows) == record(by_one, level, census_rows)
    assert [*map(id, results[0])] == [*map(id, results[1])]


@given(items, levels, sizes, st.integers(-1, 60))
def test_take_is_keeping_the_first(
    given_items: list[Item], level: str, census_rows: int, most: int
) -> None:
    def by_one(step: Step) -> None:
        for rank, item in enumerate(given_items, start=1):
            if rank <= most:
                step.select(item, attributes=item, rank=rank)
            else:
                step.reject(item, "below_cut", item, rank=rank)

    taken = record(lambda step: step.take(given_items, most), level, census_rows, "select")
    assert taken == record(by_one, level, census_rows, "select")


@given(items, levels, sizes)
def test_dedupe_is_rejecting_what_was_seen(
    given_items: list[Item], level: str, census_rows: int
) -> None:
    results: list[list[Item]] = []

    def by_set(step: Step) -> None:
        results.append(step.dedupe(given_items, "price"))

    def by_one(step: Step) -> None:
        kept: list[Item] = []
        first: dict[Any, Item] = {}
        for item in given_items:
            price = item["price"]
            is_value = price is not None and price == price
            if is_value and price in first and first[price] is not item:
                if first[price]["id"] == item["id"] and item["id"]:
                    step.accept(item, attributes=item)
                else:
                    step.reject(item, "duplicate", item)
                continue
            first.setdefault(price, item)
            kept.append(item)
            step.accept(item, attributes=item)
        results.append(kept)

    assert record(by_set, level, census_rows) == record(by_one, level, census_rows)
    assert [*map(id, results[0])] == [*map(id, results[1])]


@given(plain_ids, levels, sizes, st.sampled_from([None, "q1"]), st.sampled_from([None, "k", "l"]))
def test_many_of_one_kind_are_as_many_calls(
    ids: list[str], level: str, census_rows: int, by: str | None, origin: str | None
) -> None:
    def by_set(step: Step) -> None:
        step.accept_many(ids, origin=origin, by=by)
        step.reject_many(ids[::2], "dear", by=by)
        step.select_many(ids[::5], part_of="whole")

    def by_one(step: Step) -> None:
        for one in ids:
            step.accept(one, origin=origin, by=by)
        for one in ids[::2]:
            step.reject(one, "dear", by=by)
        for one in ids[::5]:
            step.select(one, part_of="whole")

    assert record(by_set, level, census_rows) == record(by_one, level, census_rows)


@given(plain_ids, levels, sizes, st.data())
def test_each_may_be_rejected_for_a_reason_of_its_own(
    ids: list[str], level: str, census_rows: int, data: st.DataObject
) -> None:
    why = st.sampled_from(["dear", "far", "", None])
    reasons = data.draw(st.lists(why, min_size=len(ids), max_size=len(ids)))

    def by_one(step: Step) -> None:
        for one, reason in zip(ids, reasons, strict=True):
            step.reject(one, reason)

    many = record(lambda step: step.reject_many(ids, reasons), level, census_rows)
    assert many == record(by_one, level, census_rows)


@given(plain_ids, sizes, st.integers(0, 90), st.data())
def test_checks_made_before_settle_with_the_decision(
    ids: list[str], census_rows: int, checked: int, data: st.DataObject
) -> None:
    level = data.draw(levels)

    def check(step: Step) -> None:
        for one in ids[:checked:2]:
            step.check(one, "rule", 3, "<=", 2)

    def by_set(step: Step) -> None:
        check(step)
        step.reject_many(ids)

    def by_one(step: Step) -> None:
        check(step)
        for one in ids:
            step.reject(one)

    assert record(by_set, level, census_rows) == record(by_one, level, census_rows)
