"""The bare script that `bench.ingest` compares with: decoded records into SQLite, and no more.

It writes the tables, columns, frames and posting segments that the store writes, as far as they
follow from one record: encoding, index and commit. What it leaves out is what the store is for: to
decode and check, to find out what is stored already, to fold what arrives late or twice, to count
the decisions of a step, to train dictionaries, and to merge segments between two commits.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from pathlib import Path

from bench.bare_rows import RUN_COLUMNS, STEP_COLUMNS, RowMaker, cut_segment
from xray.model.facts import Fact
from xray.store.sql.payloads import load_dictionaries

_RUN_END = "update runs set status = ?, duration_ms = ? where seq = ?"


class BareScript:
    """Writes records into a database that has the store's tables and dictionaries."""

    def __init__(self, path: Path) -> None:
        self._connection = connection = sqlite3.connect(path, isolation_level=None)
        for pragma in ("synchronous = full", "wal_autocheckpoint = 4000", "cache_size = -65536"):
            connection.execute(f"pragma {pragma}")
        last_run, last_step = (
            connection.execute(f"select max(seq) from {table}").fetchone()[0]  # noqa: S608
            for table in ("runs", "steps")
        )
        self._maker = RowMaker(load_dictionaries(connection)[-1], last_run + 1, last_step + 1)

    def close(self) -> None:
        """Give the database back."""
        self._connection.close()

    def commit(self, facts: Sequence[Fact]) -> None:
        """Make *facts* durable."""
        rows = self._maker.make(facts)
        execute_many = self._connection.executemany
        self._connection.execute("begin immediate")
        execute_many(_spell_insert("runs", RUN_COLUMNS), rows.runs)
        execute_many(_RUN_END, rows.ends)
        execute_many("insert into run_facts values (?, ?)", rows.parts)
        execute_many(_spell_insert("steps", STEP_COLUMNS), rows.steps)
        execute_many("insert into step_bodies values (?, ?)", rows.bodies)
        execute_many("insert into blocks values (?, ?, ?, ?)", rows.blocks)
        self._write_segment(rows.postings)
        self._connection.execute("commit")

    def _write_segment(self, postings: Sequence[int]) -> None:
        bits, parts = cut_segment(postings)
        segment = (
            self._connection.execute(
                "insert into cand_seg (window, level, bits, entries) values (0, 0, ?, ?)",
                (bits, len(postings)),
            ).lastrowid
            or 0
        )
        self._connection.executemany(
            "insert into cand_post values (?, ?)",
            [(segment << 12 | part, data) for part, data in parts],
        )


def _spell_insert(table: str, columns: Sequence[str]) -> str:
    marks = ", ".join("?" * len(columns))
    return f"insert into {table} ({', '.join(columns)}) values ({marks})"  # noqa: S608
