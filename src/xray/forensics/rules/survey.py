"""Adds up over runs what their steps tell of their rules, in bounded memory."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from xray.forensics.attempts import number_attempts
from xray.forensics.groups.samples import Example, Sample, Share
from xray.forensics.rules.amounts import Amount
from xray.forensics.rules.outcomes import Held, Pattern, StepOutcomes, is_rule
from xray.forensics.rules.rule_fold import BEFORE, SINCE, Era, RuleFold, Span
from xray.model.checked import CheckedRun
from xray.model.rules import RuleExample
from xray.model.vocabulary import StepType

MAX_STEPS: Final = 200
MAX_RULES: Final = 64
MAX_PATTERNS: Final = 2_048
MAX_ERAS: Final = 64
_MAX_EXAMPLES: Final = 2


class StepFold:
    """The rules of the steps of one name, over runs."""

    def __init__(self) -> None:
        self.runs = Share()
        self.decided = 0
        self.decided_weight = 0.0
        self.rules: dict[str, RuleFold] = {}
        self.eras: dict[Era, Span] = {}
        self.patterns: dict[Pattern, Held] = {}
        self.pairs: dict[tuple[str, str], list[int]] = {}
        """Of two rules: runs that put some to both which the first fails; those where only it."""
        self.is_cut = False
        self.lost = 0
        """Candidates whose pattern is not kept apart."""

    def add(self, run: CheckedRun, era: Era, steps: Sequence[StepOutcomes]) -> None:
        """Count the steps of this name that *run* has."""
        decided = sum(step.decided for step in steps)
        self.decided += decided
        self.decided_weight += decided * run.weight
        self.runs.add(run.weight)
        if era in self.eras or len(self.eras) < MAX_ERAS:
            self.eras.setdefault(era, Span()).add(run)
        else:
            self.is_cut = True
        kills: dict[str, int] = {}
        for step in steps:
            self._add_patterns(run, step)
            for name in step.rules:
                if self._find(name) is not None:
                    kills[name] = kills.get(name, 0) + step.reasons.get(name, 0)
        example = (run.run_id, steps[-1].step.step_id)
        self._count_outcomes(run, era, steps, example)
        self._count_pairs(steps)
        for name, count in kills.items():
            self._count_kills(name, count, decided, run, era, example)

    def _count_kills(
        self, name: str, count: int, decided: int, run: CheckedRun, era: Era, example: Example
    ) -> None:
        rule = self.rules[name]
        rule.kills += count
        rule.killed_weight += count * run.weight
        if count:
            rule.killing.add(run.weight)
        if era in self.eras:
            rule.present.setdefault(era, Share()).add(run.weight)
            if count:
                shares = rule.kill_shares.setdefault(era, Sample(rest=0.0))
                shares.add(count / decided, run.weight, example)

    def _count_outcomes(
        self, run: CheckedRun, era: Era, steps: Sequence[StepOutcomes], example: Example
    ) -> None:
        found: dict[str, list[_Outcomes]] = {}
        for step in steps:
            for name in step.rules & self.rules.keys():
                counted = _count_rule(self.rules[name], name, run, step)
                found.setdefault(name, []).append(counted)
        for name, counts in found.items():
            rule = self.rules[name]
            asked, failed = sum(one.asked for one in counts), sum(one.failed for one in counts)
            if asked:
                rule.asking.add(run.weight)
            rule.has_gaps |= not all(one.is_exact for one in counts)
            if asked and not rule.has_gaps and era in self.eras:
                shares = rule.fail_shares.setdefault(era, Sample())
                shares.add(failed / asked, run.weight, example)

    def _count_pairs(self, steps: Sequence[StepOutcomes]) -> None:
        pairs: dict[tuple[str, str], bool] = {}
        for step in steps:
            _note_pairs(step, pairs)
        for pair, has_only in pairs.items():
            counted = self.pairs.setdefault(pair, [0, 0])
            counted[0] += 1
            counted[1] += has_only

    def _find(self, name: str) -> RuleFold | None:
        rule = self.rules.get(name)
        if rule is None:
            if len(self.rules) >= MAX_RULES:
                self.is_cut = True
                return None
            rule = self.rules[name] = RuleFold()
        return rule

    def _add_patterns(self, run: CheckedRun, step: StepOutcomes) -> None:
        for pattern, held in step.patterns.items():
            known = self.patterns.get(pattern)
            if known is None:
                if len(self.patterns) >= MAX_PATTERNS:
                    self.is_cut = True
                    self.lost += held.exact + round(held.weight)
                    continue
                known = self.patterns[pattern] = Held()
            known.merge(held)
            self._note_examples(run, step, pattern, held.example)

    def _note_examples(
        self, run: CheckedRun, step: StepOutcomes, pattern: Pattern, candidate_id: str
    ) -> None:
        if pattern.reason is None:
            named = [(name, "overruled") for name in pattern.failed if is_rule(name)]
        elif is_rule(pattern.reason):
            is_alone = len(pattern.failed) == 1 and pattern.is_whole
            named = [(pattern.reason, "alone" if is_alone else "killed")]
        else:
            named = []
        named += [(name, "lacking") for name in pattern.missing]
        for name, kind in named:
            rule = self._find(name)
            found: list[RuleExample] = [] if rule is None else getattr(rule, kind)
            if rule is not None and len(found) < _MAX_EXAMPLES:
                found.append(
                    RuleExample(
                        run_id=run.run_id, step_id=step.step.step_id, candidate_id=candidate_id
                    )
                )


class _Outcomes(NamedTuple):
    """How many candidates of a step were put to a rule, and how many of them failed it."""

    asked: int
    failed: int
    is_exact: bool


def _count_rule(rule: RuleFold, name: str, run: CheckedRun, step: StepOutcomes) -> _Outcomes:
    """Count what *step* tells of a rule."""
    kills = step.reasons.get(name, 0)
    rejected = step.decided - step.kept
    if step.is_bare:
        rule.evaluated.add(kills)
        rule.evaluated.add_unknown(step.decided - kills)
        rule.failed.add(kills)
        rule.failed.add_unknown(rejected - kills)
        return _Outcomes(kills, kills, is_exact=False)
    asked, failed, missing = _Rows(), _Rows(), _Rows()
    for pattern, held in step.patterns.items():
        asked.add(held, has=name in pattern.asked and name not in pattern.missing)
        missing.add(held, has=name in pattern.missing)
        if pattern.reason != name:
            failed.add(held, has=name in pattern.failed)
        rule.is_told |= name in pattern.asked and name not in pattern.failed
    hidden = max(0, step.decided - step.rowed - round(asked.weight))
    column, sketches = step.columns.get(name), step.sketches(name)
    if column is not None:
        rule.note_limits(run, column)
        rule.note_nearest(run.run_id, step.step.step_id, column)
    missing.tell(rule.missing, hidden)
    if sketches is None:
        asked.tell(rule.evaluated, hidden)
        # Every kill failed it, sampled or not.
        rule.failed.add(kills)
        failed.tell(rule.failed, hidden)
        rule.merge_values(column, None, step.decided - step.rowed)
        return _Outcomes(
            asked.exact + asked.hits,
            kills + failed.exact + failed.hits,
            is_exact=step.is_whole,
        )
    counts = [0 if one is None else one.count for one in sketches]
    rule.is_told |= counts[1] > 0
    # Of a candidate that was decided twice, both values are in a sketch.
    for amount, count, least in (
        (rule.evaluated, sum(counts), asked.exact + asked.hits),
        (rule.failed, counts[0], max(kills, failed.exact + failed.hits)),
    ):
        surely = min(least, count) if step.has_repeated else count
        amount.add(surely)
        amount.add_unknown(count - surely)
    rule.merge_values(column, sketches, 0)
    return _Outcomes(sum(counts), counts[0], is_exact=not step.has_repeated)


class _Rows:
    """The rows of a step for which something holds, beside the others."""

    def __init__(self) -> None:
        self.exact = self.hits = self.others = 0
        self.hit_weight = self.weight = 0.0
        self._heaviest = 1.0

    def add(self, held: Held, *, has: bool) -> None:
        self.weight += held.weight
        self._heaviest = max(self._heaviest, held.heaviest)
        if has:
            self.exact += held.exact
            self.hits += held.drawn
            self.hit_weight += held.weight
        else:
            self.others += held.drawn

    def tell(self, amount: Amount, hidden: int) -> None:
        amount.add(self.exact)
        if self.weight:
            rest = self.weight - self.hit_weight
            amount.add_drawn(self.hit_weight, self.hits, rest, self.others, self._heaviest)
        amount.add_unknown(hidden)


def _note_pairs(step: StepOutcomes, pairs: dict[tuple[str, str], bool]) -> None:
    for pattern in step.patterns:
        failed = [name for name in pattern.failed if is_rule(name)]
        for name in failed:
            for other in pattern.asked - pattern.missing:
                if other != name:
                    pair = (name, other)
                    is_only = other not in pattern.failed
                    pairs[pair] = pairs.get(pair, False) or is_only


class RuleSurvey:
    """The rules of the steps of all runs that are added.

    Args:
        since_us: tells runs from then on from those before, in µs since 1970; None: by version.
    """

    def __init__(self, since_us: int | None = None) -> None:
        self._since_us = since_us
        self.runs = Share()
        self.sampled_runs = 0
        self.bare_runs = 0
        self.steps: dict[tuple[str, str, StepType], StepFold] = {}
        self.is_cut = False

    def add(self, run: CheckedRun) -> None:
        """Count *run*; of a step that was tried again, the last attempt."""
        self.runs.add(run.weight)
        current = run.steps
        if any(step.status == "failed" or step.attempt > 1 for step in current):
            current = number_attempts(current).current
        found: dict[tuple[str, str, StepType], list[StepOutcomes]] = {}
        for step in current:
            if step.checks is not None:
                outcomes = StepOutcomes(step, step.checks)
                if outcomes.rules:
                    key = (run.pipeline, step.name, step.step_type)
                    found.setdefault(key, []).append(outcomes)
        every = [step for steps in found.values() for step in steps]
        self.sampled_runs += any(not step.is_whole and not step.is_bare for step in every)
        self.bare_runs += any(step.is_bare for step in every)
        era = self._era(run)
        for key, steps in found.items():
            fold = self.steps.get(key)
            if fold is None:
                if len(self.steps) >= MAX_STEPS:
                    self.is_cut = True
                    continue
                fold = self.steps[key] = StepFold()
            fold.add(run, era, steps)

    def _era(self, run: CheckedRun) -> Era:
        if self._since_us is None:
            return run.version
        return SINCE if run.started_at_us >= self._since_us else BEFORE
