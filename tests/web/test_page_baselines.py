"""The page that says what is usual of a pipeline."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import closing
from html import unescape
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.contract.http.api import Api
from tests.web.conftest import open_pages
from xray.model.baseline import DAY_US
from xray.model.facts import ACCEPTED, REJECTED, DecisionRow, Fact, RunStarted, StepFinished
from xray.model.ids import new_uuid7
from xray.server.serving import BackgroundServer
from xray.server.settings import ServerSettings
from xray.store.opening import open_store

DAYS = 9
RUNS = 8


def weeks() -> Iterator[Fact]:
    """A filter that keeps half; on the last day it keeps one in ten."""
    today_us = time.time_ns() // 1000 // DAY_US * DAY_US
    for age in range(DAYS, -1, -1):
        for number in range(RUNS):
            at_us = today_us - age * DAY_US + number
            run_id = new_uuid7(at_us)
            rejected = 45 + number if age else 90
            yield RunStarted(run_id=run_id, pipeline="search", started_at_us=at_us)
            yield StepFinished(
                run_id=run_id,
                step_id=new_uuid7(at_us),
                pipeline="search",
                name="affordable",
                step_type="filter",
                ordinal=0,
                started_at_us=at_us,
                duration_ms=100.0 + number,
                rows=[DecisionRow(REJECTED, f"c{n}", "too_dear") for n in range(rejected)]
                + [DecisionRow(ACCEPTED, f"c{n}") for n in range(rejected, 100)],
            )


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    folder: Path = tmp_path_factory.mktemp("weeks")
    place = f"sqlite:///{folder / 'runs.db'}"
    store = open_store(place)
    assert not store.submit("weeks", list(weeks())).result().rejected
    store.close()
    settings = ServerSettings(store=place, port=0)
    with BackgroundServer(settings) as server, closing(Api(server.url)) as api:
        yield api


def test_what_is_unusual_today_stands_first_with_its_days(api: Api) -> None:
    report = api.get("/v1/baselines?pipeline=search").json
    body = unescape(api.ask("GET", "/ui/baselines?pipeline=search").content.decode())
    assert report["answer"] in body
    rows = re.findall(r"<tr class=\"marked\".*?</tr>", body, re.DOTALL)
    unusual = [one for one in report["steps"][0]["figures"] if one["deviates"]]
    assert len(rows) == len(unusual) >= 2
    assert any("rejected for too_dear" in row and "90 %" in row for row in rows)
    line = re.findall(r'<polyline points="(.*?)"', rows[0])[0]
    assert len(line.split()) == DAYS + 1
    assert "/ui/compare?a=pipeline" in body


def test_without_a_pipeline_they_are_listed_and_an_unknown_one_is_said(
    api: Api, browser: Browser
) -> None:
    with open_pages(browser, api.url) as open_page:
        page = open_page("/ui/runs", viewport={"width": 400, "height": 800})
        page.get_by_role("link", name="What is usual").click()
        page.get_by_role("main").get_by_role("link", name="search").click()
        expect(page.get_by_role("heading", level=1)).to_contain_text("is not like them")
        assert page.evaluate("document.documentElement.scrollWidth") == 400
        page.get_by_role("link", name="runs of the latest day").click()
        expect(page.get_by_text(f"{RUNS} of {RUNS} runs")).to_be_visible()
    assert api.ask("GET", "/ui/baselines?pipeline=none").status == 404
    assert api.ask("GET", "/ui/baselines?pipeline=search&days=x").status == 400
