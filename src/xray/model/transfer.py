"""What came of copying runs from one place to another."""

from __future__ import annotations

from msgspec import Struct


class Amounts(Struct, frozen=True, kw_only=True):
    """How many records of each kind.

    Args:
        runs: runs.
        steps: their steps.
        decisions: decisions with detail, sampled and logged ones included.
        candidates: candidates that rosters know by hash.
        labels: labels, also those that were taken back.
        tallies: minutes of runs that were not kept.
    """

    runs: int = 0
    steps: int = 0
    decisions: int = 0
    candidates: int = 0
    labels: int = 0
    tallies: int = 0

    @property
    def total(self) -> int:
        """All of them together."""
        return (
            self.runs + self.steps + self.decisions + self.candidates + self.labels + self.tallies
        )

    def plus(self, more: Amounts) -> Amounts:
        """These and *more* together."""
        return Amounts(
            runs=self.runs + more.runs,
            steps=self.steps + more.steps,
            decisions=self.decisions + more.decisions,
            candidates=self.candidates + more.candidates,
            labels=self.labels + more.labels,
            tallies=self.tallies + more.tallies,
        )


class Difference(Struct, frozen=True, kw_only=True):
    """A record that is not the same on both sides.

    Args:
        run_id: its run; None for a tally.
        record: what it is, e.g. `step 0190…`, `rows 3 of step 0190…`.
        detail: in what the sides differ.
    """

    run_id: str | None
    record: str
    detail: str


class Transfer(Struct, frozen=True, kw_only=True):
    """What came of copying runs.

    Args:
        answer: one plain sentence.
        source: where they were.
        target: where they went.
        compared: the records that were read on both sides and compared.
        already: how many of the runs were there before.
        differences: the records that are not the same on both sides, at most `MAX_DIFFERENCES`.
        differing: how many there are in all.
        left_behind: what the source knows that no run tells, a sentence each.
    """

    answer: str
    source: str
    target: str
    compared: Amounts
    already: int
    differences: list[Difference]
    differing: int
    left_behind: list[str] = []


MAX_DIFFERENCES = 100
"""How many differences are named."""
