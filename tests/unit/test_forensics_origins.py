"""Where candidates came from, over several generations, and what each origin brought."""

from __future__ import annotations

from tests.unit.small_runs import accept, evidence_of, reject, select, several, step
from xray.forensics.case import Case
from xray.forensics.why import explain
from xray.model.facts import OriginCount, Tally


def test_the_chain_goes_back_over_several_generations() -> None:
    evidence = evidence_of(
        step("expand_queries", "generate", accept("cheap stand")),
        step("generate_keywords", "generate", accept("stand", origin="cheap stand")),
        step("find", "retrieve", accept("a", "b", origin="stand")),
        step("best", "select", select("a")),
    )
    why = explain(evidence, "a")
    assert [(link.depth, link.text) for link in why.provenance] == [
        (
            1,
            (
                'keyword "stand" (generate_keywords) brought 2 candidates to find; '
                "1 of them was selected."
            ),
        ),
        (
            2,
            (
                'query "cheap stand" (expand_queries) brought 1 candidate to generate_keywords, '
                "which was selected."
            ),
        ),
    ]


def test_origins_that_name_each_other_end() -> None:
    evidence = evidence_of(
        step("one", "retrieve", accept("a", origin="b")),
        step("two", "retrieve", accept("b", origin="a")),
        step("three", "retrieve", accept("a", origin=[("two", "b"), ("one", "a")])),
    )
    assert 1 <= len(explain(evidence, "a").provenance) <= 4


def test_an_id_means_the_latest_earlier_step_that_recorded_it() -> None:
    evidence = evidence_of(
        step("draft", "generate", accept("stand")),
        step("review", "filter", accept("stand")),
        step("find", "retrieve", accept("a", origin="stand")),
        step("later", "rank", accept("a", "stand")),
    )
    (link,) = [one for one in explain(evidence, "a").provenance if one.depth == 1]
    assert link.step_name == "review"


def test_a_step_may_be_named_with_the_id() -> None:
    evidence = evidence_of(
        step("draft", "generate", accept("stand")),
        step("review", "filter", accept("stand")),
        step("find", "retrieve", accept("a", origin=("draft", "stand"))),
    )
    assert explain(evidence, "a").provenance[0].step_name == "draft"


def test_an_origin_nobody_recorded_is_kept_and_marked() -> None:
    evidence = evidence_of(step("find", "retrieve", accept("a", origin="stand")))
    (link,) = explain(evidence, "a").provenance
    assert link.origin.is_recorded is False
    assert link.step_name is None
    assert link.text == '"stand" brought 1 candidate to find; no earlier step recorded it.'


def test_an_origin_that_only_an_output_names_is_inferred_from_it() -> None:
    evidence = evidence_of(
        step("generate_keywords", "generate", output={"keywords": ["case", "stand"]}),
        step("find", "retrieve", accept("a", origin="stand")),
        step("best", "select", select("a")),
    )
    why = explain(evidence, "a")
    assert why.answer == 'best chose a; it came from the keyword "stand" of generate_keywords.'
    assert (why.provenance[0].step_name, why.provenance[0].certainty) == (
        "generate_keywords",
        "inferred",
    )
    assert why.provenance[0].origin.is_recorded is False


def test_several_origins_of_one_candidate_are_all_named() -> None:
    evidence = evidence_of(
        step("keywords", "generate", accept("case", "stand")),
        step("find", "retrieve", accept("a", origin=["case", "stand"])),
        step("best", "select", select("a")),
    )
    assert explain(evidence, "a").answer == (
        'best chose a; it came from the keyword "case" of keywords and '
        'the keyword "stand" of keywords.'
    )


def test_counts_by_origin_are_exact_where_rows_were_sampled_out() -> None:
    evidence = evidence_of(
        step("keywords", "generate", accept("stand")),
        step("find", "retrieve", accept(*several("p", 3), origin="stand"),
             tally=Tally(accepted=5000, origins=[OriginCount("stand", None, accepted=5000)])),
        step("best", "select", select("p_2")),
    )  # fmt: skip
    (link,) = explain(evidence, "p_2").provenance
    assert (link.brought, link.selected, link.brought_to) == (5000, 1, "find")


def test_an_origin_none_of_whose_candidates_won_says_so() -> None:
    evidence = evidence_of(
        step("keywords", "generate", accept("case", "stand")),
        step("find", "retrieve", accept("a", "b", origin="case"), accept("c", origin="stand")),
        step("best", "select", select("c"), reject("a", "b", reason="not_selected")),
    )
    assert explain(evidence, "a").provenance[0].text == (
        'keyword "case" (keywords) brought 2 candidates to find; none of them were selected.'
    )
    case = Case(evidence)
    assert case.origins.answer == ["c"]
    assert [link.named_at.name for link in case.origins.brought_by("stand")] == ["find"]


def test_a_journey_leaves_out_the_steps_that_work_on_another_kind_of_candidate() -> None:
    evidence = evidence_of(
        step("generate_keywords", "generate", accept("case", "stand", "case case")),
        step("drop_doubles", "filter", accept("case", "stand"), reject("case case")),
        step("find", "retrieve", accept("a", origin="stand"), accept("b", origin="case")),
        step("best", "select", select("a"), reject("b")),
    )
    names = {one: [stop.name for stop in explain(evidence, one).journey] for one in ("a", "stand")}
    assert names == {"a": ["find", "best"], "stand": ["generate_keywords", "drop_doubles"]}
    dropped = explain(evidence, "case case")
    assert [stop.kind for stop in dropped.journey] == ["accepted", "rejected"]
    assert len(explain(evidence, "nowhere recorded").journey) == 4


def test_keywords_that_are_only_an_output_are_another_kind_of_candidate_too() -> None:
    evidence = evidence_of(
        step("generate_keywords", "generate", output=["case", "stand"]),
        step("find", "retrieve", accept("a", origin="stand"), accept("b", origin="case")),
        step("best", "select", select("a"), reject("b")),
    )
    why = explain(evidence, "a")
    assert [stop.name for stop in why.journey] == ["find", "best"]
    assert 'it came from the keyword "stand" of generate_keywords' in why.answer


def test_a_retriever_that_could_have_brought_a_candidate_is_named_in_its_journey() -> None:
    unlinked = evidence_of(
        step("by_text", "retrieve", accept("a", "b")),
        step("by_vector", "retrieve", accept("b", "c")),
        step("best", "select", select("c"), reject("a", "b")),
    )
    assert explain(unlinked, "c").journey[0].text == "by_text did not bring c."
    expanded = evidence_of(
        step("seeds", "retrieve", accept("a", "b")),
        step("neighbours", "retrieve", accept("b", "c", origin="a")),
        step("best", "select", select("c"), reject("b")),
    )
    assert explain(expanded, "c").journey[0].name == "seeds"


def test_a_loop_that_queries_and_fetches_keeps_queries_out_of_the_journey_of_a_find() -> None:
    rounds = [
        made
        for turn in (1, 2)
        for made in (
            step("ask", "generate", accept(f"q{turn}")),
            step("fetch", "retrieve", accept(f"a{turn}", f"b{turn}", origin=f"q{turn}")),
            step("check", "filter", accept(f"a{turn}"), reject(f"b{turn}", reason="dull")),
        )
    ]
    evidence = evidence_of(*rounds)
    found = [(stop.name, stop.kind) for stop in explain(evidence, "a2").journey]
    assert found == [
        ("fetch", "not_recorded"),
        ("check", "not_reached"),
        ("fetch", "accepted"),
        ("check", "accepted"),
    ]
    asked = [(stop.name, stop.kind) for stop in explain(evidence, "q1").journey]
    assert asked == [("ask", "accepted"), ("ask", "not_recorded")]
