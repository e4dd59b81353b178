"""Candidates like one that were decided otherwise; in very large runs, when the page stands."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.web.conftest import Site
from xray.web.pages import why as why_page

OpenPage = Callable[..., Page]
HEADING = "Like it, and decided otherwise"


def test_the_page_of_a_candidate_names_those_like_it_and_leads_to_them(
    site: Site, open_page: OpenPage
) -> None:
    page = open_page(f"/ui/runs/{site.bad_run}/why?candidate={site.bad_match}")
    alike = page.get_by_role("region", name=HEADING)
    expect(alike.get_by_role("listitem")).to_have_count(5)
    expect(alike).to_contain_text("% alike")
    link = alike.get_by_role("link").first
    other = link.inner_text()
    link.click()
    expect(page.get_by_role("heading", level=1)).to_contain_text(other)


@pytest.mark.parametrize("has_scripts", [True, False])
def test_of_a_large_run_they_come_when_the_page_stands_or_behind_a_link(
    site: Site, open_page: OpenPage, monkeypatch: pytest.MonkeyPatch, has_scripts: bool
) -> None:
    monkeypatch.setattr(why_page, "MOST_DECIDED", 10)
    address = f"/ui/runs/{site.bad_run}/why?candidate={site.bad_match}"
    page = open_page(address, java_script_enabled=has_scripts)
    if not has_scripts:
        page.get_by_role("link", name="Look for candidates like it").click()
    alike = page.get_by_role("region", name=HEADING)
    expect(alike.get_by_role("listitem")).to_have_count(5)
