"""What an item came from and what it brought, in words and numbers."""

from __future__ import annotations

from tests.unit.small_runs import accept, evidence_of, reject, row, select, several, step
from xray.forensics.lineage import trace_lineage
from xray.model.facts import ACCEPTED, OriginCount, StepFinished, Tally

KEYWORDS = step("generate_keywords", "generate", accept("laptop", "stand"))
FOUND = step(
    "search_products",
    "retrieve",
    accept(*several("p", 37), origin="stand"),
    accept(*several("l", 10), origin="laptop"),
)
FILTERED = step(
    "filter_candidates",
    "filter",
    accept(*several("p", 9), *several("l", 10)),
    reject(*several("p", 27, 10), reason="price_too_high"),
    reject("p_37", reason="other_category"),
)
CHOSEN = step("select_best", "select", select("p_1"))


def answer(item: str, *steps: StepFinished) -> str:
    return trace_lineage(evidence_of(*steps), item).answer


def test_the_blast_radius_of_a_keyword_reads_in_one_sentence() -> None:
    lineage = trace_lineage(evidence_of(KEYWORDS, FOUND, FILTERED, CHOSEN), "stand")
    assert lineage.answer == (
        'keyword "stand": 37 retrieved, 9 kept by filter_candidates, 1 selected, '
        "and it is the winner."
    )
    assert (lineage.certainty, lineage.answers) == ("known", ["p_1"])
    filtered = lineage.brought[0].fared[1]
    assert filtered.reasons == {"price_too_high": 27, "other_category": 1}
    assert filtered.examples[:2] == ["p_1", "p_2"]


def test_an_item_whose_candidates_all_lost_says_so() -> None:
    assert answer("laptop", KEYWORDS, FOUND, FILTERED, CHOSEN) == (
        'keyword "laptop": 10 retrieved, 10 kept by filter_candidates, '
        "and the winner is none of them."
    )


def test_several_winners_are_counted_among_all() -> None:
    chosen = step("select_best", "select", select("p_1", "p_2", "l_1"))
    assert answer("stand", KEYWORDS, FOUND, FILTERED, chosen).endswith(
        "2 selected, and 2 of the 3 winners are among them."
    )
    assert answer("stand", KEYWORDS, FOUND, step("pick", "select", select("p_1", "p_2"))).endswith(
        "and they are the winners."
    )


def test_what_was_brought_brings_more_in_its_turn() -> None:
    documents = step("fetch", "retrieve", accept("doc_1", "doc_2", origin="capital of France"))
    chunks = step(
        "split",
        "transform",
        accept("doc_1#1", "doc_1#2", origin="doc_1"),
        accept("doc_2#1", origin="doc_2"),
    )
    chosen = step("choose", "select", select("doc_2#1"))
    query = step("ask", "generate", accept("capital of France"))
    lineage = trace_lineage(evidence_of(query, documents, chunks, chosen), "capital of France")
    assert [(one.depth, one.brought_to, one.count) for one in lineage.brought] == [
        (1, "fetch", 2),
        (2, "split", 3),
    ]
    assert lineage.brought[1].sources == ["doc_1", "doc_2"]
    assert lineage.answers == ["doc_2#1"]
    assert lineage.answer == (
        '"capital of France": 2 retrieved. Through these: '
        "3 candidates brought to split, 1 selected, and it is the winner."
    )


def test_a_candidate_that_names_itself_at_an_earlier_step_is_not_its_own_child() -> None:
    again = step("rerank", "rank", accept("p_1", origin=("search_products", "p_1")))
    lineage = trace_lineage(evidence_of(KEYWORDS, FOUND, again), "stand")
    assert [one.brought_to for one in lineage.brought] == ["search_products"]
    assert trace_lineage(evidence_of(KEYWORDS, FOUND, again), "p_1").brought == []


def test_origins_that_go_round_in_a_circle_end() -> None:
    first = step("first", "retrieve", accept("a", origin="b"))
    second = step("second", "retrieve", accept("b", origin="a"))
    lineage = trace_lineage(evidence_of(first, second), "a")
    assert [one.brought_to for one in lineage.brought] == ["second"]


def test_a_candidate_that_brought_nothing_says_what_it_came_from() -> None:
    steps = (KEYWORDS, FOUND, FILTERED, CHOSEN)
    assert answer("p_1", *steps) == 'p_1 came from keyword "stand" and is the winner.'
    assert answer("p_20", *steps) == 'p_20 came from keyword "stand".'
    assert answer("laptop", KEYWORDS) == (
        "laptop names no origin, and no candidate names it as its own."
    )


def test_an_item_that_nobody_recorded_is_not_made_up() -> None:
    lineage = trace_lineage(evidence_of(KEYWORDS, FOUND), "stands")
    assert lineage.answer == (
        "No step of this run recorded stands, and no candidate names it as its origin."
    )
    assert (lineage.certainty, lineage.similar) == ("known", ["stand"])


def test_whether_a_step_that_only_counted_had_an_item_is_unknown() -> None:
    counted = step("filter_candidates", "filter", capture="minimal", tally=Tally(rejected=20))
    lineage = trace_lineage(evidence_of(KEYWORDS, FOUND, counted), "nobody")
    assert (lineage.is_recorded, lineage.certainty) == (False, "unknown")
    assert lineage.because == "filter_candidates kept counts only (capture level minimal)"


def test_an_origin_that_no_step_recorded_is_followed_all_the_same() -> None:
    lineage = trace_lineage(evidence_of(FOUND, CHOSEN), "stand")
    assert lineage.brought[0].count == 37
    assert lineage.answer.startswith("stand: 37 retrieved, 1 selected")


def test_what_a_step_that_only_counted_did_with_them_is_unknown() -> None:
    counted = step("filter_candidates", "filter", capture="minimal", tally=Tally(rejected=20))
    lineage = trace_lineage(evidence_of(KEYWORDS, FOUND, counted, CHOSEN), "stand")
    assert lineage.certainty == "unknown"
    assert "filter_candidates kept counts only (capture level minimal)" in lineage.because
    assert lineage.answer == (
        'keyword "stand": 37 retrieved, an unknown number kept by filter_candidates, 1 selected, '
        "and it is the winner."
    )


def test_the_count_of_an_origin_is_exact_where_its_candidates_were_not_kept() -> None:
    found = step(
        "search_products",
        "retrieve",
        [row(ACCEPTED, "p_1", origin="stand")],
        tally=Tally(accepted=500, origins=[OriginCount("stand", None, accepted=500)]),
    )
    lineage = trace_lineage(evidence_of(KEYWORDS, found, CHOSEN), "stand")
    assert (lineage.brought[0].count, lineage.brought[0].certainty) == (500, "unknown")
    assert lineage.answers == ["p_1"]


def test_a_candidate_decided_for_several_queries_counts_once_by_what_brought_it_furthest() -> None:
    filtered = step(
        "filter_candidates",
        "filter",
        [row(ACCEPTED, "p_1", by="q1")],
        reject("p_1", reason="seen", by="q2"),
        reject("p_2", reason="seen", by="q2"),
    )
    found = step("search_products", "retrieve", accept("p_1", "p_2", origin="stand"))
    fared = trace_lineage(evidence_of(KEYWORDS, found, filtered), "stand").brought[0].fared[1]
    assert (fared.decided, fared.accepted, fared.rejected) == (2, 1, 1)


def test_what_several_retrievers_received_is_told_apart() -> None:
    other = step("search_offers", "retrieve", accept("p_1", "o_1", origin="stand"))
    told = answer("stand", KEYWORDS, FOUND, other, CHOSEN)
    assert told == (
        'keyword "stand": 37 retrieved by search_products, 1 selected, and it is the winner. '
        "2 retrieved by search_offers, 1 selected, and it is the winner."
    )


def test_a_filter_that_repeats_what_brought_its_candidates_brings_none_itself() -> None:
    repeating = step(
        "filter_candidates",
        "filter",
        accept(*several("p", 9), origin="stand"),
        reject(*several("p", 28, 10), reason="price_too_high", origin="stand"),
        accept("p_99", origin="stand"),
    )
    lineage = trace_lineage(evidence_of(KEYWORDS, FOUND, repeating, CHOSEN), "stand")
    assert [(one.brought_to, one.count) for one in lineage.brought] == [
        ("search_products", 37),
        ("filter_candidates", 1),
    ]
