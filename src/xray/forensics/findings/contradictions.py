"""Verdicts that contradict the evidence recorded with them, and an output that contradicts both."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from xray.forensics.case import Case
from xray.forensics.findings.noticing import notice, show_examples
from xray.forensics.keys import Key
from xray.forensics.origins import name_origin
from xray.forensics.redeciding import is_number
from xray.forensics.wording import (
    count_things,
    list_items,
    show_candidate,
    show_value,
)
from xray.model.answers import Finding
from xray.model.decisions import Outline
from xray.model.facts import Check as CheckRow
from xray.model.records import Check, Step

_AnyCheck = Check | CheckRow
_COMMON: Final = 0.5
"""A check that fewer candidates were put to is likely meant for some only."""
_WITH_ANSWER: Final = 0.97
_MEANT_FOR_SOME: Final = 0.3
"""Without a common origin, the check may well be meant for those with some property."""
_MAX_OUTPUT_VALUES: Final = 200


def find_in_checks(case: Case, step: Step) -> Iterator[Finding]:
    """Where verdicts of *step* contradict its checks, and which checks were left out."""
    if case.flow.role(step) in ("creates", "contains"):
        return
    rows = [one for one in case.flow.ledger(step).outlines if one.verdict is not None]
    checked = {_key(one): last_checks(one) for one in rows if one.checks}
    if not checked:
        return
    yield from _find_kept_though_failed(case, step, rows, checked)
    yield from _find_rejected_though_passed(case, step, rows, checked)
    yield from _find_excluding_limits(step, checked.values())
    yield from _find_unchecked(case, step, rows, checked)


def _key(row: Outline) -> Key:
    return row.by, row.candidate_id


def last_checks(row: Outline) -> dict[str, _AnyCheck]:
    """The checks of a candidate by name; of one made twice the last."""
    return {check.name: check for check in row.checks}


def _find_kept_though_failed(
    case: Case, step: Step, rows: Sequence[Outline], checked: Mapping[Key, dict[str, _AnyCheck]]
) -> Iterator[Finding]:
    """It kept candidates that failed a check for which it rejected others.

    A check for which nobody is rejected only advises. Where each check is failed by some that were
    kept, and nobody is rejected for one alone, passing most of them may be all it takes.
    """
    failed = {
        key: missed
        for key, checks in checked.items()
        if (missed := {check.name for check in checks.values() if not check.passed})
    }
    kept = (_key(one) for one in rows if one.verdict != "rejected")
    wrong = [key for key in kept if key in failed and not failed[key].isdisjoint(step.rejections)]
    if not wrong:
        return
    names = [name for _, name in wrong]
    failures = Counter(check for key in wrong for check in failed[key] & step.rejections.keys())
    dropped_for = (failed.get(_key(one), set()) for one in rows if one.verdict == "rejected")
    alone = {check for checks in dropped_for if len(checks) == 1 for check in checks}
    known = set().union(*failed.values())
    is_hard = any(
        one.count and reason not in failures and reason in known
        for reason, one in step.rejections.items()
    )
    if alone.isdisjoint(failures) and not is_hard:
        return
    told = [f"{name} ({count:,})" for name, count in failures.most_common()]
    number = _at_least(case, step, len(names))
    text = (
        f"{step.name} kept {number} that failed a check for which it rejected others, "
        f"{list_items(told)}{show_examples(names, len(names))}."
    )
    text += _mention_answer(case, names)
    yield notice(step, "kept_though_failed", text, count=len(names), examples=names)


def _at_least(case: Case, step: Step, count: int) -> str:
    is_whole = case.flow.ledger(step).is_detailed()
    return count_things(count) if is_whole else f"at least {count_things(count)}"


def _mention_answer(case: Case, names: Sequence[str]) -> str:
    chosen = [one for one in case.origins.answer if one in names]
    if not chosen:
        return ""
    told = list_items([show_candidate(one) for one in chosen])
    whole = len(chosen) == len(case.origins.answer)
    answer = "the answer" if whole else "in the answer"
    return f" {told}, {answer}, {'is one' if len(chosen) == 1 else 'are some'} of them."


def _find_rejected_though_passed(
    case: Case, step: Step, rows: Iterable[Outline], checked: Mapping[Key, dict[str, _AnyCheck]]
) -> Iterator[Finding]:
    wronged: dict[str, str] = {}
    for one in rows:
        check = checked.get(_key(one), {}).get(one.reason or "")
        if one.verdict == "rejected" and check is not None and check.passed:
            wronged[one.candidate_id] = check.name
    if not wronged:
        return
    names = list(wronged)
    number = _at_least(case, step, len(names))
    text = (
        f"{step.name} rejected {number} for {list_items(sorted(set(wronged.values())))}, though "
        f"they passed that check{show_examples(names, len(names))}."
    )
    yield notice(step, "rejected_though_passed", text, count=len(names), examples=names)


def _find_excluding_limits(
    step: Step, checked: Iterable[dict[str, _AnyCheck]]
) -> Iterator[Finding]:
    """Two limits on one field that no value can meet at once."""
    limits: dict[str, set[float]] = {}
    known: dict[str, _AnyCheck] = {}
    for checks in checked:
        for check in checks.values():
            if is_number(check.limit):
                limits.setdefault(check.name, set()).add(check.limit)
                known[check.name] = check
    fixed = [known[name] for name, found in limits.items() if len(found) == 1]
    for lower in fixed:
        for upper in fixed:
            if (lower.field or lower.name) != (upper.field or upper.name):
                continue
            if lower.op not in (">", ">=") or upper.op not in ("<", "<="):
                continue
            is_strict = lower.op == ">" or upper.op == "<"
            if lower.limit > upper.limit or (is_strict and lower.limit == upper.limit):
                text = (
                    f"No candidate can pass {step.name}: {lower.field or lower.name} must be "
                    f"{lower.op} {show_value(lower.limit)} ({lower.name}) and {upper.op} "
                    f"{show_value(upper.limit)} ({upper.name}) at once."
                )
                yield notice(step, "limits_exclude", text)
                return


def _find_unchecked(
    case: Case,
    step: Step,
    rows: Sequence[Outline],
    checked: Mapping[Key, dict[str, _AnyCheck]],
) -> Iterator[Finding]:
    """It kept candidates that were not put to a check which most others were put to.

    Of rejected ones it says nothing: a step may stop at the first check that fails.
    """
    kept = [one for one in rows if one.verdict != "rejected"]
    put_to = Counter(name for checks in checked.values() for name in checks)
    for name, count in put_to.most_common():
        if count < _COMMON * len(rows) or name not in step.rejections:
            continue
        spared = [one for one in kept if name not in checked.get(_key(one), {})]
        if not spared or not any(name in checked.get(_key(one), {}) for one in kept):
            continue
        names = [one.candidate_id for one in spared]
        number = _at_least(case, step, len(names))
        verb = "was" if len(names) == 1 else "were"
        text = (
            f"{step.name} kept {number} that {verb} never put to {name}, for which it rejected "
            f"{step.rejections[name].count:,} others{show_examples(names, len(names))}."
        )
        put_to_it = [
            candidate_id for (_, candidate_id), checks in checked.items() if name in checks
        ]
        origin = _tell_common_origin(case, step, names, put_to_it)
        text += origin + _mention_answer(case, names)
        has_answer = not set(case.origins.answer).isdisjoint(names)
        surprise = None if origin else _MEANT_FOR_SOME
        if origin and has_answer:
            surprise = _WITH_ANSWER
        yield notice(step, "unchecked", text, count=len(names), examples=names, surprise=surprise)
        return


def _tell_common_origin(
    case: Case,
    step: Step,
    spared: Iterable[str],
    put_to_it: Iterable[str],
) -> str:
    """What brought all that a check left out, and none of those it was put to."""
    origins = _collect_origins(case, step)
    spared = list(spared)
    common = set.intersection(*(origins.get(name, set()) for name in spared))
    for name in put_to_it:
        common.difference_update(origins.get(name, ()))
    if len(common) != 1:
        return ""
    (origin,) = common
    links = case.origins.links_of(spared[0])
    link = next((one for one in links if one.origin.candidate_id == origin), None)
    named = show_candidate(origin) if link is None else name_origin(link)
    return f" All of them came from {named}."


def _collect_origins(case: Case, step: Step) -> dict[str, set[str]]:
    """What brought each candidate, as *step* or one before it recorded."""
    found: dict[str, set[str]] = {}
    for earlier in case.flow.deciding_steps:
        if earlier.origins and earlier.ordinal <= step.ordinal:
            for one in case.flow.ledger(earlier).outlines:
                found.setdefault(one.candidate_id, set()).update(one.origins)
    return found


def find_in_output(case: Case) -> Iterator[Finding]:
    """Where the run's output names a candidate that the last choice turned down, or nothing."""
    step, answer = case.origins.answering_step, case.origins.answer
    output = case.run.output
    if step is None or not answer or case.run.status != "completed":
        return
    if not isinstance(output, (dict, list, str)):
        return
    values = list(_list_values(output))
    if any(value in answer for value in values):
        return
    chosen = list_items([show_candidate(one) for one in answer])
    ledger = case.flow.ledger(step)
    others = [value for value in dict.fromkeys(values) if value and ledger.has(value)]
    if others:
        told = list_items([show_candidate(one) for one in others])
        text = f"The run's output names {told}, but {step.name} chose {chosen}."
        yield notice(step, "answer_differs", text, count=len(others), examples=others)
    elif isinstance(output, dict) and output and not any(values):
        text = f"The run's output is empty, though {step.name} chose {chosen}."
        yield notice(step, "answer_differs", text, count=len(answer), examples=answer)


def _list_values(value: Any) -> Iterator[str]:
    """The scalars of a free-form value, as text; nothing for null."""
    waiting = [value]
    for _ in range(_MAX_OUTPUT_VALUES):
        if not waiting:
            return
        current = waiting.pop()
        if isinstance(current, dict):
            waiting.extend(current.values())
        elif isinstance(current, list):
            waiting.extend(current)
        elif current is not None:
            yield str(current)
