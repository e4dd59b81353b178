"""The numbers of runs and steps in a file that one process writes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from xray.store.sql.directory import Known, KnownRun
from xray.store.sql.driver import Driver
from xray.store.sql.rows import id_bytes

_IDS_PER_LOOKUP: Final = 500


class FileDirectory:
    """Numbers runs and steps as they come; used by the writer alone.

    Args:
        connection: the writer's connection.
    """

    def __init__(self, connection: Driver) -> None:
        self._connection = connection

    def forget(self) -> None:
        """Start again from what the database says; for when a transaction was taken back."""
        self._early: dict[str, int] = {}
        self._new_early: dict[str, tuple[int, int]] = {}
        self._arrived: list[tuple[bytes]] = []
        self._next_run = self._largest("select max(seq) from runs") + 1
        self._next_step = 1 + max(
            self._largest("select max(seq) from steps"),
            self._largest("select max(seq) from early_steps"),
        )

    def _largest(self, query: str) -> int:
        return int(self._connection.execute(query).fetchone()[0] or 0)

    def find(self, run_ids: Mapping[str, bytes], step_ids: Mapping[str, bytes]) -> Known:
        """What is known of these runs and steps, in a few queries."""
        self._early.clear()
        self._new_early.clear()
        self._arrived.clear()
        columns = "run_id, seq, known, weight"
        runs = {
            run_id: KnownRun(seq, known, weight)
            for run_id, seq, known, weight in self._select("runs", columns, "run_id", run_ids)
        }
        steps = dict(self._select("steps", "step_id, seq", "step_id", step_ids))
        if self._largest("select exists (select 1 from early_steps)"):
            self._early.update(self._select("early_steps", "step_id, seq", "step_id", step_ids))
        return Known(runs, steps, dict(self._early))

    def _select(
        self, table: str, columns: str, key: str, ids: Mapping[str, bytes]
    ) -> Iterator[tuple[Any, ...]]:
        texts = {raw: text for text, raw in ids.items()}
        raws = list(texts)
        for start in range(0, len(raws), _IDS_PER_LOOKUP):
            wanted = raws[start : start + _IDS_PER_LOOKUP]
            marks = ", ".join("?" * len(wanted))
            query = f"select {columns} from {table} where {key} in ({marks})"  # noqa: S608
            for raw, *rest in self._connection.execute(query, wanted):
                yield (texts[raw], *rest)

    def number_run(self, run_id: str) -> int:  # noqa: ARG002  (here the id tells nothing)
        """A number for a run that has none."""
        self._next_run += 1
        return self._next_run - 1

    def number_step(self, step_id: str, early_run: int | None = None) -> int:
        """A number for a step that has none; *early_run* where only its decisions came."""
        seq = self._next_step
        self._next_step += 1
        if early_run is not None:
            self._new_early[step_id] = (seq, early_run)
        return seq

    def arrive(self, step_id: str) -> None:
        """Note that a step came whose decisions came before it."""
        if self._new_early.pop(step_id, None) is None:
            self._arrived.append((id_bytes(step_id),))

    def write(self) -> None:
        """Write which steps are early."""
        early = [(id_bytes(step_id), *place) for step_id, place in self._new_early.items()]
        if early:
            self._connection.executemany(
                "insert into early_steps (step_id, seq, run) values (?, ?, ?)", early
            )
        self._connection.executemany("delete from early_steps where step_id = ?", self._arrived)

    def remove_run(self, raw_run_id: bytes) -> None:
        """Nothing: an id goes with its row."""

    def remove_steps(self, run: int) -> list[int]:
        """Forget which steps of run number *run* are early; their numbers."""
        query = "select seq from early_steps where run = ?"
        early = [seq for (seq,) in self._connection.execute(query, (run,))]
        self._connection.execute("delete from early_steps where run = ?", (run,))
        return early
