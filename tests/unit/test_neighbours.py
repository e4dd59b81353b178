"""Candidates like one that were decided otherwise: which those are, and what is different."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.small_runs import accept, evidence_of, row, select, step
from xray.forensics.neighbours import find_neighbours
from xray.model.facts import ACCEPTED, REJECTED, Check, DecisionRow, StepFinished


def shoe(name: str, price: float, brand: str = "Acme", **more: Any) -> DecisionRow:
    return row(ACCEPTED, name, attributes={"price": price, "brand": brand, **more})


def dropped(name: str, price: float, limit: float = 100) -> DecisionRow:
    evidence = Check("price_too_high", "price", "<=", price, limit, passed=False)
    return row(REJECTED, name, reason="price_too_high", checks=[evidence])


FOUND = step(
    "search", "retrieve",
    [
        shoe("red", 95, colour="red"), shoe("rose", 150, colour="red"),
        shoe("boot", 40, "Dune", sole="thick"), shoe("moss", 99, "Acme", colour="green"),
    ],
)  # fmt: skip
FILTERED = step("filter", "filter", accept("red", "boot", "moss"), [dropped("rose", 150)])


def run_of(*steps: StepFinished) -> Any:
    return evidence_of(*steps)


def test_of_a_rejected_candidate_those_are_named_that_the_same_step_kept() -> None:
    found = find_neighbours(run_of(FOUND, FILTERED), "rose")
    assert [one.candidate_id for one in found.neighbours] == ["red", "moss", "boot"]
    nearest = found.neighbours[0]
    assert nearest.text == "filter kept red: price 95, not 150; alike in brand and colour."
    assert found.answer == f"Of those decided otherwise the one most like rose: {nearest.text}"
    assert (found.certainty, found.looked_at, found.opposed) == ("known", 3, 3)
    assert [(one.path, one.a, one.b) for one in nearest.differing] == [("price", 150, 95)]
    assert [(one.name, one.observed, one.limit) for one in nearest.checks] == [
        ("price_too_high", 150, 100)
    ]


def test_of_a_kept_candidate_those_are_named_that_a_step_on_its_way_rejected() -> None:
    found = find_neighbours(run_of(FOUND, FILTERED), "red")
    assert [(one.candidate_id, one.decision, one.reason) for one in found.neighbours] == [
        ("rose", "rejected", "price_too_high")
    ]
    assert found.neighbours[0].text == (
        "filter rejected rose for price_too_high: price 150, not 95; alike in brand and colour."
    )


def test_of_a_winner_also_those_are_named_that_lost_to_it_with_their_scores() -> None:
    ranked = step(
        "choose", "select", select("red", score=0.9),
        [row(REJECTED, name, reason="not_selected", score=0.4) for name in ("boot", "moss")],
    )  # fmt: skip
    found = find_neighbours(run_of(FOUND, FILTERED, ranked), "red")
    assert {one.candidate_id: one.step_name for one in found.neighbours} == {
        "rose": "filter", "moss": "choose", "boot": "choose",
    }  # fmt: skip
    moss = next(one for one in found.neighbours if one.candidate_id == "moss")
    assert moss.text.startswith("choose rejected moss for not_selected: score 0.4, not 0.9;")


def test_what_only_one_of_the_two_has_is_told() -> None:
    found = find_neighbours(run_of(FOUND, FILTERED), "rose")
    boot = found.neighbours[-1]
    told = {one.path: one.only_in for one in boot.differing}
    assert (told["sole"], told["colour"]) == ("b", "a")
    assert 'without colour ("red")' in boot.text


def test_one_alike_in_everything_that_was_decided_otherwise_is_told() -> None:
    found = find_neighbours(
        run_of(step("search", "retrieve", [shoe("one", 5), shoe("two", 5)]),
               step("filter", "filter", accept("one"), [row(REJECTED, "two", reason="odd")])),
        "two",
    )  # fmt: skip
    assert found.neighbours[0].likeness == 1.0
    assert found.neighbours[0].text == "filter kept one: it is alike in all that was recorded."


def test_what_brought_them_is_compared_too() -> None:
    generated = step("words", "generate", accept("case", "stand"))
    searched = step(
        "search", "retrieve",
        [row(ACCEPTED, "a", attributes={"n": 1}, origin="case"),
         row(ACCEPTED, "b", attributes={"n": 1}, origin="stand"),
         row(ACCEPTED, "c", attributes={"n": 1}, origin="case")],
    )  # fmt: skip
    filtered = step("filter", "filter", accept("b", "c"), [row(REJECTED, "a", reason="odd")])
    found = find_neighbours(run_of(generated, searched, filtered), "a")
    assert [one.candidate_id for one in found.neighbours] == ["c", "b"]
    assert found.neighbours[1].text == (
        'filter kept b: it came from "stand", not "case"; alike in n.'
    )


def test_decisions_for_other_queries_are_not_compared() -> None:
    found = find_neighbours(
        run_of(step("match", "filter",
                    [row(ACCEPTED, "a", by="q1", attributes={"n": 1}),
                     row(ACCEPTED, "b", by="q2", attributes={"n": 1}),
                     row(REJECTED, "c", by="q2", reason="far", attributes={"n": 1})])),
        "c",
    )  # fmt: skip
    assert [one.candidate_id for one in found.neighbours] == ["b"]


@pytest.mark.parametrize(
    ("candidate", "answer", "certainty"),
    [
        ("nobody", "No step of this run recorded nobody.", "unknown"),
        ("bare", "Nothing was recorded of bare by which another could be said to be like it.",
         "unknown"),
    ],
)  # fmt: skip
def test_where_nothing_can_be_compared_it_is_said_why(
    candidate: str, answer: str, certainty: str
) -> None:
    filtered = step("filter", "filter", accept("red", "boot"), [row(REJECTED, "bare", reason="x")])
    found = find_neighbours(run_of(FOUND, filtered), candidate)
    assert (found.answer, found.certainty, found.neighbours) == (answer, certainty, [])
    assert found.because


def test_where_every_candidate_fared_alike_it_is_said() -> None:
    found = find_neighbours(run_of(FOUND, step("filter", "filter", accept("red", "moss"))), "red")
    assert found.answer == "No candidate with detail was decided otherwise than red."
    assert found.certainty == "known"


def test_of_very_many_an_even_part_is_looked_at_and_that_is_said() -> None:
    names = [f"p{number}" for number in range(2_500)]
    found = find_neighbours(
        run_of(
            step("search", "retrieve", [shoe(name, at) for at, name in enumerate(names)]),
            step("filter", "filter", accept(*names[1:]), [dropped("p0", 0)]),
        ),
        "p0",
    )
    assert (found.looked_at, found.opposed, found.certainty) == (1_000, 2_499, "unknown")
    assert found.because == "1,000 of 2,499 candidates with detail were looked at"
    assert len(found.neighbours) == 5
