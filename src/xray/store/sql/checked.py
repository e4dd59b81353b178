"""The checks of very many runs: of most steps no more is opened than tells that it names none."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import groupby, repeat
from operator import itemgetter
from typing import Any, Final

import msgspec

from xray.model.checked import (
    CheckedRun,
    CheckedStep,
    StepChecks,
    StepCounts,
    count_step,
    list_selected,
)
from xray.model.decisions import Outline, outline_decisions
from xray.model.records import Step
from xray.model.sketch import CheckSketch
from xray.store.blocks import BLOCK_BITS, EXTRAS_CHUNK, Block
from xray.store.bodies import decode_step, unpack
from xray.store.decision_table import VERDICT_WORDS, list_reasons, open_table
from xray.store.frames import Decompressor
from xray.store.sql.driver import Driver, Rows
from xray.store.sql.rows import id_text
from xray.store.sql.spelling import Spelling
from xray.store.words import STEP_STATUS_WORDS, STEP_TYPE_WORDS

_RUNS: Final = (
    "select runs.seq, run_id, named.text, started_at, weight, dim.text"
    " from {listed} as wanted {then_join} runs on runs.seq = wanted.value"
    " join dim as named on named.id = runs.pipeline left join dim on dim.id = runs.version"
    " order by wanted.place"
)
_STEPS: Final = (
    "select run, steps.seq, step_id, text, step_type, status, attempt,"
    " parent_step_id, rejected_count, accepted_count + selected_count"
    " from {listed} as wanted {then_join} steps on run = wanted.value"
    " join dim on dim.id = steps.name order by wanted.place, ordinal, started_at, step_id"
)
_BLOCKS: Final = (
    "select wanted.value, chunk, part, data from {listed} as wanted {then_join} blocks"
    " on blocks.id between wanted.value << {bits} and ((wanted.value + 1) << {bits}) - 1{in_order}"
)


class CheckReader:
    """Reads the checks of runs within one snapshot.

    Args:
        connection: the connection.
        spelling: how its engine spells SQL.
        decompressor: opens blocks and bodies.
        open_step: gives a step by its number.
        words: the checks, or what they observe; None for all.
    """

    def __init__(
        self,
        connection: Driver,
        spelling: Spelling,
        decompressor: Decompressor,
        open_step: Callable[[int], Step],
        words: frozenset[str] | None,
    ) -> None:
        self._connection = connection
        self._spelling = spelling
        self._decompressor = decompressor
        self._open_step = open_step
        self._words = words
        self._spelled = [msgspec.msgpack.encode(word) for word in words or ()]

    def read(self, seqs: Sequence[int]) -> Iterator[CheckedRun]:
        """The runs of these numbers, in that order."""
        runs = self._select(_RUNS, seqs).fetchall()
        found = self._select(_STEPS, seqs).fetchall()
        rows_of = {run: list(rows) for run, rows in groupby(found, itemgetter(0))}
        deciding = [row[1] for row in found if row[8] or row[9]]
        stored = groupby(self._select(_BLOCKS, deciding), itemgetter(0))
        coming = next(stored, None)
        for seq, raw_run_id, pipeline, started_at_us, weight, version in runs:
            run_id = id_text(raw_run_id)
            steps: list[CheckedStep] = []
            rows = rows_of.get(seq, [])
            for row in rows:
                blocks: list[Block] = []
                if coming is not None and coming[0] == row[1]:
                    blocks = self._open_blocks(coming[1])
                    coming = next(stored, None)
                steps.append(self._read_step(run_id, row, blocks))
            numbers = {id_text(row[2]): row[1] for row in rows}
            yield CheckedRun(
                run_id=run_id,
                pipeline=pipeline,
                started_at_us=started_at_us,
                weight=weight,
                version=version,
                steps=steps,
                find_selected=lambda step_id, numbers=numbers: list_selected(  # type: ignore[misc]
                    self._open_step(numbers[step_id])
                ),
            )

    def _select(self, query: str, seqs: Sequence[int]) -> Rows:
        spelled = query.format(
            listed=self._spelling.listed,
            then_join=self._spelling.then_join,
            in_order=self._spelling.in_order,
            bits=BLOCK_BITS,
        )
        return self._connection.execute(spelled, (self._spelling.list_numbers(seqs),))

    def _open_blocks(self, rows: Iterator[Any]) -> list[Block]:
        ordered = list(rows)
        if len(ordered) > 1:
            ordered.sort(key=itemgetter(1, 2))
        return [Block(chunk, data, self._decompressor) for _, chunk, _, data in ordered]

    def _read_step(self, run_id: str, row: tuple[Any, ...], blocks: list[Block]) -> CheckedStep:
        _, seq, raw_step_id, name, step_type, status, attempt, parent, rejected, kept = row
        step_id = id_text(raw_step_id)
        count = sum(map(len, blocks))
        is_whole = count == rejected + kept and all(one.chunk != EXTRAS_CHUNK for one in blocks)
        checks: StepChecks | None = None
        if self._may_name_check(blocks, has_rejected=rejected > 0):
            if is_whole and _is_resolved(blocks):
                rows = [row for block in blocks for row in _outline_block(block)]
                checks = StepChecks(StepCounts(kept, _count_reasons(rows)), rows, ())
            else:
                outlines = outline_decisions(open_table(step_id, run_id, blocks))
                checks = self._open_checks(seq, outlines)
        elif not is_whole and (rejected or kept):
            checks = self._open_checks(seq, ())
            if checks.names_one_of(self._words):
                outlines = outline_decisions(open_table(step_id, run_id, blocks))
                checks = StepChecks(checks.counts, outlines, checks.sketches)
        if checks is not None and not checks.names_one_of(self._words):
            checks = None
        return CheckedStep(
            step_id=step_id,
            name=name,
            step_type=STEP_TYPE_WORDS[step_type],
            status=STEP_STATUS_WORDS[status],
            attempt=attempt,
            parent_step_id=None if parent is None else id_text(parent),
            is_bare=not count and bool(rejected or kept),
            checks=checks,
        )

    def _may_name_check(self, blocks: Sequence[Block], *, has_rejected: bool) -> bool:
        if self._words is None:
            return has_rejected or any(block.open_checks() for block in blocks)
        return any(
            block.has_bytes(spelled, in_head=has_rejected)
            for block in blocks
            for spelled in self._spelled
        )

    def _open_checks(self, seq: int, outlines: Sequence[Outline]) -> StepChecks:
        sketches: list[CheckSketch] = []
        found = self._connection.execute("select data from step_bodies where seq = ?", (seq,))
        for (data,) in found:
            sketches = decode_step(unpack(data, self._decompressor)).fact.sketches
        return StepChecks(count_step(self._open_step(seq)), outlines, sketches)


def _is_resolved(blocks: Sequence[Block]) -> bool:
    """Whether no candidate stands twice in the blocks, so that every row is as it was sent."""
    ids = [one for block in blocks for one in block.head.ids]
    return len(set(ids)) == len(ids)


def _outline_block(block: Block) -> Iterator[Outline]:
    """Its rows, with what their checks and reasons tell."""
    head, checks = block.head, block.open_checks()
    for candidate_id, code, reason, by, own in zip(
        head.ids,
        head.verdicts,
        list_reasons(block),
        head.by or repeat(None, len(block)),
        checks or repeat(None, len(block)),
        strict=True,
    ):
        yield Outline(
            candidate_id, VERDICT_WORDS[code], reason, None, None, by, own or (), 1.0, False
        )


def _count_reasons(rows: Sequence[Outline]) -> dict[str, int]:
    reasons: dict[str, int] = {}
    for row in rows:
        if row.verdict == "rejected":
            reason = row.reason or ""
            reasons[reason] = reasons.get(reason, 0) + 1
    return reasons
