"""The numbers of runs and steps, which several servers give at once.

Whoever writes about a run or a step holds its row in `run_ids` or `step_ids` until the commit. Rows
are taken runs first, then steps, each in the order of their ids, so that no two servers wait for
each other.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from xray.store.postgres.driver import PostgresDriver
from xray.store.sql.directory import Known, KnownRun

_ADD_RUNS: Final = (
    "insert into run_ids (run_id, seq) select id, next_number('run_numbers')"
    " from unnest(?::bytea[]) as id on conflict (run_id) do nothing returning run_id, seq"
)
_ADD_STEPS: Final = (
    "insert into step_ids (step_id, seq) select id, next_number('step_numbers')"
    " from unnest(?::bytea[]) as id on conflict (step_id) do nothing returning step_id, seq"
)
_FIND_RUNS: Final = "select run_id from run_ids where run_id = any(?)"
_FIND_STEPS: Final = "select step_id from step_ids where step_id = any(?)"
_HOLD_RUNS: Final = (
    "select run_id, seq from run_ids where run_id = any(?) order by run_id for update"
)
_HOLD_STEPS: Final = (
    "select step_id, seq from step_ids where step_id = any(?) order by step_id for update"
)
_STORED_RUNS: Final = "select seq, known, weight from runs where seq = any(?)"
_STORED_STEPS: Final = (
    "select steps.seq, run_id from steps join runs on runs.seq = run where steps.seq = any(?)"
)


class SharedDirectory:
    """Numbers runs and steps; used by the writer alone.

    Args:
        driver: the writer's connection.
    """

    def __init__(self, driver: PostgresDriver) -> None:
        self._driver = driver
        self._runs: dict[str, int] = {}
        self._steps: dict[str, int] = {}
        self._early: list[tuple[int, int]] = []

    def forget(self) -> None:
        """Start again from what the database says; for when a transaction was taken back."""
        self._runs.clear()
        self._steps.clear()
        self._early.clear()

    def find(self, run_ids: Mapping[str, bytes], step_ids: Mapping[str, bytes]) -> Known:
        """What is known of these runs and steps, which nobody else changes until the commit."""
        self.forget()
        run_names = {raw: text for text, raw in run_ids.items()}
        step_names = {raw: text for text, raw in step_ids.items()}
        held = self._hold(run_names, _FIND_RUNS, _ADD_RUNS, _HOLD_RUNS, self._runs)
        runs: dict[str, KnownRun] = {}
        if held:
            numbers = {seq: run_id for run_id, seq in held.items()}
            for seq, known, weight in self._driver.execute(_STORED_RUNS, (list(numbers),)):
                runs[numbers[seq]] = KnownRun(seq, known, weight)
        held = self._hold(step_names, _FIND_STEPS, _ADD_STEPS, _HOLD_STEPS, self._steps)
        steps: dict[str, int] = {}
        if held:
            numbers = {seq: step_id for step_id, seq in held.items()}
            others: set[bytes] = set()
            for seq, raw_run_id in self._driver.execute(_STORED_STEPS, (list(numbers),)):
                steps[numbers[seq]] = seq
                if raw_run_id not in run_names:
                    others.add(raw_run_id)
            if others:
                # What a step counts for depends on its run, whatever run its rows came under.
                self._driver.execute(_HOLD_RUNS, (sorted(others),))
        early = {step_id: seq for step_id, seq in held.items() if step_id not in steps}
        return Known(runs, steps, early)

    def _hold(
        self, names: Mapping[bytes, str], find: str, add: str, hold: str, numbers: dict[str, int]
    ) -> dict[str, int]:
        """Hold the rows of these ids, made where they are missing.

        Returns:
            The numbers of those that were there before, by their ids.
        """
        if not names:
            return {}
        raws = sorted(names)
        found = {raw for (raw,) in self._driver.execute(find, (raws,))}
        missing = [raw for raw in raws if raw not in found]
        made: set[bytes] = set()
        if missing:
            for raw, seq in self._driver.execute(add, (missing,)):
                made.add(raw)
                numbers[names[raw]] = seq
        others = [raw for raw in raws if raw not in made]
        held = {names[raw]: seq for raw, seq in self._execute_some(hold, others)}
        numbers.update(held)
        return held

    def _execute_some(self, query: str, raws: list[bytes]) -> Iterable[tuple[bytes, int]]:
        return self._driver.execute(query, (raws,)) if raws else ()

    def number_run(self, run_id: str) -> int:
        """The number of a run that has no row."""
        return self._runs[run_id]

    def number_step(self, step_id: str, early_run: int | None = None) -> int:
        """The number of a step that has no row; *early_run* where only its decisions came."""
        seq = self._steps[step_id]
        if early_run is not None:
            self._early.append((early_run, seq))
        return seq

    def arrive(self, step_id: str) -> None:
        """Nothing: a step is early as long as it has no row."""

    def write(self) -> None:
        """Write which runs early steps belong to."""
        self._driver.executemany("update step_ids set run = ? where seq = ?", self._early)

    def remove_run(self, raw_run_id: bytes) -> None:
        """A run is about to be deleted: hold it until the commit, and let go of its id."""
        self._driver.execute("delete from run_ids where run_id = ?", (raw_run_id,))

    def remove_steps(self, run: int) -> list[int]:
        """Let go of the ids of the steps of run number *run*; their numbers."""
        found = self._driver.execute(
            "delete from step_ids where seq in (select seq from steps where run = ?"
            " union all select seq from early_steps where run = ?) returning seq",
            (run, run),
        )
        return [seq for (seq,) in found]
