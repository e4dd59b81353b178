"""What forensics answers: every statement says whether it is known, inferred or unknown."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from xray.model.labels import Label
from xray.model.notebook import Shown
from xray.model.records import Check, Origin
from xray.model.vocabulary import Certainty, StepType

Outcome = Literal[
    "selected",
    "survived",
    "rejected",
    "outranked",
    "merged",
    "vanished",
    "never_retrieved",
    "not_offered",
    "unknown",
]
"""What became of a candidate in a run:

selected: it is in the answer. survived: nothing dropped it, though it is not marked selected.
rejected: a step dropped it by a rule. outranked: it fell below a cut or was not chosen.
merged: another candidate stands for it. vanished: it was offered to a step and never decided.
never_retrieved: no step recorded it. not_offered: a step decided it though nobody offered it.
unknown: this capture level cannot tell.
"""

StopKind = Literal[
    "selected",
    "accepted",
    "rejected",
    "outranked",
    "merged",
    "kept",
    "not_selected",
    "vanished",
    "not_recorded",
    "not_reached",
    "undecided",
    "unknown",
]


class Cut(Struct, frozen=True, kw_only=True):
    """How far an outranked candidate was from surviving.

    Args:
        rank: its own rank.
        last_kept_rank: the rank of the last candidate that was kept.
        score: its own score.
        last_kept_score: the score of the last that was kept.
        gap: `last_kept_score - score`.
        measured_at: the earlier step these numbers come from; None where it is the step itself.
        score_error: by how much `score` may be off, where the step's roster alone knows it.
        gap_error: by how much `gap` may be off, where a roster alone knows one of its scores.
        ranked_count: how many candidates were ranked, where the roster alone knows this one's rank.
    """

    rank: int | None = None
    last_kept_rank: int | None = None
    score: float | None = None
    last_kept_score: float | None = None
    gap: float | None = None
    measured_at: str | None = None
    score_error: float | None = None
    gap_error: float | None = None
    ranked_count: int | None = None


class RunnerUp(Struct, frozen=True, kw_only=True):
    """The best candidate that a step did not choose.

    Args:
        candidate_id: that candidate.
        score: its score.
        gap: the chosen candidate's score minus this one; negative when the runner-up scored higher.
        measured_at: the earlier step the scores come from; None where it is the step itself.
    """

    candidate_id: str
    score: float
    gap: float
    measured_at: str | None = None


class Stop(Struct, frozen=True, kw_only=True):
    """One step of a candidate's journey.

    Args:
        step_id: the step.
        name: its name.
        step_type: its type.
        ordinal: its position in the run.
        attempt: which attempt it was; earlier attempts are listed and decide nothing.
        kind: what happened to the candidate there.
        text: the same in one plain sentence.
        certainty: whether that is known, inferred or unknown.
        because: what it was inferred from, or why it is unknown.
        reason: the reason recorded, for a rejection.
        reasoning: the free text recorded.
        score: the candidate's one number there.
        rank: its position there.
        checks: the evidence recorded there.
        cut: for an outranked candidate, how far it was from surviving.
        runner_up: for a selected candidate, the best that was not chosen.
        by: the query or left record the decision belongs to.
        score_error: by how much `score` may be off; None where it is as it was given.
    """

    step_id: str
    name: str
    step_type: StepType
    ordinal: int
    attempt: int = 1
    kind: StopKind
    text: str
    certainty: Certainty
    because: str = ""
    reason: str | None = None
    reasoning: str | None = None
    score: float | None = None
    rank: int | None = None
    checks: list[Check] = []
    cut: Cut | None = None
    runner_up: RunnerUp | None = None
    by: str | None = None
    score_error: float | None = None


class Provenance(Struct, frozen=True, kw_only=True):
    """One link of the chain back to what brought a candidate.

    Args:
        origin: what brought it.
        step_name: the step that recorded the origin; None when no step did.
        brought: how many candidates that origin brought to the step where it is named.
        brought_to: the name of that step.
        selected: how many of them are in the run's answer; None where nothing was selected.
        depth: 1 for the candidate's own origin, 2 for the origin's origin, …
        text: the same in one plain sentence.
        certainty: whether that is known, inferred or unknown.
    """

    origin: Origin
    step_name: str | None = None
    brought: int | None = None
    brought_to: str | None = None
    selected: int | None = None
    depth: int = 1
    text: str = ""
    certainty: Certainty = "known"


class Finding(Struct, frozen=True, kw_only=True):
    """Something about a run that deserves a look.

    Args:
        code: a stable name, such as `vanished`; docs/findings.md says what each means.
        text: one plain sentence.
        certainty: whether it is known, inferred or unknown.
        step_id: the step it is about; None for the run.
        step_name: that step's name.
        count: how many candidates it concerns.
        examples: up to 10 of their ids.
        because: what it was inferred from, or why it is unknown.
        surprise: the evidence that it is not chance, from 0 to 1: one minus the probability that
            anything as unusual is found in a usual run; 0 where nothing was computed.
        observed: the number in question, as the run has it; None where no number was compared.
        expected: the same number as it usually is.
    """

    code: str
    text: str
    certainty: Certainty
    step_id: str | None = None
    step_name: str | None = None
    count: int | None = None
    examples: list[str] = []
    because: str = ""
    surprise: float = 0.0
    observed: float | None = None
    expected: float | None = None


class FindingList(Struct, frozen=True, kw_only=True):
    """What deserves a look in one run, what deserves it most first.

    Args:
        run_id: the run.
        findings: by how surprising they are and how near the run's output.
        look_here_first: how many of them to look at first: at most three, the first ones.
    """

    run_id: str
    findings: list[Finding]
    look_here_first: int = 0

    @property
    def first(self) -> list[Finding]:
        """Those to look at first."""
        return self.findings[: self.look_here_first]


class Why(Shown, Struct, frozen=True, kw_only=True):
    """Why one candidate ended as it did in one run.

    Args:
        run_id: the run.
        pipeline: its pipeline.
        candidate_id: the candidate.
        outcome: what became of it.
        answer: one plain sentence.
        certainty: whether that is known, inferred or unknown.
        because: what it was inferred from, or why it is unknown.
        decided_at: the name of the step that settled it; None when none did.
        decided_at_step_id: that step's id.
        journey: what happened at each step, in order.
        provenance: the chain back to what brought it, nearest first.
        parts: decisions about its parts, where the candidate is a whole (`part_of`).
        findings: what the conservation check says about this candidate.
        similar: recorded ids close to the one asked for, when no step recorded that.
        labels: what somebody said of the candidate, and of the run.
    """

    run_id: str
    pipeline: str
    candidate_id: str
    outcome: Outcome
    answer: str
    certainty: Certainty
    because: str = ""
    decided_at: str | None = None
    decided_at_step_id: str | None = None
    journey: list[Stop] = []
    provenance: list[Provenance] = []
    parts: list[str] = []
    findings: list[Finding] = []
    similar: list[str] = []
    labels: list[Label] = []

    def __str__(self) -> str:
        if self.certainty == "known":
            return self.answer
        is_news = self.because and self.because not in self.answer
        return f"{self.answer} ({self.certainty}{f': {self.because}' if is_news else ''})"
