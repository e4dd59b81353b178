"""The list of runs follows what happens."""

from __future__ import annotations

import re
from collections.abc import Callable

from playwright.sync_api import Page, expect

from tests.web.conftest import Site

OpenPage = Callable[..., Page]


def make_run(site: Site, pipeline: str) -> str:
    body = {"pipeline": pipeline, "status": "running"}
    return str(site.api.ask("POST", "/v1/runs", body).json["id"])


def test_a_run_appears_and_changes_while_the_list_is_followed_and_the_filter_stays(
    site: Site, open_page: OpenPage
) -> None:
    page = open_page("/ui/runs?pipeline=followed&live=on")
    expect(page.get_by_role("status")).to_contain_text("following")
    make_run(site, "not_followed")
    run_id = make_run(site, "followed")
    row = page.locator(f'tr[data-run="{run_id}"]')
    expect(row).to_contain_text("running")
    site.api.ask("PATCH", f"/v1/runs/{run_id}", {"status": "completed"})
    expect(row).to_contain_text("completed")
    assert page.locator("tbody tr").count() == 1
    page.reload()
    expect(page.get_by_role("status")).to_contain_text("following")
    page.get_by_role("button", name="Live").click()
    expect(page).to_have_url(re.compile(r"pipeline=followed$"))


def test_a_reader_who_points_at_the_list_is_not_disturbed(site: Site, open_page: OpenPage) -> None:
    held = make_run(site, "held")
    page = open_page("/ui/runs?pipeline=held&live=on")
    expect(page.get_by_role("status")).to_contain_text("following")
    page.locator(f'tr[data-run="{held}"]').hover()
    run_id = make_run(site, "held")
    expect(page.get_by_role("status")).to_contain_text("1 waiting")
    assert page.locator(f'tr[data-run="{run_id}"]').count() == 0
    page.mouse.move(5, 5)
    expect(page.locator(f'tr[data-run="{run_id}"]')).to_be_visible()
