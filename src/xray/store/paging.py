"""Pages of decisions: the order, the cursor and the budget of a scan, the same for every engine."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final

from msgspec import Struct

from xray.errors import InvalidQueryError
from xray.model.decisions import DecisionTable
from xray.model.records import Decision, Page, Run, Step
from xray.query.cursor import encode_cursor
from xray.query.evaluate import meets, named_value, scopes_named
from xray.query.plan import AllOf, Comparison, Condition, Plan, Position
from xray.store.folding import MAX_TOTAL

UNBOUNDED: Final = 1 << 62


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
    """What a question about decisions starts from: exactly one of a step, a run, a candidate.

    Args:
        step_id: the step, when it names one.
        run_id: else the run.
        candidate_id: the candidate, also beside a step or run.
    """

    step_id: str | None
    run_id: str | None
    candidate_id: str | None


def find_anchor(plan: Plan) -> Anchor:
    """What the decisions of *plan* are found by.

    Raises:
        InvalidQueryError: it demands neither a step nor a run nor a candidate.
    """
    names = ("step_id", "run_id", "candidate_id")
    anchor = Anchor(*(named_value(plan.where, "decision", name) for name in names))
    if anchor == Anchor(None, None, None):
        raise InvalidQueryError(
            "A question about decisions must name a step, a run or a candidate.",
            hint="Add step_id=, run_id= or candidate_id=.",
        )
    return anchor


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


def sort_keys(anchor: Anchor, keys: Iterable[StepKey]) -> list[StepKey]:
    """The steps in the order their decisions are listed in."""
    if anchor.step_id is None and anchor.run_id is None:
        return sorted(keys, key=StepKey.by_age, reverse=True)
    return sorted(keys, key=StepKey.in_run)


def page_decisions(
    plan: Plan,
    keys: Sequence[StepKey],
    source: DecisionSource,
    max_scanned: int = UNBOUNDED,
) -> Page[Decision]:
    """The decisions of *keys*, in that order, that meet *plan*.

    Args:
        plan: the question.
        keys: the steps, as `sort_keys` gives them.
        source: where their decisions come from.
        max_scanned: rows to look at before the search gives up.
    """
    walk = _Walk(plan, source, max_scanned)
    for key in keys:
        if not walk.visit(key):
            break
    return walk.page()


class _Walk:
    def __init__(self, plan: Plan, source: DecisionSource, max_scanned: int) -> None:
        self._plan = plan
        self._source = source
        self._left = max_scanned
        self._candidate_id = find_anchor(plan).candidate_id
        self._is_plain = _only_names(plan.where)
        self._scopes = scopes_named(plan.where)
        self._is_past_cursor = plan.after is None
        self._found: list[tuple[Position, Decision]] = []
        self._total = 0
        self._last: Position | None = plan.after
        self._is_cut = False

    def visit(self, key: StepKey) -> bool:
        """Go through one step; False when the search is over."""
        after = self._plan.after
        first = 0
        if after is not None and not self._is_past_cursor and key.step_id == after.record_id:
            self._is_past_cursor = True
            first = after.index + 1
        table = self._source.table(key)
        self._left -= 1 + len(table) // 64
        is_before = not self._is_past_cursor
        for index, decision in self._matches(key, table, len(table) if is_before else first):
            if decision is None or len(self._found) > self._plan.limit:
                continue
            self._last = Position(key.started_at_us, key.step_id, index)
            self._found.append((self._last, decision))
        if self._left < 0 and self._is_past_cursor:
            self._is_cut = True
            self._last = Position(key.started_at_us, key.step_id, len(table))
        return not self._is_cut and self._total <= MAX_TOTAL

    def _matches(
        self, key: StepKey, table: DecisionTable, first: int
    ) -> Iterator[tuple[int, Decision | None]]:
        """Every match from *first* on; matches before it, and surplus ones, are only counted."""
        indexes: Iterable[int] = range(len(table))
        if self._candidate_id is not None:
            wanted = self._candidate_id
            indexes = [i for i, name in enumerate(table.candidate_ids) if name == wanted]
        for index in indexes:
            is_wanted = index >= first and len(self._found) <= self._plan.limit
            if self._is_plain and not is_wanted:
                self._total += 1
                continue
            decision = table.row(index)
            self._left -= 1
            if not self._meets(key, decision):
                continue
            self._total += 1
            yield index, decision if is_wanted else None

    def _meets(self, key: StepKey, decision: Decision) -> bool:
        if self._is_plain:
            return True
        run = self._source.run(key.run_id) if "run" in self._scopes else None
        step = self._source.step(key.step_id) if "step" in self._scopes else None
        return meets(self._plan.where, decision, run, self._plan.now_us, step=step)

    def page(self) -> Page[Decision]:
        """What was found."""
        plan = self._plan
        shown = self._found[: plan.limit]
        last = shown[-1][0] if len(self._found) > plan.limit else None
        is_complete = not self._is_cut or last is not None
        if not is_complete:
            last = self._last
        is_exact = not self._is_cut and self._total <= MAX_TOTAL
        return Page(
            items=[decision for _, decision in shown],
            next_cursor=None if last is None else encode_cursor(last, plan),
            total=None if self._is_cut else min(self._total, MAX_TOTAL),
            total_is_exact=is_exact,
            complete=is_complete,
        )


def _only_names(condition: Condition) -> bool:
    """Whether *condition* demands a step, run and candidate, once each, and nothing else."""
    parts = condition.parts if isinstance(condition, AllOf) else (condition,)
    anchors = {"step_id", "run_id", "candidate_id"}
    names: set[str] = set()
    for part in parts:
        if not isinstance(part, Comparison) or part.op != "=" or part.field.scope != "decision":
            return False
        name = part.field.name
        if name not in anchors or name in names or not isinstance(part.value, str):
            return False
        names.add(name)
    return True
