"""The ASGI app: `uvicorn xray.server.app:app`, or `create_app` with settings of your own."""

from __future__ import annotations

import contextlib
import logging
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from xray.errors import XRayError
from xray.model.addresses import without_password
from xray.model.clock import Clock, SystemClock
from xray.server.auth import Gate
from xray.server.browsing import prefer_page
from xray.server.context import Context
from xray.server.description import JsonObject, build_document, describe_operation
from xray.server.housekeeping import kept_house
from xray.server.operations import Operation
from xray.server.placement import StepPlacement
from xray.server.refusing import answer_routing_error, handle_error
from xray.server.replies import Index
from xray.server.routes import (
    aggregate,
    alike,
    audit,
    baselines,
    batches,
    compare,
    decisions,
    diff,
    findings,
    flakiness,
    forgetting,
    health,
    index,
    label_forms,
    labels,
    live,
    login,
    provenance,
    quality,
    retention,
    rules,
    runs,
    separate,
    steps,
    verify,
    what_if,
    why,
)
from xray.server.settings import ServerSettings, read_settings
from xray.store.opening import open_store
from xray.store.protocol import Store
from xray.web.routes import make_routes
from xray.wire.limits import DEFAULT_LIMITS, Limits

if TYPE_CHECKING:
    app: FastAPI

_OPERATIONS: Final = (
    *batches.OPERATIONS,
    *runs.OPERATIONS,
    *steps.OPERATIONS,
    *decisions.OPERATIONS,
    *aggregate.OPERATIONS,
    *why.OPERATIONS,
    *provenance.OPERATIONS,
    *alike.OPERATIONS,
    *compare.OPERATIONS,
    *diff.OPERATIONS,
    *separate.OPERATIONS,
    *what_if.OPERATIONS,
    *verify.OPERATIONS,
    *findings.OPERATIONS,
    *flakiness.OPERATIONS,
    *labels.OPERATIONS,
    *quality.OPERATIONS,
    *rules.OPERATIONS,
    *baselines.OPERATIONS,
    *audit.OPERATIONS,
    *retention.OPERATIONS,
    *forgetting.OPERATIONS,
    *live.OPERATIONS,
    *health.OPERATIONS,
)
_SWITCH_INTERVAL_S: Final = 0.000_5
_log: Final = logging.getLogger("uvicorn.error")


def create_app(
    settings: ServerSettings,
    store: Store | None = None,
    *,
    limits: Limits = DEFAULT_LIMITS,
    clock: Clock | None = None,
) -> FastAPI:
    """The API over a store.

    Args:
        settings: what the server is told.
        store: where records are, closed by its owner; None opens `settings.store` while the app
            is served.
        limits: what requests may hold.
        clock: the time; the machine's when None.
    """
    clock = clock or SystemClock()

    @contextlib.asynccontextmanager
    async def serve_with_store(app: FastAPI) -> AsyncIterator[None]:
        if store is not None:
            async with kept_house(app.state.context):
                yield
            return
        opened = open_store(settings.store, index_stats=settings.index_stats)
        give_way_often()
        try:
            app.state.context = Context(
                settings, opened, StepPlacement(opened), limits=limits, clock=clock
            )
            announce_store(settings)
            async with kept_house(app.state.context):
                yield
        finally:
            opened.close()

    app = FastAPI(
        title="X-Ray",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        lifespan=serve_with_store,
        middleware=[Middleware(Gate, settings=settings, clock=clock)],
        exception_handlers={
            XRayError: handle_error,
            HTTPException: _handle_routing_error,
            ClientDisconnect: handle_error,
            Exception: handle_error,
        },
    )
    if store is not None:
        app.state.context = Context(
            settings, store, StepPlacement(store), limits=limits, clock=clock
        )
    _add_routes(app)
    return app


def give_way_often() -> None:
    """Let threads that compute hand over sooner than Python's 5 ms, to the one that answers.

    It waits for them after each call into the system: several times a request. For a process that
    only serves.
    """
    sys.setswitchinterval(_SWITCH_INTERVAL_S)


def announce_store(settings: ServerSettings) -> None:
    """Say in the server's log where records are kept."""
    path = settings.store.removeprefix("sqlite:///")
    is_file = path != settings.store
    where = Path(path).absolute() if is_file else without_password(settings.store)
    _log.info("X-Ray keeps its records in %s", where)


def _add_routes(app: FastAPI) -> None:
    start = Operation(
        name="name_routes",
        method="GET",
        path="/",
        handle=prefer_page(index.index_of(_OPERATIONS)),
        summary="Name the routes",
        answers={200: Index},
    )
    operations = (*_OPERATIONS, start)
    for op in operations:
        described = describe_operation(op)
        app.add_api_route(
            op.path, op.handle, methods=[op.method], response_class=Response, **described
        )
        if op.alias is not None:
            _add_unlisted(app, op.alias, op, op.method)
        if op.method == "GET":
            # The server sends the same headers and leaves the body out.
            for path in filter(None, (op.path, op.alias)):
                _add_unlisted(app, path, op, "HEAD")

    def document() -> JsonObject:
        if app.openapi_schema is None:
            app.openapi_schema = build_document(app, operations)
        return app.openapi_schema

    app.router.routes.extend((*login.ROUTES, *label_forms.ROUTES, *live.ROUTES, *make_routes()))
    app.openapi = document  # type: ignore[method-assign]


def _add_unlisted(app: FastAPI, path: str, op: Operation, method: str) -> None:
    is_read = path == op.alias and method in ("GET", "HEAD")
    handle = prefer_page(op.handle) if is_read else op.handle
    app.add_api_route(
        path, handle, methods=[method], response_class=Response, include_in_schema=False
    )


async def _handle_routing_error(request: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        return await handle_error(request, error)
    paths = [path for op in _OPERATIONS for path in (op.path, op.alias) if path is not None]
    return answer_routing_error(request, error, paths)


if not TYPE_CHECKING:

    def __getattr__(name: str) -> FastAPI:
        # Made when a server asks for it, so that importing create_app reads no environment.
        if name != "app":
            raise AttributeError(name)
        globals()["app"] = create_app(read_settings())
        return globals()["app"]
