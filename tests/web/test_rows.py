"""The table of a step's decisions, when there are thousands."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

import xray
from tests.web.conftest import Site

OpenPage = Callable[..., Page]
COUNT = 3_000
MAX_ELEMENTS = 1_500


@pytest.fixture(scope="module")
def wide_step(site: Site, tmp_path_factory: pytest.TempPathFactory) -> str:
    spool: Path = tmp_path_factory.mktemp("spool")
    client = xray.XRay("wide", url=site.url, spool_dir=str(spool), capture="full")
    with client.run(input={"query": "case"}) as run:
        with run.step("filter", step_type="filter") as step:
            for number in range(COUNT):
                name, price = f"p{number:04}", (number * 7919) % 997
                if price > 900:
                    step.reject(name, "price_too_high", {"price": price}, score=price / 1000)
                else:
                    step.accept(name, score=price / 1000, attributes={"price": price})
        run.set_output("p0001")
    assert xray.flush(30).is_complete
    steps = site.api.get("/v1/steps?run.pipeline=wide").json["steps"]
    return str(steps[0]["step_id"])


def first_rows(page: Page, count: int = 3) -> list[str]:
    """The ids of the first rows in sight."""
    return page.locator(".decisions tbody th a").all_inner_texts()[:count]


def test_thousands_of_rows_are_sorted_filtered_and_jumped_to_with_few_elements(
    wide_step: str, open_page: OpenPage
) -> None:
    page = open_page(f"/ui/steps/{wide_step}")
    page.get_by_role("button", name="Score").click()
    page.get_by_role("button", name="Score").click()
    expect(page).to_have_url(re.compile("sort=-score$"))
    best = sorted(range(COUNT), key=lambda n: -((n * 7919) % 997))[:3]
    expect(page.locator(".decisions tbody th a").first).to_have_text(f"p{best[0]:04}")
    page.get_by_label("Reason").select_option("price_too_high")
    rejected = sum((n * 7919) % 997 > 900 for n in range(COUNT))
    expect(page.get_by_role("status")).to_have_text(
        f"{rejected:,} of the 3,000 decisions kept in detail"
    )
    page.get_by_label("Id contains").fill("p29")
    expect(page.locator(".decisions tbody th a").first).to_contain_text("p29")
    page.get_by_label("Id contains").fill("")
    page.get_by_label("Reason").select_option("")
    box = page.get_by_role("region", name="Table of decisions")
    box.evaluate("box => { box.scrollTop = 34 * 2000; }")
    expect(box.get_by_role("row").and_(page.locator('[aria-rowindex="2001"]'))).to_be_visible()
    assert page.locator("*").count() <= MAX_ELEMENTS


def test_a_table_is_restored_from_its_address_and_by_going_back(
    wide_step: str, open_page: OpenPage, site: Site
) -> None:
    page = open_page(f"/ui/steps/{wide_step}?sort=-score&row=500")
    shown = page.locator('[aria-rowindex="502"] th a')
    expect(shown).to_be_visible()
    name = shown.inner_text()
    shown.click()
    expect(page.get_by_role("heading", level=1)).to_contain_text(name)
    page.go_back()
    expect(page.locator('[aria-rowindex="502"] th a')).to_have_text(name)
    again = open_page(page.url.removeprefix(site.url))
    expect(again.locator('[aria-rowindex="502"] th a')).to_have_text(name)


def test_without_scripts_the_table_is_read_part_by_part(
    wide_step: str, open_page: OpenPage
) -> None:
    page = open_page(f"/ui/steps/{wide_step}?find=p00", java_script_enabled=False)
    expect(page.get_by_role("status")).to_contain_text("50 of 100")
    page.goto(f"/ui/steps/{wide_step}")
    seen = set(page.locator(".decisions tbody th a").all_inner_texts())
    page.get_by_role("link", name="Older decisions").click()
    assert len(seen | set(page.locator(".decisions tbody th a").all_inner_texts())) == 100


def test_a_query_of_the_language_stays_the_servers(wide_step: str, open_page: OpenPage) -> None:
    page = open_page(f"/ui/steps/{wide_step}?q=attributes.price+%3D+990")
    expect(page.get_by_role("status")).to_contain_text("3 of 3 decisions")
    assert first_rows(page, 9) == [f"p{n:04}" for n in range(COUNT) if (n * 7919) % 997 == 990]


def test_a_row_is_followed_by_a_click_during_which_the_table_is_drawn_again(
    wide_step: str, open_page: OpenPage
) -> None:
    page = open_page(f"/ui/steps/{wide_step}?sort=candidate&row=1000")
    link = page.locator('[aria-rowindex="1010"] th a')
    expect(link).to_have_text("p1008")
    link.hover()
    page.mouse.down()
    page.evaluate("dispatchEvent(new PopStateEvent('popstate'))")
    page.mouse.up()
    expect(page.get_by_role("heading", level=1)).to_contain_text("p1008")


def test_the_focus_stays_in_its_row_when_the_table_is_sorted(
    wide_step: str, open_page: OpenPage
) -> None:
    page = open_page(f"/ui/steps/{wide_step}?find=p1")
    page.get_by_role("button", name="Candidate").click()
    page.get_by_role("textbox", name="Id contains").fill("p100")
    link = page.get_by_role("link", name="p1004")
    link.focus()
    page.evaluate("document.querySelector('th[data-sort=candidate] button').click()")
    expect(page.locator('[aria-rowindex="2"] th a')).to_have_text("p1009")
    expect(link).to_be_focused()
