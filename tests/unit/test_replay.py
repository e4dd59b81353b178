"""A recorded step run again with today's code: the same decisions, or exactly those that differ."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

import xray
from tests.unit.replay_desk import moved, record, replay
from xray import Run, XRay, xray_step
from xray.capture.current import current_run
from xray.errors import NotFoundError, NotReplayableError
from xray.model.vocabulary import CaptureLevel
from xray.testing import MemorySink


@dataclass
class Item:
    id: str
    price: float


ITEMS = [Item(f"p{number}", 10.0 * number) for number in range(20)]


@xray_step("price", "filter")
def keep_affordable(items: list[Item], limit: float = 100) -> list[Item]:
    return xray.current_step().filter(items, [xray.rule("too_dear", "price", "<=", limit)])


@xray_step("price", "filter")
def keep_cheap(items: list[Item], limit: float = 55) -> list[Item]:
    return xray.current_step().filter(items, [xray.rule("too_dear", "price", "<=", limit)])


@pytest.mark.parametrize("capture", ["minimal", "sample", "full"])
def test_unchanged_code_decides_as_it_did(capture: CaptureLevel) -> None:
    replayed = replay(record(lambda: keep_affordable(ITEMS), capture=capture), "price")
    assert replayed.is_same
    assert replayed.times == 1
    assert replayed.code == f"{__name__}:keep_affordable"
    assert replayed.answer == "price decides as it did: none of its 20 decisions differs."


def test_a_file_of_runs_is_replayed_from_in_a_test(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"sqlite:///{tmp_path / 'golden.db'}"
    with XRay("shop", url=url, capture="full").run():
        keep_affordable(ITEMS)
    assert xray.flush(timeout_s=30).is_complete
    assert xray.replay("last", "price", keep_affordable, client=url).is_same
    monkeypatch.setenv("XRAY_URL", url)
    replayed = xray.replay("last", "price", keep_cheap)
    assert not replayed.is_same, replayed
    assert str(replayed) == replayed.answer
    xray.close()


def test_changed_code_differs_in_exactly_what_it_changes() -> None:
    replayed = replay(record(lambda: keep_affordable(ITEMS)), "price", keep_cheap)
    assert not replayed.is_same
    assert moved(replayed, "newly_rejected") == {"p6", "p7", "p8", "p9", "p10"}
    assert [moves.kind for moves in replayed.steps[0].moves] == ["newly_rejected"]
    assert replayed.answer == (
        "price decides otherwise: 5 candidates are newly dropped (p10, p6, p7 and 2 more)."
    )
    assert replayed.unsettled == []


def test_another_value_for_an_argument_is_tried_and_told() -> None:
    client = record(lambda: keep_affordable(ITEMS, limit=100))
    replayed = replay(client, "price", texts={"limit": "120"})
    assert moved(replayed, "newly_kept") == {"p11", "p12"}
    assert replayed.changed == {"limit": 120.0}
    assert replayed.answer.startswith("With limit = 120")
    assert xray.replay("last", "price", client=client, limit=100.5).is_same


def test_only_the_step_itself_is_told_apart_from_its_record_not_its_arguments() -> None:
    client = record(lambda: keep_affordable(ITEMS))
    fewer = replay(client, "price", values={"items": [{"id": "p1", "price": 10}]})
    assert not [one for one in fewer.steps[0].changes if one.path.startswith("input")]
    assert moved(fewer, "only_in_a") == {one.id for one in ITEMS} - {"p1"}


def test_nothing_of_a_replay_is_sent_anywhere() -> None:
    sink = MemorySink()
    x = XRay("shop", sink=sink)

    @x.run()
    def answer() -> None:
        keep_affordable(ITEMS)

    client = record(answer, in_run=False)
    assert replay(client, None, answer).is_same
    assert replay(client, "price").is_same
    assert sink.facts == []
    assert current_run.get() is None


def test_a_whole_run_is_replayed_step_by_step() -> None:
    x = XRay("shop", capture="full")

    @xray_step("best", "select")
    def choose(items: list[Item]) -> Item:
        xray.current_step().select(items[-1].id)
        return items[-1]

    limits = {"limit": 100.0}

    @x.run()
    def answer(items: list[Item]) -> Item:
        return choose(keep_affordable(items, **limits))

    client = record(lambda: answer(ITEMS), in_run=False)
    assert replay(client, None, answer).answer == (
        "shop decides as it did: none of its 21 decisions in 2 steps differs."
    )
    limits["limit"] = 55.0
    replayed = replay(client, None, answer)
    assert moved(replayed, "newly_rejected") == {"p6", "p7", "p8", "p9", "p10"}
    assert (moved(replayed, "only_in_a", 1), moved(replayed, "only_in_b", 1)) == ({"p10"}, {"p5"})


def test_a_run_that_ends_otherwise_differs_though_its_steps_do_not() -> None:
    x = XRay("shop", capture="full")
    ends = {"shown": 3}

    @x.run()
    def answer(items: list[Item]) -> list[str]:
        found = keep_affordable(items)
        if ends["shown"] > len(found):
            raise ArithmeticError("too many")
        return [item.id for item in found[: ends["shown"]]]

    client = record(lambda: answer(ITEMS), in_run=False)
    assert replay(client, None, answer).is_same
    ends["shown"] = 2
    fewer = replay(client, None, answer)
    assert [change.path for change in fewer.changes] == ["output[2]"]
    assert fewer.answer == (
        'shop decides as it did and ends otherwise: output[2] was "p2" and is absent.'
    )
    assert fewer.notes == []
    ends["shown"] = 99
    failed = replay(client, None, answer)
    assert not failed.is_same
    assert 'status "completed" → "failed"' in failed.answer


def test_an_output_that_is_another_each_time_is_told_from_one_that_changed() -> None:
    turns = itertools.count()

    @XRay("shop").run()
    def answer() -> dict[str, int]:
        return {"turn": next(turns)}

    replayed = replay(record(answer, in_run=False), None, answer)
    assert not replayed.is_same
    assert replayed.notes == ["Today's code ends otherwise each time: output.turn."]


def test_steps_inside_a_step_are_replayed_with_it() -> None:
    limit = [100.0]

    @xray_step("filters", "group")
    def apply_all(items: list[Item]) -> list[Item]:
        return keep_affordable(items, limit[0])

    client = record(lambda: apply_all(ITEMS))
    assert [step.name for step in replay(client, "filters", apply_all).steps] == [
        "filters",
        "price",
    ]
    limit[0] = 95.0
    assert moved(replay(client, "filters", apply_all), "newly_rejected", 1) == {"p10"}


def test_coroutines_and_generators_are_run_to_their_end() -> None:
    @xray_step("late", "filter")
    async def keep_late(items: list[Item]) -> None:
        await asyncio.sleep(0)
        xray.current_step().accept_many([item.id for item in items])

    @xray_step("lazy", "filter")
    def keep_lazily(items: list[Item]) -> Iterator[Item]:
        step = xray.current_step()
        for item in items:
            step.accept(item.id)
            yield item

    @xray_step("both", "filter")
    async def keep_both(items: list[Item]) -> AsyncIterator[Item]:
        step = xray.current_step()
        for item in items:
            step.accept(item.id)
            yield item

    async def exhaust() -> None:
        async for _ in keep_both(ITEMS):
            pass

    def work() -> None:
        asyncio.run(keep_late(ITEMS))
        for _ in keep_lazily(ITEMS):
            pass
        asyncio.run(exhaust())

    client = record(work)
    for name, code in (("late", keep_late), ("lazy", keep_lazily), ("both", keep_both)):
        replayed = replay(client, name, code)
        assert (replayed.is_same, replayed.steps[0].b.counts.accepted) == (True, 20)  # type: ignore[union-attr]


async def test_async_code_within_an_event_loop_is_refused_with_a_way_out() -> None:
    @xray_step("late", "filter")
    async def keep_late(items: list[Item]) -> None:
        xray.current_step().accept_many([item.id for item in items])

    client = await asyncio.to_thread(record, lambda: asyncio.run(keep_late(ITEMS)))
    with pytest.raises(NotReplayableError, match=r"asyncio\.to_thread"):
        replay(client, "late", keep_late)
    assert (await asyncio.to_thread(replay, client, "late", keep_late)).is_same


def test_an_exception_is_a_part_of_what_is_compared() -> None:
    divisor = [0]

    @xray_step("divide", "filter")
    def divide(items: list[Item]) -> None:
        for item in items:
            if item.price / divisor[0] > 1:
                xray.current_step().accept(item.id)

    client = record(lambda: divide(ITEMS))
    assert replay(client, "divide", divide).is_same, "it fails as it did"
    divisor[0] = 5
    replayed = replay(client, "divide", divide)
    assert not replayed.is_same
    assert 'status "failed" → "completed"' in replayed.answer
    assert "ZeroDivisionError" in replayed.answer


def test_code_that_disagrees_with_itself_is_told_from_code_that_changed() -> None:
    turns = itertools.count()

    @xray_step("odd", "filter")
    def keep_by_turn(items: list[Item]) -> None:
        step = xray.current_step()
        turn = next(turns)
        for number, item in enumerate(items):
            (step.reject if number == turn else step.accept)(item.id)

    client = record(lambda: keep_by_turn(ITEMS))
    replayed = replay(client, "odd", keep_by_turn)
    assert replayed.times == 2
    assert "does not decide alike each time" in replayed.answer
    assert replay(client, "odd", keep_by_turn, times=1).unsettled == []
    assert len(replay(client, "odd", keep_by_turn, times=4).unsettled) == 3


def test_a_replay_that_changes_its_arguments_starts_from_the_captured_ones_each_time() -> None:
    @xray_step("pop", "filter")
    def pop_all(items: list[Item]) -> None:
        while items:
            xray.current_step().accept(items.pop().id)

    client = record(lambda: pop_all([*ITEMS]))
    assert replay(client, "pop", pop_all, times=3).unsettled == []


def test_a_replay_may_take_only_so_long() -> None:
    slow = [False]

    @xray_step("slow", "filter")
    def wait(items: list[Item]) -> None:
        while slow[0]:
            try:
                time.sleep(0.01)
            except Exception:
                continue

    client = record(lambda: wait(ITEMS))
    assert replay(client, "slow", wait, timeout_s=60.0).is_same
    slow[0] = True
    with pytest.raises(NotReplayableError, match=r"did not end within 0\.05 s"):
        replay(client, "slow", wait, timeout_s=0.05)


def test_one_of_several_steps_of_a_name_is_chosen() -> None:
    def work() -> None:
        keep_affordable(ITEMS[:5])
        keep_affordable(ITEMS)

    client = record(work)
    with pytest.raises(NotReplayableError, match="2 steps called 'price'"):
        replay(client, "price")
    assert replay(client, "price#1").answer.endswith("none of its 5 decisions differs.")
    second = client.run("last").steps[1]
    assert replay(client, second.step_id).step_id == replay(client, "price#2").step_id
    with pytest.raises(NotFoundError, match="It has price"):
        replay(client, "prices")


def test_of_a_step_that_was_tried_again_the_last_attempt_is_meant() -> None:
    turns = itertools.count()

    @xray_step("flaky", "filter")
    def keep_at_last(items: list[Item]) -> None:
        if next(turns) == 0:
            raise ArithmeticError
        xray.current_step().accept_many([item.id for item in items])

    def work() -> None:
        try:
            keep_at_last(ITEMS)
        except ArithmeticError:
            keep_at_last(ITEMS)

    assert replay(record(work), "flaky", keep_at_last).is_same


def test_a_function_that_takes_the_run_is_given_that_of_the_replay() -> None:
    def keep_plainly(run: Run, items: list[str]) -> None:
        with run.step("plain", "filter", input={"items": items}) as step:
            step.accept_many(items)

    def work() -> None:
        run = current_run.get()
        assert isinstance(run, Run)
        keep_plainly(run, ["a", "b"])

    client = record(work)
    assert replay(client, "plain", keep_plainly).is_same
    with pytest.raises(NotReplayableError, match="not recorded as the call of a decorated"):
        replay(client, "plain")


def test_of_a_step_whose_rows_were_sampled_no_more_is_claimed_than_is_known() -> None:
    many = [f"p{number}" for number in range(900)]

    @xray_step("many", "filter", capture="sample")
    def keep_some(items: list[str], share: int = 2) -> None:
        step = xray.current_step()
        for number, item in enumerate(items):
            note = {"note": "x" * 200}
            if number % share:
                step.accept(item, attributes=note)
            else:
                step.reject(item, "even", attributes=note)

    client = record(lambda: keep_some(many))
    same = replay(client, "many", keep_some)
    assert same.is_same
    assert same.certainty == "unknown"
    assert "as recorded, many kept a sample" in same.because
    other = replay(client, "many", keep_some, texts={"share": "3"})
    assert not other.is_same
    assert [(one.reason, one.a, one.b) for one in other.steps[0].reasons] == [("even", 450, 300)]


def test_a_function_that_records_no_such_step_is_refused() -> None:
    client = record(lambda: keep_affordable(ITEMS))

    @xray_step("other", "filter")
    def keep_other(items: list[Item]) -> None: ...

    with pytest.raises(NotReplayableError, match="It recorded other"):
        replay(client, "price", keep_other)
    with pytest.raises(NotReplayableError, match="Is it decorated"):
        replay(client, "price", lambda items: items)
    with pytest.raises(NotReplayableError, match="recorded no run"):
        replay(record(keep_other_run, in_run=False), None, lambda: None)


@XRay("plain").run()
def keep_other_run() -> None:
    return None
