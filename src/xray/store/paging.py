"""Pages of decisions: the order, the cursor and the budget of a scan, the same for every engine."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Final

from msgspec import Struct

from xray.model.decisions import DecisionTable
from xray.model.records import Decision, Page, Run, Step
from xray.query.cursor import encode_cursor
from xray.query.evaluate import meets, named_value, scopes_named
from xray.query.plan import AllOf, AnyRow, Comparison, Condition, FieldRef, Plan, Position
from xray.store.columns import find_rows, split_condition
from xray.store.folding import MAX_TOTAL
from xray.store.scanning import Meter

BEHIND_ALL: Final = 1 << 40
"""The index of a position behind all decisions of a step."""


class StepKey(Struct, frozen=True):
    """A step as far as an order of decisions needs it."""

    step_id: str
    run_id: str
    ordinal: int
    started_at_us: int

    def in_run(self) -> tuple[int, int, str]:
        """Sorts the steps of a run by ordinal."""
        return (self.ordinal, self.started_at_us, self.step_id)

    def by_age(self) -> tuple[int, str]:
        """Sorts steps oldest first."""
        return (self.started_at_us, self.step_id)


class Anchor(Struct, frozen=True):
    """What a question about decisions starts from; nothing when it asks about all of them.

    Args:
        step_id: the step, when it names one.
        run_id: else the run.
        candidate_id: the candidate, also beside a step or run.
    """

    step_id: str | None
    run_id: str | None
    candidate_id: str | None

    @property
    def is_scan(self) -> bool:
        """Whether every step must be looked at, newest first."""
        return self.step_id is None and self.run_id is None and self.candidate_id is None

    @property
    def is_history(self) -> bool:
        """Whether the candidate alone leads to the steps."""
        return self.candidate_id is not None and self.step_id is None and self.run_id is None


def find_anchor(plan: Plan) -> Anchor:
    """What the decisions of *plan* are found by."""
    names = ("step_id", "run_id", "candidate_id")
    return Anchor(*(named_value(plan.where, "decision", name) for name in names))


Portion = tuple[Iterable[StepKey], Position | None]
"""Steps, and the last step that was looked at for them; None with the last portion of all."""


class DecisionSource(Struct, frozen=True):
    """Where the decisions of a page come from.

    Args:
        table: the decisions of one step.
        step: one step, for conditions that name its fields.
        run: one run, likewise.
    """

    table: Callable[[StepKey], DecisionTable]
    step: Callable[[str], Step | None]
    run: Callable[[str], Run | None]


class Search(Struct, frozen=True):
    """Where the decisions that a question asks for can be.

    Args:
        portions: the steps, as `sort_keys` gives them; of a scan, and where not all are counted,
            those from the cursor's step on.
        source: where their decisions come from.
        meter: how much may be looked at before the search gives up.
        is_counted: whether so few steps can hold them that matches beyond the page are counted.
    """

    portions: Iterable[Portion]
    source: DecisionSource
    meter: Meter
    is_counted: bool = True


def sort_keys(anchor: Anchor, keys: Iterable[StepKey]) -> list[StepKey]:
    """The steps in the order their decisions are listed in."""
    if anchor.step_id is None and anchor.run_id is None:
        return sorted(keys, key=StepKey.by_age, reverse=True)
    return sorted(keys, key=StepKey.in_run)


def page_decisions(plan: Plan, search: Search) -> Page[Decision]:
    """The decisions found by *search*, in that order, that meet *plan*."""
    walk = _Walk(plan, search)
    end: Position | None = None
    for keys, reached in search.portions:
        if not all(map(walk.visit, keys)):
            return walk.page()
        end = reached
    if end is not None:
        walk.stop(end)
    return walk.page()


class _Walk:
    def __init__(self, plan: Plan, search: Search) -> None:
        self._plan = plan
        self._source = search.source
        self._meter = search.meter
        anchor = find_anchor(plan)
        self._is_scan = anchor.is_scan
        self._is_counted = search.is_counted and not anchor.is_scan
        self._by_columns, rest = split_condition(plan.where)
        self._is_plain = _only_names(rest)
        self._rest = rest
        self._scopes = scopes_named(rest)
        self._is_past_cursor = plan.after is None or not self._is_counted
        self._found: list[tuple[Position, Decision]] = []
        self._total = 0
        self._last: Position | None = plan.after
        self._is_cut = False

    def visit(self, key: StepKey) -> bool:
        """Go through one step; False when the search is over."""
        after = self._plan.after
        first = 0
        if after is not None and key.step_id == after.record_id:
            self._is_past_cursor = True
            first = after.index + 1
        table = self._source.table(key)
        self._meter.spend(1 + len(table) // 64)
        is_before = not self._is_past_cursor
        for index, decision in self._matches(key, table, len(table) if is_before else first):
            if decision is None or len(self._found) > self._plan.limit:
                continue
            self._last = Position(key.started_at_us, key.step_id, index)
            self._found.append((self._last, decision))
        if not self._is_counted and len(self._found) > self._plan.limit:
            return False
        if not self._meter.left and self._is_past_cursor:
            self.stop(Position(key.started_at_us, key.step_id))
        return not self._is_cut and self._total <= MAX_TOTAL

    def stop(self, end: Position) -> None:
        """End the search behind the step at *end*, before everything was looked at."""
        self._is_cut = True
        self._last = Position(end.sort_us, end.record_id, BEHIND_ALL)

    def _matches(
        self, key: StepKey, table: DecisionTable, first: int
    ) -> Iterator[tuple[int, Decision | None]]:
        """Every match from *first* on; matches before it, and surplus ones, are only counted."""
        for index in find_rows(self._by_columns, table):
            is_wanted = index >= first and len(self._found) <= self._plan.limit
            if self._is_plain and not is_wanted:
                self._total += 1
                continue
            decision = table.row(index)
            self._meter.spend(1)
            if not self._meets(key, decision):
                continue
            self._total += 1
            yield index, decision if is_wanted else None

    def _meets(self, key: StepKey, decision: Decision) -> bool:
        if self._is_plain:
            return True
        run = self._source.run(key.run_id) if "run" in self._scopes else None
        step = self._source.step(key.step_id) if "step" in self._scopes else None
        return meets(self._rest, decision, run, self._plan.now_us, step=step)

    def page(self) -> Page[Decision]:
        """What was found."""
        plan = self._plan
        shown = self._found[: plan.limit]
        last = shown[-1][0] if len(self._found) > plan.limit else None
        is_complete = not self._is_cut or last is not None
        if not is_complete:
            last = self._last
        is_counted = not self._is_cut
        if not self._is_counted:
            is_counted = is_complete and plan.after is None and last is None
        is_searched = self._is_scan or not is_complete
        back_to_us = None if last is None else last.sort_us
        return Page(
            items=[decision for _, decision in shown],
            next_cursor=None if last is None else encode_cursor(last, plan),
            total=min(self._total, MAX_TOTAL) if is_counted else None,
            total_is_exact=is_counted and self._total <= MAX_TOTAL,
            complete=is_complete,
            scan=self._meter.report(back_to_us) if is_searched else None,
        )


def about_steps(condition: Condition) -> Condition:
    """What *condition* demands of the steps whose decisions can meet it, and of their runs."""
    parts = condition.parts if isinstance(condition, AllOf) else (condition,)
    demanded = [part for part in parts if scopes_named(part) <= {"step", "run"}]
    label = named_value(condition, "decision", "label")
    if label is not None:
        # Few candidates have labels, and an index knows their runs.
        is_labelled = Comparison(FieldRef("decision", "label"), "=", label)
        demanded.append(AnyRow("decision", is_labelled))
    return AllOf(tuple(demanded))


def _only_names(condition: Condition) -> bool:
    """Whether *condition* demands a step or a run, once, and nothing else."""
    parts = condition.parts if isinstance(condition, AllOf) else (condition,)
    anchors = {"step_id", "run_id"}
    names: set[str] = set()
    for part in parts:
        if not isinstance(part, Comparison) or part.op != "=" or part.field.scope != "decision":
            return False
        name = part.field.name
        if name not in anchors or name in names or not isinstance(part.value, str):
            return False
        names.add(name)
    # A step is found without looking whether it is of the run that is named beside it.
    return not {"step_id", "run_id"} <= names
