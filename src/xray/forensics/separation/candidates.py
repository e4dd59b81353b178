"""The candidates of one step of a run, with all that is recorded of them up to their verdict."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, TypeVar

from msgspec import Struct

from xray.forensics.case import Case
from xray.forensics.evidence import Ledger
from xray.forensics.keys import Key, Keys
from xray.forensics.separation.table import MISSING, Cell, Table, read_cell, spread_map
from xray.model.records import Decision, Step
from xray.model.separation import Example, Source
from xray.model.vocabulary import ANONYMOUS_PREFIX, RANKING_STEP_TYPES, Verdict

_Known = TypeVar("_Known")
_CUTS: Final = frozenset({"below_cut", "not_selected", "over_budget"})
_OWN: Final[dict[str, Source]] = {
    "score": "score", "rank": "rank", "rank_before": "rank", "by": "identity",
    "part_of": "identity",
}  # fmt: skip


class Sides(Struct, frozen=True):
    """Which candidates are told apart.

    Args:
        reasons: only those rejected for one of these are on side A, when there are any.
        is_selected: side A are the selected, side B all others.
    """

    reasons: frozenset[str] = frozenset()
    is_selected: bool = False

    def place(self, verdict: Verdict, reason: str | None, kept: Verdict) -> bool | None:
        """Whether a candidate is on side A; None where it is on neither.

        Args:
            verdict: what became of it.
            reason: why it was rejected.
            kept: the verdict of those that went on.
        """
        if self.is_selected:
            return verdict == "selected"
        if verdict == kept:
            return False
        if self.reasons:
            return True if verdict == "rejected" and reason in self.reasons else None
        return True

    def name(self, *, has_selected: bool) -> tuple[str, str]:
        """What both sides are called."""
        if self.is_selected:
            return "selected", "not selected"
        if self.reasons:
            return f"rejected for {' or '.join(sorted(self.reasons))}", "kept"
        return ("not selected", "selected") if has_selected else ("rejected", "kept")


class Gathered(Struct, frozen=True):
    """What was found at a step.

    Args:
        rejected_for: the reasons that candidates were rejected for.
        is_inferred: one side is what the step left of what it was offered.
        is_sample: rows of some candidates are not kept.
        is_logged: there are only rows that illustrate.
        has_selected: some candidates were selected.
    """

    rejected_for: frozenset[str] = frozenset()
    is_inferred: bool = False
    is_sample: bool = False
    is_logged: bool = False
    has_selected: bool = False


class _Layer(Struct, frozen=True):
    """What one step recorded of its candidates, by their keys."""

    cells: dict[Key, dict[str, tuple[Cell, Source]]]
    paths: frozenset[str]
    origins: dict[Key, tuple[str, ...]]


class _Unit(Struct, frozen=True):
    candidate_id: str
    by: str | None
    is_in_a: bool
    weight: float
    row: Decision | None

    def find(self, known: Mapping[Key, _Known]) -> _Known | None:
        """What is known of the candidate, for what it was decided by or for nothing."""
        found = known.get((self.by, self.candidate_id))
        if found is None and self.by is not None:
            return known.get((None, self.candidate_id))
        return found


def gather_candidates(
    table: Table, case: Case, step: Step, sides: Sides, number: int = 0
) -> Gathered:
    """Add the candidates of *step* to *table*.

    Args:
        table: where they are added.
        case: the run.
        step: the step that decided.
        sides: which are told apart.
        number: the number of the run among several.
    """
    ledger = case.flow.ledger(step)
    rows, is_logged = _list_rows(ledger)
    kept: Verdict = "selected" if step.counts.selected else "accepted"
    units, is_inferred = _take_sides(case, step, rows, sides, kept)
    layers = [_read_layer(step, rows, own=True), *_read_earlier(case, step)]
    first = len(table)
    for unit in units:
        _add_unit(table, unit, case, step, number)
    _fill_layers(table, first, units, layers, sides.name(has_selected=kept == "selected"))
    _fill_found_by(table, first, units, case, step)
    _note_rules(table, step, rows)
    return Gathered(
        rejected_for=frozenset(
            row.reason for row in rows if row.decision == "rejected" and row.reason
        ),
        is_inferred=is_inferred,
        is_sample=not ledger.is_detailed(),
        is_logged=is_logged,
        has_selected=kept == "selected",
    )


def _list_rows(ledger: Ledger) -> tuple[list[Decision], bool]:
    """The rows that count, or where none do, those that illustrate."""
    rows = [row for row in ledger.table if row.decision is not None and row.weight > 0]
    counting = [row for row in rows if not row.is_logged]
    return (counting, False) if counting or not rows else (rows, True)


def _take_sides(
    case: Case, step: Step, rows: list[Decision], sides: Sides, kept: Verdict
) -> tuple[list[_Unit], bool]:
    units: list[_Unit] = []
    for row in rows:
        assert row.decision is not None
        is_in_a = sides.place(row.decision, row.reason, kept)
        if is_in_a is not None:
            units.append(_Unit(row.candidate_id, row.by, is_in_a, row.weight, row))
    ledger = case.flow.ledger(step)
    if (
        not rows
        or not ledger.is_detailed()
        or {row.decision for row in rows}
        not in (
            {"rejected"},
            {"selected"},
        )
    ):
        return units, False
    everyone = case.flow.everyone
    rest: Keys
    if rows[0].decision == "rejected":
        rest, is_in_a = everyone.let_through(step), sides.place("accepted", None, "accepted")
    else:
        rest = everyone.offered(step).without(ledger.decided)
        is_in_a = sides.place("rejected", "not_selected", kept)
    if is_in_a is None or not len(rest):
        return units, False
    inferred = sorted(rest, key=lambda key: (key[0] or "", key[1]))
    return units + [_Unit(name, by, is_in_a, 1.0, None) for by, name in inferred], True


def _add_unit(table: Table, unit: _Unit, case: Case, step: Step, number: int) -> None:
    is_nameless = unit.candidate_id.startswith(ANONYMOUS_PREFIX)
    table.add(
        Example(run_id=case.run.run_id, step_id=step.step_id, candidate_id=unit.candidate_id),
        is_in_a=unit.is_in_a,
        weight=unit.weight * case.run.weight,
        run=number,
        name=f"{number} {unit.candidate_id}" if is_nameless else unit.candidate_id,
    )


def _read_earlier(case: Case, step: Step) -> Iterator[_Layer]:
    """What earlier steps recorded, the latest first."""
    for earlier in reversed(case.flow.steps):
        if earlier.ordinal < step.ordinal:
            rows = [row for row in case.flow.ledger(earlier).table if row.decision is not None]
            if rows:
                yield _read_layer(earlier, rows, own=False)


def _read_layer(step: Step, rows: Iterable[Decision], *, own: bool) -> _Layer:
    cells: dict[Key, dict[str, tuple[Cell, Source]]] = {}
    origins: dict[Key, tuple[str, ...]] = {}
    paths: set[str] = set()
    for row in rows:
        found = cells.setdefault((row.by, row.candidate_id), {})
        for path, cell, source in _read_row(row, step, own=own):
            if source != "check" or path not in found:
                found[path] = (cell, source)
            if source != "check":
                paths.add(path)
        if row.origin:
            origins[row.by, row.candidate_id] = tuple(
                dict.fromkeys(one.candidate_id for one in row.origin)
            )
    return _Layer(cells, frozenset(paths), origins)


def _read_row(row: Decision, step: Step, *, own: bool) -> Iterator[tuple[str, Cell, Source]]:
    for path, cell in spread_map(row.attributes):
        yield path, cell, "attribute"
    there = "" if own else f" in {step.name}"
    for path, cell in _read_score(row.score):
        yield f"{path}{there}", cell, "score"
    if row.rank is not None:
        yield f"rank{there}", row.rank, "rank"
    if own:
        for name in ("rank_before", "by", "part_of"):
            value = getattr(row, name)
            if value is not None:
                yield name, value, _OWN[name]
    for check in row.checks:
        observed = read_cell(check.observed)
        if observed is not None:
            yield check.field, observed, "check"


def _read_score(score: Any) -> Iterator[tuple[str, Cell]]:
    if isinstance(score, dict):
        yield from spread_map(score, "score.")
    elif score is not None:
        cell = read_cell(score)
        if cell is not None:
            yield "score", cell


def _fill_layers(
    table: Table, first: int, units: list[_Unit], layers: list[_Layer], names: tuple[str, str]
) -> None:
    layers = [_leave_out_one_sided(table, units, layers[0], names), *layers[1:]]
    has_origins = any(layer.origins for layer in layers)
    for row, unit in enumerate(units, first):
        known: dict[str, tuple[Cell, Source]] = {}
        for at, layer in enumerate(layers):
            mine = unit.find(layer.cells)
            if mine is None or (at == 0 and unit.row is None):
                continue
            for path, found in mine.items():
                if path not in known or known[path][0] is MISSING:
                    known[path] = found
            for path in layer.paths:
                known.setdefault(path, (MISSING, "attribute"))
        for path, (cell, source) in known.items():
            table.put(row, path, cell, source)
        if has_origins:
            brought = next((one for layer in layers if (one := unit.find(layer.origins))), ())
            table.put(row, "origin", brought or MISSING, "origin")


def _leave_out_one_sided(
    table: Table, units: list[_Unit], own: _Layer, names: tuple[str, str]
) -> _Layer:
    """The layer without what only rows of one side were given, which tells how it was recorded."""
    given: dict[str, set[bool]] = {}
    has_attributes: set[bool] = set()
    for unit in units:
        if unit.row is None:
            continue
        for path, (_, source) in own.cells[unit.by, unit.candidate_id].items():
            given.setdefault(path, set()).add(unit.is_in_a)
            if source == "attribute":
                has_attributes.add(unit.is_in_a)
    there = {unit.is_in_a for unit in units if unit.row is not None}
    dropped: set[str] = set()
    for path, of_sides in given.items():
        source = next(found[path][1] for found in own.cells.values() if path in found)
        told = has_attributes if source == "attribute" else of_sides
        if source != "check" and len(there) == 2 and len(told) == 1:
            dropped.add(path)
            side = names[0] if True in told else names[1]
            table.left_out[path] = f"recorded of the {side} alone"
    if not dropped:
        return own
    cells = {
        name: {path: cell for path, cell in found.items() if path not in dropped}
        for name, found in own.cells.items()
    }
    return _Layer(cells, own.paths - dropped, own.origins)


def _fill_found_by(table: Table, first: int, units: list[_Unit], case: Case, step: Step) -> None:
    finders = [
        earlier
        for earlier in case.flow.deciding_steps
        if earlier.ordinal < step.ordinal
        and case.flow.role(earlier) == "creates"
        and case.flow.ledger(earlier).detailed_count
    ]
    found = [(one.name, case.flow.everyone.let_through(one).ids) for one in finders]
    wanted = {unit.candidate_id for unit in units}
    found = [(name, ids) for name, ids in found if not wanted.isdisjoint(ids)]
    if len(found) < 2:
        return
    for row, unit in enumerate(units, first):
        names = dict.fromkeys(name for name, ids in found if unit.candidate_id in ids)
        if names:
            table.put(row, "found_by", tuple(names), "found_by")


def _note_rules(table: Table, step: Step, rows: list[Decision]) -> None:
    """Mark the columns that the step's own checks and ranks read."""
    for row in rows:
        for check in row.checks:
            column = table.columns.get((None, check.field))
            if column is not None:
                column.reads[check.name] = None
    cuts = [row.reason for row in rows if row.reason in _CUTS]
    if not cuts and step.step_type not in RANKING_STEP_TYPES:
        return
    for path in ("score", "rank", "rank_before"):
        for (_, name), column in table.columns.items():
            if name == path or name.startswith(f"{path}."):
                column.reads[cuts[0] if cuts and cuts[0] else step.step_type] = None
