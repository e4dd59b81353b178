"""What choices over many runs rest on: where the chosen stood, what was offered, what was said."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from xray.model.notebook import Shown
from xray.model.vocabulary import Certainty, StepType

OfferedOrder = Literal["shuffled", "unrelated", "by_score", "by_rank", "unknown"]
"""What the order in which candidates were offered means.

shuffled: the pipeline says so, or the same candidates came in different orders. unrelated: their
scores are known, and the order does not follow them. by_score, by_rank: it follows them, so that
who comes first is also who is best. unknown: no score is known, and nothing says that it is chance.
"""

Bias = Literal["none_seen", "biased", "confounded", "too_few"]
"""What is known of a preference for a position.

none_seen: the places of the chosen are what chance explains. biased: they are not. confounded: the
order may stand for quality, so that a preference for a place cannot be told from one for the best.
too_few: no answer is possible from so few choices.
"""


class ChoiceExample(Struct, frozen=True, kw_only=True):
    """One choice that shows something.

    Args:
        run_id: the run.
        step_id: its step.
        candidate_id: the candidate.
        said: the words, where its reasoning is in question.
    """

    run_id: str
    step_id: str
    candidate_id: str
    said: str = ""


class AuditedShare(Struct, frozen=True, kw_only=True):
    """How many of some choices show something.

    Args:
        count: how many do.
        of: how many could.
        share: the share of those that do, of all runs by their weights.
        least: it is at least that, by 99 in 100.
        most: it is at most that, by 99 in 100.
        examples: some that do; up to 10.
    """

    count: int
    of: int
    share: float
    least: float
    most: float
    examples: list[ChoiceExample] = []


class PlaceTest(Struct, frozen=True, kw_only=True):
    """One question about the places of the chosen.

    Args:
        about: `first` and `last`: how often the candidate offered there was chosen. `mean`: the
            mean place of the chosen, from 0 for the first to 1 for the last.
        observed: what it is.
        expected: what it would be if the place did not matter.
        p: the chance of one as far off, among all that were asked.
    """

    about: Literal["first", "last", "mean"]
    observed: float
    expected: float
    p: float


class PositionAudit(Struct, frozen=True, kw_only=True):
    """Whether choices depend on where a candidate was offered.

    Args:
        bias: what is known of it.
        order: what the order means.
        because: from what that is known.
        choices: how many choices among how many candidates are known whole; choices from the same
            list in the same order count once.
        tests: what was asked of their places; empty where there are too few.
        places: how many of the chosen stood first, second, …; the tenth holds all from there on.
        text: the same in one plain sentence.
    """

    bias: Bias
    order: OfferedOrder
    because: str
    choices: int
    tests: list[PlaceTest] = []
    places: list[int] = []
    text: str = ""


class ChoiceAudit(Struct, frozen=True, kw_only=True):
    """How one step chooses.

    Args:
        pipeline: its pipeline.
        step: its name.
        step_type: its type.
        runs: how many runs it chose in.
        position: whether the place matters.
        invented: of the chosen ids, those that were never offered; None where what was offered is
            never known whole.
        unsupported: of the decisions with a reasoning, those whose words the record contradicts.
        agreement: of the choices among scored candidates, those that took the best scores.
    """

    pipeline: str
    step: str
    step_type: StepType
    runs: int
    position: PositionAudit
    invented: AuditedShare | None = None
    unsupported: AuditedShare | None = None
    agreement: AuditedShare | None = None


class Audit(Shown, Struct, frozen=True, kw_only=True):
    """What the choices of many runs rest on.

    Args:
        answer: a few plain sentences.
        certainty: `inferred`; `unknown` where no run chose anything that can be looked at.
        because: from what, or why.
        query: which runs.
        runs: how many runs were looked at, the newest.
        steps: the steps that choose, those in most runs first.
        tests: how many questions about places were asked.
        level: the chance that any place is called preferred, were none.
    """

    answer: str
    certainty: Certainty = "inferred"
    because: str = ""
    query: str
    runs: int
    steps: list[ChoiceAudit] = []
    tests: int = 0
    level: float = 0.01
