"""What pages need of the app that serves them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

from starlette.requests import Request

from xray.model.clock import Clock
from xray.store.protocol import Store
from xray.wire.limits import Limits

_Answer = TypeVar("_Answer")


@dataclass(frozen=True, slots=True)
class ToldSetting:
    """One setting of the server.

    Args:
        variable: the environment variable that sets it.
        value: what it is, in words; of a secret only whether there is one.
        about: what it means.
    """

    variable: str
    value: str
    about: str


class Site(Protocol):
    """The store behind the pages, and the time."""

    @property
    def clock(self) -> Clock:
        """The time."""
        ...

    @property
    def limits(self) -> Limits:
        """What requests may hold."""
        ...

    @property
    def has_key(self) -> bool:
        """Whether readers have to bring a key, or to log in with it."""
        ...

    def tell_settings(self) -> Sequence[ToldSetting]:
        """What the server was told, without secrets."""
        ...

    async def read(self, ask: Callable[[Store], _Answer]) -> _Answer:
        """What *ask* makes of the store, on a thread."""
        ...


def site_of(request: Request) -> Site:
    """The site of the app that serves *request*."""
    site: Site = request.app.state.context
    return site
