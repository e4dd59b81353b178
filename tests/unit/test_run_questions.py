"""`run.summary()` and `run.why(candidate)`: of a file, a server, memory, and without answer."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

import xray
from xray import Run, XRay
from xray.destinations import forget_destinations
from xray.errors import InvalidQueryError, NotFoundError
from xray.server.serving import BackgroundServer
from xray.server.settings import ServerSettings
from xray.store.sqlite.connection import FileLock
from xray.testing import FaultServer, MemorySink


@pytest.fixture(autouse=True)
def _own_destinations(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.delenv("XRAY_URL", raising=False)
    forget_destinations()
    yield
    xray.close()
    forget_destinations()


@pytest.fixture(params=["file", "server", "memory"])
def client(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[XRay]:
    if request.param == "memory":
        yield XRay("search", sink=MemorySink())
    elif request.param == "file":
        yield XRay("search", url=f"sqlite:///{tmp_path}/runs.db")
    else:
        with BackgroundServer(ServerSettings(store="memory:", port=0)) as server:
            yield XRay("search", url=server.url)
            xray.close()


def recommend(x: XRay) -> Run:
    with x.run(input="case") as run:
        with run.step("retrieve", step_type="retrieve") as step:
            for number in range(4):
                step.accept(f"p{number}")
        with run.step("price", step_type="filter") as step:
            step.accept("p0")
            step.accept("p1")
            step.reject("p2", "too_dear", observed=150, op="<=", limit=100)
        with run.step("pick", step_type="select") as step:
            step.select("p0")
            step.reject("p1", "not_selected")
        run.set_output({"picked": "p0"})
    return run


def test_a_finished_run_shows_its_funnel_and_what_stands_out(client: XRay) -> None:
    run = recommend(client)
    summary = run.summary()
    assert (summary.status, summary.output) == ("completed", {"picked": "p0"})
    assert [step.name for step in summary.steps] == ["retrieve", "price", "pick"]
    assert [finding.code for finding in summary.findings] == ["vanished"]
    text = re.sub(r" in \d+ ms", " in 5 ms", str(summary))
    assert repr(summary) == str(summary)
    assert text.splitlines() == [
        f"search  completed in 5 ms  (run {run.run_id})",
        "  retrieve  retrieve    -> 4",
        "  price     filter    3 -> 2  33.3 % rejected  too_dear 1",
        "  pick      select    2 -> 1  50.0 % rejected  selected p0; not_selected 1",
        'output  {"picked":"p0"}',
        "! price never decided 1 of the 4 candidates that retrieve returned: p3.",
    ]


def test_a_finished_run_says_why(client: XRay) -> None:
    run = recommend(client)
    why = run.why("p2")
    assert (why.outcome, why.decided_at) == ("rejected", "price")
    assert "150" in str(why)
    assert run.why({"id": "p0"}).outcome == "selected"
    assert run.why("p3").outcome == "vanished"


def test_a_candidate_nobody_recorded_is_an_answer(client: XRay) -> None:
    assert recommend(client).why("nobody").outcome == "never_retrieved"


def test_what_has_no_id_is_no_candidate(client: XRay) -> None:
    with pytest.raises(InvalidQueryError, match="has no id"):
        recommend(client).why(object())


def test_a_run_that_goes_on_is_not_asked(client: XRay) -> None:
    with client.run() as run, pytest.raises(NotFoundError, match="has not ended") as failed:
        run.summary()
    assert failed.value.code == "run_not_ended"


def test_a_failed_run_shows_its_error(client: XRay) -> None:
    with pytest.raises(ZeroDivisionError), client.run() as run:
        _ = 1 / 0
    assert "error   ZeroDivisionError: division by zero" in str(run.summary()).splitlines()


def test_an_attached_run_can_be_asked_too(client: XRay) -> None:
    with client.run(key="job-1") as run, run.step("a", step_type="filter") as step:
        step.reject("c1", "why")
    with client.attach(key="job-1") as attached:
        pass
    assert attached.why("c1").outcome == "rejected"


def test_a_run_of_a_client_that_is_off_was_not_recorded() -> None:
    with XRay("p", enabled=False).run() as run:
        pass
    with pytest.raises(NotFoundError, match="X-Ray is off"):
        run.summary()


def test_a_sink_that_answers_nothing_is_said_to() -> None:
    class Sink:
        def put(self, fact: object) -> None: ...
        def settle_run(self, run_id: str) -> None: ...
        def count_loss(self, cause: str, records: int = 1, decisions: int = 0) -> None: ...

    with XRay("p", sink=Sink()).run() as run:
        pass
    with pytest.raises(NotFoundError, match="answers no questions"):
        run.why("a")


@pytest.mark.parametrize("is_closed", [False, True])
def test_a_run_that_waits_is_not_delivered_yet(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_closed: bool
) -> None:
    monkeypatch.setattr("xray.destinations._ASK_TIMEOUT_S", 0.3)
    path = tmp_path / "runs.db"
    rival = FileLock(path)
    run = recommend(XRay("p", url=f"sqlite:///{path}"))
    if is_closed:
        xray.close(0.1)
    with pytest.raises(NotFoundError, match="is not delivered yet") as failed:
        run.summary()
    assert failed.value.code == "run_not_delivered"
    rival.release()
    if not is_closed:
        monkeypatch.setattr("xray.destinations._ASK_TIMEOUT_S", 10)
        assert run.summary().status == "completed"


def test_a_run_that_was_lost_is_not_stored() -> None:
    with FaultServer() as server:
        server.refuse()
        run = recommend(XRay("p", url=server.url, offline_mode="silent"))
        xray.flush(5)
        server.listen()
        with pytest.raises(NotFoundError, match=r"is not stored; records were lost: \d+") as failed:
            run.summary()
    assert failed.value.code == "run_not_found"


def test_a_closed_client_answers_about_what_was_delivered(tmp_path: Path) -> None:
    run = recommend(XRay("p", url=f"sqlite:///{tmp_path}/runs.db"))
    assert xray.close().is_complete
    assert run.summary().status == "completed"


def test_a_summary_shows_no_control_characters_of_the_pipeline() -> None:
    @dataclass
    class Named:
        id: str

    x = XRay("p\x1b[2J", sink=MemorySink())
    with x.run() as run:
        with run.step("a\x1b]0;x\x07", step_type="filter") as step:
            step.reject(Named("c\x1b[1m"), "r\x1b\n")
            step.select("\x1b[5m")
        run.set_output("\x1b[31m")
    text = str(run.summary())
    assert "\x1b" not in text
    assert "\x07" not in text
    assert len(text.splitlines()) == 3 + len(run.summary().findings)


def test_recording_loads_nothing_that_only_answers_need() -> None:
    program = (
        "import sys, xray; x = xray.XRay('p', enabled=False)\n"
        "print([name for name in ('xray.model.answers', 'xray.model.summary', 'xray.client',"
        " 'xray.local') if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n"
