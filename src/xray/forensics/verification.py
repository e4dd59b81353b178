"""Whether a run decided as it was expected to: golden decisions, statement by statement."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from difflib import get_close_matches
from functools import partial
from typing import Final

from msgspec import Struct

from xray.forensics.case import Case
from xray.forensics.evidence import RunEvidence
from xray.forensics.shortfall import count_survivors
from xray.forensics.statements import (
    Bound,
    CandidateStatement,
    CountStatement,
    OrderStatement,
    OriginStatement,
    RunStatement,
    State,
    Statement,
    parse_statement,
)
from xray.forensics.why import explain
from xray.forensics.wording import list_items, show_candidate, show_number
from xray.model.answers import Outcome, Stop, StopKind, Why
from xray.model.records import Decision, Step
from xray.model.verification import Verification, Verified
from xray.model.vocabulary import VERDICTS, Certainty
from xray.query.evaluate import Record, meets
from xray.query.language import parse_query
from xray.query.plan import Condition, Scope

_ENDS: Final[dict[State, frozenset[Outcome]]] = {
    "selected": frozenset({"selected"}),
    "kept": frozenset({"selected", "survived"}),
    "rejected": frozenset({"rejected", "outranked", "merged"}),
    "vanished": frozenset({"vanished"}),
}
_STOPS: Final[dict[State, frozenset[StopKind]]] = {
    "selected": frozenset({"selected"}),
    "kept": frozenset({"selected", "accepted", "kept"}),
    "rejected": frozenset({"rejected", "outranked", "merged", "not_selected"}),
    "vanished": frozenset({"vanished"}),
}
_ABSENT: Final[frozenset[StopKind]] = frozenset({"not_recorded", "not_reached"})
_OPEN: Final[frozenset[StopKind]] = frozenset({"unknown", "undecided"})
_MIN_LIKENESS: Final = 0.75

_HOLDS: Final[dict[Bound, Callable[[float, float], bool]]] = {
    "at most": lambda found, bound: found <= bound,
    "at least": lambda found, bound: found >= bound,
    "exactly": lambda found, bound: found == bound,
    "fewer than": lambda found, bound: found < bound,
    "more than": lambda found, bound: found > bound,
}


class _Finding(Struct, frozen=True, kw_only=True):
    """What was found about one statement, before it is said."""

    holds: bool | None
    found: str
    certainty: Certainty = "known"
    because: str = ""
    candidate_id: str | None = None
    step_ids: list[str] = []


def verify(evidence: RunEvidence, texts: Sequence[str], now_us: int) -> Verification:
    """Compare what a run decided with what was expected of it.

    Args:
        evidence: the run.
        texts: the expectations, as `spec/expectations.md` has them.
        now_us: the moment of asking, from which spans in a `run:` query count back.

    Raises:
        InvalidQueryError: a text is no expectation.
    """
    case = Case.of(evidence)
    statements = [parse_statement(text) for text in texts]
    checks = [_prepare(statement, now_us) for statement in statements]
    verified = [_word(text, check(case)) for text, check in zip(texts, checks, strict=True)]
    return Verification.of(case.run.run_id, case.run.pipeline, verified)


def _prepare(statement: Statement, now_us: int) -> Callable[[Case], _Finding]:
    """What checks *statement*; a query that is none is refused before any is checked."""
    if isinstance(statement, CandidateStatement):
        return partial(_check_candidate, statement)
    if isinstance(statement, OriginStatement):
        return partial(_check_origin, statement)
    if isinstance(statement, OrderStatement):
        return partial(_check_order, statement)
    if isinstance(statement, CountStatement):
        return partial(_check_count, statement)
    return partial(_check_run, statement, parse_query(statement.query, "run", now_us), now_us)


def _word(text: str, finding: _Finding) -> Verified:
    return Verified(
        text=text,
        is_met=finding.holds,
        found=finding.found,
        certainty="unknown" if finding.holds is None else finding.certainty,
        because=finding.because,
        candidate_id=finding.candidate_id,
        step_ids=finding.step_ids,
    )


def _check_candidate(statement: CandidateStatement, case: Case) -> _Finding:
    why = explain(case.evidence, statement.candidate_id)
    if statement.step_name is None:
        holds = _ends_so(statement, why)
        found, certainty, because = why.answer, why.certainty, why.because
        step_ids = [why.decided_at_step_id] if why.decided_at_step_id else []
    else:
        stops = [stop for stop in why.journey if stop.name == statement.step_name]
        if not stops:
            return _miss_step(case, statement.step_name, statement.candidate_id, why)
        stop = stops[-1]
        holds = _stops_so(statement, stop)
        found, certainty, because = stop.text, stop.certainty, stop.because
        step_ids = [stop.step_id]
    return _Finding(
        holds=holds if holds is None else holds is not statement.is_negated,
        found=found,
        certainty=certainty,
        because=because,
        candidate_id=why.candidate_id,
        step_ids=step_ids,
    )


def _ends_so(statement: CandidateStatement, why: Why) -> bool | None:
    if why.outcome == "unknown":
        return None
    if statement.state == "seen":
        return why.outcome != "never_retrieved"
    if why.outcome == "not_offered":
        # Nobody offered it, and yet a step decided about it: what that step said counts.
        stops = [stop for stop in why.journey if stop.step_id == why.decided_at_step_id]
        return bool(stops) and _stops_so(statement, stops[-1])
    holds = why.outcome in _ENDS[statement.state]
    if holds and statement.reason is not None:
        reasons = {s.reason for s in why.journey if s.step_id == why.decided_at_step_id}
        return statement.reason in reasons
    return holds


def _stops_so(statement: CandidateStatement, stop: Stop) -> bool | None:
    if stop.kind in _OPEN:
        return None
    if statement.state == "seen":
        return stop.kind not in _ABSENT
    holds = stop.kind in _STOPS[statement.state]
    return holds and statement.reason in (None, stop.reason)


def _miss_step(case: Case, name: str, candidate_id: str | None, why: Why | None) -> _Finding:
    names = list(dict.fromkeys(step.name for step in case.evidence.steps))
    if name in names and why is not None:
        found = f"{show_candidate(why.candidate_id)} has no part in {name}."
        return _Finding(holds=None, found=found, because=why.answer, candidate_id=why.candidate_id)
    return _Finding(
        holds=None,
        found=f"No step of the run is called {name!r}.",
        because=_suggest(name, names) or f"its steps are {list_items(names, limit=8)}",
        candidate_id=candidate_id,
    )


def _check_origin(statement: OriginStatement, case: Case) -> _Finding:
    why = explain(case.evidence, statement.candidate_id)
    links = [link for link in why.provenance if link.origin.candidate_id == statement.origin]
    if links:
        holds: bool | None = True
        found, certainty = links[0].text or why.answer, links[0].certainty
    elif why.provenance:
        named = dict.fromkeys(show_candidate(one.origin.candidate_id) for one in why.provenance)
        found = f"{show_candidate(why.candidate_id)} came from {list_items(list(named))}."
        holds, certainty = False, why.provenance[0].certainty
    else:
        holds, certainty = (False if why.outcome == "never_retrieved" else None), why.certainty
        found = why.answer
    return _Finding(
        holds=holds if holds is None else holds is not statement.is_negated,
        found=found,
        certainty=certainty,
        because="" if holds is not None else "no step recorded what brought it",
        candidate_id=why.candidate_id,
        step_ids=[link.origin.step_id for link in links if link.origin.step_id is not None],
    )


def _check_order(statement: OrderStatement, case: Case) -> _Finding:
    if statement.step_name is not None and not _find_named(case, statement.step_name):
        return _miss_step(case, statement.step_name, statement.candidate_id, None)
    whys = [explain(case.evidence, one) for one in (statement.candidate_id, statement.other_id)]
    shown = [show_candidate(why.candidate_id) for why in whys]
    ranked = [
        {
            stop.step_id: stop
            for stop in why.journey
            if stop.rank is not None and statement.step_name in (None, stop.name)
        }
        for why in whys
    ]
    both = [step_id for step_id in ranked[0] if step_id in ranked[1]]
    if not both:
        return _Finding(
            holds=None,
            found=f"No step ranked both {shown[0]} and {shown[1]}.",
            because=" ".join(why.answer for why in whys),
            candidate_id=whys[0].candidate_id,
        )
    ours, others = (ranks[both[-1]] for ranks in ranked)
    assert ours.rank is not None
    assert others.rank is not None
    return _Finding(
        holds=ours.rank < others.rank,
        found=f"{ours.name} ranked {shown[0]} at {ours.rank} and {shown[1]} at {others.rank}.",
        candidate_id=whys[0].candidate_id,
        step_ids=[both[-1]],
    )


def _check_count(statement: CountStatement, case: Case) -> _Finding:
    if statement.step_name is not None and not _find_named(case, statement.step_name):
        return _miss_step(case, statement.step_name, None, None)
    steps = _find_counted(statement, case)
    if not steps:
        return _Finding(
            holds=None,
            found="Several steps decided, or none did.",
            because="the expectation does not say at which step: add `at STEP`",
        )
    if statement.reason is not None and _is_misspelt(statement.reason, steps):
        given = [reason for step in steps for reason in step.rejections]
        return _Finding(
            holds=None,
            found=f"Nothing was rejected by {statement.reason}.",
            because=_suggest(statement.reason, given),
        )
    return _compare_count(statement, steps)


def _compare_count(statement: CountStatement, steps: Sequence[Step]) -> _Finding:
    counted = [_count(statement.state, statement.reason, step) for step in steps]
    decided = [_count("decided", None, step) for step in steps]
    step_ids = [step.step_id for step in steps]
    names = list_items(list(dict.fromkeys(step.name for step in steps)))
    if None in counted or (statement.is_share and None in decided):
        return _Finding(
            holds=None,
            found=f"{names} did not count what it decided.",
            because="only samples of its decisions were recorded",
            step_ids=step_ids,
        )
    count, whole = sum(filter(None, counted)), sum(filter(None, decided))
    by = f" by {statement.reason}" if statement.reason is not None else ""
    if not statement.is_share:
        return _Finding(
            holds=_HOLDS[statement.bound](count, statement.amount),
            found=f"{count:,} {'is' if count == 1 else 'are'} {statement.state}{by} at {names}.",
            step_ids=step_ids,
        )
    if not whole:
        return _Finding(holds=None, found=f"{names} decided nothing.", step_ids=step_ids)
    share = 100 * count / whole
    return _Finding(
        holds=_HOLDS[statement.bound](share, statement.amount),
        found=f"{show_number(round(share, 2))} % ({count:,} of {whole:,}) are "
        f"{statement.state}{by} at {names}.",
        step_ids=step_ids,
    )


def _find_named(case: Case, name: str) -> list[Step]:
    """The steps of that name whose decisions count: of attempts the last."""
    return [step for step in case.flow.steps if step.name == name]


def _find_counted(statement: CountStatement, case: Case) -> list[Step]:
    if statement.step_name is not None:
        return _find_named(case, statement.step_name)
    deciding = [step for step in case.flow.deciding_steps if _count("decided", None, step)]
    if statement.state == "selected":
        selecting = [step for step in deciding if step.counts.selected]
        return selecting[-1:] or deciding[-1:]
    if statement.state == "rejected":
        with_reason = [step for step in deciding if statement.reason in step.rejections]
        return with_reason or deciding
    return deciding if len(deciding) == 1 else []


def _count(state: State, reason: str | None, step: Step) -> int | None:
    """How many candidates *step* decided so; None where it did not count them."""
    counts = step.counts
    decided = counts.rejected + counts.accepted + counts.selected
    if not decided and step.input_count is not None and step.output_count is not None:
        dropped = step.input_count - step.output_count
        given = {"decided": step.input_count, "kept": step.output_count, "rejected": dropped}
        return given.get(state) if reason is None else _count_reason(reason, step)
    if not decided and step.rate_basis == "sampled":
        return None
    if state == "decided":
        return decided
    if state == "rejected":
        return counts.rejected if reason is None else _count_reason(reason, step)
    return counts.selected if state == "selected" else count_survivors(step)


def _count_reason(reason: str, step: Step) -> int:
    return step.rejections[reason].count if reason in step.rejections else 0


def _is_misspelt(reason: str, steps: Iterable[Step]) -> bool:
    """Whether no step gave that reason, and one gave a reason that looks like it."""
    given = {one for step in steps for one in step.rejections}
    return reason not in given and bool(_suggest(reason, given))


def _suggest(word: str, known: Iterable[str]) -> str:
    near = get_close_matches(word, list(dict.fromkeys(known)), n=1, cutoff=_MIN_LIKENESS)
    return f"did you mean {near[0]!r}?" if near else ""


def _check_run(statement: RunStatement, condition: Condition, now_us: int, case: Case) -> _Finding:
    evidence = case.evidence

    def list_below(_: Scope, above: Record) -> Iterable[Record]:
        return evidence.ledger(above).rows(VERDICTS) if isinstance(above, Step) else evidence.steps

    def list_about(step: Step, candidate_id: str) -> Iterable[Decision]:
        return evidence.ledger(step).find(candidate_id)

    holds = meets(condition, case.run, now_us=now_us, rows_below=list_below, rows_about=list_about)
    found = f"The run {'meets' if holds else 'does not meet'} {statement.query}."
    return _Finding(holds=holds, found=found)
