"""What is said of rules is what plain lists of the same candidates say, or bounds of it."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from random import Random
from typing import Literal

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tests.unit.planted_rules import (
    COUNTRY,
    HEAVY,
    PRICE,
    RATING,
    STOCK,
    Item,
    Rules,
    by_name,
    make_items,
    record_filters,
    report_on,
    store_of,
)
from xray.model.operators import COMPARE
from xray.model.rules import Extent
from xray.model.vocabulary import parse_operator
from xray.store.memory import MemoryStore
from xray.store.protocol import Store
from xray.store.scanning import ScanBudget
from xray.store.sqlite.engine import SqliteStore
from xray.testing import MemorySink

Outcome = Literal["met", "failed", "missing"]
RULES: Rules = (PRICE, RATING, STOCK, HEAVY, COUNTRY)
NAMES = [name for name, *_ in RULES]


class Truth:
    """What rules do to items, by plain loops over them."""

    def __init__(self, batches: list[list[Item]], rules: Rules) -> None:
        self.rules = rules
        self.decided = sum(map(len, batches))
        self.rows = [self._judge(item) for items in batches for item in items]
        self.kills = Counter(next(iter(bad)) for bad in map(self._not_met, self.rows) if bad)
        self.margins = {
            name: [
                item[field] - limit
                for items in batches
                for item in items
                if item[field] is not None
            ]
            for name, field, op, limit in rules
            if op in ("<", "<=", ">", ">=")
        }

    def _judge(self, item: Item) -> dict[str, Outcome]:
        found: dict[str, Outcome] = {}
        for name, field, op, limit in self.rules:
            value, operator = item[field], parse_operator(op)
            assert operator is not None
            if value is None:
                found[name] = "missing"
            else:
                found[name] = "met" if COMPARE[operator](value, limit) else "failed"
        return found

    def _not_met(self, row: dict[str, Outcome]) -> dict[str, None]:
        """Reasons against a candidate in the order of the rules."""
        fields = {name: field for name, field, *_ in self.rules}
        return {
            name if outcome == "failed" else f"missing:{fields[name]}": None
            for name, outcome in row.items()
            if outcome != "met"
        }

    def count(self, name: str, outcome: Outcome) -> int:
        return sum(row[name] == outcome for row in self.rows)

    def count_sole(self, name: str) -> int:
        return sum(list(self._not_met(row)) == [name] for row in self.rows)

    def count_both(self, name: str, other: str) -> int:
        return sum(row[name] == row[other] == "failed" for row in self.rows)

    def count_only(self, name: str, other: str) -> int:
        return sum(row[name] == "failed" and row[other] == "met" for row in self.rows)

    def count_near(self, name: str, width: float, outcome: Outcome) -> int:
        rows = [row[name] for row in self.rows if row[name] != "missing"]
        pairs = zip(self.margins[name], rows, strict=True)
        return sum(abs(margin) <= width and found == outcome for margin, found in pairs)


def holds(found: Extent, truth: int) -> bool:
    return found.least <= truth <= found.most


def drop_values(random: Random, items: list[Item], share: float) -> list[Item]:
    for item in items:
        for field in ("price", "rating", "country"):
            if random.random() < share:
                item[field] = None
    return items


@settings(deadline=None, max_examples=40)
@given(
    seed=st.integers(0, 10_000),
    sizes=st.lists(st.integers(0, 40), min_size=1, max_size=5),
    chosen=st.lists(st.sampled_from(range(len(RULES))), unique=True, min_size=1),
    missing=st.sampled_from([0, 0.1]),
)
def test_fully_captured_runs_say_exactly_what_lists_say(
    seed: int, sizes: list[int], chosen: list[int], missing: float
) -> None:
    rules = [RULES[place] for place in chosen]
    random = Random(seed)
    batches = [drop_values(random, make_items(random, size), missing) for size in sizes]
    # A run in which everybody lacks an operand leaves nothing that tells of the rule.
    fields = ("price", "rating", "country")
    assume(
        all(
            any(item[one] is not None for item in items)
            for items in batches
            if items
            for one in fields
        )
    )
    sink = MemorySink()
    record_filters(sink, batches, lambda _: rules)
    report, truth = report_on(store_of(sink)), Truth(batches, rules)
    found = by_name(report)
    assert report.runs == len(batches)
    for name, *_ in rules:
        if not truth.count(name, "failed") and name not in found:
            # A rule whose operand everybody lacks leaves no more than that they lack it.
            assert not truth.count(name, "met")
            continue
        rule = found[name]
        assert (rule.decided, rule.kills) == (truth.decided, truth.kills[name])
        failed, met = truth.count(name, "failed"), truth.count(name, "met")
        assert (rule.failed.least, rule.failed.most) == (failed, failed)
        if met:
            assert rule.evaluated is not None
            assert (rule.evaluated.least, rule.evaluated.most) == (failed + met, failed + met)
        assert holds(rule.sole_kills, truth.count_sole(name))
        if any(set(row.values()) == {"met"} for row in truth.rows):
            # Where nobody is kept, nothing shows which rules there are.
            assert rule.missing.least == rule.missing.most == truth.count(name, "missing")
        assert (rule.never_failed is None) == bool(failed or not met or rule.missing.least)
        if rule.near is not None:
            for side, outcome in ((rule.near.kept, "met"), (rule.near.killed, "failed")):
                assert holds(side, truth.count_near(name, rule.near.width, outcome))  # type: ignore[arg-type]
        for one in rule.redundancies:
            both = truth.count_both(name, one.rule)
            only = truth.count_only(name, one.rule)
            assert (one.both.least, one.both.most) == (both, both)
            assert (one.only.least, one.only.most) == (only, only)
            assert one.only_at_most >= only / (both + only)


@pytest.mark.parametrize("engine", ["memory", "sqlite"])
def test_sole_kills_and_redundancy_are_exact_where_every_rule_was_evaluated(
    engine: str, tmp_path: Path
) -> None:
    random = Random(3)
    batches = [make_items(random, 60) for _ in range(30)]
    sink = MemorySink()
    record_filters(sink, batches, lambda _: RULES)
    store: Store = MemoryStore() if engine == "memory" else SqliteStore(tmp_path / "runs.db")
    report, truth = report_on(store_of(sink, store)), Truth(batches, RULES)
    for name, rule in by_name(report).items():
        assert rule.sole_kills.basis == "exact"
        assert rule.sole_kills.least == rule.sole_kills.most == truth.count_sole(name)
        contained = {
            other
            for other in NAMES
            if other != name and not truth.count_only(name, other) and truth.count_both(name, other)
        }
        assert {one.rule for one in rule.redundancies} == contained
    assert {one.rule for one in by_name(report)["too_heavy"].redundancies} == {"out_of_stock"}
    assert (report.certainty, report.because) == ("known", "")
    store.close()


def test_where_the_first_rule_that_fails_ends_it_sole_kills_are_at_most() -> None:
    random = Random(5)
    batches = [make_items(random, 50) for _ in range(10)]
    sink = MemorySink()
    record_filters(sink, batches, lambda _: RULES, evaluate="first")
    report, truth = report_on(store_of(sink)), Truth(batches, RULES)
    found = by_name(report)
    for name in NAMES:
        rule = found[name]
        assert rule.kills == truth.kills[name] == rule.sole_kills.most
        assert holds(rule.sole_kills, truth.count_sole(name))
        assert rule.redundancies == []
    assert found["too_dear"].sole_kills.least == 0
    assert found["wrong_country"].sole_kills.least == truth.kills["wrong_country"]
    asked = found["wrong_country"].evaluated
    assert asked is not None
    assert asked.least == truth.decided - sum(truth.kills[name] for name in NAMES[:-1])


def test_of_sampled_runs_the_truth_lies_within_the_bounds() -> None:
    asked = outside = 0
    for seed in range(3):
        random = Random(seed)
        batches = [
            drop_values(random, make_items(random, size), 0.03) for size in (2_600, 30, 1_800)
        ]
        sink = MemorySink()
        record_filters(sink, batches, lambda _: RULES, capture="sample")
        report, truth = report_on(store_of(sink)), Truth(batches, RULES)
        assert report.sampled_runs == 2
        assert report.certainty == "inferred"
        for name, rule in by_name(report).items():
            assert rule.kills == truth.kills[name]
            assert rule.evaluated is not None
            failed = truth.count(name, "failed")
            extents = [
                (rule.evaluated, failed + truth.count(name, "met")),
                (rule.failed, failed),
                (rule.sole_kills, truth.count_sole(name)),
                (rule.missing, truth.count(name, "missing")),
            ]
            if name != "wrong_country":
                # Numbers are sketched over all candidates, drawn or not.
                assert rule.evaluated.is_exact
                assert rule.failed.is_exact
            if rule.near is not None:
                width = rule.near.width
                extents.append((rule.near.kept, truth.count_near(name, width, "met")))
                extents.append((rule.near.killed, truth.count_near(name, width, "failed")))
            asked += len(extents)
            outside += sum(not holds(extent, number) for extent, number in extents)
    assert asked > 60
    assert outside <= 1


def test_of_sampled_runs_that_stop_at_the_first_failure_the_truth_lies_within_the_bounds() -> None:
    outside = 0
    for seed in range(2):
        random = Random(seed)
        batches = [
            drop_values(random, make_items(random, size), 0.02) for size in (2_200, 50, 1_500)
        ]
        sink = MemorySink()
        record_filters(sink, batches, lambda _: RULES, capture="sample", evaluate="first")
        report, truth = report_on(store_of(sink)), Truth(batches, RULES)
        for name, rule in by_name(report).items():
            earlier = NAMES[: NAMES.index(name)]
            asked = sum(
                row[name] != "missing" and all(row[one] == "met" for one in earlier)
                for row in truth.rows
            )
            assert rule.kills == truth.kills[name]
            assert rule.evaluated is not None
            outside += not holds(rule.evaluated, asked)
            outside += not holds(rule.failed, truth.kills[name])
            outside += not holds(rule.sole_kills, truth.count_sole(name))
            assert rule.redundancies == []
    assert outside <= 1


@pytest.mark.parametrize("engine", ["memory", "sqlite"])
def test_a_search_that_stops_and_goes_on_finds_the_same(engine: str, tmp_path: Path) -> None:
    random = Random(9)
    sink = MemorySink()
    record_filters(
        sink,
        [make_items(random, 30) for _ in range(25)],
        lambda _: RULES,
        version=lambda number: "1.0" if number < 12 else "1.1",
    )
    whole = report_on(store_of(sink))
    budget = ScanBudget(opened_rows=4)
    store: Store = (
        MemoryStore(budget=budget)
        if engine == "memory"
        else SqliteStore(tmp_path / "runs.db", budget=budget)
    )
    parted = report_on(store_of(sink, store))
    store.close()
    assert parted.rules == whole.rules
    assert (parted.answer, parted.runs) == (whole.answer, whole.runs)
