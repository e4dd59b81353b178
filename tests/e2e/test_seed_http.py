"""Every curl command and request of the two documents X-Ray was asked to implement, executed.

Only host, port, module path and example ids are substituted.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import urllib3

from tests.e2e.uvicorn_process import UvicornProcess
from xray.model.ids import parse_uuid

pytestmark = pytest.mark.xdist_group("seed_http")

Json = Any

START_LINE = "python3 -m uvicorn xray.server.app:app --host 0.0.0.0 --port 8000"

CREATE_RUN = """POST /v1/runs
{
  "pipeline_type": "CompetitorDiscovery",
  "metadata": {"product_id": "prod_123"},
  "repository": "github.com/company/repo",
  "version": "a3f8c2d"
}"""
RECORD_STEP = """POST /v1/steps
{
  "run_id": "uuid",
  "step_name": "FilterCompetitors",
  "step_type": "FILTER",
  "stats": {"input_count": 120, "output_count": 12},
  "candidates": [
    {
      "candidate_id": "prod_1",
      "attributes": {"price": 150},
      "decision": "rejected",
      "reasoning": "Price exceeds threshold"
    }
  ]
}"""
QUERY_RUNS = "GET /v1/runs?pipeline_type=CompetitorDiscovery&status=SUCCESS&limit=10"
QUERY_STEPS = "GET /v1/steps?step_type=FILTER&status=FAILURE"
GET_RUN = "GET /v1/runs/{run_id}"

CATEGORY_MISMATCHES, TOO_EXPENSIVE, LOW_RATED, KEPT = 45, 32, 27, 23


class Seeded:
    """A server that holds the runs the two documents talk about."""

    def __init__(self, server: UvicornProcess, folder: Path) -> None:
        self.server = server
        self.folder = folder
        self.port = server.port
        self.url = f"http://127.0.0.1:{server.port}"
        self._pool = urllib3.PoolManager(retries=False, timeout=10)
        self.run_id = self.request(CREATE_RUN)["run_id"]
        self.step = self.request(RECORD_STEP, uuid=self.run_id)
        self.match_id = self.send("POST", "/runs", competitor_selection())["run_id"]
        self.succeeded_id = self._create("CompetitorDiscovery", status="SUCCESS")
        self.failed_id = self._create(
            "CompetitorDiscovery",
            status="FAILURE",
            steps=[{"step_name": "Broken", "step_type": "FILTER", "status": "FAILURE"}],
        )
        self.slow_id = self._create(
            "content",
            steps=[
                {"name": "draft", "step_type": "generate", "output": "…", "duration_ms": 6100},
                {"name": "title", "step_type": "generate", "output": "…", "duration_ms": 400},
                {
                    "name": "strict",
                    "step_type": "filter",
                    "input_count": 100,
                    "output_count": 4,
                },
                {
                    "step_name": "own_rate",
                    "step_type": "FILTER",
                    "stats": {"input_count": 10, "output_count": 9, "filter_rate": 0.95},
                },
                {
                    "name": "pick",
                    "step_type": "select",
                    "candidates": [{"id": "draft 3", "decision": "selected", "score": 0.31}],
                },
            ],
        )

    def close(self) -> None:
        self._pool.clear()

    def _create(self, pipeline: str, **body: Json) -> str:
        run_id: str = self.send("POST", "/v1/runs", {"pipeline": pipeline, **body})["run_id"]
        return run_id

    def send(self, method: str, path: str, body: Json = None) -> Json:
        content = None if body is None else json.dumps(body).encode()
        answer = self._pool.request(method, self.url + path, body=content)
        assert answer.status < 300, answer.data
        return answer.json()

    def request(self, text: str, **ids: str) -> Json:
        """What the server answers to a request as the document writes it."""
        first, _, body = text.partition("\n")
        method, path = first.split(" ")
        for name, value in ids.items():
            path = path.replace(f"{{{name}}}", value)
            body = body.replace(f'"{name}"', f'"{value}"')
        return self.send(method, path, json.loads(body) if body else None)

    def run_curl(self, command: str, run_id: str = "") -> Json:
        """What a command of the documents prints, as JSON."""
        command = command.replace('"/', '"http://localhost:8000/')
        command = command.replace("localhost:8000", f"localhost:{self.port}")
        command = command.replace("{run_id}", run_id).replace("run_abc123", run_id)
        if shutil.which("curl") is None or shutil.which("bash") is None:
            address = re.search(r"http://[^\s'\"]+", command)
            assert address is not None
            path = address[0].removeprefix(f"http://localhost:{self.port}")
            return self.send("GET", path)
        command = command.replace("python3", f'"{sys.executable}"')
        done = subprocess.run(
            ["bash", "-c", f"set -o pipefail; {command}"],
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)


def competitor_selection() -> Json:
    """The run of the debugging walkthrough: 127 products, of which 23 pass the filter."""
    rejected = {
        "category_mismatch": CATEGORY_MISMATCHES,
        "price_too_high": TOO_EXPENSIVE,
        "rating_too_low": LOW_RATED,
    }
    candidates = [
        {"candidate_id": f"{reason}_{number}", "decision": "rejected", "reason": reason}
        for reason, count in rejected.items()
        for number in range(count)
    ]
    candidates += [
        {"candidate_id": f"laptop_stand_{20 + number}", "decision": "accepted"}
        for number in range(KEPT)
    ]
    return {
        "pipeline": "competitor_selection",
        "status": "completed",
        "input": {"product_title": "iPhone 15 Case"},
        "output": {"selected": "laptop_stand_42"},
        "steps": [
            {
                "name": "generate_keywords",
                "step_type": "generate",
                "output": {"keywords": ["case", "stand", "holder", "cover"]},
            },
            {"name": "filter_candidates", "step_type": "filter", "candidates": candidates},
            {
                "name": "select_best",
                "step_type": "select",
                "candidates": [
                    {"candidate_id": "laptop_stand_42", "decision": "selected", "score": 0.87}
                ],
            },
        ],
    }


@pytest.fixture(scope="module")
def seeded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Seeded]:
    folder = tmp_path_factory.mktemp("seed")
    command = START_LINE.replace("--port 8000", "--port 0").split(" ")
    server = UvicornProcess(command, folder)
    try:
        seeded = Seeded(server, folder)
        yield seeded
        seeded.close()
    finally:
        status = server.stop()
    assert status in (0, -15), "".join(server.log)


def ids_of(runs: Json) -> set[str]:
    return {run["run_id"] for run in runs["runs"]}


def names_of(steps: Json) -> set[str]:
    return {step["name"] for step in steps["steps"]}


def test_a_created_run_is_answered_with_its_id(seeded: Seeded) -> None:
    assert parse_uuid(seeded.run_id) == seeded.run_id
    run = seeded.request(GET_RUN, run_id=seeded.run_id)
    assert (run["pipeline"], run["version"]) == ("CompetitorDiscovery", "a3f8c2d")
    assert run["repository"] == "github.com/company/repo"
    assert run["metadata"] == {"product_id": "prod_123"}


def test_a_recorded_step_is_in_its_run_with_its_reasoning(seeded: Seeded) -> None:
    (step,) = seeded.request(GET_RUN, run_id=seeded.run_id)["steps"]
    assert step["step_id"] == seeded.step["step_id"]
    assert (step["name"], step["step_type"]) == ("FilterCompetitors", "filter")
    assert (step["input_count"], step["output_count"]) == (120, 12)
    (rejection,) = step["rejections"].values()
    (sample,) = rejection["samples"]
    assert sample["candidate_id"] == "prod_1"
    assert sample["attributes"] == {"price": 150}
    assert sample["reasoning"] == "Price exceeds threshold"


def test_runs_are_queried_by_pipeline_status_and_limit(seeded: Seeded) -> None:
    assert ids_of(seeded.request(QUERY_RUNS)) == {seeded.succeeded_id}


def test_steps_are_queried_by_type_and_status(seeded: Seeded) -> None:
    assert names_of(seeded.request(QUERY_STEPS)) == {"Broken"}


def test_the_server_says_that_it_runs(seeded: Seeded) -> None:
    answer = seeded.run_curl("curl http://localhost:8000/health")
    assert answer == {"status": "ok"}


def test_all_runs_are_listed(seeded: Seeded) -> None:
    runs = seeded.run_curl("curl -s http://localhost:8000/v1/runs | python3 -m json.tool")
    assert ids_of(runs) == {
        seeded.run_id,
        seeded.match_id,
        seeded.succeeded_id,
        seeded.failed_id,
        seeded.slow_id,
    }


def test_runs_are_filtered_by_pipeline_type(seeded: Seeded) -> None:
    command = (
        "curl -s 'http://localhost:8000/v1/runs?pipeline_type=CompetitorDiscovery'"
        " | python3 -m json.tool"
    )
    runs = seeded.run_curl(command)
    assert ids_of(runs) == {seeded.run_id, seeded.succeeded_id, seeded.failed_id}


def test_steps_are_filtered_by_type(seeded: Seeded) -> None:
    steps = seeded.run_curl(
        "curl -s 'http://localhost:8000/v1/steps?step_type=FILTER' | python3 -m json.tool"
    )
    assert names_of(steps) == {
        "FilterCompetitors",
        "filter_candidates",
        "Broken",
        "strict",
        "own_rate",
    }


def test_one_run_is_shown_with_all_its_steps(seeded: Seeded) -> None:
    run = seeded.run_curl(
        "curl -s http://localhost:8000/v1/runs/{run_id} | python3 -m json.tool", seeded.slow_id
    )
    assert [step["name"] for step in run["steps"]] == [
        "draft",
        "title",
        "strict",
        "own_rate",
        "pick",
    ]


def test_the_problematic_run_is_found_with_what_it_selected(seeded: Seeded) -> None:
    runs = seeded.run_curl(
        'curl "http://localhost:8000/runs?pipeline=competitor_selection&status=completed"'
    )
    (run,) = runs["runs"]
    assert run["run_id"] == seeded.match_id
    assert run["status"] == "completed"
    assert run["output"] == {"selected": "laptop_stand_42"}


def test_its_details_are_the_documented_ones(seeded: Seeded) -> None:
    run = seeded.run_curl('curl "http://localhost:8000/runs/run_abc123"', seeded.match_id)
    documented = {
        "run_id": seeded.match_id,
        "input": {"product_title": "iPhone 15 Case"},
        "steps": [
            {
                "name": "generate_keywords",
                "step_type": "generate",
                "output": {"keywords": ["case", "stand", "holder", "cover"]},
            },
            {
                "name": "filter_candidates",
                "step_type": "filter",
                "input_count": 127,
                "output_count": 23,
                "rejections": {
                    "category_mismatch": {"count": 45},
                    "price_too_high": {"count": 32},
                },
            },
            {
                "name": "select_best",
                "step_type": "select",
                "decision": {"selected": "laptop_stand_42", "score": 0.87},
            },
        ],
    }
    check_contains(run, documented)
    rejections = run["steps"][1]["rejections"]
    assert len(rejections["category_mismatch"]["samples"]) == CATEGORY_MISMATCHES


def check_contains(answer: Json, documented: Json) -> None:
    """Everything documented is in the answer; the answer may say more."""
    if isinstance(documented, Mapping):
        for name, value in documented.items():
            check_contains(answer[name], value)
    elif isinstance(documented, list):
        assert len(answer) == len(documented)
        for part, value in zip(answer, documented, strict=True):
            check_contains(part, value)
    else:
        assert answer == documented


@pytest.mark.parametrize(
    ("command", "names"),
    [
        (
            'curl "http://localhost:8000/steps?step_type=filter&rejection_rate_gt=0.9"',
            {"strict"},
        ),
        ('curl "http://localhost:8000/steps?step_type=generate&duration_gt=5000"', {"draft"}),
        ('curl "/steps?step_type=select&score_lt=0.5"', {"pick"}),
    ],
)
def test_steps_are_found_across_pipelines(seeded: Seeded, command: str, names: set[str]) -> None:
    assert names_of(seeded.run_curl(command)) == names


def test_each_step_can_be_traced_back_from_its_run(seeded: Seeded) -> None:
    run = seeded.run_curl('curl "/runs/{run_id}"', seeded.slow_id)
    assert run["run_id"] == seeded.slow_id
    assert run["steps"][-1]["decision"] == {"selected": "draft 3", "score": 0.31}


def test_all_runs_of_a_pipeline_are_found(seeded: Seeded) -> None:
    runs = seeded.run_curl('curl "http://localhost:8000/runs?pipeline=competitor_selection"')
    assert ids_of(runs) == {seeded.match_id}


def test_failed_runs_are_found(seeded: Seeded) -> None:
    runs = seeded.run_curl('curl "http://localhost:8000/runs?status=failed"')
    assert ids_of(runs) == {seeded.failed_id}


def test_the_filter_the_first_document_still_missed_works(seeded: Seeded) -> None:
    found = seeded.send("GET", "/v1/steps?stats.filter_rate__gt=0.9")
    assert names_of(found) == {"own_rate"}


def test_records_are_kept_in_a_file_of_the_working_directory_and_the_log_says_where(
    seeded: Seeded,
) -> None:
    kept_in = seeded.folder / "xray.db"
    assert kept_in.is_file()
    assert any(str(kept_in) in line for line in seeded.server.log)
