"""What the server does by itself from time to time: letting go what is not kept any longer."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import anyio

from xray.server.context import Context

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


async def _let_expire(context: Context) -> None:
    removed = 0
    is_complete = False
    while not is_complete:
        report = await context.let_expire(context.settings.retention)
        removed += report.removed
        is_complete = report.is_complete
    if removed:
        _log.info("Retention deleted %s runs.", f"{removed:,}")
