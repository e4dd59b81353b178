"""Blocks: what went in comes out, whatever codec wrote it."""

from __future__ import annotations

import subprocess
import sys
import zlib
from collections.abc import Iterable, Sequence

import msgspec
import pytest

from xray.errors import StoreError
from xray.model.facts import ACCEPTED, REJECTED, Check, DecisionRow, OriginRef, Reservoir
from xray.model.values import pack_value
from xray.store.blocks import EXTRAS_CHUNK, Block, draft_block, seal_blocks
from xray.store.frames import (
    BODY,
    NONE,
    ZLIB,
    Compressor,
    Decompressor,
    DictionarySet,
    FrameKind,
    Samples,
)

ROWS = [
    DecisionRow(
        REJECTED,
        "a",
        "price",
        pack_value({"title": "lamp"}),
        {"relevance": 0.5},
        "too dear",
        3,
        [OriginRef("k", None, 1, 0.5)],
        [Check("price", "price", "<=", 150, [1, 2], False)],
        "q1",
        "whole",
        2,
        "b",
        True,
    ),
    DecisionRow(ACCEPTED, "b"),
]


def seal(
    rows: Sequence[DecisionRow],
    compressor: Compressor | None = None,
    samples: Samples | None = None,
    reservoirs: Sequence[Reservoir] = (),
) -> bytes:
    compressor = compressor or Compressor(DictionarySet(0, {}))
    return seal_blocks([draft_block(rows, reservoirs)], compressor, samples)[0]


class _Plain:
    """A compressor that writes one of the codecs this version only reads."""

    generation = 0

    def __init__(self, codec: int) -> None:
        self._codec = codec

    def compress_all(self, kind: FrameKind, payloads: Iterable[bytes]) -> list[bytes]:
        return [zlib.compress(each) if self._codec == ZLIB else each for each in payloads]


def test_rows_come_back_as_they_were_sent() -> None:
    block = Block(0, seal(ROWS), Decompressor())
    assert block.rows() == ROWS
    assert [block.row(0), block.row(1)] == ROWS
    assert (len(block), block.head.ids) == (2, ["a", "b"])


@pytest.mark.parametrize("codec", [NONE, ZLIB])
def test_the_other_codecs_are_read_too(codec: int) -> None:
    data = bytearray(seal(ROWS, _Plain(codec)))  # type: ignore[arg-type]
    data[1] = codec
    assert Block(0, bytes(data), Decompressor()).rows() == ROWS


def test_a_block_of_a_later_version_or_an_unknown_codec_is_an_error_that_says_so() -> None:
    data = seal(ROWS)
    with pytest.raises(StoreError, match="version 9; this X-Ray knows version 1"):
        Block(0, b"\x09" + data[1:], Decompressor())
    with pytest.raises(StoreError, match="codec 7"):
        Block(0, data[:1] + b"\x07" + data[2:], Decompressor()).rows()


def test_reservoirs_and_logged_rows_are_told_apart() -> None:
    drawn = [Reservoir(REJECTED, "price", 9, ROWS[:1]), Reservoir(ACCEPTED, None, 0, [])]
    data = seal(ROWS, reservoirs=drawn)
    block = Block(EXTRAS_CHUNK, data, Decompressor())
    assert block.extras() == (drawn, ROWS[1:])
    assert block.standing() == [(9.0, False), (1.0, True)]


def test_a_trained_dictionary_makes_small_frames_smaller_and_readable() -> None:
    samples = Samples(enough_bytes=50_000)
    plain = Compressor(DictionarySet(0, {}))
    rows = [
        [DecisionRow(REJECTED, f"item {a * b}", "price", reasoning=f"price {a} is over {b}")]
        for a in range(60)
        for b in range(40)
    ]
    sizes = sum(len(seal(some, plain, samples)) for some in rows)
    assert samples.is_enough
    trained = samples.train(1)
    assert BODY in trained.by_kind
    opener = Decompressor()
    opener.add(trained)
    blocks = [seal(some, Compressor(trained)) for some in rows[:50]]
    assert sum(map(len, blocks)) * len(rows) / 50 < sizes * 0.8
    assert [Block(0, data, opener).rows() for data in blocks] == rows[:50]
    with pytest.raises(StoreError, match="dictionary 1"):
        Block(0, blocks[0], Decompressor()).rows()


def test_no_rows_make_a_block_too() -> None:
    block = Block(1, seal([]), Decompressor())
    assert (block.rows(), len(block)) == ([], 0)


def test_what_cannot_be_encoded_is_refused_before_anything_is_written() -> None:
    with pytest.raises((TypeError, msgspec.MsgspecError)):
        seal([DecisionRow(REJECTED, "a", score=object())])  # type: ignore[arg-type]


@pytest.mark.parametrize("missing", ["sqlalchemy", "zstandard"])
def test_a_missing_package_is_named_with_the_command_that_installs_it(missing: str) -> None:
    program = (
        f"import sys; sys.modules[{missing!r}] = None\n"
        "from xray.errors import ConfigurationError\n"
        "from xray.store.opening import open_store\n"
        "open_store('memory:').close()\n"
        "try:\n    open_store('sqlite:///never.db')\n"
        "except ConfigurationError as error:\n    print(error)\n"
    )
    told = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert f"the package {missing}" in told.stdout
    assert "pip install 'xray-forensics[server]'" in told.stdout
