"""Where to look first: the most surprising, of equals the nearest to the output; at most three."""

from __future__ import annotations

from msgspec.structs import replace

from tests.unit.small_runs import accept, evidence_of, reject, select, several, step, step_named
from xray.forensics.case import Case
from xray.forensics.evidence import RunEvidence
from xray.forensics.findings.attention import count_first, measure_distances, order_findings
from xray.forensics.findings.finders import find
from xray.model.answers import Finding


def pipeline() -> RunEvidence:
    """Keywords, two retrievers, a filter, a silent transform, a choice, a clean-up after it."""
    return evidence_of(
        step("keywords", "generate", accept("k")),
        step("by_name", "retrieve", accept("a", "b", origin="k")),
        step("by_text", "retrieve", accept("b", "c", origin="k")),
        step("rules", "filter", accept("a", "b"), reject("c", reason="dear")),
        step("normalize", "transform"),
        step("pick", "select", select("a"), reject("b", reason="not_selected")),
        step("tidy", "transform"),
    )


def about(evidence: RunEvidence, name: str, surprise: float, code: str = "odd") -> Finding:
    return Finding(
        code=code,
        text=f"{name} is odd.",
        certainty="known",
        step_id=step_named(evidence, name).step_id,
        step_name=name,
        surprise=surprise,
    )


def test_steps_lie_as_far_from_the_output_as_candidates_walk() -> None:
    evidence = pipeline()
    distances = measure_distances(Case.of(evidence))
    assert {name: distances[step_named(evidence, name).step_id] for name in
            ("pick", "tidy", "normalize", "rules", "by_name", "by_text", "keywords")} == {
        "pick": 0, "tidy": 0, "normalize": 1, "rules": 2, "by_name": 3, "by_text": 3, "keywords": 4,
    }  # fmt: skip


def test_a_run_without_steps_has_no_distances() -> None:
    evidence = evidence_of()
    assert measure_distances(Case.of(evidence)) == {}
    assert order_findings(evidence, []) == []


def test_the_most_surprising_comes_first_wherever_it_is() -> None:
    evidence = pipeline()
    findings = [about(evidence, "pick", 0.6), about(evidence, "keywords", 1.0)]
    assert [one.step_name for one in order_findings(evidence, findings)] == ["keywords", "pick"]


def test_of_equals_the_nearest_to_the_output_comes_first() -> None:
    evidence = pipeline()
    findings = [about(evidence, name, 0.9) for name in ("by_name", "rules", "pick")]
    assert [one.step_name for one in order_findings(evidence, findings)] == [
        "pick",
        "rules",
        "by_name",
    ]


def test_ties_stay_as_they_were_found() -> None:
    evidence = pipeline()
    findings = [about(evidence, "rules", 0.9, code) for code in ("b", "a", "c")]
    assert [one.code for one in order_findings(evidence, findings)] == ["b", "a", "c"]


def test_what_is_about_the_run_is_as_near_as_can_be() -> None:
    evidence = pipeline()
    run = Finding(code="run", text="The run is odd.", certainty="known", surprise=0.9)
    assert order_findings(evidence, [about(evidence, "rules", 0.9), run])[0] is run


def test_at_most_three_come_first_and_none_that_is_usual() -> None:
    evidence = pipeline()
    several_of_them = [about(evidence, "pick", surprise) for surprise in (1.0, 0.9, 0.8, 0.7)]
    assert count_first(several_of_them) == 3
    assert count_first([replace(several_of_them[0], surprise=0.1)]) == 0
    assert count_first([several_of_them[0], replace(several_of_them[0], surprise=0.1)]) == 1
    assert count_first([]) == 0


def test_a_loss_near_the_output_comes_before_one_far_from_it_and_an_oddity_last() -> None:
    evidence = evidence_of(
        step("find", "retrieve", accept(*several("p", 12))),
        step("rules", "filter", accept(*several("p", 9))),
        step("rank", "rank", accept(*several("p", 6))),
        step("pick", "select", select("p_1"), reject(*several("p", 5, 2)), reject("p_2")),
    )
    ordered = order_findings(evidence, find(evidence))
    assert [(one.code, one.step_name) for one in ordered] == [
        ("vanished", "rank"),
        ("vanished", "rules"),
        ("redecided", "pick"),
    ]
    assert count_first(ordered) == 2
