"""Runs into the files of one part."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from itertools import repeat
from pathlib import Path
from typing import Final

import msgspec

from xray.model.clock import to_wall_us
from xray.model.compact import Part
from xray.model.facts import (
    DecisionRow,
    RunFinished,
    RunPatched,
    RunStarted,
    StepFinished,
    StepRows,
)
from xray.model.fates import encode_fates
from xray.model.labels import Labelled
from xray.model.ranking import unpack_place
from xray.model.records import Run, Step
from xray.model.stored_facts import HashedRoster, PackedRoster, StoredFact
from xray.model.tallies import Tallied
from xray.model.universe import Universe
from xray.model.vocabulary import VERDICTS
from xray.store.folding import RunFold
from xray.transfer.parquet.cells import (
    encode_run,
    encode_step,
    spell_json,
    spell_origin,
    spell_row,
    spell_value,
)
from xray.transfer.parquet.manifest import FileEntry, settle
from xray.transfer.parquet.tables import SCHEMAS, TableWriter

COUNTED: Final = "counted"
SAMPLED: Final = "sampled"
LOGGED: Final = "logged"
_spell: Final = msgspec.json.Encoder().encode


def find_file(folder: Path, table: str, number: int, *, is_settled: bool = True) -> Path:
    """The file of a part in a table, or what it is called while it is written."""
    name = f"{number:05}.parquet"
    # Programs that read whole folders pass over names that begin with a point.
    return folder / table / (name if is_settled else f".{name}.part")


class PartWriter:
    """Writes one part, whose files get their names together once all of it is on disk.

    Args:
        folder: the folder.
        number: the part.
    """

    def __init__(self, folder: Path, number: int) -> None:
        self._folder = folder
        self._number = number
        self._tables: dict[str, TableWriter] = {}
        for table in SCHEMAS:
            (folder / table).mkdir(mode=0o700, exist_ok=True, parents=True)
            path = find_file(folder, table, number, is_settled=False)
            self._tables[table] = TableWriter(path, table)

    @property
    def row_count(self) -> int:
        """How many decisions and candidates of rosters were added."""
        return self._tables["decisions"].row_count + self._tables["rosters"].row_count

    def add_run(
        self, run: Run | None, steps: Mapping[str, Step], facts: Iterable[StoredFact]
    ) -> None:
        """Add a run.

        Args:
            run: the run as readers see it; None where nobody could see it when it was looked for.
            steps: its steps as readers see them, by id.
            facts: what is known of it, in the order in which a store gives it.
        """
        fold: RunFold | None = None
        for fact in facts:
            if isinstance(fact, (RunStarted, RunFinished, RunPatched)):
                fold = fold or RunFold()
                fold.add(fact)
                continue
            if fold is not None:
                self._add_run(run, fold)
                fold = None
            self._add_fact(fact, steps)
        if fold is not None:
            self._add_run(run, fold)

    def _add_fact(self, fact: StoredFact, steps: Mapping[str, Step]) -> None:
        if isinstance(fact, StepRows):
            rows = zip(fact.rows, repeat(COUNTED), repeat(None), repeat(1.0))
            self._add_rows(fact.run_id, fact.step_id, fact.chunk, rows)
            self._note(fact.run_id, "rows", fact.step_id, fact.chunk, len(fact.rows))
        elif isinstance(fact, StepFinished):
            self._add_step(fact, steps.get(fact.step_id))
        elif isinstance(fact, (HashedRoster, PackedRoster)):
            self._add_roster(fact)
        elif isinstance(fact, Labelled):
            self._add_label(fact)

    def _note(
        self,
        run_id: str,
        kind: str,
        step_id: str | None = None,
        chunk: int | None = None,
        rows: int = 1,
        *,
        total: int | None = None,
        chunks: bytes | None = None,
        fates: bytes | None = None,
    ) -> None:
        self._tables["contents"].add((run_id, kind, step_id, chunk, rows, total, chunks, fates))

    def _add_run(self, shown: Run | None, fold: RunFold) -> None:
        (first, *_) = fold.facts("")
        run = shown or fold.open(first.run_id, 0)
        given, output, params = map(_spell_open, (run.input, run.output, run.params))
        record = encode_run(fold.started, fold.finished, fold.patch)
        self._tables["runs"].add(
            (
                run.run_id, run.pipeline, run.status, to_wall_us(run.started_at), run.duration_ms,
                given, output, spell_json(run.error), spell_json(run.metadata), params, run.tags,
                spell_json(run.correlation), run.repository, run.version, run.environment,
                run.key, run.attempt, run.weight, run.kept_for,
                spell_json(run.omissions), run.code, run.label, record,
            ),
            _measure(given, output, params, record),
        )  # fmt: skip
        self._note(run.run_id, "run")

    def _add_step(self, fact: StepFinished, step: Step | None) -> None:
        """A step with the rows of its own.

        Args:
            fact: the step.
            step: the step as readers see it; None where it came after they looked.
        """
        self._add_rows(fact.run_id, fact.step_id, 0, _list_rows(fact))
        counts = None if step is None else step.counts
        names = ("params", "input", "output", "stats")
        values = [spell_value(getattr(fact, name))[0] for name in names]
        reasons = {} if step is None else {name: one.count for name, one in step.rejections.items()}
        record = encode_step(fact)
        self._tables["steps"].add(
            (
                fact.run_id, fact.step_id, fact.pipeline, fact.name, fact.step_type,
                fact.declared_type, fact.status, fact.ordinal, fact.attempt, fact.parent_step_id,
                fact.takes,
                fact.started_at_us, fact.duration_ms, fact.capture,
                step and step.coverage, step and step.input_count, step and step.output_count,
                counts and counts.rejected, counts and counts.accepted, counts and counts.selected,
                step and step.rejection_rate, step and step.rate_basis, step and step.score,
                spell_json(reasons), *values, spell_json(fact.error),
                spell_json(fact.omissions), fact.code, record,
            ),
            _measure(*values, record),
        )  # fmt: skip
        rows = len(fact.rows) + sum(len(one.rows) for one in fact.reservoirs) + len(fact.logged)
        self._note(fact.run_id, "step", fact.step_id, 0, rows)

    def _add_rows(
        self,
        run_id: str,
        step_id: str,
        chunk: int,
        rows: Iterable[tuple[DecisionRow, str, int | None, float]],
    ) -> None:
        add = self._tables["decisions"].add
        for position, (row, kind, reservoir, weight) in enumerate(rows):
            place = (run_id, step_id, kind, chunk, position, reservoir, weight)
            # What may be long of a row is as long as it is in its cells, within a few bytes.
            size = len(row.attributes) + len(row.reasoning or "")
            add((*place, *spell_row(row)), size)

    def _add_roster(self, roster: HashedRoster | PackedRoster) -> None:
        fates = [
            (
                VERDICTS[fate.verdict],
                fate.reason,
                fate.by,
                spell_origin(fate.origin) if fate.origin else None,
            )
            for fate in roster.fates
        ]
        add, count = self._tables["rosters"].add, 0
        for hashed, code, place in list_entries(roster):
            placing = unpack_place(place)
            rank, score = (None, None) if placing is None else (placing.rank, placing.score)
            names = (roster.run_id, roster.step_id, hashed)
            add((*names, *fates[code], rank, score, code, place))
            count += 1
        self._note(
            roster.run_id,
            "roster",
            roster.step_id,
            None if isinstance(roster, PackedRoster) else roster.chunk,
            count,
            total=roster.total,
            chunks=roster.chunks if isinstance(roster, PackedRoster) else None,
            fates=encode_fates(roster.fates),
        )

    def _add_label(self, fact: Labelled) -> None:
        self._tables["labels"].add(
            (
                fact.label_id, fact.run_id, fact.candidate_id, fact.label, fact.note,
                fact.labelled_by, fact.labelled_at_us,
            )
        )  # fmt: skip
        self._note(fact.run_id, "label")

    def add_tally(self, fact: Tallied) -> None:
        """Add what is known of the runs of a minute that were not kept."""
        self._tables["tallies"].add(
            (
                fact.tally_id, fact.pipeline, fact.minute_us, fact.environment, fact.version,
                fact.runs.count, spell_json(fact.runs.statuses), spell_json(fact.steps),
                msgspec.msgpack.encode(fact),
            )
        )  # fmt: skip

    def close(self) -> None:
        """Let all of it be on disk, under names that nobody reads yet."""
        for table in self._tables.values():
            table.close()

    def settle(self) -> dict[str, FileEntry]:
        """Give the files their names; what they are."""
        files: dict[str, FileEntry] = {}
        for table, writer in self._tables.items():
            path = find_file(self._folder, table, self._number)
            os.replace(find_file(self._folder, table, self._number, is_settled=False), path)
            settle(path.parent)
            files[table] = FileEntry(writer.row_count, path.stat().st_size)
        return files

    def abandon(self) -> None:
        """Leave nothing of it."""
        for table, writer in self._tables.items():
            writer.abandon()
            with suppress(FileNotFoundError):
                find_file(self._folder, table, self._number, is_settled=False).unlink()


def _measure(*cells: str | bytes | None) -> int:
    return sum(len(cell) for cell in cells if cell is not None)


def _spell_open(value: object) -> str | None:
    return None if value is None else _spell(value).decode()


def _list_rows(fact: StepFinished) -> Iterator[tuple[DecisionRow, str, int | None, float]]:
    """The rows of a step's own, each with its kind, its reservoir and its weight."""
    for row in fact.rows:
        yield row, COUNTED, None, 1.0
    for number, reservoir in enumerate(fact.reservoirs):
        weight = reservoir.seen / len(reservoir.rows) if reservoir.rows else 0.0
        for row in reservoir.rows:
            yield row, SAMPLED, number, weight
    for row in fact.logged:
        yield row, LOGGED, None, 1.0


def list_entries(roster: HashedRoster | PackedRoster) -> Iterator[tuple[int, int, int]]:
    """The hash, the code and the place of each candidate of a roster.

    Of a roster at rest the first hash that an entry can stand for: it has the same number.
    """
    if isinstance(roster, HashedRoster):
        held = roster.open()
        yield from zip(held.hashes, held.codes, held.placings or repeat(0), strict=False)
        return
    universe = Universe(roster.total)
    for number, data in sorted(roster.parts.items()):
        part = Part(universe, number, data)
        places = [place for _, place in part.places()] or repeat(0)
        for (first, _, code), place in zip(part.spans(), places, strict=False):
            yield first, code, place
