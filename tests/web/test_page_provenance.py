"""The page that draws what an item came from and what it brought."""

from __future__ import annotations

import re
from collections.abc import Callable
from html import unescape

import pytest
from playwright.sync_api import Page, expect

from tests.web.shoe_shop import Shop

OpenPage = Callable[..., Page]


def read_graph(shop: Shop, run_id: str, item: str) -> tuple[list[str], list[str], str]:
    """The texts of all boxes, those on the way to the answer, and the whole graph."""
    answer = shop.api.ask("GET", f"/ui/runs/{run_id}/provenance?candidate={item}")
    body = unescape(answer.content.decode())
    found = re.search(r'<svg class="graph".*?</svg>', body, re.DOTALL)
    assert found is not None, body
    boxes = re.findall(r'<g class="node (.*?)"><title>(.*?)</title>', found[0])
    return (
        [text for _, text in boxes],
        [text for kinds, text in boxes if "way" in kinds.split()],
        found[0],
    )


def test_a_word_is_drawn_with_all_it_brought_and_the_way_to_the_answer(shop: Shop) -> None:
    boxes, way, graph = read_graph(shop, shop.chained, "boot")
    assert way == ["boot", "boot?1", "boot?1/7", "boot?1/7"]
    assert {"boot?0", "boot?1", "+ 14 others", "19 rejected"} <= set(boxes)
    assert f"/ui/runs/{shop.chained}/why?candidate=boot%3F1%2F7" in graph
    headings = re.findall(r'class="over.*?y="16">(.*?)<', graph)
    assert headings == ["the item", "ask", "find", "choose"]


def test_a_passage_is_drawn_behind_the_question_and_the_word_that_brought_it(shop: Shop) -> None:
    boxes, way, _ = read_graph(shop, shop.chained, "boot%3F1%2F7")
    assert sorted(way) == ["boot", "boot?1", "boot?1/7"]
    assert "+ 9 others" in boxes
    assert "sole" not in boxes


def test_what_brought_no_answer_has_no_accent(shop: Shop) -> None:
    boxes, way, _ = read_graph(shop, shop.chained, "sole")
    assert way == []
    assert "20 rejected" in boxes


def test_thousands_fold_into_some_dozens_of_boxes(shop: Shop) -> None:
    boxes, _, graph = read_graph(shop, shop.large, "shoe")
    answer = shop.api.get(f"/v1/runs/{shop.large}/provenance?candidate=shoe").json
    assert answer["brought"][0]["count"] == 2_250
    assert len(boxes) < 40
    assert any(re.fullmatch(r"\+ (at least )?2,2\d\d others", text) for text in boxes)
    assert graph.count("<path") < 80


def test_nobody_is_drawn_where_a_step_dropped_it(shop: Shop) -> None:
    boxes, way, _ = read_graph(shop, shop.large, "shoe")
    chosen = shop.api.get(f"/v1/runs/{shop.large}").json["output"]["chosen"]
    rows = shop.api.get(f"/v1/decisions?run_id={shop.large}&candidate_id={chosen}").json
    verdicts = {row["step_id"]: row["decision"] for row in rows["decisions"]}
    assert verdicts[shop.step(shop.large, "rank")] == "rejected"
    kept = [verdict for verdict in verdicts.values() if verdict != "rejected"]
    assert boxes.count(chosen) == len(kept) == 3
    assert "745 rejected" in way


def test_a_box_leads_to_its_candidate(shop: Shop, open_shop: OpenPage) -> None:
    page = open_shop(f"/ui/runs/{shop.chained}/provenance?candidate=boot")
    page.locator(".graph .node.way").last.click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("boot?1/7")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_narrow_screen_scrolls_the_graph_in_its_box(
    shop: Shop, open_shop: OpenPage, scheme: str
) -> None:
    page = open_shop(
        f"/ui/runs/{shop.chained}/provenance?candidate=boot",
        viewport={"width": 400, "height": 800},
        color_scheme=scheme,
    )
    assert page.evaluate("document.documentElement.scrollWidth") == 400
    assert page.locator(".graph-box").evaluate("box => box.scrollWidth > box.clientWidth")
