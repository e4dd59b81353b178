"""The command line against a real server: from `xray serve` to the sentence that says why."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import urllib3

from xray.cli.main import main
from xray.client import Client
from xray.errors import InvalidQueryError, UnauthorizedError
from xray.server.serving import BackgroundServer
from xray.server.settings import ServerSettings
from xray.store.memory import MemoryStore

pytestmark = pytest.mark.xdist_group("cli_e2e")

FIRST_ID = "0193f0c2-7a51-7abc-8def-000000000001"
SECOND_ID = "0193f0c2-7a51-7abc-8def-000000000002"


def price_check(price: int) -> dict[str, Any]:
    return {
        "name": "price_too_high",
        "field": "price",
        "op": "<=",
        "observed": price,
        "limit": 100,
        "passed": price <= 100,
    }


def case_search(run_id: str) -> dict[str, Any]:
    """A search whose keyword `stand` brings what should not win, and a cut nobody recorded."""
    found = ["case-1", "case-2", "stand-1", "stand-2", "stand-3"]
    prices = {"case-1": 20, "case-2": 150, "stand-1": 30, "stand-2": 35, "stand-3": 40}
    kept = [name for name in found if prices[name] <= 100]
    return {
        "run_id": run_id,
        "pipeline": "competitor_selection",
        "status": "completed",
        "duration_ms": 1500,
        "output": {"id": "stand-1"},
        "steps": [
            {
                "name": "keywords",
                "step_type": "LLM",
                "duration_ms": 6000,
                "candidates": [
                    {"candidate_id": word, "decision": "accepted"} for word in ("case", "stand")
                ],
            },
            {
                "name": "search",
                "step_type": "retrieve",
                "candidates": [
                    {
                        "candidate_id": name,
                        "decision": "accepted",
                        "origin": {"candidate_id": name.split("-")[0], "step_id": "keywords"},
                    }
                    for name in found
                ],
            },
            {
                "name": "price",
                "step_type": "filter",
                "candidates": [
                    {
                        "candidate_id": name,
                        "decision": "accepted" if price <= 100 else "rejected",
                        "checks": [price_check(price)],
                    }
                    for name, price in prices.items()
                ],
            },
            {
                "name": "choose",
                "step_type": "select",
                "candidates": [
                    {
                        "candidate_id": name,
                        "decision": "selected" if name == "stand-1" else "rejected",
                        "reason": None if name == "stand-1" else "not_selected",
                        "score": 0.9 - place / 10,
                        "rank": place + 1,
                    }
                    for place, name in enumerate(["stand-1", *kept[:1], "stand-2"])
                ],
            },
        ],
    }


def post_run(url: str, body: dict[str, Any], **headers: str) -> None:
    answer = urllib3.request("POST", f"{url}/v1/runs", json=body, headers=headers)
    assert answer.status == 201, answer.data


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    store = MemoryStore()
    settings = ServerSettings(store="memory:", port=0)
    with BackgroundServer(settings, store) as server:
        post_run(server.url, case_search(FIRST_ID))
        post_run(server.url, case_search(SECOND_ID))
        yield server.url
    store.close()


@pytest.fixture(autouse=True)
def _settings(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    for name in ("XRAY_API_KEY", "COLUMNS", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XRAY_URL", url)


def test_runs_lists_what_was_stored(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["runs", "--pipeline", "competitor_selection", "--status", "SUCCESS"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["RUN", "PIPELINE", "STATUS", "WHEN", "TOOK", "OUTPUT"]
    assert len(lines) == 3
    assert '1.5 s  {"id":"stand-1"}' in lines[1]


def test_filters_of_both_spellings_reach_the_store(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["steps", "step_type=FILTER", "rejection_rate_gt=0.1", "--json"]) == 0
    steps = json.loads(capsys.readouterr().out)["steps"]
    assert [step["name"] for step in steps] == ["price", "price"]
    assert main(["steps", "--type", "generate", "duration__gt=5000", "--limit", "1"]) == 0
    out, err = capsys.readouterr()
    assert "keywords" in out
    assert "1 of 2 steps; to go on, add --all or cursor=" in err
    assert main(["steps", err.rpartition(" ")[2].strip(), "step_type=generate"]) == 2


def test_show_draws_the_funnel_of_the_newest_run(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", "last"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("competitor_selection  completed  just now, took 1.5 s\n")
    price = next(line for line in out.splitlines() if line.split()[1:2] == ["price"])
    assert "5  →    4" in price
    assert "20.0 %" in price
    assert "price_too_high 1" in price
    assert "selected stand-1 (score 0.9)" in out


def test_a_candidate_lost_between_two_steps_is_a_finding(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["show", "last"]) == 0
    found = capsys.readouterr().out.partition("Look here first\n")[2]
    assert "stand-3" in found


@pytest.mark.parametrize(
    ("candidate", "outcome"),
    [
        ("stand-1", "selected"),
        ("case-2", "rejected"),
        ("case-1", "outranked"),
        ("stand-3", "vanished"),
        ("lamp-9", "never_retrieved"),
    ],
)
def test_why_answers_for_every_fate(
    capsys: pytest.CaptureFixture[str], candidate: str, outcome: str
) -> None:
    assert main(["why", "last", candidate, "--json"]) == 0
    why = json.loads(capsys.readouterr().out)
    assert why["outcome"] == outcome
    assert main(["why", "last", candidate]) == 0
    out = capsys.readouterr().out
    assert out.startswith(why["answer"])
    assert candidate in out


def test_why_shows_the_evidence_and_what_brought_the_winner(
    capsys: pytest.CaptureFixture[str],
) -> None:
    main(["why", "last", "case-2"])
    assert "\n      price 150 <= 100 failed by 50 (price_too_high)\n" in capsys.readouterr().out
    main(["why", "last", "stand-1"])
    came_from = capsys.readouterr().out.partition("Where it came from\n")[2]
    assert "stand" in came_from.splitlines()[0]


def test_a_run_is_named_by_id_prefix_or_last(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    with Client(url) as client:
        assert client.resolve_run(FIRST_ID[:-1] + "1") == FIRST_ID
        assert client.resolve_run("last") in (FIRST_ID, SECOND_ID)
        with pytest.raises(InvalidQueryError, match="Several runs begin with") as caught:
            client.resolve_run("0193f0c2")
        assert FIRST_ID in caught.value.detail
        assert SECOND_ID in caught.value.detail
    assert main(["show", "ffffffff"]) == 1
    assert main(["show", FIRST_ID.replace("0193", "0194")]) == 1
    assert main(["show", "run_abc123"]) == 2
    assert capsys.readouterr().out == ""


def test_the_client_pages_through_everything(url: str) -> None:
    with Client(url) as client:
        assert client.health() == "ok"
        assert {run.run_id for run in client.iter_runs(limit=1)} == {FIRST_ID, SECOND_ID}
        assert len(list(client.iter_steps(limit=3))) == 8
        decisions = list(client.iter_decisions(run_id=FIRST_ID, limit=4))
        assert len(decisions) == 2 + 5 + 5 + 3
        run = client.run(FIRST_ID)
        assert client.step(run.steps[2].step_id).rejections["price_too_high"].count == 1
        assert "vanished" in {finding.code for finding in client.findings(FIRST_ID)}


def test_doctor_finds_the_road_clear(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    checks = {check["name"]: check["verdict"] for check in report["checks"]}
    assert checks["health"] == checks["key"] == checks["version"] == checks["clock"] == "ok"


def test_doctor_writes_a_run_and_reads_it_back_when_asked(
    capsys: pytest.CaptureFixture[str],
) -> None:
    store = MemoryStore()
    settings = ServerSettings(store="memory:", port=0, api_key="k-1")
    with BackgroundServer(settings, store) as server:
        argv = ["--json", "--url", server.url, "--api-key", "k-1"]
        assert main(["doctor", "--write", *argv]) == 0
        checks = {check["name"]: check for check in json.loads(capsys.readouterr().out)["checks"]}
        assert checks["round trip"]["verdict"] == "ok"
        assert main(["runs", "--pipeline", "xray-doctor", *argv]) == 0
        run = json.loads(capsys.readouterr().out)["runs"][0]
        assert run["status"] == "completed"
        assert run["run_id"] in checks["round trip"]["detail"]
    store.close()


def test_a_server_with_a_key_answers_only_with_it(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    store = MemoryStore()
    settings = ServerSettings(store="memory:", port=0, api_key="k-1")
    with BackgroundServer(settings, store) as server:
        assert main(["runs", "--url", server.url]) == 3
        assert "XRAY_API_KEY" in capsys.readouterr().err
        assert main(["doctor", "--url", server.url, "--api-key", "wrong"]) == 1
        monkeypatch.setenv("XRAY_API_KEY", "k-1")
        assert main(["runs", "--url", server.url]) == 0
        assert main(["doctor", "--url", server.url]) == 0
        with Client(server.url, "wrong") as client, pytest.raises(UnauthorizedError):
            client.runs()
    store.close()


@pytest.mark.parametrize("told", [signal.SIGINT, signal.SIGTERM], ids=lambda told: told.name)
def test_serve_announces_its_address_keeps_its_records_and_ends_when_told(
    tmp_path: Path, told: signal.Signals
) -> None:
    argv = [sys.executable, "-m", "xray.cli.main", "serve", "--port", "0", "--json"]
    argv += ["--store", f"sqlite:///{tmp_path}/xray.db"]
    environment = {name: text for name, text in os.environ.items() if name != "XRAY_URL"}
    for expected in (0, 1):
        with subprocess.Popen(
            argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment, text=True
        ) as process:
            try:
                assert process.stdout is not None
                address = json.loads(process.stdout.readline())["url"]
                with Client(address) as client:
                    assert client.runs().total == expected
                if not expected:
                    post_run(address, case_search(FIRST_ID))
            finally:
                process.send_signal(told)
            out, err = process.communicate(timeout=10)
            assert (process.returncode, out, err.strip()) == (0, "", "")
            assert not (tmp_path / "xray.db-wal").exists()


def test_a_port_that_is_taken_is_one_sentence(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    port = url.rpartition(":")[2]
    assert main(["serve", "--port", port, "--store", "memory:"]) == 2
    assert capsys.readouterr().err.startswith(f"xray: X-Ray cannot listen on 127.0.0.1:{port}: ")
