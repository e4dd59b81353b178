"""The sentence that says why, word for word, for everything that can become of a candidate."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.small_runs import accept, check, evidence_of, reject, row, select, several, step
from xray.forensics.evidence import RunEvidence
from xray.forensics.findings.finders import find
from xray.forensics.why import explain
from xray.model.answers import Cut, RunnerUp
from xray.model.facts import ACCEPTED, REJECTED, Check, Reservoir, Tally

STANDS = ["laptop_stand_42", *several("stand", 36)]
CASES = several("case", 20)


def too_dear(candidate_id: str) -> list[Any]:
    evidence = Check("price_too_high", "price", "<=", 150, 100)
    return [row(REJECTED, candidate_id, reason="price_too_high", checks=[evidence])]


@pytest.fixture(scope="module")
def bad_match() -> RunEvidence:
    """Somebody who sells phone cases is shown a laptop stand."""
    ranked = ["laptop_stand_42", *CASES[2:14]]
    return evidence_of(
        step("generate_keywords", "generate", accept("case", "stand")),
        step("search_products", "retrieve", accept(*CASES, origin="case"),
             accept(*STANDS, origin="stand")),
        step("filter_candidates", "filter", accept(*ranked), too_dear(CASES[0]),
             reject(CASES[1], reasoning="Too far from what we sell"),
             reject(*CASES[14:], reason="category_mismatch", attributes={"category": "toys"}),
             reject(*STANDS[1:], reason="rating_too_low")),
        step("rank_candidates", "rank",
             [row(1, one, rank=at, score=round(0.9 - at / 100, 3))
              for at, one in enumerate(ranked[:10], 1)],
             [row(0, one, rank=at, score=round(0.9 - at / 100, 3), reason="below_cut")
              for at, one in enumerate(ranked[10:], 11)]),
        step("select_best", "select", select("laptop_stand_42", score=0.87),
             [row(0, one, score=0.84 - at / 10, reason="not_selected")
              for at, one in enumerate(ranked[1:10])]),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("candidate", "outcome", "answer"),
    [
        (
            "laptop_stand_42",
            "selected",
            (
                "select_best chose laptop_stand_42 (score 0.87, next best case_3 at 0.84); "
                'it came from the keyword "stand" of generate_keywords.'
            ),
        ),
        (
            "case_1",
            "rejected",
            (
                "filter_candidates rejected case_1: price 150 exceeds the limit of 100 by 50 "
                '(price_too_high). It came from the keyword "case" of generate_keywords.'
            ),
        ),
        (
            "case_2",
            "rejected",
            (
                'filter_candidates rejected case_2: "Too far from what we sell". '
                'It came from the keyword "case" of generate_keywords.'
            ),
        ),
        (
            "case_20",
            "rejected",
            (
                'filter_candidates rejected case_20: category_mismatch (category "toys"). '
                'It came from the keyword "case" of generate_keywords.'
            ),
        ),
        (
            "case_14",
            "outranked",
            (
                "case_14 was outranked in rank_candidates: rank 13 where the cut is 10, "
                "0.03 points below the last that was kept. "
                'It came from the keyword "case" of generate_keywords.'
            ),
        ),
        (
            "case_3",
            "outranked",
            (
                "case_3 was outranked in select_best, which chose laptop_stand_42: "
                '0.03 points below it. It came from the keyword "case" of generate_keywords.'
            ),
        ),
        (
            "prod_77",
            "never_retrieved",
            "No step of this run recorded prod_77: it was never retrieved.",
        ),
        (
            "stand",
            "survived",
            (
                "generate_keywords generated stand; it brought 37 candidates to search_products; "
                "1 of them was selected."
            ),
        ),
    ],
)
def test_the_answer_is_one_sentence_with_the_evidence_in_it(
    bad_match: RunEvidence, candidate: str, outcome: str, answer: str
) -> None:
    why = explain(bad_match, candidate)
    assert why.answer == answer
    assert (why.outcome, why.certainty) == (outcome, "known")


def test_the_winner_is_traced_back_to_what_brought_it_and_its_rival(bad_match: RunEvidence) -> None:
    why = explain(bad_match, "laptop_stand_42")
    (link,) = why.provenance
    assert link.text == (
        'keyword "stand" (generate_keywords) brought 37 candidates to search_products; '
        "1 of them was selected."
    )
    assert (link.step_name, link.brought, link.selected, link.depth) == (
        "generate_keywords", 37, 1, 1,
    )  # fmt: skip
    assert link.origin.is_recorded
    assert why.journey[-1].runner_up == RunnerUp(candidate_id="case_3", score=0.84, gap=0.03)
    assert find(bad_match) == []


def test_the_journey_tells_every_step_in_order(bad_match: RunEvidence) -> None:
    why = explain(bad_match, "case_14")
    assert [(stop.name, stop.kind) for stop in why.journey] == [
        ("search_products", "accepted"),
        ("filter_candidates", "accepted"),
        ("rank_candidates", "outranked"),
        ("select_best", "not_reached"),
    ]
    assert why.journey[2].cut == Cut(
        rank=13, last_kept_rank=10, score=0.77, last_kept_score=0.8, gap=0.03
    )
    assert (why.decided_at, why.decided_at_step_id) == (
        "rank_candidates", why.journey[2].step_id,
    )  # fmt: skip


def test_a_silent_cut_between_two_steps_is_named_as_one() -> None:
    evidence = evidence_of(
        step("search_products", "retrieve", accept(*several("p", 50))),
        step("filter_candidates", "filter", accept(*several("p", 12)),
             reject(*several("p", 8, 13), reason="price")),
    )  # fmt: skip
    why = explain(evidence, "p_31")
    assert (why.outcome, why.certainty, why.decided_at) == (
        "vanished", "known", "filter_candidates",
    )  # fmt: skip
    assert why.answer == (
        "p_31 was lost between search_products and filter_candidates: search_products returned 50 "
        "candidates, and filter_candidates decided exactly the first 20 of them, as a cut in "
        "between would leave."
    )
    (finding,) = find(evidence)
    assert (finding.code, finding.count, len(finding.examples)) == ("vanished", 30, 10)
    assert finding.text == (
        "filter_candidates never decided 30 of the 50 candidates that search_products returned: "
        "p_21, p_22, p_23 and 27 more. It decided exactly the first 20, as a cut between the two "
        "would leave."
    )


def test_an_invented_id_is_named_as_never_offered() -> None:
    evidence = evidence_of(
        step("find", "retrieve", accept("a", "b")),
        step("llm_select", "generate", select("ghost"), reject("a", "b", reason="not_selected")),
    )
    why = explain(evidence, "ghost")
    assert why.outcome == "not_offered"
    assert why.answer == (
        "llm_select chose ghost, though nobody offered it: "
        "no step before llm_select let ghost through."
    )
    assert [finding.code for finding in why.findings] == ["not_offered"]


def test_a_candidate_that_comes_back_after_its_rejection_is_told_with_the_rejection() -> None:
    evidence = evidence_of(
        step("find", "retrieve", accept("a", "b")),
        step("cheap", "filter", accept("a"), too_dear("b")),
        step("best", "select", select("b"), reject("a", reason="not_selected")),
    )
    assert explain(evidence, "b").answer == (
        "best chose b, though nobody offered it: before that, cheap rejected it: "
        "price 150 exceeds the limit of 100 by 50 (price_too_high)."
    )


def test_parallel_retrievers_merge_without_a_finding() -> None:
    evidence = evidence_of(
        step("vector_search", "retrieve", accept("a", "b")),
        step("keyword_search", "retrieve", accept("b", "c")),
        step("best", "select", select("b"), reject("a", "c", reason="not_selected")),
    )
    assert find(evidence) == []
    assert explain(evidence, "b").answer == (
        "best chose b; it came from vector_search and keyword_search."
    )


def test_a_merged_candidate_is_followed_to_what_became_of_the_other() -> None:
    evidence = evidence_of(
        step("find", "retrieve", accept("a", "b")),
        step("dedupe", "filter", accept("b"),
             [row(REJECTED, "a", reason="duplicate", merged_into="b")]),
        step("best", "select", select("b")),
    )  # fmt: skip
    why = explain(evidence, "a")
    assert why.outcome == "merged"
    assert why.answer == "dedupe merged a into b. best chose b; it came from find."


def test_candidates_merged_into_each_other_do_not_go_round() -> None:
    evidence = evidence_of(
        step("dedupe", "filter", [row(REJECTED, "a", merged_into="b"),
                                  row(REJECTED, "b", merged_into="a")]),
    )  # fmt: skip
    assert explain(evidence, "a").answer == "dedupe merged a into b. dedupe merged b into a."


def test_what_was_sampled_out_is_unknown_and_the_level_is_named() -> None:
    evidence = evidence_of(
        step("find", "retrieve", accept(*several("p", 30))),
        step("cheap", "filter", accept("p_1"),
             reservoirs=[Reservoir(REJECTED, "price", 20, reject("p_9", reason="price"))],
             tally=Tally(rejected=20, accepted=10, reasons={"price": 20})),
    )  # fmt: skip
    why = explain(evidence, "p_20")
    assert (why.outcome, why.certainty, why.decided_at) == ("unknown", "unknown", None)
    assert why.answer == (
        "What became of p_20 is unknown: at the capture level sample cheap kept 2 of its 30 "
        "decisions, and this candidate is not among them."
    )


def test_a_retry_answers_with_the_last_attempt_and_lists_the_others() -> None:
    evidence = evidence_of(
        step("find", "retrieve", accept("a", "b")),
        step("order", "rank", accept("a"), status="failed", error="model overloaded"),
        step("order", "rank", accept("b"), reject("a", reason="below_cut")),
    )
    why = explain(evidence, "a")
    assert why.outcome == "outranked"
    assert [(stop.name, stop.attempt, stop.kind) for stop in why.journey] == [
        ("find", 1, "accepted"),
        ("order", 1, "accepted"),
        ("order", 2, "outranked"),
    ]
    assert why.journey[1].because == "attempt 2 of order counts"


def test_what_a_failed_step_left_undecided_is_told_with_its_error() -> None:
    evidence = evidence_of(
        step("find", "retrieve", accept("a", "b")),
        step("order", "rank", accept("a"), status="failed", error="model overloaded"),
        status="failed",
    )
    assert explain(evidence, "b").answer == (
        "order failed (TimeoutError: model overloaded) before it decided b."
    )
    (finding,) = find(evidence)
    assert finding.text == (
        "order failed (TimeoutError: model overloaded) with 1 candidate undecided."
    )


def test_scores_of_the_step_before_say_how_close_it_was() -> None:
    evidence = evidence_of(
        step("order", "rank", accept("a", score=0.91, rank=1), accept("b", score=0.9, rank=2)),
        step("best", "select", select("a")),
    )
    assert explain(evidence, "b").answer == (
        "b was outranked in best, which chose a: rank 2, 0.01 points below it (measured in order)."
    )
    assert explain(evidence, "a").answer == "best chose a (0.91 in order, next best b at 0.9)."


def test_a_winner_that_did_not_score_best_says_so() -> None:
    evidence = evidence_of(
        step("best", "select", select("a", score=0.7), reject("b", score=0.8, reason="veto")),
    )
    assert explain(evidence, "a").answer == "best chose a (score 0.7, although b scored 0.8)."


def test_a_smaller_distance_is_the_better_rival() -> None:
    evidence = evidence_of(
        step("near", "rank", select("a", score=0.1, rank=1),
             accept("b", score=0.2, rank=2), accept("c", score=0.9, rank=3)),
    )  # fmt: skip
    runner_up = explain(evidence, "a").journey[0].runner_up
    assert runner_up is not None
    assert runner_up.candidate_id == "b"


def test_one_candidate_under_several_queries_has_a_stop_for_each() -> None:
    evidence = evidence_of(
        step("match", "filter", accept("a", by="q1"), reject("a", by="q2", reason="far")),
    )
    why = explain(evidence, "a")
    assert [(stop.by, stop.kind) for stop in why.journey] == [
        ("q1", "accepted"), ("q2", "rejected"),
    ]  # fmt: skip
    assert why.outcome == "survived"


def test_a_checked_but_undecided_candidate_is_told_with_its_check() -> None:
    evidence = evidence_of(
        step("cheap", "filter", check("a", "price", 150, "<=", 100), accept("b")),
    )
    assert explain(evidence, "a").answer == (
        "cheap checked a (150 exceeds the limit of 100 by 50) and never decided it."
    )


def test_an_output_that_names_the_choice_is_believed_as_an_inference() -> None:
    evidence = evidence_of(
        step("find", "retrieve", accept("a", "b")),
        step("best", "select", output={"selected": "b"}),
    )
    why = explain(evidence, "b")
    assert (why.outcome, why.certainty) == ("selected", "inferred")
    assert why.because == "its output names b, though it recorded no decision"


def test_a_run_that_goes_on_is_not_judged_too_early() -> None:
    evidence = evidence_of(step("find", "retrieve", accept("a")), status="running")
    why = explain(evidence, "zz")
    assert why.outcome == "unknown"
    assert "has not ended" in why.answer


def test_a_run_without_candidates_says_so() -> None:
    why = explain(evidence_of(step("f", "filter", input_count=9, output_count=1)), "a")
    assert why.answer == "What became of a is unknown: no step recorded its candidates."


@pytest.mark.parametrize(
    ("recorded", "typed"),
    [
        ("a b", '"a b"'),
        ("a b", " a b "),
        ("0199c82c-d6ea-7283-8fcb-3e98e659b050", "0199C82C-D6EA-7283-8FCB-3E98E659B050"),
        ('["q1",7]', '["q1", 7]'),
        ('["q1",7]', "('q1', 7)"),
        ("42", "42"),
    ],
)
def test_ids_are_understood_as_people_type_them(recorded: str, typed: str) -> None:
    why = explain(evidence_of(step("f", "filter", accept(recorded, "other"))), typed)
    assert (why.candidate_id, why.outcome) == (recorded, "survived")


def test_an_id_that_is_nearly_right_gets_a_suggestion() -> None:
    why = explain(evidence_of(step("f", "retrieve", accept("Prod_7", "prod_8"))), "PROD-7")
    assert why.outcome == "never_retrieved"
    assert why.similar == ["Prod_7"]
    assert why.answer.endswith("Did you mean Prod_7?")


def test_a_step_that_named_only_its_choice_leaves_open_what_else_was_there() -> None:
    names = several("d", 6)
    sampled = step(
        "search",
        "retrieve",
        accept(*names[:3]),
        reservoirs=[Reservoir(ACCEPTED, None, 3, accept(names[3]))],
        tally=Tally(accepted=6),
    )
    why = explain(evidence_of(sampled, step("best", "select", select(names[0]))), names[5])
    assert (why.outcome, why.certainty) == ("unknown", "unknown")
    assert why.answer.endswith("It was not chosen: best chose d_1.")
    assert [(stop.kind, stop.certainty) for stop in why.journey] == [
        ("not_recorded", "unknown"),
        ("not_reached", "unknown"),
    ]
    whole = evidence_of(
        step("search", "retrieve", accept(*names)), step("best", "select", select(names[0]))
    )
    assert [stop.certainty for stop in explain(whole, "d_9").journey] == ["known", "known"]


def test_a_check_named_after_its_reason_says_the_reason_once() -> None:
    failed = Check("too_dear", "", "<=", 150, 100, passed=False)
    evidence = evidence_of(
        step("f", "filter", [row(REJECTED, "a", reason="too_dear", checks=[failed])])
    )
    assert explain(evidence, "a").answer == (
        "f rejected a: 150 exceeds the limit of 100 by 50 (too_dear)."
    )
