"""What led to what, in columns from left to right: boxes with lines between them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal
from unicodedata import east_asian_width

NodeKind = Literal["item", "candidate", "origin", "others", "dropped"]

BOX_WIDTH: Final = 168.0
BOX_HEIGHT: Final = 26.0
GAP: Final = 64.0
ROW_GAP: Final = 8.0
HEAD: Final = 34.0
_MARGIN: Final = 1.0
_SWEEPS: Final = 4
_LAST: Final[tuple[NodeKind, ...]] = ("others", "dropped")
"""What stands for several, below those that stand for themselves."""


@dataclass(frozen=True, slots=True)
class Node:
    """One box.

    Args:
        key: what tells it from others.
        text: what it says.
        column: which column it stands in, from 0.
        kind: what it stands for.
        href: where it leads.
        is_on_way: it lies on the way to the answer.
    """

    key: str
    text: str
    column: int
    kind: NodeKind
    href: str
    is_on_way: bool = False


@dataclass(frozen=True, slots=True)
class Box:
    """A box at its place: its left upper corner."""

    node: Node
    x: float
    y: float


@dataclass(frozen=True, slots=True)
class Line:
    """A line between two boxes, as an SVG path."""

    path: str
    is_on_way: bool


@dataclass(frozen=True, slots=True)
class Graph:
    """Boxes and lines with their places.

    Args:
        boxes: the boxes.
        lines: the lines, those on the way to the answer last, so that they lie above others.
        columns: where each column begins, in order.
        width: how wide it all is.
        height: how high.
    """

    boxes: Sequence[Box]
    lines: Sequence[Line]
    columns: Sequence[float]
    width: float
    height: float


def lay_graph(nodes: Sequence[Node], edges: Sequence[tuple[str, str]]) -> Graph:
    """Place *nodes* in their columns so that the lines of *edges* cross little.

    Boxes stand in the order of the mean height of what they are linked to, sweeping from left to
    right and back: the barycentre method of K. Sugiyama, S. Tagawa and M. Toda, "Methods for
    visual understanding of hierarchical system structures", IEEE Transactions on Systems, Man and
    Cybernetics 11(2), 1981.

    Args:
        nodes: the boxes.
        edges: from which key a line leads to which; both must be of *nodes*, the first further
            left.
    """
    columns = [
        [node for node in nodes if node.column == place]
        for place in range(max((node.column for node in nodes), default=-1) + 1)
    ]
    heights = _order(columns, edges)
    tallest = max((len(column) for column in columns), default=0)
    pitch = BOX_HEIGHT + ROW_GAP
    lefts = [_MARGIN + place * (BOX_WIDTH + GAP) for place in range(len(columns))]
    boxes = [
        Box(node, lefts[node.column], _MARGIN + HEAD + heights[node.key] * pitch) for node in nodes
    ]
    at = {box.node.key: box for box in boxes}
    lines = [
        Line(
            _draw(at[source], at[target]),
            at[source].node.is_on_way and at[target].node.is_on_way,
        )
        for source, target in edges
    ]
    return Graph(
        boxes=boxes,
        lines=sorted(lines, key=lambda line: line.is_on_way),
        columns=lefts,
        width=2 * _MARGIN + max(0.0, len(columns) * (BOX_WIDTH + GAP) - GAP),
        height=2 * _MARGIN + HEAD + max(0.0, tallest * pitch - ROW_GAP),
    )


def _order(
    columns: Sequence[Sequence[Node]], edges: Sequence[tuple[str, str]]
) -> Mapping[str, float]:
    """How many rows from the top each node stands; a short column stands in the middle."""
    linked: dict[str, list[str]] = {}
    for source, target in edges:
        linked.setdefault(source, []).append(target)
        linked.setdefault(target, []).append(source)
    place = {node.key: node.column for column in columns for node in column}
    tallest = max((len(column) for column in columns), default=0)
    rows = {
        node.key: row + (tallest - len(column)) / 2
        for column in columns
        for row, node in enumerate(column)
    }
    for sweep in range(_SWEEPS):
        is_forward = sweep % 2 == 0
        for column in columns if is_forward else reversed(columns):
            ordered = sorted(
                column,
                key=lambda node: (
                    _LAST.index(node.kind) + 1 if node.kind in _LAST else 0,
                    _mean_row(node, linked, rows, place, is_forward=is_forward),
                ),
            )
            for row, node in enumerate(ordered):
                rows[node.key] = row + (tallest - len(column)) / 2
    return rows


def _mean_row(
    node: Node,
    linked: Mapping[str, Sequence[str]],
    rows: Mapping[str, float],
    place: Mapping[str, int],
    *,
    is_forward: bool,
) -> float:
    before = [
        rows[key]
        for key in linked.get(node.key, ())
        if (place[key] < node.column) == is_forward and place[key] != node.column
    ]
    return sum(before) / len(before) if before else rows[node.key]


def _draw(source: Box, target: Box) -> str:
    x0, y0 = source.x + BOX_WIDTH, source.y + BOX_HEIGHT / 2
    x1, y1 = target.x, target.y + BOX_HEIGHT / 2
    bend = min(GAP, x1 - x0) / 2
    return f"M{x0:g},{y0:g} C{x0 + bend:g},{y0:g} {x1 - bend:g},{y1:g} {x1:g},{y1:g}"


def find_way(edges: Sequence[tuple[str, str]], ends: Sequence[str]) -> frozenset[str]:
    """The nodes from which a way leads to one of *ends*, these included."""
    before: dict[str, list[str]] = {}
    for source, target in edges:
        before.setdefault(target, []).append(source)
    found, waiting = set(ends), list(ends)
    while waiting:
        for source in before.get(waiting.pop(), ()):
            if source not in found:
                found.add(source)
                waiting.append(source)
    return frozenset(found)


def shorten(text: str, width: int = 22) -> str:
    """*text* as far as it fits into a box; its end tells ids apart as often as its beginning.

    Args:
        text: the text.
        width: how many letters of usual width there is room for; wide ones take the room of two.
    """
    if _measure(text) <= width:
        return text
    head, tail = _cut(text, (width - 1) * 2 // 3), _cut(text[::-1], (width - 1) // 3)[::-1]
    return f"{head}…{tail}"


def _cut(text: str, width: int) -> str:
    room, kept = width, 0
    for letter in text:
        room -= _measure(letter)
        if room < 0:
            break
        kept += 1
    return text[:kept]


def _measure(text: str) -> int:
    return sum(2 if east_asian_width(letter) in "WF" else 1 for letter in text)
