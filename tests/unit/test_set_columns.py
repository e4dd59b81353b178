"""Ids of many candidates travel as columns, in both encodings, and a bad one is refused alone."""

from __future__ import annotations

import struct

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from xray.model.columns import IdColumn, spell_cells
from xray.model.facts import (
    ACCEPTED,
    MAX_ROSTER_CHUNK_IDS,
    REJECTED,
    RosterColumn,
    RosterFate,
    RosterGroup,
    StepRoster,
)
from xray.model.hashing import hash64
from xray.model.holdings import hash_entries, name_entries
from xray.sampling.holding import hold
from xray.sampling.rules import Watch
from xray.wire.codec import JSON, MSGPACK, DecodedBatch, decode_batch, encode_fact, frame_batch

RUN = "01929a3c-4f00-7a10-8000-0000000000a1"
STEP = "01929a3c-4f06-7a10-8000-0000000000b2"
FATES = [RosterFate(REJECTED, "dear"), RosterFate(ACCEPTED)]
NUMBERS = [7, -1, 0, (1 << 63) - 1, -(1 << 63)]
GOOD = IdColumn(0, struct.pack("<2q", 7, 8))

texts = st.lists(st.text(max_size=20).map(lambda text: text.rstrip("\0")), max_size=30)


def pad(ids: list[str]) -> IdColumn:
    raw = [one.encode("utf-8", "replace") for one in ids]
    width = max(map(len, raw), default=0) or 1
    return IdColumn(width, b"".join(one.ljust(width, b"\0") for one in raw))


def chunk_of(*columns: RosterColumn, groups: list[RosterGroup] | None = None) -> StepRoster:
    size = sum(len(part.ids) for parts in (columns, groups or ()) for part in parts)
    return StepRoster(
        run_id=RUN, step_id=STEP, chunk=1, total=size, groups=groups or [], columns=[*columns]
    )


def send(fact: StepRoster, media_type: str) -> DecodedBatch:
    body = frame_batch("b", "test", [encode_fact(fact)])
    if media_type == JSON:
        body = msgspec.json.encode(msgspec.msgpack.decode(body))
    return decode_batch(body, media_type)


def test_numbers_stand_for_their_decimals() -> None:
    column = IdColumn(0, struct.pack("<5q", *NUMBERS))
    assert column.texts() == [*column] == [str(number) for number in NUMBERS]
    assert len(column) == 5
    assert IdColumn(0, b"").texts() == []


@given(texts)
def test_padded_text_is_read_back(ids: list[str]) -> None:
    clean = [one.encode("utf-8", "replace").decode() for one in ids]
    column = pad(clean)
    assert column.texts() == clean
    assert column.find_fault() is None
    assert len(column) == len(clean)


@given(st.integers(-(1 << 70), 1 << 70).map(str) | st.text(min_size=1, max_size=30))
def test_a_candidate_is_spelled_as_the_cells_that_hold_it_begin(candidate_id: str) -> None:
    for cell in spell_cells(candidate_id):
        is_number = len(cell) == 8 and cell != candidate_id.encode("utf-8", "replace")
        column = IdColumn(0 if is_number else len(cell), cell)
        spelled = candidate_id.encode("utf-8", "replace").decode()
        assert column.texts() == [str(int(spelled)) if is_number else spelled.rstrip("\0")]


@pytest.mark.parametrize("media_type", [MSGPACK, JSON])
@pytest.mark.parametrize("ids", [GOOD, pad(["é", "pear"]), ["a", "b"]])
def test_a_column_arrives_in_both_encodings(media_type: str, ids: IdColumn | list[str]) -> None:
    sent = chunk_of(RosterColumn(FATES, b"\1\0", ids))
    batch = send(sent, media_type)
    assert batch.facts == [sent]
    first, second = ids
    groups = [
        RosterGroup(REJECTED, "dear", None, None, [second]),
        RosterGroup(ACCEPTED, None, None, None, [first]),
    ]
    assert sent.all_groups() == groups


def test_a_roster_holds_a_column_as_it_holds_the_same_groups() -> None:
    column = chunk_of(RosterColumn(FATES, b"\1\0", GOOD))
    groups = chunk_of(groups=column.all_groups())
    assert groups.size == column.size
    for made in (name_entries([column]), hash_entries(column)):
        assert made.fates[made.find("7")[0]].verdict == ACCEPTED
        assert made.fates[made.find("8")[0]].reason == "dear"
        assert not made.find("9")
        assert [span[0] for span in made.spans()] == sorted([hash64("7"), hash64("8")])
    assert sorted(name_entries([column]).spans()) == sorted(name_entries([groups]).spans())


@pytest.mark.parametrize("media_type", [MSGPACK, JSON])
@pytest.mark.parametrize(
    ("column", "said"),
    [
        (RosterColumn(FATES, b"\0", IdColumn(0, bytes(9))), "9 bytes are not a number of cells"),
        (RosterColumn(FATES, b"\0", IdColumn(3, b"ab")), "2 bytes are not a number of cells"),
        (RosterColumn(FATES, b"\0", IdColumn(-1, bytes(8))), "of width -1"),
        (RosterColumn(FATES, b"\0", IdColumn(2, b"\xff\xfe")), "is not UTF-8"),
        (RosterColumn(FATES, b"\0", IdColumn(513, b"a" * 513)), "longer than 512 characters"),
        (RosterColumn(FATES, b"\0", GOOD), "1 codes for 2 candidates"),
        (RosterColumn(FATES, b"\0\2", GOOD), "code 2 stands for none of its 2 fates"),
        (RosterColumn([], b"\0\0", GOOD), "code 0 stands for none of its 0 fates"),
        (RosterColumn(FATES, b"\0", ["a" * 513]), "length <= 512"),
    ],
)
def test_a_bad_column_is_refused_and_said_why(
    column: RosterColumn, said: str, media_type: str
) -> None:
    good = chunk_of(RosterColumn(FATES, b"\1\0", GOOD))
    body = frame_batch("b", "test", [encode_fact(chunk_of(column)), encode_fact(good)])
    if media_type == JSON:
        body = msgspec.json.encode(msgspec.msgpack.decode(body))
    batch = decode_batch(body, media_type)
    assert batch.facts == [good]
    (refusal,) = batch.refused
    assert refusal.id == f"step:{STEP}:roster:1"
    assert said in refusal.detail


@pytest.mark.parametrize("text", ["!!", "AAA", "é", 7, None, ["AA=="]])
def test_a_column_that_is_not_base64_is_refused(text: object) -> None:
    sent = chunk_of(RosterColumn(FATES, b"\1\0", GOOD))
    spelled = msgspec.msgpack.decode(encode_fact(sent))
    spelled["columns"][0][2]["cells"] = text
    body = msgspec.json.encode({"version": 1, "batch_id": "b", "facts": [spelled]})
    (refusal,) = decode_batch(body, JSON).refused
    assert refusal.code == "invalid_record"


def test_a_chunk_names_no_more_in_columns_than_in_groups() -> None:
    ids = IdColumn(0, bytes(8 * (MAX_ROSTER_CHUNK_IDS + 1)))
    sent = chunk_of(RosterColumn(FATES, bytes(len(ids)), ids))
    assert sent.size == MAX_ROSTER_CHUNK_IDS + 1
    (refusal,) = send(sent, MSGPACK).refused
    assert refusal.code == "too_large"


@pytest.mark.parametrize("ids", [GOOD, pad(["7", "pear"]), ["7", "pear"]])
def test_a_watched_candidate_is_found_in_a_column(ids: IdColumn | list[str]) -> None:
    held = hold(chunk_of(RosterColumn(FATES, b"\1\0", ids)))
    assert Watch(["other", "7"]).find(held) == "7"
    assert Watch(["pea", "70", "-7", ""]).find(held) is None
