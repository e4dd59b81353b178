"""A server that is there to be killed, forked from a process that has everything imported."""

from __future__ import annotations

import multiprocessing
from multiprocessing.connection import Connection
from pathlib import Path

from xray.server.serving import serve
from xray.server.settings import ServerSettings

START_DEADLINE_S = 30

_processes = multiprocessing.get_context("forkserver")


class KilledServer:
    """A real uvicorn in a process of its own, over the SQLite file at *path*."""

    def __init__(self, path: Path) -> None:
        receiving, sending = _processes.Pipe(duplex=False)
        self._process = _processes.Process(target=_serve, args=(str(path), sending), daemon=True)
        self._process.start()
        sending.close()
        with receiving:
            assert receiving.poll(START_DEADLINE_S), "the server did not start"
            self.url: str = receiving.recv()

    def kill(self) -> None:
        """SIGKILL: it gets no chance to finish anything."""
        self._process.kill()
        self._process.join()
        self._process.close()


def preload() -> None:
    """Import what the servers need once, so that each of them starts at once."""
    _processes.set_forkserver_preload([__name__, "xray.store.sqlite.engine"])


def _serve(path: str, ready: Connection) -> None:
    settings = ServerSettings(store=f"sqlite:///{path}", port=0)
    serve(settings, log_level="critical", on_ready=ready.send)
