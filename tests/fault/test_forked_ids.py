"""Ids stay distinct however a process was forked: two records with one id would count as one."""

from __future__ import annotations

import subprocess
import sys

import pytest

CHILDREN = 4
# In a process without threads: beside them, a child forked in C may not even come to make an id.
PROGRAM = f"""
import ctypes, os
from xray.model.ids import new_uuid7

for _ in range({CHILDREN}):
    if FORK() == 0:
        os.write(1, new_uuid7(wall_us=1).encode() + b"\\n")
        os._exit(0)
    os.wait()
print(new_uuid7(wall_us=1))
"""


@pytest.mark.parametrize("fork", ["os.fork", "ctypes.PyDLL(None).fork"])
def test_children_that_make_ids_at_the_same_moment_make_different_ones(fork: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM.replace("FORK", fork)],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert len(set(done.stdout.split())) == CHILDREN + 1
