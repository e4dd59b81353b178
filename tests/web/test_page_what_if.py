"""The pages that say what would have been decided with other limits."""

from __future__ import annotations

import re
from collections.abc import Callable
from html import unescape

import pytest
from playwright.sync_api import Page, expect

from tests.web.shoe_shop import Shop

OpenPage = Callable[..., Page]


def read(shop: Shop, path: str) -> tuple[int, str]:
    answer = shop.api.ask("GET", path, headers={"Accept": "text/html"})
    return answer.status, unescape(answer.content.decode())


def test_the_page_says_what_the_api_says_and_names_who_flips(shop: Shop) -> None:
    asked = f"runs/{shop.after}/what-if?limit=price_too_high%3D100"
    answer = shop.api.get(f"/v1/{asked}").json
    _, body = read(shop, f"/ui/{asked}")
    step = answer["steps"][0]
    assert answer["answer"] in body
    assert f"<b>{step['least']}</b> kept, instead of {step['kept']}" in body
    assert f"<h3>{step['newly_kept']['least']} kept besides</h3>" in body
    for flip in step["newly_kept"]["examples"]:
        assert f"/ui/runs/{shop.after}/why?candidate={flip['candidate_id']}" in body
    assert len(step["newly_kept"]["examples"]) > 3
    assert "What later steps cannot tell" in body
    assert re.search(r'points="0,[\d.]+ ', body)


def test_a_tighter_limit_shows_which_part_of_the_answer_is_lost(shop: Shop) -> None:
    _, body = read(shop, f"/ui/runs/{shop.before}/what-if?limit=price%3D50")
    lost = re.search(r'<p class="lost">.*?</p>', body, re.DOTALL)
    assert lost is not None
    chosen = shop.api.get(f"/v1/runs/{shop.before}").json["output"]["chosen"]
    assert chosen in lost[0]
    assert "dropped besides</h3>" in body


def test_without_a_limit_the_checks_are_listed_with_the_limits_they_had(shop: Shop) -> None:
    status, body = read(shop, f"/ui/runs/{shop.before}/what-if")
    assert status == 200
    fields = re.findall(r'name="limit=(\w+)" value="(.*?)" placeholder="(.*?)"', body)
    assert {name: held for name, _, held in fields} == {
        "price_too_high": "120",
        "rating_too_low": "3.4",
    }
    assert "Move a limit to see" in body
    assert "The API call behind this page" not in body


def test_where_rows_were_sampled_the_kept_are_bounds_and_drawn_as_a_band(shop: Shop) -> None:
    asked = f"runs/{shop.large}/what-if?limit=price_too_high%3D87"
    step = shop.api.get(f"/v1/{asked}").json["steps"][0]
    _, body = read(shop, f"/ui/{asked}")
    assert step["least"] < step["most"]
    assert f"<b>{step['least']:,} to {step['most']:,}</b> kept" in body
    assert '<polygon class="band"' in body
    assert 'class="certainty unknown"' in body


def test_a_run_without_checks_teaches_how_to_record_them(shop: Shop) -> None:
    status, body = read(shop, f"/ui/runs/{shop.unnamed}/what-if")
    assert (status, "step.check(" in body) == (200, True)


@pytest.mark.parametrize(
    ("limit", "said"),
    [
        ("prise%3D5", "No step of this run recorded a check 'prise'"),
        ("price_too_high%3Dcheap", "price_too_high compares with a number"),
        ("nonsense", "names no limit"),
    ],
)
def test_a_limit_that_cannot_be_tried_is_said_on_a_page(shop: Shop, limit: str, said: str) -> None:
    status, body = read(shop, f"/ui/runs/{shop.before}/what-if?limit={limit}")
    assert (status, said in body) == (400, True)


def test_a_slider_moves_the_limit_and_the_answer_follows(shop: Shop, open_shop: OpenPage) -> None:
    page = open_shop(f"/ui/runs/{shop.after}/what-if")
    slider = page.get_by_role("slider", name="price ≤ by slider")
    assert slider.input_value() == "70"
    slider.fill("100")
    expect(page.get_by_role("heading", level=1)).to_contain_text("With price <= 100 instead of 70")
    expect(page.get_by_role("heading", level=3, name=re.compile("kept besides"))).to_be_visible()
    expect(page).to_have_url(f"{shop.url}/ui/runs/{shop.after}/what-if?limit=price_too_high%3D100")
    slider.press("ArrowRight")
    expect(page.get_by_role("heading", level=1)).to_contain_text("With price <= 101")
    page.get_by_role("textbox", name="rating ≥").fill("no number")
    expect(page.get_by_role("status")).to_contain_text("is no limit for rating_too_low")
    expect(page.get_by_role("heading", level=1)).to_contain_text("With price <= 101")


def test_without_scripts_a_field_and_a_button_do(shop: Shop, open_shop: OpenPage) -> None:
    page = open_shop(f"/ui/runs/{shop.after}/what-if", java_script_enabled=False)
    assert page.get_by_role("slider").count() == 0
    page.get_by_role("textbox", name="price ≤").fill("100")
    page.get_by_role("button", name="Try").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("With price <= 100 instead of 70")
    expect(page.get_by_role("textbox", name="price ≤")).to_have_value("100")


def test_from_a_run_a_limit_is_tried_over_all_runs_of_its_pipeline(
    shop: Shop, open_shop: OpenPage
) -> None:
    page = open_shop(f"/ui/runs/{shop.after}")
    page.get_by_role("link", name="What if a limit were another?").click()
    page.get_by_role("slider", name="price ≤ by slider").fill("100")
    page.get_by_role("link", name="The same over all runs of shoes").click()
    answer = shop.api.get("/v1/what-if?pipeline=shoes&limit=price_too_high%3D100").json
    expect(page.get_by_role("heading", level=1)).to_have_text(answer["answer"])
    expect(page.get_by_text("60 of 60 runs are judged")).to_be_visible()
    run = page.get_by_role("table").last.get_by_role("link").first
    run.click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("With price <= 100 instead of")


def test_a_step_leads_to_the_limit_that_rejected_most(shop: Shop, open_shop: OpenPage) -> None:
    page = open_shop(f"/ui/steps/{shop.step(shop.after, 'filter')}")
    page.get_by_role("link", name="What if the limit were another?").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("would have kept the same")
    expect(page.get_by_role("textbox", name="price ≤")).to_have_value("70")
    _, body = read(shop, f"/ui/steps/{shop.step(shop.after, 'rank')}")
    assert "What if the limit" not in body


def test_over_runs_that_checked_no_such_thing_the_checks_there_are_named(shop: Shop) -> None:
    _, body = read(shop, "/ui/what-if?pipeline=shoes&limit=colour%3Dred")
    assert "<code>price_too_high</code>" in body
    assert "60 recorded no such check" in body
    status, body = read(shop, "/ui/what-if")
    assert (status, "What if a limit were another?" in body) == (200, True)


@pytest.mark.parametrize(
    "path", ["/ui/runs/{run}/what-if?limit=price%3D90", "/ui/what-if?limit=price%3D90"]
)
def test_a_narrow_screen_shows_it_all(shop: Shop, open_shop: OpenPage, path: str) -> None:
    page = open_shop(path.format(run=shop.after), viewport={"width": 400, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") == 400
