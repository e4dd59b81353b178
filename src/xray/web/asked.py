"""What the URL of a list asks: its parameters, how to leave one out, where the next part is."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

import msgspec
from starlette.requests import Request

from xray.model.records import Scan
from xray.reading import Parameters
from xray.web.addresses import page_of

_PLACES = ("cursor", "limit")


@dataclass(frozen=True, slots=True)
class Chip:
    """One condition of a list, and the list without it."""

    text: str
    without: str


@dataclass(frozen=True, slots=True)
class Listed:
    """How much of a list is shown, and where it goes on.

    Args:
        path: the list's path in the read API.
        asked: its parameters.
        shown: how many records the page shows.
        total: how many match, as far as counted.
        total_is_exact: whether that is all.
        next_cursor: where the next part begins; None at the end.
        complete: False where the search stopped at its budget.
        rows: how many records a search looked at that no index could answer.
        back_to: the start of the oldest of them.
    """

    path: str
    asked: Parameters
    shown: int
    total: int | None
    total_is_exact: bool
    next_cursor: str | None
    complete: bool
    rows: int | None = None
    back_to: datetime | None = None

    @property
    def chips(self) -> list[Chip]:
        """The conditions, each with the list that lacks it."""
        conditions = [pair for pair in self.asked if pair[0] not in _PLACES]
        return [
            Chip(value if name == "q" else f"{name} = {value}", self.without(name, value))
            for name, value in conditions
        ]

    @property
    def next_page(self) -> str | None:
        """The page of the next part."""
        if self.next_cursor is None:
            return None
        others = [pair for pair in self.asked if pair[0] != "cursor"]
        return page_of(self.path, [*others, ("cursor", self.next_cursor)])

    @property
    def first_page(self) -> str | None:
        """The page of the first part; None where this is it."""
        if not any(name == "cursor" for name, _ in self.asked):
            return None
        return page_of(self.path, [pair for pair in self.asked if pair[0] != "cursor"])

    def without(self, name: str, value: str) -> str:
        """The list without one condition, from its beginning."""
        rest = [pair for pair in self.asked if pair != (name, value) and pair[0] != "cursor"]
        return page_of(self.path, rest)

    def only(self, name: str, value: str) -> str:
        """The list with one more condition, from its beginning."""
        rest = [pair for pair in self.asked if pair[0] not in (name, "cursor")]
        return page_of(self.path, [*rest, (name, value)])

    def given(self, name: str) -> str:
        """The value of a parameter; empty where it is not given."""
        return next((value for key, value in self.asked if key == name), "")


def read_asked(request: Request) -> Parameters:
    """The parameters of the URL; a form sends its empty fields too, which ask nothing."""
    pairs = request.query_params.multi_items()
    return [(name, value.strip()) for name, value in pairs if value.strip()]


class Part(Protocol):
    """Part of a list, as the read API answers it."""

    @property
    def next_cursor(self) -> str | None:
        """Where the next part begins."""
        ...

    @property
    def total(self) -> int | None:
        """How many match, as far as counted."""
        ...

    @property
    def total_is_exact(self) -> bool:
        """Whether that is all."""
        ...

    @property
    def complete(self) -> bool:
        """False where the search stopped at its budget."""
        ...

    @property
    def scan(self) -> Scan | msgspec.UnsetType:
        """How far a search came that no index could answer."""
        ...


def describe(path: str, asked: Parameters, part: Part, shown: int) -> Listed:
    """What a page says of the part of a list it shows.

    Args:
        path: the list's path in the read API.
        asked: its parameters.
        part: the answer.
        shown: how many records it holds.
    """
    scan = part.scan if isinstance(part.scan, Scan) else None
    return Listed(
        path=path,
        asked=asked,
        shown=shown,
        total=part.total,
        total_is_exact=part.total_is_exact,
        next_cursor=part.next_cursor,
        complete=part.complete,
        rows=None if scan is None else scan.rows,
        back_to=None if scan is None else scan.back_to,
    )
