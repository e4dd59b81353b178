"""The grounds of one decision in words: its checks, its reason, its own free text."""

from __future__ import annotations

from collections.abc import Iterable

from xray.forensics.wording import list_items, quote_text, show_number, show_value
from xray.model.records import Check, Decision
from xray.model.vocabulary import MISSING_PREFIX, UNNAMED_REASON

_MAX_ATTRIBUTES = 3


def describe_rejection(decision: Decision) -> str:
    """Why *decision* rejected: `price 150 exceeds the limit of 100 by 50 (price_too_high)`.

    Empty when the pipeline gave no reason at all.
    """
    failed = find_failed_check(decision)
    reason = decision.reason or ""
    if failed is not None:
        grounds = describe_check(failed)
        if reason and f" {reason} " not in f" {grounds} ":
            grounds = f"{grounds} ({reason})"
    elif reason.startswith(MISSING_PREFIX):
        grounds = f"it has no {reason[len(MISSING_PREFIX) :]} ({reason})"
    elif decision.is_reason_inferred or reason in ("", UNNAMED_REASON):
        return quote_text(decision.reasoning) if decision.reasoning else ""
    else:
        facts = _list_attributes(decision)
        grounds = f"{reason} ({facts})" if facts else reason
    return f"{grounds}, {quote_text(decision.reasoning)}" if decision.reasoning else grounds


def find_failed_check(decision: Decision) -> Check | None:
    """The failed check the reason names, else the first that failed."""
    failed = [check for check in decision.checks if not check.passed]
    named = [check for check in failed if check.name == decision.reason]
    if decision.reason and failed and not named and decision.reason != UNNAMED_REASON:
        return None
    return next(iter(named or failed), None)


def list_failed_checks(checks: Iterable[Check]) -> str:
    """Every failed check among *checks*, in words."""
    return list_items([describe_check(check) for check in checks if not check.passed])


def describe_check(check: Check) -> str:
    """What a failed *check* found: `rating 2.1 falls short of the minimum of 3.5 by 1.4`."""
    subject = "" if check.field == check.name and check.op is not None else f"{check.field} "
    if check.observed is None:
        return f"it has no {check.field}"
    observed = f"{subject}{show_value(check.observed)}"
    limit = show_value(check.limit)
    by = f" by {show_number(abs(check.margin))}" if check.margin else ""
    if check.op in ("<=", "<", ">=", ">") and check.margin is None:
        return f"{observed} does not meet {check.op} {limit}"
    if check.op in ("<=", "<"):
        if check.margin == 0:
            return f"{observed} is not below {limit}"
        return f"{observed} exceeds the limit of {limit}{by}"
    if check.op in (">=", ">"):
        if check.margin == 0:
            return f"{observed} is not above {limit}"
        return f"{observed} falls short of the minimum of {limit}{by}"
    if check.op == "==":
        return f"{observed} is not {limit}"
    if check.op == "!=":
        return f"{observed} is excluded"
    if check.op == "in":
        return f"{observed} is not among {limit}"
    if check.op == "not in":
        return f"{observed} is among the excluded {limit}"
    return observed if check.limit is None else f"{observed} against {limit}{_state_margin(check)}"


def describe_score(decision: Decision) -> str:
    """The score of *decision*, with its parts where there are several."""
    score = decision.score
    if isinstance(score, dict):
        named = [f"{name} {show_number(value)}" for name, value in score.items()]
        return list_items(named) if named else ""
    return "" if score is None else show_number(score)


def _state_margin(check: Check) -> str:
    if not check.margin:
        return ""
    return f", {show_number(abs(check.margin))} {'over' if check.margin > 0 else 'under'}"


def _list_attributes(decision: Decision) -> str:
    facts = [
        f"{name} {show_value(value)}"
        for name, value in decision.attributes.items()
        if isinstance(value, (str, int, float)) and not isinstance(value, bool)
    ]
    return ", ".join(facts[:_MAX_ATTRIBUTES])
