"""The public face over real servers: flush, close, stats, modes, several servers, OpenTelemetry."""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import subprocess
import sys
import threading
import warnings
import weakref
from collections.abc import Iterator
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider

import xray
from xray import session
from xray.capture import guard, sequence
from xray.destinations import _destinations, forget_destinations
from xray.errors import XRayDeliveryError
from xray.model.facts import RunStarted
from xray.settings import VARIABLES
from xray.testing.faults import Answer
from xray.testing.server import FaultServer
from xray.testing.sink import MemorySink

DEAD = "http://127.0.0.1:9"


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    xray.close(timeout_s=0)
    forget_destinations()
    for variable in VARIABLES.values():
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setattr(guard, "_last_said_s", {})
    monkeypatch.setattr(session._configuration, "given", {})
    with guard.raising():
        yield
        xray.close(timeout_s=0)


@pytest.fixture
def server() -> Iterator[FaultServer]:
    with FaultServer() as server:
        yield server


def record(client: xray.XRay) -> str:
    with client.run() as run, run.step("filter", "filter") as step:
        step.reject("a", "too_dear")
    return run.run_id


def started(server: FaultServer) -> list[RunStarted]:
    return [fact for fact in server.facts.values() if isinstance(fact, RunStarted)]


def books_balance() -> bool:
    books = xray.stats()
    return books.offered == books.acknowledged + books.pending + books.total_lost


def test_before_anything_is_recorded_there_is_nothing_to_flush_close_or_count() -> None:
    assert xray.stats().offered.records == 0
    assert xray.flush().is_complete
    assert xray.close().is_complete
    assert xray.close().is_complete


def test_flush_waits_until_the_server_has_everything(server: FaultServer) -> None:
    record(xray.XRay("p", url=server.url))
    result = xray.flush(timeout_s=10)
    assert result.is_complete
    assert result.acknowledged.records == len(server.facts) == 3
    assert result.acknowledged.decisions == 1
    assert xray.stats().pending.records == 0


def test_flush_says_that_it_is_incomplete_while_the_server_is_away() -> None:
    record(xray.XRay("p", url=DEAD))
    result = xray.flush(timeout_s=0.05)
    assert not result.is_complete
    assert result.pending.records == 3
    assert books_balance()


def test_what_was_delivered_still_counts_after_close(server: FaultServer) -> None:
    record(xray.XRay("p", url=server.url))
    assert xray.close(timeout_s=10).is_complete
    assert xray.stats().acknowledged.records == 3
    assert xray.flush().acknowledged.records == 3


def test_what_close_could_not_deliver_stays_in_the_spool() -> None:
    record(xray.XRay("p", url=DEAD))
    assert xray.close(timeout_s=0).pending.records == 3
    assert xray.stats().total_lost.records == 0
    assert books_balance()


@pytest.mark.parametrize("mode", ["silent", "fail"])
def test_what_close_could_not_deliver_is_lost_where_there_is_no_spool(mode: str) -> None:
    client = xray.XRay("p", url=DEAD, offline_mode=mode)
    client.start()
    assert xray.close(timeout_s=0).lost.records == 1
    assert xray.stats().pending.records == 0
    assert books_balance()


def test_a_client_goes_on_after_close(server: FaultServer) -> None:
    client = xray.XRay("p", url=server.url)
    first = record(client)
    xray.close(timeout_s=10)
    second = record(client)
    assert xray.flush(timeout_s=10).is_complete
    assert [run.run_id for run in started(server)] == [first, second]
    assert xray.stats().acknowledged.records == 6


def test_a_run_that_close_overtook_is_delivered_all_the_same(server: FaultServer) -> None:
    run = xray.XRay("p", url=server.url).start()
    xray.close(timeout_s=10)
    run.finish()
    assert xray.flush(timeout_s=10).is_complete
    assert len(server.facts) == xray.stats().acknowledged.records == 2
    assert not xray.stats().lost


def test_closing_again_and_again_keeps_the_books_and_not_what_was_closed(
    server: FaultServer,
) -> None:
    client = xray.XRay("p", url=server.url)
    closed = []
    for _ in range(5):
        record(client)
        [destination] = _destinations.all()
        closed.append(weakref.ref(destination._open or destination))
        xray.close(timeout_s=10)
    gc.collect()
    assert [delivery() is None for delivery in closed] == [True] * 4 + [False]
    assert xray.stats().acknowledged.records == len(server.facts) == 15
    assert xray.stats().acknowledged.decisions == 5
    assert books_balance()


def test_a_client_that_is_not_enabled_records_nothing(server: FaultServer) -> None:
    client = xray.XRay("p", url=server.url, enabled=False)
    record(client)
    assert list(client.stream([1, 2])) == [1, 2]
    assert client.run()(lambda word: word + "!")("hey") == "hey!"
    client.start().finish(status="completed")
    assert xray.flush().is_complete
    assert xray.stats().offered.records == 0
    assert server.requests == []


@pytest.mark.parametrize("word", ["1", "true", "YES", "on"])
def test_xray_disabled_records_nothing(monkeypatch: pytest.MonkeyPatch, word: str) -> None:
    monkeypatch.setenv("XRAY_DISABLED", word)
    sink = MemorySink()
    record(xray.XRay("p", sink=sink))
    with xray.xray_run("p", sink=sink), xray.xray_step("s", "filter") as step:
        step.reject("a", "r")
        assert step.check("a", "price", 150, "<=", 100) is False
    assert sink.facts == []


@pytest.mark.parametrize("word", ["0", "false", "no", "off"])
def test_xray_disabled_can_say_no(monkeypatch: pytest.MonkeyPatch, word: str) -> None:
    monkeypatch.setenv("XRAY_DISABLED", word)
    sink = MemorySink()
    record(xray.XRay("p", sink=sink))
    assert len(sink.facts) == 3


def test_fail_mode_raises_at_the_end_of_a_run_that_raised_nothing() -> None:
    client = xray.XRay("p", url=DEAD, offline_mode="fail")
    with pytest.raises(XRayDeliveryError):
        record(client)


def test_fail_mode_leaves_the_exception_of_the_pipeline_alone() -> None:
    client = xray.XRay("p", url=DEAD, offline_mode="fail")
    with pytest.raises(KeyError) as caught, client.run():
        raise KeyError("the pipeline's own")
    assert caught.value.args == ("the pipeline's own",)
    assert caught.value.__context__ is None


def test_fail_mode_raises_from_flush(server: FaultServer) -> None:
    server.refuse()
    run = xray.XRay("p", url=server.url, offline_mode="fail").start()
    with pytest.raises(XRayDeliveryError):
        xray.flush(timeout_s=5)
    server.listen()
    run.finish()
    assert books_balance()


def test_a_server_that_fails_loudly_does_not_keep_the_others_waiting(server: FaultServer) -> None:
    xray.XRay("loud", url=DEAD, offline_mode="fail").start()
    record(xray.XRay("quiet", url=server.url))
    with pytest.raises(XRayDeliveryError):
        xray.flush(timeout_s=10)
    assert server.wait_for(3)


def test_fail_mode_is_silent_while_the_server_takes_everything(server: FaultServer) -> None:
    run_id = record(xray.XRay("p", url=server.url, offline_mode="fail"))
    assert [run.run_id for run in started(server)] == [run_id]


def test_silent_mode_drops_and_counts() -> None:
    record(xray.XRay("p", url=DEAD, offline_mode="silent"))
    xray.flush(timeout_s=10)
    books = xray.stats()
    assert books.lost["server_away"].records == 3
    assert books.lost["server_away"].decisions == 1
    assert books.pending.records == 0
    assert books_balance()


def test_a_refusal_is_counted_by_its_code(server: FaultServer) -> None:
    server.always(Answer(400, b'{"code": "invalid_record"}'))
    record(xray.XRay("p", url=server.url))
    xray.flush(timeout_s=10)
    assert sum(volume.records for volume in xray.stats().lost.values()) == 3
    assert all(cause.startswith("rejected") for cause in xray.stats().lost)


def test_a_closed_client_that_is_away_from_its_server_goes_on_when_it_is_back(
    server: FaultServer,
) -> None:
    client = xray.XRay("p", url=server.url)
    server.refuse()
    record(client)
    closed = xray.close(timeout_s=0)
    assert (closed.is_complete, closed.pending.records) == (False, 3)
    server.listen()
    record(client)
    assert server.wait_for(6)
    assert books_balance()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_child_forked_while_another_thread_held_every_lock_records_on(
    server: FaultServer,
) -> None:
    client = xray.XRay("p", url=server.url)
    record(client)
    xray.close(timeout_s=10)
    record(client)
    assert xray.flush(timeout_s=10).is_complete
    before = len(server.facts)
    locks = [
        session._configuration.turn.lock,
        _destinations._turn,
        *[destination._turn for destination in _destinations.all()],
        sequence._turn.lock,
    ]
    are_held, may_go = threading.Event(), threading.Event()

    def hold() -> None:
        with contextlib.ExitStack() as stack:
            for lock in locks:
                stack.enter_context(lock)
            are_held.set()
            may_go.wait(30)

    holder = threading.Thread(target=hold)
    holder.start()
    are_held.wait(30)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        signal.alarm(20)
        try:
            record(xray.XRay("child", url=server.url))
            is_complete = xray.flush(timeout_s=10).is_complete
            xray.configure(environment="child")
            own = xray.stats().acknowledged.records
            os._exit(0 if is_complete and own == 3 else 1)
        finally:
            os._exit(2)
    may_go.set()
    holder.join()
    assert os.waitpid(child, 0)[1] == 0
    assert len(server.facts) == before + 3
    assert xray.stats().acknowledged.records == 6


def test_clients_of_two_servers_do_not_mix(server: FaultServer) -> None:
    with FaultServer() as other:
        here, there = xray.XRay("here", url=server.url), xray.XRay("there", url=other.url)
        with here.run() as outer, there.run() as inner, outer.step("a", "filter"):
            inner.step("b", "filter").close()
        assert xray.flush(timeout_s=10).is_complete
        assert [run.pipeline for run in started(server)] == ["here"]
        assert [run.pipeline for run in started(other)] == ["there"]
        assert len(server.facts) == len(other.facts) == 3
        assert {request.path for request in server.requests} == {"/v1/batches"}
    assert xray.stats().acknowledged.records == 6


def test_clients_of_one_server_share_one_delivery(server: FaultServer) -> None:
    record(xray.XRay("p", url=server.url))
    record(xray.XRay("q", url=server.url + "/"))
    xray.flush(timeout_s=10)
    assert len(_destinations.all()) == 1


def test_configure_counts_for_clients_made_from_here_on(server: FaultServer) -> None:
    xray.configure(url=server.url, version="1.4")
    record(xray.XRay("p"))
    assert xray.flush(timeout_s=10).is_complete
    assert [run.version for run in started(server)] == ["1.4"]


def test_a_run_inside_a_span_carries_its_ids_and_the_span_carries_the_run() -> None:
    sink = MemorySink()
    tracer = TracerProvider(shutdown_on_exit=False).get_tracer("tests")
    client = xray.XRay("p", sink=sink)
    with tracer.start_as_current_span("request") as span:
        run = client.start(correlation={"order": "o_1"})
    context = span.get_span_context()
    assert sink.runs[0].correlation == {
        "trace_id": trace.format_trace_id(context.trace_id),
        "span_id": trace.format_span_id(context.span_id),
        "order": "o_1",
    }
    assert isinstance(span, ReadableSpan)
    assert (span.attributes or {})["xray.run_id"] == run.run_id


def test_ids_that_the_pipeline_gives_win_over_those_of_the_span() -> None:
    sink = MemorySink()
    tracer = TracerProvider(shutdown_on_exit=False).get_tracer("tests")
    with tracer.start_as_current_span("request"):
        record_with: dict[str, Any] = {"correlation": {"trace_id": "mine"}}
        with xray.XRay("p", sink=sink).run(**record_with):
            pass
    assert sink.runs[0].correlation["trace_id"] == "mine"


def test_outside_any_span_a_run_carries_no_ids() -> None:
    sink = MemorySink()
    record(xray.XRay("p", sink=sink))
    assert sink.runs[0].correlation == {}


def test_opentelemetry_is_never_imported_for_a_run() -> None:
    program = (
        "import sys, xray\n"
        "from xray.testing.sink import MemorySink\n"
        "sink = MemorySink()\n"
        "with xray.XRay('p', sink=sink).run(): pass\n"
        "assert sink.runs[0].correlation == {}\n"
        "assert not [name for name in sys.modules if name.startswith('opentelemetry')]\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
