"""What separates candidates or runs: read within a budget, judged, and said."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from itertools import zip_longest
from typing import Final, TypeVar

from msgspec.structs import replace

from xray.errors import InvalidQueryError, NotFoundError
from xray.forensics.case import Case
from xray.forensics.evidence import RunEvidence, load_evidence
from xray.forensics.separation.candidates import Gathered, Sides, gather_candidates
from xray.forensics.separation.describing import describe
from xray.forensics.separation.judging import LEVEL, MIN_RUNS, count_mixed_runs, judge
from xray.forensics.separation.runs import (
    add_answer,
    add_run,
    fill_absent,
    leave_out_asked,
    list_asked,
)
from xray.forensics.separation.sentences import answer_separation
from xray.forensics.separation.table import MAX_CELLS, MAX_ROWS, Table
from xray.forensics.wording import count_things, list_items
from xray.model.records import Page, Step
from xray.model.run_figures import RunFigures
from xray.model.separation import LeftOut, SeparatedSide, Separation
from xray.query.cursor import decode_cursor
from xray.query.plan import AllOf, Not, Plan, simplify
from xray.query.spelling import find_nearest
from xray.store.protocol import Store

BUDGET_S: Final = 5.0
_PAGE_RUNS: Final = 100
_SIDES_OF_RUNS: Final = ("runs of A", "runs of B")

_Record = TypeVar("_Record")


class Budget:
    """How long reading may take.

    Args:
        budget_s: seconds.
        clock: seconds that pass.
    """

    def __init__(
        self, budget_s: float = BUDGET_S, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._clock = clock
        self._deadline_s = clock() + budget_s

    @property
    def is_spent(self) -> bool:
        """Whether no more may be read."""
        return self._clock() >= self._deadline_s


class _Reading:
    """Goes through what meets a query, newest first, as far as that may go.

    Args:
        plan: the query.
        most: how many records are read at most.
        budget: how long.
    """

    def __init__(self, plan: Plan, most: int, budget: Budget) -> None:
        self.plan = replace(plan, limit=min(_PAGE_RUNS, most))
        self.most = most
        self.budget = budget
        self._is_stopped = False
        self.read = 0
        self.matching: int | None = None
        self.is_complete = True

    def walk(self, fetch: Callable[[Plan], Page[_Record]]) -> Iterator[_Record]:
        """The records that *fetch* gives, page by page."""
        plan: Plan | None = self.plan
        while plan is not None:
            page = fetch(plan)
            if self.matching is None:
                self.matching = page.total
            for record in page.items:
                if self.read and self._is_over:
                    self.is_complete = False
                    return
                self.read += 1
                yield record
            cursor = page.next_cursor
            plan = None if cursor is None else replace(plan, after=decode_cursor(cursor, plan))
            if plan is not None and self._is_over:
                self.is_complete = False
                return

    def stop(self) -> None:
        """Read no more."""
        self._is_stopped = True

    @property
    def _is_over(self) -> bool:
        return self._is_stopped or self.read >= self.most or self.budget.is_spent


def separate_run(evidence: RunEvidence, step_name: str | None, sides: Sides) -> Separation:
    """What separates the candidates of a step of one run.

    Args:
        evidence: the run.
        step_name: the step; the one that dropped most when absent.
        sides: which candidates are told apart.

    Raises:
        NotFoundError: the run has no such step.
        InvalidQueryError: nothing was rejected for the reasons that *sides* name.
    """
    case, table = Case.of(evidence), Table()
    steps = _find_steps(case, step_name)
    gathered = [gather_candidates(table, case, step, sides) for step in steps]
    _check_reasons(sides, gathered)
    return _say(_conclude(table, sides, steps[0].name, gathered, runs=1))


def _find_steps(case: Case, name: str | None) -> list[Step]:
    deciding = [step for step in case.flow.steps if case.flow.role(step) != "contains"]
    if name is not None:
        found = [step for step in deciding if step.name == name]
        if found:
            return found
        known = list(dict.fromkeys(step.name for step in deciding))
        near = find_nearest(name, known)
        raise NotFoundError(
            f"The run has no step {name[:100]!r}.",
            hint=f"Did you mean {near!r}?" if near else f"It has {list_items(known, limit=20)}.",
            code="no_such_step",
        )
    keeping = [step for step in deciding if case.flow.role(step) == "keeps"] or deciding
    if not keeping:
        raise NotFoundError("The run has no step that decided anything.", code="no_such_step")
    return [max(keeping, key=lambda step: (step.counts.rejected, step.ordinal))]


def _check_reasons(sides: Sides, gathered: Iterable[Gathered]) -> None:
    known = frozenset[str]().union(*(one.rejected_for for one in gathered))
    unknown = sorted(sides.reasons - known)
    if unknown and known:
        near = find_nearest(unknown[0], sorted(known))
        raise InvalidQueryError(
            f"No candidate was rejected for {unknown[0][:100]!r}.",
            hint=f"Did you mean {near!r}?"
            if near
            else f"There are {list_items(sorted(known), limit=20)}.",
            code="no_such_reason",
        )


def separate_candidates(
    store: Store,
    plan: Plan,
    step_name: str,
    sides: Sides,
    *,
    max_runs: int,
    budget: Budget | None = None,
) -> Separation:
    """What separates the candidates of a step over the newest runs that meet a query.

    Args:
        store: where the runs are.
        plan: the query.
        step_name: the step.
        sides: which candidates are told apart.
        max_runs: how many runs are looked at.
        budget: how long.

    Raises:
        NotFoundError: no run that was looked at has such a step.
        InvalidQueryError: nothing was rejected for the reasons that *sides* name.
    """
    budget = budget or Budget()
    table, reading = Table(), _Reading(plan, max_runs, budget)
    gathered: list[Gathered] = []
    known: dict[str, None] = {}
    runs = 0
    for run in reading.walk(store.runs):
        evidence = load_evidence(store, run.run_id)
        case = Case.of(evidence)
        known.update((step.name, None) for step in case.flow.steps)
        steps = [step for step in case.flow.steps if step.name == step_name]
        gathered += [gather_candidates(table, case, step, sides, runs) for step in steps]
        runs += bool(steps)
        if table.is_full:
            reading.stop()
    if not runs and known:
        near = find_nearest(step_name, list(known))
        raise NotFoundError(
            f"None of the {count_things(reading.read, 'run')} has a step {step_name[:100]!r}.",
            hint=f"Did you mean {near!r}?"
            if near
            else f"There are {list_items(list(known), limit=20)}.",
            code="no_such_step",
        )
    _check_reasons(sides, gathered)
    found = _conclude(table, sides, step_name, gathered, runs=runs)
    return _say(replace(found, matching=reading.matching, complete=reading.is_complete))


def _conclude(
    table: Table, sides: Sides, step_name: str, gathered: list[Gathered], *, runs: int
) -> Separation:
    names = sides.name(has_selected=any(one.has_selected for one in gathered))
    mixed = count_mixed_runs(table)
    notes = []
    if any(one.is_inferred for one in gathered):
        notes.append("one side is what the step left of what it was offered")
    if any(one.is_sample for one in gathered):
        notes.append("rows of some candidates were sampled out, the others count by their weight")
    if any(one.is_logged for one in gathered):
        notes.append("there are only samples that were logged by hand")
    if mixed >= MIN_RUNS:
        notes.append(f"a run with all its candidates is what chance draws ({mixed:,} runs)")
    elif mixed > 1:
        notes.append(
            f"{mixed:,} runs are too few to take a run as what chance draws, so candidates are"
        )
    found = _judge_table(table, names, notes)
    return replace(
        found, step=step_name, runs=runs, unit="run" if mixed >= MIN_RUNS else "candidate"
    )


def _judge_table(
    table: Table, names: tuple[str, str], notes: list[str], *, of_runs: bool = False
) -> Separation:
    verdicts = judge(table, names)
    separators, rules = describe(table, verdicts.judged, names)
    left_out = [
        LeftOut(path=path, because=why)
        for path, why in table.left_out.items()
        if (None, path) not in table.columns
    ]
    left_out += [
        LeftOut(path=path, step=step, because=why) for step, path, why in verdicts.left_out
    ]
    thing = "run" if of_runs else "candidate"
    because = (
        f"{verdicts.tests:,} conditions and figures of {count_things(len(table), thing)} could "
        f"tell anything; were the sides drawn by lot, any would be named in at most "
        f"{LEVEL * 100:.0f} % of cases"
        if verdicts.tests
        else f"{count_things(len(table), thing)} tell nothing from chance"
    )
    a, b = (
        _describe_side(table, name, is_in_a=is_in_a)
        for name, is_in_a in zip(names, (True, False), strict=True)
    )
    return Separation(
        answer="",
        certainty="inferred" if verdicts.tests else "unknown",
        because="; ".join([because, *notes]),
        of="runs" if of_runs else "candidates",
        a=a,
        b=b,
        separators=separators,
        rules=rules,
        left_out=left_out,
        tests=verdicts.tests,
        level=LEVEL,
        unit="run" if of_runs else "candidate",
        is_cut=table.is_cut,
    )


def _describe_side(table: Table, name: str, *, is_in_a: bool) -> SeparatedSide:
    weights = [
        weight for weight, mine in zip(table.weights, table.is_in_a, strict=True) if mine == is_in_a
    ]
    return SeparatedSide(name=name, count=len(weights), stands_for=sum(weights))


def separate_runs(
    store: Store,
    a: Plan,
    b: Plan,
    asked: tuple[str, str],
    *,
    max_runs: int,
    budget_s: float = BUDGET_S,
) -> Separation:
    """What separates the newest runs that meet query A from those that meet only query B.

    Args:
        store: where the runs are.
        a: the runs on side A.
        b: those on side B, as far as they do not meet *a* too.
        asked: both queries as they were put.
        max_runs: how many runs of each side are looked at.
        budget_s: how long reading may take.
    """
    rest = replace(b, where=simplify(AllOf((b.where, Not(a.where)))))
    table = Table(is_of_runs=True)
    readings, spans = [], []
    rows: list[tuple[int, str]] = []
    for plan, is_in_a in ((a, True), (rest, False)):
        # Each side has its share of the time, so that the first cannot take all of it.
        reading = _Reading(plan, max_runs, Budget(budget_s / 3))
        added = _add_runs(table, store, reading, is_in_a=is_in_a)
        rows += [(row, run_id) for row, run_id, _ in added]
        spans.append([started_at for *_, started_at in added])
        readings.append(reading)
    notes = _add_answers(table, store, rows, Budget(budget_s / 3))
    fill_absent(table)
    taken = leave_out_asked(table, [*list_asked(a.where), *list_asked(b.where)])
    found = _judge_table(table, _SIDES_OF_RUNS, notes, of_runs=True)
    sides = [
        replace(side, name=query, first=min(span, default=None), last=max(span, default=None))
        for side, query, span in zip((found.a, found.b), asked, spans, strict=True)
    ]
    matching = [reading.matching for reading in readings]
    found = replace(
        found,
        a=sides[0],
        b=sides[1],
        left_out=found.left_out
        + [
            LeftOut(path=path, step=step, because="it is what the queries ask for")
            for step, path in taken
        ],
        runs=len(table),
        matching=sum(one for one in matching if one is not None) if None not in matching else None,
        complete=all(reading.is_complete for reading in readings),
    )
    return _say(found)


def _add_runs(
    table: Table, store: Store, reading: _Reading, *, is_in_a: bool
) -> list[tuple[int, str, datetime]]:
    """Add the runs that have ended, with the figures of their steps; when each began."""
    # The first side leaves the other one half of the room.
    most_rows, most_cells = (part // (2 if is_in_a else 1) for part in (MAX_ROWS, MAX_CELLS))
    figures: dict[str, RunFigures] = {}
    source = _Reading(reading.plan, reading.most, reading.budget)
    waiting = source.walk(store.figures)
    added = []
    for run in reading.walk(store.runs):
        while run.run_id not in figures:
            one = next(waiting, None)
            if one is None:
                break
            figures[one.run_id] = one
        mine = figures.pop(run.run_id, None)
        if mine is not None and run.status != "running":
            row = add_run(table, run, mine, is_in_a=is_in_a)
            added.append((row, run.run_id, run.started_at))
        if len(table) >= most_rows or table.cell_count >= most_cells:
            reading.stop()
    return added


def _add_answers(
    table: Table, store: Store, rows: list[tuple[int, str]], budget: Budget
) -> list[str]:
    """Note what runs chose, of both sides in turn as long as there is time."""
    a = [one for one in rows if table.is_in_a[one[0]]]
    b = [one for one in rows if not table.is_in_a[one[0]]]
    turns = [one for pair in zip_longest(a, b) for one in pair if one is not None]
    for done, (row, run_id) in enumerate(turns):
        if budget.is_spent:
            return [f"what was chosen is known of {done:,} of {len(turns):,} runs"]
        evidence = load_evidence(store, run_id)
        add_answer(table, row, Case.of(evidence))
    return []


def _say(found: Separation) -> Separation:
    return replace(found, answer=answer_separation(found))
