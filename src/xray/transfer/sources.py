"""What is copied: the runs of a store or of a folder, a portion at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Final, Protocol

from msgspec import Struct
from msgspec.structs import replace

from xray.model.stored_facts import StoredFact
from xray.model.tallies import Tallied
from xray.query.cursor import decode_cursor
from xray.query.language import parse_query
from xray.query.plan import Plan, Position
from xray.store.protocol import Store

RUNS_PER_PORTION: Final = 100


class Portion(Struct, frozen=True):
    """Some runs.

    Args:
        run_ids: the runs.
        open: gives what is known of them, run by run, as often as it is called.
        end: where those after them begin; None behind the last and where there is no order.
    """

    run_ids: Sequence[str]
    open: Callable[[], Iterator[StoredFact]]
    end: Position | None = None


class Source(Protocol):
    """Where runs are copied from."""

    def portions(self) -> Iterator[Portion]:
        """Its runs, and those of which only labels are known."""
        ...

    def tallies(self) -> Iterator[Tallied]:
        """What it knows of runs that were not kept."""
        ...

    def count_runs(self) -> int | None:
        """How many runs there are at least; None where that would take long to find out."""
        ...


class StoreSource:
    """The runs of a store that meet a query; with all of them what is known besides.

    Args:
        store: the store.
        query: which runs; all where it is empty.
        now_us: the moment from which spans of time in the query are counted back.
    """

    def __init__(self, store: Store, query: str, now_us: int) -> None:
        self.store = store
        self.is_whole = not query.strip()
        where = parse_query(query, "run", now_us)
        self._plan = Plan(scope="run", where=where, limit=RUNS_PER_PORTION, now_us=now_us)

    def portions(self) -> Iterator[Portion]:
        """Its runs, the newest first, then those of which only labels are known."""
        yield from self.portions_after(None)
        if self.is_whole:
            yield from self.awaited()

    def portions_after(self, position: Position | None) -> Iterator[Portion]:
        """Its runs that come after *position*, the newest first."""
        while True:
            plan = replace(self._plan, after=position)
            page = self.store.runs(plan)
            position = None
            if page.next_cursor is not None:
                position = decode_cursor(page.next_cursor, plan)
            if page.items:
                yield self._portion([run.run_id for run in page.items], position)
            if position is None:
                return

    def awaited(self) -> Iterator[Portion]:
        """The runs of which only labels are known."""
        return map(self._portion, take_portions(self.store.awaited_runs(), RUNS_PER_PORTION))

    def _portion(self, run_ids: Sequence[str], end: Position | None = None) -> Portion:
        return Portion(run_ids, lambda: self.store.export_runs(run_ids), end)

    def tallies(self) -> Iterator[Tallied]:
        """What it knows of runs that were not kept; nothing where a query says which runs."""
        return self.store.export_tallies() if self.is_whole else iter(())

    def count_runs(self) -> int | None:
        """How many runs there are at least."""
        return self.store.runs(replace(self._plan, limit=1)).total if self.is_whole else None


def take_portions(ids: Iterable[str], size: int) -> Iterator[list[str]]:
    """*ids* in lists of *size*."""
    left = iter(ids)
    while some := list(islice(left, size)):
        yield some
