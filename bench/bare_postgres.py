"""The bare script for PostgreSQL: the rows of `bench.bare_rows` by COPY, and no more.

One transaction a commit, acknowledged when it is on disk. COPY in binary is the fastest way into
PostgreSQL that there is; what a commit holds of a run, its end included, is one row of it. What the
script leaves out is what `bench.bare` leaves out, and to hold runs and steps against other servers.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import psycopg
from psycopg.types.json import JsonbBinaryDumper

from bench.bare_rows import RUN_COLUMNS, STEP_COLUMNS, RowMaker, Rows, cut_segment
from xray.model.facts import Fact
from xray.store.postgres.driver import PostgresDriver
from xray.store.sql.payloads import load_dictionaries

_RUN_END = b"update runs set status = %s, duration_ms = %s where seq = %s"
_SEGMENT = (
    b'insert into cand_seg ("window", level, bits, entries) values (%s, 0, %s, %s) returning id'
)
_WINDOW_BITS, _PART_BITS = 16, 12
_ID = RUN_COLUMNS.index("run_id")
_STATUS = RUN_COLUMNS.index("status")
_TYPES = {
    "run_id": "bytea",
    "step_id": "bytea",
    "data": "bytea",
    "metadata": "jsonb",
    "stats": "jsonb",
    "duration_ms": "float8",
    "weight": "float8",
    **dict.fromkeys(("known", "status", "step_type", "capture"), "int2"),
    **dict.fromkeys(("pipeline", "name", "version", "environment", "chunk", "part"), "int4"),
}


class _JsonText(JsonbBinaryDumper):
    """JSON that is text already."""

    def dump(self, obj: str) -> bytes:
        return b"\x01" + obj.encode()


class BarePostgres:
    """Writes records into a database that has the store's tables and dictionaries."""

    def __init__(self, url: str) -> None:
        self._connection = connection = psycopg.connect(url, autocommit=True)
        connection.adapters.register_dumper(None, _JsonText)
        connection.execute("set synchronous_commit = on")
        last_run, last_step = (
            (connection.execute(query).fetchone() or (0,))[0]
            for query in (b"select max(seq) from run_ids", b"select max(seq) from step_ids")
        )
        dictionaries = load_dictionaries(PostgresDriver(connection))
        self._maker = RowMaker(dictionaries[-1], last_run + 1, last_step + 1)

    def close(self) -> None:
        """Give the connection back."""
        self._connection.close()

    def commit(self, facts: Sequence[Fact]) -> None:
        """Make *facts* durable."""
        rows = self._maker.make(facts)
        runs, late_ends = _end_runs(rows)
        with self._connection.transaction():
            self._copy("run_ids", ("run_id", "seq"), [(row[_ID], row[0]) for row in rows.runs])
            self._copy("step_ids", ("step_id", "seq"), [(row[1], row[0]) for row in rows.steps])
            self._copy("runs", (*RUN_COLUMNS, "duration_ms"), runs)
            if late_ends:
                self._connection.cursor().executemany(_RUN_END, late_ends)
            self._copy("run_facts", ("id", "data"), rows.parts)
            self._copy("steps", STEP_COLUMNS, rows.steps)
            self._copy("step_bodies", ("seq", "data"), rows.bodies)
            self._copy("blocks", ("id", "chunk", "part", "data"), rows.blocks)
            self._write_segment(rows)

    def _copy(self, table: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
        statement = f"copy {table} ({', '.join(columns)}) from stdin (format binary)"
        with (
            self._connection.cursor() as cursor,
            cursor.copy(statement.encode()) as copying,
        ):
            copying.set_types([_TYPES.get(column, "int8") for column in columns])
            for row in rows:
                copying.write_row(row)

    def _write_segment(self, rows: Rows) -> None:
        if not rows.postings:
            return
        bits, parts = cut_segment(rows.postings)
        window = rows.blocks[0][0] >> 16 >> _WINDOW_BITS
        found = self._connection.execute(_SEGMENT, (window, bits, len(rows.postings))).fetchone()
        assert found is not None
        data = [(found[0] << _PART_BITS | part, entries) for part, entries in parts]
        self._copy("cand_post", ("id", "data"), data)


def _end_runs(rows: Rows) -> tuple[list[tuple[Any, ...]], list[tuple[Any, ...]]]:
    """The rows of runs with the ends that came with them, and the ends of earlier runs."""
    ends: dict[int, tuple[Any, ...]] = {end[2]: end for end in rows.ends}
    runs: list[tuple[Any, ...]] = []
    for row in rows.runs:
        status, duration_ms, _ = ends.pop(row[0], (row[_STATUS], None, 0))
        runs.append((*row[:_STATUS], status, *row[_STATUS + 1 :], duration_ms))
    return runs, list(ends.values())
