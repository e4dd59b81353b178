"""What was recorded of the step or run that is to be replayed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from msgspec import Struct
from msgspec.structs import replace

from xray.client import Client
from xray.errors import NotFoundError, NotReplayableError
from xray.forensics.attempts import number_attempts
from xray.forensics.evidence import RunEvidence
from xray.forensics.replay import narrow_steps
from xray.model.decisions import DecisionTable, ListedDecisions
from xray.model.records import RunDetail, Step


class Recorded(Struct, frozen=True):
    """What was recorded.

    Args:
        run: the run.
        step: the step; None where the whole run is to be replayed.
        evidence: the step and those inside it, or all steps.
    """

    run: RunDetail
    step: Step | None
    evidence: RunEvidence

    @property
    def name(self) -> str:
        """What the step, or else the pipeline, is called."""
        return self.run.pipeline if self.step is None else self.step.name

    @property
    def code(self) -> str | None:
        """The function whose call it was, where it was a decorated one."""
        return self.run.code if self.step is None else self.step.code

    @property
    def input(self) -> object:
        """What it was given."""
        return self.run.input if self.step is None else self.step.input


def read_recorded(client: Client, run: str, step: str | None) -> Recorded:
    """What *client* knows of a step, or of a whole run.

    Args:
        client: whom to ask.
        run: an id, a unique prefix of one, or `last`.
        step: a step's name, `name#2` or its id; None for the run.

    Raises:
        NotFoundError: there is no such run or step.
        NotReplayableError: several steps are meant.
    """
    found = client.run(run)
    root = None if step is None else find_step(found.steps, step)

    def load_table(step_id: str) -> DecisionTable:
        rows = client.iter_decisions(step_id=step_id, limit=1_000)
        return ListedDecisions(step_id, (row for row in rows if row.has_detail))

    # The roster of a step stays where it is stored: here only its rows are known.
    steps = [
        replace(one, coverage="sampled") if one.coverage == "named" else one
        for one in narrow_steps(found.steps, root)
    ]
    return Recorded(found, root, RunEvidence(found, steps, load_table))


def find_step(steps: Sequence[Step], name: str) -> Step:
    """The step that *name* means: its name, `name#2` for the second so called, or its id.

    Of a step that was tried again the last attempt is meant.

    Raises:
        NotFoundError: there is none.
        NotReplayableError: there are several.
    """
    for step in steps:
        if step.step_id == name:
            return step
    current = number_attempts(sorted(steps, key=lambda one: one.ordinal)).current
    found = [step for step in current if step.name == name]
    if not found and "#" in name:
        before, _, number = name.rpartition("#")
        called = [step for step in current if step.name == before]
        if number.isdecimal() and 0 < int(number) <= len(called):
            return called[int(number) - 1]
    if not found:
        counted = Counter(step.name for step in current)
        raise NotFoundError(
            f"The run has no step {name!r}.",
            hint=f"It has {', '.join(counted)}." if counted else "It has no steps.",
            code="step_not_found",
        )
    if len(found) > 1:
        raise NotReplayableError(
            f"The run has {len(found):,} steps called {name!r}.",
            hint=f"Say which: --step '{name}#1' for the first, or the id of one.",
            code="ambiguous_step",
        )
    return found[0]
