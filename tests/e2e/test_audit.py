"""`xray audit`: a model that likes what comes first, from the SDK to the command."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.fault.file_programs import run_program
from xray.cli.main import main
from xray.client import Client
from xray.errors import InvalidQueryError
from xray.local import LocalClient
from xray.server.serving import BackgroundServer
from xray.server.settings import ServerSettings
from xray.settings import VARIABLES

PIPELINE = """
import random
rng = random.Random(4)
for number in range(40):
    names = [f"p{number}_{at}" for at in range(6)]
    with x.run(input={"query": f"q{number}"}) as run:
        with run.step("search", step_type="retrieve") as step:
            for at, name in enumerate(rng.sample(names, 6)):
                step.accept(name, score=rng.random(), attributes={"price": 10 + at})
                if at == 0:
                    first = name
        with run.step("llm_pick", step_type="generate", takes="search") as step:
            picked = "p999_1" if number == 7 else first
            step.select(picked, reasoning=f"A bargain: price {13 if number == 9 else 10}.")
            for name in names:
                if name != picked:
                    step.reject(name, "not_selected")
assert xray.flush(timeout_s=50).is_complete
"""


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*VARIABLES.values(), "XRAY_CONFIG", "COLUMNS", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)


def test_a_model_that_takes_the_first_is_told_by_command_file_and_server(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "runs.db"
    assert run_program(path, PIPELINE) == ("", "", 0)
    place = f"sqlite:///{path}"
    assert main(["audit", "pipeline = 'p'", "--store", place]) == 0
    out = " ".join(capsys.readouterr().out.split())
    assert "llm_pick prefers places: it took what came first in 39 of 39 choices" in out
    assert "llm_pick took 1 of 40 (2.5 %, at most" in out
    assert "p999_1 in run " in out
    assert '"price 13", but its price is 10' in out

    assert main(["audit", "--json", "--runs", "12", "--store", place]) == 0
    assert json.loads(capsys.readouterr().out)["runs"] == 12

    with (
        BackgroundServer(ServerSettings(store=place, port=0)) as server,
        Client(server.url) as by_http,
        LocalClient(place) as by_file,
    ):
        audit = by_http.audit("pipeline = 'p'")
        assert audit == by_file.audit("pipeline = 'p'")
        (step,) = audit.steps
        assert (step.step, step.position.bias) == ("llm_pick", "biased")
        (example,) = step.invented.examples if step.invented else []
        why = by_http.why(example.run_id, example.candidate_id)
        assert why.outcome in ("selected", "not_offered")
        with pytest.raises(InvalidQueryError, match="no number from 1 to 1,000"):
            by_http.audit(runs=0)
        with pytest.raises(InvalidQueryError, match="pipelin"):
            by_http.audit("pipelin = 'p'")
