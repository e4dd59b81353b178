"""What cannot be tested is told loudly, and fails in CI."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TESTS = """
import pytest

def test_runs():
    pass

@pytest.mark.skipif(True, reason="{reason}")
def test_does_not():
    pass
"""
MODULE = 'import pytest\npytest.importorskip("no_such_library")\ndef test_that(): pass\n'


def run_session(folder: Path, text: str, ci: str) -> tuple[int, str]:
    (folder / "test_some.py").write_text(text, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "tests.skips", "-p", "no:cacheprovider",
         "-c", os.devnull, "--rootdir", str(folder), str(folder)],
        cwd=ROOT,
        env={**os.environ, "CI": ci, "PYTEST_ADDOPTS": ""},
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    return done.returncode, done.stdout


@pytest.mark.parametrize(("ci", "status"), [("true", 1), ("", 0)])
def test_a_library_that_is_absent_is_told_and_fails_in_ci(
    tmp_path: Path, ci: str, status: int
) -> None:
    ended, said = run_session(tmp_path, TESTS.format(reason="not installed: celery"), ci)
    assert ended == status, said
    assert "NOT TESTED" in said
    assert "test_some.py::test_does_not: not installed: celery" in said
    assert "1 tests could not run" in said


def test_a_module_that_is_skipped_whole_counts_as_well(tmp_path: Path) -> None:
    ended, said = run_session(tmp_path, f"{MODULE}", "1")
    assert ended != 0
    assert "no_such_library" in said.partition("NOT TESTED")[2]


def test_what_a_system_cannot_do_may_be_skipped(tmp_path: Path) -> None:
    ended, said = run_session(tmp_path, TESTS.format(reason="needs fork"), "true")
    assert ended == 0, said
    assert "NOT TESTED" not in said
