"""Long questions that were answered in part, kept in memory for whoever asks on."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import Final, Generic, Protocol, TypeVar

from xray.errors import InvalidQueryError
from xray.model.ids import new_uuid7
from xray.store.protocol import Store

_MAX_UNFINISHED: Final = 4


class Asked(Protocol):
    """What was read to answer a question."""

    def is_about(self, store: Store, asked: tuple[str, ...]) -> bool:
        """Whether it is what these questions ask of that store."""
        ...


_Asked = TypeVar("_Asked", bound=Asked)


class Unfinished(Generic[_Asked]):
    """What was read in part, kept for whoever asks on; the oldest give way.

    Args:
        what: what a cursor goes on with, in words.
    """

    def __init__(self, what: str) -> None:
        self._what = what
        self._kept: OrderedDict[str, _Asked] = OrderedDict()
        self._lock = threading.Lock()

    def keep(self, one: _Asked) -> str:
        """Keep *one*, and say under which name it is found again."""
        name = new_uuid7()
        with self._lock:
            self._kept[name] = one
            while len(self._kept) > _MAX_UNFINISHED:
                self._kept.popitem(last=False)
        return name

    def take(self, name: str, store: Store, asked: tuple[str, ...]) -> _Asked:
        """What was kept under *name*.

        Raises:
            InvalidQueryError: it is gone, or asks something else.
        """
        with self._lock:
            found = self._kept.pop(name, None)
        if found is None or not found.is_about(store, asked):
            raise InvalidQueryError(
                f"That cursor goes on with no {self._what}.",
                hint="Ask again without it.",
                code="invalid_cursor",
            )
        return found
