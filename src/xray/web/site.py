"""What pages need of the app that serves them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeVar

from starlette.requests import Request

from xray.model.clock import Clock
from xray.store.protocol import Store

_Answer = TypeVar("_Answer")


class Site(Protocol):
    """The store behind the pages, and the time."""

    @property
    def clock(self) -> Clock:
        """The time."""
        ...

    async def read(self, ask: Callable[[Store], _Answer]) -> _Answer:
        """What *ask* makes of the store, on a thread."""
        ...


def site_of(request: Request) -> Site:
    """The site of the app that serves *request*."""
    site: Site = request.app.state.context
    return site
