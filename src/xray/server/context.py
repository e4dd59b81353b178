"""What every route works with."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Final, TypeVar

import anyio
from starlette.requests import Request

from xray.model.addresses import without_password
from xray.model.clock import Clock, SystemClock
from xray.model.facts import Fact, Receipt
from xray.model.forgetting import ForgetReport, ForgetRequest
from xray.model.ids import new_uuid7
from xray.model.retention_report import RetentionReport
from xray.model.tallies import Tallied
from xray.reading import Shelf, let_expire, put_up_shelf, read_id
from xray.server.feed import Feed
from xray.server.forgetting import ForgettingDesk
from xray.server.intake import read_body
from xray.server.placement import StepPlacement
from xray.server.problems import FieldProblem, InvalidBodyError
from xray.server.settings import ServerSettings, describe_settings
from xray.server.space import Spaces
from xray.store.protocol import Store
from xray.web.site import ToldSetting
from xray.wire.limits import DEFAULT_LIMITS, Limits

_Answer = TypeVar("_Answer")

_LARGE_BYTES: Final = 64 << 10


@dataclass(frozen=True)
class Context:
    """The store and everything a route needs beside the request.

    Args:
        settings: what the server was told.
        store: where records are.
        placement: where the next step of a run stands.
        limits: what requests may hold.
        clock: the time.
        spaces: the memory that bodies may take.
        feed: which runs changed.
        shelf: runs that were asked about last, kept open where nobody else writes the store.
        forgetting: forgets runs, which may take longer than a request.
    """

    settings: ServerSettings
    store: Store
    placement: StepPlacement
    limits: Limits = DEFAULT_LIMITS
    clock: Clock = field(default_factory=SystemClock)
    spaces: Spaces = field(default_factory=Spaces)
    feed: Feed = field(default_factory=Feed)
    shelf: Shelf = field(init=False)
    forgetting: ForgettingDesk = field(init=False)

    def __post_init__(self) -> None:
        # A server does not hear of every change of a store that others write as well, so there
        # runs are read anew for each question: the shelf stays empty.
        is_shared = self.settings.is_store_shared
        shelf = Shelf(self.clock) if is_shared else put_up_shelf(self.store, self.clock)
        object.__setattr__(self, "shelf", shelf)
        object.__setattr__(self, "forgetting", ForgettingDesk(self.store, self.shelf.forget))

    @property
    def has_key(self) -> bool:
        """Whether requests have to bring a key."""
        return self.settings.api_key is not None

    def tell_settings(self) -> list[ToldSetting]:
        """What the server was told, without the key and a password in the store's address."""
        told = []
        for one in describe_settings():
            value = getattr(self.settings, one.name)
            if one.name == "api_key":
                value = "set" if value else None
            elif one.name == "store":
                value = without_password(value)
            elif isinstance(value, tuple):
                value = ", ".join(value)
            told.append(ToldSetting(one.env, str(value or "not set"), one.help))
        return told

    async def write(self, facts: Sequence[Fact]) -> Receipt:
        """Store *facts* together; returns when they are durable.

        Raises:
            InvalidRecordError: the store cannot keep one of them.
        """
        receipt = await wait_for(self.store.submit(new_uuid7(), facts))
        for refusal in receipt.rejected:
            raise InvalidBodyError([FieldProblem("$", refusal.detail)])
        self.note_changes(facts)
        return receipt

    def note_changes(self, facts: Sequence[Fact]) -> None:
        """Some facts became durable: what was read of their runs is old."""
        run_ids = list(
            dict.fromkeys(fact.run_id for fact in facts if not isinstance(fact, Tallied))
        )
        self.shelf.forget(run_ids)
        self.feed.note(run_ids)

    async def let_expire(self, rules: str) -> RetentionReport:
        """Delete runs that *rules* of retention let go, a bounded number; what is left then."""
        now_us = self.clock.wall_us()
        return await self.read(
            lambda store: let_expire(store, rules, now_us, note=self.shelf.forget)
        )

    async def forget(self, asked: ForgetRequest) -> ForgetReport:
        """Forget the runs that are asked for; how far that is, where it takes long."""
        return await anyio.to_thread.run_sync(self.forgetting.forget, asked)

    async def open(self, content: bytes, work: Callable[[], _Answer]) -> _Answer:
        """What *work* makes of the body *content*, on a thread; large ones wait for their turn."""
        if len(content) > _LARGE_BYTES:
            return await self.spaces.open_in_turn(work)
        return await anyio.to_thread.run_sync(work)

    async def read(self, ask: Callable[[Store], _Answer]) -> _Answer:
        """What *ask* makes of the store, on a thread; other requests go on meanwhile."""
        return await anyio.to_thread.run_sync(ask, self.store)


async def wait_for(written: Future[Receipt]) -> Receipt:
    """What became of a batch, once it is durable."""
    # A client that hangs up must not take a write back that others of its group wait for.
    return await asyncio.shield(asyncio.wrap_future(written))


def context_of(request: Request) -> Context:
    """The context of the app that serves *request*."""
    context: Context = request.app.state.context
    return context


def read_content(request: Request) -> AbstractAsyncContextManager[bytes]:
    """The body of *request*, within the limits and the deadline; see `intake.read_body`."""
    context = context_of(request)
    return read_body(request, context.limits, context.settings.body_deadline_s, context.spaces)


def path_id(request: Request, name: str) -> str:
    """The run's or step's id in the path.

    Raises:
        InvalidQueryError: it is no UUID.
    """
    return read_id(request.path_params[name])
