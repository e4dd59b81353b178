"""What a type checker says of a pipeline that uses X-Ray: decorated functions keep their types."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

# An ignored error that is none is an error too, so the wrong calls below must be found.
CONSUMER = """
from collections.abc import AsyncGenerator, Generator
from concurrent.futures import ThreadPoolExecutor

from typing_extensions import assert_type

import xray
from xray import Run, Step, XRay, xray_run, xray_step

x = XRay("p", url="http://127.0.0.1:9", capture="full")


@x.run(tags=["nightly"], params={"k": 1})
def function(number: int, *, by: str = "x") -> float:
    return 1.0


@xray_step("s", "filter", capture="minimal")
async def coroutine(number: int) -> list[str]:
    return []


@xray_run("p", metadata={"user": 1})
def generator(number: int) -> Generator[int, str, bytes]:
    sent = yield number
    return sent.encode()


@xray.attach({"x-xray-run": "id"})
async def async_generator() -> AsyncGenerator[int, None]:
    yield 1


class Ranker:
    @x.run()
    def rank(self, number: int) -> int:
        return number

    @classmethod
    @x.run()
    def make(cls) -> "Ranker":
        return cls()


assert_type(function(1, by="y"), float)
function("one")  # type: ignore[arg-type]
function(1, "y")  # type: ignore[call-arg]
assert_type(generator(1), Generator[int, str, bytes])
assert_type(async_generator(), AsyncGenerator[int, None])
assert_type(Ranker().rank(1), int)
Ranker().rank("one")  # type: ignore[arg-type]
assert_type(Ranker.make(), Ranker)
assert_type(xray.wrap(function)(1), float)
xray.wrap(function)("one")  # type: ignore[arg-type]

with x.run(input=1) as run, run.step("s", "filter", takes=["a"]) as step:
    assert_type(run, Run)
    assert_type(step, Step)
    assert_type(step.check("a", "price", 1, "<=", 2), bool)
    assert_type(run.headers(), dict[str, str])
    with ThreadPoolExecutor() as pool:
        assert_type(pool.submit(xray.wrap(function), 1).result(), float)

with xray_run("p") as outer, xray_step("s") as inner:
    assert_type(outer, Run)
    assert_type(inner, Step)

with xray.attach([("x-xray-run", "id")]), xray.attach("p", key="k") as attached:
    assert_type(attached, Run)


async def main() -> None:
    assert_type(await coroutine(1), list[str])
    async with x.run() as run, run.step("s") as step, xray_step("t") as inner:
        assert_type(run, Run)
        assert_type(step, Step)
        assert_type(inner, Step)
    async for item in x.stream(async_generator()):
        assert_type(item, int)


for word in x.stream(["a"], input=1):
    assert_type(word, str)
x.start(input=1).finish("completed", output=2)
assert_type(xray.flush(timeout_s=1).is_complete, bool)
assert_type(xray.stats().pending.records, int)
xray.configure(url="http://127.0.0.1:9")
"""


def test_a_strictly_checked_pipeline_keeps_the_types_of_what_it_decorates(tmp_path: Path) -> None:
    (tmp_path / "consumer.py").write_text(CONSUMER)
    command = [sys.executable, "-m", "mypy", "--strict", "--no-error-summary", "consumer.py"]
    done = subprocess.run(
        command, cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False
    )
    assert (done.returncode, done.stdout) == (0, ""), done.stdout + done.stderr
