"""Serving the app with uvicorn: until the process is stopped, or beside a program."""

from __future__ import annotations

import gc
import socket
import threading
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Final

import uvicorn
from fastapi import FastAPI
from uvicorn.config import LOGGING_CONFIG

from xray.errors import ConfigurationError
from xray.server.app import announce_store, create_app, give_way_often
from xray.server.auth import is_any_address
from xray.server.context import Context
from xray.server.settings import ServerSettings
from xray.store.opening import open_store
from xray.store.protocol import Store
from xray.wire.address import is_loopback

if TYPE_CHECKING:
    from typing_extensions import Self

_KEEP_ALIVE_S: Final = 75
_BACKLOG: Final = 256
SHUTDOWN_S: Final = 5
"""How long requests may go on once the server is told to stop."""


def serve(
    settings: ServerSettings,
    *,
    log_level: str = "info",
    on_ready: Callable[[str], None] | None = None,
) -> None:
    """Serve until the process is told to stop.

    Args:
        settings: the store, the address, the key.
        log_level: of uvicorn: `info`, `warning`, …
        on_ready: told the server's address once it listens.

    Raises:
        ConfigurationError: the address is not a loopback one and there is no key, or nothing can
            listen on it.
        StoreError: the store cannot be opened.
    """
    check_exposure(settings)
    store = open_store(settings.store, index_stats=settings.index_stats)
    give_way_often()
    try:
        listening = listen(settings.host, settings.port)
        app = create_app(settings, store)
        config = _configure(app, log_level)
        announce_store(settings)
        leave_out_of_collections()
        if on_ready is not None:
            on_ready(_url(listening))
        _Server(config, app).run(sockets=[listening])
    finally:
        store.close()


class _Server(uvicorn.Server):
    """Lets those who listen for changes go first: it would wait for them otherwise."""

    def __init__(self, config: uvicorn.Config, app: FastAPI) -> None:
        super().__init__(config)
        self._app = app

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        context: Context | None = getattr(self._app.state, "context", None)
        if context is not None:
            context.feed.end()
        await super().shutdown(sockets)


def leave_out_of_collections() -> None:
    """Spare the garbage collector what was made so far: it stays as long as the process.

    A question about thousands of candidates makes the collector look at everything now and then,
    and most of everything are the modules of a server. For a process that only serves.
    """
    gc.collect()
    gc.freeze()


def check_exposure(settings: ServerSettings) -> None:
    """Refuse to listen beyond this machine without a key.

    Raises:
        ConfigurationError: the settings would.
    """
    if settings.api_key is None and not is_loopback(settings.host):
        raise ConfigurationError(
            f"Without a key, X-Ray does not listen on {settings.host}: anybody could read and "
            "write there.",
            hint="Set XRAY_API_KEY, or listen on 127.0.0.1.",
            code="exposed_without_key",
        )


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens on *host* and *port*; port 0 takes a free one.

    Raises:
        ConfigurationError: the address is taken or is none of this machine.
    """
    try:
        found = socket.getaddrinfo(
            host.strip("[]") or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
        # `localhost` is both; clients that are told 127.0.0.1 must find it.
        found.sort(key=lambda address: address[0] != socket.AF_INET)
        family, kind, protocol, _, address = found[0]
        listening = socket.socket(family, kind, protocol)
    except OSError as error:
        raise _cannot_listen(host, port, error) from error
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
        listening.listen(_BACKLOG)
    except OSError as error:
        listening.close()
        raise _cannot_listen(host, port, error) from error
    return listening


def _cannot_listen(host: str, port: int, error: OSError) -> ConfigurationError:
    return ConfigurationError(
        f"X-Ray cannot listen on {host}:{port}: {error.strerror or error}.",
        hint="Choose another port with --port or XRAY_PORT.",
        code="address_in_use",
    )


def _url(listening: socket.socket) -> str:
    host, port = listening.getsockname()[:2]
    if is_any_address(host):
        host = "::1" if ":" in host else "127.0.0.1"
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _configure(app: FastAPI, log_level: str | None) -> uvicorn.Config:
    config = uvicorn.Config(
        app,
        log_config=None if log_level is None else LOGGING_CONFIG,
        log_level=log_level,
        lifespan="on",
        ws="none",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=_KEEP_ALIVE_S,
        timeout_graceful_shutdown=SHUTDOWN_S,
    )
    config.load()
    return config


class BackgroundServer:
    """A server beside the program that made it, on a thread of its own, until it is closed.

    Args:
        settings: the store, the address (port 0 takes a free one), the key.
        store: a store that is open already and stays its owner's to close; None opens
            `settings.store`.
        app: another app to serve than the one over that store.

    Raises:
        ConfigurationError: nothing can listen there, or it would listen beyond this machine
            without a key.
        StoreError: the store cannot be opened.
    """

    def __init__(
        self, settings: ServerSettings, store: Store | None = None, *, app: FastAPI | None = None
    ) -> None:
        check_exposure(settings)
        self._listening = listen(settings.host, settings.port)
        self.url = _url(self._listening)
        self.port: int = self._listening.getsockname()[1]
        self._own_store: Store | None = None
        if app is None:
            if store is None:
                store = self._own_store = self._open_store(settings)
            app = create_app(settings, store)
        self._server = _Server(_configure(app, None), app)
        self._thread = threading.Thread(
            target=self._server.run, args=([self._listening],), name="xray-server", daemon=True
        )
        self._thread.start()

    def _open_store(self, settings: ServerSettings) -> Store:
        try:
            return open_store(settings.store, index_stats=settings.index_stats)
        except BaseException:
            self._listening.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Answer what was asked, close the store if it is the server's own, and stop."""
        self._server.should_exit = True
        self._thread.join()
        self._listening.close()
        if self._own_store is not None:
            self._own_store.close()
            self._own_store = None
