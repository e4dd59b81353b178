"""Servers that are there to be killed, forked from a process that has everything imported."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

from xray.server.serving import serve
from xray.server.settings import ServerSettings

ROOT = Path(__file__).parents[2]
DEATH_DEADLINE_S = 10


class KilledServer:
    """A real uvicorn in a process of its own."""

    def __init__(self, pid: int, url: str) -> None:
        self._pid = pid
        self.url = url

    def kill(self) -> None:
        """SIGKILL: it gets no chance to finish anything. Returns when it is gone."""
        deadline_s = time.monotonic() + DEATH_DEADLINE_S
        with suppress(ProcessLookupError):
            while time.monotonic() < deadline_s:
                os.kill(self._pid, signal.SIGKILL)
                time.sleep(0.001)
            raise AssertionError("the server survived SIGKILL")


class ServerFork:
    """Makes servers quickly: importing happens once, then each is a fork."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", __name__],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def start(self, store: str, port: int = 0) -> KilledServer:
        """A server over the store at that URL, once it listens; on any port, or on that one."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{port} {store}\n")
        self._process.stdin.flush()
        pid, url = self._process.stdout.readline().split()
        return KilledServer(int(pid), url)

    def close(self) -> None:
        """End the process; servers that still run are not ended."""
        self._process.communicate()


def _fork_servers() -> None:
    # Imported before the fork, not after each.
    import xray.store.postgres.engine
    import xray.store.sqlite.engine  # noqa: F401

    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    for line in sys.stdin:
        if os.fork() == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            port, _, store = line.strip().partition(" ")
            settings = ServerSettings(store=store, port=int(port))
            serve(settings, log_level="critical", on_ready=_announce)
            os._exit(0)


def _announce(url: str) -> None:
    sys.stdout.write(f"{os.getpid()} {url}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    _fork_servers()
