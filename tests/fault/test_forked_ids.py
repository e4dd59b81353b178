"""Ids stay distinct however a process was forked: two records with one id would count as one."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable

import pytest

from xray.model.ids import new_uuid7

CHILDREN = 4
ID_BYTES = 36


@pytest.mark.parametrize(
    "fork",
    [os.fork, ctypes.PyDLL(None).fork],
    ids=["by Python", "behind its back, in C"],
)
@pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")
def test_children_that_make_ids_at_the_same_moment_make_different_ones(
    fork: Callable[[], int],
) -> None:
    reading, writing = os.pipe()
    for _ in range(CHILDREN):
        if fork() == 0:
            os.write(writing, new_uuid7(wall_us=1).encode())
            os._exit(0)
    for _ in range(CHILDREN):
        os.wait()
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        made = pipe.read()
    ids = {made[at : at + ID_BYTES] for at in range(0, len(made), ID_BYTES)}
    assert len({*ids, new_uuid7(wall_us=1).encode()}) == CHILDREN + 1
