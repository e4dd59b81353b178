"""A recorded generator cannot be told from the plain one, whatever its consumer does with it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Generator
from dataclasses import dataclass
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from xray import XRay, xray_run, xray_step
from xray.testing import MemorySink


class BrokenError(Exception):
    pass


class OtherError(Exception):
    pass


THROWN: list[type[BaseException]] = [
    BrokenError,
    OtherError,
    GeneratorExit,
    StopIteration,
    StopAsyncIteration,
    KeyboardInterrupt,
]


@dataclass(frozen=True)
class Act:
    """One thing a generator does: it yields, and may catch what is thrown while it waits."""

    kind: str  # yield, return, raise, suppress, replace, chain
    value: int


@dataclass(frozen=True)
class Move:
    """One thing a consumer does."""

    kind: str  # next, send, throw, close
    value: Any = None


ACTS = st.lists(
    st.builds(
        Act,
        st.sampled_from(["yield", "yield", "return", "raise", "suppress", "replace", "chain"]),
        st.integers(0, 9),
    ),
    max_size=6,
)
MOVES = st.lists(
    st.one_of(
        st.just(Move("next")),
        st.builds(Move, st.just("send"), st.one_of(st.none(), st.integers(0, 9))),
        st.builds(Move, st.just("throw"), st.sampled_from(THROWN)),
        st.just(Move("close")),
    ),
    max_size=8,
)


def react(act: Act, error: BaseException) -> None:
    """What the body does about an exception thrown at it."""
    if act.kind == "replace":
        raise OtherError("instead") from None
    if act.kind == "chain":
        raise OtherError("because") from error
    if act.kind != "suppress":
        raise error


def plain(acts: list[Act], seen: list[Any]) -> Generator[int, Any, str]:
    for act in acts:
        if act.kind == "return":
            return f"result {act.value}"
        if act.kind == "raise":
            raise BrokenError(act.value)
        try:
            seen.append((yield act.value))
        except BaseException as error:
            seen.append(type(error))
            react(act, error)
    return "end"


class Pause:
    """Something to await that really hands control back."""

    def __await__(self) -> Generator[None, None, None]:
        yield


async def plain_async(acts: list[Act], seen: list[Any]) -> AsyncGenerator[int, Any]:
    for act in acts:
        await Pause()
        if act.kind == "return":
            return
        if act.kind == "raise":
            raise BrokenError(act.value)
        try:
            seen.append((yield act.value))
        except BaseException as error:
            seen.append(type(error))
            await Pause()
            if isinstance(error, GeneratorExit) and act.kind == "suppress":
                return  # Nobody could end it any more, were it to yield again.
            react(act, error)


def wait_for(work: Awaitable[Any]) -> Any:
    async def main() -> Any:
        return await work

    coroutine: Coroutine[Any, Any, Any] = main()
    while True:
        try:
            coroutine.send(None)
        except StopIteration as stop:
            return stop.value


def outcome(act: Callable[[], Any], thrown: BaseException | None) -> Any:
    try:
        return ("gave", act())
    except BaseException as error:
        return (
            "raised",
            type(error),
            str(error),
            error is thrown,
            type(error.__context__),
            type(error.__cause__),
            error.__suppress_context__,
        )


def play(generator: Any, moves: list[Move], names: dict[str, str], wait: Callable[..., Any]) -> Any:
    """What happened at every move, and at closing until nothing is left to close."""
    history = []
    for move in [*moves, *[Move("close")] * 8]:
        thrown = move.value() if move.kind == "throw" else None
        given = [thrown] if thrown else [move.value] if move.kind == "send" else []
        act = getattr(generator, names[move.kind])
        history.append(outcome(lambda act=act, given=given: wait(act(*given)), thrown))
    return history


SYNC = {"next": "__next__", "send": "send", "throw": "throw", "close": "close"}
ASYNC = {"next": "__anext__", "send": "asend", "throw": "athrow", "close": "aclose"}


@given(ACTS, MOVES)
def test_a_recorded_generator_behaves_as_the_plain_one(acts: list[Act], moves: list[Move]) -> None:
    sink = MemorySink()
    seen: list[list[Any]] = [[], [], [], []]
    client = XRay("p", sink=sink)
    expected = play(plain(acts, seen[0]), moves, SYNC, lambda value: value)
    of_run = client.run()(plain)(acts, seen[1])
    assert play(of_run, moves, SYNC, lambda value: value) == expected
    with xray_run("p", sink=sink):
        of_step = xray_step("s", "transform")(plain)(acts, seen[2])
        assert play(of_step, moves, SYNC, lambda value: value) == expected
    streamed = client.stream(plain(acts, seen[3]))
    assert play(streamed, moves, SYNC, lambda value: value) == expected
    assert seen[0] == seen[1] == seen[2] == seen[3]
    assert len(sink.runs) == len(sink.finished_runs)


@given(ACTS, MOVES)
def test_a_recorded_async_generator_behaves_as_the_plain_one(
    acts: list[Act], moves: list[Move]
) -> None:
    sink = MemorySink()
    seen: list[list[Any]] = [[], [], [], []]
    client = XRay("p", sink=sink)
    expected = play(plain_async(acts, seen[0]), moves, ASYNC, wait_for)
    of_run = client.run()(plain_async)(acts, seen[1])
    assert play(of_run, moves, ASYNC, wait_for) == expected
    with xray_run("p", sink=sink):
        of_step = xray_step("s", "transform")(plain_async)(acts, seen[2])
        assert play(of_step, moves, ASYNC, wait_for) == expected
    streamed = client.stream(plain_async(acts, seen[3]))
    assert play(streamed, moves, ASYNC, wait_for) == expected
    assert seen[0] == seen[1] == seen[2] == seen[3]
    assert len(sink.runs) == len(sink.finished_runs)
