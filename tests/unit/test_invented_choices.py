"""An id that a choosing step made up is told, also where it recorded nothing but its choice."""

from __future__ import annotations

import pytest

from tests.unit.small_runs import accept, evidence_of, reject, select, several, step
from xray.forensics.findings.finders import find
from xray.model.answers import Finding
from xray.model.facts import StepFinished
from xray.model.ids import new_uuid7

OFFERED = ["p1", "p2", "p3", "p04"]


def found(chooser: StepFinished, offered: list[str] = OFFERED) -> list[Finding]:
    return find(evidence_of(step("find", "retrieve", accept(*offered)), chooser))


@pytest.mark.parametrize("step_type", ["select", "rank", "generate"])
def test_a_lone_choice_of_an_id_nobody_recorded_is_inferred_to_be_invented(step_type: str) -> None:
    (finding,) = found(step("llm", step_type, select("p9"), takes=["find"]))
    assert (finding.code, finding.certainty, finding.examples) == (
        "not_offered", "inferred", ["p9"],
    )  # fmt: skip
    assert finding.text == (
        "llm chose a candidate that no earlier step recorded: p9; find let 4 candidates through."
    )
    assert finding.because


def test_ids_without_order_are_known_by_being_uuids() -> None:
    offered = [new_uuid7(1_760_000_000_000_000 + at * 999_983) for at in range(4)]
    stranger = new_uuid7(1_770_000_000_000_000)
    (finding,) = found(step("llm", "select", select(stranger)), offered)
    assert finding.examples == [stranger]


def test_a_slip_in_an_id_is_told_beside_the_id_it_is_like() -> None:
    (finding,) = found(step("llm", "select", select("P-1"), reject(*OFFERED, reason="x")))
    assert finding.text == (
        "llm decided 1 candidate that find had not let through: P-1. It was chosen, though no "
        "earlier step recorded it. P-1 is like p1."
    )


def test_what_the_step_made_itself_or_may_have_made_is_left_alone() -> None:
    quiet = [
        # Another kind of thing: a step between mapped ids to titles, unrecorded.
        step("llm", "select", select("A slim case")),
        # A generator numbers on; it does not say that it chose.
        step("llm", "generate", select("p9")),
        step("llm", "generate", accept("p9", "p10"), takes=["find"]),
        step("llm", "select", select("p2")),
        step("llm", "select", select("p2", "p04"), reject("p1", "p3", reason="x")),
    ]
    for chooser in quiet:
        assert "not_offered" not in [one.code for one in found(chooser)], chooser


def test_where_not_all_that_was_offered_is_known_nothing_is_called_invented() -> None:
    lone = step("find", "retrieve", accept(*several("p", 3)), status="failed")
    findings = find(evidence_of(lone, step("llm", "select", select("p_99"))))
    assert "not_offered" not in [one.code for one in findings]
