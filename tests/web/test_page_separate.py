"""The page that says what separates the rejected from the kept, or runs from others."""

from __future__ import annotations

from collections.abc import Callable
from html import unescape
from urllib.parse import urlencode

import pytest
from playwright.sync_api import Page, expect

from tests.web.shoe_shop import Shop
from xray.web.pages.separate import spell_separate

OpenPage = Callable[..., Page]
RUNS = {"a": "pipeline = 'shoes' and version = '1.5'", "b": "pipeline = 'shoes'"}


def read(shop: Shop, **asked: str) -> tuple[int, str]:
    answer = shop.api.ask("GET", f"/ui/separate?{urlencode(asked)}")
    return answer.status, unescape(answer.content.decode())


def test_what_the_rules_read_is_told_apart_from_what_is_discovered(shop: Shop) -> None:
    asked = {"where": "pipeline = 'shoes'", "step": "filter"}
    found = shop.api.get(f"/v1/separate?{urlencode(asked)}").json
    _, body = read(shop, **asked)
    assert found["answer"] in body
    rules = body[body.index("What the step's own rules read") :]
    assert len(found["rules"]) >= 1
    for one in found["rules"]:
        assert one["text"] in rules
        assert f"read by {', '.join(one['reads'])}" in rules
        for example in one["a_examples"][:3]:
            assert f"/why?candidate={example['candidate_id']}" in rules


def test_runs_are_told_apart_by_what_they_were_told(shop: Shop) -> None:
    found = shop.api.get(f"/v1/separate?{urlencode(RUNS)}").json
    _, body = read(shop, **RUNS)
    assert found["separators"][0]["text"] in body
    assert f"<b>{found['separators'][0]['split']['text']}</b>" in body
    assert "runs are what is drawn by lot" in body


def test_without_a_question_there_is_a_form_for_each(shop: Shop) -> None:
    status, body = read(shop)
    assert status == 200
    assert "Tell runs apart" in body
    assert "Tell candidates apart" in body
    assert read(shop, where="pipeline = 'shoes'")[0] == 400


def test_a_step_leads_to_what_separates_its_candidates(shop: Shop, open_shop: OpenPage) -> None:
    page = open_shop(f"/ui/steps/{shop.step(shop.large, 'filter')}")
    page.get_by_role("link", name="What separates the rejected from the kept?").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("rejected from the")
    expect(page.get_by_label("at step")).to_have_value("filter")
    page.get_by_label("rejected for").fill("rating_too_low")
    page.get_by_role("button", name="Tell candidates apart").click()
    expect(page.get_by_role("rowheader").first).to_contain_text("rating")


def test_two_groups_are_told_apart_and_compared_from_one_another(
    shop: Shop, open_shop: OpenPage
) -> None:
    page = open_shop(f"/ui/separate?{urlencode(RUNS)}")
    page.get_by_role("link", name="Compare the figures of these groups").click()
    page.get_by_role("link", name="What separates these runs").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("What separates")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_narrow_screen_scrolls_tables_and_not_the_page(
    shop: Shop, open_shop: OpenPage, scheme: str
) -> None:
    viewport = {"width": 400, "height": 800}
    page = open_shop(f"/ui/separate?{urlencode(RUNS)}", viewport=viewport, color_scheme=scheme)
    assert page.evaluate("document.documentElement.scrollWidth") == 400


def test_the_question_is_spelled_for_the_client() -> None:
    assert spell_separate([("a", "x = 1")]) == "client.separate_runs('x = 1', '')"
    assert spell_separate([("run_id", "r"), ("step", "s"), ("reason", "a"), ("runs", "9")]) == (
        "client.separate('r', 's', reasons=['a'], runs=9)"
    )
