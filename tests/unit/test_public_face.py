"""What `import xray` shows a pipeline author, and what clients share behind it."""

from __future__ import annotations

import inspect
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

import xray
from xray.destinations import forget_destinations
from xray.model.counts import reason_of
from xray.model.facts import REJECTED, StepFinished
from xray.model.values import open_value
from xray.testing import FaultServer, MemorySink


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[FaultServer]:
    with FaultServer() as server:
        monkeypatch.setenv("XRAY_URL", server.url)
        forget_destinations()
        yield server
        xray.close()


def test_the_package_names_everything_it_shows() -> None:
    for name in xray.__all__:
        assert f"`{name}`" in (xray.__doc__ or ""), name


def test_every_public_name_says_what_it_is_for() -> None:
    for name in xray.__all__:
        value = getattr(xray, name)
        if not inspect.isclass(value) and not inspect.isfunction(value):
            continue
        assert value.__doc__, name
        if inspect.isclass(value):
            for verb, member in inspect.getmembers(value, inspect.isfunction):
                assert verb.startswith("_") or member.__doc__, f"{name}.{verb}"


def test_the_example_in_the_documentation_of_the_package_records(
    server: FaultServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    @dataclass
    class Item:
        id: str
        price: int

    monkeypatch.setenv("XRAY_URL", server.url)
    text = (xray.__doc__ or "").partition("why:\n")[2].partition("\nor with")[0]
    given = {"query": "q", "items": [Item("a", 50), Item("b", 150)], "best": "a"}
    exec(textwrap.dedent(text), given)
    assert xray.flush(timeout_s=10).is_complete
    [step] = [fact for fact in server.facts.values() if isinstance(fact, StepFinished)]
    assert [(row.candidate_id, reason_of(row)) for row in step.rows if row.verdict == REJECTED] == [
        ("b", "price_too_high"),
    ]
    assert len(server.facts) == 3


def test_clients_share_the_redactor_of_one_hook_and_no_more_than_that() -> None:
    def hook(key: str, value: object) -> object:
        return xray.REDACTED if key == "mine" else value

    sinks = [MemorySink(), MemorySink(), MemorySink()]
    runs = [
        xray.xray_run("p", sink=sinks[0], redact=hook, input={"mine": 1}).start(),
        xray.xray_run("p", sink=sinks[1], redact=hook, input={"mine": 1}).start(),
        xray.xray_run("p", sink=sinks[2], input={"mine": 1}).start(),
    ]
    assert runs[0].settings.redactor is runs[1].settings.redactor
    assert [open_value(sink.runs[0].input) for sink in sinks] == [
        {"mine": xray.REDACTED},
        {"mine": xray.REDACTED},
        {"mine": 1},
    ]
