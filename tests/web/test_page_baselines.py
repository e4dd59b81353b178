"""The page that says what is usual of a pipeline."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import closing
from html import unescape
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.contract.http.api import Api
from tests.web.conftest import open_pages
from tests.web.pictures import take_pictures
from tests.weeks import RUNS, tell_weeks
from xray.server.serving import BackgroundServer
from xray.server.settings import ServerSettings
from xray.store.opening import open_store

DAYS = 9


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    folder: Path = tmp_path_factory.mktemp("weeks")
    place = f"sqlite:///{folder / 'runs.db'}"
    store = open_store(place)
    assert not store.submit("weeks", list(tell_weeks(DAYS))).result().rejected
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
        take_pictures(page, "baselines-weeks", "light")
        page.get_by_role("link", name="runs of the latest day").click()
        expect(page.get_by_text(f"{RUNS} of {RUNS} runs")).to_be_visible()
    assert api.ask("GET", "/ui/baselines?pipeline=none").status == 404
    assert api.ask("GET", "/ui/baselines?pipeline=search&days=x").status == 400
