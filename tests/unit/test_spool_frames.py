"""Frames: what is whole is found, whatever lies around it, and what is not is counted."""

import struct
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xray.delivery.losses import Volume
from xray.delivery.spool.frames import HEADER_BYTES, MAGIC, encode_frames, scan_segment

RECORDS = [(number, bytes([number]) * (20 + number)) for number in range(1, 7)]


def segment_of(records: list[tuple[int, bytes]]) -> bytes:
    return b"".join(encode_frames(1, records))


def payloads(content: bytes) -> list[bytes]:
    return [frame.payload for frame in scan_segment(content).frames]


def begin_of(place: int) -> int:
    """Where the frame of record *place* begins."""
    return sum(HEADER_BYTES + len(payload) for _, payload in RECORDS[: place - 1])


@given(st.lists(st.tuples(st.integers(0, 1 << 31), st.binary(max_size=300)), max_size=20))
def test_what_was_written_is_read_back(records: list[tuple[int, bytes]]) -> None:
    found = scan_segment(segment_of(records))
    assert [(frame.decisions, frame.payload) for frame in found.frames] == records
    assert [frame.sequence for frame in found.frames] == list(range(1, len(records) + 1))
    assert (found.lost, found.damaged_bytes, found.torn_bytes) == (Volume(), 0, 0)


def test_a_frame_is_laid_out_as_the_format_says() -> None:
    [head, checksum, payload] = encode_frames(7, [(3, b"fact")])
    assert head == struct.pack(">4sIIII", b"\xc1XR1", 7, 3, 4, zlib.crc32(b"fact"))
    assert checksum == struct.pack(">I", zlib.crc32(head))
    assert payload == b"fact"
    assert HEADER_BYTES == 24


def test_wherever_the_end_is_torn_off_the_records_before_are_whole() -> None:
    content = segment_of(RECORDS)
    ends = [begin_of(place + 1) for place in range(1, 7)]
    for length in range(len(content)):
        found = scan_segment(content[:length])
        whole = sum(end <= length for end in ends)
        assert [frame.payload for frame in found.frames] == [body for _, body in RECORDS[:whole]]
        assert found.lost == Volume()
        assert found.torn_bytes == length - ([0, *ends][whole])
        assert found.damaged_bytes == 0


def test_every_flipped_bit_is_noticed_and_costs_one_record() -> None:
    content = segment_of(RECORDS)
    originals = [body for _, body in RECORDS]
    for place in range(len(content)):
        for bit in (0, 3, 7):
            broken = bytearray(content)
            broken[place] ^= 1 << bit
            found = scan_segment(bytes(broken))
            got = [frame.payload for frame in found.frames]
            assert len(got) >= len(originals) - 1
            assert found.damaged_bytes or found.torn_bytes
            assert all(body in originals for body in got)
            assert len(got) == len(set(got))
            if place < begin_of(6):
                assert found.lost.records == len(originals) - len(got)


def test_a_broken_payload_is_lost_with_exactly_its_decisions() -> None:
    broken = bytearray(segment_of(RECORDS))
    broken[begin_of(3) + HEADER_BYTES + 5] ^= 1
    found = scan_segment(bytes(broken))
    assert found.lost == Volume(1, 3)
    assert found.damaged_bytes == HEADER_BYTES + len(RECORDS[2][1])


def test_bytes_missing_in_the_middle_cost_the_records_they_touch() -> None:
    content = segment_of(RECORDS)
    for start in range(0, len(content) - 40, 3):
        found = scan_segment(content[:start] + content[start + 30 :])
        got = [frame.payload for frame in found.frames]
        assert all(body in [payload for _, payload in RECORDS] for body in got)
        assert len(got) >= len(RECORDS) - 3


def test_a_zeroed_page_costs_what_was_on_it() -> None:
    records = [(1, bytes([number % 250]) * 100) for number in range(200)]
    content = bytearray(segment_of(records))
    content[4096:8192] = bytes(4096)
    found = scan_segment(bytes(content))
    lost = 4096 // 124 + 2
    assert len(records) - len(found.frames) <= lost
    assert found.lost.records == len(records) - len(found.frames)
    assert found.damaged_bytes >= 4096


def test_a_record_that_holds_a_whole_segment_is_not_taken_apart() -> None:
    inner = segment_of([(0, b"inner record")] * 3)
    content = bytearray(segment_of([(0, b"before"), (0, inner), (0, b"after")]))
    content[HEADER_BYTES + len(b"before") + HEADER_BYTES + len(inner) - 1] ^= 1
    assert payloads(bytes(content)) == [b"before", b"after"]


def test_a_segment_of_a_later_version_is_left_alone() -> None:
    content = segment_of(RECORDS).replace(MAGIC, b"\xc1XR2")
    found = scan_segment(content)
    assert found.is_foreign
    assert found.frames == []


@given(st.binary(max_size=2000))
def test_any_bytes_can_be_scanned(content: bytes) -> None:
    found = scan_segment(content)
    assert sum(len(frame.payload) for frame in found.frames) <= len(content)


@given(st.lists(st.integers(0, 400), max_size=30))
def test_many_beginnings_of_frames_take_no_longer(places: list[int]) -> None:
    content = bytearray(b"x" * 5000)
    for place in places:
        content[place * 10 : place * 10 + 4] = MAGIC
    assert scan_segment(bytes(content)).frames == []


@pytest.mark.parametrize("length", [1 << 31, (64 << 20) + 1])
def test_a_length_nobody_would_write_is_damage(length: int) -> None:
    head = struct.pack(">4sIIII", MAGIC, 1, 0, length, 0)
    content = head + struct.pack(">I", zlib.crc32(head)) + bytes(100)
    assert scan_segment(content).damaged_bytes == len(content)
