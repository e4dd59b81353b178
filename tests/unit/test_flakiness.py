"""How far runs on the same input decide alike, and which step brings the variance in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from hypothesis import given
from hypothesis import strategies as st

from xray import XRay
from xray.forensics.evidence import load_evidence
from xray.forensics.flakiness import group_by_input, measure_flakiness, report_flakiness
from xray.model.flakiness import Flakiness, FlakinessReport
from xray.reading import measure_flakiness as read_flakiness
from xray.store.memory import MemoryStore
from xray.testing import MemorySink

Decisions = Mapping[str, bool]
"""What one run keeps at each candidate."""


def record(sink: MemorySink, ranked: Decisions, given: str = "stand", found: int = 6) -> str:
    with XRay("shop", sink=sink, capture="full").run(input={"query": given}) as run:
        with run.step("search", step_type="retrieve") as step:
            for number in range(found):
                step.accept(f"p{number}")
        with run.step("rank", step_type="rank") as step:
            for name, is_kept in ranked.items():
                if is_kept:
                    step.accept(name)
                else:
                    step.reject(name, "below_cut")
        with run.step("pick", step_type="select") as step:
            for name in [name for name, is_kept in ranked.items() if is_kept][:1]:
                step.select(name)
    return run.run_id


def store_of(sink: MemorySink) -> MemoryStore:
    store = MemoryStore()
    store.submit("01890000-0000-7000-8000-000000000000", sink.facts).result()
    return store


def measure(sink: MemorySink, runs: Sequence[str]) -> Flakiness:
    store = store_of(sink)
    return measure_flakiness([load_evidence(store, run_id) for run_id in runs])


ALIKE = {f"p{number}": number < 3 for number in range(6)}


def test_runs_that_decide_alike_have_no_source_of_variance(xray_sink: MemorySink) -> None:
    measured = measure(xray_sink, [record(xray_sink, ALIKE) for _ in range(3)])
    assert measured.source is None
    assert measured.answers == 1
    assert [step.flips for step in measured.steps] == [0, 0, 0]
    assert "gave the same answer" in measured.answer
    assert measured.certainty == "known"


def test_the_step_that_decides_differently_about_the_same_candidates_is_named(
    xray_sink: MemorySink,
) -> None:
    runs = [
        record(xray_sink, ALIKE),
        record(xray_sink, {**ALIKE, "p0": False}),
        record(xray_sink, {**ALIKE, "p3": True}),
        record(xray_sink, ALIKE),
    ]
    measured = measure(xray_sink, runs)
    search, rank, pick = measured.steps
    assert measured.source == "rank"
    assert measured.answers == 2
    assert (search.flips, rank.flips, rank.own_flips) == (0, 2, 2)
    flips = {flip.candidate_id: flip for flip in rank.examples}
    assert (flips["p0"].kept, flips["p0"].dropped, flips["p0"].absent) == (3, 1, 0)
    assert flips["p0"].missed_in == runs[1]
    assert flips["p3"].reasons == ["below_cut"]
    assert flips["p3"].kept_in == runs[2]
    # Three of four keep p0: of the six pairs of runs, three disagree; so for p3.
    assert rank.flip_rate == (0.5 + 0.5) / 6
    # What the selection never got it did not decide differently.
    assert pick.own_flips < pick.flips
    assert "The variance enters at rank: 2 of 6 candidates" in measured.answer


def test_a_search_that_finds_other_candidates_is_the_source(xray_sink: MemorySink) -> None:
    runs = [record(xray_sink, ALIKE, found=6), record(xray_sink, ALIKE, found=8)]
    measured = measure(xray_sink, runs)
    assert measured.source == "search"
    assert measured.steps[0].own_flips == 2
    assert "found in some runs only (p6 and p7)" in measured.answer


def test_a_selection_alone_drops_the_rest_of_what_it_was_offered(xray_sink: MemorySink) -> None:
    runs = [
        record(xray_sink, {"p0": True, "p1": True}, found=2),
        record(xray_sink, {"p1": True, "p0": True}, found=2),
    ]
    measured = measure(xray_sink, runs)
    assert measured.source == "pick"
    assert measured.steps[2].own_flips == 2
    assert measured.answers == 2


def test_rejections_alone_keep_the_rest(xray_sink: MemorySink) -> None:
    runs = []
    for rejected in ("p1", "p2"):
        with XRay("shop", sink=xray_sink, capture="full").run(input=1) as run:
            with run.step("search", step_type="retrieve") as step:
                for number in range(4):
                    step.accept(f"p{number}")
            with run.step("stock", step_type="filter") as step:
                step.reject(rejected, "no_stock")
        runs.append(run.run_id)
    (_, stock) = measure(xray_sink, runs).steps
    assert (stock.candidates, stock.flips, stock.own_flips) == (4, 2, 2)
    assert {flip.candidate_id for flip in stock.examples} == {"p1", "p2"}


def test_candidates_that_were_sampled_out_are_compared_by_the_roster(
    xray_sink: MemorySink,
) -> None:
    runs = []
    for other in (None, "p900"):
        with (
            XRay("shop", sink=xray_sink, capture="sample").run(input=1) as run,
            run.step("price", step_type="filter") as step,
        ):
            for number in range(1_000):
                if number % 2 or f"p{number}" == other:
                    step.reject(f"p{number}", "too_dear")
                else:
                    step.accept(f"p{number}")
        runs.append(run.run_id)
    (price,) = measure(xray_sink, runs).steps
    assert price.candidates > 50
    assert [flip.candidate_id for flip in price.examples] in (["p900"], [])
    # Known by hash alone in both runs, it has no name to be compared by.
    assert price.flips == len(price.examples)


def test_a_step_that_only_some_runs_have_is_not_blamed_for_what_it_never_saw(
    xray_sink: MemorySink,
) -> None:
    first = record(xray_sink, ALIKE)
    with (
        XRay("shop", sink=xray_sink).run(input={"query": "stand"}) as run,
        run.step("search", step_type="retrieve") as step,
    ):
        for number in range(6):
            step.accept(f"p{number}")
    measured = measure(xray_sink, [first, run.run_id])
    assert [(step.name, step.runs) for step in measured.steps] == [
        ("search", 2),
        ("rank", 1),
        ("pick", 1),
    ]
    assert measured.source is None


@given(
    st.lists(
        st.fixed_dictionaries({name: st.booleans() for name in ("p0", "p1", "p2", "p3", "p4")}),
        min_size=2,
        max_size=6,
    )
)
def test_disagreement_is_the_share_of_pairs_of_runs_that_differ(kept: list[Decisions]) -> None:
    sink = MemorySink()
    runs = [record(sink, decisions, found=5) for decisions in kept]
    measured = measure(sink, runs)
    rank = next(step for step in measured.steps if step.name == "rank")
    pairs = [(a, b) for at, a in enumerate(kept) for b in kept[:at]]
    differing = sum(a[name] != b[name] for a, b in pairs for name in a)
    assert rank.candidates == 5
    assert abs(rank.flip_rate - differing / len(pairs) / 5) < 1e-12
    assert measure(sink, runs[::-1]).steps[1].flip_rate == rank.flip_rate


def test_runs_are_compared_input_by_input_and_the_flakiest_comes_first(
    xray_sink: MemorySink,
) -> None:
    for given_input in ("case", "stand", "stand", "case", "alone"):
        flip = {"p0": False} if given_input == "stand" and xray_sink.facts[-1:] else {}
        record(xray_sink, {**ALIKE, **flip}, given_input)
    record(xray_sink, ALIKE, "stand")
    report = read_flakiness(store_of(xray_sink), [("runs", "50")], 0)
    assert (report.runs, report.alone) == (6, 1)
    assert [one.input for one in report.inputs] == [{"query": "stand"}, {"query": "case"}]
    assert report.answer == (
        "1 of 2 inputs that were given repeatedly led to different decisions; the variance enters "
        "at rank."
    )


def test_without_a_repeated_input_there_is_nothing_to_compare() -> None:
    empty = report_flakiness([], 0, 0)
    assert isinstance(empty, FlakinessReport)
    assert empty.answer == "No input was given twice in 0 runs, so nothing can be compared."
    assert group_by_input([]) == []
