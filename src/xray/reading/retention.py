"""Retention: what the rules let go, and letting it go."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from msgspec.structs import replace

from xray.errors import ConfigurationError, InvalidQueryError
from xray.model.retention_report import RetentionReport
from xray.model.sayings import say_number_of
from xray.query.retention import Policy, read_policy
from xray.reading.lists import Parameters
from xray.store.expiry import expire, foresee
from xray.store.protocol import Store


def read_rules(text: str) -> Policy:
    """The policy that a question's rules say.

    Raises:
        InvalidQueryError: they cannot be understood.
    """
    try:
        return read_policy(text)
    except ConfigurationError as error:
        raise InvalidQueryError(
            error.detail, hint=error.hint, code=error.code, parameter="rules"
        ) from error


def foresee_retention(
    store: Store, parameters: Parameters, now_us: int, own: str = ""
) -> RetentionReport:
    """What rules of retention would let go now; nothing is deleted.

    Args:
        store: where the runs are.
        parameters: `rules`, where others than its own are asked about.
        now_us: the time.
        own: the rules that hold.

    Raises:
        InvalidQueryError: there is another parameter, or the rules cannot be understood.
    """
    given = dict(parameters)
    unknown = [name for name in given if name != "rules"]
    if unknown:
        raise InvalidQueryError(
            f"There is no parameter {unknown[0][:100]!r} here.",
            hint="There is rules.",
            code="invalid_parameter",
        )
    return foresee(store, read_rules(given.get("rules", own)), now_us)


def let_expire(
    store: Store,
    rules: str,
    now_us: int,
    note: Callable[[Sequence[str]], None] = lambda _: None,
) -> RetentionReport:
    """Delete what rules of retention let go, a bounded number of runs; what is left then.

    Args:
        store: where the runs are.
        rules: the rules.
        now_us: the time.
        note: is told the ids of runs that were deleted.

    Raises:
        InvalidQueryError: the rules cannot be understood.
    """
    policy = read_rules(rules)
    expiry = expire(store, policy, now_us, note=note)
    report = foresee(store, policy, now_us)
    removed = expiry.removed.runs
    did = f"{say_number_of(removed, 'run')} {'was' if removed == 1 else 'were'} deleted; now "
    return replace(
        report,
        answer=did + report.answer,
        removed=removed,
        is_complete=expiry.is_complete,
    )
