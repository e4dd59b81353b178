"""Where boxes and lines stand, in numbers."""

from __future__ import annotations

from itertools import combinations

from hypothesis import given
from hypothesis import strategies as st

from xray.web.charts.graph import BOX_HEIGHT, BOX_WIDTH, Node, find_way, lay_graph, shorten


def node(key: str, column: int, kind: str = "candidate") -> Node:
    return Node(key, key, column, kind, f"/{key}")  # type: ignore[arg-type]


@st.composite
def graphs(draw: st.DrawFn) -> tuple[list[Node], list[tuple[str, str]]]:
    sizes = draw(st.lists(st.integers(1, 5), min_size=1, max_size=5))
    nodes = [
        node(f"{column}-{row}", column, draw(st.sampled_from(["candidate", "others", "dropped"])))
        for column, size in enumerate(sizes)
        for row in range(size)
    ]
    pairs = [(a.key, b.key) for a, b in combinations(nodes, 2) if a.column < b.column]
    return nodes, draw(st.lists(st.sampled_from(pairs), unique=True)) if pairs else []


@given(graphs())
def test_no_box_lies_on_another_or_leaves_the_picture(
    drawn: tuple[list[Node], list[tuple[str, str]]],
) -> None:
    nodes, edges = drawn
    graph = lay_graph(nodes, edges)
    assert len(graph.boxes) == len(nodes)
    assert len(graph.lines) == len(edges)
    for box in graph.boxes:
        assert 0 <= box.x <= box.x + BOX_WIDTH <= graph.width
        assert 0 <= box.y <= box.y + BOX_HEIGHT <= graph.height
        assert box.x == graph.columns[box.node.column]
    for one, other in combinations(graph.boxes, 2):
        assert one.x != other.x or abs(one.y - other.y) >= BOX_HEIGHT


@given(graphs())
def test_what_stands_for_several_lies_below_what_stands_for_itself(
    drawn: tuple[list[Node], list[tuple[str, str]]],
) -> None:
    graph = lay_graph(*drawn)
    for one, other in combinations(graph.boxes, 2):
        if one.x == other.x and (one.node.kind, other.node.kind) == ("candidate", "others"):
            assert one.y < other.y


def test_boxes_stand_in_the_order_of_what_they_are_linked_to() -> None:
    nodes = [node("a", 0), node("b", 0), node("to_b", 1), node("to_a", 1)]
    graph = lay_graph(nodes, [("a", "to_a"), ("b", "to_b")])
    height = {box.node.key: box.y for box in graph.boxes}
    assert height["a"] < height["b"]
    assert height["to_a"] < height["to_b"]
    assert height["a"] == height["to_a"]


def test_the_way_leads_back_from_the_end_and_nowhere_else() -> None:
    edges = [("a", "b"), ("b", "end"), ("a", "c"), ("end", "d"), ("b", "a")]
    assert find_way(edges, ["end"]) == {"a", "b", "end"}


def test_nothing_is_an_empty_picture() -> None:
    graph = lay_graph([], [])
    assert (graph.boxes, graph.lines, graph.columns) == ([], [], [])


@given(st.text())
def test_a_text_that_is_cut_keeps_its_beginning_and_its_end(text: str) -> None:
    shown = shorten(text, 12)
    if shown != text:
        head, tail = shown.split("…")[0], shown.split("…")[-1]
        assert text.startswith(head)
        assert text.endswith(tail)
    assert len(shown) <= 12


def test_wide_letters_take_the_room_of_two() -> None:
    assert shorten("laptop_stand_132", 22) == "laptop_stand_132"
    assert shorten("ノートパソコンスタンド一三二", 22) == "ノートパソコン…一三二"
