"""The search box: what a person holds in hand leads to where it is."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

import pytest
from playwright.sync_api import Page, expect

import xray
from tests.contract.http.api import Api
from tests.web.conftest import Site
from xray import XRay
from xray.server.serving import BackgroundServer
from xray.server.settings import ServerSettings

HOSTILE = "<img src=x onerror=alert(1)>'\"%00{{7*7}}"


def find(site: Site, text: str) -> tuple[int, str, str]:
    """Status, page and where it sends to."""
    answer = site.api.ask("GET", f"/ui/search?q={quote(text)}")
    return answer.status, answer.content.decode(), answer.headers.get("location", "")


def test_an_id_or_its_beginning_opens_the_run_or_step_it_names(site: Site) -> None:
    step = site.api.get(f"/v1/steps?run_id={site.bad_run}").json["steps"][0]["step_id"]
    assert find(site, site.bad_run)[::2] == (303, f"/ui/runs/{site.bad_run}")
    assert find(site, site.bad_run.upper())[2] == f"/ui/runs/{site.bad_run}"
    assert find(site, site.bad_run[:-4])[::2] == (303, f"/ui/runs/{site.bad_run}")
    assert find(site, step)[::2] == (303, f"/ui/steps/{step}")


def test_a_name_that_only_one_pipeline_has_opens_its_runs_and_a_part_of_names_lists_them(
    site: Site,
) -> None:
    assert find(site, "competitor_selection")[2] == "/ui/runs?pipeline=competitor_selection"
    status, body, _ = find(site, "filter")
    assert status == 200
    for name in ("filter_candidates", "filter_neighbours"):
        assert f">{name}</a>" in body


def test_text_of_an_output_finds_the_run_and_says_how_far_it_looked(site: Site) -> None:
    status, body, _ = find(site, "IPHONE 15 case")
    assert status == 200
    assert f"/ui/runs/{site.bad_run}" in body
    assert "in its input" in body
    assert "Not searched" in body
    assert "first 2 KB" in body


def test_the_beginning_of_several_ids_lists_their_runs_and_the_call_that_yields_them(
    site: Site,
) -> None:
    _, body, _ = find(site, site.bad_run[:6])
    hits = body.count("its id begins so")
    assert hits > 1
    (call,) = re.findall(r"http://[^<]+?/v1/runs\?q=run_id[^<]+?(?=&#39;)", body)
    assert site.api.get(call.removeprefix(site.url)).json["total"] == hits


def test_each_call_of_a_search_is_answered(site: Site) -> None:
    _, body, _ = find(site, "stand")
    paths = [line for line in body.split("&#39;") if "/v1/" in line and line.startswith("http")]
    assert len(paths) >= 4
    for path in paths:
        asked = path.removeprefix(site.url).replace("&amp;", "&")
        assert site.api.get(asked).status == 200


@pytest.mark.parametrize(
    "text", [HOSTILE, "\x00\x1b[2J\u202e", "'\\\"", "%", "a" * 5_000, "\ud7ff"]
)
def test_whatever_is_typed_is_text(site: Site, text: str) -> None:
    status, body, _ = find(site, text)
    assert status == 200
    assert "<img src=x" not in body
    assert "Nothing here is called so" in body or "<table" in body


def test_ids_of_other_systems_and_candidates_of_one_run_open_directly(tmp_path: Path) -> None:
    settings = ServerSettings(store=f"sqlite:///{tmp_path / 'xray.db'}", port=0)
    with BackgroundServer(settings) as server, closing(Api(server.url)) as api:
        pipeline = XRay("orders", url=server.url)
        with pipeline.run(input="x", correlation={"order": "ord-77"}) as run:
            with run.step("check", step_type="filter") as step:
                step.reject("item_1", reason="sold_out")
            with run.step("check again", step_type="filter") as step:
                step.accept("item_1")
        assert xray.flush(timeout_s=30)
        by_order = api.ask("GET", "/ui/search?q=ord-77")
        assert by_order.headers["location"] == f"/ui/runs/{run.run_id}"
        by_item = api.ask("GET", "/ui/search?q=item_1")
        assert by_item.headers["location"] == f"/ui/runs/{run.run_id}/why?candidate=item_1"


def test_the_box_of_every_page_searches(open_page: Callable[..., Page]) -> None:
    page = open_page("/ui/steps")
    page.get_by_role("searchbox").fill("iPhone 15")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_contain_text("iPhone 15")
    expect(page.get_by_role("table").first).to_be_visible()


def test_a_search_fits_a_narrow_screen(open_page: Callable[..., Page]) -> None:
    page = open_page("/ui/search?q=stand", viewport={"width": 400, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") <= 400
