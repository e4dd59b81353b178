"""The decisions of one step made again with other limits, from the checks it recorded.

A candidate is kept when it meets every check. Where a rejected candidate would meet the check that
dropped it, and every check that kept candidates went through was evaluated for it, it is surely
kept; where some were not, it may be. Candidates without detail are counted within bounds: by the
roster's verdicts and reasons, and by the sketches of what each check observed.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, Final

from msgspec import Struct

from xray.forensics.evidence import Ledger
from xray.model.operators import COMPARE, ORDERINGS
from xray.model.records import Check, Decision
from xray.model.sketch import CheckSketch, Sketch
from xray.model.vocabulary import MISSING_PREFIX, VERDICTS, parse_operator
from xray.model.what_if import Flip, Flips

_MAX_EXAMPLES: Final = 50
Limits = Mapping[str, Any]
"""Other limits, by the name of the check."""


def meets(observed: Any, op: str | None, limit: Any) -> bool:
    """Whether a recorded value meets *limit*; what cannot be compared does not."""
    known = None if op is None else parse_operator(op)
    if observed is None or limit is None or known is None:
        return False
    if isinstance(observed, float) and math.isnan(observed):
        return False
    try:
        return bool(COMPARE[known](observed, limit))
    except TypeError:
        return False


class Redecided(Struct, frozen=True):
    """What a step would have decided.

    Args:
        newly_kept: the candidates it would keep besides.
        newly_dropped: the candidates it would drop besides.
        dropped_ids: those of them whose ids are known.
        has_skipped: some candidates were not put to every check.
        has_hidden: some candidates have no detail, and may fare otherwise.
        is_overruled: the step kept candidates that failed one of the checks.
    """

    newly_kept: Flips
    newly_dropped: Flips
    dropped_ids: frozenset[str]
    has_skipped: bool
    has_hidden: bool
    is_overruled: bool


class StepEvidence:
    """What is known of the checks of one step.

    Args:
        ledger: the step's decisions.
        sketches: what its checks observed over all rows, where rows were sampled.
    """

    def __init__(self, ledger: Ledger, sketches: Sequence[CheckSketch] = ()) -> None:
        self.step = ledger.step
        self._sketches = {(one.name, one.passed): one.sketch for one in sketches}
        self.rows: list[Decision] = [row for row in ledger.rows(VERDICTS) if not row.is_logged]

    @cached_property
    def checks(self) -> dict[str, Check]:
        """One check of each name that has a limit."""
        found: dict[str, Check] = {}
        for row in self.rows:
            for check in row.checks:
                if not check.name.startswith(MISSING_PREFIX):
                    found.setdefault(check.name, check)
        return found

    @cached_property
    def rule_names(self) -> frozenset[str]:
        """The checks that a candidate has to meet: those that the kept ones were put to."""
        kept = [row for row in self.rows if row.decision != "rejected"]
        return frozenset(check.name for row in kept or self.rows for check in row.checks)

    def limits_of(self, name: str) -> list[Any]:
        """The different limits that candidates were held to by the check *name*."""
        limits: list[Any] = []
        for row in self.rows:
            for check in row.checks:
                if check.name == name and check.limit not in limits:
                    limits.append(check.limit)
        return limits

    @cached_property
    def _hidden(self) -> tuple[int, dict[str, int]]:
        """How many candidates without detail were kept, and how many were rejected, by reason."""
        counts = self.step.counts
        kept = counts.accepted + counts.selected
        reasons = {reason: one.count for reason, one in self.step.rejections.items()}
        for row in self.rows:
            if row.decision == "rejected":
                reason = row.reason or ""
                reasons[reason] = reasons.get(reason, 0) - 1
            else:
                kept -= 1
        return max(0, kept), {reason: count for reason, count in reasons.items() if count > 0}

    def redecide(self, limits: Limits) -> Redecided:
        """Make the step's decisions again with other *limits*."""
        kept: list[tuple[float, Flip]] = []
        dropped: list[tuple[float, Flip]] = []
        is_overruled = has_skipped = False
        unproven = 0
        for row in self.rows:
            failed = [check for check in row.checks if not self._holds(check, limits)]
            if row.decision != "rejected":
                is_overruled |= any(not one.passed and one.name in limits for one in row.checks)
                if failed and all(check.passed for check in row.checks):
                    dropped.append(_flip(row, failed[0], limits))
                continue
            freed = [one for one in row.checks if not one.passed and self._holds(one, limits)]
            if not freed:
                # Without evidence nobody knows how near the limit it was.
                unproven += bool(row.reason in limits and not self._has_failed(row))
            elif not failed and row.reason in {one.name for one in freed}:
                is_whole = self.rule_names <= {check.name for check in row.checks}
                has_skipped |= not is_whole
                kept.append(_flip(row, freed[0], limits, is_sure=is_whole))
        least_kept = sum(flip.certainty == "known" for _, flip in kept)
        hidden_kept, hidden_dropped = self._bound_hidden(limits)
        return Redecided(
            newly_kept=Flips(
                kind="newly_kept",
                least=least_kept + hidden_kept[0],
                most=len(kept) + unproven + hidden_kept[1],
                examples=_nearest(kept),
            ),
            newly_dropped=Flips(
                kind="newly_dropped",
                least=len(dropped) + hidden_dropped[0],
                most=len(dropped) + hidden_dropped[1],
                examples=_nearest(dropped),
            ),
            dropped_ids=frozenset(flip.candidate_id for _, flip in dropped),
            has_skipped=has_skipped or bool(unproven),
            has_hidden=hidden_kept[0] < hidden_kept[1] or hidden_dropped[0] < hidden_dropped[1],
            is_overruled=is_overruled,
        )

    @staticmethod
    def _holds(check: Check, limits: Limits) -> bool:
        if check.name not in limits:
            return check.passed
        return meets(check.observed, check.op, limits[check.name])

    @staticmethod
    def _has_failed(row: Decision) -> bool:
        return any(check.name == row.reason and not check.passed for check in row.checks)

    def _bound_hidden(self, limits: Limits) -> tuple[tuple[int, int], tuple[int, int]]:
        """How many candidates without detail are kept, and dropped, besides: least and most."""
        kept, reasons = self._hidden
        most_kept = most_dropped = least_kept = least_dropped = 0
        for name, limit in limits.items():
            waiting = reasons.get(name, 0)
            others = sum(reasons.values()) - waiting
            freed = self._bound_flips(name, limit, was_met=False, default=waiting)
            most_kept += min(waiting, freed[1])
            if self.rule_names == {name}:
                least_kept += max(0, min(waiting, freed[0] - others))
            failing = self._bound_flips(name, limit, was_met=True, default=kept)
            most_dropped += min(kept, failing[1])
            least_dropped = max(least_dropped, min(kept, failing[0] - others), 0)
        return (least_kept, most_kept), (least_dropped, min(kept, most_dropped))

    def _bound_flips(
        self, name: str, limit: Any, *, was_met: bool, default: int
    ) -> tuple[int, int]:
        """How many candidates without detail the other limit of a check tells otherwise."""
        check, sketch = self.checks.get(name), self._sketches.get((name, was_met))
        if not default or check is None:
            return 0, default
        if sketch is None or check.op not in ORDERINGS or not is_number(limit):
            return 0, default
        least, most = _bound_meeting(sketch, check.op, limit)
        if was_met:
            least, most = sketch.count - most, sketch.count - least
        known = sum(
            one.passed == was_met and meets(one.observed, one.op, limit) != was_met
            for row in self.rows
            for one in row.checks
            if one.name == name
        )
        return max(0, least - known), max(0, most - known)


def _bound_meeting(sketch: Sketch, op: str, limit: float) -> tuple[int, int]:
    """How many of the values meet *limit*, at least and at most."""
    least, most = sketch.bound_below(limit, is_included=op in ("<=", ">"))
    return (least, most) if op in ("<", "<=") else (sketch.count - most, sketch.count - least)


def is_number(value: object) -> bool:
    """Whether a recorded value is a number, and no truth value."""
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _flip(
    row: Decision, check: Check, limits: Limits, *, is_sure: bool = True
) -> tuple[float, Flip]:
    limit = limits.get(check.name, check.limit)
    has_distance = is_number(check.observed) and is_number(limit)
    distance = abs(check.observed - limit) if has_distance else 0.0
    return distance, Flip(
        candidate_id=row.candidate_id,
        by=row.by,
        check=check.name,
        observed=check.observed,
        certainty="known" if is_sure else "unknown",
    )


def _nearest(flips: list[tuple[float, Flip]]) -> list[Flip]:
    ordered = sorted(flips, key=lambda one: (one[0], one[1].candidate_id))
    return [flip for _, flip in ordered[:_MAX_EXAMPLES]]
