"""What differs between two groups of runs, beyond what chance explains.

A run is what counts: the decisions within one run belong together, so a rate is compared run by
run and never candidate by candidate. Every figure of every step is one question; the answers are
adjusted to how many were asked (Holm), so that a comparison of groups that are alike says anything
at all but once in `1 / LEVEL` times.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from xray.forensics.groups.chance import adjust, pick_answerable
from xray.forensics.groups.effects import (
    Change,
    change_of_means,
    change_of_pairs,
    change_of_shares,
    dominance_error,
    find_dominance,
    find_mean,
    find_median,
)
from xray.forensics.groups.effects import Z as BOUND_DEVIATES
from xray.forensics.groups.group import Group, Named, PipelineFold, Settings, StepFold
from xray.forensics.groups.paired import find_least_p
from xray.forensics.groups.paired import find_p as find_paired_p
from xray.forensics.groups.samples import (
    Paired,
    Sample,
    Share,
    count_runs,
    join,
    line_up,
    pair,
)
from xray.forensics.groups.sentences import describe_difference, describe_setting
from xray.model.comparison import (
    Difference,
    DifferenceKind,
    Example,
    Measure,
    SettingDifference,
    SettingShare,
)

LEVEL: Final = 0.01
_MAX_EXAMPLES: Final = 3
_MAX_SHOWN_VALUES: Final = 3
_SHARES: Final = frozenset(
    {"empty", "unscored", "failure", "error", "lost", "new_step", "vanished_step"}
)

_RATES: Final = frozenset(
    {"rejection_rate", "reason", "new_reason", "vanished_reason", "precision", "recall"}
)
_DECISIVE: Final = frozenset({"rejection_rate", "reason", "new_reason", "vanished_reason"})
_HANDING_ON: Final = frozenset({"output_count", "empty", "new_step", "vanished_step"})


class Question(Struct, frozen=True):
    """One figure of both groups.

    Args:
        kind: which figure.
        pipeline: whose runs.
        step: the step, as either group knows it; None for the whole run.
        name: of a reason, an error or a logged number.
        paired: the figure, value by value.
    """

    kind: DifferenceKind
    pipeline: str
    step: StepFold | None
    name: str
    paired: Paired


class SettingQuestion(Struct, frozen=True):
    """What the runs of both groups were told, for one path.

    Args:
        values: the values, as JSON; None for none.
        a: the runs of A that were told each.
        b: those of B.
    """

    path: str
    pipeline: str | None
    step: StepFold | None
    values: list[str | None]
    a: list[Share]
    b: list[Share]

    def split(self) -> list[Paired]:
        """For each value, who was told it and who was not; of two values, one says all."""
        every = list(range(len(self.values)))
        return [
            line_up([0.0, 1.0], _split(self.a, place), _split(self.b, place))
            for place in (every[1:] if len(every) == 2 else every)
        ]


def _split(shares: list[Share], place: int) -> list[Share]:
    return [join(share for at, share in enumerate(shares) if at != place), shares[place]]


class Found(Struct, frozen=True):
    """What a comparison found.

    Args:
        tests: how many questions could have been answered at all.
    """

    differences: list[Difference]
    settings: list[SettingDifference]
    tests: int


def find_differences(a: Group, b: Group, level: float = LEVEL) -> Found:
    """What differs between two groups, the most telling first.

    Args:
        a: one group.
        b: the other.
        level: the chance of finding anything between groups that are alike.
    """
    names = _match_pipelines(a, b)
    asked: list[Question | SettingQuestion] = list(_ask_pipelines(a, b))
    for name, (in_a, in_b) in names.items():
        asked += _ask_pipeline(name, in_a, in_b)
    answerable = pick_answerable([_least(question) for question in asked], level)
    asked = [asked[index] for index in answerable]
    chances = adjust([_find_p(question) for question in asked])
    is_single = len(a.pipelines.keys() | b.pipelines.keys()) == 1
    differences: list[tuple[tuple[float, ...], Difference]] = []
    settings: list[SettingDifference] = []
    for question, p in zip(asked, chances, strict=True):
        if p >= level:
            continue
        if isinstance(question, Question):
            found = _describe(question, p, is_single=is_single)
            differences.append((_order(question, found), found))
        else:
            settings.append(_describe_setting(question, p, is_single=is_single))
    differences.sort(key=lambda one: one[0])
    settings.sort(key=lambda one: (one.p, one.step or "", one.path, one.pipeline or ""))
    ranked = _mark_followers([one for _, one in differences], names)
    return Found(ranked, settings, len(asked))


def _match_pipelines(a: Group, b: Group) -> dict[str, tuple[PipelineFold, PipelineFold]]:
    """The pipelines of both groups; two that are the only ones are compared by any name."""
    shared = sorted(a.pipelines.keys() & b.pipelines.keys())
    if not shared and len(a.pipelines) == len(b.pipelines) == 1:
        ((_, in_a),) = a.pipelines.items()
        ((name, in_b),) = b.pipelines.items()
        return {name: (in_a, in_b)}
    return {name: (a.pipelines[name], b.pipelines[name]) for name in shared}


def _ask_pipelines(a: Group, b: Group) -> Iterator[SettingQuestion]:
    named = sorted(a.pipelines.keys() | b.pipelines.keys())
    if len(named) > 1:
        shares = [
            [group.pipelines[name].all if name in group.pipelines else Share() for name in named]
            for group in (a, b)
        ]
        yield SettingQuestion("pipeline", None, None, list(named), *shares)


def _ask_pipeline(
    name: str, a: PipelineFold, b: PipelineFold
) -> Iterator[Question | SettingQuestion]:
    yield Question("duration", name, None, "", _fill(a.duration, a.all, b.duration, b.all))
    yield Question("failure", name, None, "", _fill(a.failed, a.all, b.failed, b.all))
    yield Question("lost", name, None, "", _fill(a.lost, a.all, b.lost, b.all))
    for error, paired in _ask_named(a.errors, a.all, b.errors, b.all):
        yield Question("error", name, None, error, paired)
    yield from _ask_settings(name, None, (a.settings, a.all), (b.settings, b.all))
    for key in a.steps.keys() | b.steps.keys():
        in_a, in_b = a.steps.get(key), b.steps.get(key)
        known = in_a or in_b
        assert known is not None
        there = [Share() if one is None else one.all for one in (in_a, in_b)]
        present = line_up(
            [0.0, 1.0],
            [a.all.less([there[0]]), there[0]],
            [b.all.less([there[1]]), there[1]],
        )
        kind: DifferenceKind = "new_step" if find_dominance(present) > 0 else "vanished_step"
        yield Question(kind, name, known, "", present)
        if in_a is not None and in_b is not None:
            yield from _ask_step(name, in_a, in_b)


def _ask_step(pipeline: str, a: StepFold, b: StepFold) -> Iterator[Question | SettingQuestion]:
    figures: tuple[tuple[DifferenceKind, Sample, Share, Sample, Share], ...] = (
        ("duration", a.duration, a.all, b.duration, b.all),
        ("rejection_rate", a.rate, a.all, b.rate, b.all),
        ("input_count", a.input, a.all, b.input, b.all),
        ("output_count", a.output, a.all, b.output, b.all),
        ("score", a.score, a.all, b.score, b.all),
        ("precision", a.precision, a.all, b.precision, b.all),
        ("recall", a.recall, a.all, b.recall, b.all),
        ("failure", a.failed, a.all, b.failed, b.all),
        ("repeats", a.times, a.all, b.times, b.all),
    )
    for kind, of_a, all_a, of_b, all_b in figures:
        yield Question(kind, pipeline, a, "", _fill(of_a, all_a, of_b, all_b))
    yield Question("empty", pipeline, a, "", pair(a.empty(), b.empty()))
    yield Question("unscored", pipeline, a, "", pair(a.unscored(), b.unscored()))
    for reason, paired in _ask_named(a.reasons, a.deciding, b.reasons, b.deciding):
        is_there = [
            any(share.runs for value, share in zip(paired.values, group, strict=True) if value)
            for group in (paired.a, paired.b)
        ]
        kind = "reason" if all(is_there) else "new_reason" if is_there[1] else "vanished_reason"
        yield Question(kind, pipeline, a, reason, paired)
    for error, paired in _ask_named(a.errors, a.all, b.errors, b.all):
        yield Question("error", pipeline, a, error, paired)
    for stat, paired in _ask_named(a.stats, a.all, b.stats, b.all):
        yield Question("stat", pipeline, a, stat, paired)
    yield from _ask_settings(pipeline, a, (a.settings, a.all), (b.settings, b.all))


def _fill(a: Sample, all_a: Share, b: Sample, all_b: Share) -> Paired:
    return pair(a.fill(all_a), b.fill(all_b))


def _ask_named(a: Named, all_a: Share, b: Named, all_b: Share) -> Iterator[tuple[str, Paired]]:
    for name in a.samples.keys() | b.samples.keys():
        yield name, _fill(a.sample(name), all_a, b.sample(name), all_b)


def _ask_settings(
    pipeline: str, step: StepFold | None, a: tuple[Settings, Share], b: tuple[Settings, Share]
) -> Iterator[SettingQuestion]:
    paths = a[0].by_path.keys() | b[0].by_path.keys()
    for path in paths:
        known = [settings.by_path.get(path, {}) for settings, _ in (a, b)]
        if None in known:
            continue
        told = [one for one in known if one is not None]
        values = sorted(told[0].keys() | told[1].keys())
        shares = []
        for of_group, (_, whole) in zip(told, (a, b), strict=True):
            own = [of_group.get(value, Share()) for value in values]
            shares.append([whole.less(own), *own])
        is_always_told = not any(one[0].runs for one in shares)
        options: list[str | None] = [None, *values]
        start = 1 if is_always_told else 0
        yield SettingQuestion(path, pipeline, step, options[start:], *(s[start:] for s in shares))


def _least(question: Question | SettingQuestion) -> float:
    if isinstance(question, SettingQuestion):
        parts = question.split()
        return min((find_least_p(part) for part in parts), default=1.0) * max(1, len(parts))
    return find_least_p(question.paired)


def _find_p(question: Question | SettingQuestion) -> float:
    if isinstance(question, SettingQuestion):
        parts = question.split()
        return min(1.0, min(map(find_paired_p, parts)) * len(parts))
    return find_paired_p(question.paired)


def _describe(question: Question, p: float, *, is_single: bool) -> Difference:
    paired, step = question.paired, question.step
    measure, of_a, of_b, change = _measure(question.kind, paired)
    dominance = find_dominance(paired)
    bound = max(0.0, abs(dominance) - BOUND_DEVIATES * dominance_error(paired))
    is_up = dominance > 0
    held = sum(a.runs + b.runs > 0 for a, b in zip(paired.a, paired.b, strict=True))
    found = Difference(
        kind=question.kind,
        pipeline=question.pipeline,
        step=None if step is None else step.key[0],
        step_type=None if step is None else step.key[1],
        name=question.name,
        measure=measure,
        a=of_a,
        b=of_b,
        scale="times" if question.kind == "duration" else "more",
        change=change.change,
        least=change.least,
        most=change.most,
        effect=dominance,
        effect_least=bound,
        p=p,
        test="weighted_ranks" if paired.is_weighted else "fisher" if held == 2 else "mann_whitney",
        a_runs=count_runs(paired.a),
        b_runs=count_runs(paired.b),
        a_examples=_pick_examples(paired.values, paired.a, is_high=not is_up),
        b_examples=_pick_examples(paired.values, paired.b, is_high=is_up),
    )
    return replace(found, text=describe_difference(found, is_single=is_single))


def _measure(kind: DifferenceKind, paired: Paired) -> tuple[Measure, float, float, Change]:
    means = [find_mean(paired.values, group) for group in (paired.a, paired.b)]
    if kind in _SHARES:
        return "share", means[0], means[1], change_of_shares(paired)
    if kind in _RATES:
        return "mean", means[0], means[1], change_of_means(paired)
    medians = [find_median(paired.values, group) for group in (paired.a, paired.b)]
    if kind == "duration" or medians[0] != medians[1]:
        change = change_of_pairs(paired, is_ratio=kind == "duration")
        return "median", medians[0], medians[1], change
    return "mean", means[0], means[1], change_of_means(paired)


def _pick_examples(values: list[float], shares: list[Share], *, is_high: bool) -> list[Example]:
    """Runs at the end that tells, the middle first, as an outlier shows little."""
    held = [
        (value, share)
        for value, share in zip(values, shares, strict=True)
        if share.runs and share.example[0]
    ]
    if not is_high:
        held.reverse()
    half = held[len(held) // 2 :]
    picked = [half[0], half[len(half) // 2], half[-1]] if half else []
    unique = {share.example: value for value, share in picked}
    return [
        Example(run_id=run_id, step_id=step_id or None, value=value)
        for (run_id, step_id), value in list(unique.items())[:_MAX_EXAMPLES]
    ]


def _order(question: Question, found: Difference) -> tuple[float, ...]:
    largest = max(abs(found.a), abs(found.b))
    share = min(1.0, abs(found.b - found.a) / largest) if largest else 0.0
    ordinal = -1.0 if question.step is None else float(question.step.ordinal)
    told = -round(found.effect_least * share, 2)
    # Of two that tell as much, the one that names a reason or an error tells more.
    return (told, float(not found.name), -round(abs(found.effect), 3), ordinal)


def _mark_followers(
    differences: list[Difference], names: dict[str, tuple[PipelineFold, PipelineFold]]
) -> list[Difference]:
    """The same with what another difference may have brought about marked, and last."""
    ordinals = {
        (name, key[0], key[1]): step.ordinal
        for name, folds in names.items()
        for fold in folds
        for key, step in fold.steps.items()
    }

    def place(one: Difference) -> int:
        return ordinals.get((one.pipeline, one.step or "", one.step_type or "custom"), -1)

    deciding = {(one.pipeline, one.step) for one in differences if one.kind in _DECISIVE}
    of_steps = {(one.pipeline, one.kind) for one in differences if one.step is not None}
    causes = [(one.pipeline, place(one)) for one in differences if one.kind in _HANDING_ON]

    def follows(one: Difference) -> bool:
        if one.step is None:
            return (one.pipeline, one.kind) in of_steps
        if one.kind in ("output_count", "empty") and (one.pipeline, one.step) in deciding:
            return True
        if one.kind in ("input_count", "output_count", "empty", "unscored"):
            return any(name == one.pipeline and at < place(one) for name, at in causes)
        return False

    marked = [replace(one, follows=True) if follows(one) else one for one in differences]
    return sorted(marked, key=lambda one: one.follows)


def _describe_setting(question: SettingQuestion, p: float, *, is_single: bool) -> SettingDifference:
    step = question.step
    found = SettingDifference(
        path=question.path,
        pipeline=question.pipeline,
        step=None if step is None else step.key[0],
        a=_share_out(question.values, question.a),
        b=_share_out(question.values, question.b),
        p=p,
        a_examples=_show_setting(question.a),
        b_examples=_show_setting(question.b),
    )
    return replace(found, text=describe_setting(found, is_single=is_single))


def _share_out(values: list[str | None], shares: list[Share]) -> list[SettingShare]:
    whole = sum(share.weight for share in shares)
    told = [
        SettingShare(value=value, share=share.weight / whole)
        for value, share in zip(values, shares, strict=True)
        if share.runs
    ]
    return sorted(told, key=lambda one: (-one.share, one.value or ""))[:_MAX_SHOWN_VALUES]


def _show_setting(shares: Iterable[Share]) -> list[Example]:
    held = sorted(shares, key=lambda share: share.weight, reverse=True)
    return [
        Example(run_id=share.example[0], step_id=share.example[1] or None)
        for share in held[:_MAX_EXAMPLES]
        if share.example[0]
    ]
