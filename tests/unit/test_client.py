"""The read client: what it asks, what it makes of the answers, and how it says no."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from datetime import datetime, timezone
from typing import Any

import pytest

from tests.unit.scripted_server import Answer, Asked, ScriptedServer, open_scripted_server, problem
from xray.client import Client
from xray.errors import (
    ConfigurationError,
    ConflictError,
    ForbiddenError,
    InvalidQueryError,
    LimitExceededError,
    NotFoundError,
    ServerError,
    ServerUnreachableError,
    StoreBusyError,
    UnauthorizedError,
    XRayError,
)
from xray.model.answers import Finding, FindingList, Why
from xray.model.records import Decision, Run, RunDetail, Step
from xray.questions import as_pairs

STARTED = datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone.utc)
RUN_ID = "0193f0c2-7a51-7abc-8def-0123456789ab"
SIBLING_ID = "0193f0c2-7a51-7abd-8def-0123456789ab"
STEP_ID = "0193f0c2-7a52-7abc-8def-0123456789ab"


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XRAY_URL", raising=False)
    monkeypatch.delenv("XRAY_API_KEY", raising=False)


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with open_scripted_server() as server:
        yield server


@pytest.fixture
def client(server: ScriptedServer) -> Iterator[Client]:
    with Client(server.url) as client:
        yield client


def make_run(run_id: str = RUN_ID, **fields: Any) -> Run:
    return Run(run_id=run_id, pipeline="search", status="completed", started_at=STARTED, **fields)


def make_step(**fields: Any) -> Step:
    return Step(
        step_id=STEP_ID,
        run_id=RUN_ID,
        pipeline="search",
        name="cheap",
        step_type="filter",
        ordinal=0,
        status="completed",
        started_at=STARTED,
        **fields,
    )


def listed(noun: str, *records: object, next_cursor: str | None = None) -> dict[str, object]:
    return {
        noun: list(records),
        "next_cursor": next_cursor,
        "total": len(records),
        "total_is_exact": True,
        "complete": True,
    }


def test_runs_come_as_records_with_what_the_page_says(
    server: ScriptedServer, client: Client
) -> None:
    run = make_run(output={"id": "p-1"}, duration_ms=12.5)
    server.on("/v1/runs", listed("runs", run, next_cursor="c1"))
    page = client.runs(pipeline="search", duration_gt=5, limit=1)
    assert page.items == [run]
    assert (page.next_cursor, page.total, page.total_is_exact) == ("c1", 1, True)
    assert server.asked[0].parameters == [
        ("pipeline", "search"),
        ("duration_gt", "5"),
        ("limit", "1"),
    ]


def test_steps_and_decisions_come_as_records(server: ScriptedServer, client: Client) -> None:
    step = make_step(rejection_rate=0.5, rate_basis="counted")
    decision = Decision(
        candidate_id="p-1", decision="rejected", step_id=STEP_ID, run_id=RUN_ID, reason="price"
    )
    server.on("/v1/steps", listed("steps", step))
    server.on(f"/v1/steps/{STEP_ID}", step)
    server.on("/v1/decisions", listed("decisions", decision))
    assert client.steps(**{"stats.filter_rate__gt": 0.9}).items == [step]
    assert client.step(STEP_ID) == step
    assert client.decisions(step_id=STEP_ID).items == [decision]
    assert server.asked[0].parameters == [("stats.filter_rate__gt", "0.9")]


def test_a_run_its_findings_and_a_why_come_as_records(
    server: ScriptedServer, client: Client
) -> None:
    run = RunDetail(
        run_id=RUN_ID,
        pipeline="search",
        status="completed",
        started_at=STARTED,
        steps=[make_step()],
    )
    finding = Finding(code="vanished", text="One is gone.", certainty="known", surprise=1.0)
    other = Finding(code="redecided", text="One was decided twice.", certainty="known")
    found = FindingList(run_id=RUN_ID, findings=[finding, other], look_here_first=1)
    why = Why(
        run_id=RUN_ID,
        pipeline="search",
        candidate_id="a b/c",
        outcome="rejected",
        answer="No.",
        certainty="known",
    )
    server.on(f"/v1/runs/{RUN_ID}", run)
    server.on(f"/v1/runs/{RUN_ID}/findings", found)
    server.on(f"/v1/runs/{RUN_ID}/why", why)
    server.on("/health", {"status": "ok"})
    assert client.run(RUN_ID.upper()) == run
    assert client.findings(RUN_ID) == [finding, other]
    assert client.look_here_first(RUN_ID) == [finding]
    assert client.why(RUN_ID, "a b/c") == why
    assert client.health() == "ok"
    assert server.asked[3].parameters == [("candidate", "a b/c")]


def test_iteration_follows_the_cursor_to_the_end(server: ScriptedServer, client: Client) -> None:
    pages = {
        None: listed("runs", make_run(RUN_ID), next_cursor="c1"),
        "c1": listed("runs", make_run(SIBLING_ID)),
    }
    server.on("/v1/runs", lambda asked: Answer(pages[dict(asked.parameters).get("cursor")]))
    assert [run.run_id for run in client.iter_runs(pipeline="search")] == [RUN_ID, SIBLING_ID]
    assert server.asked[1].parameters == [("pipeline", "search"), ("cursor", "c1")]


def test_a_cursor_that_leads_nowhere_is_an_error_and_no_endless_loop(
    server: ScriptedServer, client: Client
) -> None:
    server.on("/v1/steps", listed("steps", make_step(), next_cursor="same"))
    with pytest.raises(ServerError, match="same page twice"):
        list(client.iter_steps())


def test_last_is_the_newest_run(server: ScriptedServer, client: Client) -> None:
    server.on("/v1/runs", listed("runs", make_run(SIBLING_ID)))
    assert client.resolve_run("last") == SIBLING_ID
    assert server.asked[0].parameters == [("limit", "1")]


def test_last_of_no_runs_is_not_found_and_says_what_to_do(
    server: ScriptedServer, client: Client
) -> None:
    server.on("/v1/runs", listed("runs"))
    with pytest.raises(NotFoundError, match="no runs yet") as caught:
        client.resolve_run("last")
    assert "xray demo" in caught.value.hint


def test_a_whole_id_needs_no_question(server: ScriptedServer, client: Client) -> None:
    assert client.resolve_run(RUN_ID.replace("-", "").upper()) == RUN_ID
    assert server.asked == []


def _answer_prefix(asked: Asked) -> Answer:
    prefix = dict(asked.parameters)["run_id_prefix"]
    known = [run_id for run_id in (RUN_ID, SIBLING_ID) if run_id.startswith(prefix)]
    return Answer(listed("runs", *(make_run(run_id) for run_id in known)))


def test_a_unique_prefix_means_its_run(server: ScriptedServer, client: Client) -> None:
    server.on("/v1/runs", _answer_prefix)
    assert client.resolve_run("0193F0C2-7a51-7abd") == SIBLING_ID


def test_an_ambiguous_prefix_lists_what_it_could_mean(
    server: ScriptedServer, client: Client
) -> None:
    server.on("/v1/runs", _answer_prefix)
    with pytest.raises(InvalidQueryError) as caught:
        client.resolve_run("0193f0c2")
    assert caught.value.code == "ambiguous_run"
    assert f"{RUN_ID} (search), {SIBLING_ID} (search)" in caught.value.detail


def test_a_prefix_of_no_run_is_not_found(server: ScriptedServer, client: Client) -> None:
    server.on("/v1/runs", _answer_prefix)
    with pytest.raises(NotFoundError, match="No run begins with 'ffff'"):
        client.resolve_run("ffff")


@pytest.mark.parametrize("name", ["run_abc123", "", "latest", "../steps", RUN_ID + "0"])
def test_what_cannot_begin_an_id_is_wrong_usage(
    server: ScriptedServer, client: Client, name: str
) -> None:
    with pytest.raises(InvalidQueryError, match="names no run"):
        client.resolve_run(name)
    assert server.asked == []


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (400, "invalid_query", InvalidQueryError),
        (400, "invalid_cursor", InvalidQueryError),
        (401, "unauthorized", UnauthorizedError),
        (403, "host_not_allowed", ForbiddenError),
        (404, "not_found", NotFoundError),
        (404, "run_not_found", NotFoundError),
        (404, "no_such_route", ServerError),
        (409, "conflict", ConflictError),
        (413, "too_large", LimitExceededError),
        (500, "internal_error", ServerError),
        (503, "store_busy", StoreBusyError),
    ],
)
def test_a_refusal_becomes_the_error_that_says_so(
    server: ScriptedServer, client: Client, status: int, code: str, kind: type[XRayError]
) -> None:
    server.on("/v1/runs", problem(status, code, "It is so.", "Do this."))
    with pytest.raises(XRayError, match="It is so") as caught:
        client.runs()
    assert type(caught.value) is kind
    assert caught.value.code == code
    assert caught.value.hint


def test_a_wanted_key_says_how_to_give_one(server: ScriptedServer, client: Client) -> None:
    server.on("/v1/runs", problem(401, "unauthorized", "This server wants its key."))
    with pytest.raises(UnauthorizedError) as caught:
        client.runs()
    assert "XRAY_API_KEY" in caught.value.hint


@pytest.mark.parametrize("status", [200, 404, 500])
def test_an_answer_that_is_not_xrays_says_so(
    server: ScriptedServer, client: Client, status: int
) -> None:
    server.on("/v1/runs", Answer(b"<html>hello</html>", status))
    with pytest.raises(ServerError) as caught:
        client.runs()
    assert caught.value.code == "unexpected_answer"
    assert "xray doctor" in caught.value.hint


def test_a_redirect_is_reported_and_not_followed(server: ScriptedServer, client: Client) -> None:
    server.on("/v1/runs", Answer(b"", 302, {"Location": f"{server.url}/elsewhere"}))
    with pytest.raises(ServerError, match="follows no redirects") as caught:
        client.runs()
    assert caught.value.code == "redirected"
    assert [asked.path for asked in server.asked] == ["/v1/runs"]


def test_nobody_listening_says_how_to_start_a_server() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with (
        Client(f"http://127.0.0.1:{port}") as client,
        pytest.raises(ServerUnreachableError, match="the connection was refused") as caught,
    ):
        client.runs()
    assert "xray serve" in caught.value.hint


def test_a_server_that_never_answers_is_given_up() -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen(1)
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with (
            Client(url, timeout_s=0.05) as client,
            pytest.raises(ServerUnreachableError, match=r"no answer within 0\.05 s"),
        ):
            client.runs()


def test_the_key_travels_as_a_bearer_token(server: ScriptedServer) -> None:
    server.on("/v1/runs", listed("runs"))
    with Client(server.url, "k-1") as client:
        client.runs()
    assert server.asked[0].headers["authorization"] == "Bearer k-1"


def test_url_and_key_come_from_the_environment_unless_given(
    server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.on("/v1/runs", listed("runs"))
    monkeypatch.setenv("XRAY_URL", server.url + "/")
    monkeypatch.setenv("XRAY_API_KEY", "from-environment")
    with Client() as client:
        client.runs()
    with Client(api_key="given") as client:
        client.runs()
    sent = [asked.headers["authorization"] for asked in server.asked]
    assert sent == ["Bearer from-environment", "Bearer given"]


@pytest.mark.parametrize("host", ["example.com", "192.0.2.1", "127.0.0.1.example.com"])
def test_no_key_goes_unencrypted_to_another_machine(host: str) -> None:
    with pytest.raises(ConfigurationError, match="unencrypted") as caught:
        Client(f"http://{host}:8000", "secret")
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    ["https://example.com", "http://localhost:1", "http://[::1]:1", "http://127.9.9.9"],
)
def test_a_key_goes_over_https_or_to_this_machine(url: str) -> None:
    assert Client(url, "secret").url == url


@pytest.mark.parametrize("key", ["two words", "naïve", "line\nbreak"])
def test_what_no_header_can_carry_is_no_key(key: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        Client(api_key=key)
    assert caught.value.code == "invalid_key"
    assert key not in str(caught.value)


@pytest.mark.parametrize(
    "url", ["http://a b", "http://" + "x" * 70 + ".example", "http://é\u200d", "http://[::1%25x]"]
)
def test_a_host_nobody_can_reach_is_an_unreachable_server(url: str) -> None:
    with Client(url, timeout_s=1) as client, pytest.raises(ServerUnreachableError):
        client.runs()


def test_a_parameter_that_is_not_unicode_is_still_asked(
    server: ScriptedServer, client: Client
) -> None:
    server.on("/v1/runs", listed("runs"))
    assert client.runs(pipeline="a\udcff").items == []


@pytest.mark.parametrize(
    "url",
    [
        "127.0.0.1:8000",
        "ftp://host",
        "http://",
        "http://host:99999",
        "http://host?x=1",
        "http://ann:pw@host",
        "sqlite:///xray.db",
        "http://[::1",
    ],
)
def test_what_is_no_address_is_refused_without_showing_a_password(url: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        Client(url)
    assert caught.value.code == "invalid_url"
    assert "pw" not in str(caught.value)


def test_parameters_are_spelled_as_a_url_spells_them() -> None:
    assert as_pairs({"a": True, "b": 0.5, "started_at_gt": STARTED, "c": "x y"}) == [
        ("a", "true"),
        ("b", "0.5"),
        ("started_at_gt", "2026-01-02T03:04:05+00:00"),
        ("c", "x y"),
    ]
