from pathlib import Path

import msgspec
import pytest

from xray.model.facts import (
    ACCEPTED,
    REJECTED,
    SELECTED,
    Receipt,
    RunStarted,
    StepFinished,
    StepRoster,
    fact_id,
)
from xray.model.ranking import Placing, unpack_place
from xray.model.tallies import RATE_EDGES, Tallied
from xray.model.values import open_value
from xray.wire.codec import JSON, MSGPACK, DecodedBatch, decode_batch, encode_fact, frame_batch

GOLDEN = Path(__file__).parents[2] / "spec" / "golden"
PACKED = (GOLDEN / "batch-v1.msgpack").read_bytes()
SPELLED = (GOLDEN / "batch-v1.json").read_bytes()


def frame_again(batch: DecodedBatch) -> bytes:
    return frame_batch(batch.batch_id, batch.client, [encode_fact(fact) for fact in batch.facts])


def test_both_golden_forms_hold_the_same_facts() -> None:
    packed, spelled = decode_batch(PACKED, MSGPACK), decode_batch(SPELLED, JSON)
    assert packed == spelled
    assert packed.refused == []
    assert len(packed.facts) == 9


def test_the_golden_batch_means_what_it_says() -> None:
    batch = decode_batch(PACKED)
    started, _, filtered = batch.facts[:3]
    assert isinstance(started, RunStarted)
    assert started.tags == ["nightly", "größe"]
    assert open_value(started.input) == {"title": "Laptop stand, adjustable", "price": 39.5}
    assert isinstance(filtered, StepFinished)
    assert filtered.rows[0].checks is not None
    assert filtered.rows[0].checks[0].observed == 150.0
    assert filtered.reservoirs[0].seen == 1200
    few, many = filtered.sketches
    assert (few.name, few.passed, few.sketch.bits) == ("price_too_high", True, None)
    assert (few.sketch.keys, few.sketch.counts) == ([39.5, 99.99], [2, 1])
    assert (many.passed, many.sketch.bits, many.sketch.count) == (False, 7, 80)
    assert many.sketch.bound_below(110.0, is_included=False) == (38, 38)
    roster, tallied = batch.facts[-2:]
    assert isinstance(roster, StepRoster)
    assert (roster.total, roster.size, filtered.roster_chunks) == (10, 10, 1)
    assert roster.groups[0].ids[2] == "größe-9"
    named = [(group.verdict, group.by, group.ids) for group in roster.all_groups()[2:]]
    assert named == [
        (REJECTED, None, ["17", "1099511627776"]),
        (ACCEPTED, None, ["-3"]),
        (SELECTED, None, ["größe-1", "B0CX1"]),
        (ACCEPTED, "q-1", ["q-9"]),
    ]
    first_ranked, second_ranked = roster.groups[1].ranking, roster.columns[1].ranking
    assert first_ranked is not None
    assert second_ranked is not None
    assert list(map(unpack_place, first_ranked.places(1))) == [
        Placing(11, 0.410003662109375, 0.00000762939453125 / 2)
    ]
    assert list(map(unpack_place, second_ranked.places(2))) == [Placing(1), None]
    assert len({fact_id(fact) for fact in batch.facts}) == 9
    assert isinstance(tallied, Tallied)
    assert tallied.runs.count == tallied.steps[0].count == 200
    assert tallied.steps[0].rejection_rate.above(RATE_EDGES.index(0.9)) == 50


def test_golden_facts_are_encoded_to_the_same_bytes() -> None:
    assert frame_again(decode_batch(PACKED, MSGPACK)) == PACKED


def test_golden_json_is_encoded_to_the_same_bytes() -> None:
    values = msgspec.msgpack.decode(frame_again(decode_batch(SPELLED, JSON)))
    assert msgspec.json.format(msgspec.json.encode(values), indent=1) + b"\n" == SPELLED


def test_the_golden_receipt_is_read() -> None:
    receipt = msgspec.json.decode((GOLDEN / "receipt-v1.json").read_bytes(), type=Receipt)
    assert receipt.batch_id == decode_batch(PACKED).batch_id
    assert receipt.accepted + receipt.duplicate + len(receipt.rejected) == 9


@pytest.mark.parametrize("media_type", [MSGPACK, JSON])
def test_a_cut_off_batch_is_refused(media_type: str) -> None:
    from xray.errors import InvalidRecordError

    body = PACKED if media_type == MSGPACK else SPELLED
    for end in (0, 1, len(body) // 2, len(body) - 2):
        with pytest.raises(InvalidRecordError):
            decode_batch(body[:end], media_type)
