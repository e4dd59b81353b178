"""Verdicts that contradict the evidence recorded with them, and an output that contradicts both."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
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
Checks = Mapping[str, _AnyCheck]
_Put = tuple[Outline, Checks]
"""A row with the checks that its candidate was put to, by name."""
_NO_CHECKS: Final[Checks] = {}
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
    ledger = case.flow.ledger(step)
    rows = [one for one in ledger.outlines if one.verdict is not None]
    if not any(one.checks for one in rows):
        return
    checked = [last_checks(one) if one.checks else _NO_CHECKS for one in rows]
    each = [checks for checks in checked if checks]
    if not ledger.is_single:
        by_key = {_key(one): own for one, own in zip(rows, checked, strict=True) if own}
        checked = [by_key.get(_key(one), _NO_CHECKS) for one in rows]
        each = list(by_key.values())
    put = list(zip(rows, checked, strict=True))
    yield from _find_kept_though_failed(case, step, put)
    yield from _find_rejected_though_passed(case, step, put)
    yield from _find_excluding_limits(step, each)
    yield from _find_unchecked(case, step, put, Counter(chain.from_iterable(each)))


def _key(row: Outline) -> Key:
    return row.by, row.candidate_id


def last_checks(row: Outline) -> Checks:
    """The checks of a candidate by name; of one made twice the last."""
    return {check.name: check for check in row.checks}


def _list_failed(checks: Checks) -> set[str]:
    return {check.name for check in checks.values() if not check.passed}


def _find_kept_though_failed(case: Case, step: Step, put: Sequence[_Put]) -> Iterator[Finding]:
    """It kept candidates that failed a check for which it rejected others.

    A check for which nobody is rejected only advises. Where each check is failed by some that were
    kept, and nobody is rejected for one alone, passing most of them may be all it takes.
    """
    kept = ((one, _list_failed(own)) for one, own in put if own and one.verdict != "rejected")
    wrong = [(one, missed) for one, missed in kept if not missed.isdisjoint(step.rejections)]
    if not wrong:
        return
    names = [one.candidate_id for one, _ in wrong]
    failures = Counter(check for _, missed in wrong for check in missed & step.rejections.keys())
    dropped_for = [_list_failed(own) for one, own in put if one.verdict == "rejected"]
    alone = {check for checks in dropped_for if len(checks) == 1 for check in checks}
    known = set[str]().union(*(_list_failed(own) for _, own in put))
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


def _find_rejected_though_passed(case: Case, step: Step, put: Iterable[_Put]) -> Iterator[Finding]:
    wronged = {
        one.candidate_id: check.name
        for one, own in put
        if own
        and one.verdict == "rejected"
        and (check := own.get(one.reason or "")) is not None
        and check.passed
    }
    if not wronged:
        return
    names = list(wronged)
    number = _at_least(case, step, len(names))
    text = (
        f"{step.name} rejected {number} for {list_items(sorted(set(wronged.values())))}, though "
        f"they passed that check{show_examples(names, len(names))}."
    )
    yield notice(step, "rejected_though_passed", text, count=len(names), examples=names)


def _find_excluding_limits(step: Step, checked: Iterable[Checks]) -> Iterator[Finding]:
    """Two limits on one field that no value can meet at once."""
    limits: dict[str, set[float]] = {}
    known: dict[str, _AnyCheck] = {}
    for checks in checked:
        for check in checks.values():
            last = known.get(check.name)
            if is_number(check.limit) and (last is None or last.limit != check.limit):
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
    put: Sequence[_Put],
    put_to: Counter[str],
) -> Iterator[Finding]:
    """It kept candidates that were not put to a check which most others were put to.

    Of rejected ones it says nothing: a step may stop at the first check that fails.
    """
    kept = [(one, own) for one, own in put if one.verdict != "rejected"]
    for name, count in put_to.most_common():
        if count < _COMMON * len(put) or name not in step.rejections:
            continue
        names = [one.candidate_id for one, own in kept if name not in own]
        if not names or len(names) == len(kept):
            continue
        number = _at_least(case, step, len(names))
        verb = "was" if len(names) == 1 else "were"
        text = (
            f"{step.name} kept {number} that {verb} never put to {name}, for which it rejected "
            f"{step.rejections[name].count:,} others{show_examples(names, len(names))}."
        )
        put_to_it = [one.candidate_id for one, own in put if name in own]
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
            ledger = case.flow.ledger(earlier)
            names, origins = ledger.table.candidate_ids, ledger.table.origins
            for at in ledger.shown:
                found.setdefault(names[at], set()).update(origins[at])
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
