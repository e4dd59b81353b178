"""Every route, driven to every failure, answers in the one error shape."""

from __future__ import annotations

import socket
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from contextlib import closing

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.contract.http.api import Answer, Api, ask_app
from xray.errors import StoreBusyError, StoreError
from xray.model.facts import Fact, Receipt
from xray.server.app import create_app
from xray.server.serving import BackgroundServer
from xray.server.settings import ServerSettings
from xray.store.memory import MemoryStore
from xray.wire.limits import Limits

OTHER_ID = "0195f0a2-0000-7000-8000-00000000beef"
RUN_ID = "0195f0a2-0000-7000-8000-00000000dead"
READS = (
    "/v1/runs",
    f"/v1/runs/{RUN_ID}",
    "/v1/steps",
    f"/v1/steps/{RUN_ID}",
    f"/v1/decisions?run_id={RUN_ID}",
    f"/v1/runs/{RUN_ID}/why?candidate=x",
    f"/v1/runs/{RUN_ID}/findings",
)
WRITES = (
    ("POST", "/v1/batches"),
    ("POST", "/v1/runs"),
    ("POST", "/v1/steps"),
    ("PATCH", f"/v1/runs/{RUN_ID}"),
)


class FailingStore(MemoryStore):
    """A store whose every verb raises the same error."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self._error = error

    def _require_open(self) -> None:
        raise self._error

    def submit(self, batch_id: str, facts: Sequence[Fact]) -> Future[Receipt]:
        raise self._error


@pytest.fixture(scope="module")
def small() -> Iterator[Api]:
    """A server with little patience and small limits."""
    settings = ServerSettings(store="memory:", port=0, body_deadline_s=0.2)
    limits = Limits(max_body_bytes=2000, max_nodes=50, max_depth=8, max_fact_bytes=800)
    app = create_app(settings, MemoryStore(), limits=limits)
    with BackgroundServer(settings, app=app) as server, closing(Api(server.url)) as api:
        yield api


@pytest.mark.parametrize("path", ["/nothing", "/v1", "/v1/runs/", "/v1/run", "/docs", "/runs//"])
def test_a_path_without_a_route_says_what_there_is(api: Api, path: str) -> None:
    answer = api.get(path)
    assert (answer.status, answer.problem["code"]) == (404, "no_such_route")
    assert "GET / lists all" in answer.problem["hint"]


def test_a_nearly_right_path_is_told_the_right_one(api: Api) -> None:
    assert "/v1/runs?" in api.get("/v1/run").problem["hint"]


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("DELETE", "/v1/runs", "GET, HEAD, POST"),
        ("PUT", f"/v1/runs/{RUN_ID}", "GET, HEAD, PATCH"),
        ("GET", "/v1/batches", "POST"),
        ("POST", "/health", "GET, HEAD"),
        ("OPTIONS", "/steps", "GET, HEAD, POST"),
        ("HEAD", "/v1/batches", "POST"),
    ],
)
def test_a_wrong_method_is_told_the_right_ones(
    api: Api, method: str, path: str, allowed: str
) -> None:
    answer = api.ask(method, path)
    assert answer.status == 405
    assert answer.headers["allow"] == allowed
    if method != "HEAD":
        assert answer.problem["code"] == "method_not_allowed"


@pytest.mark.parametrize(
    "path",
    [
        f"/v1/runs/{RUN_ID}",
        f"/runs/{RUN_ID}",
        f"/v1/steps/{RUN_ID}",
        f"/v1/runs/{RUN_ID}/why?candidate=x",
        f"/v1/runs/{RUN_ID}/findings",
    ],
)
def test_what_is_not_stored_is_not_found(api: Api, path: str) -> None:
    answer = api.get(path)
    assert (answer.status, answer.problem["title"]) == (404, "Not Found")
    assert answer.problem["code"].endswith("not_found")


def test_a_change_of_an_unknown_run_is_not_found(api: Api) -> None:
    answer = api.ask("PATCH", f"/v1/runs/{RUN_ID}", {"status": "failed"})
    assert (answer.status, answer.problem["code"]) == (404, "run_not_found")


@pytest.mark.parametrize(
    "path",
    [
        "/v1/runs?pipelin=x",
        "/runs?limit=0",
        "/v1/steps?step_type=fliter",
        "/v1/steps?cursor=abc",
        "/v1/decisions?q=reson",
        "/steps?q=step_type+%3D+filter",
        "/v1/runs/run_abc123",
        "/v1/runs/run_abc123/why?candidate=x",
        f"/v1/runs/{RUN_ID}/why",
        f"/v1/runs/{RUN_ID}/why?candidat=x",
        "/v1/steps/s1",
    ],
)
def test_a_question_that_cannot_be_asked_is_a_bad_request(api: Api, path: str) -> None:
    answer = api.get(path)
    assert answer.status == 400
    assert answer.problem["code"] in (
        "invalid_query",
        "wrong_cursor",
        "invalid_id",
        "missing_parameter",
    )


@pytest.mark.parametrize(("method", "path"), WRITES[1:])
@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"\xff\xff",
        b'{"pipeline": "p", "pipeline": "q"}',
        b'{"pipeline": NaN}',
        b'{"pipeline": -Infinity}',
        b'{"pipeline": 1e400}',
        b'{"pipeline": ' + b"1" * 5000 + b"}",
    ],
    ids=lambda content: str(content[:20]),
)
def test_a_body_that_is_not_strict_json_is_a_bad_request(
    api: Api, method: str, path: str, content: bytes
) -> None:
    answer = api.ask(method, path, content=content)
    assert (answer.status, answer.problem["code"]) == (400, "malformed_body")


@pytest.mark.parametrize(("method", "path"), WRITES[1:])
def test_a_body_beyond_a_limit_is_too_large(small: Api, method: str, path: str) -> None:
    for content in (
        b'{"input": "' + b"x" * 3000 + b'"}',
        b'{"input": ' + b"[" * 20 + b"]" * 20 + b"}",
        b'{"input": [' + b"0," * 60 + b"0]}",
    ):
        answer = small.ask(method, path, content=content)
        assert (answer.status, answer.problem["code"]) == (413, "too_large")


def test_a_step_larger_than_an_sdk_may_send_is_too_large(small: Api) -> None:
    run_id = small.create_run()
    candidates = [{"decision": "accepted", "reasoning": "x" * 400} for _ in range(3)]
    step = {"name": "s", "step_type": "filter", "candidates": candidates}
    for path, body in (
        ("/v1/steps", {**step, "run_id": run_id}),
        ("/v1/runs", {"pipeline": "p", "steps": [step]}),
    ):
        answer = small.post(path, body)
        assert (answer.status, answer.problem["code"]) == (413, "too_large")
        assert "'s'" in answer.problem["detail"]


@pytest.mark.parametrize(("method", "path"), WRITES)
def test_a_body_that_does_not_come_is_not_waited_for(small: Api, method: str, path: str) -> None:
    host, port = small.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        head = f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n"
        connection.sendall(head.encode() + b'{"a":')
        answer = b""
        while b"body_too_slow" not in answer:
            piece = connection.recv(65_536)
            assert piece, answer
            answer += piece
    assert answer.startswith(b"HTTP/1.1 408 ")


def test_a_client_that_hangs_up_leaves_the_server_serving(
    api: Api, caplog: pytest.LogCaptureFixture
) -> None:
    host, port = api.url.removeprefix("http://").split(":")
    for method, path in WRITES:
        with socket.create_connection((host, int(port)), timeout=10) as connection:
            head = f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n"
            connection.sendall(head.encode() + b'{"a":')
        assert api.get("/health").status == 200
    assert not caplog.records


def test_a_body_of_unknown_length_is_cut_off_at_the_limit(small: Api) -> None:
    host, port = small.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall(
            b"POST /v1/runs HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
        )
        for _ in range(4):
            connection.sendall(b"3e8\r\n" + b"x" * 1000 + b"\r\n")
        connection.sendall(b"0\r\n\r\n")
        assert connection.recv(65_536).startswith(b"HTTP/1.1 413 ")


def ask_failing(error: Exception, method: str, path: str) -> Answer:
    app = create_app(ServerSettings(store="memory:"), FailingStore(error))
    content = {
        "/v1/batches": b'{"version": 1, "batch_id": "b", "facts": ['
        b'{"fact": "run_finished", "run_id": "%s", "status": "failed"}]}' % RUN_ID.encode(),
        "/v1/runs": b'{"pipeline": "p"}',
        "/v1/steps": b'{"name": "s", "step_type": "group", "run_id": "%s"}' % RUN_ID.encode(),
    }.get(path, b"{}")
    path, _, query = path.partition("?")
    return ask_app(app, method, path, content=content, query=query)


@pytest.mark.parametrize(("method", "path"), [*WRITES, *(("GET", path) for path in READS)])
def test_a_busy_store_asks_to_try_again(method: str, path: str) -> None:
    answer = ask_failing(StoreBusyError("Too much waits to be written."), method, path)
    assert (answer.status, answer.problem["code"]) == (503, "store_busy")
    assert int(answer.headers["retry-after"]) > 0


@pytest.mark.parametrize(("method", "path"), [*WRITES, *(("GET", path) for path in READS)])
def test_a_failing_store_is_unavailable(method: str, path: str) -> None:
    answer = ask_failing(StoreError("The disk is full.", hint="Make room."), method, path)
    assert (answer.status, answer.problem["code"]) == (503, "store_failed")
    assert answer.problem["hint"] == "Make room."


@pytest.mark.parametrize(("method", "path"), [*WRITES, *(("GET", path) for path in READS)])
def test_an_unexpected_error_keeps_its_internals_to_itself(method: str, path: str) -> None:
    answer = ask_failing(ZeroDivisionError("secret at /etc/xray"), method, path)
    assert (answer.status, answer.problem["code"]) == (500, "internal_error")
    assert b"secret" not in answer.content
    assert b"ZeroDivision" not in answer.content


JSON = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.floats(allow_nan=False, allow_infinity=False),
        st.text(max_size=20),
        st.just(OTHER_ID),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(
            st.sampled_from(
                ["id", "name", "step_type", "decision", "candidate_id", "checks", "origin", "x"]
            ),
            inner,
            max_size=4,
        ),
    ),
    max_leaves=10,
)


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    write=st.sampled_from(WRITES),
    body=st.dictionaries(
        st.sampled_from(
            [
                "pipeline", "pipeline_type", "run_id", "id", "steps", "candidates", "name",
                "step_type", "status", "started_at", "duration_ms", "error", "stats", "metadata",
                "input_count", "takes", "correlation", "tags", "key", "facts", "version",
            ]
        ),
        JSON,
        max_size=8,
    ),
)  # fmt: skip
def test_whatever_json_is_sent_the_answer_is_one_of_ours(
    api: Api, write: tuple[str, str], body: dict[str, object]
) -> None:
    answer = api.ask(*write, {"pipeline": "p", "name": "n", "step_type": "group", **body})
    assert answer.status < 500, answer.content
    if answer.status >= 400:
        assert answer.problem["code"]
