"""The page that says how two runs differ."""

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


def cells(body: str) -> list[list[str]]:
    """The text of every table row."""
    rows = re.findall(r"<tr.*?</tr>", body, re.DOTALL)
    return [
        [" ".join(re.sub("<[^>]*>", " ", cell).split()) for cell in re.findall(
            r"<t[hd].*?</t[hd]>", row, re.DOTALL)]
        for row in rows
    ]  # fmt: skip


def test_the_headline_is_the_answer_and_its_numbers_are_the_api_s(shop: Shop) -> None:
    asked = f"diff?a={shop.before}&b={shop.after}"
    answer = shop.api.get(f"/v1/{asked}").json
    status, body = read(shop, f"/ui/{asked}")
    assert status == 200
    assert answer["answer"] in body
    filtered = next(step for step in answer["steps"] if step["name"] == "filter")
    dropped = next(one for one in filtered["moves"] if one["kind"] == "newly_rejected")
    assert dropped["count"] > 0
    assert f"<b>{dropped['count']}</b> kept in A, dropped in B" in body
    for move in dropped["examples"]:
        for run in (shop.before, shop.after):
            assert f"/ui/runs/{run}/why?candidate={move['candidate_id']}" in body
    assert ["params.limit", "120", "70"] in cells(body)
    assert ["version", "1.4", "1.5"] in cells(body)


def test_steps_are_aligned_and_the_first_that_differs_is_marked(shop: Shop) -> None:
    _, body = read(shop, f"/ui/diff?a={shop.before}&b={shop.after}")
    rows = {row[0].split()[0]: row for row in cells(body) if len(row) == 8}
    assert list(rows)[1:] == ["words", "search", "filter", "rank", "choose"]
    assert [rows[name][7] for name in ("words", "search")] == ["nothing", "nothing"]
    assert rows["filter"][7].startswith("first ")
    assert "first" not in rows["rank"][7].split()
    assert rows["filter"][1] == "20"
    assert re.fullmatch(r"\d+ \d+", rows["filter"][2])


def test_a_run_compared_with_itself_differs_in_nothing(shop: Shop) -> None:
    _, body = read(shop, f"/ui/diff?a={shop.before}&b={shop.before}")
    assert '<h1 class="answer long">Nothing differs.</h1>' in body
    assert "one and the same run" in body
    assert "Where they part first" not in body


def test_what_was_not_kept_is_said_to_be_unknown(shop: Shop) -> None:
    _, body = read(shop, f"/ui/diff?a={shop.before}&b={shop.unnamed}")
    unknown = body[body.index("What is not known") :]
    assert "filter" in unknown
    assert 'class="certainty unknown"' in body
    assert "nothing that was kept" in body or "at least" in body


def test_runs_may_be_named_by_the_beginning_of_their_ids(shop: Shop) -> None:
    _, whole = read(shop, f"/ui/diff?a={shop.before}&b={shop.after}")
    status, short = read(shop, f"/ui/diff?a={shop.before[:20]}&b={shop.after[:20].upper()}")
    assert status == 200
    assert short.count(shop.before) == whole.count(shop.before)


@pytest.mark.parametrize(
    ("query", "status", "said"),
    [
        ("a={before}&b=ffffffff", 404, "No run's id begins with"),
        ("a={before}&b=0", 400, "Several runs' ids begin with"),
        ("a={before}&b={after}&c=1", 400, "There is no parameter 'c'"),
    ],
)
def test_runs_that_are_not_there_are_said_on_a_page(
    shop: Shop, query: str, status: int, said: str
) -> None:
    told = read(shop, "/ui/diff?" + query.format(before=shop.before, after=shop.after))
    assert (told[0], said in told[1]) == (status, True)


def test_without_a_second_run_the_page_proposes_some(shop: Shop) -> None:
    status, body = read(shop, f"/ui/diff?b={shop.before}")
    assert status == 200
    assert "version 1.5 on this input" in body
    assert read(shop, "/ui/diff")[0] == 200


def test_from_a_run_one_click_compares_it_with_another_version_on_the_same_input(
    shop: Shop, open_shop: OpenPage
) -> None:
    page = open_shop(f"/ui/runs/{shop.before}")
    page.get_by_role("link", name="version 1.5 on this input").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("first differ at filter")
    expect(page.get_by_role("row", name="input query 0")).to_contain_text("the same")
    page.get_by_role("link", name="Swap A and B").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("candidates that A dropped were")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_narrow_screen_scrolls_tables_and_not_the_page(
    shop: Shop, open_shop: OpenPage, scheme: str
) -> None:
    page = open_shop(
        f"/ui/diff?a={shop.before}&b={shop.after}",
        viewport={"width": 400, "height": 800},
        color_scheme=scheme,
    )
    assert page.evaluate("document.documentElement.scrollWidth") == 400
