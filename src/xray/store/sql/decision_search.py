"""Which steps can hold the decisions that a question is about, and what opens them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final

from xray.model.clock import Clock
from xray.model.decisions import DecisionTable
from xray.model.records import Run
from xray.model.roster import decisions_about
from xray.query.plan import Plan, Position
from xray.store.paging import (
    BEHIND_ALL,
    Anchor,
    DecisionSource,
    Portion,
    Search,
    StepKey,
    about_steps,
    find_anchor,
    sort_keys,
)
from xray.store.scanning import Meter, ScanBudget
from xray.store.sql.driver import Driver
from xray.store.sql.listing import Listing
from xray.store.sql.records import Records, portion
from xray.store.sql.rosters import are_few, is_named
from xray.store.sql.rows import id_text, raw_id
from xray.store.sql.spelling import Spelling
from xray.store.sql.step_tables import StepTables

_MAX_COUNTED_STEPS: Final = 100
_HISTORY_PORTION: Final = 100
_LAST_US: Final = (1 << 63) - 1


class DecisionSearch:
    """Finds steps for questions about decisions.

    Args:
        driver: a connection within a transaction.
        spelling: how its engine spells SQL.
        listing: lists steps.
        records: opens them.
        tables: opens what they decided.
        find_run: gives a run by its id.
        clock: the time.
        budget: where scans stop.
    """

    def __init__(
        self,
        driver: Driver,
        spelling: Spelling,
        listing: Listing,
        records: Records,
        tables: StepTables,
        find_run: Callable[[str], Run | None],
        clock: Clock,
        budget: ScanBudget,
    ) -> None:
        self._driver = driver
        self._spelling = spelling
        self._listing = listing
        self._records = records
        self._tables = tables
        self._find_run = find_run
        self._clock = clock
        self._budget = budget

    def find(self, plan: Plan) -> Search:
        """The steps that can hold what *plan* asks, and what opens their decisions."""
        anchor = find_anchor(plan)
        meter = Meter(self._budget.opened_rows, self._budget.duration_s, self._clock)
        seqs: dict[str, int] = {}

        def number(found: dict[int, StepKey]) -> Iterable[StepKey]:
            seqs.update({key.step_id: seq for seq, key in found.items()})
            return found.values()

        portions: Iterable[Portion]
        is_counted = True
        if anchor.is_scan:
            portions = ((number(keys), end) for keys, end in self._steps_from(plan, meter))
        elif anchor.is_history:
            deciding = sorted(self._tables.find_deciding(anchor.candidate_id or ""))
            is_counted = len(deciding) <= _MAX_COUNTED_STEPS and are_few(
                self._driver, _MAX_COUNTED_STEPS
            )
            after = None if is_counted else plan.after
            history = self._history(anchor.candidate_id or "", deciding, after, meter)
            portions = ((number(keys), end) for keys, end in history)
        else:
            portions = [(sort_keys(anchor, number(self._anchored_steps(anchor))), None)]

        def open_table(key: StepKey) -> DecisionTable:
            seq = seqs[key.step_id]
            if anchor.candidate_id is None:
                return self._tables.open(seq, key.step_id, key.run_id)
            table = self._tables.open_about(anchor.candidate_id, seq, key.step_id, key.run_id)
            roster = self._tables.open_roster(seq, key, anchor.candidate_id)
            label = self._tables.labels_of(key.run_id).get(anchor.candidate_id)
            return decisions_about(anchor.candidate_id, table, roster, label)

        source = DecisionSource(
            table=open_table,
            step=lambda step_id: self._records.steps([seqs[step_id]])[0],
            run=self._find_run,
        )
        return Search(portions, source, meter, is_counted)

    def _anchored_steps(self, anchor: Anchor) -> dict[int, StepKey]:
        if anchor.step_id is not None:
            return self._tables.find_keys("steps.step_id = ?", [raw_id(anchor.step_id)])
        return self._tables.find_keys("runs.run_id = ?", [raw_id(anchor.run_id or "")])

    def _history(
        self, candidate_id: str, deciding: Sequence[int], after: Position | None, meter: Meter
    ) -> Iterator[tuple[dict[int, StepKey], Position | None]]:
        """The steps that may have decided about a candidate, newest first.

        No index tells which rosters hold it, so each of them is asked, as far as *meter* lets.

        Args:
            candidate_id: the candidate.
            deciding: the steps that may hold a row about it.
            after: the step to begin with.
            meter: how many rosters may be asked.
        """
        query = (
            "select steps.seq, step_id, run_id, ordinal, steps.started_at, max(has_row)"  # noqa: S608
            f" from (select value as seq, 1 as has_row from {self._spelling.listed} as listed"
            " union all select seq, 0 from rosters) as wanted"
            f" {self._spelling.then_join} steps on steps.seq = wanted.seq"
            " join runs on runs.seq = steps.run"
            " where (steps.started_at, step_id) <= (?, ?) group by steps.seq, runs.seq"
            " order by steps.started_at desc, step_id desc"
        )
        last = (_LAST_US, b"\xff" * 16)
        if after is not None:
            last = (after.sort_us, raw_id(after.record_id))
        found = self._driver.execute(query, (self._spelling.list_numbers(deciding), *last))
        rows = found.fetchmany(_HISTORY_PORTION)
        while rows:
            keys = {
                row[0]: StepKey(id_text(row[1]), id_text(row[2]), *row[3:5])
                for row in rows
                if row[5] or self._is_named(row[0], candidate_id, meter)
            }
            end = rows[-1]
            rows = found.fetchmany(_HISTORY_PORTION)
            yield keys, Position(end[4], id_text(end[1]), BEHIND_ALL) if rows else None
            if not meter.left:
                return

    def _is_named(self, seq: int, candidate_id: str, meter: Meter) -> bool:
        meter.spend(1)
        return is_named(self._driver, seq, candidate_id)

    def _steps_from(
        self, plan: Plan, meter: Meter
    ) -> Iterator[tuple[dict[int, StepKey], Position | None]]:
        """The steps that can hold what *plan* asks, newest first, from its cursor's step on."""
        now_us = plan.now_us or self._clock.wall_us()
        for seqs, end in self._listing.walk(about_steps(plan.where), plan.after, now_us, meter):
            keys: dict[int, StepKey] = {}
            for some in portion(seqs):
                marks = ", ".join("?" * len(some))
                found = self._tables.find_keys(f"steps.seq in ({marks})", some)
                keys.update((seq, found[seq]) for seq in some)
            yield keys, end
