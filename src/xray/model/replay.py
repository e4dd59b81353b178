"""A recorded step run again with today's code: whether it decides as it did."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from xray.model.differences import Change, StepDiff
from xray.model.notebook import Shown
from xray.model.vocabulary import Certainty


class Replay(Shown, Struct, frozen=True, kw_only=True):
    """How today's code decides about what a recorded step, or run, was given.

    In `steps` and `unsettled`, A is what was recorded, or the first replay, and B is the replay.

    Args:
        run_id: the run that was recorded.
        pipeline: its pipeline.
        step: the step's name; None where the whole run was replayed.
        step_id: the step.
        code: the function that was called.
        answer: one plain sentence.
        is_same: whether nothing that was recorded differs.
        changed: arguments that were not given as recorded, by name.
        changes: how the run itself ended otherwise, where it was replayed whole.
        steps: the step, and those inside it, each with how it differs. Moves name every candidate.
        times: how often it was replayed.
        unsettled: how later replays of the same code differ from the first.
        notes: what a reader of the result should know of how it was made.
        certainty: `known`, or `unknown` where too little was recorded to compare it whole.
        because: what was not kept.
    """

    run_id: str
    pipeline: str
    step: str | None = None
    step_id: str | None = None
    code: str
    answer: str
    is_same: bool
    changed: dict[str, Any] = {}
    changes: list[Change] = []
    steps: list[StepDiff] = []
    times: int = 1
    unsettled: list[StepDiff] = []
    notes: list[str] = []
    certainty: Certainty = "known"
    because: str = ""

    def __str__(self) -> str:
        texts = {one.text: one.text.removeprefix(f"{one.name}: ")[:-1] for one in self.steps}
        more = [text for text, said in texts.items() if said and said not in self.answer]
        return "\n".join([self.answer, *more, *self.notes])
