"""The page that says how well steps keep what is labelled good."""

from __future__ import annotations

import re
from collections.abc import Callable
from html import unescape
from urllib.parse import urlencode

import pytest
from playwright.sync_api import Page, expect

from tests.web.shoe_shop import LABELS, Shop

OpenPage = Callable[..., Page]


def read(shop: Shop, path: str, **asked: str) -> tuple[int, str]:
    answer = shop.api.ask("GET", f"{path}?{urlencode(asked)}" if asked else path)
    return answer.status, unescape(answer.content.decode())


def test_steps_are_shown_with_what_they_keep_and_what_the_figures_may_be(shop: Shop) -> None:
    quality = shop.api.get("/v1/quality").json
    _, body = read(shop, "/ui/quality")
    assert quality["answer"] in body
    assert (quality["good"], quality["bad"]) == (3, 2) == (
        list(LABELS.values()).count("good"),
        list(LABELS.values()).count("bad"),
    )  # fmt: skip
    step = next(step for step in quality["steps"] if step["name"] == "filter")
    row = re.findall(r"<tr><th scope=\"row\">filter .*?</tr>", body, re.DOTALL)[0]
    assert f"{step['good']['kept']} of {step['good']['kept'] + step['good']['dropped']}" in row
    precision = step["precision"]
    assert f"{precision['least'] * 100:.1f} % to {precision['most'] * 100:.1f} %" in row
    for miss in [*step["lost_good"], *step["kept_bad"]]:
        assert f"/ui/runs/{shop.labelled}/why?candidate={miss['candidate_id']}" in body


def test_without_labels_the_page_teaches_to_label(shop: Shop) -> None:
    status, body = read(shop, "/ui/quality", q="pipeline = 'many_shoes'")
    assert (status, "No candidate of these runs is labelled." in body) == (200, True)
    assert read(shop, "/ui/quality", k="none")[0] == 400


def test_a_moved_limit_is_judged_by_the_labels(shop: Shop, open_shop: OpenPage) -> None:
    page = open_shop(f"/ui/runs/{shop.labelled}/what-if")
    page.get_by_role("slider", name="price ≤ by slider").fill("100")
    table = page.get_by_label("What it does to labelled candidates")
    expect(table.get_by_role("row", name="with this limit")).to_be_visible()
    answer = shop.api.get(f"/v1/runs/{shop.labelled}/what-if?limit=price%3D100").json
    before, after = answer["steps"][0]["quality"]
    assert after["good_kept"] > before["good_kept"]
    cells = table.get_by_role("row", name="with this limit").get_by_role("cell")
    expect(cells.first).to_have_text(str(after["good_kept"]))
    expect(page.get_by_role("heading", level=1)).to_have_text(answer["answer"])


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_narrow_screen_scrolls_tables_and_not_the_page(
    shop: Shop, open_shop: OpenPage, scheme: str
) -> None:
    page = open_shop("/ui/quality", viewport={"width": 400, "height": 800}, color_scheme=scheme)
    assert page.evaluate("document.documentElement.scrollWidth") == 400
