"""What a step recorded at `sample` is compared with the same step at `full`, on every engine."""

from __future__ import annotations

import random

from xray import XRay
from xray.model.missing import Candidates, find_missing
from xray.model.roster import decisions_about
from xray.model.vocabulary import CaptureLevel, Verdict
from xray.store.protocol import Store
from xray.testing import MemorySink

_CANDIDATES = 4_000
_LOST = 37

Told = tuple[Verdict | None, str | None, list[str]]


def record(store: Store, level: CaptureLevel) -> tuple[str, str]:
    """Two filters, of which the second forgets some of what the first let through.

    Returns:
        the ids of their steps.
    """
    sink = MemorySink()
    dice = random.Random(11)
    kept: list[str] = []
    with XRay("p", sink=sink, capture=level).run() as run:
        with run.step("price", "filter") as price:
            for number in range(_CANDIDATES):
                name, origin = f"c{number}", ("stand", "holder", "riser")[number % 3]
                if dice.random() < 0.2:
                    price.reject(name, "price_too_high", origin=origin)
                else:
                    price.accept(name, origin=origin)
                    kept.append(name)
        forgotten = set(dice.sample(kept, _LOST))
        with run.step("stock", "filter") as stock:
            for name in kept:
                if name in forgotten:
                    continue
                if dice.random() < 0.5:
                    stock.reject(name, "out_of_stock")
                else:
                    stock.accept(name)
    store.submit("batch", sink.facts).result()
    return price.step_id, stock.step_id


def tell(store: Store, step_id: str, candidate_id: str) -> list[Told]:
    """What *store* knows about one candidate at one step, with detail or without."""
    table, roster = store.decisions_of_step(step_id), store.roster_of_step(step_id)
    return [
        (one.decision, one.reason, sorted(origin.candidate_id for origin in one.origin))
        for one in decisions_about(candidate_id, table, roster)
        if one.candidate_id == candidate_id
    ]


def test_every_candidate_is_told_as_a_full_capture_tells_it(store: Store) -> None:
    sampled, full = record(store, "sample"), record(store, "full")
    for sampled_id, full_id in zip(sampled, full, strict=True):
        step, whole = store.step(sampled_id), store.step(full_id)
        assert step is not None
        assert whole is not None
        assert (step.coverage, whole.coverage) == ("named", "all")
        assert step.counts == whole.counts
        known = {row.candidate_id: row for row in store.decisions_of_step(full_id)}
        table, roster = store.decisions_of_step(sampled_id), store.roster_of_step(sampled_id)
        detailed = {row.candidate_id: row for row in table}
        assert roster is not None
        for number in range(_CANDIDATES):
            name = f"c{number}"
            found = [detailed[name]] if name in detailed else roster.find(name)
            expected = [known[name]] if name in known else []
            assert [(one.decision, one.reason, one.origin, one.by) for one in found] == [
                (one.decision, one.reason, one.origin, one.by) for one in expected
            ]
    for number in range(0, _CANDIDATES, 501):
        name = f"c{number}"
        assert tell(store, sampled[0], name) == tell(store, full[0], name)


def candidates_of(store: Store, step_id: str, *wanted: Verdict) -> Candidates:
    """The candidates a step decided so."""
    rows = store.decisions_of_step(step_id)
    roster = store.roster_of_step(step_id)
    assert roster is not None
    return Candidates(
        [row.candidate_id for row in rows if row.decision in wanted],
        [roster.only(lambda fate: fate.decision in wanted)],
    )


def test_candidates_lost_between_two_sampled_steps_are_counted(store: Store) -> None:
    price, stock = record(store, "sample")
    offered = candidates_of(store, price, "accepted")
    decided = candidates_of(store, stock, "accepted", "rejected")
    missing = find_missing(offered, decided)
    assert missing.count == _LOST
    assert missing.shared == missing.compared - _LOST
    assert 0 < len(missing.ids) < _LOST
    assert missing.overlooked < 1e-4
    assert find_missing(decided, offered).count == 0
