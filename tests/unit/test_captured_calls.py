"""What is captured of a decorated call, so that it can be made again: its code and arguments."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import xray
from xray import XRay, xray_step
from xray.capture.noop import NoopStep
from xray.model.values import is_mark, open_value
from xray.testing import MemorySink


@xray_step("price", "filter", capture="full")
def keep_affordable(items: list[dict[str, int]], limit: int = 100) -> list[dict[str, int]]:
    return xray.current_step().filter(items, [xray.rule("too_dear", "price", "<=", limit)])


class Shop:
    @xray_step("rank", "rank")
    def rank(self, items: list[int]) -> list[int]:
        return xray.current_step().rank(items, score=float, key=str)


@pytest.fixture
def sink() -> MemorySink:
    return MemorySink()


def test_a_decorated_step_names_its_function(sink: MemorySink) -> None:
    x = XRay("shop", sink=sink)

    @x.run()
    def answer() -> None:
        keep_affordable([{"id": 1, "price": 150}])
        Shop().rank([1, 2])
        with xray_step("plain", "filter") as step:
            step.accept("a")

    answer()
    assert [step.code for step in sink.steps] == [
        f"{__name__}:keep_affordable",
        f"{__name__}:Shop.rank",
        None,
    ]
    assert sink.runs[0].code == (
        f"{__name__}:test_a_decorated_step_names_its_function.<locals>.answer"
    )


def test_a_decorated_function_records_into_the_step_it_is(sink: MemorySink) -> None:
    with XRay("shop", sink=sink).run():
        assert keep_affordable([{"id": 1, "price": 150}, {"id": 2, "price": 50}]) == [
            {"id": 2, "price": 50}
        ]
    assert sink.summary("price").reasons == {"too_dear": 1}
    assert open_value(sink.step("price").input) == {
        "items": [{"id": 1, "price": 150}, {"id": 2, "price": 50}]
    }


def test_outside_any_run_the_current_step_records_nothing(sink: MemorySink) -> None:
    assert isinstance(xray.current_step(), NoopStep)
    assert keep_affordable([{"id": 1, "price": 150}], limit=200) == [{"id": 1, "price": 150}]
    assert sink.facts == []


@pytest.mark.parametrize("level", ["sample", "full"])
def test_at_the_full_level_a_long_list_of_arguments_is_captured_whole(
    level: str, sink: MemorySink
) -> None:
    items = [{"id": number, "price": number} for number in range(5_000)]

    @xray_step("any", "transform", capture=level)
    def pass_on(items: list[Any]) -> None:
        return None

    with XRay("shop", sink=sink).run():
        pass_on(items)
    given = open_value(sink.step("any").input)["items"]
    assert given == items if level == "full" else is_mark(given)


def test_the_arguments_of_a_run_at_the_full_level_are_captured_whole(sink: MemorySink) -> None:
    @XRay("shop", sink=sink, capture="full").run()
    def answer(numbers: list[list[int]]) -> None:
        return None

    answer([[number] for number in range(3_000)])
    assert open_value(sink.runs[0].input) == {"numbers": [[number] for number in range(3_000)]}


def test_a_script_is_named_by_its_file(tmp_path: Path) -> None:
    script = tmp_path / "nightly.py"
    script.write_text(
        "from xray import XRay\n"
        "from xray.testing import MemorySink\n"
        "sink = MemorySink()\n"
        "@XRay('p', sink=sink).run()\n"
        "def work(): pass\n"
        "work()\n"
        "print(sink.runs[0].code)\n"
    )
    by_path = [sys.executable, str(script)]
    by_name = [sys.executable, "-m", "nightly"]
    for command, code in ((by_path, "nightly.py:work"), (by_name, "nightly:work")):
        ran = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=True)
        assert ran.stdout.strip() == code
