"""Somebody who never saw X-Ray finds out why a phone case was matched with a laptop stand."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.web.conftest import Site

OpenPage = Callable[..., Page]


def test_three_clicks_lead_from_the_runs_to_the_keyword_that_brought_the_bad_match(
    site: Site, open_page: OpenPage
) -> None:
    page = open_page("/")
    page.get_by_role("row").filter(has_text=site.bad_match).get_by_role("link").first.click()
    page.get_by_role("link", name="Why this one?").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text('keyword "stand"')
    page.get_by_role("link", name="Origin and yield").click()
    page.get_by_role("link", name="stand", exact=True).first.click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("stand")
    expect(page).to_have_url(f"{site.url}/ui/runs/{site.bad_run}/provenance?candidate=stand")


def test_the_same_way_is_gone_by_keyboard_alone(site: Site, open_page: OpenPage) -> None:
    page = open_page("/ui/runs?q=input.product_title %3D 'iPhone 15 Case'")
    press_until(page, site.bad_run[:13])
    press_until(page, "Why this one?")
    expect(page.get_by_role("heading", level=1)).to_contain_text('keyword "stand"')
    press_until(page, "stand")
    expect(page.get_by_role("heading", level=1)).to_contain_text("stand")


def press_until(page: Page, name: str) -> None:
    """Tab to the link called *name* and press Enter."""
    for _ in range(80):
        page.keyboard.press("Tab")
        if page.locator("a:focus").count() and page.locator("a:focus").inner_text() == name:
            with page.expect_navigation():
                page.keyboard.press("Enter")
            return
    pytest.fail(f"no link {name!r} is reached by the keyboard")
