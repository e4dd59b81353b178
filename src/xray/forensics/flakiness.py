"""How far runs on the same input decide alike, and which step brings the variance in.

The disagreement about a candidate is the chance that two different runs, drawn from those at hand,
treat it differently: 2k(n-k) / n(n-1), where k of n runs kept it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

import msgspec
from msgspec import Struct

from xray.forensics.aligning import Place, place_steps
from xray.forensics.case import Case
from xray.forensics.evidence import RunEvidence
from xray.forensics.gaps import explain_blindness
from xray.forensics.outcomes import Name, Names, Outcomes, name_of, read_outcomes
from xray.forensics.wording import count_things, list_items, show_number
from xray.model.flakiness import Flakiness, FlakinessReport, Flip, StepFlakiness
from xray.model.records import Run, Step

_MAX_EXAMPLES: Final = 10


class _Side(Struct, frozen=True):
    """One run at a step: what was decided there, what came there, and what went on."""

    run_id: str
    step: Step
    outcomes: Outcomes
    offered: frozenset[Name]
    let_through: frozenset[Name]

    @classmethod
    def of(cls, case: Case, step: Step, names: Names) -> _Side:
        reach = case.flow.everyone
        return cls(
            run_id=case.run.run_id,
            step=step,
            outcomes=read_outcomes(case.flow.ledger(step), names),
            offered=frozenset(name_of(*key) for key in reach.offered(step)),
            let_through=frozenset(name_of(*key) for key in reach.let_through(step)),
        )

    def has(self, name: Name) -> bool:
        """Whether the candidate came to the step."""
        return name in self.outcomes.known or name in self.offered

    def keeps(self, name: Name) -> bool:
        """Whether the candidate went on from there, recorded or as one of the rest."""
        standing = self.outcomes.known.get(name)
        if standing is None:
            return name in self.let_through
        return standing.decision == ("selected" if self.step.counts.selected else "accepted")

    def can_tell(self, name: Name) -> bool:
        """Whether it is known what became of the candidate there."""
        return self.has(name) or self.outcomes.is_complete


def group_by_input(runs: Iterable[Run]) -> list[list[Run]]:
    """Runs of one pipeline on one input together, in the order they first appear."""
    groups: dict[tuple[str, bytes], list[Run]] = {}
    for run in runs:
        spelled = msgspec.json.encode(run.input, order="deterministic")
        groups.setdefault((run.pipeline, spelled), []).append(run)
    return list(groups.values())


def report_flakiness(measured: Sequence[Flakiness], runs: int, alone: int) -> FlakinessReport:
    """Sum up what was measured, the flakiest input first.

    Args:
        measured: one for each input that was given more than once.
        runs: how many runs were looked at.
        alone: how many of them had an input of their own.
    """
    ordered = sorted(measured, key=lambda one: -max((s.flip_rate for s in one.steps), default=0))
    flaky = [one for one in ordered if one.source is not None]
    given = f"{count_things(len(ordered), 'input')} that {'was' if len(ordered) == 1 else 'were'}"
    if not ordered:
        answer = (
            f"No input was given twice in {count_things(runs, 'run')}, so nothing can be compared."
        )
    elif not flaky:
        answer = (
            f"{given} given repeatedly led to the same decisions in all {runs - alone:,} runs, as "
            "far as was recorded."
        )
    else:
        steps = list_items(list(dict.fromkeys(one.source or "" for one in flaky)))
        answer = (
            f"{len(flaky)} of {given} given repeatedly led to different decisions; the variance "
            f"enters at {steps}."
        )
    return FlakinessReport(answer=answer, inputs=ordered, runs=runs, alone=alone)


def measure_flakiness(runs: Sequence[RunEvidence]) -> Flakiness:
    """Say how far *runs*, which had the same input, decide alike.

    Args:
        runs: at least two, newest first.
    """
    cases = [Case.of(run) for run in runs]
    names = Names(*runs)
    places = [place_steps(case.flow.steps) for case in cases]
    steps: list[StepFlakiness] = []
    doubts: dict[str, None] = {}
    for place in _order_places(places):
        present = [
            (case, steps_of[place])
            for case, steps_of in zip(cases, places, strict=True)
            if place in steps_of
        ]
        sides = [_Side.of(case, step, names) for case, step in present]
        for (case, step), side in zip(present, sides, strict=True):
            if case.flow.ledger(step).decided_count and not side.outcomes.is_complete:
                doubts[f"{step.name}: {explain_blindness(case.flow, step)}"] = None
        creates = any(case.flow.role(step) == "creates" for case, step in present)
        steps.append(_measure_step(sides, len(cases), creates))
    answers = {tuple(case.origins.answer) for case in cases}
    source = next((step for step in steps if step.own_flips), None)
    return Flakiness(
        pipeline=cases[0].run.pipeline,
        input=cases[0].run.input,
        run_ids=[case.run.run_id for case in cases],
        answer=_word(len(cases), len(answers), source),
        answers=len(answers),
        source=None if source is None else source.name,
        steps=steps,
        certainty="unknown" if doubts else "known",
        because="; ".join(doubts),
    )


def _order_places(places: Sequence[dict[Place, Step]]) -> list[Place]:
    first: dict[Place, int] = {}
    for steps in places:
        for place, step in steps.items():
            first[place] = min(step.ordinal, first.get(place, step.ordinal))
    return sorted(first, key=lambda place: first[place])


def _measure_step(sides: Sequence[_Side], runs: int, creates: bool) -> StepFlakiness:
    seen = {name: None for side in sides for name in (*side.outcomes.known, *side.offered)}
    compared = [name for name in seen if all(side.can_tell(name) for side in sides)]
    flips: list[tuple[int, bool, Flip]] = []
    total = 0
    for name in compared:
        kept = [side for side in sides if side.keeps(name)]
        disagreeing = len(kept) * (runs - len(kept))
        total += disagreeing
        if disagreeing:
            came_always = len(sides) == runs and all(side.has(name) for side in sides)
            flip = _describe_flip(name, sides, kept, runs)
            flips.append((disagreeing, creates or came_always, flip))
    flips.sort(key=lambda one: (not one[1], -one[0], one[2].candidate_id))
    step = sides[0].step
    return StepFlakiness(
        name=step.name,
        step_type=step.step_type,
        runs=len(sides),
        candidates=len(compared),
        flips=len(flips),
        own_flips=sum(is_own for _, is_own, _ in flips),
        flip_rate=2 * total / (runs * (runs - 1) * len(compared)) if compared else 0.0,
        examples=[flip for _, _, flip in flips[:_MAX_EXAMPLES]],
        step_ids=[side.step.step_id for side in sides],
    )


def _describe_flip(name: Name, sides: Sequence[_Side], kept: Sequence[_Side], runs: int) -> Flip:
    missed = [side for side in sides if not side.keeps(name)]
    dropped = [side for side in missed if side.has(name)]
    reasons = [side.outcomes.known[name].reason for side in dropped if name in side.outcomes.known]
    by, candidate_id = (None, name) if isinstance(name, str) else name
    return Flip(
        candidate_id=candidate_id,
        by=by,
        kept=len(kept),
        dropped=len(dropped),
        absent=runs - len(kept) - len(dropped),
        reasons=list(dict.fromkeys(reason for reason in reasons if reason is not None)),
        kept_in=kept[0].run_id,
        missed_in=missed[0].run_id if missed else None,
    )


def _word(runs: int, answers: int, source: StepFlakiness | None) -> str:
    given = (
        f"{count_things(runs, 'run')} on the same input gave "
        f"{'the same answer' if answers == 1 else f'{answers} different answers'}"
    )
    if source is None:
        return f"{given}; no step decided differently about the same candidates."
    named = list_items([flip.candidate_id for flip in source.examples[:3]])
    share = show_number(round(100 * source.flip_rate, 1))
    found = source.step_type in ("generate", "retrieve")
    what = "found in some runs only" if found else "kept in some runs and not in others"
    return (
        f"{given}. The variance enters at {source.name}: {source.own_flips} of "
        f"{count_things(source.candidates)} {'was' if source.own_flips == 1 else 'were'} {what} "
        f"({named}); two runs disagree about {share} % of them."
    )
