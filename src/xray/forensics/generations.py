"""Which steps work on candidates of one kind, and which on what those were made from.

A keyword brings products: the steps before and after the retriever speak of different things, and
the origins that candidates name tell so.
"""

from __future__ import annotations

from functools import cached_property
from typing import Final

from xray.forensics.flow import Flow
from xray.forensics.origins import Origins
from xray.model.records import Origin, Step

_MAX_ORIGINS: Final = 100


class Generations:
    """The deciding steps of a run by the kind of candidate they work on.

    Args:
        flow: the run's graph.
        origins: its origins.
    """

    def __init__(self, flow: Flow, origins: Origins) -> None:
        self._flow = flow
        self._origins = origins

    @cached_property
    def _numbers(self) -> dict[str, int]:
        """A number for each step; steps that candidates flow between share one."""
        flow = self._flow
        numbers = {step.step_id: number for number, step in enumerate(flow.deciding_steps)}
        merged = list(range(len(numbers)))

        def find(number: int) -> int:
            while merged[number] != number:
                merged[number] = number = merged[merged[number]]
            return number

        for step in flow.deciding_steps:
            for consumer in flow.consumers(step):
                if not self._makes_others(consumer, step):
                    merged[find(numbers[consumer.step_id])] = find(numbers[step.step_id])
        return {step_id: find(number) for step_id, number in numbers.items()}

    def _makes_others(self, step: Step, source: Step) -> bool:
        """Whether *step* makes candidates of its own from those of *source*, and says so."""
        flow = self._flow
        is_mapping = flow.role(step) == "maps" and bool(step.origins)
        return is_mapping and set(flow.ledger(step).candidate_ids).isdisjoint(
            flow.ledger(source).candidate_ids
        )

    @cached_property
    def _ids(self) -> dict[int, set[str]]:
        ids: dict[int, set[str]] = {}
        for step in self._flow.deciding_steps:
            found = ids.setdefault(self._numbers[step.step_id], set())
            found.update(self._flow.ledger(step).candidate_ids)
        return ids

    @cached_property
    def _ancestors(self) -> dict[int, set[int]]:
        """For each generation those it was made from, and what those were made from, and so on."""
        parents: dict[int, set[int]] = {number: set() for number in self._numbers.values()}
        for step in self._flow.deciding_steps:
            own = self._numbers[step.step_id]
            for source in self._sources(step):
                other = self._numbers.get(source.step_id, own)
                if other != own and self._ids[other].isdisjoint(self._ids[own]):
                    parents[own].add(other)
        return {number: _climb(number, parents) for number in parents}

    @cached_property
    def _makers(self) -> set[int]:
        """The generations that others were made from."""
        return set().union(*self._ancestors.values())

    def _sources(self, step: Step) -> list[Step]:
        """The steps that the origins named at *step* come from."""
        found: dict[str, Step] = {}
        for named in step.origins[:_MAX_ORIGINS]:
            origin = Origin(candidate_id=named.candidate_id, step_id=named.step_id)
            source = self._origins.resolve(origin, step).source
            if source is not None:
                found[source.step_id] = source
        return list(found.values())

    def of(self, step: Step) -> int:
        """The generation of a deciding step."""
        return self._numbers[step.step_id]

    def are_other_kinds(self, one: int, other: int) -> bool:
        """Whether the candidates of the two generations are different kinds of thing.

        One was made from the other; or one is the last of its line and the other the first of
        its own, as in a loop that makes a query and fetches for it, round after round.
        """
        if one in self._ancestors[other] or other in self._ancestors[one]:
            return True
        return any(
            first in self._makers
            and not self._ancestors[first]
            and last not in self._makers
            and bool(self._ancestors[last])
            for first, last in ((one, other), (other, one))
        )


def _climb(number: int, parents: dict[int, set[int]]) -> set[int]:
    above: set[int] = set()
    waiting = list(parents[number])
    while waiting:
        parent = waiting.pop()
        if parent not in above and parent != number:
            above.add(parent)
            waiting.extend(parents[parent])
    return above
