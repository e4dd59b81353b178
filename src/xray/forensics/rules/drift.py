"""Which rules kill another share of candidates since a version, or since a time.

A run is what counts, as in a comparison of two groups of runs: the decisions of one run belong
together. In each run it is the share of the candidates put to the rule that failed it, which other
rules do not touch; where that is not known of every run, the share of the step's candidates that it
killed. The runs before are held against those since, for every rule and every version that came,
and the chances are adjusted to how many those questions are.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from xray.forensics.groups.chance import adjust, pick_answerable
from xray.forensics.groups.effects import change_of_means, find_mean
from xray.forensics.groups.paired import find_least_p, find_p
from xray.forensics.groups.samples import Paired, Sample, Share, count_runs, join, pair
from xray.forensics.rules.amounts import LEVEL
from xray.forensics.rules.limit_history import show_time
from xray.forensics.rules.rule_fold import BEFORE, SINCE, Era, RuleFold, Span
from xray.forensics.rules.survey import StepFold
from xray.model.clock import from_wall_us
from xray.model.rules import RuleDrift
from xray.model.rules import RuleMeasure as Measure

_MAX_SPLITS: Final = 12
_MAX_EXAMPLES: Final = 2

RuleKey = tuple[int, str]
"""The place of a step among all, and the rule's name."""


class Split(Struct, frozen=True):
    """A moment that parts the runs of a step.

    Args:
        since: the version that came, or the time, in words.
        version: the version.
        began_us: when the first run since then began.
        before: the versions, or the times, before.
        after: those since.
        is_parted: whether the runs before had all begun by then.
    """

    since: str
    version: str | None
    began_us: int
    before: list[Era]
    after: list[Era]
    is_parted: bool = True


class _Question(Struct, frozen=True):
    key: RuleKey
    split: Split
    measure: Measure
    paired: Paired


class Drifts(Struct, frozen=True):
    """What drifted.

    Args:
        found: how, by rule.
        tests: how many questions could have been answered at all.
    """

    found: dict[RuleKey, RuleDrift]
    tests: int


def find_splits(
    fold: StepFold, since_version: str | None = None, since_us: int | None = None
) -> list[Split]:
    """The moments that part the runs of a step, the newest last.

    Args:
        fold: the step.
        since_version: the only version that is asked for.
        since_us: the only time, in µs since 1970.
    """
    if since_us is not None:
        if not {BEFORE, SINCE} <= fold.eras.keys():
            return []
        since = show_time(from_wall_us(since_us))
        return [Split(since, None, fold.eras[SINCE].first_us, [BEFORE], [SINCE])]
    ordered = sorted(fold.eras.items(), key=_by_age)
    eras = [era for era, _ in ordered]
    splits = [
        Split(
            f"version {era}",
            era,
            span.first_us,
            eras[:place],
            eras[place:],
            max(one.last_us for _, one in ordered[:place]) < span.first_us,
        )
        for place, (era, span) in enumerate(ordered)
        if place and era is not None
    ]
    if since_version is not None:
        return [one for one in splits if one.version == since_version]
    return splits[-_MAX_SPLITS:]


def _by_age(one: tuple[Era, Span]) -> tuple[int, str]:
    return one[1].first_us, one[0] or ""


def find_drifts(folds: Sequence[StepFold], splits: Sequence[Sequence[Split]]) -> Drifts:
    """Which rules kill another share since one of the *splits* of their step.

    Args:
        folds: the steps.
        splits: the moments that part the runs of each of them.
    """
    asked = [
        question
        for place, (fold, own) in enumerate(zip(folds, splits, strict=True))
        for question in _ask(place, fold, own)
    ]
    answerable = pick_answerable([find_least_p(one.paired) for one in asked], LEVEL)
    asked = [asked[index] for index in answerable]
    chances = adjust([find_p(one.paired) for one in asked])
    found: dict[RuleKey, tuple[float, float, RuleDrift]] = {}
    for question, p in zip(asked, chances, strict=True):
        if p >= LEVEL:
            continue
        drift = _describe(question, p)
        order = (p, -abs(drift.after - drift.before))
        known = found.get(question.key)
        if known is None or order < known[:2]:
            found[question.key] = (*order, drift)
    drifts = {key: drift for key, (_, _, drift) in found.items()}
    return Drifts(
        {key: replace(one, follows=_follows(key, one, drifts)) for key, one in drifts.items()},
        len(asked),
    )


def _follows(key: RuleKey, drift: RuleDrift, drifts: Mapping[RuleKey, RuleDrift]) -> str:
    """The rule of the same step that moved more the other way, and left more or fewer to kill."""
    moved = drift.after - drift.before
    if drift.measure == "failed":
        return ""
    others = [
        (abs(other.after - other.before), name)
        for (place, name), other in drifts.items()
        if place == key[0]
        and other.since == drift.since
        and (other.after - other.before) * moved < 0
        and abs(other.after - other.before) > abs(moved)
    ]
    return max(others)[1] if others else ""


def _ask(place: int, fold: StepFold, splits: Iterable[Split]) -> Iterator[_Question]:
    for split in splits:
        for name, rule in fold.rules.items():
            if (rule.kills or _measure(rule) == "failed") and not is_new(rule, split):
                sides = [_gather(fold, rule, eras) for eras in (split.before, split.after)]
                if all(sides):
                    yield _Question((place, name), split, _measure(rule), pair(*sides))


def is_new(rule: RuleFold, split: Split) -> bool:
    """Whether a check came, or went, with *split*."""
    there = [any(era in rule.present for era in eras) for eras in (split.before, split.after)]
    return rule.is_told and not all(there)


def came_with(rule: RuleFold, split: Split) -> bool:
    """Whether a check that is recorded whatever comes of it came with *split*."""
    return is_new(rule, split) and not any(era in rule.present for era in split.before)


def _measure(rule: RuleFold) -> Measure:
    return "failed" if rule.is_told and not rule.has_gaps else "killed"


def _gather(fold: StepFold, rule: RuleFold, eras: Iterable[Era]) -> dict[float, Share]:
    held: dict[float, list[Share]] = {}
    for era in eras:
        if _measure(rule) == "failed":
            found = rule.fail_shares.get(era)
            shares = {} if found is None else found.values
        else:
            found = rule.kill_shares.get(era, Sample(rest=0.0))
            shares = found.fill(fold.eras[era].runs)
        for value, share in shares.items():
            held.setdefault(value, []).append(share)
    return {value: join(shares) for value, shares in held.items()}


def _describe(question: _Question, p: float) -> RuleDrift:
    paired, split = question.paired, question.split
    change = change_of_means(paired)
    means = [find_mean(paired.values, group) for group in (paired.a, paired.b)]
    return RuleDrift(
        since=split.since,
        version=split.version,
        measure=question.measure,
        is_parted=split.is_parted,
        began=from_wall_us(split.began_us),
        before=means[0],
        after=means[1],
        least=change.least,
        most=change.most,
        before_runs=count_runs(paired.a),
        after_runs=count_runs(paired.b),
        p=p,
        before_examples=_pick_examples(paired.a),
        after_examples=_pick_examples(paired.b),
    )


def _pick_examples(shares: Sequence[Share]) -> list[str]:
    """Runs in the middle, as an outlier shows little."""
    held = [share.example[0] for share in shares if share.runs and share.example[0]]
    middle = len(held) // 2
    return held[middle : middle + _MAX_EXAMPLES]
