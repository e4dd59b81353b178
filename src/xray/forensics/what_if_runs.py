"""What many runs would have decided with other limits: each is judged by itself and added up."""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from operator import add
from types import MappingProxyType
from typing import Any, Final, get_args

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from xray.forensics.attempts import number_attempts
from xray.forensics.labelled_limits import weigh_labels
from xray.forensics.limits import Evidence, Limits, is_number, operator_of, read_limit
from xray.forensics.redeciding import Redecided, StepEvidence
from xray.forensics.what_if import find_readers, refuse_ambiguous
from xray.model.checked import CheckedRun, CheckedStep
from xray.model.clock import from_wall_us
from xray.model.label_totals import LabelTotals
from xray.model.limit_totals import (
    MAX_CHECKS,
    MAX_LIMITS,
    Count,
    Curve,
    Extent,
    GroupKey,
    GroupTotals,
    Totals,
    choose_examples,
    in_units,
    merge_sketches,
)
from xray.model.operators import ORDERINGS
from xray.model.sketch import Sketch, sketch_values
from xray.model.vocabulary import MISSING_PREFIX, LabelWord
from xray.model.what_if import Flip
from xray.model.what_if_runs import Blindness, Doubt, RunChange
from xray.query.plan import Plan
from xray.store.protocol import Store

_MAX_FLIPS: Final = 3
_SORTED_EXAMPLES: Final = 500
_MAX_LISTED_RUNS: Final = 5
_MAX_ANSWERS: Final = 5
_FLUSHED: Final = 16_384


class _Tried(Struct, frozen=True):
    """A step with other limits."""

    step: CheckedStep
    evidence: StepEvidence
    limits: Limits
    redecided: Redecided


class LimitTrial:
    """Adds up what runs would have decided with other limits.

    Args:
        limits: other limits by the name of a check, or by its field where only one check reads it.
        labels: those of candidates, by run, for what the limits do to them.
    """

    def __init__(
        self,
        limits: Mapping[str, Any],
        labels: Mapping[str, Mapping[str, LabelWord]] = MappingProxyType({}),
    ) -> None:
        self._limits = limits
        self._labels = labels
        self._asked = msgspec.json.encode(limits).decode()
        self._sums: dict[str, list[int]] = {}
        self._examples: list[RunChange] = []
        self._groups: dict[GroupKey, _Group] = {}

    @property
    def words(self) -> frozenset[str]:
        """The checks that are asked for, by name or field."""
        return frozenset(self._limits)

    def add(self, run: CheckedRun) -> None:
        """Judge *run*, and add it up.

        Raises:
            InvalidQueryError: several of its checks read what is asked for.
        """
        current = run.steps
        if any(step.status == "failed" or step.attempt > 1 for step in current):
            current = number_attempts(current).current
        known = {
            step.step_id: StepEvidence(step.checks.counts, step.checks.rows, step.checks.sketches)
            for step in current
            if step.checks is not None
        }
        found = {one.name: one for step in known.values() for one in step.checks.values()}
        names = self._recognize(found)
        tried: list[_Tried] = []
        is_comparable = True
        for step in current:
            evidence = known.get(step.step_id)
            if evidence is None:
                continue
            own: dict[str, Any] = {}
            for name, limit in names.items():
                check = evidence.checks.get(name)
                try:
                    if check is not None:
                        own[name] = read_limit(check, limit)
                except ValueError:
                    is_comparable = False
            if own:
                tried.append(_Tried(step, evidence, own, evidence.redecide(own)))
        sums = _RunSums(self._sums, in_units(run.weight))
        sums.add("runs", 1)
        if tried:
            self._count(run, current, tried, sums)
        else:
            sums.add(_explain(current, is_comparable=is_comparable, has_named=bool(known)), 1)

    def totals(self) -> Totals:
        """The sums so far."""
        found = {name: Count(stored, units) for name, (stored, units) in self._sums.items()}

        def extent(name: str) -> Extent:
            return Extent(*(found.get(f"{name}.{end}", Count()) for end in ("least", "most")))

        return Totals(
            limits=self._asked,
            runs=found.get("runs", Count()),
            judged=found.get("judged", Count()),
            exact=found.get("exact", Count()),
            unjudged={why: found[why] for why in get_args(Blindness) if why in found},
            doubts={why: found[why] for why in get_args(Doubt) if why in found},
            kept=found.get("kept", Count()),
            newly_kept=extent("newly_kept"),
            keeping=extent("keeping"),
            newly_dropped=extent("newly_dropped"),
            dropping=extent("dropping"),
            touched=extent("touched"),
            examples=choose_examples(self._examples),
        ) + Totals(
            limits=self._asked,
            groups={key: group.totals() for key, group in self._groups.items()},
        )

    def _recognize(self, checks: Mapping[str, Evidence]) -> dict[str, Any]:
        names: dict[str, Any] = {}
        for name, limit in self._limits.items():
            readers = find_readers(name, checks)
            if len(readers) > 1:
                raise refuse_ambiguous(name, readers)
            names.update(dict.fromkeys(readers, limit))
        return names

    def _count(
        self,
        run: CheckedRun,
        current: Sequence[CheckedStep],
        tried: list[_Tried],
        sums: _RunSums,
    ) -> None:
        for each in tried:
            key = _key(run, each)
            group = self._groups.get(key)
            if group is None:
                group = self._groups[key] = _Group(key)
            group.add(each)
            words = self._labels.get(run.run_id)
            if words:
                group.labelled += _weigh(each, words)
        kept = sum(each.evidence.counts.kept for each in tried)
        gained = [each.redecided.newly_kept for each in tried]
        lost = [each.redecided.newly_dropped for each in tried]
        gains = (sum(flips.least for flips in gained), sum(flips.most for flips in gained))
        losses = (sum(flips.least for flips in lost), sum(flips.most for flips in lost))
        answers: list[str] = []
        touched = (False, False)
        if losses[1]:
            answers, touched = _find_touched(run, current, tried)
        doubts = _find_doubts(tried)
        for doubt in doubts or ["exact"]:
            sums.add(doubt, 1)
        sums.add("judged", 1)
        sums.add("kept", kept)
        for name, among, ends in (
            ("newly_kept", "keeping", gains),
            ("newly_dropped", "dropping", losses),
        ):
            sums.add_ends(name, ends)
            sums.add_ends(among, (ends[0] > 0, ends[1] > 0))
        sums.add_ends("touched", touched)
        if gains[1] or losses[1]:
            flips = [flip for group in (*gained, *lost) for flip in group.examples]
            self._examples.append(_describe(run, kept, gains, losses, answers, flips))
            if len(self._examples) >= _SORTED_EXAMPLES:
                self._examples = choose_examples(self._examples)


def _weigh(each: _Tried, words: Mapping[str, LabelWord]) -> LabelTotals:
    """What the limits do to labelled candidates; of those without a row nothing can be told."""
    evidence = each.evidence
    kept, reasons = evidence.hidden
    hidden: set[str] = set()
    if kept or reasons:
        hidden = set(words) - {row.candidate_id for row in evidence.rows}
    return weigh_labels(evidence, each.limits, words, hidden)


class _RunSums:
    """Adds what is counted of one run to the sums over all."""

    def __init__(self, sums: dict[str, list[int]], units: int) -> None:
        self._sums = sums
        self._units = units

    def add(self, name: str, number: int) -> None:
        if number:
            sums = self._sums.setdefault(name, [0, 0])
            sums[0] += number
            sums[1] += number * self._units

    def add_ends(self, name: str, ends: tuple[int, int]) -> None:
        self.add(f"{name}.least", ends[0])
        self.add(f"{name}.most", ends[1])


def list_checks(store: Store, plan: Plan, totals: Totals) -> Totals:
    """What the newest runs of *plan* checked, to be added to *totals* where none was judged."""
    names: set[str] = set()
    for run in store.runs(replace(plan, limit=_MAX_LISTED_RUNS)).items:
        for step in store.steps_of_run(run.run_id, is_sampled=False):
            for column in store.decisions_of_step(step.step_id).checks:
                names.update(one.name for one in column)
                names.update(one.field for one in column if one.field)
        if names:
            break
    kept = sorted(one for one in names if not one.startswith(MISSING_PREFIX))
    return Totals(limits=totals.limits, checks=frozenset(kept[:MAX_CHECKS]))


def _explain(steps: Sequence[CheckedStep], *, is_comparable: bool, has_named: bool) -> Blindness:
    if not is_comparable:
        return "not_comparable"
    if has_named:
        return "no_evidence"
    return "not_kept" if any(step.is_bare for step in steps) else "no_such_check"


def _find_doubts(tried: list[_Tried]) -> list[str]:
    found = [each.redecided for each in tried]
    doubts = {
        "skipped": any(one.has_skipped for one in found),
        "hidden": any(one.has_hidden for one in found),
        "silent": any(one.has_silent for one in found),
        "overruled": any(one.is_overruled for one in found),
    }
    return [name for name, holds in doubts.items() if holds]


def _find_touched(
    run: CheckedRun, current: Sequence[CheckedStep], tried: list[_Tried]
) -> tuple[list[str], tuple[bool, bool]]:
    """The candidates of the answer that a step would drop, and whether it surely or maybe does."""
    answer = _find_answer(run, current)
    lost: dict[str, None] = {}
    is_possible = False
    for each in tried:
        redecided = each.redecided
        lost.update(dict.fromkeys(one for one in answer if one in redecided.dropped_ids))
        if not redecided.doubtful_ids.isdisjoint(answer):
            is_possible = True
        elif redecided.has_silent or redecided.has_hidden:
            named = len(redecided.dropped_ids) + len(redecided.doubtful_ids)
            is_possible |= redecided.newly_dropped.most > named and _may_be_open(each, answer)
    return list(lost)[:_MAX_ANSWERS], (bool(lost), bool(lost) or is_possible)


def _may_be_open(each: _Tried, answer: list[str]) -> bool:
    """Whether a step may drop one of *answer* of which it does not tell what was observed."""
    told: set[str] = set()
    silent: set[str] = set()
    for row in each.evidence.rows:
        is_told = row.verdict == "rejected" or any(one.name in each.limits for one in row.checks)
        (told if is_told else silent).add(row.candidate_id)
    if each.redecided.has_silent and not silent.isdisjoint(answer):
        return True
    return each.redecided.has_hidden and not told.union(silent).issuperset(answer)


def _find_answer(run: CheckedRun, current: Sequence[CheckedStep]) -> list[str]:
    """What the last step chose that chose among candidates."""
    for place in range(len(current) - 1, -1, -1):
        step = current[place]
        if step.step_type == "retrieve" or (step.step_type == "generate" and not place):
            continue
        selected = run.find_selected(step.step_id)
        if selected:
            return list(selected)
    return []


def _describe(
    run: CheckedRun,
    kept: int,
    gains: tuple[int, int],
    losses: tuple[int, int],
    answers: list[str],
    flips: list[Flip],
) -> RunChange:
    flips.sort(key=lambda flip: flip.certainty != "known")
    return RunChange(
        run_id=run.run_id,
        pipeline=run.pipeline,
        started_at=from_wall_us(run.started_at_us),
        kept=kept,
        newly_kept_least=gains[0],
        newly_kept_most=gains[1],
        newly_dropped_least=losses[0],
        newly_dropped_most=losses[1],
        lost_answers=answers,
        flips=flips[:_MAX_FLIPS],
    )


def _key(run: CheckedRun, each: _Tried) -> GroupKey:
    checks = []
    for name, limit in each.limits.items():
        check = each.evidence.checks[name]
        now = msgspec.json.encode(limit).decode()
        checks.append((name, check.field or name, operator_of(check) or "", now))
    return GroupKey(run.pipeline, each.step.name, each.step.step_type, tuple(checks))


class _Recorded:
    """The limits that a check was recorded with, as JSON: the first few in order."""

    def __init__(self) -> None:
        self.last: list[Any] = []
        self.limits: list[str] = []
        self.has_more = False

    def note(self, limits: list[Any]) -> None:
        self.last = limits
        found = sorted({*self.limits, *(msgspec.json.encode(one).decode() for one in limits)})
        self.limits = found[:MAX_LIMITS]
        self.has_more |= len(found) > MAX_LIMITS


class _Group:
    """Sums over the steps of one name, and what their checks observed."""

    def __init__(self, key: GroupKey) -> None:
        self._counted: tuple[int, ...] = (0,) * 6
        self.labelled = LabelTotals()
        self._was = [_Recorded() for _ in key.checks]
        self._names = [check[0] for check in key.checks]
        name, _, op, now = key.checks[0]
        limit = msgspec.json.decode(now)
        has_curve = len(key.checks) == 1 and op in ORDERINGS and is_number(limit)
        self._name = name if has_curve else None
        self._curve = Curve()
        self._values = (array("d"), array("d"))
        self._sketches: list[Sketch | None] = [None, None]

    def add(self, each: _Tried) -> None:
        evidence, redecided = each.evidence, each.redecided
        for name, was in zip(self._names, self._was, strict=True):
            limits = evidence.limits_of(name)
            if limits != was.last:
                was.note(limits)
        kept, dropped = redecided.newly_kept, redecided.newly_dropped
        counted = (
            1,
            evidence.counts.kept,
            kept.least,
            kept.most,
            dropped.least,
            dropped.most,
        )
        self._counted = tuple(map(add, self._counted, counted))
        if self._name is not None:
            self._draw(self._name, evidence)

    def totals(self) -> GroupTotals:
        steps, kept, *ends = self._counted
        sums = GroupTotals(
            steps=steps,
            kept=kept,
            newly_kept=(ends[0], ends[1]),
            newly_dropped=(ends[2], ends[3]),
            was=tuple(frozenset(one.limits) for one in self._was),
            has_more_limits=any(one.has_more for one in self._was),
            labelled=self.labelled,
        )
        if self._name is None:
            return sums
        for place in (0, 1):
            self._flush(place)
        own = Curve(surely=self._sketches[0], maybe=self._sketches[1])
        return sums + GroupTotals(curve=self._curve + own)

    def _draw(self, name: str, evidence: StepEvidence) -> None:
        if any(evidence.hidden):
            self._curve = self._curve + _bound_curve(name, evidence)
            return
        found = evidence.threshold(name)
        for place, values in enumerate((found.surely, found.maybe)):
            self._values[place].extend(values)
            if len(self._values[place]) >= _FLUSHED:
                self._flush(place)
        if found.always or found.silent or found.unproven:
            self._curve = self._curve + Curve(found.always, found.silent, found.unproven)

    def _flush(self, place: int) -> None:
        values = self._values[place]
        if values:
            self._sketches[place] = merge_sketches(self._sketches[place], sketch_values(values))
            del values[:]


def _bound_curve(name: str, evidence: StepEvidence) -> Curve:
    """What is known of a step whose rows were sampled: the sketches of what its check observed."""
    counts = evidence.counts
    waiting = counts.reasons.get(name, 0)
    met, failed = (evidence.sketch(name, passed=passed) for passed in (True, False))
    return Curve(
        silent=counts.kept if met is None else 0,
        unproven=waiting if failed is None else 0,
        kept=0 if met is None else counts.kept,
        waiting=0 if failed is None else waiting,
        others=0 if met is None else sum(counts.reasons.values()) - waiting,
        met=met,
        failed=failed,
    )
