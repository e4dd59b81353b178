"""The same question by query, by either seed's URL and on the command line: the same rows."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
import urllib3

from xray.cli.main import main
from xray.client import Client
from xray.server.serving import BackgroundServer
from xray.server.settings import ServerSettings
from xray.store.memory import MemoryStore

pytestmark = pytest.mark.xdist_group("cli_e2e")

QUERY = 'step_type = "filter" and rejection_rate > 0.9'
SEED_URLS = (
    "/steps?step_type=filter&rejection_rate_gt=0.9",
    "/steps?step_type=FILTER&stats.filter_rate__gt=0.9",
    "/v1/steps?step_type=filter&rejection_rate__gt=0.9",
)


def post(url: str, path: str, body: dict[str, Any]) -> dict[str, Any]:
    reply = urllib3.request("POST", url + path, json=body, retries=False, timeout=10)
    assert reply.status == 201, reply.data
    answer: dict[str, Any] = reply.json()
    return answer


@pytest.fixture
def url(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A server with two pipelines whose filters reject from nothing to nearly everything."""
    monkeypatch.delenv("XRAY_API_KEY", raising=False)
    with BackgroundServer(ServerSettings(port=0), store=MemoryStore()) as server:
        monkeypatch.setenv("XRAY_URL", server.url)
        for pipeline in ("search", "resolve"):
            run = post(server.url, "/v1/runs", {"pipeline": pipeline})
            for kept in (2, 50, 100):
                for step_type in ("filter", "rank"):
                    post(
                        server.url,
                        "/v1/steps",
                        {
                            "run_id": run["run_id"],
                            "name": f"{step_type} {kept}",
                            "step_type": step_type,
                            "input_count": 100,
                            "output_count": kept,
                            "stats": {"filter_rate": 1 - kept / 100},
                        },
                    )
        yield server.url


def ids_of(url: str) -> list[str]:
    reply = urllib3.request("GET", url, retries=False, timeout=10)
    assert reply.status == 200, reply.data
    return [step["step_id"] for step in reply.json()["steps"]]


def test_a_query_finds_what_both_seeds_urls_find(
    url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    found = [ids_of(url + path) for path in SEED_URLS]
    assert len(found[0]) == 2
    assert found[1:] == found[:1] * 2
    assert main(["steps", QUERY, "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)["steps"]
    assert [step["step_id"] for step in listed] == found[0]
    with Client() as client:
        assert [step.step_id for step in client.steps(q=QUERY).items] == found[0]
        assert [step.step_id for step in client.iter_steps(q=QUERY, limit=1)] == found[0]


def test_the_table_shows_the_filters_that_reject_nearly_everything(
    url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert url
    assert main(["steps", QUERY]) == 0
    head, *rows = capsys.readouterr().out.splitlines()
    assert head.split()[:3] == ["PIPELINE", "STEP", "TYPE"]
    assert [row.split()[:4] for row in rows] == [
        ["resolve", "filter", "2", "filter"],
        ["search", "filter", "2", "filter"],
    ]


def test_a_mistake_is_one_sentence_and_a_caret(
    url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert url
    assert main(["steps", "step_type = 'filter' and rejection_rat > 0.9"]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err == (
        "xray: There is no field 'rejection_rat' of steps. Did you mean rejection_rate?\n"
        "  step_type = 'filter' and rejection_rat > 0.9\n"
        "                           ^^^^^^^^^^^^^\n"
    )
