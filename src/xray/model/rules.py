"""How the rules of pipelines do over many runs: what each kills, alone or not, and since when."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from msgspec import Struct

from xray.model.records import Scan
from xray.model.vocabulary import Certainty, StepType

Basis = Literal["exact", "bounds", "sample"]
"""What a number rests on: all candidates, bounds that always hold, or drawn rows, whose bounds hold
in 99 of 100 cases."""

Concern = Literal[
    "overruled",
    "drift",
    "new_rule",
    "limit_changed",
    "limits_side_by_side",
    "missing_operands",
    "redundant",
    "never_alone",
    "never_failed",
    "kills_most",
    "near_limit",
]
"""Why a rule deserves attention, the most pressing first."""

RuleMeasure = Literal["failed", "killed"]
"""What is followed over time: the share of the candidates put to the rule that failed it, or, where
that is not known of every run, the share of the step's candidates that it killed."""

LimitHistory = Literal["constant", "changed", "side_by_side", "varies"]
"""How a rule's limit is over time: one, one after another, two at a time, or many."""


class Extent(Struct, frozen=True, kw_only=True):
    """How many candidates, at least and at most.

    Args:
        least: at least.
        most: at most.
        estimate: about how many; the least where nothing tells.
        basis: what the numbers rest on.
    """

    least: int
    most: int
    estimate: int
    basis: Basis = "exact"

    @property
    def is_exact(self) -> bool:
        """Whether it is one number."""
        return self.least == self.most


class RuleExample(Struct, frozen=True, kw_only=True):
    """One candidate that shows what is said.

    Args:
        run_id: the run.
        step_id: the step.
        candidate_id: the candidate.
        observed: what the rule observed, where it compares a number.
        limit: what with.
    """

    run_id: str
    step_id: str
    candidate_id: str
    observed: float | None = None
    limit: float | None = None


class LimitUse(Struct, frozen=True, kw_only=True):
    """One limit a rule had, and when.

    Args:
        field: what the rule observed.
        op: how it compared that.
        limit: what with.
        runs: how many runs.
        first: when the first of them began.
        last: when the last of them did.
        newest_run: the id of that one.
        versions: the versions of these runs, a few of them where there are many.
    """

    field: str
    op: str
    limit: Any
    runs: int
    first: datetime
    last: datetime
    newest_run: str = ""
    versions: list[str] = []


class NearMisses(Struct, frozen=True, kw_only=True):
    """Candidates whose observed value lay near the limit.

    Args:
        width: how far from the limit is near, in units of the observed value.
        share: which share of the spread of all observed values that is.
        spread: how far apart the values are from their limits, the outer twentieths left out.
        kept: candidates that met the rule, and just so.
        killed: candidates that just did not.
        observed: of how many the value is known.
        unknown: of how many it is not.
    """

    width: float
    share: float
    spread: float
    kept: Extent
    killed: Extent
    observed: int
    unknown: int = 0


class NeverFailed(Struct, frozen=True, kw_only=True):
    """What it tells that no candidate ever failed a rule.

    Args:
        candidates: how many were put to it.
        share_at_most: which share of candidates may fail it for all that, with 99 %, were they
            independent of one another.
        runs: in how many runs.
        runs_at_most: in which share of runs one may, with 99 %, whatever their candidates have in
            common.
    """

    candidates: int
    share_at_most: float
    runs: int
    runs_at_most: float


class Redundancy(Struct, frozen=True, kw_only=True):
    """Another rule that fails every or nearly every candidate this one fails.

    Args:
        rule: the other rule.
        both: candidates that failed both.
        only: candidates that failed this one and met the other.
        unasked: candidates that failed this one and were not put to the other.
        only_at_most: the share of those this one fails that the other may let pass, with 99 %, were
            candidates independent of one another.
        runs: in how many runs candidates that failed this one were put to the other.
        runs_with_only: in how many of them it failed one that met the other.
        runs_at_most: in which share of runs it may, with 99 %.
        other_elsewhere: which share of the candidates that met this rule the other fails.
        is_mutual: whether the other fails hardly any besides.
    """

    rule: str
    both: Extent
    only: Extent
    unasked: Extent
    only_at_most: float
    runs: int
    runs_with_only: int
    runs_at_most: float
    other_elsewhere: float
    is_mutual: bool = False


class RuleDrift(Struct, frozen=True, kw_only=True):
    """A rule that fails another share of candidates than before, beyond what chance explains.

    Runs are what is compared, each with its own share.

    Args:
        since: the version it came with, or the time, in words.
        version: the version; None for a time.
        measure: which share is meant.
        is_parted: whether all runs before had begun by then; else versions were in use together.
        began: when the first run since then began.
        before: the mean share in the runs before.
        after: the mean share in the runs since.
        least: the difference, at least, with 99 %.
        most: at most.
        before_runs: how many runs before.
        after_runs: how many since.
        p: how often chance alone shows as much among all that was tested.
        limits: what became of its limit at the same time.
        before_examples: runs before, by id.
        after_examples: runs since.
        follows: another rule of the step that moved more the other way, and so left this one more
            or fewer candidates to kill.
    """

    since: str
    version: str | None = None
    measure: RuleMeasure = "failed"
    is_parted: bool = True
    began: datetime
    before: float
    after: float
    least: float
    most: float
    before_runs: int
    after_runs: int
    p: float
    limits: str = ""
    before_examples: list[str] = []
    after_examples: list[str] = []
    follows: str = ""


class RuleConcern(Struct, frozen=True, kw_only=True):
    """One thing about a rule that deserves attention.

    Args:
        kind: what.
        text: the same in one plain sentence.
        certainty: how sure it is.
        because: what it rests on, where it is not known.
        examples: candidates or runs that show it.
    """

    kind: Concern
    text: str
    certainty: Certainty = "known"
    because: str = ""
    examples: list[RuleExample] = []


class RuleHealth(Struct, frozen=True, kw_only=True):
    """One rule of a step, over all runs.

    Args:
        pipeline: the pipeline.
        step: the step's name.
        step_type: its type.
        rule: the rule: the check's name, or the reason where no check stands behind it.
        is_check: whether a check stands behind it.
        field: what it observes.
        op: how it compares that.
        runs: in how many runs the step decided.
        decided: how many candidates it decided about there.
        evaluated: how many were put to the rule; None where only its rejections show.
        failed: how many did not meet it.
        kills: how many were rejected for it: all of them, sampled or not.
        kill_runs: in how many runs.
        kill_rate: the share of the step's candidates that it kills, by the weights of runs.
        sole_kills: how many failed nothing else: without the rule the step had kept them.
        overruled: how many were kept though they failed it.
        missing: how many lacked what it observes.
        limits: its limits over time, oldest first.
        limit_history: how they follow one another.
        near: candidates near its limit.
        never_failed: what is known of a rule that no candidate failed.
        redundancies: other rules that fail what this one fails.
        drift: how what it kills changed.
        concerns: what deserves attention, the most pressing first.
        examples: candidates it killed, those that failed nothing else first.
        text: what it does, in one plain sentence.
    """

    pipeline: str
    step: str
    step_type: StepType
    rule: str
    is_check: bool
    field: str | None = None
    op: str | None = None
    runs: int
    decided: int
    evaluated: Extent | None = None
    failed: Extent
    kills: int
    kill_runs: int
    kill_rate: float
    sole_kills: Extent
    overruled: Extent
    missing: Extent
    limits: list[LimitUse] = []
    limit_history: LimitHistory = "constant"
    near: NearMisses | None = None
    never_failed: NeverFailed | None = None
    redundancies: list[Redundancy] = []
    drift: RuleDrift | None = None
    concerns: list[RuleConcern] = []
    examples: list[RuleExample] = []
    text: str = ""


class RuleReport(Struct, frozen=True, kw_only=True):
    """How the rules of some runs do.

    Args:
        answer: a few plain sentences.
        certainty: `known` where every number is exact, `inferred` where some are bounds, `unknown`
            where nothing can be told.
        because: what it rests on.
        near_means: what near a limit means here.
        request: the path and query of the read API that gives this answer.
        runs: how many runs were looked at.
        estimated_runs: for how many they stand, where whole runs are sampled.
        sampled_runs: how many of them kept the rows of a part of the candidates.
        bare_runs: how many kept counts only.
        rules: the rules, those that deserve attention first.
        attention: how many of the first of them do.
        tests: how many questions of drift could have been answered at all.
        level: the chance that any drift is named where there is none; each bound fails as rarely.
        is_cut: there were more steps, rules or combinations of outcomes than are kept apart.
        complete: false while runs are left; all is of the newest.
        next_cursor: pass it to go on.
        scan: how far the search came.
    """

    answer: str
    certainty: Certainty = "known"
    because: str = ""
    near_means: str = ""
    request: str = ""
    runs: int
    estimated_runs: float
    sampled_runs: int = 0
    bare_runs: int = 0
    rules: list[RuleHealth] = []
    attention: int = 0
    tests: int = 0
    level: float = 0.01
    is_cut: bool = False
    complete: bool = True
    next_cursor: str | None = None
    scan: Scan | None = None
