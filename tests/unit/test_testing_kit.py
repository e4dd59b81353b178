import http.client
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from urllib.parse import urlsplit

import msgspec
import pytest

from xray.capture.sink import Sink
from xray.errors import InvalidRecordError, NotFoundError
from xray.model.clock import Clock
from xray.model.facts import (
    ACCEPTED,
    REJECTED,
    SELECTED,
    DecisionRow,
    Receipt,
    RosterGroup,
    RunFinished,
    RunStarted,
    StepFinished,
    StepRoster,
    StepRows,
    fact_id,
)
from xray.model.ids import new_uuid7
from xray.testing import (
    Answer,
    DropConnection,
    FakeClock,
    FaultServer,
    Hang,
    MemorySink,
    RejectFacts,
    Truncate,
)
from xray.wire.codec import encode_fact, frame_batch

RUN, STEP = new_uuid7(), new_uuid7()
STARTED = RunStarted(run_id=RUN, pipeline="p", started_at_us=1)


def step(name: str = "filter", step_id: str = STEP, **more: object) -> StepFinished:
    rows = [msgspec.Raw(msgspec.msgpack.encode((REJECTED, "c-1", "too_dear")))]
    fields: dict[str, object] = {
        "run_id": RUN, "step_id": step_id, "pipeline": "p", "name": name, "step_type": "filter",
        "ordinal": 0, "started_at_us": 2, "rows": rows, **more,
    }  # fmt: skip
    return StepFinished(**fields)  # type: ignore[arg-type]


@pytest.fixture
def sink() -> MemorySink:
    return MemorySink()


def test_the_sink_and_the_clock_fit_where_the_real_ones_do(sink: MemorySink) -> None:
    as_sink: Sink = sink
    as_clock: Clock = FakeClock()
    as_sink.put(STARTED)
    assert as_clock.monotonic_s() == 0


def test_the_sink_shows_what_a_server_would_read(sink: MemorySink) -> None:
    sink.put(STARTED)
    sink.put(step())
    sink.put(RunFinished(run_id=RUN, status="completed"))
    assert [fact_id(fact) for fact in sink.facts] == [
        f"run:{RUN}:started", f"step:{STEP}", f"run:{RUN}:finished",
    ]  # fmt: skip
    assert sink.runs == [STARTED]
    assert sink.run("p") == STARTED
    assert sink.finished(RUN).status == "completed"
    row = sink.step("filter").rows[0]
    assert isinstance(row, DecisionRow)
    assert row.reason == "too_dear"


def test_the_sink_counts_as_every_other_reader_does(sink: MemorySink) -> None:
    sink.put(step(logged=[DecisionRow(ACCEPTED, "c-9")], input_count=4, output_count=3))
    summary = sink.summary("filter")
    assert summary.reasons == {"too_dear": 1}
    assert (summary.rejection_rate, summary.rate_basis) == (0.25, "declared")
    decisions = sink.decisions("filter")
    assert [(one.candidate_id, one.decision, one.is_logged) for one in decisions] == [
        ("c-1", "rejected", False),
        ("c-9", "accepted", True),
    ]


def test_chunks_of_a_step_come_together_in_their_order(sink: MemorySink) -> None:
    for chunk in (2, 1):
        rows = [DecisionRow(SELECTED, f"c-{chunk}x")]
        sink.put(StepRows(run_id=RUN, step_id=STEP, chunk=chunk, rows=rows))
    sink.put(step(chunks=2))
    assert [row.candidate_id for row in sink.step("filter").rows] == ["c-1", "c-1x", "c-2x"]


def test_the_roster_of_a_step_comes_in_the_order_of_its_chunks(sink: MemorySink) -> None:
    for chunk in (2, 1):
        group = RosterGroup(REJECTED, "stock", None, None, [f"c-{chunk}x"])
        sink.put(StepRoster(run_id=RUN, step_id=STEP, chunk=chunk, total=2, groups=[group]))
    sink.put(step(roster_chunks=2))
    assert [group.ids for group in sink.roster("filter")] == [["c-1x"], ["c-2x"]]


def test_the_last_step_of_a_name_is_meant(sink: MemorySink) -> None:
    sink.put(step())
    later = new_uuid7()
    sink.put(step(step_id=later))
    assert sink.step("filter").step_id == later
    assert len(sink.steps) == 2


def test_asking_for_what_was_not_recorded_names_what_was(sink: MemorySink) -> None:
    with pytest.raises(NotFoundError, match="Nothing was recorded"):
        sink.step("filter")
    sink.put(step("rank"))
    with pytest.raises(NotFoundError, match="Recorded are rank"):
        sink.step("filter")


def test_a_fact_no_server_would_take_raises_at_once(sink: MemorySink) -> None:
    with pytest.raises(InvalidRecordError):
        sink.put(RunStarted(run_id="run_abc123", pipeline="p", started_at_us=1))


def test_losses_and_settled_runs_are_kept_and_forgotten(sink: MemorySink) -> None:
    sink.count_loss("encode", 1, 5)
    sink.count_loss("encode")
    sink.settle_run(RUN)
    sink.put(STARTED)
    assert sink.losses == {"encode": (2, 5)}
    assert sink.settled_runs == [RUN]
    sink.clear()
    assert (sink.losses, sink.settled_runs, sink.facts) == ({}, [], [])


def test_the_clock_moves_only_when_told() -> None:
    clock = FakeClock()
    wall_us = clock.wall_us()
    clock.advance(1.5)
    assert clock.monotonic_s() == 1.5
    assert clock.wall_us() - wall_us == 1_500_000
    clock.set_wall(5)
    assert (clock.wall_us(), clock.monotonic_s()) == (5, 1.5)
    with pytest.raises(ValueError, match="forwards"):
        clock.advance(-1)


def post(server: FaultServer, body: bytes, path: str = "/v1/batches") -> tuple[int, bytes]:
    connection = http.client.HTTPConnection(urlsplit(server.url).netloc, timeout=5)
    try:
        connection.request("POST", path, body, {"Content-Type": "application/msgpack"})
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def batch(*facts: RunStarted) -> bytes:
    return frame_batch("b-1", "test", [encode_fact(fact) for fact in facts])


def test_the_server_stores_each_fact_once() -> None:
    with FaultServer() as server:
        status, body = post(server, batch(STARTED))
        assert status == 200
        assert msgspec.json.decode(body, type=Receipt).accepted == 1
        _, body = post(server, batch(STARTED))
        assert msgspec.json.decode(body, type=Receipt).duplicate == 1
        assert server.facts == {fact_id(STARTED): STARTED}
        assert server.arrivals == 2


def test_the_server_refuses_what_is_no_batch() -> None:
    with FaultServer() as server:
        assert post(server, b"nonsense")[0] == 400
        assert post(server, batch(STARTED), "/elsewhere")[0] == 404
        assert [request.batch is None for request in server.requests] == [True, True]


def test_the_server_follows_its_script_and_then_behaves() -> None:
    with FaultServer() as server:
        server.script(Answer(503, b"later", {"Retry-After": "1"}), None, Answer(401))
        assert [post(server, batch(STARTED))[0] for _ in range(4)] == [503, 200, 401, 200]
        server.always(RejectFacts(frozenset({fact_id(STARTED)}), "odd"))
        _, body = post(server, batch(STARTED))
        assert msgspec.json.decode(body, type=Receipt).rejected[0].code == "odd"


@pytest.mark.parametrize("has_stored", [True, False])
def test_the_server_can_drop_a_connection(has_stored: bool) -> None:
    with FaultServer() as server:
        server.script(DropConnection(has_stored=has_stored), Truncate())
        with pytest.raises((http.client.HTTPException, ConnectionError)):
            post(server, batch(STARTED))
        assert bool(server.facts) is has_stored
        with pytest.raises((http.client.HTTPException, ConnectionError)):
            post(server, batch(STARTED))


def test_closing_the_server_ends_requests_that_hang() -> None:
    server = FaultServer()
    server.always(Hang(60))
    ended: list[str] = []

    def ask() -> None:
        try:
            post(server, batch(STARTED))
        except (http.client.HTTPException, OSError) as error:
            ended.append(type(error).__name__)

    asking = threading.Thread(target=ask)
    asking.start()
    assert server.wait_for_requests(1)
    before_s = time.monotonic()
    server.close()
    asking.join(5)
    assert len(ended) == 1
    assert time.monotonic() - before_s < 4


def test_a_server_that_refuses_can_listen_again_at_its_address() -> None:
    with FaultServer() as server:
        address = server.url
        server.refuse()
        with pytest.raises(ConnectionRefusedError):
            post(server, batch(STARTED))
        server.listen()
        assert server.url == address
        assert post(server, batch(STARTED))[0] == 200


def test_waiting_ends_when_nothing_comes() -> None:
    with FaultServer() as server:
        assert not server.wait_for(1, timeout_s=0.02)


def test_the_plugin_offers_its_fixtures_to_any_test(tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text(
        "def test_it(xray_sink, xray_clock, xray_server):\n"
        "    assert xray_sink.facts == []\n"
        "    assert xray_clock.monotonic_s() == 0\n"
        "    assert xray_server.url.startswith('http://127.0.0.1:')\n",
        encoding="utf-8",
    )
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "xray.testing.plugin", "-c", "/dev/null",
         "--rootdir", str(tmp_path), str(tmp_path)],
        capture_output=True, text=True, timeout=60, check=False, cwd=tmp_path,
        env={**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
    )  # fmt: skip
    assert "1 passed" in done.stdout, done.stdout + done.stderr
