"""What every scenario does at its end: deliver its traces, and say when that failed."""

from __future__ import annotations

import os
import sys

import xray

FLUSH_TIMEOUT_S = 5.0


def say(line: str) -> None:
    """Print *line* at once, also into a pipe."""
    print(line, flush=True)


def finish() -> int:
    """Deliver what was recorded; 1 when no server took it, so that nobody looks for it in vain."""
    result = xray.flush(timeout_s=FLUSH_TIMEOUT_S)
    if result.is_complete and not result.lost.records:
        return 0
    url = os.environ.get("XRAY_URL", "http://127.0.0.1:8000")
    sys.stderr.write(f"No server at {url} took the traces. Start one with `xray serve`.\n")
    return 1
