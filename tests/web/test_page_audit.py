"""The page that says what choices rest on."""

from __future__ import annotations

from collections.abc import Callable
from html import unescape
from urllib.parse import urlencode

import pytest
from playwright.sync_api import Page, expect

from tests.web.shoe_shop import Shop

OpenPage = Callable[..., Page]


def read(shop: Shop, **asked: str) -> tuple[int, str]:
    answer = shop.api.ask("GET", f"/ui/audit?{urlencode(asked)}")
    return answer.status, unescape(answer.content.decode())


def test_each_step_that_chooses_is_shown_with_the_places_of_the_chosen(shop: Shop) -> None:
    audit = shop.api.get("/v1/audit").json
    _, body = read(shop)
    assert audit["answer"] in body
    for step in audit["steps"]:
        assert f"{step['position']['text']}." in body
        if step["position"]["choices"]:
            places = ", ".join(map(str, step["position"]["places"]))
            assert f"Chosen by place, first to last: {places}" in body


def test_what_cannot_be_told_is_not_called_a_bias(shop: Shop) -> None:
    _, body = read(shop, q="pipeline = 'shoes'")
    assert '<p class="bias confounded">cannot be told</p>' in body
    assert "prefers a place" not in body


def test_an_id_that_nobody_offered_is_a_fault_with_its_runs(
    shop: Shop, open_shop: OpenPage
) -> None:
    page = open_shop("/ui/runs")
    page.get_by_role("link", name="What choices rest on").click()
    page.get_by_label("Query of runs").fill("pipeline = 'many_shoes'")
    page.get_by_role("button", name="Show").click()
    fault = page.locator(".audited.fault")
    expect(fault).to_contain_text("1 of 1 took ids that nobody had offered")
    chosen = shop.api.get(f"/v1/runs/{shop.large}").json["output"]["chosen"]
    fault.get_by_role("link", name=chosen).click()
    expect(page).to_have_url(f"{shop.url}/ui/runs/{shop.large}/why?candidate={chosen}")


def test_nothing_to_audit_is_said(shop: Shop) -> None:
    assert "No run meets this." in read(shop, q="pipeline = 'none'")[1]
    assert read(shop, runs="many")[0] == 400


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_narrow_screen_shows_it_all(shop: Shop, open_shop: OpenPage, scheme: str) -> None:
    page = open_shop("/ui/audit", viewport={"width": 400, "height": 800}, color_scheme=scheme)
    assert page.evaluate("document.documentElement.scrollWidth") == 400
