"""A disk that runs full under a spool costs nothing that memory holds, and all else is counted."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fault.spool_disk_program import AFTER, BEFORE, BEYOND, MEANWHILE
from tests.fault.test_server_disk import IN_OWN_MOUNTS, ROOT, can_mount


@pytest.mark.parametrize("kind", ["tmpfs", "limit"])
def test_a_full_disk_costs_only_what_memory_cannot_hold(tmp_path: Path, kind: str) -> None:
    if kind == "tmpfs" and not can_mount(tmp_path):
        pytest.skip("this system lets nobody mount a small disk")
    command = [sys.executable, "-m", "tests.fault.spool_disk_program", str(tmp_path), kind]
    done = subprocess.run(
        [*(IN_OWN_MOUNTS if kind == "tmpfs" else []), *command],
        cwd=ROOT, capture_output=True, text=True, timeout=600, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["is_on_disk"]
    assert report["full"]["lost"] == {}
    assert report["full"]["pending"] == BEFORE + MEANWHILE
    lost = report["beyond"]["lost"]
    if kind == "tmpfs":
        assert lost["queue_full"] > 0
    assert report["beyond"]["pending"] + sum(lost.values()) == BEFORE + MEANWHILE + BEYOND
    assert report["has_moved"]
    assert report["is_complete"]
    end = report["end"]
    assert end["pending"] == 0
    assert end["offered"] == BEFORE + MEANWHILE + BEYOND + AFTER + end["reports"]
    assert end["acknowledged"] + sum(end["lost"].values()) == end["offered"]
    assert report["stored"] == end["acknowledged"] - end["reports"]
    # Room that came back is used: what was recorded last is not lost.
    assert end["lost"] == lost
    assert done.stderr.count("the spool cannot be written") <= 1
