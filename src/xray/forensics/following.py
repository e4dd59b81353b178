"""A crowd of candidates followed through the steps of a run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import Final

from xray.forensics.flow import Flow
from xray.forensics.gaps import explain_blindness
from xray.model.fates import Fate
from xray.model.lineage import Yield
from xray.model.overlap import Crowd
from xray.model.records import Step
from xray.model.vocabulary import UNNAMED_REASON, Verdict

_MAX_EXAMPLES: Final = 10
_FURTHEST: Final[dict[Verdict, int]] = {"rejected": 0, "accepted": 1, "selected": 2}
"""Of a candidate that was decided for several `by`, the verdict that brought it furthest counts."""

_Outcome = tuple[Verdict, str | None]


def follow(flow: Flow, crowd: Crowd, step: Step) -> Iterator[Yield]:
    """How *crowd*, which *step* received, fared there and at every step after it."""
    after = {step.step_id}
    for other in flow.deciding_steps:
        is_after = any(edge.source.step_id in after for edge in flow.edges(other))
        if is_after:
            after.add(other.step_id)
        if other.step_id != step.step_id and (
            other.ordinal <= step.ordinal or flow.role(other) == "creates"
        ):
            continue
        fared = _fare(flow, crowd, other)
        # Where the step kept too little to tell, that it says nothing is worth saying.
        if fared.decided or (is_after and fared.because):
            yield fared


def _fare(flow: Flow, crowd: Crowd, step: Step) -> Yield:
    ledger = flow.ledger(step)
    table = ledger.table
    outcomes: Counter[_Outcome] = Counter()
    examples: list[str] = []
    unmatched: list[str] = []
    verdicts, reasons_told, logged = table.verdicts, table.reasons, table.logged
    for candidate_id in crowd.ids:
        decided = [
            (verdict, reasons_told[at])
            for at in ledger.positions(candidate_id)
            if (verdict := verdicts[at]) is not None and not logged[at]
        ]
        if not decided:
            unmatched.append(candidate_id)
            continue
        outcome = _find_furthest(decided)
        outcomes[outcome] += 1
        if outcome[0] != "rejected":
            examples.append(candidate_id)
    if ledger.roster is not None:
        rest = Crowd(frozenset(unmatched), crowd.spans)
        outcomes += Counter(_meet(rest, ledger.roster.entries()))
    by_verdict: Counter[Verdict] = Counter()
    reasons: Counter[str] = Counter()
    for (verdict, reason), count in outcomes.items():
        by_verdict[verdict] += count
        if verdict == "rejected":
            reasons[reason or UNNAMED_REASON] += count
    is_complete = ledger.is_complete()
    return Yield(
        step_id=step.step_id,
        name=step.name,
        step_type=step.step_type,
        ordinal=step.ordinal,
        decided=by_verdict.total(),
        rejected=by_verdict["rejected"],
        accepted=by_verdict["accepted"],
        selected=by_verdict["selected"],
        reasons=dict(sorted(reasons.items(), key=lambda one: (-one[1], one[0]))),
        examples=sorted(examples)[:_MAX_EXAMPLES],
        certainty="known" if is_complete else "unknown",
        because="" if is_complete else explain_blindness(flow, step),
    )


def _meet(crowd: Crowd, entries: Iterable[tuple[int, int, Fate]]) -> Iterator[_Outcome]:
    """The outcome of each candidate of *crowd* that stands in a roster."""
    met = crowd.meet(entries)
    for _, same in groupby(met, key=lambda entry: entry[0]):
        yield _find_furthest([(fate.decision, fate.reason) for _, _, fate in same])


def _find_furthest(outcomes: list[_Outcome]) -> _Outcome:
    return max(outcomes, key=lambda outcome: _FURTHEST[outcome[0]])
