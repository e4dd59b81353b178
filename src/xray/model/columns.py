"""Many candidate ids in one run of bytes, as bulk capture holds them."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Final

import msgspec
from msgspec import Struct

from xray.model.bounds import INT64_MAX
from xray.model.ids import MAX_CANDIDATE_ID_LENGTH

NUMBER_BYTES: Final = 8
_PADDING: Final = b"\0"
_MOST_DIGITS: Final = 19


class IdColumn(Struct, frozen=True):
    """Candidate ids in cells of one width, one after the other.

    Args:
        width: how many bytes a cell has that holds text: UTF-8, filled up with zero bytes. 0 where
            each holds a whole number, which stands for its decimal: 8 bytes, little-endian, signed.
        cells: the cells.
    """

    width: int
    cells: bytes

    def __len__(self) -> int:
        return len(self.cells) // self._cell_bytes

    def __iter__(self) -> Iterator[str]:
        return iter(self.texts())

    @property
    def _cell_bytes(self) -> int:
        return self.width if self.width > 0 else NUMBER_BYTES

    def texts(self) -> list[str]:
        """The ids.

        Raises:
            ValueError: a text is not UTF-8.
        """
        if not self.width:
            numbers = struct.unpack(f"<{len(self)}q", self.cells)
            # Spelled in one call, which is much faster than one for each.
            return msgspec.json.encode(numbers)[1:-1].decode().split(",") if numbers else []
        cells, width = self.cells, self.width
        starts = range(0, len(cells), width)
        if cells.isascii():
            text = cells.decode()
            return [text[start : start + width].rstrip("\0") for start in starts]
        return [cells[start : start + width].rstrip(_PADDING).decode() for start in starts]

    def find_fault(self) -> str | None:
        """What is wrong with it, or None."""
        if self.width < 0 or len(self.cells) % self._cell_bytes:
            return f"{len(self.cells)} bytes are not a number of cells of width {self.width}"
        if not self.width:
            return None
        try:
            texts = self.texts()
        except ValueError:
            return "a text in it is not UTF-8"
        if max(map(len, texts), default=0) > MAX_CANDIDATE_ID_LENGTH:
            return f"a text in it is longer than {MAX_CANDIDATE_ID_LENGTH} characters"
        return None


def spell_cells(candidate_id: str) -> list[bytes]:
    """What a cell that holds *candidate_id* begins with, in every form a column may have."""
    cells = [candidate_id.encode("utf-8", "replace")]
    digits = candidate_id.removeprefix("-")
    if digits.isdecimal() and digits.isascii() and len(digits) <= _MOST_DIGITS:
        number = int(candidate_id)
        if abs(number) <= INT64_MAX:
            cells.append(number.to_bytes(NUMBER_BYTES, "little", signed=True))
    return cells
