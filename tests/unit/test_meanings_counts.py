"""What counts, rates, identity, re-decision and row weights mean, as a table."""

from __future__ import annotations

import pytest

from tests.unit.meanings import Meaning, prove
from tests.unit.small_runs import accept, check, evidence_of, reject, row, select, step, step_named
from xray.model.counts import derive_reason
from xray.model.facts import ACCEPTED, EVIDENCE, REJECTED, Check, Reservoir, Tally

FIVE = accept("a", "b", "c", "d", "e")

MEANINGS = [
    Meaning(
        "a rate is counted from the verdicts",
        (step("f", "filter", accept("a"), reject("b", "c", "d", reason="price")),),
        counts={"f": (3, 1, 0)},
        shown={"f": (4, 1)},
        rates={"f": (0.75, "counted")},
    ),
    Meaning(
        "the last verdict wins and the replaced one is counted",
        (step("f", "filter", accept("a", "b"), reject("a", reason="late")),),
        counts={"f": (1, 1, 0)},
        rates={"f": (0.5, "counted")},
        outcomes={"a": "rejected", "b": "survived"},
        findings={("redecided", "f")},
    ),
    Meaning(
        "the same id twice is one candidate, even with the same verdict",
        (step("f", "filter", accept("a", "a", "b")),),
        counts={"f": (0, 2, 0)},
        findings={("redecided", "f")},
    ),
    Meaning(
        "`by` makes two decisions of one candidate",
        (step("f", "filter", accept("a", by="q1"), reject("a", by="q2", reason="x")),),
        counts={"f": (1, 1, 0)},
        rates={"f": (0.5, "counted")},
        outcomes={"a": "survived"},
    ),
    Meaning(
        "ids that differ in case or blanks are different candidates",
        (step("f", "filter", accept("A"), reject("a", "a ", reason="x")),),
        counts={"f": (2, 1, 0)},
        outcomes={"A": "survived", "a": "rejected", "a ": "rejected"},
    ),
    Meaning(
        "a check alone decides nothing",
        (step("f", "filter", check("a", "price", 150, "<=", 100), accept("b")),),
        counts={"f": (0, 1, 0)},
        outcomes={"a": "vanished", "b": "survived"},
    ),
    Meaning(
        "counts set by hand are shown, and a difference to the counted ones is a finding",
        (step("f", "filter", accept("a"), reject("b", reason="x"), input_count=5, output_count=1),),
        shown={"f": (5, 1)},
        rates={"f": (0.5, "counted")},
        findings={("count_mismatch", "f")},
    ),
    Meaning(
        "counts set by hand that agree are no finding",
        (step("f", "filter", accept("a"), reject("b", reason="x"), input_count=2, output_count=1),),
        shown={"f": (2, 1)},
    ),
    Meaning(
        "without decisions the declared counts give the rate",
        (step("f", "filter", input_count=120, output_count=12),),
        shown={"f": (120, 12)},
        rates={"f": (0.9, "declared")},
    ),
    Meaning(
        "counts among the statistics count as declared",
        (step("f", "filter", stats={"input_count": 10, "output_count": 4}),),
        shown={"f": (10, 4)},
        rates={"f": (0.6, "declared")},
    ),
    Meaning(
        "an output larger than the input gives no rate",
        (step("f", "filter", input_count=3, output_count=9),),
        rates={"f": (None, None)},
    ),
    Meaning(
        "an empty input gives no rate, not 0",
        (step("f", "filter", input_count=0, output_count=0),),
        shown={"f": (0, 0)},
        rates={"f": (None, None)},
    ),
    Meaning(
        "a filter rate among the statistics is taken as given",
        (step("f", "filter", input_count=10, stats={"filter_rate": 0.93}),),
        rates={"f": (0.93, "given")},
        findings={("incomplete", "f")},
    ),
    Meaning(
        "a given rate outside 0..1 is no rate",
        (
            step(
                "f", "filter", accept(), stats={"filter_rate": 93}, input_count=1, output_count=None
            ),
        ),
        rates={"f": (None, None)},
        findings={("incomplete", "f")},
    ),
    Meaning(
        "logged samples give a sampled rate and count nowhere",
        (
            step(
                "f",
                "filter",
                logged=[*reject("a", "b", "c", reasoning="Price $150"), *accept("d")],
            ),
        ),
        counts={"f": (0, 0, 0)},
        shown={"f": (None, None)},
        rates={"f": (0.75, "sampled")},
        outcomes={"a": "rejected", "d": "survived", "zz": "unknown"},
    ),
    Meaning(
        "logged samples never change counts",
        (step("f", "filter", accept("a"), reject("b", reason="x"), logged=reject("c", "d")),),
        counts={"f": (1, 1, 0)},
        rates={"f": (0.5, "counted")},
    ),
    Meaning(
        "declared counts beat logged samples",
        (step("f", "filter", logged=reject("a"), input_count=120, output_count=12),),
        rates={"f": (0.9, "declared")},
    ),
    Meaning(
        "rejections only, with declared counts: the declared rate",
        (step("f", "filter", reject("a", "b", reason="x"), input_count=8, output_count=6),),
        shown={"f": (8, 6)},
        rates={"f": (0.25, "declared")},
    ),
    Meaning(
        "rejections only, without declared counts: 1.0, inferred",
        (step("f", "filter", reject("a", "b", reason="x")),),
        rates={"f": (1.0, "inferred")},
        outcomes={"a": "rejected", "zz": "unknown"},
    ),
    Meaning(
        "selections only: no rate, and no input count",
        (step("s", "select", select("a")),),
        shown={"s": (None, 1)},
        rates={"s": (None, None)},
        outcomes={"a": "selected"},
    ),
    Meaning(
        "selections only, with declared counts: the declared rate",
        (step("s", "select", select("a"), input_count=4, output_count=1),),
        rates={"s": (0.75, "declared")},
    ),
    Meaning(
        "generate, retrieve and group have no rate",
        (
            step("g", "generate", accept("k"), reject("x", reason="odd")),
            step("r", "retrieve", accept("a"), reject("b", reason="odd"), input_count=9),
            step("all", "group", input_count=9, output_count=3),
        ),
        rates={"g": (None, None), "r": (None, None), "all": (None, None)},
    ),
    Meaning(
        "survivors are the selected if any, else the accepted",
        (step("f", "rank", accept("a", "b"), select("c")),),
        shown={"f": (3, 1)},
        outcomes={"a": "outranked", "c": "selected"},
    ),
    Meaning(
        "at minimal, calls are counted and nobody is known",
        (
            step(
                "f",
                "filter",
                capture="minimal",
                tally=Tally(rejected=9, reasons={"x": 9}, accepted=1),
            ),
        ),
        counts={"f": (9, 1, 0)},
        rates={"f": (0.9, "counted")},
        outcomes={"a": "unknown"},
    ),
    Meaning(
        "a step that took in more than it recorded proves nothing about the rest",
        (step("f", "filter", accept("a"), reject("b", reason="x"), input_count=127),),
        outcomes={"a": "survived", "zz": "unknown"},
        findings={("count_mismatch", "f")},
    ),
    Meaning(
        "a filter without counts and decisions is incomplete; one that failed is not",
        (step("f", "filter"), step("g", "filter", status="failed")),
        rates={"f": (None, None)},
        findings={("incomplete", "f"), ("failed", "g")},
    ),
    Meaning(
        "each type asks for its own: a choice, an output, a survivor",
        (
            step("s", "select", reject("b", reason="x")),
            step("r", "retrieve", reject("a", reason="x")),
            step("g", "generate", output={"keywords": ["stand"]}),
            step("t", "transform"),
        ),
        findings={("incomplete", "r"), ("incomplete", "s")},
    ),
]


@pytest.mark.parametrize("meaning", MEANINGS, ids=str)
def test_counts_mean_what_the_design_says(meaning: Meaning) -> None:
    prove(meaning)


def test_a_sampled_row_weighs_as_many_candidates_as_it_stands_for() -> None:
    kept = reject("d", "e", reason="price")
    evidence = evidence_of(
        step(
            "f",
            "filter",
            accept("a"),
            reject("b", reason="price"),
            reservoirs=[Reservoir(REJECTED, "price", 98, kept)],
            tally=Tally(rejected=99, accepted=1, reasons={"price": 99}),
        )
    )
    f = step_named(evidence, "f")
    rows = list(evidence.ledger(f).rows(("rejected", "accepted")))
    assert {one.candidate_id: one.weight for one in rows} == {"a": 1, "b": 1, "d": 49, "e": 49}
    assert f.coverage == "sampled"
    assert f.rejection_rate == 0.99


def test_a_logged_row_counts_for_nothing_but_can_be_read() -> None:
    evidence = evidence_of(step("f", "filter", logged=reject("a", reasoning="Price $150")))
    f = step_named(evidence, "f")
    (found,) = evidence.ledger(f).find("a")
    assert found.is_logged
    assert not evidence.ledger(f).decided
    assert f.coverage == "logged"


def test_a_reason_comes_from_the_code_the_failed_check_or_the_free_text() -> None:
    evidence = evidence_of(
        step(
            "f",
            "filter",
            reject("a", reason="price", reasoning="Price $150 exceeds $100"),
            check("b", "rating", 2, ">=", 3),
            reject("b"),
            reject("c", reasoning="Price $150 exceeds  threshold $99.50"),
            reject("d"),
        )
    )
    reasons = step_named(evidence, "f").rejections
    assert {reason: one.count for reason, one in reasons.items()} == {
        "price": 1,
        "rating": 1,
        "Price $# exceeds threshold $#": 1,
        "unspecified": 1,
    }
    assert derive_reason("took 1,200 ms and 3.5 s") == "took # ms and # s"


def test_a_later_verdict_keeps_earlier_evidence_and_origins_accumulate() -> None:
    evidence = evidence_of(
        step("k", "generate", accept("k1", "k2")),
        step(
            "f",
            "filter",
            [row(EVIDENCE, "a", checks=[Check("rating", "", ">=", 2, 3)])],
            accept("a", origin="k1", score=0.4, attributes={"price": 5}),
            reject("a", origin="k2"),
        ),
    )
    (decision,) = evidence.ledger(step_named(evidence, "f")).find("a")
    assert decision.decision == "rejected"
    assert decision.reason == "rating"
    assert [origin.candidate_id for origin in decision.origin] == ["k1", "k2"]
    assert (decision.score, decision.attributes) == (0.4, {"price": 5})


def test_an_origin_named_twice_by_one_candidate_counts_once() -> None:
    evidence = evidence_of(step("r", "retrieve", accept("a", origin=["k", "k"])))
    (total,) = step_named(evidence, "r").origins
    assert (total.candidate_id, total.accepted) == ("k", 1)


def test_a_step_score_is_the_lowest_of_its_selected() -> None:
    evidence = evidence_of(
        step(
            "s",
            "select",
            select("a", score={"relevance": 0.9, "total": 0.6}, rank=2),
            select("b", score=0.8, rank=1),
            [row(ACCEPTED, "c", score=0.1)],
        )
    )
    s = step_named(evidence, "s")
    assert s.score == 0.6
    assert s.decision is not None
    assert s.decision.selected == ["b", "a"]
