"""The conservation check: what a step was offered it must have decided, and nothing else."""

from __future__ import annotations

from msgspec import Struct

from xray.forensics.evidence import Key
from xray.forensics.flow import Edge, Flow, share_keys, subtract_keys
from xray.forensics.gaps import explain_blindness, explain_silence
from xray.forensics.wording import list_items
from xray.model.records import Step


class Balance(Struct, frozen=True, kw_only=True):
    """What the conservation check says about one step.

    Args:
        step: the step.
        sources: the steps whose survivors were compared with its decisions.
        vanished: offered, and decided neither here nor by another step that takes from there.
        not_offered: decided here though none of the sources let it through.
        undecided: offered to a step that failed before it decided them.
        is_inferred: whether one of the sets had to be inferred.
        because: what it was inferred from.
        unknown: why part of the question has no answer; empty when all of it has one.
        first_decided: where exactly the first of what one source let through were decided, as after
            a silent `[:20]`: how many; else 0.
        vanished_count: at `minimal`, by how much the counts of the two steps fall short.
        not_offered_count: at `minimal`, by how much they exceed.
    """

    step: Step
    sources: tuple[Step, ...] = ()
    vanished: frozenset[Key] = frozenset()
    not_offered: frozenset[Key] = frozenset()
    undecided: frozenset[Key] = frozenset()
    is_inferred: bool = False
    because: str = ""
    unknown: str = ""
    first_decided: int = 0
    vanished_count: int = 0
    not_offered_count: int = 0


class Conservation:
    """The conservation check over every step of a run.

    Args:
        flow: the run's graph.
    """

    def __init__(self, flow: Flow) -> None:
        self._flow = flow
        self._balances: dict[str, Balance] = {}

    def balances(self) -> list[Balance]:
        """What the check says about each step that takes candidates, by ordinal."""
        return [self.balance(step) for step in self._flow.deciding_steps]

    def balance(self, step: Step) -> Balance:
        """What the check says about *step*."""
        found = self._balances.get(step.step_id)
        if found is None:
            found = self._balances[step.step_id] = self._weigh(step)
        return found

    def _weigh(self, step: Step) -> Balance:
        flow = self._flow
        role = flow.role(step)
        edges = flow.edges(step)
        if role in ("creates", "contains") or not edges or flow.is_silent(step):
            return Balance(step=step)
        sources = tuple(edge.source for edge in edges)
        ledger = flow.ledger(step)
        if not ledger.decided or not ledger.is_complete():
            return self._weigh_unseen(step, edges)
        blind = [edge.source for edge in edges if not flow.outflow(edge.source).is_complete]
        # An id the source dropped shows as well as one it kept that both speak of the same things.
        shared = [
            edge
            for edge in edges
            if share_keys(
                flow.outflow(edge.source).keys | flow.ledger(edge.source).decided, ledger.decided
            )
        ]
        if not shared and role == "maps":
            return Balance(step=step, sources=sources)
        if not shared:
            unknown = (
                explain_blindness(flow, blind[0])
                if blind
                else f"nothing that {_name_steps(sources)} let through was decided by {step.name}"
            )
            return Balance(step=step, sources=sources, unknown=unknown)
        lost: frozenset[Key] = frozenset()
        for edge in shared:
            lost |= self._lost_between(edge, step)
        turned = [
            edge.source.name
            for edge in shared
            if not share_keys(flow.outflow(edge.source).keys, ledger.decided)
        ]
        has_ended = step.status == "completed"
        unshared = [
            edge.source
            for edge in edges
            if edge not in shared
            and edge.source not in blind
            and not is_one_sided(step)
            and subtract_keys(flow.outflow(edge.source).keys, lost)
        ]
        return Balance(
            step=step,
            sources=sources,
            vanished=lost if has_ended else frozenset(),
            first_decided=self._count_first(edges, lost),
            undecided=frozenset() if has_ended else lost,
            not_offered=self._not_offered(step),
            is_inferred=flow.offered(step).is_inferred or role == "maps" or bool(turned),
            because=self._because(step, edges, turned),
            unknown=explain_blindness(flow, blind[0]) if blind else _explain_gap(unshared, step),
        )

    def _lost_between(self, edge: Edge, step: Step) -> frozenset[Key]:
        flow = self._flow
        outflow = flow.outflow(edge.source)
        if not outflow.is_complete:
            return frozenset()
        lost = outflow.keys
        for consumer in flow.consumers(edge.source):
            ledger = flow.ledger(consumer)
            if is_one_sided(consumer) or not ledger.is_complete() or not ledger.decided:
                return frozenset()
            lost = subtract_keys(lost, ledger.decided)
        if lost and flow.role(step) == "maps":
            return self._never_seen_again(lost, step)
        return lost

    def _count_first(self, edges: tuple[Edge, ...], lost: frozenset[Key]) -> int:
        if len(edges) != 1 or len(lost) < 2:
            return 0
        source = edges[0].source
        offered = {candidate_id for _, candidate_id in self._flow.outflow(source).keys}
        gone = {candidate_id for _, candidate_id in lost}
        order = [one for one in self._flow.ledger(source).candidate_ids if one in offered]
        first = len(order) - len(gone)
        return first if first > 1 and gone.issuperset(order[first:]) else 0

    def _never_seen_again(self, lost: frozenset[Key], step: Step) -> frozenset[Key]:
        """A mapping step may leave alone what it does not change, and give new ids to the rest."""
        flow = self._flow
        if subtract_keys(flow.ledger(step).decided, flow.offered(step).keys):
            return frozenset()
        for later in flow.deciding_steps:
            if later.ordinal > step.ordinal:
                if not flow.ledger(later).is_complete():
                    return frozenset()
                lost = subtract_keys(lost, flow.ledger(later).decided)
        return lost

    def _not_offered(self, step: Step) -> frozenset[Key]:
        flow = self._flow
        offered = flow.offered(step)
        if not offered.is_complete or flow.role(step) == "maps":
            return frozenset()
        strangers = subtract_keys(flow.ledger(step).decided, offered.keys)
        return (
            strangers
            if not strangers or step.takes is not None
            else self._unexplained(strangers, step)
        )

    def _unexplained(self, strangers: frozenset[Key], step: Step) -> frozenset[Key]:
        """Those of *strangers* that no earlier step left in play.

        Without `takes=` the edges follow from order alone, so a candidate that another branch
        let through is no stranger.
        """
        flow = self._flow
        upstream = self._upstream(step)
        origins = {one.step_type for one in upstream.values()}
        settled: frozenset[Key] = frozenset()
        for earlier in reversed(flow.deciding_steps):
            if earlier.ordinal >= step.ordinal or not strangers:
                continue
            decided, outflow = flow.ledger(earlier).decided, flow.outflow(earlier)
            if earlier.step_id not in upstream and not outflow.is_complete:
                is_silent = flow.is_silent(earlier)
                if not is_silent or (
                    flow.role(earlier) == "creates" and earlier.step_type in origins
                ):
                    return frozenset()
            strangers -= _within(strangers, outflow.keys) - settled
            settled |= _within(strangers, decided)
        return strangers

    def _upstream(self, step: Step) -> dict[str, Step]:
        found: dict[str, Step] = {}
        waiting = [step]
        while waiting:
            for edge in self._flow.edges(waiting.pop()):
                if edge.source.step_id not in found:
                    found[edge.source.step_id] = edge.source
                    waiting.append(edge.source)
        return found

    def _because(self, step: Step, edges: tuple[Edge, ...], turned: list[str]) -> str:
        if turned:
            return (
                f"{step.name} decided what {turned[0]} had dropped, and no step in between is "
                "recorded"
            )
        through = {one.ordinal: one.name for edge in edges for one in edge.through}
        if through:
            names = list_items(list(dict.fromkeys(name for _, name in sorted(through.items()))))
            return f"{names}, in between, recorded no candidates"
        partial = [
            edge.source.name for edge in edges if self._flow.outflow(edge.source).is_inferred
        ]
        if partial:
            return f"{partial[0]} recorded only rejections, so it is taken to keep the rest"
        at_work = [
            edge.source.name
            for edge in edges
            if not edge.is_declared and self._flow.was_still_at_work(edge.source, step)
        ]
        if at_work:
            return f"{at_work[0]} was still at work when {step.name} began"
        if self._flow.role(step) == "maps":
            return f"{step.name} neither changed the ids it recorded nor did a later step decide it"
        return ""

    def _weigh_unseen(self, step: Step, edges: tuple[Edge, ...]) -> Balance:
        """Without the sets only counts are left, and they compare only at `minimal`."""
        flow = self._flow
        sources = tuple(edge.source for edge in edges)
        balance = Balance(step=step, sources=sources)
        is_minimal = step.capture == "minimal" or any(one.capture == "minimal" for one in sources)
        counted_in = _comparable_input(step)
        counted_out = _comparable_output(sources[0]) if len(edges) == 1 else None
        if is_minimal and counted_in is not None and counted_out is not None:
            return Balance(
                step=step,
                sources=sources,
                vanished_count=max(0, counted_out - counted_in),
                not_offered_count=max(0, counted_in - counted_out),
                is_inferred=True,
                because="at the capture level minimal only counts are kept",
            )
        if not flow.ledger(step).decided_count:
            if not any(flow.ledger(one).decided_count for one in sources):
                return balance
            return Balance(step=step, sources=sources, unknown=explain_silence(flow, step))
        return Balance(step=step, sources=sources, unknown=explain_blindness(flow, step))


def is_one_sided(step: Step) -> bool:
    """Whether *step* recorded rejections only or selections only, so that the rest follows."""
    counts = step.counts
    has_one = (counts.rejected > 0) != (counts.selected > 0)
    return has_one and not counts.accepted and step.status == "completed"


def _within(keys: frozenset[Key], others: frozenset[Key]) -> frozenset[Key]:
    return keys - subtract_keys(keys, others)


def _comparable_input(step: Step) -> int | None:
    counts = step.counts
    if step.declared_input_count is not None:
        return step.declared_input_count
    return step.input_count if counts.accepted or (counts.rejected and counts.selected) else None


def _comparable_output(step: Step) -> int | None:
    if step.declared_output_count is not None:
        return step.declared_output_count
    return step.output_count if step.counts.accepted or step.counts.selected else None


def _explain_gap(unshared: list[Step], step: Step) -> str:
    if not unshared:
        return ""
    return f"nothing that {_name_steps(tuple(unshared))} let through was decided by {step.name}"


def _name_steps(steps: tuple[Step, ...]) -> str:
    names = list(dict.fromkeys(step.name for step in steps))
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
