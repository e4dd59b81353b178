"""Two groups of runs, read from a store side by side and folded as they come."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Final

from msgspec.structs import replace

from xray.forensics.groups.group import Group
from xray.forensics.groups.rating import Rating
from xray.model.run_figures import RunFigures
from xray.query.cursor import decode_cursor
from xray.query.plan import Plan
from xray.store.protocol import Store

PAGE_RUNS: Final = 1_000


class Stream:
    """The runs that meet one question, newest first, page by page.

    Args:
        store: where they are.
        plan: the question.
    """

    def __init__(self, store: Store, plan: Plan) -> None:
        self._store = store
        self._plan = replace(plan, limit=PAGE_RUNS)
        self._waiting: list[RunFigures] = []
        self._rating = Rating(store)
        self._is_read = False

    def load(self) -> None:
        """Read the next page; it may hold no run though more come."""
        page = self._store.figures(self._plan)
        self._waiting = self._rating.rate(page.items)[::-1]
        if page.next_cursor is None:
            self._is_read = True
        else:
            self._plan = replace(self._plan, after=decode_cursor(page.next_cursor, self._plan))

    @property
    def needs_page(self) -> bool:
        """Whether the store must be asked for the next run."""
        return not self._waiting and not self._is_read

    @property
    def is_over(self) -> bool:
        """Whether there are no more runs."""
        return not self._waiting and self._is_read

    @property
    def next(self) -> RunFigures | None:
        """The next run; None at the end."""
        return self._waiting[-1] if self._waiting else None

    def pop(self) -> RunFigures:
        """Take the next run away."""
        return self._waiting.pop()


class Gathering:
    """Two groups of runs as far as they were read.

    Both are read in one order, so a run that meets both questions comes up in both at once: it is
    counted and belongs to neither group.

    Args:
        store: where the runs are.
        a: which runs are in one group.
        b: which are in the other.
        asked: both questions as they were put.

    Attributes:
        compared_s: how long comparing took what was read before.
    """

    def __init__(self, store: Store, a: Plan, b: Plan, asked: tuple[str, str] = ("", "")) -> None:
        self._store = weakref.ref(store)
        self._asked = asked
        self._streams = (Stream(store, a), Stream(store, b))
        self.a, self.b = Group(), Group()
        self.overlap = 0
        self.compared_s = 0.0

    def is_about(self, store: Store, asked: tuple[str, ...]) -> bool:
        """Whether it gathers what these questions ask of that store."""
        return self._store() is store and self._asked == asked

    def read(self, is_enough: Callable[[], bool]) -> bool:
        """Read on; False when *is_enough* said to stop before all was read."""
        a, b = self._streams
        while True:
            for stream in (a, b):
                while stream.needs_page:
                    stream.load()
                    if is_enough() and stream.needs_page:
                        return False
            self._fold()
            if a.is_over and b.is_over:
                return True
            if is_enough():
                return False

    def _fold(self) -> None:
        """Take in the newest runs, as long as both streams have one at hand or are over."""
        a, b = self._streams
        of_a: list[RunFigures] = []
        of_b: list[RunFigures] = []
        while not a.needs_page and not b.needs_page:
            in_a, in_b = a.next, b.next
            if in_a is None and in_b is None:
                break
            if in_a is not None and in_b is not None and in_a.run_id == in_b.run_id:
                a.pop()
                b.pop()
                self.overlap += 1
            elif in_b is None or (in_a is not None and _age(in_a) > _age(in_b)):
                of_a.append(a.pop())
            else:
                of_b.append(b.pop())
        self.a.add_all(of_a)
        self.b.add_all(of_b)


def _age(run: RunFigures) -> tuple[int, str]:
    return run.started_at_us, run.run_id
