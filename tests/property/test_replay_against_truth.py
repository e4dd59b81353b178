"""A replay against the truth: the same code gives no difference, changed rules what they change."""

from __future__ import annotations

import operator
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from msgspec import Struct

import xray
from tests.unit.replay_desk import StoreClient, moved, record, replay
from xray import xray_step
from xray.model.vocabulary import CaptureLevel

FIELDS = ("price", "rating", "stock")
OPS = {"<=": operator.le, ">=": operator.ge, "<": operator.lt, "==": operator.eq}

Rule = tuple[str, str, int]
"""A field, a comparison and a limit."""


class Item(Struct, frozen=True):
    id: str
    price: int | None
    rating: int | None
    stock: int | None


values = st.none() | st.integers(0, 12)
items = st.lists(st.tuples(values, values, values), max_size=40).map(
    lambda rows: [Item(f"i{number}", *row) for number, row in enumerate(rows)]
)
rules = st.lists(
    st.tuples(st.sampled_from(FIELDS), st.sampled_from(sorted(OPS)), st.integers(0, 12)),
    min_size=1,
    max_size=4,
)


def reason_for(item: Item, rules: list[Rule]) -> str | None:
    """Why plain Python drops *item*: the first rule it fails; None keeps it."""
    for number, (field, op, limit) in enumerate(rules):
        observed = getattr(item, field)
        if observed is None:
            return f"missing:{field}"
        if not OPS[op](observed, limit):
            return f"rule{number}"
    return None


def record_filter(
    found: list[Item], rules: list[Rule], level: CaptureLevel
) -> tuple[StoreClient, Any]:
    """A filter by *rules* that has run once on *found*, and its function, which reads them anew."""

    @xray_step("filter", "filter", capture=level)
    def keep(found: list[Item]) -> list[Item]:
        stated = [
            xray.rule(f"rule{number}", field, op, limit)
            for number, (field, op, limit) in enumerate(rules)
        ]
        return xray.current_step().filter(found, stated)

    return record(lambda: keep(found)), keep


@given(items, rules, st.sampled_from(["minimal", "sample", "full"]))
def test_the_same_rules_give_no_difference(
    found: list[Item], rules: list[Rule], level: CaptureLevel
) -> None:
    client, keep = record_filter(found, rules, level)
    replayed = replay(client, "filter", keep, times=2)
    assert replayed.is_same
    assert replayed.unsettled == []
    assert (replayed.steps[0].moves, replayed.steps[0].changes) == ([], [])
    assert "decides as it did" in replayed.answer


@given(items, rules, st.data(), st.sampled_from(["sample", "full"]))
def test_another_limit_gives_exactly_what_it_changes(
    found: list[Item], rules: list[Rule], data: st.DataObject, level: CaptureLevel
) -> None:
    client, keep = record_filter(found, rules, level)
    before = {item.id: reason_for(item, rules) for item in found}
    place = data.draw(st.integers(0, len(rules) - 1))
    field, op, _ = rules[place]
    rules[place] = (field, op, data.draw(st.integers(0, 12)))
    after = {item.id: reason_for(item, rules) for item in found}
    replayed = replay(client, "filter", keep)
    differing = {name for name in before if before[name] != after[name]}
    assert replayed.is_same is not bool(differing)
    assert moved(replayed, "newly_rejected") == {one for one in differing if before[one] is None}
    assert moved(replayed, "newly_kept") == {one for one in differing if after[one] is None}
    assert moved(replayed, "reason_changed") == {
        one for one in differing if before[one] is not None and after[one] is not None
    }
    assert {moves.kind for moves in replayed.steps[0].moves} <= {
        "newly_rejected",
        "newly_kept",
        "reason_changed",
    }
