"""The address is all a page needs: a fresh browser, Back and a reload show the same."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.web.conftest import open_pages
from tests.web.every_page import shown_pages
from tests.web.shoe_shop import Shop

OpenPage = Callable[..., Page]
LOW = {"viewport": {"width": 1000, "height": 500}}
AGO = re.compile(r"\b\d+(\.\d+)? (ms|s|min|h|d) ago|just now|in \d+ s|Made .* UTC")


def text_of(page: Page) -> str:
    """What a page says, apart from how long ago things were."""
    return AGO.sub("", page.locator("main").inner_text())


def test_every_page_is_the_same_in_a_fresh_browser(browser: Browser, shop: Shop) -> None:
    others = []
    with open_pages(browser, shop.url) as open_page:
        first, fresh = open_page("/ui/help"), open_page("/ui/help")
        for path in shown_pages(shop).values():
            # Scripts draw the table of a step again once its outline has come.
            until = "networkidle" if "/ui/steps/" in path else "load"
            first.goto(path, wait_until=until)
            fresh.goto(first.url, wait_until=until)
            if text_of(first) != text_of(fresh):
                others.append(path)
    assert not others


@pytest.mark.parametrize(
    "path",
    [
        "/ui/runs?pipeline=shoes",
        "/ui/steps?run.pipeline=shoes",
        "/ui/decisions?reason=price_too_high",
    ],
)
def test_going_back_shows_the_same_rows_at_the_same_place(
    shop: Shop, open_shop: OpenPage, path: str
) -> None:
    page = open_shop(path, **LOW)
    link = page.locator("main table.list tbody tr").nth(30).locator("a").first
    link.scroll_into_view_if_needed()
    rows, top = page.locator("main table").first.inner_text(), page.evaluate("scrollY")
    assert top > 0
    link.click()
    expect(page).not_to_have_url(shop.url + path)
    page.go_back()
    expect(page).to_have_url(shop.url + path)
    assert AGO.sub("", page.locator("main table").first.inner_text()) == AGO.sub("", rows)
    assert abs(page.evaluate("scrollY") - top) <= 1


def test_going_back_to_a_step_shows_the_rows_that_were_left(
    shop: Shop, open_shop: OpenPage
) -> None:
    page = open_shop(f"/ui/steps/{shop.step(shop.large, 'filter')}", **LOW)
    page.get_by_role("button", name="Candidate").click()
    box = page.get_by_role("region", name="Table of decisions")
    box.evaluate("box => { box.scrollTop = 34 * 300; }")
    expect(page).to_have_url(re.compile("row=300"))
    link = page.locator('[aria-rowindex="304"] th a')
    name, top = link.inner_text(), page.evaluate("scrollY")
    link.click()
    expect(page).to_have_url(re.compile(r"/why\?"))
    page.go_back()
    expect(page.locator('[aria-rowindex="304"] th a')).to_have_text(name)
    assert box.evaluate("box => box.scrollTop") == pytest.approx(34 * 300, abs=34)
    assert page.evaluate("scrollY") == pytest.approx(top, abs=34)


def test_filters_survive_a_reload_and_being_followed(shop: Shop, open_shop: OpenPage) -> None:
    page = open_shop("/ui/runs")
    page.get_by_role("combobox", name="Pipeline").select_option("shoes")
    page.get_by_role("combobox", name="Status").select_option("completed")
    page.get_by_role("textbox", name="Query").fill("version = '1.5'")
    page.get_by_role("button", name="Show").click()
    expect(page.get_by_role("status")).to_contain_text("30 of 30 runs")
    page.get_by_role("button", name="Live").click()
    expect(page).to_have_url(re.compile("live=on"))
    page.reload()
    expect(page.get_by_role("status")).to_contain_text("following")
    assert page.get_by_role("combobox", name="Pipeline").input_value() == "shoes"
    assert page.get_by_role("combobox", name="Status").input_value() == "completed"
    assert page.get_by_role("textbox", name="Query").input_value() == "version = '1.5'"
    assert page.locator("tbody tr").count() == 30


def test_the_filter_of_a_step_survives_a_reload(shop: Shop, open_shop: OpenPage) -> None:
    page = open_shop(f"/ui/steps/{shop.step(shop.large, 'filter')}")
    page.get_by_role("combobox", name="Reason").select_option("price_too_high")
    page.get_by_role("textbox", name="Id contains").fill("7")
    said = page.get_by_role("status")
    expect(page).to_have_url(re.compile("find=7"))
    told = said.inner_text()
    page.reload()
    expect(said).to_have_text(told)
    assert page.get_by_role("combobox", name="Reason").input_value() == "price_too_high"
    assert page.get_by_role("textbox", name="Id contains").input_value() == "7"
