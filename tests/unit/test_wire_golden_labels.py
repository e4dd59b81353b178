from __future__ import annotations

from pathlib import Path

import msgspec

from xray.model.facts import fact_id
from xray.model.labels import Labelled
from xray.wire.codec import JSON, MSGPACK, decode_batch, encode_fact, frame_batch, name_encoded

GOLDEN = Path(__file__).parents[2] / "spec" / "golden"
PACKED = (GOLDEN / "labels-v1.msgpack").read_bytes()
SPELLED = (GOLDEN / "labels-v1.json").read_bytes()


def test_golden_labels_mean_the_same_in_both_forms() -> None:
    packed = decode_batch(PACKED, MSGPACK)
    assert packed == decode_batch(SPELLED, JSON)
    assert packed.refused == []
    of_run, of_candidate, taken_back = packed.facts
    assert isinstance(of_run, Labelled)
    assert (of_run.label, of_run.note) == ("bad", "größer als gesucht")
    assert isinstance(of_candidate, Labelled)
    assert (of_candidate.candidate_id, of_candidate.label) == ("größe-1", "good")
    assert isinstance(taken_back, Labelled)
    assert taken_back.label is None


def test_golden_labels_are_encoded_to_the_same_bytes() -> None:
    batch = decode_batch(PACKED)
    again = frame_batch(batch.batch_id, batch.client, [encode_fact(fact) for fact in batch.facts])
    assert again == PACKED


def test_a_label_that_breaks_a_rule_is_refused_by_its_id() -> None:
    batch = msgspec.json.decode(SPELLED)
    batch["facts"][0]["label"] = "superb"
    batch["facts"][1]["note"] = "x" * 4_001
    decoded = decode_batch(msgspec.json.encode(batch), JSON)
    assert len(decoded.facts) == 1
    first, second = (fact_id(fact) for fact in decode_batch(PACKED).facts[:2])
    assert [refusal.id for refusal in decoded.refused] == [first, second]
    encoded = encode_fact(decode_batch(PACKED).facts[0])
    assert name_encoded(encoded) == first
