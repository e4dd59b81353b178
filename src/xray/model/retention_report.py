"""What is kept, and what is let go: the answer of `xray retention`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from msgspec import Struct

from xray.model.sayings import say_bytes, say_number_of


class RetentionRule(Struct, frozen=True, kw_only=True):
    """One rule, and the runs it lets go.

    Args:
        rule: the rule as it was written.
        runs: how many stored runs it does not keep any longer.
        oldest: when the first of them began; None without any.
    """

    rule: str
    runs: int
    oldest: datetime | None = None


class RetentionRequest(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is to be let go.

    Args:
        rules: the rules; those that the server was given when absent.
    """

    rules: str | None = None


class RetentionReport(Struct, frozen=True, kw_only=True):
    """What the rules of retention let go.

    Args:
        answer: one sentence.
        rules: each rule; of a run the first that is about it decides.
        runs: how many runs are stored.
        expired: how many of them the rules let go.
        size_bytes: what the store takes on disk; None where there is none.
        max_bytes: what it may take; None for any size.
        removed: how many were deleted by this call.
        is_complete: false where a call deleted some and left others for the next.
    """

    answer: str
    rules: list[RetentionRule]
    runs: int
    expired: int
    size_bytes: int | None = None
    max_bytes: int | None = None
    removed: int = 0
    is_complete: bool = True


def say_retention(
    rules: Sequence[RetentionRule], runs: int, size_bytes: int | None, max_bytes: int | None
) -> str:
    """In one sentence what the rules let go."""
    takes = "" if size_bytes is None else f" and take{'s' * (runs == 1)} {say_bytes(size_bytes)}"
    stored = f"{say_number_of(runs, 'run')} {'is' if runs == 1 else 'are'} stored{takes}"
    if not rules and max_bytes is None:
        return f"{stored}; all are kept for ever, as no rule of retention is set."
    expired = sum(rule.runs for rule in rules)
    told = f"{expired:,} {'is' if expired == 1 else 'are'} older than the rules keep"
    if max_bytes is None:
        return f"{stored}; {told}."
    is_large = size_bytes is not None and size_bytes > max_bytes
    bound = f"{say_bytes(max_bytes)} {'is exceeded' if is_large else 'is not reached'}"
    return f"{stored}; {told}, and the bound of {bound}."
