"""One rule of a step over many runs: what it does, and what about it deserves attention."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Final, get_args

from msgspec import Struct
from msgspec.structs import replace

from xray.forensics.groups.samples import effective_runs
from xray.forensics.rules import sentences
from xray.forensics.rules.amounts import LEVEL, bound_share
from xray.forensics.rules.drift import Split, came_with
from xray.forensics.rules.limit_history import History, trace_limits
from xray.forensics.rules.nearness import measure_nearness
from xray.forensics.rules.outcomes import is_rule
from xray.forensics.rules.redundancy import Together
from xray.forensics.rules.rule_fold import RuleFold
from xray.forensics.rules.survey import StepFold
from xray.model.clock import to_wall_us
from xray.model.rules import (
    Concern,
    Extent,
    NeverFailed,
    Redundancy,
    RuleConcern,
    RuleDrift,
    RuleExample,
    RuleHealth,
)
from xray.model.vocabulary import Certainty, StepType

MIN_NEVER: Final = 460
"""So many candidates none of whom failed leave less than one in a hundred, with 99 %."""

_MAX_OF_RUNS: Final = 0.5
"""Candidates of one run have much in common: fewer than seven runs tell too little."""

_MIN_SPLIT_RUNS: Final = 20
_MIN_MISSING: Final = 5
_MISSING_SHARE: Final = 0.01
_KILLS_MOST: Final = 0.9
_MIN_RUNS: Final = 10
_MIN_NEAR: Final = 20
_NEAR_OF_KILLS: Final = 0.5
_KILLS_OF_ASKED: Final = 0.15
_MIN_ALONE: Final = 90
_EXPECTED_ALONE: Final = -math.log(LEVEL)
"""Where so many are expected, chance leaves none of them once in a hundred times."""

_RANKS: Final[dict[Concern, int]] = {kind: at for at, kind in enumerate(get_args(Concern))}

StepKey = tuple[str, str, StepType]
"""Pipeline, name and type of a step."""


class StepView(Struct, frozen=True):
    """A step of all runs, and what was found of it.

    Args:
        key: which step.
        fold: it, over all runs.
        splits: the moments that part its runs.
        drifts: how its rules drifted, by rule.
    """

    key: StepKey
    fold: StepFold
    splits: Sequence[Split]
    drifts: dict[str, RuleDrift]


def describe_rules(view: StepView, is_shared: frozenset[str]) -> list[RuleHealth]:
    """Every rule of a step.

    Args:
        view: the step.
        is_shared: rules of which another step has one of the same name.
    """
    together = Together(view.fold)
    names = [name for name in view.fold.rules if is_rule(name) and not together.is_alias(name)]
    return [_describe(view, together, name, is_shared=name in is_shared) for name in names]


def rank_rule(rule: RuleHealth) -> tuple[object, ...]:
    """Where a rule stands among those that deserve attention; the first first."""
    first = _RANKS[rule.concerns[0].kind] if rule.concerns else len(_RANKS)
    moved = 0.0 if rule.drift is None else abs(rule.drift.after - rule.drift.before)
    return (first, -round(moved, 2), -rule.kills, rule.pipeline, rule.step, rule.rule)


def _describe(view: StepView, together: Together, name: str, *, is_shared: bool) -> RuleHealth:
    fold, rule = view.fold, view.fold.rules[name]
    aliases = [one for one in fold.rules if together.check_behind(one) == name]
    others = [fold.rules[one] for one in aliases]
    kills = rule.kills + sum(one.kills for one in others)
    weight = rule.killed_weight + sum(one.killed_weight for one in others)
    history = trace_limits(rule)
    drift = next((view.drifts[one] for one in (name, *aliases) if one in view.drifts), None)
    if drift is not None and _is_at_once(history, drift):
        drift = replace(drift, limits=history.text)
    health = RuleHealth(
        pipeline=view.key[0],
        step=view.key[1],
        step_type=view.key[2],
        rule=name,
        is_check=rule.is_check,
        field=rule.field,
        op=rule.op,
        runs=fold.runs.runs,
        decided=fold.decided,
        evaluated=rule.evaluated.bound() if rule.is_told else None,
        failed=_at_least(rule.failed.bound(), kills),
        kills=kills,
        kill_runs=max(one.killing.runs for one in (rule, *others)),
        kill_rate=weight / fold.decided_weight if fold.decided_weight else 0.0,
        sole_kills=together.count_sole(name),
        overruled=together.count_overruled(name),
        missing=rule.missing.bound(),
        limits=history.uses,
        limit_history=history.kind,
        near=measure_nearness(rule),
        never_failed=_find_never(rule, kills),
        redundancies=together.find_redundancies(name),
        drift=drift,
        examples=[one for each in (rule, *others) for one in (*each.alone, *each.killed)][:2],
    )
    title = f"{name} of {view.key[1]}" if is_shared else name
    found = _find_concerns(health, rule, history, view, title)
    concerns = sorted(found, key=lambda one: _RANKS[one.kind])
    return replace(health, concerns=concerns, text=sentences.describe_rule(health, title))


def _at_least(found: Extent, least: int) -> Extent:
    if found.least >= least:
        return found
    return replace(
        found, least=least, most=max(found.most, least), estimate=max(found.estimate, least)
    )


def _is_at_once(history: History, drift: RuleDrift) -> bool:
    """Whether the newest limit came with the drift."""
    began_us = to_wall_us(drift.began)
    is_between = bool(history.uses) and to_wall_us(history.uses[0].first) < began_us
    is_changed = history.kind == "changed" and history.began_us is not None
    return is_changed and is_between and (history.began_us or 0) >= began_us


def _find_never(rule: RuleFold, kills: int) -> NeverFailed | None:
    """What it tells that nobody failed a check; None where somebody did, or nothing shows."""
    asked = rule.evaluated.shown
    if kills or not rule.is_told or rule.failed.shown or rule.missing.shown or not asked:
        return None
    runs = effective_runs([rule.asking])
    return NeverFailed(
        candidates=asked,
        share_at_most=bound_share(0, asked),
        runs=rule.asking.runs,
        runs_at_most=bound_share(0, runs),
    )


def _find_concerns(
    health: RuleHealth, rule: RuleFold, history: History, view: StepView, title: str
) -> Iterator[RuleConcern]:
    if health.overruled.least:
        yield RuleConcern(
            kind="overruled",
            text=sentences.say_overruled(health, title),
            certainty=_certainty(health.overruled),
            because=sentences.say_basis(health.overruled),
            examples=rule.overruled,
        )
    drift = health.drift
    if drift is not None and not drift.follows:
        yield RuleConcern(
            kind="drift",
            text=sentences.say_drift(drift, title),
            certainty="inferred",
            because=sentences.say_chance(drift),
            examples=rule.alone or rule.killed,
        )
    split = next((one for one in reversed(view.splits) if came_with(rule, one)), None)
    if split is not None and _count_runs(view.fold, split) >= _MIN_SPLIT_RUNS:
        yield RuleConcern(
            kind="new_rule",
            text=sentences.say_new(health, split.since, title),
            because=f"none of the {_count_runs(view.fold, split):,} runs before was put to it",
            certainty="inferred",
            examples=health.examples,
        )
    if history.text and (drift is None or not drift.limits):
        is_change = history.kind == "changed"
        yield RuleConcern(
            kind="limit_changed" if is_change else "limits_side_by_side",
            text=sentences.say_limits(history.text, title, is_change=is_change),
        )
    yield from _find_count_concerns(health, view.fold, rule, title)


def _count_runs(fold: StepFold, split: Split) -> int:
    return sum(fold.eras[era].runs.runs for era in split.before)


def _find_count_concerns(
    health: RuleHealth, fold: StepFold, rule: RuleFold, title: str
) -> Iterator[RuleConcern]:
    missing = health.missing
    asked = missing.least + (0 if health.evaluated is None else health.evaluated.most)
    if missing.least >= max(_MIN_MISSING, _MISSING_SHARE * asked):
        yield RuleConcern(
            kind="missing_operands",
            text=sentences.say_missing(health, asked, title),
            certainty=_certainty(missing),
            because=sentences.say_basis(missing),
            examples=rule.lacking,
        )
    redundancy = next((one for one in health.redundancies if _is_lesser(health, one, fold)), None)
    if redundancy is not None:
        is_whole = redundancy.both.is_exact and redundancy.only.is_exact
        yield RuleConcern(
            kind="redundant",
            text=sentences.say_redundant(health, redundancy, title),
            certainty="known" if is_whole else "inferred",
            because="" if is_whole else sentences.SAMPLED,
            examples=health.examples,
        )
    elif not health.redundancies and _is_never_alone(health, fold):
        yield RuleConcern(
            kind="never_alone",
            text=sentences.say_never_alone(health, title),
            examples=health.examples,
        )
    never = health.never_failed
    if never is not None and _is_telling(never):
        yield RuleConcern(kind="never_failed", text=sentences.say_never(never, title))
    if health.kill_rate >= _KILLS_MOST and health.runs >= _MIN_RUNS:
        yield RuleConcern(
            kind="kills_most",
            text=sentences.say_kills_most(health, title),
            examples=health.examples,
        )
    near = health.near
    if near is not None and health.evaluated is not None:
        is_many = near.killed.least >= max(_MIN_NEAR, _NEAR_OF_KILLS * health.failed.most)
        if is_many and health.failed.least >= _KILLS_OF_ASKED * health.evaluated.most:
            yield RuleConcern(
                kind="near_limit",
                text=sentences.say_near(health, near, title),
                certainty=_certainty(near.killed),
                because=sentences.say_basis(near.killed),
                examples=_list_nearest(rule),
            )


def _is_telling(never: NeverFailed) -> bool:
    return never.candidates >= MIN_NEVER and never.runs_at_most <= _MAX_OF_RUNS


def _is_never_alone(health: RuleHealth, fold: StepFold) -> bool:
    """Whether a rule kills nobody alone, though it would if rules had nothing to do together."""
    if health.sole_kills.most or health.failed.least < _MIN_ALONE:
        return False
    expected = float(health.failed.least)
    for name, rule in fold.rules.items():
        if name != health.rule and rule.is_told and rule.evaluated.shown:
            expected *= 1 - min(1.0, rule.failed.shown / rule.evaluated.shown)
    return expected >= _EXPECTED_ALONE


def _is_lesser(health: RuleHealth, one: Redundancy, fold: StepFold) -> bool:
    """Whether it is this rule that can be spared, of two that fail the same candidates."""
    if one.runs_at_most > _MAX_OF_RUNS:
        return False
    if not one.is_mutual:
        return True
    other = fold.rules[one.rule].kills
    return health.kills < other or (health.kills == other and health.rule > one.rule)


def _certainty(found: Extent) -> Certainty:
    return "known" if found.basis != "sample" else "inferred"


def _list_nearest(rule: RuleFold) -> list[RuleExample]:
    """The candidates nearest to the limit: the one killed and the one kept."""
    return [
        RuleExample(
            run_id=run_id,
            step_id=step_id,
            candidate_id=near.candidate_id,
            observed=near.observed,
            limit=near.limit,
        )
        for found in rule.nearest
        if found is not None
        for near, run_id, step_id in [found]
    ]
