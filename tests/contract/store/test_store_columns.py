"""A column of a step's decisions says what its rows say, on every engine."""

from __future__ import annotations

import pytest

from tests.contract.store.worlds import NOW_US, RUN_IDS, STEP_IDS
from xray.model.decisions import Outline, outline_decisions
from xray.model.facts import (
    ACCEPTED,
    EVIDENCE,
    REJECTED,
    SELECTED,
    Check,
    DecisionRow,
    OriginRef,
    Reservoir,
    StepFinished,
    StepRows,
)
from xray.model.records import Decision
from xray.model.values import pack_value
from xray.store.protocol import Store

RUN, STEP = RUN_IDS[0], STEP_IDS[0]
PRICE = Check("too_dear", "price", "<=", 150, 100, False)
STAND = OriginRef("stand", None, 1)

PLAIN = [DecisionRow(ACCEPTED, f"plain-{number}") for number in range(700)]
"""More than one block, with no value in any column that may be empty."""

VARIED = [
    DecisionRow(REJECTED, "named", "too_dear", score=0.5, rank=3, origin=[STAND]),
    DecisionRow(REJECTED, "by-check", checks=[PRICE], by="q1"),
    DecisionRow(REJECTED, "by-text", reasoning="costs 150, above 100", part_of="whole"),
    DecisionRow(REJECTED, "for nothing", ""),
    DecisionRow(SELECTED, "chosen", score={"relevance": 1.0, "total": 2.0}, rank=1),
    DecisionRow(EVIDENCE, "only checked", checks=[PRICE, PRICE]),
    DecisionRow(ACCEPTED, "anon-7", "kept anyway", is_anonymous=True, attributes=pack_value({})),
    DecisionRow(ACCEPTED, "brought twice", origin=[STAND, OriginRef("desk")]),
]
REPEATED = [*VARIED, DecisionRow(ACCEPTED, "named", rank=9, origin=[OriginRef("desk")])]
SAMPLED = [Reservoir(REJECTED, "sampled", 40, [DecisionRow(REJECTED, "drawn", "sampled", rank=2)])]
LOGGED = [DecisionRow(REJECTED, "shown", reasoning="too far", score=0.1)]


@pytest.mark.parametrize(
    "rows",
    [[], PLAIN, VARIED, REPEATED, [*PLAIN, *VARIED]],
    ids=["none", "plain", "varied", "repeated", "both"],
)
@pytest.mark.parametrize("has_extras", [False, True], ids=["census", "extras"])
def test_a_column_says_what_the_rows_say(
    store: Store, rows: list[DecisionRow], has_extras: bool
) -> None:
    fact = StepFinished(
        run_id=RUN,
        step_id=STEP,
        pipeline="search",
        name="filter",
        step_type="filter",
        ordinal=0,
        started_at_us=NOW_US,
        rows=rows[:5],
        chunks=1,
        reservoirs=SAMPLED if has_extras else [],
        logged=LOGGED if has_extras else [],
    )
    rest = StepRows(run_id=RUN, step_id=STEP, chunk=1, rows=rows[5:])
    receipt = store.submit("batch", [fact, rest]).result(60)
    assert not receipt.rejected
    table = store.decisions_of_step(STEP)
    opened = [table.row(index) for index in range(len(table))]
    assert len(opened) == len({(row.by, row.candidate_id) for row in opened})
    assert list(table.candidate_ids) == [row.candidate_id for row in opened]
    assert list(table.verdicts) == [row.decision for row in opened]
    assert list(table.reasons) == [row.reason for row in opened]
    assert list(table.scores) == [row.score for row in opened]
    assert list(table.ranks) == [row.rank for row in opened]
    assert list(table.partitions) == [row.by for row in opened]
    assert list(table.wholes) == [row.part_of for row in opened]
    assert list(table.anonymous) == [row.is_anonymous for row in opened]
    assert list(table.logged) == [row.is_logged for row in opened]
    assert list(table.weights) == [row.weight for row in opened]
    assert list(table.origins) == [_list_origins(row) for row in opened]
    assert [list(map(_gist, found)) for found in table.checks] == [
        list(map(_gist, row.checks)) for row in opened
    ]
    assert [_spell(one) for one in outline_decisions(table)] == [
        (row.candidate_id, row.decision, row.reason, row.score, row.rank, row.by, row.weight,
         row.is_logged)
        for row in opened
    ]  # fmt: skip


def _list_origins(row: Decision) -> tuple[str, ...]:
    return tuple(origin.candidate_id for origin in row.origin)


def _gist(check: object) -> tuple[object, ...]:
    return tuple(getattr(check, name) for name in ("name", "op", "observed", "limit", "passed"))


def _spell(one: Outline) -> tuple[object, ...]:
    return (
        one.candidate_id, one.verdict, one.reason, one.score, one.rank, one.by, one.weight,
        one.is_logged,
    )  # fmt: skip
