"""What `import xray` costs a pipeline: no thread, no I/O, no module that is not needed yet."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

LOADED = """
import sys
before = set(sys.modules)
import xray
print(*sorted({name.partition(".")[0] for name in set(sys.modules) - before}))
"""
WATCHED = """
import sys, threading
seen = []
NOISY = ("socket.", "subprocess.", "os.system", "os.fork", "os.mkdir", "os.remove", "os.rename",
         "sqlite3.", "urllib.", "http.")
def watch(event, arguments):
    if event == "open":
        path, mode, flags = arguments
        if not str(path).endswith((".py", ".pyc", ".so", ".pyd", ".pth")):
            seen.append((event, str(path)))
    elif event.startswith(NOISY) or event == "_thread.start_new_thread":
        seen.append((event, str(arguments)))
sys.addaudithook(watch)
import xray
assert threading.active_count() == 1
print(seen)
"""
RECORDED = """
import sys, threading
import xray
from xray.testing.sink import MemorySink
with xray.XRay("p", sink=MemorySink()).run(input={"a": 1}) as run:
    with run.step("s", "filter") as step:
        step.reject("a", "r", {"price": 1})
assert threading.active_count() == 1
print(*sorted(name.partition(".")[0] for name in sys.modules))
"""
HEAVY = {
    "asyncio",
    "email",
    "fastapi",
    "http",
    "importlib_metadata",
    "numpy",
    "opentelemetry",
    "pydantic",
    "sqlalchemy",
    "sqlite3",
    "ssl",
    "starlette",
    "urllib3",
    "uvicorn",
    "zstandard",
}


def run_program(text: str, folder: Path, **environ: str) -> str:
    done = subprocess.run(
        [sys.executable, "-B", "-c", text],
        env={**os.environ, **environ},
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert not done.stderr
    return done.stdout


def test_importing_loads_the_standard_library_msgspec_and_xray_only(tmp_path: Path) -> None:
    loaded = set(run_program(LOADED, tmp_path).split())
    # msgspec takes typing_extensions along where it is installed.
    allowed = sys.stdlib_module_names | {"msgspec", "typing_extensions", "xray"}
    assert "xray" in loaded
    assert {name for name in loaded if name not in allowed} == set()
    assert loaded & HEAVY == set()


def test_importing_starts_no_thread_and_touches_nothing(tmp_path: Path) -> None:
    assert run_program(WATCHED, tmp_path, XRAY_URL="http://127.0.0.1:9").strip() == "[]"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("heavy", ["urllib3", "opentelemetry", "numpy", "fastapi", "sqlalchemy"])
def test_recording_into_a_sink_loads_no_client_server_or_foreign_library(
    tmp_path: Path, heavy: str
) -> None:
    assert heavy not in run_program(RECORDED, tmp_path).split()
