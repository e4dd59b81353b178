"""The page that says how two groups of runs differ."""

from __future__ import annotations

import re
from collections.abc import Callable
from html import unescape
from urllib.parse import urlencode

import pytest
from playwright.sync_api import Page, expect

from tests.web.shoe_shop import RUNS, Shop
from xray.forensics.groups import comparing, gathering

OpenPage = Callable[..., Page]
QUERIES = {
    "a": "pipeline = 'shoes' and version = '1.4'",
    "b": "pipeline = 'shoes' and version = '1.5'",
}


def read(shop: Shop, path: str, **asked: str) -> tuple[int, str]:
    whole = f"{path}?{urlencode(asked)}" if asked else path
    answer = shop.api.ask("GET", whole, headers={"Accept": "text/html"})
    return answer.status, unescape(answer.content.decode())


def test_every_figure_that_differs_is_shown_with_its_bounds_and_runs_of_both_sides(
    shop: Shop,
) -> None:
    answer = shop.api.get(f"/v1/compare?{urlencode(QUERIES)}").json
    _, body = read(shop, "/ui/compare", **QUERIES)
    assert answer["answer"] in body
    assert len(answer["differences"]) >= 4
    for one in answer["differences"]:
        assert one["text"] in body
        if not one["follows"]:
            for example in [*one["a_examples"][:3], *one["b_examples"][:3]]:
                assert f"/ui/steps/{example['step_id']}" in body
    rows = re.findall(r"<tr.*?</tr>", body[body.index("Step by step</h2>") :], re.DOTALL)
    assert len(rows) == len(answer["differences"]) + 1
    price = next(row for row in rows if "price_too_high" in row)
    text = " ".join(re.sub("<[^>]*>", " ", price).split())
    assert re.search(r"19 % 69 % \+50 points \+[\d.]+ points to \+[\d.]+ points", text)
    assert "30, 30" in text


def test_what_the_runs_were_told_otherwise_stands_beside_it(shop: Shop) -> None:
    _, body = read(shop, "/ui/compare", **QUERIES)
    assert "params.limit of filter was 70 in B, 120 in A." in body
    assert 'version was "1.5" in B, "1.4" in A.' in body


def test_groups_that_chance_explains_are_said_to_be_alike(shop: Shop) -> None:
    _, body = read(
        shop,
        "/ui/compare",
        a="version = '1.4' and input.query < 7",
        b="version = '1.4' and input.query >= 7 and input.query < 9",
    )
    assert '<ol class="ranked">' not in body or "input_count" not in body
    _, body = read(shop, "/ui/compare", a="version = '9'", b="version = '1.4'")
    assert "No run meets the query of A" in body


def test_a_query_that_is_none_is_pointed_at(shop: Shop) -> None:
    status, body = read(shop, "/ui/compare", a="versoin = '1.4'", b="")
    assert (status, "<mark>versoin</mark>" in body) == (400, True)


def test_a_search_that_stopped_says_so_and_goes_on_to_the_same_end(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, open_shop: OpenPage
) -> None:
    monkeypatch.setattr(comparing, "FIRST_BUDGET_S", 0.0)
    monkeypatch.setattr(gathering, "PAGE_RUNS", 10)
    page = open_shop(f"/ui/compare?{urlencode(QUERIES)}")
    expect(page.get_by_text("the search stopped at its budget")).to_be_visible()
    page.get_by_role("link", name="Go on with older runs").click()
    expect(page.get_by_text("the search stopped at its budget")).to_have_count(0)
    expect(
        page.get_by_label("The groups").get_by_role("cell", name=str(RUNS), exact=True)
    ).to_have_count(4)


def test_versions_that_are_there_are_proposed_and_one_click_compares_them(
    shop: Shop, open_shop: OpenPage
) -> None:
    page = open_shop("/ui/runs")
    page.get_by_role("link", name="Compare groups of runs").click()
    page.get_by_role("link", name="shoes: version 1.5 against 1.4").click()
    expect(page.get_by_role("heading", name="What differs, the most telling first")).to_be_visible()
    expect(page.get_by_label("A, the runs")).to_have_value("pipeline = 'shoes' and version = '1.4'")
    page.get_by_role("link", name="Swap A and B").click()
    expect(page.get_by_label("A, the runs")).to_have_value("pipeline = 'shoes' and version = '1.5'")


def test_a_narrow_screen_scrolls_tables_and_not_the_page(shop: Shop, open_shop: OpenPage) -> None:
    page = open_shop(f"/ui/compare?{urlencode(QUERIES)}", viewport={"width": 400, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") == 400
