"""`xray compare` from a recorded pipeline to the sentence, with a server and without."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

import xray
from xray import XRay
from xray.cli.main import main
from xray.server.serving import BackgroundServer
from xray.server.settings import ServerSettings

pytestmark = pytest.mark.xdist_group("cli_e2e")

QUERIES = ("version = '1.4'", "version = '1.5'")


def search(pipeline: XRay, number: int, limit: int) -> None:
    """A pipeline that finds 20 shoes and keeps those up to a price."""
    with pipeline.run(input={"query": number}) as run:
        with run.step("search", step_type="retrieve") as step:
            prices = {f"shoe_{number}_{place}": 40 + place * 5 for place in range(20)}
            for shoe in prices:
                step.accept(shoe)
        with run.step("filter_price", step_type="filter", params={"limit": limit}) as step:
            for shoe, price in prices.items():
                price += number % 5
                if step.check(shoe, "price_too_high", observed=price, op="<=", limit=limit):
                    step.accept(shoe)
                else:
                    step.reject(shoe)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """A server with thirty runs of each of two versions, and its file."""
    file = tmp_path_factory.mktemp("compare") / "runs.db"
    with BackgroundServer(ServerSettings(store=f"sqlite:///{file}", port=0)) as server:
        for version, limit in (("1.4", 120), ("1.5", 70)):
            pipeline = XRay("shoes", url=server.url, version=version)
            for number in range(30):
                search(pipeline, number, limit)
        assert xray.flush(timeout_s=30)
        yield server.url, file


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("XRAY_API_KEY", "COLUMNS", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)


def test_a_stricter_limit_of_another_version_is_named(
    place: tuple[str, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    url, _ = place
    assert main(["compare", "--url", url, *QUERIES]) == 0
    told = capsys.readouterr()
    assert told.out.startswith(
        "filter_price rejected 69.0 % of its candidates for price_too_high in B, 19.0 % in A "
    )
    assert "  params.limit of filter_price was 70 in B, 120 in A." in told.out
    assert '  version was "1.5" in B, "1.4" in A.' in told.out
    assert told.err == ""


def test_a_file_answers_as_its_server_does(
    place: tuple[str, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    url, file = place
    answers = []
    for where in (["--url", url], ["--store", f"sqlite:///{file}"]):
        assert main(["compare", *where, *QUERIES, "--json"]) == 0
        answers.append(json.loads(capsys.readouterr().out))
    assert answers[0] == answers[1]
    first = answers[0]["differences"][0]
    assert (first["kind"], first["step"], first["name"]) == (
        "reason", "filter_price", "price_too_high",
    )  # fmt: skip
    example = first["b_examples"][0]
    assert main(["show", "--url", url, example["run_id"]]) == 0
    assert "price_too_high" in capsys.readouterr().out


def test_a_wrong_query_is_pointed_at(
    place: tuple[str, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    url, _ = place
    assert main(["compare", "--url", url, QUERIES[0], "versoin = '1.5'"]) == 2
    told = capsys.readouterr().err
    assert "version" in told
    assert "versoin = '1.5'" in told
