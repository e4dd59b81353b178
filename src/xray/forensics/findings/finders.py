"""What about a run deserves a look, by its own records: losses, contradictions, failures."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Final

from xray.forensics.case import Case
from xray.forensics.evidence import RunEvidence
from xray.forensics.findings.choices import find_invented
from xray.forensics.findings.contradictions import find_in_checks, find_in_output
from xray.forensics.findings.failures import (
    find_errors,
    find_failed_run,
    find_failure,
    find_missing_values,
    find_retries,
)
from xray.forensics.findings.losses import find_losses, find_unknown_flow, was_offered_nothing
from xray.forensics.findings.noticing import notice
from xray.forensics.findings.parts import find_in_limits, find_in_origins, find_in_parts
from xray.forensics.findings.reasoning import find_in_reasoning
from xray.forensics.findings.scoring import find_in_scores
from xray.forensics.redeciding import is_number
from xray.forensics.shortfall import count_survivors
from xray.forensics.wording import count_things, list_items, show_candidate, show_value
from xray.model.answers import Finding
from xray.model.decisions import Outline
from xray.model.operators import ORDERINGS
from xray.model.records import Step

_ECHOING: Final = frozenset({"saturated", "order_flipped", "out_of_order"})
"""What shows again wherever the same scores are passed on."""


def find(evidence: RunEvidence) -> list[Finding]:
    """Everything about the run that deserves a look, losses first; `attention` orders it.

    Args:
        evidence: the run.
    """
    case = Case.of(evidence)
    if case.found is None:
        case.found = tuple(_find_all(case))
    return list(case.found)


def _find_all(case: Case) -> Iterator[Finding]:
    balances = case.conservation.balances()
    found: list[Finding] = []
    for balance in balances:
        found.extend(find_losses(case, balance))
    invented = [one for step in case.flow.steps for one in find_invented(case, step)]
    found.extend(invented)
    for step in case.flow.steps:
        found.extend(_find_in_step(case, step))
    found.extend(find_in_parts(case))
    found.extend(find_in_output(case))
    found.extend(find_failed_run(case))
    settled = {finding.step_id for finding in invented}
    unsure = [balance for balance in balances if balance.step.step_id not in settled]
    found.extend(find_unknown_flow(case, unsure))
    return _drop_echoes(case, found)


def _drop_echoes(case: Case, found: Sequence[Finding]) -> Iterator[Finding]:
    """Those of *found* that do not repeat what was found one step before on the same scores."""
    noticed = {(finding.code, finding.step_id) for finding in found}
    for finding in found:
        step = case.evidence.steps_by_id.get(finding.step_id or "")
        if finding.code in _ECHOING and step is not None:
            sources = (edge.source.step_id for edge in case.flow.edges(step))
            if any((finding.code, source) in noticed for source in sources):
                continue
        yield finding


def _find_in_step(case: Case, step: Step) -> Iterator[Finding]:
    yield from find_failure(case, step)
    yield from find_retries(case, step)
    yield from find_errors(step)
    yield from find_in_checks(case, step)
    yield from find_in_scores(case, step)
    yield from find_in_limits(case, step)
    yield from find_in_origins(case, step)
    yield from find_in_reasoning(case, step)
    yield from _find_empty(case, step)
    yield from find_missing_values(case, step)
    yield from _find_mismatch(case, step)
    yield from _find_gaps(case, step)


def _find_empty(case: Case, step: Step) -> Iterator[Finding]:
    if not _has_kept_nothing(case, step):
        return
    count = step.input_count or 0
    told = f"all {count:,} candidates" if count > 1 else "the only candidate it had"
    text = f"{step.name} rejected {told}; nothing went on.{_tell_top_reason(case, step)}"
    yield notice(step, "empty", text, count=count)


def _find_gaps(case: Case, step: Step) -> Iterator[Finding]:
    """What says less about the decisions than about how they were recorded."""
    if step.counts.redecided:
        number = count_things(step.counts.redecided, "verdict")
        text = f"{step.name} replaced {number} by a later one about the same candidate."
        yield notice(step, "redecided", text, count=step.counts.redecided)
    if step.incomplete and not was_offered_nothing(case, step):
        missing = "; ".join(_negate(one) for one in step.incomplete)
        text = f"{step.name} ({step.step_type}) recorded {missing}."
        yield notice(step, "incomplete", text)


def _negate(requirement: str) -> str:
    """What is missing: `neither counts nor decisions`."""
    return f"neither {requirement.replace(' or ', ' nor ')}"


def _find_mismatch(case: Case, step: Step) -> Iterator[Finding]:
    """Counts set by hand against counted ones, where every candidate was to be counted."""
    counts = step.counts
    decided = counts.rejected + counts.accepted + counts.selected
    is_two_sided = counts.accepted or (counts.rejected and counts.selected)
    if not decided or not is_two_sided:
        return
    survivors = counts.selected or counts.accepted
    wrong = []
    if step.declared_input_count not in (None, decided) and case.flow.role(step) != "creates":
        wrong.append(f"an input of {step.declared_input_count:,} but decided {decided:,}")
    if step.declared_output_count not in (None, survivors, counts.selected + counts.accepted):
        wrong.append(f"an output of {step.declared_output_count:,} but kept {survivors:,}")
    if wrong:
        text = f"{step.name} declared {' and '.join(wrong)}."
        yield notice(step, "count_mismatch", text)


def _has_kept_nothing(case: Case, step: Step) -> bool:
    if case.flow.role(step) != "keeps" or step.status != "completed":
        return False
    counts = step.counts
    if counts.accepted or counts.selected:
        return False
    if step.declared_output_count is not None:
        return step.declared_output_count == 0 and bool(step.declared_input_count)
    outflow = case.flow.outflow(step)
    if not counts.rejected or not outflow.is_complete:
        return False
    sources = [edge.source for edge in case.flow.edges(step)]
    if all(case.flow.ledger(one).is_detailed() for one in sources):
        return not case.flow.everyone.let_through(step)
    # Candidates known by hash only are in no set: here the counts say whether any is left.
    return len(sources) == 1 and count_survivors(sources[0]) == counts.rejected


def _tell_top_reason(case: Case, step: Step) -> str:
    if not step.rejections:
        return ""
    reason, rejection = max(step.rejections.items(), key=lambda item: item[1].count)
    if not rejection.count:
        samples = (
            "A sample it logged says" if step.input_count == 1 else "The samples it logged say"
        )
        return f" {samples}: {list_items(list(step.rejections))}."
    told = f" The most frequent reason: {reason} ({rejection.count:,})."
    rows = case.flow.ledger(step).outlines
    failed = Counter(check.name for one in rows for check in one.checks if not check.passed)
    for name, count in failed.most_common():
        if count == len(rows) == step.counts.rejected and count > 1:
            is_news = name != reason or rejection.count < count
            told += f" All of them failed {name}." if is_news else ""
            return told + _tell_nearest(rows, name)
    return told + _tell_nearest(rows, reason)


def _tell_nearest(rows: Sequence[Outline], name: str) -> str:
    """The candidate that came nearest to the limit of the check *name*, of those with detail."""
    misses = [
        (abs(check.observed - check.limit), one.candidate_id, check)
        for one in rows
        for check in one.checks
        if check.name == name and not check.passed and check.op in ORDERINGS
        if is_number(check.observed) and is_number(check.limit)
    ]
    if not misses:
        return ""
    _, nearest, check = min(misses, key=lambda miss: miss[:2])
    return (
        f" The nearest to it: {show_candidate(nearest)}, whose {check.field or check.name} of "
        f"{show_value(check.observed)} had to be {check.op} {show_value(check.limit)}."
    )
