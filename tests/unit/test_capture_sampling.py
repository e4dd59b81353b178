"""What a sampled step keeps in detail: the limits of the census, and a fair draw after it."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

import msgspec
import pytest

from xray import XRay
from xray.capture.draw import SAMPLES_PER_REASON, Combination, Draw
from xray.capture.nearest import NEAREST_PER_CHECK
from xray.capture.rows import MAX_CHECKS_PER_CANDIDATE, MAX_PENDING_CANDIDATES
from xray.capture.settings import CENSUS_BYTES, CENSUS_ROWS
from xray.capture.step import Step
from xray.model.facts import REJECTED, StepFinished
from xray.testing import MemorySink

TRIALS = 2_000
POPULATION = 1_000


def record(work: Callable[[Step], object], *, level: str = "sample") -> StepFinished:
    sink = MemorySink()
    with XRay("p", sink=sink).run() as run, run.step("work", "filter", capture=level) as step:
        work(step)
    return sink.step("work")


def reject_many(step: Step, count: int, reason: str = "dear", start: int = 0) -> None:
    for number in range(start, start + count):
        step.reject(f"id_{number:05}", reason)


def combination(draw: Draw) -> Combination:
    return Combination(draw, (), is_named=True, failed_check=None)


def test_the_census_ends_after_its_last_row_and_not_before() -> None:
    assert record(lambda step: reject_many(step, CENSUS_ROWS - 1)).tally is None
    at_limit = record(lambda step: reject_many(step, CENSUS_ROWS))
    assert len(at_limit.rows) == CENSUS_ROWS
    assert at_limit.reservoirs == []
    beyond = record(lambda step: reject_many(step, CENSUS_ROWS + 1))
    assert [row.candidate_id for row in beyond.rows] == [f"id_{n:05}" for n in range(CENSUS_ROWS)]
    assert [row.candidate_id for row in beyond.reservoirs[0].rows] == [f"id_{CENSUS_ROWS:05}"]
    assert beyond.reservoirs[0].seen == 1
    assert beyond.omissions == {}


def test_the_census_ends_at_its_bytes_when_rows_are_wide() -> None:
    def work(step: Step) -> None:
        for number in range(200):
            step.reject(f"id_{number:05}", "dear", {"note": "x" * 1_000})

    fact = record(work)
    row_bytes = len(msgspec.msgpack.encode((0, "id_00000", "dear", {"note": "x" * 1_000})))
    assert CENSUS_BYTES <= len(fact.rows) * row_bytes < CENSUS_BYTES + row_bytes
    assert len(fact.rows) + fact.reservoirs[0].seen == 200


def test_each_reason_and_verdict_keeps_fifty_rows_however_rare_it_is() -> None:
    def work(step: Step) -> None:
        reject_many(step, CENSUS_ROWS)
        for number in range(10_000):
            step.reject(f"a_{number}", "dear")
            if number % 100 == 0:
                step.reject(f"b_{number}", "far")
                step.accept(f"c_{number}")
            if number % 1_000 == 0:
                step.reject(f"d_{number}", "rare")

    found = {
        (one.verdict, one.reason): (one.seen, len(one.rows)) for one in record(work).reservoirs
    }
    assert found == {(0, "dear"): (10_000, 50), (0, "far"): (100, 50), (0, "rare"): (10, 10),
                     (1, None): (100, 50)}  # fmt: skip


def test_a_draw_after_the_census_favours_no_position() -> None:
    drawn = [0] * POPULATION
    for trial in range(TRIALS):
        draw = Draw(REJECTED, "dear", Random(f"trial {trial}").random)
        # Two call sites, one of them with more to a decision than its reason.
        watched, apart = combination(draw), combination(draw)
        draw.watch(watched)
        for position in range(POPULATION):
            if position % 5:
                watched.ids.append(position)
                if len(watched.ids) >= watched.next_length:
                    draw.ask(watched, str(position).encode)
            else:
                apart.ids.append(position)
                draw.count_apart()
                draw.ask(apart, str(position).encode)
        for one in draw.sample:
            drawn[int(one.row)] += 1
            assert one.source.ids[one.index] == int(one.row)
    share = SAMPLES_PER_REASON / POPULATION
    expected = TRIALS * share
    # Drawn without replacement, a count varies by `1 - share` less than a multinomial one.
    chi_square = sum((count - expected) ** 2 / (expected * (1 - share)) for count in drawn)
    assert 0.9 <= chi_square / (POPULATION - 1) <= 1.1


def near_rows(fact: StepFinished) -> dict[tuple[int, str | None], set[str]]:
    found: dict[tuple[int, str | None], set[str]] = {}
    for one in fact.reservoirs:
        if one.seen == 0:
            ids = {row.candidate_id for row in one.rows}
            found.setdefault((one.verdict, one.reason), set()).update(ids)
    return found


@pytest.mark.parametrize("is_checked_apart", [True, False])
def test_the_rows_nearest_to_a_limit_are_kept_on_both_sides_and_stand_for_nobody(
    is_checked_apart: bool,
) -> None:
    prices = [1_000 + (number * 7_919) % 5_000 for number in range(5_000)]

    def work(step: Step) -> None:
        reject_many(step, CENSUS_ROWS)
        for price in prices:
            limit = {"observed": price, "op": "<=", "limit": 3_000}
            if is_checked_apart:
                is_kept = step.check(f"p_{price}", "too_dear", price, "<=", 3_000)
                (step.accept if is_kept else step.reject)(f"p_{price}")
            elif price <= 3_000:
                step.accept(f"p_{price}", **limit)
            else:
                step.reject(f"p_{price}", "too_dear", **limit)

    fact = record(work)
    drawn = {row.candidate_id for one in fact.reservoirs if one.seen for row in one.rows}
    near = near_rows(fact)
    kept = set().union(*near.values()) | drawn
    if is_checked_apart:
        nearest = sorted(prices, key=lambda price: abs(price - 3_000))[:NEAREST_PER_CHECK]
    else:
        nearest = [*range(2_951, 3_001), *range(3_001, 3_051)]
    assert {f"p_{price}" for price in nearest} <= kept
    assert set().union(*near.values()) <= {f"p_{price}" for price in nearest}
    assert set(near) == {(0, "too_dear"), (1, None)}
    assert fact.tally is not None
    assert sum(one.seen for one in fact.reservoirs) + CENSUS_ROWS == fact.tally.decided
    assert not drawn & set().union(*near.values())


def test_a_near_miss_that_was_decided_again_is_told_under_its_last_verdict() -> None:
    def work(step: Step) -> None:
        reject_many(step, CENSUS_ROWS)
        for price in range(2_000, 4_000):
            step.reject(f"p_{price}", "too_dear", observed=price, op="<=", limit=1_990)
        step.accept("p_2000")
        step.reject("p_2001", "sold_out")

    near = near_rows(record(work))
    assert not near[0, "too_dear"] & {"p_2000", "p_2001"}


def test_the_same_run_recorded_again_keeps_the_same_rows() -> None:
    def kept() -> list[str]:
        sink = MemorySink()
        with XRay("p", sink=sink).run(key="order 7") as run, run.step("work", "filter") as step:
            reject_many(step, 20_000)
        return [row.candidate_id for row in sink.step("work").reservoirs[0].rows]

    assert kept() == kept()


def test_a_verb_taken_before_the_census_ended_goes_on_counting() -> None:
    def work(step: Step) -> None:
        reject = step.reject
        for number in range(3_000):
            reject(f"id_{number}", "dear")

    tally = record(work).tally
    assert tally is not None
    assert tally.rejected == 3_000


@pytest.mark.parametrize("level", ["minimal", "sample", "full"])
def test_a_bound_reason_rejects_as_the_verb_does_before_and_after_the_census(level: str) -> None:
    def by_bound_reason(step: Step) -> None:
        too_dear = step.reason("too_dear")
        for number in range(1_500):
            too_dear(f"id_{number}", {"price": number}, score=0.5)

    def by_verb(step: Step) -> None:
        for number in range(1_500):
            step.reject(f"id_{number}", "too_dear", {"price": number}, score=0.5)

    bound, verb = record(by_bound_reason, level=level), record(by_verb, level=level)
    assert (bound.rows, bound.tally) == (verb.rows, verb.tally)


def test_reasons_of_the_accepted_leave_room_for_those_of_the_rejected() -> None:
    def work(step: Step) -> None:
        reject_many(step, CENSUS_ROWS)
        for number in range(300):
            step.accept(f"kept_{number}", reason=f"why_{number}")
        for number in range(10):
            step.reject(f"lost_{number}", f"because_{number}")

    tally = record(work).tally
    assert tally is not None
    assert tally.reasons == {"dear": CENSUS_ROWS} | {f"because_{n}": 1 for n in range(10)}


def test_reasons_beyond_the_limit_are_counted_as_other_and_none_is_lost() -> None:
    def work(step: Step) -> None:
        for number in range(5_000):
            step.reject(f"id_{number}", f"reason_{number % 1_250}")

    tally = record(work).tally
    assert tally is not None
    assert len(tally.reasons) == 257
    assert sum(tally.reasons.values()) == 5_000
    assert tally.reasons["other"] == 5_000 - 256 * 4


def test_full_keeps_every_row_until_the_run_has_kept_its_share() -> None:
    sink = MemorySink()
    with XRay("p", sink=sink, capture="full").run() as run:
        run.full_bytes_left = 100_000
        with run.step("first", "filter") as step:
            reject_many(step, 2_000)
        with run.step("second", "filter") as step:
            reject_many(step, 5_000)
    first, second = sink.step("first"), sink.step("second")
    assert (first.tally, first.omissions) == (None, {})
    assert second.tally is not None
    assert second.tally.rejected == 5_000
    row_bytes = len(msgspec.msgpack.encode((0, "id_00000", "dear", None)))
    assert len(second.rows) == -(-(100_000 - 2_000 * row_bytes) // row_bytes)
    assert second.omissions == {"sampled_out": 5_000 - len(second.rows) - SAMPLES_PER_REASON}


@pytest.mark.parametrize("level", ["sample", "full"])
@pytest.mark.parametrize("before", [0, CENSUS_ROWS])
def test_a_candidate_without_an_id_is_numbered_once_for_its_checks_and_its_verdict(
    level: str, before: int
) -> None:
    nameless, other = {"price": 150}, {"price": 90}

    def work(step: Step) -> None:
        reject_many(step, before)
        step.check(nameless, "too_dear", 150, "<=", 100)
        step.check(nameless, "too_far", 3, "<=", 5)
        step.check(other, "too_dear", 90, "<=", 100)
        step.reject(nameless)
        step.accept(other)

    fact = record(work, level=level)
    rows = [*fact.rows[before:], *(row for one in fact.reservoirs for row in one.rows)]
    assert sorted((row.candidate_id, len(row.checks or ())) for row in rows) == [
        ("anon-0", 2),
        ("anon-1", 1),
    ]
    assert all(row.is_anonymous for row in rows)
    if fact.tally is not None:
        assert fact.tally.anonymous == 2
        assert fact.tally.reasons.get("too_dear") == 1


def test_two_equal_candidates_without_ids_stay_two() -> None:
    def work(step: Step) -> None:
        step.reject({"price": 1})
        step.reject({"price": 1})

    assert [row.candidate_id for row in record(work).rows] == ["anon-0", "anon-1"]


def test_a_logged_candidate_without_an_id_is_not_a_decided_one() -> None:
    def work(step: Step) -> None:
        step.log_sampled_candidates(rejected=[{"price": 1}])
        reject_many(step, CENSUS_ROWS)
        step.reject({"price": 2})

    tally = record(work).tally
    assert tally is not None
    assert tally.anonymous == 1


def test_checks_without_a_verdict_are_kept_as_evidence_up_to_a_bound_and_then_counted() -> None:
    extra = 100

    def work(step: Step) -> None:
        for number in range(MAX_PENDING_CANDIDATES + extra):
            step.check(f"id_{number}", "too_dear", number, "<=", 10)

    fact = record(work, level="full")
    assert fact.omissions == {"evidence_out": extra}


def test_a_check_beyond_the_bound_still_names_the_rejection() -> None:
    count = MAX_PENDING_CANDIDATES + 100

    def work(step: Step) -> None:
        for number in range(count):
            step.check(f"id_{number}", "too_far", 1, "<=", 10)
            step.check(f"id_{number}", "too_dear", 150, "<=", 100)
            step.check(f"id_{number}", "too_heavy", 150, "<=", 100)
        for number in range(count):
            step.reject(f"id_{number}")

    tally = record(work).tally
    assert tally is not None
    assert tally.reasons == {"too_dear": count}


def test_checks_of_one_candidate_are_bounded_and_the_rest_counted() -> None:
    def work(step: Step) -> None:
        for number in range(MAX_CHECKS_PER_CANDIDATE + 5):
            step.check("a", f"rule_{number}", 1, "<=", 10)
        step.accept("a")

    fact = record(work)
    assert len(fact.rows[0].checks or ()) == MAX_CHECKS_PER_CANDIDATE
    assert fact.omissions == {"evidence_out": 5}


def test_at_minimal_a_failed_check_names_the_rejection_and_leaves_nothing_else() -> None:
    def work(step: Step) -> None:
        nameless = {"price": 150}
        step.check("a", "too_dear", 150, "<=", 100)
        step.check("a", "too_far", 150, "<=", 100)
        step.check(nameless, "too_heavy", 150, "<=", 100)
        step.check("b", "too_dear", 50, "<=", 100)
        step.reject("a")
        step.reject(nameless)
        step.accept("b")

    fact = record(work, level="minimal")
    assert fact.tally is not None
    assert fact.tally.reasons == {"too_dear": 1, "too_heavy": 1}
    assert (fact.rows, fact.omissions) == ([], {})
