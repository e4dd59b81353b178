"""Steps within steps."""

from __future__ import annotations

from collections.abc import Sequence

from xray.model.records import Step


def measure_depths(steps: Sequence[Step]) -> dict[str, int]:
    """In how many other steps each of *steps* stands, by its id."""
    parents = {step.step_id: step.parent_step_id for step in steps}
    depths: dict[str, int] = {}
    for step_id in parents:
        depth, above = 0, parents[step_id]
        while above in parents and depth < len(parents):
            depth, above = depth + 1, parents[above]
        depths[step_id] = depth
    return depths
