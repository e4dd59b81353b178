"""Two runs compared, in words: what they were given, where they part, what that changed."""

from __future__ import annotations

from tests.unit.small_runs import accept, evidence_of, reject, row, select, several, step
from xray.forensics.diff import compare_runs
from xray.model.differences import Change
from xray.model.facts import ACCEPTED, StepFinished, Tally

FOUND = step("search", "retrieve", accept(*several("p", 6)))
PICKED = step("pick", "select", select("p_1"))


def filtered(limit: int, *kept: str) -> StepFinished:
    dropped = [one for one in several("p", 6) if one not in kept]
    return step(
        "filter_price",
        "filter",
        accept(*kept),
        reject(*dropped, reason="price_too_high"),
        params={"max_price": limit},
    )


def answer(a: tuple[StepFinished, ...], b: tuple[StepFinished, ...]) -> str:
    return compare_runs(evidence_of(*a), evidence_of(*b)).answer


def test_the_first_step_that_differs_is_named_with_what_it_did_and_was_given() -> None:
    before = (FOUND, filtered(100, "p_1", "p_2", "p_3"), PICKED)
    after = (FOUND, filtered(80, "p_2"), step("pick", "select", select("p_2")))
    assert answer(before, after) == (
        "They first differ at filter_price: 2 candidates that A kept were dropped (p_1 and p_3); "
        "params.max_price 100 → 80. The answer changed from p_1 to p_2."
    )


def test_runs_that_decided_the_same_do_not_differ_whatever_their_ids() -> None:
    steps = (FOUND, filtered(100, "p_1"), PICKED)
    diff = compare_runs(evidence_of(*steps), evidence_of(*steps))
    assert (diff.answer, diff.certainty, diff.first_divergence) == (
        "Nothing differs.",
        "known",
        None,
    )


def test_a_candidate_dropped_for_another_reason_is_told() -> None:
    other = step(
        "filter_price", "filter", accept("p_1"), reject(*several("p", 5, 2), reason="too_old"),
        params={"max_price": 100},
    )  # fmt: skip
    told = answer((FOUND, filtered(100, "p_1")), (FOUND, other))
    assert told.startswith(
        "They first differ at filter_price: 5 candidates were dropped for another reason"
    )


def test_a_step_that_only_one_run_has_is_where_they_part() -> None:
    extra = step("dedupe", "filter", accept(*several("p", 6)))
    assert answer((FOUND, PICKED), (FOUND, extra, PICKED)) == "Only B has dedupe (filter)."
    assert answer((FOUND, extra, PICKED), (FOUND, PICKED)) == "Only A has dedupe (filter)."


def test_ranks_and_scores_that_moved_are_measured() -> None:
    def ranked(*names: str) -> StepFinished:
        rows = [
            row(ACCEPTED, name, rank=rank, score=1 / rank) for rank, name in enumerate(names, 1)
        ]
        return step("rank", "rank", rows)

    diff = compare_runs(
        evidence_of(FOUND, ranked("p_1", "p_2", "p_3")),
        evidence_of(FOUND, ranked("p_2", "p_1", "p_3")),
    )
    step_diff = diff.steps[1]
    assert [(moves.kind, moves.count) for moves in step_diff.moves] == [
        ("rank_moved", 2),
        ("score_changed", 2),
    ]
    assert step_diff.jaccard == 1.0
    assert step_diff.kendall_tau is not None
    assert round(step_diff.kendall_tau, 6) == round(1 / 3, 6)
    assert step_diff.rank_overlap is not None
    assert 0 < step_diff.rank_overlap < 1


def test_what_a_sample_hides_is_said_and_not_guessed() -> None:
    sampled = step(
        "filter_price", "filter", reject("p_1", reason="price_too_high"), accept("p_2"),
        tally=Tally(rejected=4, accepted=2, reasons={"price_too_high": 4}),
    )  # fmt: skip
    diff = compare_runs(evidence_of(FOUND, filtered(100, "p_1")), evidence_of(FOUND, sampled))
    step_diff = diff.steps[1]
    assert {moves.kind: moves.count for moves in step_diff.moves} == {
        "newly_rejected": 1,
        "newly_kept": 1,
    }
    assert step_diff.jaccard is None
    assert (diff.certainty, diff.because) == (
        "unknown",
        "in B filter_price kept a sample of its 6 decisions",
    )


def test_values_that_differ_are_found_where_they_lie() -> None:
    a = step("ask", "generate", accept("x"), params={"model": "m", "stop": ["a"], "top p": 1})
    b = step(
        "ask", "generate", accept("x"), params={"model": "n", "stop": ["a", "b"], "seed": None}
    )
    changes = compare_runs(evidence_of(a), evidence_of(b)).steps[0].changes
    assert changes == [
        Change(path="params.model", a="m", b="n"),
        Change(path="params.seed", b=None, only_in="b"),
        Change(path="params.stop[1]", b="b", only_in="b"),
        Change(path='params["top p"]', a=1, only_in="a"),
    ]


def test_a_step_that_failed_in_one_run_says_with_what() -> None:
    failed = step("search", "retrieve", status="failed", error="no answer in 5 s")
    told = answer((FOUND,), (failed,))
    assert 'status "completed" → "failed"' in told
    assert "TimeoutError: no answer in 5 s" in told


def test_repeated_steps_are_paired_in_their_order() -> None:
    first, second = step("look", "filter", accept("p_1")), step("look", "filter", accept("p_2"))
    diff = compare_runs(evidence_of(first, second), evidence_of(first, second))
    assert [(one.a is not None, one.b is not None) for one in diff.steps] == [(True, True)] * 2
    assert diff.first_divergence is None
    shorter = compare_runs(evidence_of(first, second), evidence_of(first))
    assert shorter.answer == "Only A has look (filter)."
