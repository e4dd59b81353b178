"""`xray baselines`: weeks of runs in a file, asked by command, file and server."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.weeks import RUNS, tell_weeks
from xray.cli.main import main
from xray.client import Client
from xray.errors import InvalidQueryError, NotFoundError
from xray.local import LocalClient
from xray.server.serving import BackgroundServer
from xray.server.settings import ServerSettings
from xray.settings import VARIABLES
from xray.store.opening import open_store

DAYS = 12


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*VARIABLES.values(), "XRAY_CONFIG", "COLUMNS", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)


def test_a_limit_that_became_stricter_today_shows_against_the_days_before(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = f"sqlite:///{tmp_path / 'runs.db'}"
    store = open_store(place)
    assert not store.submit("weeks", list(tell_weeks(DAYS))).result().rejected
    store.close()

    assert main(["baselines", "search", "--store", place]) == 0
    out = capsys.readouterr().out
    told = " ".join(out.split())
    assert "is not like them: affordable rejected 9" in told
    assert "more than on any of 12 days" in told
    (line,) = [line for line in out.splitlines() if "too_dear" in line and "█" in line]
    assert line.endswith("▅" * DAYS + "█")
    # What it tells to look at lists the runs of today.
    (asked,) = [line for line in out.splitlines() if line.startswith("The runs of")]
    query = asked.split('"')[1]
    assert main(["runs", query, "--store", place, "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)["runs"]) == RUNS

    with (
        BackgroundServer(ServerSettings(store=place, port=0)) as server,
        Client(server.url) as by_http,
        LocalClient(place) as by_file,
    ):
        report = by_http.baselines("search")
        assert report == by_file.baselines("search")
        assert report == by_http.baselines("search", "affordable")
        assert {one.kind for one in report.deviations} == {
            "rejection_rate", "reason", "output_count",
        }  # fmt: skip
        assert len(by_http.baselines("search", days=3).days) == 4
        for wrong in (0, 367, -1):
            with pytest.raises(InvalidQueryError, match="no number from 1 to 366"):
                by_http.baselines("search", days=wrong)
        with pytest.raises(NotFoundError, match="No step of pipeline 'serach'"):
            by_http.baselines("serach")
    assert main(["baselines", "serach", "--store", place]) == 1
    assert "xray aggregate runs --by pipeline" in capsys.readouterr().err
