"""Whether a run decided as it was expected to, statement by statement."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct

from xray.model.notebook import Shown
from xray.model.vocabulary import Certainty


class Verified(Struct, frozen=True, kw_only=True):
    """One expectation beside what was found.

    Args:
        text: the expectation as it was written.
        is_met: whether the run meets it; None where the capture cannot tell.
        found: what the run did, in one plain sentence.
        certainty: whether what was found is known, inferred or unknown.
        because: what it was inferred from, or why it is unknown.
        candidate_id: the candidate it is about; None where it is about counts or the run.
        step_ids: the steps it rests on.
    """

    text: str
    is_met: bool | None
    found: str
    certainty: Certainty = "known"
    because: str = ""
    candidate_id: str | None = None
    step_ids: list[str] = []


class Verification(Shown, Struct, frozen=True, kw_only=True):
    """What was expected of a run, and whether it held.

    Printing it shows each expectation, with what was found beside those that are not met.

    Args:
        run_id: the run.
        pipeline: its pipeline.
        answer: how many expectations are met, in a few words.
        is_met: whether all are; None where none is broken and the capture cannot tell of some.
        expectations: each of them, in the order given.
    """

    run_id: str
    pipeline: str
    answer: str
    is_met: bool | None
    expectations: list[Verified]

    @classmethod
    def of(cls, run_id: str, pipeline: str, expectations: list[Verified]) -> Verification:
        """The verification of a run by *expectations*, summed up."""
        met = sum(one.is_met is True for one in expectations)
        broken = sum(one.is_met is False for one in expectations)
        return cls(
            run_id=run_id,
            pipeline=pipeline,
            answer=_sum_up(len(expectations), met, broken),
            is_met=False if broken else None if met < len(expectations) else True,
            expectations=expectations,
        )

    def __str__(self) -> str:
        return "\n".join(self._draw())

    def _draw(self) -> Iterator[str]:
        yield f"{self.pipeline}, run {self.run_id}: {self.answer}."
        for one in self.expectations:
            if one.is_met:
                yield f"  ok        {one.text}"
                continue
            yield f"  {'unknown ' if one.is_met is None else 'BROKEN  '}  {one.text}"
            yield f"    found     {one.found}"
            if one.because and one.because not in one.found:
                yield f"    because   {one.because}"


def _sum_up(asked: int, met: int, broken: int) -> str:
    if met == asked:
        return "the one expectation is met" if asked == 1 else f"all {asked} expectations are met"
    things = "expectation" if asked == 1 else "expectations"
    parts = [f"{met} of {asked} {things} {'is' if met == 1 else 'are'} met"]
    if broken:
        parts.append(f"{broken} broken")
    if met + broken < asked:
        parts.append(f"{asked - met - broken} unknown")
    return ", ".join(parts)
