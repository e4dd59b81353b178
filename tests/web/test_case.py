"""The case file of a run: what it tells, and what it looks like on paper."""

from __future__ import annotations

import re
from collections.abc import Callable
from html import unescape
from pathlib import Path
from typing import NamedTuple

import pytest
from playwright.sync_api import Page, expect

import xray
from tests.web.conftest import Site
from tests.web.pictures import FOLDER
from tests.web.shoe_shop import Shop
from xray import XRay

PAPER_PX = {"width": 688, "height": 970}
"""A4 without the margins that the style sheet sets, at 96 dots an inch."""
PAPER_PT = 842
MARGIN_PT = 51
LEAST_BELOW_PT = 40
"""A heading that stands lower has hardly a line of what it heads on its page."""
LONG = "decides_by_price_rating_and_availability_in_the_country_of_the_customer"
SIDES = """() => [...document.querySelectorAll("main :is(table, td, th, svg, p, dd)")]
    .filter(one => one.getClientRects().length && !one.closest(".hidden"))
    .map(one => [
        one.tagName + one.textContent.slice(0, 40),
        one.getBoundingClientRect().right,
        one.scrollWidth - one.clientWidth,
    ])"""


class Heading(NamedTuple):
    """Where a heading stands in a PDF, in points from the bottom of its page."""

    text: str
    page: int
    at: float


def read_headings(pdf: bytes) -> list[Heading]:
    """The headings of a PDF with an outline, down the pages."""
    pages = [int(one) for one in re.findall(rb"(\d+) 0 obj\n<</Type /Page\n", pdf)]
    found = re.findall(
        rb"/Title \((.*?)\)\n(?:.*\n)*?/Dest \[(\d+) 0 R /XYZ [\d.]+ ([\d.]+) 0\]", pdf
    )
    headings = [
        Heading(text.decode(), pages.index(int(page)), float(at)) for text, page, at in found
    ]
    return sorted(headings, key=lambda one: (one.page, -one.at))


@pytest.fixture
def told(site: Site) -> str:
    """The text of the case file of the demo's bad run."""
    answer = site.api.ask("GET", f"/ui/runs/{site.bad_run}/case")
    assert answer.status == 200
    return unescape(re.sub(r"<[^>]+>", "", answer.content.decode()))


def test_it_tells_the_outcome_where_to_look_why_and_whence(site: Site, told: str) -> None:
    why = site.api.get(f"/v1/runs/{site.bad_run}/why?candidate={site.bad_match}").json
    found = site.api.get(f"/v1/runs/{site.bad_run}/findings").json
    assert why["answer"] in told
    assert all(link["text"] in told for link in why["provenance"])
    assert all(stop["text"] in told for stop in why["journey"])
    assert all(finding["text"] in told for finding in found["findings"])
    run = site.api.get(f"/v1/runs/{site.bad_run}").json
    assert all(step["name"] in told for step in run["steps"])
    assert f"{site.url}/ui/runs/{site.bad_run}" in told
    assert "Nothing is known to be missing" in told


def test_labelled_candidates_are_told_before_the_outcome_and_bad_ones_first(shop: Shop) -> None:
    body = unescape(shop.api.ask("GET", f"/ui/runs/{shop.labelled}/case").content.decode())
    asked = re.findall(r'<h2 id="why-\d+">Why <a[^>]*>(.*?)</a>', body)
    assert set(asked[:2]) == {"shoe_7_3", "shoe_7_10"}
    assert len(asked) == len(set(asked)) == 6
    assert "by eye" in body
    put = shop.api.ask("GET", f"/ui/runs/{shop.labelled}/case?candidate=shoe_7_8").content.decode()
    assert re.findall(r'<h2 id="why-1">Why <a[^>]*>(.*?)</a>', put) == ["shoe_7_8"]


def test_what_was_not_recorded_is_named_with_numbers(shop: Shop) -> None:
    large = unescape(shop.api.ask("GET", f"/ui/runs/{shop.large}/case").content.decode())
    step = shop.api.get(f"/v1/steps/{shop.step(shop.large, 'filter')}").json
    kept = 3_000 - step["omissions"]["sampled_out"]
    assert f"filter kept the detail of {kept:,} of 3,000 candidates" in large
    unnamed = unescape(shop.api.ask("GET", f"/ui/runs/{shop.unnamed}/case").content.decode())
    assert "filter counted 20 decisions; about whom they are is not known." in unnamed
    assert "Nothing is known to be missing" not in unnamed + large


def test_it_stands_on_paper_whole(open_page: Callable[..., Page], site: Site) -> None:
    with XRay(f"shop_that_{LONG}", url=site.url, version="2026.11.21+build.4711").run(
        input={"query": "a case for a phone " * 12}, tags=["nightly", LONG]
    ) as run:
        for number in range(9):
            with run.step(f"step_{number}_{LONG}", step_type="filter", params={LONG: 7}) as step:
                for item in range(24):
                    price = item * 1_000_003.25
                    if step.check(
                        f"item_{item}_{LONG}", LONG, price, "<=", 4e6, field=f"attributes.{LONG}"
                    ):
                        step.accept(f"item_{item}_{LONG}")
                    else:
                        step.reject(f"item_{item}_{LONG}", f"{LONG}_{item % 5}")
    assert xray.flush(timeout_s=30)
    for run_id, asked in ((site.bad_run, ""), (run.run_id, f"?candidate=item_9_{LONG}")):
        page = open_page(f"/ui/runs/{run_id}/case{asked}", viewport=PAPER_PX, color_scheme="dark")
        page.emulate_media(media="print")
        for gone in ("nav", "form", "button", ".top", ".foot", ".calls", ".screen-only"):
            for one in page.locator(gone).all():
                expect(one).to_be_hidden()
        cut = [one for one in page.evaluate(SIDES) if one[1] > PAPER_PX["width"] or one[2] > 1]
        assert not cut
        pdf = page.pdf(prefer_css_page_size=True, outline=True, tagged=True)
        FOLDER.mkdir(parents=True, exist_ok=True)
        (FOLDER / f"case-{'long' if asked else 'demo'}.pdf").write_bytes(pdf)
        headings = read_headings(pdf)
        names = [one.text for one in headings]
        at = [names.index(name) for name in ("Outcome", "Steps", "What was not recorded")]
        assert at == sorted(at)
        assert all(one.at > MARGIN_PT + LEAST_BELOW_PT for one in headings), headings
        assert all(one.at < PAPER_PT for one in headings)
        assert asked or headings[-1].page <= 1


def test_it_is_offered_where_a_run_and_where_a_candidate_is_shown(
    open_page: Callable[..., Page], site: Site
) -> None:
    page = open_page(f"/ui/runs/{site.bad_run}")
    page.get_by_role("link", name="Case file").click()
    expect(page.get_by_role("heading", name="What was not recorded")).to_be_visible()
    page.goto(f"/ui/runs/{site.bad_run}/why?candidate=phone_case_1")
    page.get_by_role("link", name="Case file").click()
    expect(page.locator("#why-1")).to_contain_text("phone_case_1")
    missing = "/ui/runs/01a1fea9-0000-7000-8000-000000000000/case"
    assert site.api.ask("GET", missing).status == 404


def test_pictures_lie_where_the_docs_say() -> None:
    told = (Path(__file__).parents[2] / "docs" / "gallery.md").read_text()
    assert f"`{FOLDER.parent.name}/{FOLDER.name}`" in told
