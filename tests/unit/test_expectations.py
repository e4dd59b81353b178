"""What may be expected of a run, and what is said when it decided otherwise."""

from __future__ import annotations

import pytest

from xray import XRay
from xray.capture.run import Run
from xray.errors import InvalidQueryError, NotFoundError
from xray.forensics.statements import parse_statement
from xray.testing import MemorySink


@pytest.fixture
def shop(xray_sink: MemorySink) -> MemorySink:
    """A search for stands: 12 found, a third too dear, three ranked, one selected."""
    with XRay("shop", sink=xray_sink, capture="full").run(input={"query": "stand"}) as run:
        with run.step("keywords", step_type="generate") as step:
            step.accept("stand")
            step.accept("riser")
        with run.step("search", step_type="retrieve") as step:
            for number in range(12):
                step.accept(f"p{number}", origin="stand" if number % 2 else "riser")
        with run.step("price", step_type="filter") as step:
            for number in range(12):
                if number % 3 == 0:
                    step.reject(f"p{number}", "too_dear")
                else:
                    step.accept(f"p{number}")
        with run.step("rank", step_type="rank") as step:
            for rank, number in enumerate((1, 2, 4), 1):
                step.accept(f"p{number}", rank=rank, score=1 / rank)
            for rank, number in enumerate((5, 7, 8, 10, 11), 4):
                step.reject(f"p{number}", "below_cut", rank=rank, score=1 / rank)
        with run.step("pick", step_type="select") as step:
            step.select("p1")
            step.reject("p2", "not_selected")
            step.reject("p4", "not_selected")
    return xray_sink


MET = [
    "p1 is selected",
    "p1 is kept",
    "p1 is kept at price",
    "p2 is kept at rank",
    "p2 is not selected",
    "p2 is rejected by not_selected",
    "p3 is rejected",
    "p3 is rejected by too_dear",
    "p3 is rejected by too_dear at price",
    "p3 is not seen at rank",
    "p5 is rejected by below_cut at rank",
    "p99 is not seen",
    "p99 is not selected",
    "'p1' was selected",
    "p1 comes from stand",
    "p1 does not come from riser",
    "p2 came from riser",
    "p1 ranks above p2",
    "p4 ranks above p11 at rank",
    "exactly 1 selected",
    "exactly 4 rejected by too_dear",
    "exactly 4 are rejected at price",
    "exactly 11 rejected",
    "exactly 8 kept at price",
    "exactly 12 decided at price",
    "at most 34% rejected by too_dear",
    "at least 33 % rejected by too_dear at price",
    "fewer than 5 rejected by too_dear",
    "more than 3 rejected by too_dear",
    "exactly 0 rejected by no_picture",
    'run: status = "completed" and input.query = "stand"',
    'run: any(step.name = "price" and step.rejection_rate > 0.3)',
    'run: any(decision.candidate_id = "p3" and decision.reason = "too_dear")',
]
BROKEN = {
    "p1 is not selected": "p1",
    "p2 is selected": "p2",
    "p3 is kept": "too_dear",
    "p3 is rejected by below_cut": "too_dear",
    "p1 is rejected at price": "p1",
    "p99 is selected": "p99",
    "p1 comes from riser": "stand",
    "p2 ranks above p1": "p1 at 1",
    "exactly 2 selected": "1 is selected",
    "at most 30% rejected by too_dear": "33.33 % (4 of 12)",
    "at least 5 rejected by too_dear": "4 are rejected by too_dear",
    'run: status = "failed"': "does not meet",
}
UNKNOWN = {
    "exactly 0 rejected by too_deer": "did you mean 'too_dear'?",
    "p1 is kept at prise": "did you mean 'price'?",
    "at most 3 rejected at shelf": "its steps are keywords, search, price, rank and pick",
    "at least 3 kept": "add `at STEP`",
    "stand ranks above riser": "stand",
    "stand comes from p1": "no step recorded what brought it",
}


@pytest.mark.parametrize("text", MET)
def test_what_the_run_decided_is_met(shop: MemorySink, text: str) -> None:
    (one,) = shop.verify(text).expectations
    assert one.is_met is True, one


@pytest.mark.parametrize("text", BROKEN)
def test_what_it_decided_otherwise_is_broken_and_says_what_was_found(
    shop: MemorySink, text: str
) -> None:
    (one,) = shop.verify(text).expectations
    assert one.is_met is False, one
    assert BROKEN[text] in one.found


@pytest.mark.parametrize("text", UNKNOWN)
def test_what_cannot_be_told_is_unknown_and_says_why(shop: MemorySink, text: str) -> None:
    (one,) = shop.verify(text).expectations
    assert one.is_met is None
    assert one.certainty == "unknown"
    assert UNKNOWN[text] in one.because


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "ends where a candidate's id should stand"),
        ("p1", "does not say what is expected of 'p1'"),
        ("p1 should be selected", "does not say what is expected of 'p1'"),
        ("p1 is", "ends where one of selected, kept"),
        ("p1 is chosen", "instead of 'chosen'"),
        ("p1 is selected by too_dear", "which only rejected candidates have"),
        ("p1 is rejected by", "ends where a reason should stand"),
        ("p1 is kept at price today", "is not understood from 'today' on"),
        ("p1 comes of stand", "lacks the word 'from'"),
        ("p1 ranks above", "ends where another candidate's id should stand"),
        ("at most many rejected", "needs a number or a share instead of 'many'"),
        ("at most 140% rejected", "more than all"),
        ("at most -1 rejected", "instead of '-1'"),
        ("exactly 1 seen", "instead of 'seen'"),
        ("p" * 3_000, "is longer than 2,000 characters"),
    ],
)
def test_what_is_no_expectation_is_refused_with_the_forms(text: str, fault: str) -> None:
    with pytest.raises(InvalidQueryError) as refused:
        parse_statement(text)
    assert fault in str(refused.value)
    assert "ID comes from ORIGIN" in refused.value.hint


def test_a_query_that_is_none_is_refused_before_anything_is_checked(shop: MemorySink) -> None:
    with pytest.raises(InvalidQueryError, match="statuss"):
        shop.verify("p1 is selected", 'run: statuss = "failed"')


def test_words_with_blanks_and_words_of_the_language_stand_in_quotes(
    xray_sink: MemorySink,
) -> None:
    with (
        XRay("shop", sink=xray_sink).run() as run,
        run.step("first cut", step_type="filter") as step,
    ):
        step.accept("exactly")
        step.accept('27" screen')
        step.reject("desk lamp", "no 'stand' in title")
    xray_sink.expect(
        '"exactly" is kept at "first cut"',
        r'"27\" screen" is kept',
        "'desk lamp' is rejected by \"no 'stand' in title\"",
    )


def test_a_test_that_fails_shows_each_expectation_and_what_was_found(shop: MemorySink) -> None:
    with pytest.raises(AssertionError) as failed:
        shop.expect("p1 is selected", "p3 is kept", "exactly 0 rejected by too_deer")
    head, *lines = str(failed.value).splitlines()
    assert head.startswith("shop, run ")
    assert head.endswith(": 1 of 3 expectations is met, 1 broken, 1 unknown.")
    assert lines[0] == "  ok        p1 is selected"
    assert lines[1] == "  BROKEN    p3 is kept"
    assert lines[2].startswith("    found     price rejected p3: too_dear")
    assert lines[3] == "  unknown   exactly 0 rejected by too_deer"
    assert lines[5] == "    because   did you mean 'too_dear'?"


def test_without_a_run_there_is_nothing_to_expect(xray_sink: MemorySink) -> None:
    with pytest.raises(NotFoundError, match="No run was recorded"):
        xray_sink.expect("p1 is selected")


def test_counts_given_by_hand_are_as_good_as_counted_ones(xray_sink: MemorySink) -> None:
    with XRay("shop", sink=xray_sink).run() as run, run.step("price", step_type="filter") as step:
        step.set_input_count(200)
        step.set_output_count(50)
    xray_sink.expect(
        "exactly 75% rejected at price", "exactly 50 kept at price", "exactly 200 decided at price"
    )


def test_samples_alone_tell_no_counts(xray_sink: MemorySink) -> None:
    with XRay("shop", sink=xray_sink).run() as run, run.step("price", step_type="filter") as step:
        step.log_sampled_candidates(accepted=["a"], rejected=[("b", "too dear")])
    (one,) = xray_sink.verify("at most 60% rejected at price").expectations
    assert one.is_met is None


def test_expectations_hold_for_candidates_whose_detail_was_sampled_out(
    xray_sink: MemorySink,
) -> None:
    with XRay("shop", sink=xray_sink).run() as run, run.step("price", step_type="filter") as step:
        for number in range(3_000):
            if number % 2:
                step.reject(f"p{number}", "too_dear")
            else:
                step.accept(f"p{number}")
    odd = [f"p{number} is rejected by too_dear" for number in range(1, 400, 2)]
    even = [f"p{number} is kept" for number in range(0, 400, 2)]
    xray_sink.expect(*odd, *even, "exactly 50% rejected by too_dear")


def test_of_attempts_the_last_counts(xray_sink: MemorySink) -> None:
    with XRay("shop", sink=xray_sink).run() as run:
        with pytest.raises(OSError, match="no prices"):
            fail_after_rejecting(run)
        with run.step("price", step_type="filter") as step:
            step.accept("p1")
    xray_sink.expect("p1 is kept at price", "exactly 0 rejected at price")


def fail_after_rejecting(run: Run) -> None:
    with run.step("price", step_type="filter") as step:
        step.reject("p1", "too_dear")
        raise OSError("no prices")
