"""What an item is said to have brought is what the pipeline did, with detail or by roster alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from random import Random

import pytest

from tests.property.crowded_runs import Plan, make_plan, record
from xray.forensics.evidence import load_evidence
from xray.forensics.lineage import trace_lineage
from xray.model.ids import new_uuid7
from xray.model.lineage import Generation
from xray.model.vocabulary import CaptureLevel
from xray.store.memory import MemoryStore
from xray.store.protocol import Store
from xray.store.sqlite.engine import SqliteStore

Fared = dict[str, tuple[int, int, int, dict[str, int]]]
"""For each step: rejected, accepted, selected and the reasons."""


@pytest.mark.parametrize("capture", ["sample", "full"])
@pytest.mark.parametrize("seed", range(6))
def test_what_a_keyword_brought_is_what_the_pipeline_did_with_it(
    seed: int, capture: CaptureLevel, tmp_path: Path
) -> None:
    plan = make_plan(seed, 3_000)
    run_id, facts = record(plan, capture)
    store: Store = MemoryStore() if seed % 2 else SqliteStore(tmp_path / "runs.db")
    store.submit(new_uuid7(), facts).result()
    evidence = load_evidence(store, run_id)
    for keyword in Random(seed).sample(plan.keywords, 3):
        lineage = trace_lineage(evidence, keyword)
        assert lineage.certainty == "known", lineage
        found = [[name for name, words in each if keyword in words] for each in plan.found]
        expected = [each for each in found if each]
        brought = {name for names in expected for name in names}
        assert set(lineage.answers) == brought.intersection(plan.chosen)
        assert len(lineage.brought) == len(expected)
        for generation, names in zip(lineage.brought, expected, strict=True):
            assert generation.count == len(names)
            assert set(generation.answers) == {one for one in plan.chosen if one in names}
            assert told(generation) == truth(plan, names), generation.text
    store.close()


def told(generation: Generation) -> Fared:
    return {
        one.name: (one.rejected, one.accepted, one.selected, one.reasons)
        for one in generation.fared
        if not one.name.startswith("search")
    }


def truth(plan: Plan, names: Iterable[str]) -> Fared:
    own = set(names)
    fates = {name: reason for name, reason in plan.fates.items() if name in own}
    dropped = Counter(reason for reason in fates.values() if reason is not None)
    kept = [name for name in plan.ranked[: plan.kept] if name in own]
    below = [name for name in plan.ranked[plan.kept :] if name in own]
    chosen = [name for name in plan.chosen if name in own]
    losers = [name for name in kept if name not in chosen] if plan.names_losers else []
    fared: Fared = {
        "rules": (dropped.total(), len(fates) - dropped.total(), 0, dict(dropped)),
        "relevance": (len(below), len(kept), 0, {"below_cut": len(below)} if below else {}),
        "pick": (len(losers), 0, len(chosen), {"not_selected": len(losers)} if losers else {}),
    }
    return {name: one for name, one in fared.items() if any(one[:3])}
