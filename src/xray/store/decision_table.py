"""One step's decisions over its blocks: the head frame answers most, a row opens the body."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from itertools import accumulate, chain, compress, repeat
from types import MappingProxyType
from typing import Final, TypeVar

from xray.model.counts import reason_of, resolve_rows
from xray.model.decisions import (
    DecisionTable,
    list_origins,
    open_decision,
    place_last,
    shown_reason,
    weigh_rows,
)
from xray.model.facts import REJECTED, Check, DecisionRow, Score, StepFinished
from xray.model.records import Decision
from xray.model.vocabulary import VERDICTS, LabelWord, Verdict
from xray.store.blocks import EXTRAS_CHUNK, Block, restore_rows

_Cell = TypeVar("_Cell")
Labels = Mapping[str, LabelWord]
NO_LABELS: Final[Labels] = MappingProxyType({})
VERDICT_WORDS: tuple[Verdict | None, ...] = (*VERDICTS, None)
_IS_REJECTED: Final = bytes(code == REJECTED for code in range(256))


def open_table(
    step_id: str, run_id: str, blocks: Sequence[Block], labels: Labels = NO_LABELS
) -> DecisionTable:
    """The decisions of a step.

    Args:
        step_id: the step.
        run_id: its run.
        blocks: its blocks in chunk order.
        labels: the labels of the run's candidates.
    """
    table = BlockTable(step_id, run_id, blocks, labels)
    if len(table.places) == len(table) or _is_resolved(blocks):
        return table
    bare = StepFinished(
        run_id=run_id,
        step_id=step_id,
        pipeline="",
        name="",
        step_type="custom",
        ordinal=0,
        started_at_us=0,
    )
    fact = restore_rows(bare, blocks)
    weighed = weigh_rows(fact, resolve_rows(fact.rows)[0])
    return RowTable(step_id, run_id, weighed, labels)


def open_rows_about(
    candidate_id: str,
    step_id: str,
    run_id: str,
    blocks: Sequence[Block],
    labels: Labels = NO_LABELS,
) -> DecisionTable:
    """The decisions of a step about one candidate.

    Args:
        candidate_id: the candidate.
        step_id: the step.
        run_id: its run.
        blocks: its blocks in chunk order.
        labels: the labels of the run's candidates.
    """
    census: list[DecisionRow] = []
    extras: list[tuple[DecisionRow, float, bool]] = []
    for block in blocks:
        positions = block.positions(candidate_id)
        if block.chunk != EXTRAS_CHUNK:
            census += block.pick(positions)
        elif positions:
            standing = [block.standing()[at] for at in positions]
            rows = block.pick(positions)
            extras += [(row, *stands) for row, stands in zip(rows, standing, strict=True)]
    weighed = [(row, 1.0, False) for row in resolve_rows(census)[0]]
    return RowTable(step_id, run_id, [*weighed, *extras], labels)


def _is_resolved(blocks: Sequence[Block]) -> bool:
    """Whether no candidate was decided twice, so that every row stands as it was sent."""
    census = [block for block in blocks if block.chunk != EXTRAS_CHUNK]
    keys: set[tuple[str | None, str]] = set()
    for block in census:
        by = block.head.by or repeat(None)
        keys.update(zip(by, block.head.ids, strict=False))
    return len(keys) == sum(map(len, census))


class BlockTable:
    """A decision table that opens as much of its blocks as it is asked for.

    Args:
        step_id: the step.
        run_id: its run.
        blocks: its blocks in chunk order, without a candidate that was decided twice.
        labels: the labels of the run's candidates.
    """

    def __init__(
        self, step_id: str, run_id: str, blocks: Sequence[Block], labels: Labels = NO_LABELS
    ) -> None:
        self.step_id = step_id
        self._run_id = run_id
        self._blocks = blocks
        self._labels = labels

    @cached_property
    def candidate_ids(self) -> Sequence[str]:
        """The candidates."""
        return list(chain.from_iterable(block.head.ids for block in self._blocks))

    @cached_property
    def places(self) -> Mapping[str, int]:
        """The index of the last row about each candidate."""
        return place_last(self.candidate_ids)

    @cached_property
    def codes(self) -> bytes:
        """Their verdicts as `DecisionRow` has them, in the same order."""
        return b"".join(block.head.verdicts for block in self._blocks)

    @cached_property
    def verdicts(self) -> Sequence[Verdict | None]:
        """Their verdicts, in the same order; None where only checks were recorded."""
        return [VERDICT_WORDS[code] for code in self.codes]

    @cached_property
    def logged(self) -> Sequence[bool]:
        """Whether the row only illustrates, in the same order."""
        if not self._has_extras:
            return [False] * len(self)
        return [is_logged for _, is_logged in self._standing]

    @cached_property
    def partitions(self) -> Sequence[str | None]:
        """What each decision is `by`, in the same order."""
        return self._column(lambda block: block.head.by, None)

    @cached_property
    def wholes(self) -> Sequence[str | None]:
        """What each candidate is `part_of`, in the same order."""
        return self._column(lambda block: block.head.part_of, None)

    @cached_property
    def reasons(self) -> Sequence[str | None]:
        """Why, in the same order; every rejected one has a reason."""
        return list(chain.from_iterable(map(list_reasons, self._blocks)))

    @cached_property
    def scores(self) -> Sequence[Score | None]:
        """Their scores, in the same order."""
        return self._column(lambda block: block.head.scores, None)

    @cached_property
    def ranks(self) -> Sequence[int | None]:
        """Their ranks, in the same order."""
        return self._column(lambda block: block.head.ranks, None)

    @cached_property
    def origins(self) -> Sequence[tuple[str, ...]]:
        """The ids of what brought each candidate, in the same order."""
        refs = self._column(Block.open_origins, None)
        return [list_origins(one) for one in refs]

    @cached_property
    def checks(self) -> Sequence[Sequence[Check]]:
        """The evidence about each candidate, in the same order."""
        return [one or () for one in self._column(Block.open_checks, None)]

    @cached_property
    def anonymous(self) -> Sequence[bool]:
        """Whether the candidate had no id of its own, in the same order."""
        marks = self._column(Block.open_anonymous, 0)
        return list(map(bool, marks))

    @cached_property
    def weights(self) -> Sequence[float]:
        """How many candidates of its step each row stands for, in the same order."""
        if not self._has_extras:
            return [1.0] * len(self)
        return [weight for weight, _ in self._standing]

    @property
    def _has_extras(self) -> bool:
        """Whether some of the rows were drawn, or only illustrate."""
        return any(block.chunk == EXTRAS_CHUNK for block in self._blocks)

    def _column(
        self, read: Callable[[Block], Sequence[_Cell] | None], absent: _Cell
    ) -> list[_Cell]:
        columns = ((read(block), len(block)) for block in self._blocks)
        cells = (column or [absent] * count for column, count in columns)
        return list(chain.from_iterable(cells))

    @cached_property
    def _standing(self) -> list[tuple[float, bool]]:
        return [standing for block in self._blocks for standing in block.standing()]

    @cached_property
    def _ends(self) -> list[int]:
        return list(accumulate(map(len, self._blocks)))

    def __len__(self) -> int:
        return self._ends[-1] if self._ends else 0

    def row(self, index: int) -> Decision:
        """The whole decision at *index*."""
        if not 0 <= index < len(self):
            raise IndexError(index)
        place = bisect_right(self._ends, index)
        block = self._blocks[place]
        weight, is_logged = self._standing[index]
        row = block.row(index - self._ends[place] + len(block))
        return open_decision(
            row,
            step_id=self.step_id,
            run_id=self._run_id,
            weight=weight,
            is_logged=is_logged,
            label=self._labels.get(row.candidate_id),
        )

    def find(self, candidate_id: str) -> list[Decision]:
        """Every decision about *candidate_id*: one for each `by`."""
        return [self.row(i) for i, name in enumerate(self.candidate_ids) if name == candidate_id]

    def __iter__(self) -> Iterator[Decision]:
        rows = chain.from_iterable(block.rows() for block in self._blocks)
        for row, (weight, is_logged) in zip(rows, self._standing, strict=True):
            yield open_decision(
                row,
                step_id=self.step_id,
                run_id=self._run_id,
                weight=weight,
                is_logged=is_logged,
                label=self._labels.get(row.candidate_id),
            )


def list_reasons(block: Block) -> list[str | None]:
    """The reason each decision of *block* is shown with; a nameless one is told by its evidence."""
    head = block.head
    told: list[str | None] = [None] * len(block)
    if head.reasons is not None and head.reason_codes is not None:
        told = list(map(head.reasons.__getitem__, head.reason_codes))
    is_rejected = head.verdicts.translate(_IS_REJECTED)
    if not all(compress(told, is_rejected)):
        cells = enumerate(zip(told, is_rejected, strict=True))
        unnamed = [at for at, (reason, is_own) in cells if is_own and not reason]
        for at, row in zip(unnamed, block.pick_grounds(unnamed), strict=True):
            told[at] = reason_of(row)
    return told


class RowTable:
    """A decision table over rows that had to be resolved first; each is opened when asked for.

    Args:
        step_id: the step.
        run_id: its run.
        rows: its rows, one a candidate, each with its weight and whether it only illustrates.
        labels: the labels of the run's candidates.
    """

    def __init__(
        self,
        step_id: str,
        run_id: str,
        rows: Iterable[tuple[DecisionRow, float, bool]],
        labels: Labels = NO_LABELS,
    ) -> None:
        self.step_id = step_id
        self._run_id = run_id
        self._labels = labels
        self._rows = list(rows)

    @cached_property
    def candidate_ids(self) -> Sequence[str]:
        """The candidates."""
        return [row.candidate_id for row, _, _ in self._rows]

    @cached_property
    def places(self) -> Mapping[str, int]:
        """The index of the last row about each candidate."""
        return place_last(self.candidate_ids)

    @cached_property
    def codes(self) -> bytes:
        """Their verdicts as `DecisionRow` has them, in the same order."""
        return bytes(row.verdict for row, _, _ in self._rows)

    @cached_property
    def verdicts(self) -> Sequence[Verdict | None]:
        """Their verdicts, in the same order; None where only checks were recorded."""
        return [VERDICT_WORDS[code] for code in self.codes]

    @cached_property
    def logged(self) -> Sequence[bool]:
        """Whether the row only illustrates, in the same order."""
        return [is_logged for _, _, is_logged in self._rows]

    @cached_property
    def partitions(self) -> Sequence[str | None]:
        """What each decision is `by`, in the same order."""
        return [row.by for row, _, _ in self._rows]

    @cached_property
    def wholes(self) -> Sequence[str | None]:
        """What each candidate is `part_of`, in the same order."""
        return [row.part_of for row, _, _ in self._rows]

    @cached_property
    def reasons(self) -> Sequence[str | None]:
        """Why, in the same order; every rejected one has a reason."""
        return [shown_reason(row) for row, _, _ in self._rows]

    @cached_property
    def scores(self) -> Sequence[Score | None]:
        """Their scores, in the same order."""
        return [row.score for row, _, _ in self._rows]

    @cached_property
    def ranks(self) -> Sequence[int | None]:
        """Their ranks, in the same order."""
        return [row.rank for row, _, _ in self._rows]

    @cached_property
    def origins(self) -> Sequence[tuple[str, ...]]:
        """The ids of what brought each candidate, in the same order."""
        return [list_origins(row.origin) for row, _, _ in self._rows]

    @cached_property
    def checks(self) -> Sequence[Sequence[Check]]:
        """The evidence about each candidate, in the same order."""
        return [row.checks or () for row, _, _ in self._rows]

    @cached_property
    def anonymous(self) -> Sequence[bool]:
        """Whether the candidate had no id of its own, in the same order."""
        return [row.is_anonymous for row, _, _ in self._rows]

    @cached_property
    def weights(self) -> Sequence[float]:
        """How many candidates of its step each row stands for, in the same order."""
        return [weight for _, weight, _ in self._rows]

    def __len__(self) -> int:
        return len(self._rows)

    def row(self, index: int) -> Decision:
        """The whole decision at *index*."""
        row, weight, is_logged = self._rows[index]
        return open_decision(
            row,
            step_id=self.step_id,
            run_id=self._run_id,
            weight=weight,
            is_logged=is_logged,
            label=self._labels.get(row.candidate_id),
        )

    def find(self, candidate_id: str) -> list[Decision]:
        """Every decision about *candidate_id*: one for each `by`."""
        return [self.row(i) for i, name in enumerate(self.candidate_ids) if name == candidate_id]

    def __iter__(self) -> Iterator[Decision]:
        return map(self.row, range(len(self._rows)))
