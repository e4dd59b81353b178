"""The page that says how far runs on the same input decide alike."""

from __future__ import annotations

from collections.abc import Callable
from html import unescape
from urllib.parse import urlencode

from playwright.sync_api import Page, expect

from tests.web.shoe_shop import INPUTS, Shop

OpenPage = Callable[..., Page]


def read(shop: Shop, **asked: str) -> tuple[int, str]:
    answer = shop.api.ask("GET", f"/ui/flakiness?{urlencode(asked)}")
    return answer.status, unescape(answer.content.decode())


def test_each_input_is_said_to_be_steady_or_where_its_runs_part(shop: Shop) -> None:
    asked = {"q": "pipeline = 'shoes'", "runs": "60"}
    report = shop.api.get(f"/v1/flakiness?{urlencode(asked)}").json
    _, body = read(shop, **asked)
    assert report["answer"] in body
    assert len(report["inputs"]) == INPUTS
    for measured in report["inputs"]:
        assert measured["answer"] in body
    first = report["inputs"][0]
    source = next(step for step in first["steps"] if step["name"] == first["source"])
    for flip in source["examples"]:
        assert f"/ui/runs/{flip['kept_in']}/why?candidate={flip['candidate_id']}" in body
        assert f"/ui/diff?a={flip['kept_in']}&b={flip['missed_in']}" in body
    assert body.count("<") / 2 < 1_500


def test_runs_of_one_version_decide_alike(shop: Shop) -> None:
    _, body = read(shop, q="pipeline = 'shoes' and version = '1.4'", runs="60")
    assert body.count('class="input steady"') == INPUTS
    assert "it begins here" not in body


def test_nothing_given_twice_is_said_and_a_number_that_is_none_refused(shop: Shop) -> None:
    assert "No input was given twice" in read(shop, q="pipeline = 'many_shoes'")[1]
    assert "No run meets this." in read(shop, q="pipeline = 'none'")[1]
    assert read(shop, runs="1000")[0] == 400


def test_a_flip_leads_to_both_runs_side_by_side(shop: Shop, open_shop: OpenPage) -> None:
    page = open_shop("/ui/runs")
    page.get_by_role("link", name="Runs on the same input").click()
    page.get_by_label("Query of runs").fill("pipeline = 'shoes'")
    page.get_by_label("Newest").fill("60")
    page.get_by_role("button", name="Show").click()
    page.get_by_role("link", name="compare the two").first.click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("first differ at filter")


def test_a_narrow_screen_scrolls_tables_and_not_the_page(shop: Shop, open_shop: OpenPage) -> None:
    asked = urlencode({"q": "pipeline = 'shoes'", "runs": "60"})
    page = open_shop(f"/ui/flakiness?{asked}", viewport={"width": 400, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") == 400
