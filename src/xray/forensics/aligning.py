"""The steps of two runs, side by side."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from msgspec import Struct

from xray.model.records import Step

Place = tuple[object, ...]


class Pair(Struct, frozen=True):
    """The same step in two runs; None where one of them has no such step."""

    a: Step | None
    b: Step | None

    @property
    def step(self) -> Step:
        """The step as one of the runs has it."""
        found = self.a or self.b
        assert found is not None
        return found


def align_steps(a: Sequence[Step], b: Sequence[Step]) -> list[Pair]:
    """Pair the steps of two runs by type, name, container and how often that came before.

    Args:
        a: the steps of one run that count, by ordinal.
        b: those of the other.
    """
    own, other = place_steps(a), place_steps(b)
    pairs = [Pair(step, other.get(place)) for place, step in own.items()]
    pairs += [Pair(None, step) for place, step in other.items() if place not in own]
    return sorted(pairs, key=_order)


def _order(pair: Pair) -> tuple[int, int, str, str]:
    # The same whichever run comes first.
    ordinals = [step.ordinal for step in (pair.a, pair.b) if step is not None]
    return min(ordinals), max(ordinals), pair.step.name, pair.step.step_type


def place_steps(steps: Sequence[Step]) -> dict[Place, Step]:
    """Steps of a run by what makes them the same in another: see `align_steps`."""
    seen: Counter[Place] = Counter()
    places: dict[str, Place] = {}
    for step in steps:
        container = places.get(step.parent_step_id or "", ())
        place: Place = (container, step.step_type, step.declared_type, step.name)
        seen[place] += 1
        places[step.step_id] = (*place, seen[place])
    by_id = {step.step_id: step for step in steps}
    return {place: by_id[step_id] for step_id, place in places.items()}
