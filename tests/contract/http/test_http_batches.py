"""`/v1/batches`: what SDKs send, in every encoding, and what becomes of each fact."""

from __future__ import annotations

import gzip
import json
from urllib.parse import urlencode

import msgspec
import pytest
import zstandard

from tests.contract.http.api import Api
from xray.model.facts import DecisionRow, Fact, RunFinished, RunStarted, StepFinished, fact_id
from xray.model.ids import new_uuid7
from xray.model.tallies import MINUTE_US, RunTally, Tallied
from xray.model.values import pack_value
from xray.wire.codec import encode_fact, frame_batch
from xray.wire.limits import DEFAULT_LIMITS

STARTED_US = 1_767_225_600_000_000


def make_run() -> list[Fact]:
    run_id = new_uuid7()
    return [
        RunStarted(
            run_id=run_id, pipeline="p", started_at_us=STARTED_US, input=pack_value({"q": 1})
        ),
        StepFinished(
            run_id=run_id,
            step_id=new_uuid7(),
            pipeline="p",
            name="f",
            step_type="filter",
            ordinal=0,
            started_at_us=STARTED_US,
            rows=[
                DecisionRow(0, "a", "cheap", pack_value({"price": 3})),
                DecisionRow(1, "b"),
            ],
        ),
        RunFinished(run_id=run_id, status="completed", duration_ms=2.5),
    ]


def as_json(facts: list[Fact], batch_id: str) -> bytes:
    """The JSON form of a batch."""
    opened = [msgspec.msgpack.decode(encode_fact(fact)) for fact in facts]
    return json.dumps({"version": 1, "batch_id": batch_id, "facts": opened}).encode()


def check_stored(api: Api, run_id: str) -> None:
    run = api.get(f"/v1/runs/{run_id}").json
    assert (run["status"], run["duration_ms"], run["input"]) == ("completed", 2.5, {"q": 1})
    (step,) = run["steps"]
    assert step["rejection_rate"] == 0.5
    assert step["rejections"]["cheap"]["samples"][0]["attributes"] == {"price": 3}


@pytest.mark.parametrize("encoding", ["", "identity", "gzip", "zstd"])
@pytest.mark.parametrize(
    "media_type", ["application/msgpack", "application/x-msgpack", "application/json; charset=x"]
)
def test_a_batch_is_stored_in_every_encoding(api: Api, encoding: str, media_type: str) -> None:
    facts = make_run()
    batch_id = new_uuid7()
    content = (
        as_json(facts, batch_id)
        if "json" in media_type
        else frame_batch(batch_id, "test", [encode_fact(fact) for fact in facts])
    )
    headers = {"Content-Type": media_type}
    if encoding:
        headers["Content-Encoding"] = encoding
    if encoding == "gzip":
        content = gzip.compress(content)
    elif encoding == "zstd":
        content = zstandard.compress(content)
    answer = api.ask("POST", "/v1/batches", content=content, headers=headers)
    assert answer.status == 200
    assert answer.json == {"batch_id": batch_id, "accepted": 3, "duplicate": 0, "rejected": []}
    check_stored(api, facts[0].run_id)


def test_facts_sent_twice_are_duplicates_and_change_nothing(api: Api) -> None:
    facts = make_run()
    assert api.send(facts).json["accepted"] == 3
    again = api.send([facts[2], facts[0], facts[1]]).json
    assert (again["accepted"], again["duplicate"]) == (0, 3)
    check_stored(api, facts[0].run_id)


def test_facts_come_in_any_order_and_in_any_number_of_batches(api: Api) -> None:
    facts = make_run()
    for fact in reversed(facts):
        assert api.send([fact]).json["accepted"] == 1
    check_stored(api, facts[0].run_id)


def test_a_fact_that_breaks_a_rule_is_rejected_alone_with_its_id(api: Api) -> None:
    facts = make_run()
    bad = StepFinished(
        run_id=facts[0].run_id,
        step_id=new_uuid7(),
        pipeline="p",
        name="f",
        step_type="filter",
        ordinal=-1,
        started_at_us=STARTED_US,
    )
    answer = api.send([facts[0], bad, *facts[1:]])
    assert answer.status == 200
    assert answer.json["accepted"] == 3
    (refusal,) = answer.json["rejected"]
    assert set(refusal) == {"id", "code", "detail"}
    assert (refusal["id"], refusal["code"]) == (fact_id(bad), "invalid_record")
    check_stored(api, facts[0].run_id)


def test_a_batch_of_nothing_but_bad_facts_is_answered(api: Api) -> None:
    content = json.dumps({"version": 1, "batch_id": "b", "facts": [{}, 3]}).encode()
    answer = api.ask(
        "POST", "/v1/batches", content=content, headers={"Content-Type": "application/json"}
    )
    assert answer.status == 200
    assert (answer.json["accepted"], len(answer.json["rejected"])) == (0, 2)


def test_a_large_batch_is_stored_beside_small_ones(api: Api) -> None:
    run_id = new_uuid7()
    rows = [
        DecisionRow(0, f"candidate {number}", f"reason {number % 7}") for number in range(20_000)
    ]
    step = StepFinished(
        run_id=run_id,
        step_id=new_uuid7(),
        pipeline="p",
        name="f",
        step_type="filter",
        ordinal=0,
        started_at_us=STARTED_US,
        rows=rows,
    )
    assert api.send([step]).json["accepted"] == 1
    assert api.get(f"/v1/steps/{step.step_id}").json["counts"]["rejected"] == 20_000


@pytest.mark.parametrize(
    ("content", "headers", "status", "code"),
    [
        (b"{}", {"Content-Type": "application/json"}, 400, "invalid_record"),
        (b"[]", {"Content-Type": "application/json"}, 400, "invalid_record"),
        (b"\xff\xfe", {"Content-Type": "application/msgpack"}, 400, "invalid_record"),
        (b"", {"Content-Type": "application/msgpack"}, 400, "invalid_record"),
        (b"<a/>", {"Content-Type": "text/xml"}, 415, "unsupported_media_type"),
        (b"{}", {"Content-Encoding": "br"}, 415, "unsupported_encoding"),
        (b"{}", {"Content-Encoding": "gzip, gzip"}, 415, "unsupported_encoding"),
        (b"not gzip", {"Content-Encoding": "gzip"}, 400, "invalid_encoding"),
        (
            gzip.compress(b"x" * 9, mtime=0)[:-3],
            {"Content-Encoding": "gzip"},
            400,
            "invalid_encoding",
        ),
        (b"not zstd", {"Content-Encoding": "zstd"}, 400, "invalid_encoding"),
        (
            b'{"version": 99, "batch_id": "b", "facts": []}',
            {"Content-Type": "application/json"},
            400,
            "unsupported_version",
        ),
        (
            b'{"version": 1, "batch_id": "b", "facts": [' + b"0," * 6000 + b"0]}",
            {"Content-Type": "application/json"},
            413,
            "too_large",
        ),
        (
            gzip.compress(b"0" * (DEFAULT_LIMITS.max_inflated_bytes + 1), mtime=0),
            {"Content-Encoding": "gzip"},
            413,
            "too_large",
        ),
        (b"0" * (DEFAULT_LIMITS.max_body_bytes + 1), {}, 413, "too_large"),
        (b"[" * 5000, {"Content-Type": "application/json"}, 400, None),
    ],
    ids=lambda value: f"{len(value)} bytes" if isinstance(value, bytes) else str(value),
)
def test_a_body_that_is_no_batch_gets_one_clear_error(
    api: Api, content: bytes, headers: dict[str, str], status: int, code: str | None
) -> None:
    answer = api.ask("POST", "/v1/batches", content=content, headers=headers)
    assert answer.status == status
    assert answer.problem["code"] == code or code is None


def test_tallies_are_stored_once_and_are_no_runs(api: Api) -> None:
    tally = Tallied(
        tally_id=new_uuid7(),
        pipeline=f"tallied {new_uuid7()}",
        minute_us=STARTED_US // MINUTE_US * MINUTE_US,
        runs=RunTally(statuses={"completed": 99}),
    )
    off = msgspec.structs.replace(tally, tally_id=new_uuid7(), minute_us=STARTED_US + 1)
    answer = api.send([tally, tally, off]).json
    assert (answer["accepted"], answer["duplicate"]) == (1, 1)
    assert [refusal["id"] for refusal in answer["rejected"]] == [f"tally:{off.tally_id}"]
    listed = api.ask("GET", f"/v1/runs?{urlencode({'pipeline': tally.pipeline})}").json
    assert listed["runs"] == []
