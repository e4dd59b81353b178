"""A server in a process of its own, for benchmarks that need a real one."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import urllib3

from xray.server.serving import listen

_DEADLINE_S = 120.0
_LOOK_S = 0.01


def start_server(path: Path) -> tuple[subprocess.Popen[bytes], str]:
    """Start a server over the database at *path*; its process and its address."""
    with closing(listen("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    process = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "uvicorn",
            "xray.server.app:app",
            "--port",
            str(port),
            "--no-access-log",
        ],
        env={**os.environ, "XRAY_STORE": f"sqlite:///{path}"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    return process, f"http://127.0.0.1:{port}"


def wait_until_up(pool: urllib3.PoolManager, url: str) -> None:
    """Wait for the server at *url* to answer.

    Raises:
        SystemExit: it does not.
    """
    deadline_s = time.monotonic() + _DEADLINE_S
    while time.monotonic() < deadline_s:
        if _is_up(pool, url):
            return
        time.sleep(_LOOK_S)
    raise SystemExit("The server did not start.")


def _is_up(pool: urllib3.PoolManager, url: str) -> bool:
    try:
        return pool.request("GET", f"{url}/health").status == 200
    except urllib3.exceptions.HTTPError:
        return False
