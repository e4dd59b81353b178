"""A server whose disk is full says so, keeps serving, and loses and spoils nothing."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fault.small_disk_program import REFUSALS

ROOT = Path(__file__).parents[2]
IN_OWN_MOUNTS = ["unshare", "--user", "--map-root-user", "--mount"]


def can_mount(folder: Path) -> bool:
    if shutil.which("unshare") is None:
        return False
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)]
    return (
        subprocess.run([*IN_OWN_MOUNTS, *mount], capture_output=True, check=False).returncode == 0
    )


@pytest.mark.parametrize(
    ("kind", "code"), [("tmpfs", {"disk_full"}), ("limit", {"disk_failed", "disk_full"})]
)
def test_a_full_disk_is_503_with_the_reason_and_never_a_corrupt_database(
    tmp_path: Path, kind: str, code: set[str]
) -> None:
    if kind == "tmpfs" and not can_mount(tmp_path):
        pytest.skip("this system lets nobody mount a small disk")
    command = [sys.executable, "-m", "tests.fault.small_disk_program", str(tmp_path), kind]
    done = subprocess.run(
        [*(IN_OWN_MOUNTS if kind == "tmpfs" else []), *command],
        cwd=ROOT, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["acknowledged"] > 10
    assert len(report["said"]) >= REFUSALS
    for problem in report["said"]:
        assert problem["status"] == 503
        assert problem["code"] in code
        assert problem["detail"]
        assert problem["hint"]
        assert problem["retry_after"] == "1"
    assert report["while_full"] == {"health": 200, "runs": 200, "run": 200}
    assert report["after_restart"] == 200
    assert set(report["with_room"]) == {200}
    assert report["missing"] == []
    assert report["integrity"] == "ok"
