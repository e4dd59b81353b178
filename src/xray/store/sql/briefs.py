"""What a comparison takes from the body of a step, short enough to stand beside its columns."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec
from msgspec import Raw, Struct

from xray.model.facts import NIL
from xray.model.values import open_value
from xray.store.sql.dims import Dims
from xray.store.sql.driver import Driver
from xray.store.words import DECLARED_TYPE, PARAMS, REASON

MAX_REASONS: Final = 4_096
MAX_DECLARED_TYPES: Final = 256
MAX_PARAMS: Final = 1_024
_MAX_PARAMS_BYTES: Final = 1_024
_ABSENT: Final = (NIL, Raw(b""))

_encode: Final = msgspec.msgpack.Encoder().encode
_decode: Final = msgspec.msgpack.Decoder(list[int]).decode


class Brief(Struct, frozen=True, gc=False):
    """What a step was told and what it rejected for.

    Args:
        reasons: how many candidates it rejected, by reason; none that counts nothing.
    """

    declared_type: str | None
    params: Any
    reasons: dict[str, int]


def encode_brief(
    declared_type: str | None, params: Raw, reasons: Mapping[str, int], dims: Dims
) -> bytes | int | None:
    """What `Briefs` reads back; None where there is too much of a kind to be numbered.

    Args:
        declared_type: the word that was used for the type of the step.
        params: what the step was told, as it arrived.
        reasons: how many candidates it rejected, by reason.
        dims: numbers for repeated text.
    """
    if not reasons and declared_type is None and params in _ABSENT:
        return 0
    numbers: list[int | None] = [0, number_params(params, dims)]
    if declared_type is not None:
        numbers[0] = dims.number_few(DECLARED_TYPE, declared_type, MAX_DECLARED_TYPES)
    for name, count in reasons.items():
        if count:
            numbers += (dims.number_few(REASON, name, MAX_REASONS), count)
    return None if None in numbers else _encode(numbers)


def number_params(params: Raw, dims: Dims) -> int | None:
    """The number of *params*: 0 for none, None where there are too many or they are too long."""
    if params in _ABSENT:
        return 0
    encoded = bytes(params)
    if len(encoded) > _MAX_PARAMS_BYTES:
        return None
    return dims.number_few(PARAMS, encoded, MAX_PARAMS)


class Texts(dict[int, Any]):
    """What numbers stand for, looked up when it is first asked: text, or params opened.

    Args:
        connection: to the database.
    """

    def __init__(self, connection: Driver) -> None:
        super().__init__({0: None})
        self._connection = connection
        self._opened: dict[bytes, Any] = {}

    def __missing__(self, number: int) -> Any:
        """Look up *number*."""
        find = "select kind, text from dim where id = ?"
        kind, text = self._connection.execute(find, (number,)).fetchone()
        if kind == PARAMS:
            # Where a column holds text alone, each byte is the character of its number.
            text = open_value(text if type(text) is bytes else text.encode("latin-1"))
        self[number] = text
        return text

    def open_params(self, params: Raw) -> Any:
        """*params*, opened once as long as few others come."""
        encoded = bytes(params)
        if encoded not in self._opened:
            if len(self._opened) >= MAX_PARAMS:
                self._opened.clear()
            self._opened[encoded] = open_value(encoded)
        return self._opened[encoded]


class Briefs(dict[bytes | int, Brief]):
    """Briefs by how they are stored, each opened once.

    Args:
        texts: what numbers stand for.
    """

    def __init__(self, texts: Texts) -> None:
        nothing = Brief(None, None, {})
        # A column that holds bytes alone has none for nothing.
        super().__init__({0: nothing, b"": nothing})
        self._texts = texts

    def __missing__(self, stored: bytes) -> Brief:
        """Open *stored*."""
        texts, numbers = self._texts, _decode(stored)
        reasons = {texts[name]: count for name, count in zip(numbers[2::2], numbers[3::2])}  # noqa: B905
        brief = self[stored] = Brief(texts[numbers[0]], texts[numbers[1]], reasons)
        return brief
