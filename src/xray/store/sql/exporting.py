"""A run as another store takes it, read a portion at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from operator import itemgetter
from typing import Final

from xray.model.facts import DecisionRow, StepFinished, StepRows
from xray.model.stored_facts import StoredFact
from xray.store.blocks import EXTRAS_CHUNK, Block, restore_rows
from xray.store.bodies import decode_step, unpack
from xray.store.frames import Decompressor
from xray.store.sql.driver import Driver
from xray.store.sql.labels import export_labels
from xray.store.sql.payloads import block_range, load_run
from xray.store.sql.rosters import export_roster
from xray.store.sql.rows import id_text, raw_id

_BLOCKS_PER_LOOKUP: Final = 64


class Exporter:
    """Reads runs within one snapshot.

    Args:
        driver: the connection.
        decompressor: opens blocks and bodies.
    """

    def __init__(self, driver: Driver, decompressor: Decompressor) -> None:
        self._driver = driver
        self._decompressor = decompressor

    def export_run(self, run_id: str) -> Iterator[StoredFact]:
        """What is known of a run."""
        query = "select seq from runs where run_id = ?"
        found = self._driver.execute(query, (raw_id(run_id),)).fetchone()
        if found is not None:
            (run,) = found
            yield from load_run(self._driver, run, self._decompressor).facts(run_id)
            for step_id, seq, is_early in self._list_steps(run):
                yield from self._export_step(run_id, step_id, seq, is_early=is_early)
        yield from export_labels(self._driver, run_id)

    def _list_steps(self, run: int) -> list[tuple[str, int, bool]]:
        """The steps of run number *run* by id, each with its number and whether it is early."""
        steps = self._driver.execute("select step_id, seq from steps where run = ?", (run,))
        listed = [(id_text(raw), seq, False) for raw, seq in steps.fetchall()]
        early = self._driver.execute("select step_id, seq from early_steps where run = ?", (run,))
        listed += [(id_text(raw), seq, True) for raw, seq in early.fetchall()]
        return sorted(listed)

    def _export_step(
        self, run_id: str, step_id: str, seq: int, *, is_early: bool
    ) -> Iterator[StoredFact]:
        own: list[Block] = []
        for chunk, ids in self._list_blocks(seq):
            if chunk in (0, EXTRAS_CHUNK):
                own += self._load_blocks(chunk, ids)
            else:
                rows = self._load_rows(chunk, ids)
                yield StepRows(run_id=run_id, step_id=step_id, chunk=chunk, rows=rows)
        yield from export_roster(
            self._driver, seq, self._decompressor, step_id=step_id, run_id=run_id
        )
        if not is_early:
            yield restore_rows(self._load_step(seq), own)

    def _load_step(self, seq: int) -> StepFinished:
        query = "select data from step_bodies where seq = ?"
        (data,) = self._driver.execute(query, (seq,)).fetchone()
        return decode_step(unpack(data, self._decompressor)).fact

    def _list_blocks(self, seq: int) -> Iterator[tuple[int, list[int]]]:
        """The chunks of a step, each with the ids of its blocks."""
        query = "select chunk, id from blocks where id between ? and ? order by chunk, part"
        found = self._driver.execute(query, block_range(seq)).fetchall()
        for chunk, rows in groupby(found, itemgetter(0)):
            yield chunk, [row[1] for row in rows]

    def _load_rows(self, chunk: int, ids: Sequence[int]) -> list[DecisionRow]:
        return [row for block in self._load_blocks(chunk, ids) for row in block.rows()]

    def _load_blocks(self, chunk: int, ids: Sequence[int]) -> Iterator[Block]:
        for start in range(0, len(ids), _BLOCKS_PER_LOOKUP):
            some = ids[start : start + _BLOCKS_PER_LOOKUP]
            marks = ", ".join("?" * len(some))
            query = f"select id, data from blocks where id in ({marks})"  # noqa: S608
            found = dict(self._driver.execute(query, some).fetchall())
            for block_id in some:
                yield Block(chunk, found[block_id], self._decompressor)
