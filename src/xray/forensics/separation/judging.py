"""Which questions about a table have an answer that chance does not explain."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import Final, Literal

from msgspec import Struct
from msgspec.structs import replace

from xray.forensics.groups.chance import adjust, pick_answerable
from xray.forensics.groups.effects import change_of_shares, find_dominance
from xray.forensics.groups.paired import find_least_p, find_p
from xray.forensics.groups.samples import Paired, effective_runs, line_up
from xray.forensics.separation.clustering import bound_flips, combine_runs, least_flips
from xray.forensics.separation.questions import (
    Held,
    Question,
    Tally,
    ask,
    explain_leaving_out,
    join_namesakes,
    observe,
    pair_up,
)
from xray.forensics.separation.table import Table

LEVEL: Final = 0.01
MIN_RUNS: Final = 20
"""From so many runs on a run with all its candidates is what chance draws."""

_MIN_HOLDING: Final = 5.0
_SMIRNOV: Final = 1.628


class Judged(Struct, frozen=True):
    """A question and its answer.

    Args:
        p: the chance of it among all questions.
        lean: above 0 where A is above B, below 0 where it is not.
        least: how far apart the sides are at least; of two values, as shares.
        is_weighted: some stand for more than themselves.
        is_of_two: there are two values only.
    """

    question: Question
    p: float
    lean: float
    least: float
    is_weighted: bool
    is_of_two: bool

    @property
    def test(self) -> Literal["fisher", "mann_whitney", "weighted_ranks"]:
        """The test it rests on."""
        if self.is_weighted:
            return "weighted_ranks"
        return "fisher" if self.is_of_two else "mann_whitney"


class Verdicts(Struct, frozen=True):
    """What was found.

    Args:
        judged: the questions whose answer chance does not explain.
        tests: how many could have been answered at all.
        left_out: columns that were not looked at, and why.
    """

    judged: list[Judged]
    tests: int
    left_out: list[tuple[str | None, str, str]]


class _Draft(Struct, frozen=True):
    judged: Judged
    least_p: float


def judge(table: Table, names: tuple[str, str], level: float = LEVEL) -> Verdicts:
    """Find what separates the sides of *table*.

    Args:
        table: the candidates or runs.
        names: what its sides are called.
        level: the chance of finding anything where sides were drawn by lot.
    """
    drafts: list[_Draft] = []
    left_out: list[tuple[str | None, str, str]] = []
    lots = _Lots(table)
    for column in table.columns.values():
        held = observe(table, column)
        told = explain_leaving_out(held, names)
        if told is not None:
            # That a step did not run on one side is told by itself.
            if column.step is None and len(set(table.is_in_a)) == 2:
                left_out.append((column.step, column.path, told))
            continue
        joined = join_namesakes(table, held)
        tally = Tally(joined)
        for question in ask(column, joined):
            is_of_number = question.condition == "above"
            paired = pair_up(joined, question.measure) if is_of_number else tally.pair_up(question)
            draft = _judge_alone(question, held, paired, lots, level)
            if draft is not None:
                drafts.append(draft)
    asked = [drafts[at] for at in pick_answerable([one.least_p for one in drafts], level)]
    chances = adjust([one.judged.p for one in asked])
    found = [replace(one.judged, p=p) for one, p in zip(asked, chances, strict=True) if p < level]
    return Verdicts(found, len(asked), left_out)


class _Lots:
    """What was drawn by lot, were there nothing to find: candidates, or runs.

    Args:
        table: the candidates or runs.
    """

    def __init__(self, table: Table) -> None:
        self._runs = table.runs
        self.runs = 1 if table.is_of_runs else count_mixed_runs(table)
        self.is_of_runs = not table.is_of_runs and self.runs >= MIN_RUNS

    def split(self, held: Iterable[Held]) -> Iterator[list[Held]]:
        """What is held in each run by itself."""
        by_run: dict[int, list[Held]] = {}
        for one in held:
            by_run.setdefault(self._runs[one.row], []).append(one)
        yield from by_run.values()


def count_mixed_runs(table: Table) -> int:
    """How many runs have candidates on both sides."""
    sides: dict[int, set[bool]] = {}
    for run, is_in_a in zip(table.runs, table.is_in_a, strict=True):
        sides.setdefault(run, set()).add(is_in_a)
    return sum(len(both) == 2 for both in sides.values())


def _judge_alone(
    question: Question, held: list[Held], paired: Paired, lots: _Lots, level: float
) -> _Draft | None:
    """What one question says by itself; None where it could not say anything."""
    least_p = _find_least(paired)
    if least_p > level:
        return None
    p, dominance = find_p(paired), find_dominance(paired)
    if p < level and lots.runs > 1:
        # Neither what candidates nor what runs have by chance may explain it.
        judge_runs = _judge_flips if lots.is_of_runs else _judge_each
        p_of_runs, least_of_runs, lean = judge_runs(question, held, lots)
        p = max(p, p_of_runs) if lean * dominance < 0 else 1.0
        least_p = max(least_p, least_of_runs)
        if least_p > level:
            return None
    is_of_two = sum(a.runs + b.runs > 0 for a, b in zip(paired.a, paired.b, strict=True)) == 2
    judged = Judged(
        question=question,
        p=p,
        lean=-dominance,
        least=_bound_effect(paired, -dominance, is_of_two=is_of_two),
        is_weighted=paired.is_weighted,
        is_of_two=is_of_two,
    )
    return _Draft(judged, least_p)


def _find_least(paired: Paired) -> float:
    least = find_least_p(paired)
    if paired.is_weighted and len(paired.values) == 2:
        # A mean of weights is near normal only where enough of them are on either side.
        holding = [effective_runs([a, b]) for a, b in zip(paired.a, paired.b, strict=True)]
        if min(holding) < _MIN_HOLDING:
            return 1.0
    return least


def _judge_flips(question: Question, held: list[Held], lots: _Lots) -> tuple[float, float, float]:
    """The chance, the least there can be, and which way runs lean, where each run is one lot."""
    ranks = _rank(question, held)
    scores: list[float] = []
    runs = 0
    for of_run in lots.split(held):
        known = [
            (one, ranks[value])
            for one in of_run
            if (value := question.measure(one.cell)) is not None
        ]
        whole = math.fsum(one.weight for one, _ in known)
        in_a = math.fsum(one.weight for one, _ in known if one.is_in_a)
        if not 0 < in_a < whole or len({rank for _, rank in known}) < 2:
            continue
        runs += 1
        everything = math.fsum(one.weight * rank for one, rank in known)
        of_a = math.fsum(one.weight * rank for one, rank in known if one.is_in_a)
        score = of_a - everything * in_a / whole
        scores.append(0.0 if abs(score) < 1e-12 * (1 + abs(everything)) else score)
    # The dominance of B over A is what leans the other way.
    return bound_flips(scores), least_flips(runs), math.fsum(scores)


def _rank(question: Question, held: list[Held]) -> dict[float, float]:
    """The share of all that are below each value, ties halved."""
    counted: dict[float, float] = {}
    for one in held:
        value = question.measure(one.cell)
        if value is not None:
            counted[value] = counted.get(value, 0.0) + one.weight
    whole, below = math.fsum(counted.values()), 0.0
    ranks: dict[float, float] = {}
    for value in sorted(counted):
        ranks[value] = (below + counted[value] / 2) / whole
        below += counted[value]
    return ranks


def _judge_each(question: Question, held: list[Held], lots: _Lots) -> tuple[float, float, float]:
    """The same where candidates are the lots, each run by itself and then together."""
    judged: list[tuple[float, float]] = []
    least: list[tuple[float, float]] = []
    for of_run in lots.split(held):
        paired = pair_up(of_run, question.measure)
        least_p = _find_least(paired) if len(paired.values) > 1 else 1.0
        if least_p < 1.0:
            judged.append((find_p(paired), -find_dominance(paired)))
            least.append((least_p, 1.0))
    if not judged:
        return 1.0, 1.0, 0.0
    lean = math.fsum(-math.log(max(p, 1e-300)) * (1 if way > 0 else -1) for p, way in judged)
    return combine_runs(judged), combine_runs(least), lean


def _bound_effect(paired: Paired, lean: float, *, is_of_two: bool) -> float:
    """By how much the shares of both sides differ at least, at a number's best threshold."""
    if is_of_two:
        change = change_of_shares(line_up([0.0, 1.0], paired.a, paired.b))
        return max(0.0, change.least, -change.most)
    return max(0.0, *_cut_everywhere(paired, is_up=lean > 0))


def _cut_everywhere(paired: Paired, *, is_up: bool) -> Iterator[float]:
    of_a = math.fsum(share.weight for share in paired.a)
    of_b = math.fsum(share.weight for share in paired.b)
    told = 1 / max(1.0, effective_runs(paired.a)) + 1 / max(1.0, effective_runs(paired.b))
    # The bound of Smirnov (1948) holds at every threshold at once.
    width = _SMIRNOV * math.sqrt(told)
    below_a = below_b = 0.0
    for a, b in zip(paired.a, paired.b, strict=True):
        below_a += a.weight
        below_b += b.weight
        difference = below_b / of_b - below_a / of_a
        yield (difference if is_up else -difference) - width
