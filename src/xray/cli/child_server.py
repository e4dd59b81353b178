"""A server in a process of its own, on a free port, that never outlives the one who started it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from xray.client import Client
from xray.errors import ConfigurationError, ServerUnreachableError, XRayError

HOST: Final = "127.0.0.1"
FIRST_PORT: Final = 8000
LAST_PORT: Final = 8099
START_TIMEOUT_S: Final = 20.0
STOP_TIMEOUT_S: Final = 5.0
_STDIN: Final = 0
_POLL_INTERVAL_S: Final = 0.05
_LOG_EXCERPT_LINES: Final = 5
_PROGRAM: Final = (
    "import sys; from xray.cli.child_server import serve_until_orphaned; "
    "sys.exit(serve_until_orphaned(sys.argv[1:]))"
)


@dataclass(frozen=True, slots=True)
class ChildServer:
    """A server that runs in a child process.

    Args:
        url: its address.
        process: the child.
        log: the file its output goes to.
    """

    url: str
    process: subprocess.Popen[bytes]
    log: Path

    def last_words(self) -> str:
        """The end of what the server printed, on one line."""
        lines = self.log.read_text(encoding="utf-8", errors="replace").split("\n")
        said = [line.strip() for line in lines if line.strip()]
        return " / ".join(said[-_LOG_EXCERPT_LINES:]) or "it printed nothing"


def names_server(store: str) -> bool:
    """Whether the URL *store* is of a database that others keep running."""
    return store.startswith("postgresql:")


@contextmanager
def run_server(
    folder: Path, port: int | None, environment: Mapping[str, str]
) -> Iterator[ChildServer]:
    """A server on this machine with a store in *folder*; it is stopped at the end.

    Args:
        folder: where its log goes, and its store, unless the environment names a database server.
        port: the port to take; None means the next free one from 8000.
        environment: the environment of the server.

    Raises:
        ConfigurationError: the port is taken, or no port is free.
        ServerUnreachableError: the server did not start.
    """
    settings = dict(environment)
    if not names_server(settings.get("XRAY_STORE", "")):
        settings["XRAY_STORE"] = f"sqlite:///{folder / 'demo.db'}"
    server = _start_on_free_port(folder, port, settings)
    try:
        yield server
    finally:
        _stop(server.process)


def _start_on_free_port(
    folder: Path, wanted: int | None, environment: Mapping[str, str]
) -> ChildServer:
    for port in range(FIRST_PORT, LAST_PORT + 1) if wanted is None else (wanted,):
        if not is_port_free(port):
            continue
        server = _spawn(folder, port, environment)
        try:
            if _wait_until_ready(server, environment):
                return server
            has_lost_the_port = wanted is None and not is_port_free(port)
        except BaseException:
            _stop(server.process)
            raise
        _stop(server.process)
        if not has_lost_the_port:
            raise ServerUnreachableError(
                f"The server did not start on port {port}: {server.last_words()}.",
                hint="`xray serve` alone shows more.",
                code="server_not_started",
            )
    if wanted is not None:
        raise ConfigurationError(
            f"Port {wanted} is taken by another program.",
            hint="Leave --port out to take the next free one.",
            code="port_taken",
        )
    raise ConfigurationError(
        f"No port from {FIRST_PORT} to {LAST_PORT} is free.",
        hint="Name one with --port.",
        code="no_free_port",
    )


def is_port_free(port: int) -> bool:
    """Whether a server could listen on *port* of this machine's loopback address."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        if os.name == "posix":
            # Connections that have just ended do not make a port taken.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
        return True


def _spawn(folder: Path, port: int, environment: Mapping[str, str]) -> ChildServer:
    log = folder / "server.log"
    with log.open("wb") as output:
        process = subprocess.Popen(  # noqa: S603  (this very interpreter, with fixed arguments)
            [sys.executable, "-c", _PROGRAM, "--port", str(port)],
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=dict(environment),
            # Ctrl-C in the terminal is for the parent; it ends the server in its own time.
            start_new_session=True,
        )
    return ChildServer(f"http://{HOST}:{port}", process, log)


def _wait_until_ready(server: ChildServer, environment: Mapping[str, str]) -> bool:
    deadline_s = time.monotonic() + START_TIMEOUT_S
    with Client(server.url, environment.get("XRAY_API_KEY"), timeout_s=2.0) as client:
        while time.monotonic() < deadline_s and server.process.poll() is None:
            if _is_healthy(client):
                # Another program may have taken the port first and answered in its place.
                return server.process.poll() is None
            time.sleep(_POLL_INTERVAL_S)
    return False


def _is_healthy(client: Client) -> bool:
    try:
        return client.health() == "ok"
    except XRayError:
        return False


def _stop(process: subprocess.Popen[bytes]) -> None:
    if process.stdin is not None:
        process.stdin.close()
    process.terminate()
    try:
        process.wait(STOP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    except BaseException:
        process.kill()
        raise


def serve_until_orphaned(arguments: Sequence[str]) -> int:
    """Be `xray serve` until told to stop, or until the parent is gone and with it our stdin."""
    from xray.cli.main import main

    threading.Thread(target=_end_with_parent, name="xray-orphan-watch", daemon=True).start()
    return main(["serve", *arguments])


def _end_with_parent() -> None:
    # Not through `sys.stdin`: a thread that holds its lock is fatal when the interpreter ends.
    while os.read(_STDIN, 1):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(STOP_TIMEOUT_S)
    os._exit(1)
