"""What is found of a rule, in sentences."""

from __future__ import annotations

from typing import Final

from xray.forensics.rules.amounts import bound_share
from xray.forensics.wording import count_things, list_items, show_number, show_value
from xray.model.rules import (
    Extent,
    NearMisses,
    NeverFailed,
    Redundancy,
    RuleDrift,
    RuleHealth,
    RuleReport,
)

SAMPLED: Final = "a sample of the rows was kept; the bounds hold with 99 %"
_MAX_HEADLINES: Final = 3


def say_extent(found: Extent, thing: str = "candidate") -> str:
    """A number, or between which two it lies."""
    if found.is_exact:
        return count_things(found.least, thing)
    return f"{found.least:,} to {found.most:,} {thing}s"


def say_number(found: Extent) -> str:
    """A number, or between which two it lies, where it is plain of what."""
    return f"{found.least:,}" if found.is_exact else f"{found.least:,} to {found.most:,}"


def say_share(share: float) -> str:
    """A share in per cent, with the digits that matter."""
    percent = 100 * share
    if percent >= 10 or percent == 0:
        return f"{percent:.1f} %"
    return f"{show_number(float(f'{percent:.2g}'))} %"


def say_bound(share: float) -> str:
    """A share that is an upper bound: never less than it."""
    percent = 100 * share
    step = 10.0 ** -(1 if percent >= 1 else 2 if percent >= 0.1 else 3)
    units = percent / step
    rounded = (int(units) + (units > int(units) + 1e-9)) * step
    return f"{show_number(round(rounded, 4))} %"


def say_basis(found: Extent) -> str:
    """What a number rests on; empty where nothing is to be said."""
    return SAMPLED if found.basis == "sample" else ""


def describe_rule(health: RuleHealth, title: str) -> str:
    """What a rule does, in one sentence."""
    text = f"{title}{_say_comparison(health)}"
    of = f"of {count_things(health.decided)} of {health.step}"
    if health.kills:
        text += f" killed {health.kills:,} {of} ({say_share(health.kill_rate)})"
        text += f" in {count_things(health.kill_runs, 'run')}, {_say_alone(health.sole_kills)}"
    else:
        text += f" killed none {of}"
    if health.failed.least > health.kills:
        text += f"; {say_number(health.failed)} failed it"
    if health.evaluated is None:
        text += "; nothing tells whom it let pass"
    near = health.near
    if near is not None and (near.kept.most or near.killed.most):
        text += (
            f"; {say_number(near.kept)} met it and {say_number(near.killed)} failed it by at most "
            f"{show_number(near.width)}"
        )
    return f"{text}."


def _say_comparison(health: RuleHealth) -> str:
    if health.op is None or health.limit_history == "varies" or not health.limits:
        return ""
    newest = health.limits[-1]
    field = "" if newest.field == health.rule else f"{newest.field} "
    return f" ({field}{newest.op} {show_value(newest.limit)})"


def _say_alone(sole: Extent) -> str:
    if sole.is_exact:
        return f"{sole.least:,} of them alone" if sole.least else "none of them alone"
    if not sole.least:
        return f"at most {sole.most:,} of them alone"
    return f"{sole.least:,} to {sole.most:,} of them alone"


def say_overruled(health: RuleHealth, title: str) -> str:
    """That candidates were kept which failed the rule."""
    kept = say_extent(health.overruled)
    were = "was" if health.overruled.most == 1 else "were"
    if not health.kills:
        return f"{title} never decides: {kept} failed it and {were} kept, and none is killed by it."
    return f"{kept} failed {title} and {were} kept."


def say_drift(drift: RuleDrift, title: str) -> str:
    """That the rule fails, or kills, another share since then."""
    low, high = sorted((abs(drift.least), abs(drift.most)))
    more = "more" if drift.after > drift.before else "less"
    is_sure = drift.least * drift.most > 0
    by = f"{100 * low:.1f} to {100 * high:.1f} points {more}; " if is_sure else ""
    before = "before" if drift.is_parted else "of earlier ones"
    when = "Since" if drift.is_parted else "With"
    verb = "fails" if drift.measure == "failed" else "kills"
    limits = f"; its limit went {drift.limits}" if drift.limits else ""
    return (
        f"{when} {drift.since} {title} {verb} {say_share(drift.after)} of a run's candidates "
        f"instead of {say_share(drift.before)} ({by}{drift.before_runs:,} runs {before}, "
        f"{drift.after_runs:,} since){limits}."
    )


def say_chance(drift: RuleDrift) -> str:
    """How little chance explains of a drift."""
    spelled = f"{drift.p:.2g}" if drift.p >= 1e-12 else "less than 1e-12"
    return f"runs before and since compared; chance shows as much with a probability of {spelled}"


def say_new(health: RuleHealth, since: str, title: str) -> str:
    """That a rule came with a version."""
    share = say_share(health.kill_rate)
    return f"{title} came with {since}; it killed {share} of all candidates of these runs."


def say_limits(text: str, title: str, *, is_change: bool) -> str:
    """That a limit is not what it was, or is two at a time."""
    if is_change:
        return f"The limit of {title} changed {text}."
    return f"{title} had two limits at a time: {text}."


def say_missing(health: RuleHealth, asked: int, title: str) -> str:
    """That candidates lack what the rule observes."""
    missing = health.missing
    share = say_share(missing.least / asked) if asked else "all"
    at_least = "" if missing.is_exact else "at least "
    return (
        f"{health.field or title} was missing for {at_least}{missing.least:,} of {asked:,} "
        f"candidates ({share}), so that {title} cannot judge them."
    )


def say_redundant(health: RuleHealth, one: Redundancy, title: str) -> str:
    """That another rule fails what this one fails."""
    whole = one.both.estimate + one.only.estimate
    about = "" if one.both.is_exact and one.only.is_exact else "about "
    if one.only.most == 0:
        never = "never kills alone" if health.kills else "never decides"
        said = f"{title} {never}: all {about}{whole:,} it fails also fail {one.rule}"
    else:
        said = (
            f"{title} hardly ever kills alone: {about}{one.both.estimate:,} of the {about}"
            f"{whole:,} it fails also fail {one.rule}"
        )
    said += ", and the other way round" if one.is_mutual else ""
    runs = count_things(one.runs, "run")
    if one.runs_with_only:
        return f"{said}; {one.runs_with_only:,} of {runs} had others."
    return (
        f"{said}, in {runs}; at most {say_bound(one.runs_at_most)} of runs may have another, with "
        "99 %."
    )


def say_never_alone(health: RuleHealth, title: str) -> str:
    """That all a rule fails fail others as well."""
    never = "never kills alone" if health.kills else "never decides"
    failed = say_extent(health.failed)
    share = say_bound(bound_share(0, health.failed.least))
    return (
        f"{title} {never}: each of the {failed} it fails also fails another rule; with 99 %, at "
        f"most {share} of those it fails would fail nothing else."
    )


def say_never(never: NeverFailed, title: str) -> str:
    """That nobody failed a rule, and what that tells."""
    return (
        f"{title} never failed anybody in {count_things(never.candidates)} of "
        f"{count_things(never.runs, 'run')}: with 99 %, at most {say_bound(never.share_at_most)} "
        f"of candidates would, and in at most {say_bound(never.runs_at_most)} of runs."
    )


def say_kills_most(health: RuleHealth, title: str) -> str:
    """That a rule kills nearly everybody."""
    return (
        f"{title} kills {say_share(health.kill_rate)} of the candidates of {health.step}: "
        f"{health.kills:,} of {health.decided:,}."
    )


def say_near(health: RuleHealth, near: NearMisses, title: str) -> str:
    """That most of what a rule kills only just fails it."""
    return (
        f"Most of what {title} fails just fails it: {say_number(near.killed)} of "
        f"{say_extent(health.failed)} by at most {show_number(near.width)}."
    )


def answer_report(report: RuleReport) -> str:
    """The report in a few sentences."""
    if not report.runs:
        return "There is no such run."
    runs = count_things(report.runs, "run")
    if not report.rules:
        verb = "has" if report.runs == 1 else "have"
        return f"{runs} {verb} no rule: no check, and no reason of a rejection."
    steps = len({(rule.pipeline, rule.step, rule.step_type) for rule in report.rules})
    seen = f"{count_things(len(report.rules), 'rule')} of {count_things(steps, 'step')} in {runs}"
    if not report.attention:
        return f"{seen}: none stands out."
    verb = "deserves" if report.attention == 1 else "deserve"
    first = [rule.concerns[0].text for rule in report.rules[: report.attention]]
    return f"{seen}: {report.attention:,} {verb} attention. {' '.join(first[:_MAX_HEADLINES])}"


def explain_report(report: RuleReport) -> str:
    """What the numbers of a report rest on, where they are not exact."""
    parts = []
    if report.sampled_runs:
        parts.append(f"{count_things(report.sampled_runs, 'run')} kept a sample of the rows")
    if report.bare_runs:
        parts.append(f"{count_things(report.bare_runs, 'run')} kept counts only")
    if not parts:
        return ""
    return f"{list_items(parts)}: kills are exact, ranges are bounds that hold with 99 %"
