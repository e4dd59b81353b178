"""A shop whose runs are recorded by real capture, with something planted that separates them."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from xray import XRay
from xray.model.facts import Fact
from xray.store.memory import MemoryStore
from xray.testing import MemorySink

CATEGORIES = ("Lamps", "Desks", "Chairs")
KEYWORDS = ("stand", "desk", "riser")
Row = dict[str, Any]


def draw_rows(dice: random.Random, count: int) -> list[Row]:
    """Products whose fields have nothing to do with one another, but for the brand of lamps."""
    rows: list[Row] = []
    for _ in range(count):
        category = dice.choice(CATEGORIES)
        row: Row = {
            "id": f"p{dice.getrandbits(40)}",
            "category": category,
            "brand": "Lux" if category == "Lamps" and dice.random() < 0.8 else dice.choice("XYZ"),
            "price": round(dice.uniform(10, 200), 2),
            "rating": dice.choice((3.0, 3.5, 4.0, 4.5)),
            "title": f"a thing numbered {dice.getrandbits(40)}",
            "keyword": dice.choice(KEYWORDS),
        }
        if dice.random() < 0.8:
            row["colour"] = dice.choice(("red", "green"))
        rows.append(row)
    return rows


@dataclass
class Shop:
    """Records runs and keeps what they sent.

    Args:
        seed: of what is drawn.
        capture: the level runs are recorded at.
    """

    seed: int = 1
    capture: str = "full"
    sink: MemorySink = field(default_factory=MemorySink)

    def __post_init__(self) -> None:
        self.dice = random.Random(self.seed)

    def run(
        self,
        reject: Callable[[Row], str | None],
        rows: Sequence[Row] | None = None,
        *,
        attributes_at: str = "search",
        checks_price: bool = False,
        **told: Any,
    ) -> str:
        """Record one run.

        Args:
            reject: why a row is rejected, or None.
            rows: what the search finds; 90 drawn ones when absent.
            attributes_at: the step that records the fields of rows.
            checks_price: whether the filter records a check of the price against 100 too.
            told: what the run is told.
        """
        rows = draw_rows(self.dice, 90) if rows is None else rows
        told.setdefault("input", {"query": "stand"})
        with XRay("shop", sink=self.sink, capture=self.capture).run(**told) as run:
            with run.step("keywords", step_type="generate") as step:
                for keyword in KEYWORDS:
                    step.accept(keyword)
            with run.step("search", step_type="retrieve") as step:
                for row in rows:
                    fields = fields_of(row) if attributes_at == "search" else None
                    step.accept(row["id"], attributes=fields, origin=row["keyword"])
            with run.step("filter", step_type="filter") as step:
                for row in rows:
                    fields = fields_of(row) if attributes_at == "filter" else None
                    reason = reject(row)
                    if (
                        reason is None
                        and checks_price
                        and not step.check(
                            row["id"],
                            "price_too_high",
                            observed=row["price"],
                            op="<=",
                            limit=100,
                            field="price",
                        )
                    ):
                        step.reject(row["id"], attributes=fields)
                    elif reason is None:
                        step.accept(row["id"], attributes=fields)
                    else:
                        step.reject(row["id"], reason, attributes=fields)
        return run.run_id

    def store(self) -> MemoryStore:
        """A store with everything that was recorded."""
        store = MemoryStore()
        facts: list[Fact] = list(self.sink.facts)
        store.submit("01890000-0000-7000-8000-000000000000", facts).result()
        return store


def fields_of(row: Row) -> Row:
    """What is recorded of a row besides its id and its keyword."""
    return {name: value for name, value in row.items() if name not in ("id", "keyword")}
