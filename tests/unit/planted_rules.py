"""Filters with rules recorded as a pipeline records them, and the report on those rules."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from random import Random
from typing import Any

from xray import XRay, reading
from xray.model.ids import new_uuid7
from xray.model.rules import RuleHealth, RuleReport
from xray.model.vocabulary import CaptureLevel
from xray.store.memory import MemoryStore
from xray.store.protocol import Store
from xray.testing import MemorySink

Item = dict[str, Any]
Rules = Sequence[tuple[str, str, str, Any]]

PRICE: tuple[str, str, str, Any] = ("too_dear", "price", "<=", 100)
RATING: tuple[str, str, str, Any] = ("bad_rating", "rating", ">=", 2)
STOCK: tuple[str, str, str, Any] = ("out_of_stock", "stock", "==", 1)
HEAVY: tuple[str, str, str, Any] = ("too_heavy", "weight", "<", 30)
COUNTRY: tuple[str, str, str, Any] = ("wrong_country", "country", "in", ["DE", "AT"])

NOW_US = 4_000_000_000_000_000


def make_items(random: Random, count: int) -> list[Item]:
    """Products of which every rule drops some; the heavy ones are all out of stock."""
    items = []
    for place in range(count):
        is_there = random.random() < 0.8
        items.append(
            {
                "id": f"p{place}",
                "price": random.uniform(10, 140),
                "rating": round(random.uniform(1, 5), 2),
                "stock": int(is_there),
                "weight": random.uniform(1, 25) if is_there else random.uniform(20, 60),
                "country": random.choice(["DE", "DE", "AT", "FR"]),
            }
        )
    return items


def record_filters(
    sink: MemorySink,
    batches: Iterable[list[Item]],
    rules: Callable[[int], Rules],
    *,
    version: Callable[[int], str | None] = lambda _: None,
    capture: CaptureLevel = "full",
    pipeline: str = "shop",
    evaluate: Any = "all",
) -> None:
    """One run for each batch, with a step `filter_products`.

    Args:
        rules: the rules of the run of a number.
        version: its version.
    """
    for number, items in enumerate(batches):
        x = XRay(pipeline, sink=sink, capture=capture, version=version(number))
        with x.run() as run, run.step("filter_products", step_type="filter") as step:
            step.filter(items, list(rules(number)), evaluate=evaluate)


def store_of(sink: MemorySink, store: Store | None = None) -> Store:
    """A store of what *sink* has."""
    filled = store or MemoryStore()
    assert not filled.submit(new_uuid7(), sink.facts).result().rejected
    return filled


def report_on(store: Store, *asked: tuple[str, str]) -> RuleReport:
    """The whole report on the rules of the runs that are asked for."""
    report = reading.survey_rules(store, asked, NOW_US)
    while report.next_cursor is not None:
        report = reading.survey_rules(store, [*asked, ("cursor", report.next_cursor)], NOW_US)
    return report


def by_name(report: RuleReport) -> dict[str, RuleHealth]:
    """Its rules by their names."""
    return {rule.rule: rule for rule in report.rules}


def concerns_of(report: RuleReport) -> dict[str, list[str]]:
    """What deserves attention, by rule."""
    return {
        rule.rule: [concern.kind for concern in rule.concerns]
        for rule in report.rules
        if rule.concerns
    }
