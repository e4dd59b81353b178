"""The six pictures that the docs show.

    python -m bench.gallery docs/gallery

Pictures of every page are made by `tests/web/test_accessibility.py`, in `build/pages`. The bytes
of a picture are those of Chromium's encoder, packed again as tightly as zlib can.
"""

from __future__ import annotations

import argparse
import struct
import tempfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Final
from urllib.parse import quote, urlencode

from playwright.sync_api import Browser, ViewportSize

from tests.contract.http.api import Api
from tests.web.chromium import launch
from tests.web.conftest import SCENARIOS, record
from tests.web.shoe_shop import record_shop
from xray.client import Client
from xray.server.serving import BackgroundServer
from xray.server.settings import ServerSettings

_SIZE: Final[ViewportSize] = {"width": 1280, "height": 800}
_SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"
_TRUE_COLOUR, _TRUE_COLOUR_ALPHA = 2, 6
_MAX_COLOURS: Final = 256


def main(arguments: Sequence[str] | None = None) -> None:
    """Record runs, open their pages, and keep what is seen."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("folder", type=Path, help="where the pictures go")
    options = parser.parse_args(arguments)
    options.folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch, launch() as browser:
        for file in paint_docs(browser, Path(scratch), options.folder):
            print(f"{file.stat().st_size / 1000:7.1f} KB  {file}")


def paint_docs(browser: Browser, scratch: Path, folder: Path) -> Iterator[Path]:
    """The six pages that the docs show, in few colours: of the demo's bad match, and of a diff."""
    settings = ServerSettings(store=f"sqlite:///{scratch / 'demo.db'}", port=0)
    with BackgroundServer(settings) as server, closing(Api(server.url)) as api:
        shop = record_shop(server.url, api)
        for scenario in SCENARIOS:
            record(scenario, server.url, scratch)
        diff = f"/ui/diff?{urlencode({'a': shop.before, 'b': shop.after})}"
        for name, path in {**find_docs(server.url), "diff": diff}.items():
            picture = shoot(browser, server.url + path)
            file = folder / f"{name}.png"
            file.write_bytes(pack(picture))
            yield file


def find_docs(url: str) -> dict[str, str]:
    """Addresses of the pages about the bad match, by the names of their pictures."""
    with Client(url) as client:
        runs = client.runs(q="pipeline = 'competitor_selection'", limit=50).items
        bad = next(run for run in runs if "stand" in str(run.output))
    chosen = quote(bad.output["selected"])
    run = f"/ui/runs/{bad.run_id}"
    return {
        "runs": "/ui/runs?limit=12",
        "run": run,
        "why": f"{run}/why?candidate={chosen}",
        "provenance": f"{run}/provenance?candidate=stand",
        "what-if": f"{run}/what-if?limit=price_too_high%3D25",
    }


def shoot(browser: Browser, address: str) -> bytes:
    """What is seen of a page at first, as a PNG."""
    context = browser.new_context(color_scheme="light", viewport=_SIZE)
    try:
        page = context.new_page()
        page.goto(address)
        return page.screenshot()
    finally:
        context.close()


def pack(picture: bytes) -> bytes:
    """The same PNG with a palette of its most frequent colours, where it has no more than these
    but for the edges of letters, whose colours go to the nearest of the palette.
    """
    width, height, pixels = _read(picture)
    counts: dict[bytes, int] = {}
    for at in range(0, len(pixels), 3):
        colour = pixels[at : at + 3]
        counts[colour] = counts.get(colour, 0) + 1
    palette = sorted(counts, key=lambda colour: -counts[colour])[:_MAX_COLOURS]
    index = {colour: place for place, colour in enumerate(palette)}
    for colour in counts:
        if colour not in index:
            index[colour] = min(range(len(palette)), key=lambda at: _distance(colour, palette[at]))
    rows = bytearray()
    for row in range(height):
        rows.append(0)
        start = row * width * 3
        rows += bytes(index[pixels[at : at + 3]] for at in range(start, start + width * 3, 3))
    return b"".join(
        (
            _SIGNATURE,
            _chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)),
            _chunk(b"PLTE", b"".join(palette)),
            _chunk(b"IDAT", zlib.compress(bytes(rows), 9)),
            _chunk(b"IEND", b""),
        )
    )


def _distance(a: bytes, b: bytes) -> int:
    return sum((left - right) ** 2 for left, right in zip(a, b, strict=True))


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _read(picture: bytes) -> tuple[int, int, bytes]:
    """Width, height and the colours, three bytes each, of a PNG of 8 bits a channel."""
    at, width, height, kind, packed = len(_SIGNATURE), 0, 0, _TRUE_COLOUR, b""
    while at < len(picture):
        length, name = struct.unpack(">I4s", picture[at : at + 8])
        data = picture[at + 8 : at + 8 + length]
        if name == b"IHDR":
            width, height, _, kind = struct.unpack(">IIBB", data[:10])
        elif name == b"IDAT":
            packed += data
        at += 12 + length
    channels = {_TRUE_COLOUR: 3, _TRUE_COLOUR_ALPHA: 4}[kind]
    raw, stride = zlib.decompress(packed), width * channels
    above, pixels = bytearray(stride), bytearray()
    for row in range(height):
        start = row * (stride + 1)
        line = bytearray(raw[start + 1 : start + 1 + stride])
        _undo(raw[start], line, above, channels)
        pixels += line
        above = line
    if kind == _TRUE_COLOUR_ALPHA:
        del pixels[3::4]
    return width, height, bytes(pixels)


def _undo(method: int, line: bytearray, above: bytearray, channels: int) -> None:
    """Turn differences back into values; the methods are those of PNG, section 9.2."""
    for at in range(len(line)):
        left = line[at - channels] if at >= channels else 0
        if method == 1:
            guess = left
        elif method == 2:
            guess = above[at]
        elif method == 3:
            guess = (left + above[at]) // 2
        elif method == 4:
            corner = above[at - channels] if at >= channels else 0
            away = left + above[at] - corner
            guess = min((left, above[at], corner), key=lambda one: abs(away - one))
        else:
            return
        line[at] = (line[at] + guess) & 255


if __name__ == "__main__":
    main()
