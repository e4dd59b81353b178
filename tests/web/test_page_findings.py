"""Where to look first in a run; of very large runs, when the rest of the page stands."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.web.conftest import Site
from xray.web.pages import run as run_page

OpenPage = Callable[..., Page]


def test_findings_of_a_large_run_come_when_the_rest_of_its_page_stands(
    site: Site, open_page: OpenPage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_page, "MOST_DECIDED", 10)
    page = open_page(f"/ui/runs/{site.bad_run}")
    first = page.get_by_role("region", name="Look here first")
    expect(first).to_contain_text('All of them came from keyword "stand"')


def test_without_scripts_a_link_leads_to_the_findings_of_a_large_run(
    site: Site, open_page: OpenPage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_page, "MOST_DECIDED", 10)
    page = open_page(f"/ui/runs/{site.bad_run}", java_script_enabled=False)
    page.get_by_role("link", name="Look through").click()
    expect(page.get_by_role("region", name="Look here first")).to_contain_text("laptop_stand")
