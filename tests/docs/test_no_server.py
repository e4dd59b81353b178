"""The page about recording without a server shows what its program prints."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from tests.docs.fences import ROOT, read_fences
from tests.fault.file_programs import environment

_PAGE = ROOT / "docs" / "no-server.md"


def test_the_program_prints_what_the_page_says(tmp_path: Path) -> None:
    program, shown = (fence.text for fence in read_fences(_PAGE)[:2])
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path, env=environment(tmp_path / "runs.db"),
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stderr == ""
    assert settle(done.stdout) == settle(shown)


def settle(text: str) -> str:
    """*text* without the run's id and duration."""
    return re.sub(r"in [\d.]+ m?s  \(run [0-9a-f-]{36}\)", "in 1 ms", text)
