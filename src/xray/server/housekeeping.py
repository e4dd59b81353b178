"""What the server does by itself from time to time: letting go what is not kept any longer."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import anyio

from xray.model.removal import Removed
from xray.model.sayings import say_number_of
from xray.query.retention import Policy, read_policy
from xray.server.context import Context
from xray.store.expiry import Expiry, expire
from xray.store.protocol import Store

START_S: Final = 10.0
"""How long after the server's start it begins."""

_log: Final = logging.getLogger("uvicorn.error")


@asynccontextmanager
async def kept_house(context: Context) -> AsyncIterator[None]:
    """Within it, the rules of retention that the server was given are followed."""
    if not context.settings.retention:
        yield
        return
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_keep_house, context)
        yield
        tasks.cancel_scope.cancel()


async def _keep_house(context: Context) -> None:
    await anyio.sleep(START_S)
    while True:
        try:
            await _let_expire(context)
        except Exception as error:  # noqa: BLE001  (the server goes on, whatever it is)
            _log.warning("Retention is tried again later: %s", error)
        await anyio.sleep(context.settings.retention_interval_s)


def _expire_alone(context: Context, store: Store, policy: Policy, now_us: int) -> Expiry:
    """Delete some of what is not kept, unless another server of the store is at it."""
    with store.claim("retention") as is_ours:
        if not is_ours:
            return Expiry(Removed(), is_complete=True)
        return expire(store, policy, now_us, note=context.shelf.forget)


async def _let_expire(context: Context) -> None:
    policy, now_us = read_policy(context.settings.retention), context.clock.wall_us()
    expiry = Expiry(Removed(), is_complete=False)
    removed = Removed()
    while not expiry.is_complete:
        expiry = await context.read(lambda store: _expire_alone(context, store, policy, now_us))
        removed = removed.plus(expiry.removed)
    if removed.runs:
        _log.info("Retention deleted %s.", say_number_of(removed.runs, "run"))
