"""Where candidates came from: origins resolved, followed back, and what each of them brought."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from functools import cached_property
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from xray.forensics.flow import Flow
from xray.forensics.wording import count_things, name_product, show_candidate
from xray.model.answers import Provenance
from xray.model.records import Origin, Step

MAX_LINKS: Final = 64
_MAX_ANSWER: Final = 200
_MAX_OUTPUT_VALUES: Final = 10_000


class Link(Struct, frozen=True):
    """One candidate named one origin at one step.

    Args:
        origin: the origin, with the step that recorded it as far as there is one.
        source: that step.
        named_at: the step whose decision names the origin.
        is_in_output: no step recorded the id as a candidate, but the output of *source* names it.
    """

    origin: Origin
    source: Step | None
    named_at: Step
    is_in_output: bool = False

    @property
    def identity(self) -> tuple[str, str | None]:
        """What tells this origin from others."""
        return self.origin.candidate_id, None if self.source is None else self.source.step_id


class Origins:
    """The origins of a run's candidates.

    Args:
        flow: the run's graph.
    """

    def __init__(self, flow: Flow) -> None:
        self._flow = flow

    def links_of(self, candidate_id: str, until: Step | None = None) -> list[Link]:
        """What brought a candidate, as its decisions name it, each origin once.

        Args:
            candidate_id: the candidate.
            until: look at decisions up to this step; at all of them when absent.
        """
        links: dict[tuple[str, str | None], Link] = {}
        for step in self._flow.steps:
            if until is not None and step.ordinal > until.ordinal:
                break
            for row in self._flow.ledger(step).find(candidate_id):
                for origin in row.origin:
                    link = self.resolve(origin, step)
                    if link.origin.candidate_id != candidate_id or link.source is not None:
                        links.setdefault(link.identity, link)
        return list(links.values())

    def resolve(self, origin: Origin, step: Step) -> Link:
        """Find the step that recorded *origin*, which a decision of *step* names."""
        flow = self._flow
        if origin.step_id is not None:
            named = flow.find_step(origin.step_id, step)
            if named is not None:
                return self._link(origin, named, step)
        for earlier in reversed(flow.steps):
            if earlier.ordinal < step.ordinal and flow.ledger(earlier).has(origin.candidate_id):
                return self._link(origin, earlier, step)
        for earlier in reversed(flow.steps):
            if earlier.ordinal < step.ordinal and names_value(earlier.output, origin.candidate_id):
                marked = replace(origin, step_id=earlier.step_id, is_recorded=False)
                return Link(marked, earlier, step, is_in_output=True)
        return Link(replace(origin, is_recorded=False), None, step)

    def _link(self, origin: Origin, source: Step, step: Step) -> Link:
        ledger = self._flow.ledger(source)
        is_recorded: bool | None = ledger.has(origin.candidate_id)
        if not is_recorded and not ledger.is_complete():
            is_recorded = None
        found = replace(origin, step_id=source.step_id, is_recorded=is_recorded)
        is_in_output = not is_recorded and names_value(source.output, origin.candidate_id)
        return Link(found, source, step, is_in_output)

    def trace(self, candidate_id: str) -> list[tuple[int, Link]]:
        """The chain back from a candidate, nearest origin first; an origin is followed once."""
        chain: list[tuple[int, Link]] = []
        seen: set[tuple[str, str | None]] = set()
        waiting: deque[tuple[int, str, Step | None]] = deque([(1, candidate_id, None)])
        while waiting and len(chain) < MAX_LINKS:
            depth, current, until = waiting.popleft()
            for link in self.links_of(current, until):
                if link.identity not in seen:
                    seen.add(link.identity)
                    chain.append((depth, link))
                    if link.source is not None:
                        waiting.append((depth + 1, link.origin.candidate_id, link.source))
        return chain

    def count_brought(self, link: Link) -> int | None:
        """How many candidates an origin brought to the step that names it."""
        total = 0
        for counted in link.named_at.origins:
            if counted.candidate_id != link.origin.candidate_id:
                continue
            named = (
                None
                if counted.step_id is None
                else self._flow.find_step(counted.step_id, link.named_at)
            )
            if named is None or link.source is None or named.step_id == link.source.step_id:
                total += counted.rejected + counted.accepted + counted.selected
        return total or None

    @cached_property
    def answer(self) -> list[str]:
        """The candidates the run chose in the end: the selected of its last selecting step."""
        step = self.answering_step
        if step is None or step.decision is None:
            return []
        selected = step.decision.selected
        return [selected] if isinstance(selected, str) else selected

    @cached_property
    def answering_step(self) -> Step | None:
        """The last step that chose among candidates; None when none did."""
        for step in reversed(self._flow.deciding_steps):
            if self._flow.role(step) != "creates" and step.decision is not None:
                return step
        return None

    @cached_property
    def _brought_the_answer(self) -> dict[tuple[str, str | None], int]:
        counts: dict[tuple[str, str | None], int] = {}
        for candidate_id in self.answer[:_MAX_ANSWER]:
            for _, link in self.trace(candidate_id):
                counts[link.identity] = counts.get(link.identity, 0) + 1
        return counts

    def count_selected(self, link: Link) -> int | None:
        """How many of the candidates an origin brought are in the run's answer."""
        if not self.answer or len(self.answer) > _MAX_ANSWER:
            return None
        return self._brought_the_answer.get(link.identity, 0)

    def provenance(self, candidate_id: str) -> list[Provenance]:
        """The chain back to what brought a candidate, in words and numbers."""
        return [self._describe(depth, link) for depth, link in self.trace(candidate_id)]

    def _describe(self, depth: int, link: Link) -> Provenance:
        brought, selected = self.count_brought(link), self.count_selected(link)
        text = f"{name_origin(link)} brought {self.describe_yield(brought, selected, link)}"
        if not link.origin.is_recorded and not link.is_in_output:
            text += (
                "; whether a step recorded it is unknown"
                if link.origin.is_recorded is None
                else "; no earlier step recorded it"
            )
        return Provenance(
            origin=link.origin,
            step_name=None if link.source is None else link.source.name,
            brought=brought,
            brought_to=link.named_at.name,
            selected=selected,
            depth=depth,
            text=f"{text}.",
            certainty="inferred" if link.is_in_output else "known",
        )

    def describe_yield(self, brought: int | None, selected: int | None, link: Link) -> str:
        """What an origin brought: `37 candidates to search_products; 1 of them was selected`."""
        many = "candidates" if brought is None else count_things(brought)
        told = f"{many} to {link.named_at.name}"
        if selected is None:
            return told
        if brought == 1:
            return f"{told}, which was {'' if selected else 'not '}selected"
        verb = "was" if selected == 1 else "were"
        return f"{told}; {selected or 'none'} of them {verb} selected"

    def brought_by(self, candidate_id: str) -> list[Link]:
        """The steps to which a candidate brought others, as links that name it."""
        return list(self._links_to(candidate_id))

    def _links_to(self, candidate_id: str) -> Iterator[Link]:
        for step in self._flow.steps:
            for counted in step.origins:
                if counted.candidate_id == candidate_id:
                    origin = Origin(candidate_id=candidate_id, step_id=counted.step_id)
                    yield self.resolve(origin, step)
                    break


def name_origin(link: Link) -> str:
    """An origin with the step it comes from: `keyword "stand" (generate_keywords)`."""
    if link.source is None:
        return f'"{link.origin.candidate_id}"'
    return f"{name_thing(link)} ({link.source.name})"


def name_thing(link: Link) -> str:
    """An origin by its kind, where the name of its step tells: `keyword "stand"`."""
    product = "" if link.source is None else name_product(link.source)
    if product:
        return f'{product} "{link.origin.candidate_id}"'
    if link.source is not None and link.source.step_type == "generate":
        return f'"{link.origin.candidate_id}"'
    return show_candidate(link.origin.candidate_id)


def names_value(value: object, wanted: str) -> bool:
    """Whether a free-form value holds the text *wanted* somewhere."""
    waiting = [value]
    for _ in range(_MAX_OUTPUT_VALUES):
        if not waiting:
            return False
        current = waiting.pop()
        if isinstance(current, dict):
            waiting.extend(current.values())
        elif isinstance(current, list):
            waiting.extend(current)
        elif current == wanted or (type(current) is int and str(current) == wanted):
            return True
    return False
