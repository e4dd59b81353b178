"""Runs and candidates are labelled from their pages, and labels are listed."""

from __future__ import annotations

from collections.abc import Callable
from html import unescape
from urllib.parse import urlencode

import pytest
from playwright.sync_api import Page, expect

from tests.web.shoe_shop import LABELS, Shop

OpenPage = Callable[..., Page]
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


def send(shop: Shop, headers: dict[str, str], **fields: str) -> tuple[int, str]:
    answer = shop.api.ask(
        "POST", "/ui/labels", content=urlencode(fields).encode(), headers={**FORM, **headers}
    )
    return answer.status, answer.headers.get("location", answer.content.decode())


def test_a_run_is_labelled_and_the_label_taken_back_without_scripts(
    shop: Shop, open_shop: OpenPage
) -> None:
    page = open_shop(f"/ui/runs/{shop.chained}", java_script_enabled=False)
    form = page.get_by_role("form", name="Label")
    form.get_by_label("Why").fill("the <b>sole</b> is missing")
    form.get_by_role("button", name="Bad").click()
    expect(page).to_have_url(f"{shop.url}/ui/runs/{shop.chained}")
    expect(form).to_contain_text("bad")
    expect(form).to_contain_text("the <b>sole</b> is missing")
    form.get_by_role("button", name="Good").click()
    expect(form).not_to_contain_text("sole")
    assert shop.api.get(f"/v1/runs/{shop.chained}").json["label"] == "good"
    form.get_by_role("button", name="Take back").click()
    expect(form).to_contain_text("Is this run good or bad?")
    assert shop.api.get(f"/v1/runs/{shop.chained}").json["label"] is None


def test_a_candidate_is_labelled_where_its_way_is_shown(shop: Shop, open_shop: OpenPage) -> None:
    page = open_shop(f"/ui/runs/{shop.chained}/why?candidate=boot%3F1/7")
    form = page.get_by_role("form", name="Label")
    form.get_by_role("button", name="Good").click()
    expect(form).to_contain_text("good")
    labels = shop.api.get(f"/v1/labels?run_id={shop.chained}").json["labels"]
    assert [(one["candidate_id"], one["label"]) for one in labels] == [("boot?1/7", "good")]
    form.get_by_role("button", name="Take back").click()
    expect(form).to_contain_text("Is it good or bad?")


def test_labels_are_listed_with_what_they_are_about(shop: Shop) -> None:
    body = unescape(shop.api.ask("GET", "/ui/labels?q=pipeline+%3D+'shoes'").content.decode())
    for place in LABELS:
        assert f"/ui/runs/{shop.labelled}/why?candidate=shoe_7_{place}" in body
    body = unescape(shop.api.ask("GET", "/ui/labels?label=bad&about=run").content.decode())
    assert "No label meets this." in body
    assert shop.api.ask("GET", "/ui/labels?label=odd").status == 400


@pytest.mark.parametrize("headers", [{}, {"Origin": "http://elsewhere.example"}])
def test_no_other_site_labels_by_a_form_of_its_own(shop: Shop, headers: dict[str, str]) -> None:
    status, _ = send(shop, headers, run_id=shop.chained, label="bad")
    assert status == 403
    assert shop.api.get(f"/v1/runs/{shop.chained}").json["label"] is None


def test_a_form_that_says_nonsense_is_refused(shop: Shop) -> None:
    own = {"Origin": shop.url, "Accept": "text/html"}
    assert send(shop, own, run_id="nonsense", label="good")[0] in (400, 422)
    assert send(shop, own, run_id=shop.chained, label="odd")[0] in (400, 422)
    assert send(shop, own, label="good")[0] in (400, 422)
    assert send(shop, own, run_id=shop.chained, label="good", note="n" * 5_000)[0] in (400, 422)
    status, target = send(shop, own, run_id=shop.chained)
    assert (status, target) == (303, f"/ui/runs/{shop.chained}")


def test_a_narrow_screen_scrolls_tables_and_not_the_page(shop: Shop, open_shop: OpenPage) -> None:
    for path in ("/ui/labels", f"/ui/runs/{shop.labelled}"):
        page = open_shop(path, viewport={"width": 400, "height": 800})
        assert page.evaluate("document.documentElement.scrollWidth") == 400
