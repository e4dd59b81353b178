"""Arrays of whole numbers as bytes, the same on every machine."""

from __future__ import annotations

import sys
from array import array
from typing import Literal

ArrayType = Literal["B", "H", "I", "Q"]


def to_bytes(numbers: array[int] | array[float]) -> bytes:
    """*numbers* in little-endian order."""
    if sys.byteorder == "big":
        numbers = numbers[:]
        numbers.byteswap()
    return numbers.tobytes()


def from_bytes(kind: ArrayType, data: bytes) -> array[int]:
    """The numbers that `to_bytes` wrote."""
    numbers = array(kind)
    numbers.frombytes(data)
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers
