"""How many candidates a step lost or invented, where some of them are known by hash only.

Two rosters are compared hash by hash, and no candidate that both hold is ever counted. One that is
missing may be overlooked once in 100,000 times; where the exact counts of the steps tell how many
there must be, they are preferred.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

from msgspec import Struct

from xray.forensics.conservation import Balance, Conservation
from xray.forensics.evidence import Ledger
from xray.forensics.flow import Flow
from xray.forensics.keys import join_keys
from xray.model.fates import Fate
from xray.model.missing import Candidates, find_missing
from xray.model.records import Step
from xray.model.vocabulary import VERDICTS, Verdict


class Shortfall(Struct, frozen=True):
    """How many candidates a balance is about.

    Args:
        count: how many, those without a known id included.
        is_exact: whether there cannot be more.
    """

    count: int
    is_exact: bool = True


def count_vanished(flow: Flow, conservation: Conservation, balance: Balance) -> Shortfall:
    """How many candidates were offered to a step and never decided.

    Args:
        flow: the run's graph.
        conservation: its conservation check.
        balance: what that says about the step.
    """
    step = balance.step
    edges = [
        edge
        for edge in conservation.frame(step).shared
        if flow.outflow(edge.source).is_complete
        and all(map(conservation.is_settling, flow.consumers(edge.source)))
    ]
    ledgers = [flow.ledger(one) for one in (*balance.sources, step)]
    named = len(join_keys([balance.vanished, balance.undecided]))
    if all(one.is_detailed() for one in ledgers):
        return Shortfall(named)
    if flow.role(step) == "maps" or any(_is_rest(edge.source) for edge in edges):
        return Shortfall(named, is_exact=False)
    counted = [Shortfall(named, is_exact=False)]
    for source, consumers in ((edge.source, flow.consumers(edge.source)) for edge in edges):
        beside = [
            edge.source
            for edge in edges
            if [one.step_id for one in flow.consumers(edge.source)]
            == [one.step_id for one in consumers]
        ]
        counted.append(_count_lost(flow, beside if source in beside else [source], consumers))
    return max(counted, key=lambda one: (one.count, one.is_exact))


def count_not_offered(flow: Flow, balance: Balance) -> Shortfall:
    """How many candidates a step decided that nobody had offered it.

    Args:
        flow: the run's graph.
        balance: what the conservation check says about the step.
    """
    step, named = balance.step, len(balance.not_offered)
    if all(flow.ledger(one).is_detailed() for one in (*balance.sources, step)):
        return Shortfall(named)
    if not flow.offered(step).is_complete or flow.role(step) == "maps" or not balance.sources:
        return Shortfall(named)
    # Where `takes` does not say so, one that any earlier step decided may have come another way.
    if step.takes is not None:
        offered = _survivors(flow, balance.sources)
    else:
        earlier = [one for one in flow.deciding_steps if one.ordinal < step.ordinal]
        if not all(flow.is_accounted_for(one) for one in earlier):
            return Shortfall(named, is_exact=False)
        offered = _decided(flow, earlier)
    missing = find_missing(_decided(flow, [step]), offered)
    return Shortfall(max(named, missing.count), is_exact=False)


def _count_lost(flow: Flow, sources: list[Step], consumers: list[Step]) -> Shortfall:
    """How many survivors of *sources* none of *consumers* decided."""
    offered, decided = _survivors(flow, sources), _decided(flow, consumers)
    missing = find_missing(offered, decided)
    if len(sources) != 1 or len(consumers) != 1 or _have_partitions(flow, [*sources, *consumers]):
        return Shortfall(missing.count, is_exact=False)
    # What is offered and not decided differs from what is decided and not offered as the counts do.
    strangers = find_missing(decided, offered).count
    excess = count_survivors(sources[0]) - flow.ledger(consumers[0]).decided_count
    return Shortfall(max(missing.count, excess + strangers))


def count_survivors(step: Step) -> int:
    """How many candidates *step* selected, or else accepted."""
    return step.counts.selected or step.counts.accepted


def _is_rest(step: Step) -> bool:
    return not count_survivors(step)


def _survivors(flow: Flow, steps: Iterable[Step]) -> Candidates:
    ids: dict[str, None] = {}
    rosters = []
    for step in steps:
        verdict: Verdict = "selected" if step.counts.selected else "accepted"
        ledger = flow.ledger(step)
        ids.update(dict.fromkeys(_ids(ledger, verdict)))
        if ledger.roster is not None:
            rosters.append(ledger.roster.only(partial(_has_verdict, verdict)))
    return Candidates(list(ids), rosters, flow.evidence.known_ids.__getitem__)


def _has_verdict(verdict: Verdict, fate: Fate) -> bool:
    return fate.decision == verdict


def _decided(flow: Flow, steps: Iterable[Step]) -> Candidates:
    ids: dict[str, None] = {}
    rosters = []
    for step in steps:
        ledger = flow.ledger(step)
        for verdict in VERDICTS:
            ids.update(dict.fromkeys(_ids(ledger, verdict)))
        if ledger.roster is not None:
            rosters.append(ledger.roster)
    return Candidates(list(ids), rosters, flow.evidence.known_ids.__getitem__)


def _ids(ledger: Ledger, verdict: Verdict) -> list[str]:
    return list(ledger.detailed[verdict].ids)


def _have_partitions(flow: Flow, steps: Iterable[Step]) -> bool:
    return any(flow.ledger(step).detailed_keys.has_partitions for step in steps)
