"""The server as its users start it: uvicorn on the command line, in a process of its own."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
from pathlib import Path
from queue import Empty, Queue

START_DEADLINE_S = 30
STOP_DEADLINE_S = 20
_ADDRESS = re.compile(r"running on http://\S+:(\d+)")


class UvicornProcess:
    """A running server; its log is kept in `log`.

    Args:
        command: the command line, as words.
        folder: its working directory, where the default store lies.
        environ: variables it is given besides this process's own.
    """

    def __init__(self, command: list[str], folder: Path, **environ: str) -> None:
        inherited = {name: text for name, text in os.environ.items() if "XRAY_" not in name}
        self.log: list[str] = []
        self._lines: Queue[str] = Queue()
        self._process = subprocess.Popen(
            [sys.executable, *command[1:]],
            cwd=folder,
            env={**inherited, **environ},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._reader = threading.Thread(target=self._read_log, daemon=True)
        self._reader.start()
        self.port = self._wait_for_port()

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def stop(self) -> int:
        """Ask it to end and wait until it did; its exit status."""
        self._process.terminate()
        return self._wait()

    def _wait(self) -> int:
        try:
            status = self._process.wait(timeout=STOP_DEADLINE_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            status = self._process.wait()
        self._reader.join()
        assert self._process.stdout is not None
        self._process.stdout.close()
        return status

    def _read_log(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self.log.append(line)
            self._lines.put(line)
        self._lines.put("")

    def _wait_for_port(self) -> int:
        while True:
            try:
                line = self._lines.get(timeout=START_DEADLINE_S)
            except Empty:
                line = ""
            if not line:
                self._process.kill()
                self._wait()
                raise AssertionError("the server did not start:\n" + "".join(self.log))
            found = _ADDRESS.search(line)
            if found:
                return int(found[1])
