"""Whole runs with what they were told, what their steps did, and what brought their answers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from xray.forensics.case import Case
from xray.forensics.groups.group import join_steps
from xray.forensics.separation.questions import RECORDED
from xray.forensics.separation.table import MISSING, Cell, Table, read_cell, spread_map
from xray.model.records import Run
from xray.model.run_figures import RunFigures, StepFigures
from xray.model.separation import Example, Source
from xray.query.plan import AllOf, AnyOf, AnyRow, Condition, FieldRef, Not

_FIGURES: Final = (
    "status", "error", "duration_ms", "input_count", "output_count", "rejection_rate", "score",
)  # fmt: skip
_TOLD: Final = ("pipeline", "version", "environment", "repository", "status", "duration_ms")
_MAX_ANSWERS: Final = 5


def add_run(table: Table, run: Run, figures: RunFigures, *, is_in_a: bool) -> int:
    """Add one run to *table*, and say which row it is.

    Args:
        table: where it is added.
        run: the run.
        figures: what its steps did.
        is_in_a: its side.
    """
    row = table.add(
        Example(run_id=run.run_id),
        is_in_a=is_in_a,
        weight=run.weight,
        run=len(table),
        name=run.run_id,
    )
    for path, cell, source in _read_run(run, figures):
        table.put(row, path, cell, source)
    by_name: dict[str, list[StepFigures]] = {}
    for step in figures.steps:
        by_name.setdefault(step.name, []).append(step)
    for name, same in by_name.items():
        for path, cell in _read_step(same[0] if len(same) == 1 else join_steps(same)):
            table.put(row, path, cell, "step", name)
        table.put(row, "times", len(same), "step", name)
    return row


def _read_run(run: Run, figures: RunFigures) -> Iterator[tuple[str, Cell, Source]]:
    for name in _TOLD:
        cell = read_cell(getattr(run, name))
        if cell is not None:
            yield name, cell, "run"
    yield "error", figures.error or MISSING, "run"
    yield "tags", tuple(dict.fromkeys(run.tags)), "tags"
    told: tuple[tuple[Source, object], ...] = (
        ("metadata", run.metadata),
        ("params", run.params),
        ("input", run.input),
    )
    for source, value in told:
        if isinstance(value, dict):
            for path, inner in spread_map(value, f"{source}."):
                yield path, inner, source
        elif value is not None:
            cell = read_cell(value)
            if cell is not None:
                yield source, cell, source


def _read_step(step: StepFigures) -> Iterator[tuple[str, Cell]]:
    for name in _FIGURES:
        cell = read_cell(getattr(step, name))
        if cell is not None:
            yield name, cell
    for name, number in step.stats.items():
        yield f"stats.{name}", number
    if isinstance(step.params, dict):
        yield from spread_map(step.params, "params.")
    offered = max(step.decided, step.input_count or 0)
    if offered:
        for reason, count in step.reasons.items():
            yield f"share rejected for {reason}", count / offered


def fill_absent(table: Table) -> None:
    """Note what runs lack that others have: steps, reasons, fields.

    A step that a run lacks is told as such, and all its figures are unknown there.
    """
    steps: dict[str, set[int]] = {}
    for (step, path), column in table.columns.items():
        if step is not None and path == "times":
            steps[step] = set(column.cells)
    everything = range(len(table))
    for (step, path), column in list(table.columns.items()):
        among: Iterable[int] = everything if step is None else steps.get(step, ())
        absent: Cell = 0.0 if path.startswith("share rejected for ") else MISSING
        if column.source != "answer":
            for row in among:
                column.cells.setdefault(row, absent)
    for step, rows in steps.items():
        if len(rows) < len(table):
            for row in everything:
                table.put(row, RECORDED, row in rows, "step", step)


def add_answer(table: Table, row: int, case: Case) -> None:
    """Note what a run chose in the end, and what had brought that."""
    origins = case.origins
    answers = origins.answer[:_MAX_ANSWERS]
    if not answers:
        return
    table.put(row, "answer", tuple(answers), "answer")
    brought = [link.origin.candidate_id for answer in answers for _, link in origins.trace(answer)]
    if brought:
        table.put(row, "origin of the answer", tuple(dict.fromkeys(brought)), "answer")


def list_asked(condition: Condition) -> Iterator[FieldRef]:
    """The fields that a query names."""
    if isinstance(condition, (AllOf, AnyOf)):
        for part in condition.parts:
            yield from list_asked(part)
    elif isinstance(condition, Not):
        yield from list_asked(condition.part)
    elif isinstance(condition, AnyRow):
        yield from list_asked(condition.condition)
    else:
        yield condition.field


def leave_out_asked(table: Table, asked: Iterable[FieldRef]) -> list[tuple[str | None, str]]:
    """Take the columns away that the queries themselves name, and say which they were."""
    named = set(asked)
    reasons = any(one.scope == "decision" and one.name == "reason" for one in named)
    taken = []
    for key in table.columns:
        step, path = key
        scope = "run" if step is None else "step"
        is_named = any(one.scope == scope and _covers(str(one), path) for one in named)
        if is_named or (reasons and path.startswith("share rejected for ")):
            taken.append(key)
    for key in taken:
        del table.columns[key]
    return taken


def _covers(asked: str, path: str) -> bool:
    return path == asked or path.startswith(f"{asked}.") or asked == f"{path}.type"
