"""Runs into a store: written, read again on both sides, and compared."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Final

from xray.model.baseline import Baseline
from xray.model.facts import Refusal
from xray.model.stored_facts import StoredFact
from xray.model.tallies import Tallied
from xray.model.transfer import MAX_DIFFERENCES, Amounts, Difference
from xray.store.protocol import Store
from xray.store.sql.writer import estimate_bytes
from xray.transfer.prints import Prints
from xray.transfer.sources import Portion, Source

_BATCH_BYTES: Final = 4 << 20
_BATCH_FACTS: Final = 2_000
_TALLIES_PER_PORTION: Final = 1_000


class Books:
    """What was compared so far.

    Attributes:
        compared: the records that were read on both sides.
        already: how many runs were there before.
        differences: the first records that are not the same.
        differing: how many there are.
        pipelines: the pipelines of the steps that were compared.
    """

    def __init__(self) -> None:
        self.compared = Amounts()
        self.already = 0
        self.differences: list[Difference] = []
        self.differing = 0
        self.pipelines: set[str] = set()

    def add(self, amounts: Amounts, differences: Iterable[Difference]) -> None:
        """Note what was compared, and what of it differs."""
        self.compared = self.compared.plus(amounts)
        for difference in differences:
            self.differing += 1
            if len(self.differences) < MAX_DIFFERENCES:
                self.differences.append(difference)


def copy_runs(
    source: Source, target: Store, show: Callable[[Amounts], None] = lambda _: None
) -> Books:
    """Copy what *source* has into *target*, and compare each record.

    What is there already is not written again, so that the same call goes on where one stopped.

    Args:
        source: what is copied.
        target: where it goes.
        show: is told now and then what was compared so far.

    Raises:
        StoreError: one of the two failed.
    """
    books = Books()
    for portion in source.portions():
        _copy_portion(portion, target, books)
        show(books.compared)
    for tallies in _take_tallies(source.tallies()):
        write_facts(tallies, target)
        books.add(Amounts(tallies=len(tallies)), ())
        show(books.compared)
    if books.compared.tallies:
        _compare_tallies(source, target, books)
    return books


def _copy_portion(portion: Portion, target: Store, books: Books) -> None:
    prints, run_ids = Prints(), portion.run_ids
    if _is_there(portion, target):
        prints = Prints.of(portion.open())
        if not list(prints.differences(Prints.of(target.export_runs(run_ids)), run_ids)):
            books.already += prints.amounts.runs
            books.pipelines |= prints.pipelines
            books.add(prints.amounts, ())
            return
        prints = Prints()
    refused = write_facts(_printed(portion.open(), prints), target)
    differences = list(prints.differences(Prints.of(target.export_runs(run_ids)), run_ids))
    books.pipelines |= prints.pipelines
    books.add(prints.amounts, differences)
    books.add(Amounts(), map(_explain_refusal, refused) if differences else ())


def count_lost_days(source: Store, target: Store, pipelines: Iterable[str]) -> int:
    """On how many days of a pipeline more steps made usual what was in *source* than in *target*.

    What is usual of a step stays when its run is deleted, and can then not be told from runs.
    """
    days: set[tuple[str, int]] = set()
    for pipeline in pipelines:
        there = {_key(baseline): baseline.usual.steps for baseline in target.baselines(pipeline)}
        days.update(
            (pipeline, baseline.day)
            for baseline in source.baselines(pipeline)
            if there.get(_key(baseline), 0) < baseline.usual.steps
        )
    return len(days)


def _key(baseline: Baseline) -> tuple[str, str, int]:
    return baseline.step_name, baseline.step_type, baseline.day


def _is_there(portion: Portion, target: Store) -> bool:
    first, last = portion.run_ids[0], portion.run_ids[-1]
    return target.run(first) is not None and target.run(last) is not None


def _printed(facts: Iterator[StoredFact], prints: Prints) -> Iterator[StoredFact]:
    for fact in facts:
        prints.add(fact)
        yield fact


def _explain_refusal(refusal: Refusal) -> Difference:
    return Difference(run_id=None, record=refusal.id, detail=f"it was refused: {refusal.detail}")


def write_facts(facts: Iterable[StoredFact], target: Store) -> list[Refusal]:
    """Write *facts* in batches of bounded size; those that were refused."""
    batch: list[StoredFact] = []
    refused: list[Refusal] = []
    size = 0

    def write() -> None:
        nonlocal size
        if batch:
            refused.extend(target.submit("transfer", list(batch)).result().rejected)
            batch.clear()
            size = 0

    for fact in facts:
        batch.append(fact)
        size += estimate_bytes(fact)
        if size >= _BATCH_BYTES or len(batch) >= _BATCH_FACTS:
            write()
    write()
    return refused


def _take_tallies(tallies: Iterator[Tallied]) -> Iterator[list[Tallied]]:
    some: list[Tallied] = []
    for tally in tallies:
        some.append(tally)
        if len(some) == _TALLIES_PER_PORTION:
            yield some
            some = []
    if some:
        yield some


def _compare_tallies(source: Source, target: Store, books: Books) -> None:
    stored = Prints.of(target.export_tallies()).by_run.get(None, {})
    ours = Prints.of(source.tallies()).by_run.get(None, {})
    differing = [record for record, told in ours.items() if stored.get(record) != told]
    details = ("it is missing where it went", "it is not the same")
    books.add(
        Amounts(),
        [
            Difference(run_id=None, record=record, detail=details[record in stored])
            for record in differing
        ],
    )
