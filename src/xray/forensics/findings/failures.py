"""What failed in a run: steps, attempts, candidates that ended in an error or lacked a value."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Final

from xray.forensics.case import Case
from xray.forensics.findings.losses import list_examples, say_shortfall
from xray.forensics.findings.noticing import notice
from xray.forensics.shortfall import count_vanished
from xray.forensics.wording import count_things, list_items, shorten_text
from xray.model.answers import Finding
from xray.model.records import Step
from xray.model.vocabulary import ERROR, MISSING_PREFIX

_MIN_ATTEMPTS: Final = 2
"""One attempt that fails is what retries are for."""
_MIN_ERRORS: Final = 3
_ERROR_SHARE: Final = 0.1
_MIN_MISSING: Final = 5
_MISSING_SHARE: Final = 0.5
_ERROR_WORDS: Final = ("error", "timeout", "timed_out", "exception", "unavailable", "rate_limited")


def find_failure(case: Case, step: Step) -> Iterator[Finding]:
    """The failure of *step*, and whom it left undecided."""
    if step.status != "failed":
        return
    text = f"{step.name} failed"
    if step.error is not None:
        text += f" ({shorten_text(f'{step.error.type}: {step.error.message}')})"
    balance = case.conservation.balance(step)
    undecided = count_vanished(case.flow, case.conservation, balance)
    if undecided.count:
        text += f" with {say_shortfall(undecided, 'candidate')} undecided"
    examples = list_examples(case, balance.undecided, balance.sources)
    yield notice(step, "failed", f"{text}.", count=undecided.count or None, examples=examples)


def find_retries(case: Case, step: Step) -> Iterator[Finding]:
    """Attempts at *step* that failed before the one that counts."""
    failed = [
        one
        for one in case.evidence.steps
        if one.step_id != step.step_id
        and one.status == "failed"
        and case.flow.attempts.last_attempt(one).step_id == step.step_id
    ]
    if len(failed) < _MIN_ATTEMPTS:
        return
    kinds = Counter(one.error.type if one.error else "an error" for one in failed)
    told = list_items([f"{kind} ({count})" for kind, count in kinds.most_common()])
    ending = "before it succeeded" if step.status == "completed" else "before its last attempt"
    text = f"{step.name} failed {len(failed)} times {ending}: {told}."
    yield notice(step, "retried", text)


def find_errors(step: Step) -> Iterator[Finding]:
    """Many candidates of *step* ended in an error instead of a decision."""
    reasons = {
        reason: one.count
        for reason, one in step.rejections.items()
        if one.count and (reason == ERROR or reason.lower().endswith(_ERROR_WORDS))
    }
    decided = _count_decided(step)
    count = sum(reasons.values())
    if count < _MIN_ERRORS or count < _ERROR_SHARE * decided:
        return
    told = list_items([f"{reason} ({number:,})" for reason, number in reasons.items()])
    text = f"{step.name} lost {count:,} of {count_things(decided)} to errors, not to rules: {told}."
    yield notice(step, "errors", text, count=count)


def find_missing_values(case: Case, step: Step) -> Iterator[Finding]:
    """Most candidates of *step* lacked a value that a rule reads."""
    decided = _count_decided(step)
    if not any(reason.startswith(MISSING_PREFIX) for reason in step.rejections):
        return
    lacking = Counter(
        check.name
        for row in case.flow.ledger(step).outlines
        for check in row.checks
        if check.name.startswith(MISSING_PREFIX)
    )
    for reason, one in step.rejections.items():
        count = max(one.count, lacking[reason])
        if not reason.startswith(MISSING_PREFIX) or count < _MIN_MISSING:
            continue
        if count >= _MISSING_SHARE * decided:
            field = reason.removeprefix(MISSING_PREFIX)
            text = f"{count:,} of {count_things(decided)} that {step.name} decided had no {field}."
            yield notice(step, "values_missing", text, count=count)


def find_failed_run(case: Case) -> Iterator[Finding]:
    """The run failed outside of its steps."""
    run = case.run
    if run.status != "failed" or any(one.status == "failed" for one in case.flow.steps):
        return
    steps = case.flow.deciding_steps
    if not steps:
        return
    kind = f" ({run.error.type}: {run.error.message})" if run.error else ""
    text = f"The run failed{kind} after {steps[-1].name}, in none of its steps."
    yield notice(steps[-1], "failed", text)


def _count_decided(step: Step) -> int:
    return step.counts.rejected + step.counts.accepted + step.counts.selected
