"""What an item came from and brought, as boxes in columns: its origins, itself, step by step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from xray.forensics.case import Case
from xray.model.lineage import Generation, Lineage, Yield
from xray.model.vocabulary import Verdict
from xray.web.addresses import provenance_page, step_page, why_page
from xray.web.charts.graph import Graph, Node, NodeKind, find_way, lay_graph

_MAX_NAMED: Final = 6
_MAX_ORIGINS: Final = 6
_MAX_BACK: Final = 4
_MAX_STEPS: Final = 9
_KEPT: Final[tuple[Verdict, ...]] = ("accepted", "selected")


@dataclass(frozen=True, slots=True)
class Heading:
    """What stands above a column.

    Args:
        text: the step's name.
        href: its page; empty where no step stands behind it.
    """

    text: str
    href: str = ""


@dataclass(frozen=True, slots=True)
class LineageGraph:
    """The graph with what stands above its columns.

    Args:
        graph: boxes and lines.
        headings: one for each column.
        more_steps: how many steps further on are left to the tables.
    """

    graph: Graph
    headings: Sequence[Heading]
    more_steps: int


def draw_lineage(case: Case, lineage: Lineage) -> LineageGraph | None:
    """The graph of *lineage*; None where there is nothing but the item."""
    drawing = _Drawing(case, lineage)
    drawing.draw_origins()
    drawing.draw_generations()
    if len(drawing.nodes) < 2:
        return None
    on_way = find_way(drawing.edges, drawing.ends)
    nodes = [replace(node, is_on_way=node.key in on_way) for node in drawing.nodes.values()]
    edges = list(dict.fromkeys(drawing.edges))
    return LineageGraph(lay_graph(nodes, edges), drawing.headings, drawing.more_steps)


@dataclass
class _Drawing:
    case: Case
    lineage: Lineage
    nodes: dict[str, Node] = field(default_factory=dict)
    edges: list[tuple[str, str]] = field(default_factory=list)
    ends: list[str] = field(default_factory=list)
    headings: list[Heading] = field(default_factory=list)
    more_steps: int = 0

    def draw_origins(self) -> None:
        """The chain back to what brought the item, the farthest first, and the item itself."""
        chain = [link for link in self.lineage.came_from if link.depth <= _MAX_BACK]
        farthest = max((link.depth for link in chain), default=0)
        names = {self.lineage.candidate_id: self._add("item", self.lineage.candidate_id, farthest)}
        for depth in range(farthest, 0, -1):
            there = [link for link in chain if link.depth == depth]
            step_id = next((link.origin.step_id for link in there if link.origin.step_id), "")
            named = next((link.step_name for link in there if link.step_name), "not recorded")
            self.headings.append(Heading(named, step_page(step_id) if step_id else ""))
            for link in there[:_MAX_ORIGINS]:
                origin = link.origin.candidate_id
                names.setdefault(origin, self._add("origin", origin, farthest - depth))
            self._fold(f"origins-{depth}", len(there) - _MAX_ORIGINS, farthest - depth)
        self.headings.append(Heading("the item"))
        for name, key in names.items():
            for named_by in self.case.origins.links_of(name):
                self._link(names.get(named_by.origin.candidate_id, ""), key)
        for link in chain:
            if link.depth == 1 and (link.brought or 0) > 1 and not self.lineage.brought:
                origin = link.origin.candidate_id
                key = self._add(
                    "others", f"+ {(link.brought or 0) - 1:,} others", farthest, name=origin
                )
                self._link(names.get(origin, ""), key)
        if self.lineage.candidate_id in self.lineage.answers:
            self.ends.append(names[self.lineage.candidate_id])

    def draw_generations(self) -> None:
        """What the item brought: at every step who went on, who did not, and how many."""
        fared = [one for generation in self.lineage.brought for one in generation.fared]
        ordered = sorted({(one.ordinal, one.step_id, one.name) for one in fared})
        self.more_steps = max(0, len(ordered) - _MAX_STEPS)
        columns = {}
        for _, step_id, name in ordered[:_MAX_STEPS]:
            columns[step_id] = len(self.headings)
            self.headings.append(Heading(name, step_page(step_id)))
        for generation in self.lineage.brought:
            self._draw_generation(generation, columns)

    def _draw_generation(self, generation: Generation, columns: dict[str, int]) -> None:
        stages = [one for one in generation.fared if one.step_id in columns]
        named = self._choose_names(stages, generation.answers)
        before: dict[str, str] = {}
        folded = gone = ""
        last = None
        for stage, names in zip(stages, named, strict=True):
            column = columns[stage.step_id]
            own = f"{generation.depth}-{stage.step_id}"
            here = {name: self._add("candidate", name, column, own=own) for name in names}
            least = "" if stage.certainty == "known" else "at least "
            rest = self._fold(own, stage.kept - len(names), column, least, stage.step_id)
            dropped = self._drop(own, stage, column, least)
            if stage is stages[0]:
                self._link_sources(generation, here, rest, dropped)
            else:
                self._link_stages(stage, before, folded, here, rest, dropped)
                for name, key in here.items():
                    if last is not None and name not in before:
                        self._link(gone if self._has(last, name, "rejected") else folded, key)
            before, folded, gone, last = here, rest, dropped, stage
        self.ends += [key for name, key in before.items() if name in generation.answers]

    def _choose_names(self, stages: Sequence[Yield], answers: Sequence[str]) -> list[list[str]]:
        """Who is named at each stage: those who get furthest, and others while there is room."""
        chosen: list[list[str]] = []
        later: list[str] = []
        for stage in reversed(stages):
            own = [name for name in (*answers, *later) if self._has(stage, name, *_KEPT)]
            names = list(dict.fromkeys([*own, *stage.examples]))
            chosen.append(names[: min(_MAX_NAMED, stage.kept)])
            later = list(dict.fromkeys([*later, *chosen[-1]]))[:_MAX_NAMED]
        return chosen[::-1]

    def _has(self, stage: Yield, name: str, *verdicts: Verdict) -> bool:
        """Whether the step decided so about *name*, as far as that is known."""
        ledger = self.case.flow.ledger(self.case.evidence.steps_by_id[stage.step_id])
        return any(row.decision in verdicts for row in ledger.find(name) if not row.is_logged)

    def _link_sources(
        self, generation: Generation, here: dict[str, str], rest: str, dropped: str
    ) -> None:
        sources = {name: key for name in generation.sources if (key := self._find(name, here))}
        for name, key in here.items():
            brought_by = {
                link.origin.candidate_id for link in self.case.origins.links_of(name)
            } & sources.keys()
            for source in brought_by:
                self._link(sources[source], key)
        for source in sources.values():
            self._link(source, rest)
            self._link(source, dropped)

    def _link_stages(
        self,
        stage: Yield,
        before: dict[str, str],
        folded: str,
        here: dict[str, str],
        rest: str,
        dropped: str,
    ) -> None:
        for name, key in before.items():
            if name in here:
                self._link(key, here[name])
            elif self._has(stage, name, "rejected"):
                self._link(key, dropped)
            elif self._has(stage, name, *_KEPT):
                self._link(key, rest)
        self._link(folded, rest)
        self._link(folded, dropped)

    def _find(self, name: str, here: dict[str, str]) -> str:
        """The box of *name* that stands farthest to the right, before those of *here*."""
        own = set(here.values())
        found = [
            node
            for node in self.nodes.values()
            if node.text == name and node.key not in own and node.kind != "others"
        ]
        return max(found, key=lambda node: node.column).key if found else ""

    def _link(self, source: str, target: str) -> None:
        if source and target and self._is_left(source, target):
            self.edges.append((source, target))

    def _is_left(self, source: str, target: str) -> bool:
        return self.nodes[source].column < self.nodes[target].column

    def _add(
        self,
        kind: NodeKind,
        text: str,
        column: int,
        *,
        own: str = "",
        name: str = "",
        href: str = "",
    ) -> str:
        key = f"{kind}|{own}|{name or text}"
        run_id = self.lineage.run_id
        leads = href or (
            why_page(run_id, text)
            if kind in ("item", "candidate")
            else provenance_page(run_id, name or text)
        )
        self.nodes[key] = Node(key, text, column, kind, leads)
        return key

    def _fold(self, own: str, count: int, column: int, least: str = "", step_id: str = "") -> str:
        if count <= 0:
            return ""
        href = (
            step_page(step_id)
            if step_id
            else provenance_page(self.lineage.run_id, self.lineage.candidate_id)
        )
        return self._add("others", f"+ {least}{count:,} others", column, own=own, href=href)

    def _drop(self, own: str, stage: Yield, column: int, least: str) -> str:
        count = stage.rejected if stage.kept or stage.rejected else 0
        if not count:
            return ""
        href = step_page(stage.step_id, decision="rejected")
        return self._add("dropped", f"{least}{count:,} rejected", column, own=own, href=href)
