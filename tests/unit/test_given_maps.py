"""What is given as a map to a run or a step is kept whole: nothing dropped, marked twice or run."""

from __future__ import annotations

from typing import Any

import msgspec

import xray
from xray.model.facts import RunFinished, RunStarted, StepFinished
from xray.model.values import MARK, open_value
from xray.testing import MemorySink


def hook(key: str, value: Any) -> Any:
    return xray.REDACTED if isinstance(value, str) and "s3cr3t" in value else value


def record(**settings: object) -> dict[type, Any]:
    sink = MemorySink()
    client = xray.XRay("p", sink=sink, **settings)
    try:
        with client.run("s3cr3t", correlation={"a": object(), "b": "c"}) as run:
            run.set_metadata("text", note="x" * 20_000, hidden="s3cr3t")
            run.set_metadata({"more": 1})
            with run.step("s") as step:
                step.set_params([1], b=2)
                step.log_stats(5, seconds=1.5)
                step.set_output(["s3cr3t"])
            raise ValueError("s3cr3t")
    except ValueError:
        pass
    return {type(fact): fact for fact in sink.facts}


def test_what_is_no_map_is_kept_under_value() -> None:
    facts = record()
    metadata = open_value(facts[RunFinished].metadata)
    assert metadata["value"] == "text"
    assert metadata["more"] == 1
    assert open_value(facts[StepFinished].params) == {"value": [1], "b": 2}
    assert open_value(facts[StepFinished].stats) == {"value": 5, "seconds": 1.5}


def test_a_cut_in_added_metadata_is_marked_once() -> None:
    ended = record()[RunFinished]
    note = open_value(ended.metadata)["note"]
    assert (note[MARK], note["length"]) == ("truncated", 20_000)
    assert ended.omissions == {"truncated": 1, "opaque": 1}


def test_a_hook_is_asked_about_input_output_and_errors() -> None:
    facts = record(redact=hook)
    assert open_value(facts[RunStarted].input) == {MARK: "redacted"}
    assert open_value(facts[StepFinished].output) == [{MARK: "redacted"}]
    assert facts[RunFinished].error.message == "<redacted>"
    assert b"s3cr3t" not in b"".join(map(msgspec.msgpack.encode, facts.values()))
