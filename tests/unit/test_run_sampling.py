"""Whole runs are sampled: drawn, kept for a rule, or added up."""

from __future__ import annotations

import gc
import logging
from collections.abc import Iterator
from uuid import UUID

import pytest

import xray
from xray import XRay
from xray.capture.headers import SAMPLED_HEADER
from xray.errors import NotFoundError
from xray.model.ids import new_uuid7
from xray.model.tallies import StepTally
from xray.sampling.books import Books, books
from xray.sampling.drawing import is_drawn
from xray.sampling.holding import Room
from xray.sampling.rules import KeepRules, Watch
from xray.sampling.sieve import OVER_BOUND, RULE_FAILED, Sampling
from xray.testing.sink import MemorySink

DRAWN_TRACE = "0af7651916cd43dd84ffffffffffffff"
LEFT_TRACE = "0af7651916cd43dd8400000000000001"


@pytest.fixture(autouse=True)
def _leave_nothing_behind() -> Iterator[None]:
    books.send()
    yield
    books.send()


def record(x: XRay, *, trace: str = LEFT_TRACE, rejected: int = 3, **run_fields: object) -> str:
    """One run of two steps; its id."""
    with x.run(correlation={"trace_id": trace}, **run_fields) as run:
        with run.step("search", "retrieve") as step:
            for number in range(rejected + 1):
                step.accept(f"p{number}")
        with run.step("price", "filter") as step:
            for number in range(rejected):
                step.reject(f"p{number}", "too_dear")
            step.accept(f"p{rejected}")
    return run.run_id


def by_name(sink: MemorySink) -> dict[str, StepTally]:
    return {step.name: step for tally in sink.tallies for step in tally.steps}


def test_a_run_that_is_drawn_goes_on_at_once_and_weighs_what_it_stands_for() -> None:
    sink = MemorySink()
    with XRay("p", sink=sink, sample=0.01).run(correlation={"trace_id": DRAWN_TRACE}) as run:
        assert sink.run("p").weight == pytest.approx(100.0)
    assert (sink.finished(run.run_id).weight, sink.finished(run.run_id).kept_for) == (None, None)
    books.send()
    assert sink.tallies == []
    assert sink.settled_runs == [run.run_id]


def test_a_run_that_is_left_out_is_only_counted() -> None:
    sink = MemorySink()
    x = XRay("p", sink=sink, sample=0.01, environment="test", version="7")
    record(x)
    record(x, rejected=5)
    assert sink.facts == []
    xray.flush()
    (tally,) = sink.facts
    assert sink.tallies == [tally]
    assert (tally.pipeline, tally.environment, tally.version) == ("p", "test", "7")
    assert tally.runs.statuses == {"completed": 2}
    assert tally.runs.duration_ms.count == 2
    price = by_name(sink)["price"]
    assert (price.step_type, price.statuses) == ("filter", {"completed": 2})
    assert (price.rejected, price.accepted, price.reasons) == (8, 2, {"too_dear": 8})
    assert (price.input_count, price.output_count) == (10, 2)
    assert price.rejection_rate.total == pytest.approx(3 / 4 + 5 / 6)
    assert by_name(sink)["search"].rejection_rate.count == 0


def test_every_service_draws_the_same_runs_and_a_larger_share_keeps_them_too() -> None:
    one, other, larger = MemorySink(), MemorySink(), MemorySink()
    clients = [
        XRay("front", sink=one, sample=0.2),
        XRay("back", sink=other, sample=0.2),
        XRay("back", sink=larger, sample=0.5),
    ]
    traces = [UUID(new_uuid7()).hex for _ in range(400)]
    for trace in traces:
        for client in clients:
            with client.run(correlation={"trace_id": trace}):
                pass
    drawn = [{run.correlation["trace_id"] for run in sink.runs} for sink in (one, other, larger)]
    assert drawn[0] == drawn[1]
    assert drawn[0] < drawn[2]
    assert 40 <= len(drawn[0]) <= 130


def test_runs_without_a_trace_and_runs_with_a_key_draw_by_their_own_id() -> None:
    sink = MemorySink()
    x = XRay("p", sink=sink, sample=0.3)
    ids = set()
    for number in range(100):
        with x.run(correlation="order-1") as run:
            pass
        with x.run(key=f"job {number}", correlation={"trace_id": DRAWN_TRACE}) as keyed:
            pass
        ids |= {run.run_id, keyed.run_id}
    assert {run.run_id for run in sink.runs} == {one for one in ids if is_drawn(one, 0.3)}


@pytest.mark.parametrize(
    ("share", "number", "expected"),
    [
        (0.0, (1 << 56) - 1, False),
        (1.0, 0, True),
        (0.5, 1 << 55, True),
        (0.5, (1 << 55) - 1, False),
    ],
)
def test_the_draw_compares_the_last_56_bits(share: float, number: int, expected: bool) -> None:
    assert is_drawn(f"{number:032x}", share) is expected
    assert is_drawn(str(UUID(int=number)), share) is expected


def test_a_run_that_meets_a_rule_is_kept_whole_and_stands_for_itself() -> None:
    sink = MemorySink()
    x = XRay("p", sink=sink, sample=0.01, keep=["status = 'failed'", "any(step.output_count = 0)"])
    with pytest.raises(RuntimeError), x.run(correlation={"trace_id": LEFT_TRACE}) as failed:
        raise RuntimeError
    with x.run(correlation={"trace_id": LEFT_TRACE}) as empty, empty.step("price", "filter") as s:
        s.set_input_count(4)
        s.set_output_count(0)
    record(x)
    assert [run.run_id for run in sink.runs] == [failed.run_id, empty.run_id]
    assert [run.weight for run in sink.runs] == [1.0, 1.0]
    assert [run.kept_for for run in sink.finished_runs] == [
        "status = 'failed'",
        "any(step.output_count = 0)",
    ]
    assert sink.step("price").run_id == empty.run_id
    books.send()
    assert sink.tallies[0].runs.count == 1


def test_a_drawn_run_that_a_rule_keeps_stands_for_itself_after_all() -> None:
    sink = MemorySink()
    x = XRay("p", sink=sink, sample=0.01, keep="any(decision.reason = 'too_dear')")
    run_id = record(x, trace=DRAWN_TRACE)
    assert sink.run("p").weight == pytest.approx(100.0)
    assert sink.finished(run_id).weight == 1.0
    assert sink.finished(run_id).kept_for == "any(decision.reason = 'too_dear')"
    assert len(sink.steps) == 2


@pytest.mark.parametrize("level", ["sample", "full"])
@pytest.mark.parametrize("place", [0, 1_500, 2_999])
def test_a_run_that_decides_a_watched_candidate_is_kept(level: str, place: int) -> None:
    sink = MemorySink()
    x = XRay("p", sink=sink, sample=0, watch=[f"prod_{place}"], capture=level)
    with x.run() as other, other.step("price", "filter") as step:
        step.reject("prod", "too_dear", {"like": f"prod_{place}"})
    with x.run() as run, run.step("price", "filter") as step:
        for number in range(3_000):
            step.reject(f"prod_{number}", "too_dear")
    assert [one.run_id for one in sink.runs] == [run.run_id]
    assert sink.finished(run.run_id).kept_for == f"watch: prod_{place}"
    assert sink.summary("price").counts.rejected == 3_000


def test_the_pipeline_can_keep_a_run() -> None:
    sink = MemorySink()
    x = XRay("p", sink=sink, sample=0)
    with x.run(input={"q": 1}) as run:
        with run.step("one", "filter") as step:
            step.reject("a", "r")
        assert sink.facts == []
        run.keep("odd answer")
        assert len(sink.facts) == 2
        with run.step("two", "filter") as step:
            step.reject("a", "r")
    assert [step.name for step in sink.steps] == ["one", "two"]
    assert sink.finished(run.run_id).kept_for == "odd answer"
    assert str(run.summary())
    books.send()
    assert sink.tallies == []


def test_a_run_that_was_left_out_says_so_when_it_is_asked() -> None:
    sink = MemorySink()
    x = XRay("p", sink=sink, sample=0)
    with x.run() as run:
        pass
    with pytest.raises(NotFoundError, match="not kept") as caught:
        run.why("a")
    assert caught.value.code == "run_sampled_out"


def test_keeping_needs_no_sampling() -> None:
    sink = MemorySink()
    with XRay("p", sink=sink).run() as run:
        run.keep()
    assert sink.finished(run.run_id).kept_for is None
    with XRay("p", enabled=False).run() as off:
        off.keep()


def test_a_run_too_large_to_hold_is_kept_drawn_or_not() -> None:
    room = Room(20_000)
    for trace, weight in ((LEFT_TRACE, None), (DRAWN_TRACE, 1.0)):
        sink = MemorySink()
        x = XRay("p", sink=sink, sample=0.01)
        x._open()
        x._sampling = Sampling(share=0.01, room=room)
        with x.run(correlation={"trace_id": trace}) as run:
            for number in range(40):
                with run.step(f"s{number}", "filter") as step:
                    step.reject("a", "r", {"text": "x" * 1_000})
                assert room.used_bytes <= room.max_bytes
        assert len(sink.steps) == 40
        assert sink.finished(run.run_id).kept_for == OVER_BOUND
        assert sink.finished(run.run_id).weight == weight
        assert room.used_bytes == 0


def test_what_was_held_is_given_back_however_a_run_ends() -> None:
    room = Room()
    sink = MemorySink()
    x = XRay("p", sink=sink, sample=0.01)
    x._open()
    x._sampling = Sampling(share=0.01, room=room)
    record(x)
    record(x, trace=DRAWN_TRACE)
    for trace in (LEFT_TRACE, DRAWN_TRACE):
        run = x.start(correlation={"trace_id": trace})
        assert room.used_bytes > 0
        del run
        gc.collect()
        assert room.used_bytes == 0


def test_a_run_that_nobody_can_end_any_more_is_counted_as_running() -> None:
    sink = MemorySink()
    run = XRay("p", sink=sink, sample=0).start()
    with run.step("one", "filter") as step:
        step.reject("a", "r")
    del run, step
    gc.collect()
    books.send()
    assert sink.tallies[0].runs.statuses == {"running": 1}
    assert by_name(sink)["one"].rejected == 1


def test_a_step_that_ends_after_its_run_shares_its_fate() -> None:
    for share, is_kept in ((0.0, False), (0.01, True)):
        sink = MemorySink()
        run = XRay("p", sink=sink, sample=share).start(correlation={"trace_id": DRAWN_TRACE})
        step = run.step("late", "filter").__enter__()
        step.reject("a", "r")
        run.finish()
        step.__exit__(None, None, None)
        books.send()
        assert (len(sink.steps), "late" in by_name(sink)) == (int(is_kept), not is_kept)


@pytest.mark.usefixtures("swallowing")
def test_a_rule_that_fails_keeps_the_run() -> None:
    def fail(_: object) -> str | None:
        raise ZeroDivisionError

    sink = MemorySink()
    x = XRay("p", sink=sink, sample=0)
    x._open()
    x._sampling = Sampling(share=0.0, find_rule=fail)
    run_id = record(x)
    assert sink.finished(run_id).kept_for == RULE_FAILED
    assert len(sink.steps) == 2


def test_a_rule_that_is_no_query_is_warned_about_and_left_out(
    caplog: pytest.LogCaptureFixture,
) -> None:
    sink = MemorySink()
    with caplog.at_level(logging.WARNING, "xray"):
        x = XRay("p", sink=sink, sample=0, keep=["statsu = 'failed'", "pipeline = 'p'"])
        run_id = record(x)
    assert "statsu" in caplog.text
    assert sink.finished(run_id).kept_for == "pipeline = 'p'"


def test_rules_read_what_a_store_would(swallowing: None) -> None:
    sink = MemorySink()
    queries = [
        "any(step.score < 0.5)",
        "any(step.rejection_rate > 0.7 and step.name = 'price')",
        "metadata.user = 'u1'",
        "tags has 'odd'",
        "any(decision.attributes.price > 100)",
    ]
    x = XRay("p", sink=sink, sample=0, keep=queries)
    with x.run() as scored, scored.step("pick", "select") as step:
        step.select("a", 0.4)
    record(x)
    with x.run(metadata={"user": "u0"}) as user:
        user.set_metadata(user="u1")
    with x.run() as tagged:
        tagged.add_tags("odd")
    with x.run() as dear, dear.step("price", "transform") as step:
        for number in range(300):
            step.accept(f"p{number}", None, {"price": number})
    record(x, rejected=1)
    assert [run.kept_for for run in sink.finished_runs] == queries


def test_an_attached_process_obeys_the_process_that_started_the_run() -> None:
    front, back = MemorySink(), MemorySink()
    x = XRay("p", sink=front, sample=0.01, keep=["status = 'failed'"])
    for trace, expected in ((LEFT_TRACE, "0"), (DRAWN_TRACE, "1")):
        with x.run(correlation={"trace_id": trace}) as run:
            headers = run.headers()
            assert headers[SAMPLED_HEADER] == expected
            # The other process samples as it likes; that is about the runs it starts itself.
            for sample in (None, 0, 0.5):
                with xray.attach(headers, sink=back, sample=sample) as there:
                    assert there.headers().get(SAMPLED_HEADER) == ("0" if expected == "0" else None)
                    with there.step("rank", "rank") as step:
                        step.reject("a", "below_cut")
    assert len(back.steps) == 3
    assert {step.run_id for step in back.steps} == {run.run_id}
    books.send()
    assert by_name(back)["rank"].statuses == {"completed": 3}
    assert back.tallies[0].runs.count == 0
    assert front.tallies[0].runs.count == 1


def test_a_run_kept_after_it_was_handed_over_says_what_it_lacks() -> None:
    sink = MemorySink()
    x = XRay("p", sink=sink, sample=0)
    with x.run() as run:
        run.headers()
        run.keep()
        assert run.headers()[SAMPLED_HEADER] == "1"
    assert sink.finished(run.run_id).omissions == {"attached_sampled_out": 1}


def test_a_process_that_attaches_by_key_draws_as_the_starter_does() -> None:
    sink = MemorySink()
    x = XRay("p", sink=sink, sample=0.5)
    for number in range(40):
        with x.run(key=f"job {number}"):
            pass
        with x.attach(key=f"job {number}") as there, there.step("s", "filter") as step:
            step.reject("a", "r")
    assert {step.run_id for step in sink.steps} == {run.run_id for run in sink.runs}
    assert 0 < len(sink.runs) < 40


def test_a_full_book_is_sent_in_facts_of_bounded_size() -> None:
    sink = MemorySink()
    x = XRay("p", sink=sink, sample=0)
    with x.run() as run:
        for number in range(450):
            with run.step(f"step {number:03}", "transform"):
                pass
    books.send()
    assert [len(tally.steps) for tally in sink.tallies] == [200, 200, 50]
    assert [tally.runs.count for tally in sink.tallies] == [1, 0, 0]
    assert len({tally.tally_id for tally in sink.tallies}) == 3


def test_tallies_are_sent_without_being_asked_for() -> None:
    sink = MemorySink()
    own = Books(send_after_s=0.01)
    x = XRay("p", sink=sink, sample=0)
    x._open()
    x._sampling = Sampling(share=0.0, books=own)
    for count in (1, 2):
        record(x)
        for _ in range(1_000):
            if sum(tally.runs.count for tally in sink.tallies) == count:
                break
            own._is_due.wait(0.01)
        assert sum(tally.runs.count for tally in sink.tallies) == count


def test_watching_and_rules_can_be_made_of_anything_that_names_candidates() -> None:
    assert Watch([7, "a", ("x", 1), 1.5, None])._ids == {"7", "a", '["x",1]'}
    assert KeepRules([]).find([]) is None


def test_a_large_step_of_an_attached_run_is_counted_whole() -> None:
    sink = MemorySink()
    with XRay("p", sink=MemorySink(), sample=0).run() as run:
        headers = run.headers()
    with xray.attach(headers, sink=sink, capture="full") as there, there.step("s", "filter") as s:
        for number in range(3_000):
            s.reject(f"p{number}", "too_dear", {"text": "x" * 200})
    books.send()
    assert sink.steps == []
    assert by_name(sink)["s"].reasons == {"too_dear": 3_000}
