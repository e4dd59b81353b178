"""The page that says how rules do."""

from __future__ import annotations

import re
from collections.abc import Callable
from html import unescape

import pytest
from playwright.sync_api import Page, expect

from tests.web.shoe_shop import Shop
from xray.model.rules import Extent, RuleHealth
from xray.web.pages.rules import lay_kills, spell_rules

OpenPage = Callable[..., Page]


def read(shop: Shop, path: str) -> tuple[int, str]:
    answer = shop.api.ask("GET", path, headers={"Accept": "text/html"})
    return answer.status, unescape(answer.content.decode())


def test_what_deserves_attention_comes_first_with_the_runs_that_show_it(shop: Shop) -> None:
    report = shop.api.get("/v1/rules?pipeline=shoes").json
    _, body = read(shop, "/ui/rules?pipeline=shoes")
    assert report["answer"] in body
    assert report["attention"] == 1
    rule = report["rules"][0]
    attention = body[body.index("What deserves attention") : body.index("All rules")]
    for concern in rule["concerns"]:
        assert concern["text"] in attention
        for example in concern["examples"][:4]:
            assert f"/ui/runs/{example['run_id']}/why?candidate={example['candidate_id']}" in body
    assert f"/ui/runs/{rule['drift']['before_examples'][0]}" in attention


def test_every_rule_is_a_row_with_the_numbers_of_the_api(shop: Shop) -> None:
    report = shop.api.get("/v1/rules").json
    _, body = read(shop, "/ui/rules")
    rows = re.findall(r"<tr.*?</tr>", body[body.index('aria-label="All rules"') :], re.DOTALL)
    texts = [" ".join(re.sub("<[^>]*>", " ", row).split()) for row in rows]
    for rule in report["rules"]:
        kills, rate = f"{rule['kills']:,}", f"{rule['kill_rate'] * 100:.1f} %"
        start = f"{rule['rule']} {rule['step']} {rule['pipeline']} "
        assert any(text.startswith(start) and f" {kills} {rate}" in text for text in texts), start


def test_what_is_not_kept_is_said_and_shown_as_bounds(shop: Shop) -> None:
    _, body = read(shop, "/ui/rules?pipeline=quiet_shoes")
    assert "1 kept counts only" in body
    assert "Only its rejections show" in body
    assert "at most" in body


def test_versions_are_held_against_each_other_on_demand(shop: Shop) -> None:
    _, body = read(shop, "/ui/rules?pipeline=shoes&since_version=1.5")
    assert "ince version 1.5 price_too_high fails 69.0 %" in body
    status, body = read(shop, "/ui/rules?since=yesterdayish")
    assert (status, "is no time" in body) == (400, True)


def test_no_run_is_no_rule(shop: Shop) -> None:
    status, body = read(shop, "/ui/rules?pipeline=nothing")
    assert (status, "No run meets this." in body) == (200, True)


def test_a_rule_leads_to_other_limits_over_the_same_runs(shop: Shop, open_shop: OpenPage) -> None:
    page = open_shop("/ui/runs")
    page.get_by_role("link", name="How rules do").click()
    page.get_by_label("Pipeline").fill("shoes")
    page.get_by_role("button", name="Show").click()
    page.get_by_role("link", name="What if its limit were another?").first.click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("With price <= 70")
    expect(page.get_by_text("60 of 60 runs are judged")).to_be_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_narrow_screen_scrolls_tables_and_not_the_page(
    shop: Shop, open_shop: OpenPage, scheme: str
) -> None:
    viewport = {"width": 400, "height": 800}
    page = open_shop("/ui/rules", viewport=viewport, color_scheme=scheme)
    assert page.evaluate("document.documentElement.scrollWidth") == 400


def test_the_bar_tells_who_surely_and_who_maybe_failed_nothing_else() -> None:
    nobody = Extent(least=0, most=0, estimate=0)
    rule = RuleHealth(
        pipeline="p",
        step="s",
        step_type="filter",
        rule="r",
        is_check=True,
        runs=1,
        decided=100,
        failed=nobody,
        kills=50,
        kill_runs=1,
        kill_rate=0.5,
        sole_kills=Extent(least=10, most=25, estimate=15, basis="bounds"),
        overruled=nobody,
        missing=nobody,
    )
    bar = lay_kills(rule, 100)
    assert (bar.killed, bar.alone, bar.maybe_alone) == (50, 10, 25)


def test_parameters_become_one_query_for_the_client() -> None:
    asked = [("pipeline", "shoes"), ("q", "started_at > 7d"), ("since_version", "1.5")]
    assert spell_rules(asked) == (
        """client.rules("(pipeline = 'shoes') and (started_at > 7d)","""
        " since_version='1.5', is_whole=False)"
    )
    assert spell_rules([]) == "client.rules(is_whole=False)"
