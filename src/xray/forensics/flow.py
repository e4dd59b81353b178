"""Where candidates go: which steps each step takes from, and what each step lets through."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cached_property
from typing import Final
from weakref import proxy

from msgspec import Struct
from msgspec.structs import replace

from xray.forensics.attempts import number_attempts
from xray.forensics.evidence import Ledger, RunEvidence
from xray.forensics.keys import Keys
from xray.forensics.reach import (
    Edge,
    Reach,
    Role,
    is_more_than_chance,
)
from xray.model.records import Step
from xray.model.vocabulary import (
    ANONYMOUS_PREFIX,
    CREATING_STEP_TYPES,
    KEEPING_STEP_TYPES,
    Verdict,
)

_CLOCK_TOLERANCE_MS: Final = 1.0
"""Start times and durations come from two clocks and are rounded apart."""


class Outflow(Struct, frozen=True):
    """How much is known of what a step let through.

    Args:
        is_complete: whether every such candidate is known.
        is_inferred: whether the step itself recorded less than that.
    """

    is_complete: bool = False
    is_inferred: bool = False


class Flow:
    """The graph of a run's steps, as DESIGN's section on flow defines it.

    Args:
        evidence: the run.
    """

    def __init__(self, evidence: RunEvidence) -> None:
        self.evidence = evidence
        self.attempts = number_attempts(evidence.steps)
        self.steps = self.attempts.current
        self._children: dict[str | None, list[Step]] = {}
        for step in self.steps:
            self._children.setdefault(self._parent_id(step), []).append(step)
        self._spans = {step.step_id: _measure_span(step) for step in evidence.steps}
        self._roles: dict[str, Role] = {}
        self._edges: dict[str, tuple[Edge, ...]] = {}
        self._outflows: dict[str, Outflow] = {}
        self.everyone = Reach(proxy(self))
        for step in self.steps:  # in order, so that no long chain of steps is walked recursively
            self.edges(step)
            self.outflow(step)

    def _parent_id(self, step: Step) -> str | None:
        """The step that contains *step*; None when following it up would lead back."""
        seen = {step.step_id}
        above = step.parent_step_id
        while above is not None:
            if above in seen:
                return None
            seen.add(above)
            container = self.evidence.steps_by_id.get(above)
            above = None if container is None else container.parent_step_id
        return step.parent_step_id

    def ledger(self, step: Step) -> Ledger:
        """The decisions of *step*."""
        return self.evidence.ledger(step)

    @cached_property
    def deciding_steps(self) -> list[Step]:
        """The steps that count and do not merely contain others, by ordinal."""
        return [step for step in self.steps if self.role(step) != "contains"]

    def role(self, step: Step) -> Role:
        """What *step* does with candidates."""
        role = self._roles.get(step.step_id)
        if role is None:
            role = self._roles[step.step_id] = self._find_role(step)
        return role

    def _find_role(self, step: Step) -> Role:
        if step.step_type in KEEPING_STEP_TYPES:
            return "keeps"
        if step.step_type == "generate":
            return "keeps" if self._decides_known_candidates(step) else "creates"
        if step.step_type in CREATING_STEP_TYPES:
            return "creates"
        if step.step_type == "group" and self._is_empty(step):
            return "contains"
        return "maps"

    def _decides_known_candidates(self, step: Step) -> bool:
        ids = {
            candidate_id
            for candidate_id in self.ledger(step).candidate_ids
            if not candidate_id.startswith(ANONYMOUS_PREFIX)
        }
        if not ids:
            return False
        known: set[str] = set()
        for earlier in self.steps:
            if earlier.ordinal < step.ordinal and self._has_finished(earlier, step):
                ledger = self.ledger(earlier)
                known.update(candidate_id for candidate_id in ids if ledger.has_row(candidate_id))
                named = [one for one in ids - known if ledger.has(one)] if ledger.is_named else []
                if is_more_than_chance(len(named), len(ids)):
                    known.update(named)
        if step.counts.rejected or step.counts.selected:
            return bool(known)
        return bool(known) and 2 * len(known) >= len(ids)

    def is_silent(self, step: Step) -> bool:
        """Whether *step* recorded no candidates though none of its work depends on them.

        A mapping step passes its candidates on, a step that failed leaves them as they were.
        """
        if not self._is_empty(step):
            return False
        if self.role(step) == "creates":
            return step.status == "completed"
        return self.role(step) == "maps" or step.status != "completed"

    def _is_empty(self, step: Step) -> bool:
        ledger = self.ledger(step)
        return not ledger.decided_count and not any(True for _ in ledger.candidate_ids)

    def edges(self, step: Step) -> tuple[Edge, ...]:
        """What *step* takes its candidates from; nothing for a step that creates them."""
        found = self._edges.get(step.step_id)
        if found is None:
            self._edges[step.step_id] = ()  # a step that takes from itself takes nothing
            found = self._edges[step.step_id] = self._find_edges(step)
        return found

    def _find_edges(self, step: Step) -> tuple[Edge, ...]:
        is_declared = step.takes is not None
        sources = (
            self._default_sources(step)
            if step.takes is None
            else [end for named in self._named_steps(step) for end in self._ends_of(named)]
        )
        edges: dict[str, Edge] = {}
        for source in sources:
            for edge in self._look_through(source, step, is_declared):
                if edge.source.ordinal < step.ordinal and edge.source.step_id != step.step_id:
                    first = edges.setdefault(edge.source.step_id, edge)
                    if first is not edge and self.brings_more(edge):
                        edges[edge.source.step_id] = replace(first, is_partial=True)
        return tuple(edges.values())

    def brings_more(self, edge: Edge) -> bool:
        """Whether candidates may have come along *edge* besides those its source recorded."""
        return edge.is_partial or any(self.role(one) == "creates" for one in edge.through)

    def _look_through(self, source: Step, step: Step, is_declared: bool) -> list[Edge]:
        before = self.edges(source) if self.is_silent(source) else ()
        if self.role(source) == "creates":
            before = tuple(edge for edge in before if self.has_passed_on(edge.source, step))
        if not before:
            return [Edge(source, (), is_declared)]
        return [
            Edge(edge.source, (source, *edge.through), is_declared and edge.is_declared)
            for edge in before
        ]

    def _named_steps(self, step: Step) -> Iterator[Step]:
        for named in step.takes or ():
            found = self.find_step(named, step)
            if found is not None and found.ordinal < step.ordinal:
                yield found

    def find_step(self, named: str, before: Step) -> Step | None:
        """The step that *named* means: an id, or the name of the latest step before *before*."""
        by_id = self.evidence.steps_by_id.get(named)
        if by_id is not None:
            return self.attempts.last_attempt(by_id)
        for step in reversed(self.steps):
            if step.name == named and step.ordinal < before.ordinal:
                return step
        return None

    def _end(self, step: Step) -> tuple[float, int]:
        return self._spans[step.step_id][1], step.ordinal

    def _has_finished(self, earlier: Step, later: Step) -> bool:
        """Whether *earlier* had ended when *later* began; steps that began together follow."""
        start, end = self._spans[earlier.step_id]
        later_start = self._spans[later.step_id][0]
        return start >= later_start or end <= later_start + _CLOCK_TOLERANCE_MS

    def _default_sources(self, step: Step) -> list[Step]:
        siblings = [
            sibling
            for sibling in self._children.get(self._parent_id(step), ())
            if sibling.ordinal < step.ordinal and self._has_finished(sibling, step)
        ]
        if siblings:
            last = max(siblings, key=self._end)
            if self._is_next_part(last, step):
                return [edge.source for edge in self.edges(last)]
            return self._tail(siblings, last)
        streaming = self._streaming_source(step)
        if streaming is not None:
            return [streaming]
        parent = self.evidence.steps_by_id.get(self._parent_id(step) or "")
        if parent is None or parent.step_id not in self._children:
            return []
        return [edge.source for edge in self.edges(parent)]

    def _streaming_source(self, step: Step) -> Step | None:
        """The last sibling still at work when *step* began that let through all *step* decided.

        A generator hands each candidate on while it still looks for the next.
        """
        siblings = self._children.get(self._parent_id(step), ())
        earlier = [sibling for sibling in siblings if sibling.ordinal < step.ordinal]
        decided = self.ledger(step).decided if earlier else Keys()
        for sibling in reversed(earlier) if decided else ():
            passed = self.everyone.let_through(sibling)
            if passed and not decided.without(passed):
                return sibling
        return None

    def was_still_at_work(self, source: Step, step: Step) -> bool:
        """Whether *step* began before *source* had ended."""
        return not self._has_finished(source, step)

    def _ends_of(self, step: Step) -> list[Step]:
        if self.role(step) != "contains":
            return [step]
        inner = self._children.get(step.step_id, [])
        return self._tail(inner, max(inner, key=self._end)) if inner else []

    def _tail(self, siblings: list[Step], last: Step) -> list[Step]:
        role = self.role(last)
        if role == "contains":
            inner = self._ends_of(last)
            if inner:
                return inner
            rest = [sibling for sibling in siblings if sibling.ordinal < last.ordinal]
            return self._tail(rest, max(rest, key=self._end)) if rest else []
        found = [last]
        index = siblings.index(last)
        for side in (reversed(siblings[:index]), siblings[index + 1 :]):
            for sibling in side:
                if role == "creates":
                    belongs = self._is_parallel(sibling, found)
                else:
                    belongs = self._is_next_part(*_in_order(sibling, found[-1]))
                if not belongs:
                    break
                found.append(sibling)
        return sorted(found, key=lambda one: one.ordinal)

    def _is_parallel(self, step: Step, others: Iterable[Step]) -> bool:
        return self.role(step) == "creates" and all(
            step.step_type == other.step_type and not self._are_linked(*_in_order(step, other))
            for other in others
        )

    def _are_linked(self, earlier: Step, later: Step) -> bool:
        if later.takes is not None and earlier.step_id in later.takes:
            return True
        ledger = self.ledger(earlier)
        return any(
            origin.step_id in (earlier.step_id, earlier.name)
            or (origin.step_id is None and ledger.has(origin.candidate_id))
            for origin in later.origins
        )

    def _is_next_part(self, earlier: Step, later: Step) -> bool:
        """Whether the two are one step in parts: the same step over candidates not seen before.

        A pipeline that filters in batches opens its step once a batch.
        """
        is_repeated = (
            later.takes is None
            and earlier.name == later.name
            and earlier.step_type == later.step_type
            and self.role(earlier) == self.role(later) != "creates"
        )
        if not is_repeated:
            return False
        first, second = self.ledger(earlier), self.ledger(later)
        is_known = bool(first.detailed_count) and bool(second.detailed_count)
        return is_known and not self.has_common_candidates(earlier, later)

    def has_passed_on(self, source: Step, step: Step) -> bool:
        """Whether *step* decided a candidate that *source* let through."""
        first, second = self.ledger(source), self.ledger(step)
        verdict: Verdict = "selected" if source.counts.selected else "accepted"
        if first.detailed[verdict].shares(second.detailed_keys):
            return True
        passed = self.everyone.let_through(source)
        return self._share(passed, second.decided, first.is_named or second.is_named)

    def has_common_candidates(self, one: Step, other: Step) -> bool:
        """Whether the two steps decided a candidate in common."""
        first, second = self.ledger(one), self.ledger(other)
        if first.detailed_keys.shares(second.detailed_keys):
            return True
        if not first.is_named and not second.is_named:
            return False
        return self._share(first.decided, second.decided, is_hashed=True)

    def _share(self, keys: Keys, others: Keys, is_hashed: bool) -> bool:
        if not is_hashed:
            return keys.shares(others)
        found = len(keys) - len(keys.without(others))
        return is_more_than_chance(found, min(len(keys), len(others)))

    @cached_property
    def _consumers(self) -> dict[str, list[Step]]:
        consumers: dict[str, list[Step]] = {}
        for step in self.deciding_steps:
            if self.role(step) != "creates" and not self.is_silent(step):
                for edge in self.edges(step):
                    consumers.setdefault(edge.source.step_id, []).append(step)
        return consumers

    def consumers(self, step: Step) -> list[Step]:
        """The steps that take their candidates from *step*."""
        return self._consumers.get(step.step_id, [])

    def offered(self, step: Step) -> Outflow:
        """How much is known of what the steps that *step* takes from let through, together."""
        edges = self.edges(step)
        if not edges:
            return Outflow()
        flows = [self.outflow(edge.source) for edge in edges]
        is_complete = (
            all(flow.is_complete for flow in flows)
            and not any(self.brings_more(edge) for edge in edges)
            and len(step.takes or ()) == sum(1 for _ in self._named_steps(step))
        )
        return Outflow(
            is_complete,
            any(flow.is_inferred for flow in flows)
            or any(edge.through for edge in edges)
            or any(
                not edge.is_declared and self.was_still_at_work(edge.source, step) for edge in edges
            ),
        )

    def outflow(self, step: Step) -> Outflow:
        """How much is known of what *step* let through."""
        found = self._outflows.get(step.step_id)
        if found is None:
            self._outflows[step.step_id] = Outflow()
            found = self._outflows[step.step_id] = self._find_outflow(step)
        return found

    def is_accounted_for(self, step: Step) -> bool:
        """Whether every candidate *step* dealt with is known, or there was none."""
        ledger = self.ledger(step)
        if ledger.decided_count:
            return ledger.is_complete()
        return self.outflow(step).is_complete

    def _find_outflow(self, step: Step) -> Outflow:
        ledger = self.ledger(step)
        counts = step.counts
        has_ended_well = step.status == "completed"
        if counts.selected:
            return Outflow(ledger.is_complete("selected") and has_ended_well)
        if counts.accepted:
            return Outflow(ledger.is_complete("accepted") and has_ended_well)
        creates = self.role(step) == "creates"
        if counts.rejected and not creates:
            if not ledger.is_complete("rejected") or ledger.dropped_elsewhere:
                return Outflow(is_inferred=True)
            return Outflow(self.offered(step).is_complete and has_ended_well, True)
        returned_nothing = creates and (counts.rejected > 0 or step.status == "failed")
        return Outflow(is_complete=returned_nothing or is_empty_handed(step))


def is_empty_handed(step: Step) -> bool:
    """Whether *step* says by its counts that it let nothing through, and decided nothing else."""
    decided = step.counts.rejected + step.counts.accepted + step.counts.selected
    return step.status == "completed" and not decided and step.declared_output_count == 0


def _measure_span(step: Step) -> tuple[float, float]:
    """When *step* began and ended, in milliseconds."""
    start_ms = step.started_at.timestamp() * 1000
    return start_ms, start_ms + (step.duration_ms or 0.0)


def _in_order(one: Step, other: Step) -> tuple[Step, Step]:
    return (one, other) if one.ordinal < other.ordinal else (other, one)
