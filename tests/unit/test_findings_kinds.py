"""What each kind of finding claims, and what it leaves alone, in small runs."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from tests.unit.small_runs import (
    accept,
    check,
    evidence_of,
    reject,
    row,
    select,
    several,
    step,
)
from xray.forensics.findings.finders import find
from xray.model.answers import Finding
from xray.model.facts import (
    ACCEPTED,
    REJECTED,
    Check,
    DecisionRow,
    ErrorInfo,
    Reservoir,
    StepFinished,
    Tally,
)


def found(*steps: StepFinished, code: str | None = None, **run: Any) -> list[Finding]:
    findings = find(evidence_of(*steps, **run))
    return [one for one in findings if code is None or one.code == code]


def checked(verdict: int, name: str, *checks: Check, reason: str | None = None) -> DecisionRow:
    return row(verdict, name, reason=reason, checks=list(checks))


def price(observed: float, *, passed: bool, name: str = "too_dear") -> Check:
    return Check(name, "price", "<=", observed, 10, passed)


def ranked(scores: list[Any], keep: int, **fields: Any) -> StepFinished:
    rows = [
        row(ACCEPTED if rank <= keep else REJECTED, f"p_{rank}", rank=rank, score=score,
            reason=None if rank <= keep else "below_cut")
        for rank, score in enumerate(scores, 1)
    ]  # fmt: skip
    return step("rank", "rank", rows, **fields)


def parts(*counts: int, **changed: Any) -> list[StepFinished]:
    return [
        step(f"shard_{number}", "retrieve", accept(*several(f"s{number}", count)), **changed)
        for number, count in enumerate(counts, 1)
    ]


def test_what_a_step_kept_though_it_failed_names_the_answer_among_it() -> None:
    bad, good = price(20, passed=False), price(5, passed=True)
    rows = [checked(ACCEPTED, "a", bad), checked(REJECTED, "b", bad), checked(ACCEPTED, "c", good)]
    (finding,) = found(
        step("find", "retrieve", accept("a", "b", "c")),
        step("rules", "filter", rows),
        step("pick", "select", select("a"), reject("c", reason="not_selected")),
    )
    assert finding.code == "kept_though_failed"
    assert finding.text == (
        "rules kept 1 candidate that failed a check for which it rejected others, too_dear (1): a. "
        "a, the answer, is one of them."
    )


def test_of_a_check_made_twice_the_last_counts() -> None:
    bad, good = price(20, passed=False), price(5, passed=True)
    assert not found(
        step("find", "retrieve", accept("a", "b")),
        step("rules", "filter", [checked(ACCEPTED, "a", bad, good), checked(REJECTED, "b", bad)]),
    )


def test_what_a_candidate_failed_for_one_query_says_nothing_of_another() -> None:
    bad, good = price(20, passed=False), price(5, passed=True)
    rows = [
        row(ACCEPTED, "a", by="q1", checks=[good]),
        row(REJECTED, "a", by="q2", checks=[bad]),
        row(ACCEPTED, "b", by="q2", checks=[good]),
    ]
    assert not found(step("rules", "filter", rows))


def test_in_a_sample_what_was_kept_though_it_failed_is_told_as_at_least() -> None:
    bad = price(20, passed=False)
    rows = [checked(ACCEPTED, "a", bad), checked(REJECTED, "b", bad)]
    tally = Tally(rejected=40, accepted=60, reasons={"too_dear": 40})
    (finding,) = found(step("rules", "filter", rows, tally=tally), code="kept_though_failed")
    assert "at least 1 candidate" in finding.text


@pytest.mark.parametrize(
    ("lower", "upper", "excludes"),
    [((">=", 5), ("<=", 4), True), ((">", 4), ("<=", 4), True), ((">=", 4), ("<=", 4), False)],
)
def test_limits_exclude_one_another_only_where_no_value_lies_between(
    lower: tuple[str, float], upper: tuple[str, float], excludes: bool
) -> None:
    rows = [
        checked(
            REJECTED, name,
            Check("low", "size", lower[0], 9, lower[1], passed=True),
            Check("high", "size", upper[0], 9, upper[1], passed=False),
        )
        for name in ("a", "b")
    ]  # fmt: skip
    assert bool(found(step("rules", "filter", rows), code="limits_exclude")) == excludes


def test_limits_that_differ_from_candidate_to_candidate_exclude_nothing() -> None:
    rows = [
        checked(
            REJECTED, f"p{number}",
            Check("low", "size", ">=", 0, number + 5, passed=False),
            Check("high", "size", "<=", 0, number, passed=True),
        )
        for number in range(3)
    ]  # fmt: skip
    assert not found(step("rules", "filter", rows), code="limits_exclude")


def test_a_top_k_that_is_not_filled_though_others_are_cut() -> None:
    scores = [1 / rank for rank in range(1, 11)]
    (finding,) = found(ranked(scores, 3, params={"top_k": 5}))
    assert finding.text == "rank kept 3 and cut 7 candidates off, though its top_k is 5."
    assert not found(ranked(scores, 5, params={"top_k": 5}))
    assert not found(ranked(scores, 10, params={"top_k": 50}))
    assert not found(ranked(scores, 3, params={"max_price": 5}))


def test_a_top_k_that_is_not_filled_shows_at_minimal_too() -> None:
    tally = Tally(accepted=3, rejected=97, reasons={"below_cut": 97})
    counted = step("rank", "rank", capture="minimal", tally=tally, params={"top_k": 10})
    assert [one.code for one in found(counted)] == ["short_of_limit"]


def test_a_cut_that_drops_a_better_rank_than_it_keeps() -> None:
    rows = [row(REJECTED, "best", rank=1, reason="below_cut")]
    rows += [row(ACCEPTED, f"p_{rank}", rank=rank) for rank in (2, 3)]
    (finding,) = found(step("rank", "rank", rows))
    assert finding.code == "cut_out_of_rank"
    assert finding.text == "rank put best, rank 1, below its cut and kept p_3, rank 3."


def test_a_cut_for_each_query_is_judged_within_the_query() -> None:
    rows = [row(REJECTED, "a", rank=2, reason="below_cut", by="q1")]
    rows += [row(ACCEPTED, "b", rank=1, by="q1")]
    rows += [row(ACCEPTED, f"c{rank}", rank=rank, by="q2") for rank in (1, 2, 3)]
    assert not found(step("rank", "rank", rows))


def test_a_score_that_is_not_there_where_others_of_the_verdict_have_one() -> None:
    scores: list[Any] = [0.9, 0.8, None, 0.6]
    (finding,) = found(ranked(scores, 4))
    assert (finding.code, finding.examples) == ("no_score", ["p_3"])


def test_the_chosen_without_a_score_among_scored_losers() -> None:
    (finding,) = found(
        step("find", "retrieve", accept("a", "b", "c")),
        step("pick", "select", select("a"), reject("b", "c", score=0.5, reason="not_selected")),
    )
    assert (finding.code, finding.examples) == ("no_score", ["a"])


def test_scores_saturate_where_more_reach_the_best_than_are_kept() -> None:
    scores = [1.0] * 6 + [0.5, 0.4, 0.3, 0.2]
    (finding,) = found(ranked(scores, 3))
    assert (finding.code, finding.count, finding.certainty) == ("saturated", 6, "known")
    assert "6 of 10 candidates" in finding.text
    assert not found(ranked([1.0] * 4 + [0.5] * 6, 3))
    assert not found(ranked([1.0] * 6 + [0.5, 0.4, 0.3, 0.2], 6))
    assert not found(ranked([1.0] * 7, 3))


def test_a_sample_lets_saturation_be_inferred_by_what_its_rows_stand_for() -> None:
    kept = [row(ACCEPTED, f"p_{rank}", rank=rank, score=1.0) for rank in range(1, 11)]
    cut = [row(REJECTED, f"r_{n}", score=0.1, reason="below_cut") for n in range(10)]
    tally = Tally(accepted=10, rejected=1_000, reasons={"below_cut": 1_000})
    reservoir = Reservoir(REJECTED, "below_cut", 1_000, cut)
    assert not found(step("rank", "rank", kept, reservoirs=[reservoir], tally=tally))
    alike = Reservoir(REJECTED, "below_cut", 1_000, [replace(one, score=1.0) for one in cut])
    (finding,) = found(step("rank", "rank", kept, reservoirs=[alike], tally=tally))
    assert (finding.code, finding.count, finding.certainty) == ("saturated", 1_010, "inferred")
    assert "20" in finding.because


def test_a_bare_score_is_known_to_be_better_when_high_by_the_step_it_comes_from() -> None:
    scores = [0.1, 0.2, 0.3, 0.4]
    before = [
        row(ACCEPTED, f"p_{rank}", rank=5 - rank, score={"total": score})
        for rank, score in enumerate(scores, 1)
    ]
    (finding,) = found(step("score", "rank", before), ranked(scores, 4))
    assert (finding.code, finding.step_name) == ("order_flipped", "rank")
    assert finding.because == "it is the total of score"


def test_shards_that_should_have_returned_little_may_return_nothing() -> None:
    (finding,) = found(*parts(12, 0, 9, 11), code="silent_part")
    assert finding.text == (
        "shard_2 returned nothing, while its 3 siblings returned 9 to 12 candidates each."
    )
    assert not found(*parts(2, 0, 3, 2), code="silent_part")
    assert not found(*parts(12, 0), code="silent_part")
    assert not found(*parts(40, 0, 0, 1), code="silent_part")


def test_shards_are_numbered_without_gaps() -> None:
    there = parts(5, 5, 5, 5)
    (finding,) = found(*there[:1], *there[2:])
    assert (finding.code, finding.certainty) == ("missing_part", "inferred")
    assert "shard_2 was not recorded" in finding.text
    assert not found(*there)
    years = [replace(one, name=f"index_{2019 + 2 * n}") for n, one in enumerate(there)]
    assert not found(*years)


def test_a_shard_that_takes_ten_times_as_long_as_the_others() -> None:
    there = parts(5, 5, 5, 5)
    slow = replace(there[2], duration_ms=9_000.0)
    (finding,) = found(there[0], there[1], slow, there[3])
    assert (finding.code, finding.step_name) == ("slow_part", "shard_3")
    assert (finding.observed, finding.expected) == (9_000.0, 10.0)
    assert "9.0 s" in finding.text
    assert not found(there[0], there[1], replace(there[2], duration_ms=200.0), there[3])


def test_an_origin_nobody_recorded_among_others_that_were() -> None:
    (finding,) = found(
        step("words", "generate", accept("case", "cover")),
        step(
            "find", "retrieve",
            accept("a", origin="case"), accept("b", origin="cover"), accept("c", "d", origin="pan"),
        ),
    )  # fmt: skip
    assert finding.code == "unrecorded_origin"
    assert finding.text == (
        '"pan" alone brought 2 candidates to find, but no earlier step recorded it; other origins '
        "are from words."
    )


def test_an_index_named_beside_the_word_that_was_looked_up_is_no_stray_origin() -> None:
    assert not found(
        step("words", "generate", accept("case", "cover")),
        step(
            "find", "retrieve",
            accept("a", origin=["case", "bm25"]), accept("b", origin=["cover", "bm25"]),
        ),
    )  # fmt: skip


def test_rounds_that_end_when_one_brings_nothing_are_no_shards() -> None:
    rounds = [replace(one, name=f"round_{at}") for at, one in enumerate(parts(9, 8, 7, 0), 1)]
    assert not found(*rounds, code="silent_part")
    again = [replace(one, name="ask") for one in parts(9, 0, 7, 8)]
    assert not found(*again, code="silent_part")


def test_to_pass_most_checks_may_be_enough() -> None:
    def judge(name: str, *passed: bool) -> DecisionRow:
        checks = [Check(f"check_{at}", "", None, ok, True, ok) for at, ok in enumerate(passed)]
        is_kept = sum(passed) >= 2
        return checked(ACCEPTED if is_kept else REJECTED, name, *checks)

    voted = [
        judge("a", True, True, False),
        judge("b", True, False, True),
        judge("c", False, True, True),
        judge("d", False, False, True),
        judge("e", True, False, False),
        judge("f", True, True, True),
    ]
    assert not found(step("rules", "filter", voted), code="kept_though_failed")


def test_a_top_k_beside_a_threshold_need_not_be_filled() -> None:
    scores = [1 / rank for rank in range(1, 11)]
    assert not found(ranked(scores, 3, params={"top_k": 5, "min_score": 0.3}))


def test_a_check_meant_for_some_is_told_but_not_first() -> None:
    rows = [
        checked(ACCEPTED, f"p{n}", *([price(5, passed=True)] if n % 4 else [])) for n in range(12)
    ]
    rows.append(checked(REJECTED, "x", price(20, passed=False)))
    (finding,) = found(step("rules", "filter", rows))
    assert finding.code == "unchecked"
    assert finding.surprise < 0.4


def test_origins_of_which_no_step_records_any_are_names_of_something_else() -> None:
    assert not found(
        step("words", "generate", accept("case")),
        step("find", "retrieve", accept("a", origin="bm25"), accept("b", origin="vectors")),
    )


def test_candidates_lost_to_errors_are_not_rejected_by_rules() -> None:
    (finding,) = found(
        step(
            "judge", "filter",
            accept(*several("p", 4)), reject(*several("q", 16), reason="timeout"),
        )
    )  # fmt: skip
    assert (finding.code, finding.count) == ("errors", 16)
    assert finding.text == "judge lost 16 of 20 candidates to errors, not to rules: timeout (16)."
    assert not found(
        step("judge", "filter", accept(*several("p", 50)), reject("q", reason="timeout"))
    )


def test_a_run_that_fails_between_its_steps() -> None:
    error = ErrorInfo(type="ValueError", message="no stock")
    (finding,) = found(step("find", "retrieve", accept("a")), status="failed", error=error)
    assert finding.code == "failed"
    assert finding.text == "The run failed (ValueError: no stock) after find, in none of its steps."


def test_a_candidate_that_came_back_is_told_from_an_invented_one() -> None:
    (finding,) = found(
        step("find", "retrieve", accept("a", "b")),
        step("rules", "filter", accept("a"), reject("b", reason="dear")),
        step("pick", "select", select("b"), reject("a", reason="not_selected")),
    )
    assert finding.code == "not_offered"
    assert finding.text.endswith("rules had rejected it.")


def test_who_came_nearest_is_told_of_a_step_that_kept_nothing() -> None:
    (finding,) = found(
        step("find", "retrieve", accept("a", "b")),
        step("rules", "filter", check("a", "price", 150, "<=", 100), reject("a"),
             check("b", "price", 101, "<=", 100), reject("b")),
    )  # fmt: skip
    assert finding.text.endswith("The nearest to it: b, whose price of 101 had to be <= 100.")


def test_a_step_that_had_nothing_to_decide_is_not_incomplete() -> None:
    codes = [
        one.code
        for one in found(
            step("find", "retrieve", accept("a")),
            step("rules", "filter", reject("a", reason="dear")),
            step("rank", "rank"),
        )
    ]
    assert codes == ["empty"]
