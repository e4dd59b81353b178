"""The conservation check: what a step was offered it must have decided, and nothing else."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from operator import itemgetter
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from xray.forensics.evidence import Ledger
from xray.forensics.flow import Flow
from xray.forensics.gaps import explain_blindness, explain_silence
from xray.forensics.keys import Keys, join_keys
from xray.forensics.reach import Edge, Reach
from xray.forensics.wording import list_items
from xray.model.records import Step
from xray.model.spans import list_apart

_MIN_WALKED: Final = 32
"""So many entries are compared with a roster by walking it; fewer are looked up one by one."""


class Balance(Struct, frozen=True, kw_only=True):
    """What the conservation check says about one step.

    Args:
        step: the step.
        sources: the steps whose survivors were compared with its decisions.
        vanished: offered, and decided neither here nor by another step that takes from there.
        not_offered: decided here though none of the sources let it through.
        undecided: offered to a step that failed before it decided them.
        mistaken: taken for candidates of this step by its roster, which mistook others for them.
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
    vanished: Keys = Keys()
    not_offered: Keys = Keys()
    undecided: Keys = Keys()
    mistaken: Keys = Keys()
    is_inferred: bool = False
    because: str = ""
    unknown: str = ""
    first_decided: int = 0
    vanished_count: int = 0
    not_offered_count: int = 0


class Frame(Struct, frozen=True, kw_only=True):
    """What the check compares at one step, whichever candidate is asked about.

    Args:
        step: the step.
        edges: what it takes from.
        shared: those of them that speak of the same things as the step.
        balance: what the check says without looking at any candidate.
    """

    step: Step
    edges: tuple[Edge, ...] = ()
    shared: tuple[Edge, ...] = ()
    balance: Balance


class Conservation:
    """The conservation check over every step of a run.

    Args:
        flow: the run's graph.
    """

    def __init__(self, flow: Flow) -> None:
        self._flow = flow
        self._frames: dict[str, Frame] = {}
        self._balances: dict[str, Balance] = {}

    def balances(self) -> list[Balance]:
        """What the check says about each step that takes candidates, by ordinal."""
        return [self.balance(step) for step in self._flow.deciding_steps]

    def balance(self, step: Step) -> Balance:
        """What the check says about *step*, its sets as far as the run knows ids."""
        found = self._balances.get(step.step_id)
        if found is None:
            found = self._balances[step.step_id] = self._weigh(step, self._flow.everyone)
        return found

    def balance_about(self, step: Step, reach: Reach) -> Balance:
        """What the check says about *step* and the one candidate of *reach*."""
        return self._weigh(step, reach)

    def frame(self, step: Step) -> Frame:
        """What the check compares at *step*."""
        found = self._frames.get(step.step_id)
        if found is None:
            found = self._frames[step.step_id] = self._set_frame(step)
        return found

    def _set_frame(self, step: Step) -> Frame:
        flow = self._flow
        role = flow.role(step)
        edges = flow.edges(step)
        if role in ("creates", "contains") or not edges or flow.is_silent(step):
            return Frame(step=step, balance=Balance(step=step))
        sources = tuple(edge.source for edge in edges)
        ledger = flow.ledger(step)
        if not ledger.detailed_count or not ledger.is_complete():
            return Frame(step=step, balance=self._weigh_unseen(step, edges))
        blind = [edge.source for edge in edges if not flow.outflow(edge.source).is_complete]
        # An id the source dropped shows as well as one it kept that both speak of the same things.
        passing = [edge for edge in edges if flow.has_passed_on(edge.source, step)]
        shared = [
            edge
            for edge in edges
            if edge in passing or flow.has_common_candidates(edge.source, step)
        ]
        if not shared and role == "maps":
            return Frame(step=step, balance=Balance(step=step, sources=sources))
        if not shared:
            unknown = (
                explain_blindness(flow, blind[0])
                if blind
                else f"nothing that {_name_steps(sources)} let through was decided by {step.name}"
            )
            return Frame(step=step, balance=Balance(step=step, sources=sources, unknown=unknown))
        turned = [edge.source.name for edge in shared if edge not in passing]
        unshared = [] if is_one_sided(step) else self._list_unshared(step, edges, shared, blind)
        balance = Balance(
            step=step,
            sources=sources,
            is_inferred=flow.offered(step).is_inferred or role == "maps" or bool(turned),
            because=self._because(step, edges, turned),
            unknown=explain_blindness(flow, blind[0]) if blind else _explain_gap(unshared, step),
        )
        return Frame(step=step, edges=edges, shared=tuple(shared), balance=balance)

    def _list_unshared(
        self, step: Step, edges: tuple[Edge, ...], shared: list[Edge], blind: list[Step]
    ) -> list[Step]:
        """The sources of which nothing was decided here, though they let something through."""
        rest = [edge.source for edge in edges if edge not in shared and edge.source not in blind]
        if not rest:
            return []
        everyone = self._flow.everyone
        lost = self._list_lost(step, shared, everyone)
        return [one for one in rest if everyone.let_through(one).without(lost)]

    def _weigh(self, step: Step, reach: Reach) -> Balance:
        frame = self.frame(step)
        if not frame.shared:
            return frame.balance
        lost = self._list_lost(step, frame.shared, reach)
        strangers = self._not_offered(step, reach)
        doubtful = self._list_lookalikes(strangers, step)
        has_ended = step.status == "completed"
        return replace(
            frame.balance,
            vanished=lost if has_ended else Keys(),
            first_decided=self._count_first(step, lost, reach),
            undecided=Keys() if has_ended else lost,
            not_offered=strangers - doubtful,
            mistaken=doubtful,
        )

    def _list_lost(self, step: Step, edges: Iterable[Edge], reach: Reach) -> Keys:
        return join_keys(self._lost_between(edge, step, reach) for edge in edges)

    def _lost_between(self, edge: Edge, step: Step, reach: Reach) -> Keys:
        flow = self._flow
        if not flow.outflow(edge.source).is_complete:
            return Keys()
        lost = reach.let_through(edge.source)
        for consumer in flow.consumers(edge.source):
            if not self.is_settling(consumer):
                return Keys()
            lost = lost.without(reach.decided(consumer))
        consumers = [flow.ledger(one) for one in flow.consumers(edge.source)]
        lost -= list_taken_for_others(lost, flow.ledger(edge.source), consumers)
        if lost and flow.role(step) == "maps":
            return self._never_seen_again(lost, step, reach)
        return lost

    def is_settling(self, step: Step) -> bool:
        """Whether a candidate that *step* has not decided was not decided by it."""
        ledger = self._flow.ledger(step)
        is_known = ledger.is_complete() and bool(ledger.detailed_count)
        return is_known and not is_one_sided(step)

    def is_taken_for_another(self, step: Step, reach: Reach) -> bool:
        """Whether a roster's word that *step* brought the candidate of *reach* is a mistake.

        None of the steps that take from there decided it, and each entry it was found by may
        stand for a candidate that they did decide.
        """
        candidate_id = reach.candidate_id
        consumers = self._flow.consumers(step)
        if candidate_id is None or not consumers or not all(map(self.is_settling, consumers)):
            return False
        if any(reach.decided(consumer) for consumer in consumers):
            return False
        ledgers = list(map(self._flow.ledger, consumers))
        return bool(
            list_taken_for_others(Keys(frozenset([candidate_id])), self._flow.ledger(step), ledgers)
        )

    def _list_lookalikes(self, strangers: Keys, step: Step) -> Keys:
        sources = [self._flow.ledger(edge.source) for edge in self._flow.edges(step)]
        return list_taken_for_others(strangers, self._flow.ledger(step), sources)

    def _count_first(self, step: Step, lost: Keys, reach: Reach) -> int:
        flow, everyone = self._flow, self._flow.everyone
        edges = flow.edges(step)
        if not lost or len(edges) != 1 or not flow.ledger(edges[0].source).is_detailed():
            return 0
        if reach is not everyone:
            return self.balance(step).first_decided
        source = edges[0].source
        offered, gone = everyone.let_through(source).ids, lost.ids
        order = [one for one in flow.ledger(source).candidate_ids if one in offered]
        first = len(order) - len(gone)
        return first if len(gone) > 1 and first > 1 and gone.issuperset(order[first:]) else 0

    def _never_seen_again(self, lost: Keys, step: Step, reach: Reach) -> Keys:
        """A mapping step may leave alone what it does not change, and give new ids to the rest."""
        flow, everyone = self._flow, self._flow.everyone
        if everyone.decided(step).without(everyone.offered(step)):
            return Keys()
        for later in flow.deciding_steps:
            if later.ordinal > step.ordinal:
                if not flow.ledger(later).is_complete():
                    return Keys()
                lost = lost.without(reach.decided(later))
        return lost

    def _not_offered(self, step: Step, reach: Reach) -> Keys:
        flow = self._flow
        if not flow.offered(step).is_complete or flow.role(step) == "maps":
            return Keys()
        strangers = reach.decided(step).without(reach.offered(step))
        return (
            strangers
            if not strangers or step.takes is not None
            else self._unexplained(strangers, step, reach)
        )

    def _unexplained(self, strangers: Keys, step: Step, reach: Reach) -> Keys:
        """Those of *strangers* that no earlier step left in play.

        Without `takes=` the edges follow from order alone, so a candidate that another branch
        let through is no stranger.
        """
        flow = self._flow
        upstream = self._upstream(step)
        origins = {one.step_type for one in upstream.values()}
        settled: Keys = Keys()
        for earlier in reversed(flow.deciding_steps):
            if earlier.ordinal >= step.ordinal or not strangers:
                continue
            if earlier.step_id not in upstream and not flow.outflow(earlier).is_complete:
                is_silent = flow.is_silent(earlier)
                if not is_silent or (
                    flow.role(earlier) == "creates" and earlier.step_type in origins
                ):
                    return Keys()
            strangers -= strangers.within(reach.let_through(earlier)) - settled
            settled = join_keys([settled, strangers.within(reach.decided(earlier))])
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


def list_taken_for_others(keys: Keys, ledger: Ledger, others: Sequence[Ledger]) -> Keys:
    """Those of *keys* that a roster found by an entry that may stand for one that *others* know.

    A roster takes one stranger in 100,000 for a candidate of its own. Where its entry is accounted
    for by another candidate, the stranger was never there.

    Args:
        keys: keys of candidates that *others* do not know.
        ledger: the step whose roster found them.
        others: steps that know what the entries may stand for.
    """
    roster = ledger.roster
    if roster is None:
        return Keys()
    ids = [one for one in keys.ids if not ledger.has_row(one)]
    names = dict(zip(ledger.hash_ids(ids), ids, strict=True))
    spans = roster.find_spans(names.keys())
    apart = frozenset(_list_unknown(spans, others))
    taken = {names[span[2]] for span in spans if span not in apart}
    return Keys.of(key for key in keys if key[1] in taken) if taken else Keys()


def _list_unknown(
    spans: Sequence[tuple[int, int, int]], ledgers: Sequence[Ledger]
) -> Sequence[tuple[int, int, int]]:
    """Those of *spans* that stand for no candidate which one of *ledgers* knows."""
    if len(spans) < _MIN_WALKED:
        return [
            span
            for span in spans
            if not any(ledger.knows_between(span[0], span[1]) for ledger in ledgers)
        ]
    spans = sorted(spans, key=itemgetter(1))
    for ledger in ledgers:
        spans = list_apart(spans, [(hashed, hashed) for hashed in ledger.row_hashes])
        if ledger.roster is not None:
            spans = ledger.roster.list_apart(spans)
    return spans


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
