"""The decisions of one step made again with other limits, from the checks it recorded.

A candidate is kept when it meets every check. Where a rejected candidate would meet the check that
dropped it, and every check that kept candidates went through was evaluated for it, it is surely
kept; where some were not, it may be. Candidates without detail are counted within bounds: by the
roster's verdicts and reasons, and by the sketches of what each check observed.
"""

from __future__ import annotations

import heapq
import math
import sys
from collections.abc import Collection, Iterable, Sequence
from functools import cached_property
from typing import Any, Final

from msgspec import Struct

from xray.forensics.limits import (
    Evidence,
    Limits,
    Move,
    bound_meeting,
    find_move,
    meets,
    meets_all,
    operator_of,
)
from xray.forensics.limits import (
    is_number as is_number,
)
from xray.model.checked import StepCounts
from xray.model.decisions import Outline
from xray.model.operators import ORDERINGS
from xray.model.sketch import CheckSketch, Sketch
from xray.model.values import plain_value
from xray.model.vocabulary import ERROR, MISSING_PREFIX
from xray.model.what_if import Flip, Flips

_MAX_EXAMPLES: Final = 50
_GREATEST: Final = sys.float_info.max


class Redecided(Struct, frozen=True):
    """What a step would have decided.

    Args:
        newly_kept: the candidates it would keep besides.
        newly_dropped: the candidates it would drop besides.
        dropped_ids: those whose ids are known and that it would keep for nobody.
        doubtful_ids: those that it may drop.
        has_skipped: some candidates were not put to every check.
        has_hidden: some candidates have no detail, and may fare otherwise.
        has_silent: the step recorded a check only of candidates that did not meet it.
        is_overruled: the step kept candidates that failed one of the checks.
    """

    newly_kept: Flips
    newly_dropped: Flips
    dropped_ids: frozenset[str]
    doubtful_ids: frozenset[str]
    has_skipped: bool
    has_hidden: bool
    has_silent: bool
    is_overruled: bool


class Threshold(Struct, frozen=True):
    """At which limits of a check rows are kept.

    Args:
        surely: what was observed of those that are kept where it meets the limit.
        maybe: what was observed of those that another check may drop all the same.
        always: how many are kept at any limit.
        silent: how many were kept, and do not tell.
        unproven: how many were rejected, and do not tell.
    """

    surely: list[float]
    maybe: list[float]
    always: int
    silent: int
    unproven: int


class _Tried(Struct, frozen=True, gc=False):
    """A row whose verdict may change.

    Args:
        row: the row.
        checks: its checks whose limits are changed.
        is_sure: whether those checks alone decide.
    """

    row: Outline
    checks: list[Evidence]
    is_sure: bool


class _Bench(Struct, frozen=True):
    """The rows of a step as far as the limits of some checks matter to them.

    Args:
        kept: kept candidates that met all of the checks they were put to.
        silent: how many kept candidates say nothing of a check, by the checks' names.
        freed: candidates that were rejected by one of the checks.
        unproven: how many were rejected by one of the checks without evidence, by its name.
        is_overruled: some were kept although they failed one.
    """

    kept: list[_Tried]
    silent: dict[tuple[str, ...], int]
    freed: list[_Tried]
    unproven: dict[str, int]
    is_overruled: bool


class _Bounds(Struct, frozen=True):
    least: int
    most: int


class _Outcome(Struct, frozen=True):
    kept: list[_Tried]
    maybe_kept: list[_Tried]
    dropped: list[_Tried]
    maybe_dropped: list[_Tried]


class StepEvidence:
    """What is known of the checks of one step.

    Args:
        counts: how many candidates it decided.
        rows: its decisions.
        sketches: what its checks observed over all rows, where rows were sampled.
    """

    def __init__(
        self, counts: StepCounts, rows: Iterable[Outline], sketches: Iterable[CheckSketch] = ()
    ) -> None:
        self.counts = counts
        self.rows = [row for row in rows if row.verdict is not None and not row.is_logged]
        self._sketches = {(one.name, one.passed): one.sketch for one in sketches}
        self._benches: dict[frozenset[str], _Bench] = {}
        self._limits: dict[str, list[Any]] = {}

    @cached_property
    def checks(self) -> dict[str, Evidence]:
        """One check of each name that is more than a note of what was missing."""
        found: dict[str, Evidence] = {}
        for row in self.rows:
            for check in row.checks:
                if check.name not in found and not check.name.startswith(MISSING_PREFIX):
                    found[check.name] = check
        return found

    @property
    def detailed_count(self) -> int:
        """How many of the decisions have a row."""
        return len(self.rows)

    def limits_of(self, name: str) -> list[Any]:
        """The different limits that candidates were held to by the check *name*."""
        limits = self._limits.get(name)
        if limits is not None:
            return limits
        limits = self._limits[name] = []
        last: object = self
        for row in self.rows:
            for check in row.checks:
                if check.name == name and check.limit is not last:
                    last = check.limit
                    if (limit := plain_value(last)) not in limits:
                        limits.append(limit)
        return limits

    def observed_by(self, name: str) -> list[float]:
        """The numbers that the check *name* observed, each once, ascending."""
        observed = {
            check.observed
            for row in self.rows
            for check in row.checks
            if check.name == name and is_number(check.observed) and math.isfinite(check.observed)
        }
        return sorted(observed)

    def sketch(self, name: str, *, passed: bool) -> Sketch | None:
        """What a check observed of all candidates that met it, or of all that did not."""
        return self._sketches.get((name, passed))

    @cached_property
    def _rules(self) -> frozenset[str] | None:
        """The checks that a candidate has to meet; None where nothing tells all of them.

        Those that kept candidates were put to, and whatever else candidates were rejected for: it
        may be what a candidate meets next.
        """
        kept = [row for row in self.rows if row.verdict != "rejected"]
        names = frozenset(check.name for row in kept or self.rows for check in row.checks)
        if kept and not names:
            return None
        others = (one for one in self.counts.reasons if not one.startswith(MISSING_PREFIX))
        return names.union(one for one in others if one != ERROR)

    @cached_property
    def _told_when_met(self) -> frozenset[str]:
        """The checks that were also recorded of candidates that met them."""
        names = {check.name for row in self.rows for check in row.checks if check.passed}
        return frozenset(names.union(name for name, passed in self._sketches if passed))

    @cached_property
    def hidden(self) -> tuple[int, dict[str, int]]:
        """How many candidates without detail were kept, and how many were rejected, by reason."""
        kept = self.counts.kept
        reasons = dict(self.counts.reasons)
        for row in self.rows:
            if row.verdict == "rejected":
                reason = row.reason or ""
                reasons[reason] = reasons.get(reason, 0) - 1
            else:
                kept -= 1
        return max(0, kept), {reason: count for reason, count in reasons.items() if count > 0}

    def redecide(self, limits: Limits) -> Redecided:
        """Make the step's decisions again with other *limits*."""
        bench, outcome = self._find_bench(frozenset(limits)), self._decide(limits)
        silent, unproven = self._bound_unrecorded(bench, limits)
        hidden_kept, hidden_dropped = self._bound_hidden(limits)
        surely, maybe = outcome.dropped, outcome.maybe_dropped
        is_silent = silent > 0 or (self._rules is None and bool(outcome.maybe_kept))
        return Redecided(
            newly_kept=Flips(
                kind="newly_kept",
                least=len(outcome.kept) + hidden_kept.least,
                most=len(outcome.kept) + len(outcome.maybe_kept) + unproven + hidden_kept.most,
                examples=_describe_nearest(outcome.kept, outcome.maybe_kept, limits),
            ),
            newly_dropped=Flips(
                kind="newly_dropped",
                least=len(surely) + hidden_dropped.least,
                most=len(surely) + len(maybe) + silent + hidden_dropped.most,
                examples=_describe_nearest(surely, maybe, limits),
            ),
            dropped_ids=self._find_gone(outcome),
            doubtful_ids=frozenset(one.row.candidate_id for one in maybe),
            has_skipped=bool(outcome.maybe_kept or maybe or unproven) and not is_silent,
            has_hidden=hidden_kept.least < hidden_kept.most
            or hidden_dropped.least < hidden_dropped.most,
            has_silent=is_silent,
            is_overruled=bench.is_overruled,
        )

    def judge(self, limits: Limits, candidate_ids: Collection[str]) -> dict[str, bool | None]:
        """Whether each of some candidates would be kept; None where that is unknown.

        One that was decided for several things is kept where it is kept for one of them.
        """
        names, outcome = frozenset(limits), self._decide(limits)
        groups = (
            (outcome.kept, True),
            (outcome.maybe_kept, None),
            (outcome.dropped, False),
            (outcome.maybe_dropped, None),
        )
        changed = {id(one.row): fate for group, fate in groups for one in group}
        judged: dict[str, bool | None] = {}
        for row in self.rows:
            if row.candidate_id in candidate_ids:
                fate = changed[id(row)] if id(row) in changed else self._stays(row, names)
                before = judged.get(row.candidate_id, False)
                judged[row.candidate_id] = fate or before if fate is not None else before or None
        return judged

    def _stays(self, row: Outline, names: frozenset[str]) -> bool | None:
        """Whether a candidate that no new limit turned is kept as before; None where it may be."""
        failed = {check.name for check in row.checks if not check.passed}
        if row.verdict == "rejected":
            return None if row.reason in names and row.reason not in failed else False
        untold = names - self._told_when_met - {check.name for check in row.checks}
        return None if untold or not names.isdisjoint(failed) else True

    def _find_gone(self, outcome: _Outcome) -> frozenset[str]:
        """The candidates that are kept no more, for whatever they were decided by."""
        if not outcome.dropped:
            return frozenset()
        rows = {id(one.row) for one in outcome.dropped}
        stay = {
            row.candidate_id
            for row in self.rows
            if row.verdict != "rejected" and id(row) not in rows
        }
        stay.update(one.row.candidate_id for one in outcome.kept)
        return frozenset(one.row.candidate_id for one in outcome.dropped) - stay

    def count_kept(self, limits: Limits) -> tuple[int, int]:
        """How many candidates are kept with other *limits*, at least and at most."""
        bench, outcome = self._find_bench(frozenset(limits)), self._decide(limits)
        silent, unproven = self._bound_unrecorded(bench, limits)
        gained, lost = self._bound_hidden(limits)
        kept = self.counts.kept + len(outcome.kept) - len(outcome.dropped)
        least = kept + gained.least - len(outcome.maybe_dropped) - silent - lost.most
        return least, kept + len(outcome.maybe_kept) + unproven + gained.most - lost.least

    def threshold(self, name: str) -> Threshold:
        """At which limits of the check *name* each of the rows is kept."""
        bench = self._find_bench(frozenset((name,)))
        surely: list[float] = []
        maybe: list[float] = []
        silent, unproven = sum(bench.silent.values()), sum(bench.unproven.values())
        for one in bench.kept:
            value = _as_float(one.checks[0].observed) if one.is_sure else None
            if value is None:
                silent += 1
            else:
                surely.append(value)
        always = sum(row.verdict != "rejected" for row in self.rows) - len(surely) - silent
        for one in bench.freed:
            value = _as_float(one.checks[0].observed)
            if value is not None:
                (surely if one.is_sure else maybe).append(value)
            else:
                unproven += meets(one.checks[0].observed, one.checks[0].op, 0) is None
        return Threshold(surely, maybe, always, silent, unproven)

    def _find_bench(self, names: frozenset[str]) -> _Bench:
        bench = self._benches.get(names)
        if bench is None:
            bench = self._benches[names] = self._set_up(names)
        return bench

    def _set_up(self, names: frozenset[str]) -> _Bench:
        bench = _Bench([], {}, [], {}, is_overruled=False)
        is_overruled = False
        unheard = names - self._told_when_met
        rules = self._rules
        for row in self.rows:
            changed = [check for check in row.checks if check.name in names]
            failed = [check.name for check in row.checks if not check.passed]
            if row.verdict == "rejected":
                reason = row.reason or ""
                if reason not in names:
                    continue
                if reason not in failed:
                    bench.unproven[reason] = bench.unproven.get(reason, 0) + 1
                elif names.issuperset(failed):
                    put_to = {check.name for check in row.checks}
                    is_whole = rules is not None and rules <= put_to
                    bench.freed.append(_Tried(row, changed, is_whole))
                continue
            if not names.isdisjoint(failed):
                is_overruled = True
                continue
            if changed:
                bench.kept.append(_Tried(row, changed, not failed))
            if unheard:
                untold = tuple(sorted(unheard.difference(check.name for check in changed)))
                bench.silent[untold] = bench.silent.get(untold, 0) + 1
        return _Bench(bench.kept, bench.silent, bench.freed, bench.unproven, is_overruled)

    def _decide(self, limits: Limits) -> _Outcome:
        bench = self._find_bench(frozenset(limits))
        outcome = _Outcome([], [], [], [])
        for one in bench.kept:
            met = meets_all(one.checks, limits)
            if met is not True:
                is_sure = met is False and one.is_sure
                (outcome.dropped if is_sure else outcome.maybe_dropped).append(one)
        for one in bench.freed:
            met = meets_all(one.checks, limits)
            if met is not False:
                is_sure = met is True and one.is_sure
                (outcome.kept if is_sure else outcome.maybe_kept).append(one)
        return outcome

    def _find_move(self, name: str, limit: Any) -> Move | None:
        """Which way a limit is moved that was one and the same for all; None where it is not."""
        op, before = operator_of(self.checks.get(name)), self.limits_of(name)
        return find_move(op, before[0], limit) if op is not None and len(before) == 1 else None

    def _bound_unrecorded(self, bench: _Bench, limits: Limits) -> tuple[int, int]:
        """How many rows without evidence may be dropped besides, and how many kept."""
        if not bench.silent and not bench.unproven:
            return 0, 0
        moves = {name: self._find_move(name, limit) for name, limit in limits.items()}
        silent = sum(
            count
            for names, count in bench.silent.items()
            if any(moves[name] not in ("looser", "same") for name in names)
        )
        unproven = sum(
            count
            for name, count in bench.unproven.items()
            if moves[name] not in ("tighter", "same")
        )
        return silent, unproven

    def _bound_hidden(self, limits: Limits) -> tuple[_Bounds, _Bounds]:
        """How many candidates without detail are kept, and dropped, besides."""
        kept, reasons = self.hidden
        if not kept and not reasons:
            return _Bounds(0, 0), _Bounds(0, 0)
        most_kept = most_dropped = least_kept = least_dropped = 0
        for name, limit in limits.items():
            waiting = reasons.get(name, 0)
            others = sum(reasons.values()) - waiting
            freed = self._bound_flips(name, limit, was_met=False, default=waiting)
            most_kept += min(waiting, freed.most)
            if self._rules == frozenset((name,)):
                least_kept += max(0, min(waiting, freed.least - others))
            failing = self._bound_flips(name, limit, was_met=True, default=kept)
            most_dropped += min(kept, failing.most)
            least_dropped = max(least_dropped, min(kept, failing.least - others), 0)
        return _Bounds(least_kept, most_kept), _Bounds(least_dropped, min(kept, most_dropped))

    def _bound_flips(self, name: str, limit: Any, *, was_met: bool, default: int) -> _Bounds:
        """How many candidates without detail the other limit of a check tells otherwise."""
        op, sketch = operator_of(self.checks.get(name)), self.sketch(name, passed=was_met)
        if not default or op is None:
            return _Bounds(0, default)
        if sketch is None or op not in ORDERINGS or not is_number(limit):
            unmoved = "looser" if was_met else "tighter"
            is_unmoved = self._find_move(name, limit) in (unmoved, "same")
            return _Bounds(0, 0 if is_unmoved else default)
        least, most = bound_meeting(sketch, op, limit)
        if was_met:
            least, most = sketch.count - most, sketch.count - least
        known = sum(
            one.passed == was_met and meets(one.observed, one.op, limit) != was_met
            for row in self.rows
            for one in row.checks
            if one.name == name and is_number(one.observed) and math.isfinite(one.observed)
        )
        # Of a candidate that was decided twice, the sketch may have both values.
        return _Bounds(
            0 if self.counts.has_repeated else max(0, least - known), max(0, most - known)
        )


def _describe_nearest(
    surely: Sequence[_Tried], maybe: Sequence[_Tried], limits: Limits
) -> list[Flip]:
    """Those nearest to the limit, of which the sure ones come first."""
    if not surely and not maybe:
        return []
    found = heapq.nsmallest(_MAX_EXAMPLES, ((_rank(one, limits), one) for one in surely), _by_rank)
    more = _MAX_EXAMPLES - len(found)
    found += heapq.nsmallest(more, ((_rank(one, limits), one) for one in maybe), _by_rank)
    certain = min(len(surely), _MAX_EXAMPLES)
    return [
        Flip(
            candidate_id=one.row.candidate_id,
            by=one.row.by,
            check=(check := _find_decisive(one, limits)).name,
            observed=plain_value(check.observed),
            certainty="known" if place < certain else "unknown",
        )
        for place, (_, one) in enumerate(found)
    ]


def _by_rank(ranked: tuple[tuple[float, str], _Tried]) -> tuple[float, str]:
    return ranked[0]


def _rank(one: _Tried, limits: Limits) -> tuple[float, str]:
    check = _find_decisive(one, limits)
    limit = limits[check.name]
    has_distance = is_number(check.observed) and is_number(limit)
    distance = abs(check.observed - limit) if has_distance else 0.0
    return (math.inf if math.isnan(distance) else distance), one.row.candidate_id


def _as_float(observed: Any) -> float | None:
    """A recorded number as one that has an end; None for anything else."""
    if not is_number(observed) or observed != observed:
        return None
    return float(max(-_GREATEST, min(_GREATEST, observed)))


def _find_decisive(one: _Tried, limits: Limits) -> Evidence:
    """The first of the checks that comes out otherwise; else the first."""
    for check in one.checks:
        if meets(check.observed, check.op, limits[check.name]) != check.passed:
            return check
    return one.checks[0]
