"""Cursors: where a page ended, opaque to the reader and bound to the question that was asked."""

from __future__ import annotations

import base64
import binascii
import hashlib
from typing import Final, NoReturn

import msgspec
from msgspec import Struct

from xray.errors import InvalidQueryError
from xray.query.plan import Plan, Position

_VERSION: Final = 1
_DIGEST_BYTES: Final = 8
_MAX_CURSOR_LENGTH: Final = 512


class _Cursor(Struct, frozen=True, array_like=True):
    version: int
    question: bytes
    asked_us: int
    position: Position


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(_Cursor)


def encode_cursor(position: Position, plan: Plan, also: str = "") -> str:
    """The text that continues *plan* after *position*.

    Args:
        position: where the page ended.
        plan: the question.
        also: what else makes it the same question on every page.
    """
    cursor = _Cursor(_VERSION, digest_question(plan, also), plan.now_us, position)
    return base64.urlsafe_b64encode(_encoder.encode(cursor)).rstrip(b"=").decode("ascii")


def decode_cursor(text: str, plan: Plan, also: str = "") -> Position:
    """Where the page ended that *text* was given with.

    Args:
        text: the cursor.
        plan: the question that is asked.
        also: what else makes it the same question on every page.

    Raises:
        InvalidQueryError: *text* is no cursor, or belongs to another question.
    """
    cursor = _open_cursor(text)
    if cursor.question != digest_question(plan, also):
        raise InvalidQueryError(
            "The cursor belongs to another question.",
            hint="Repeat the parameters of the page it came with, or leave the cursor out.",
            code="wrong_cursor",
        )
    return cursor.position


def asked_at_us(text: str) -> int:
    """When the first page of the cursor's question was asked; times like `24h` count from there.

    Raises:
        InvalidQueryError: *text* is no cursor.
    """
    return _open_cursor(text).asked_us


def digest_question(plan: Plan, also: str = "") -> bytes:
    """What makes *plan* the same question on every page: its scope, its conditions, and *also*."""
    # Not an encoding: a question may hold integers that neither msgpack nor JSON can.
    asked = (repr((plan.scope, plan.where)) + also).encode("utf-8", "backslashreplace")
    return hashlib.blake2b(asked, digest_size=_DIGEST_BYTES).digest()


def _open_cursor(text: str) -> _Cursor:
    if not text or len(text) > _MAX_CURSOR_LENGTH or not text.isascii():
        _refuse()
    try:
        packed = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        cursor = _decoder.decode(packed)
    except (binascii.Error, msgspec.MsgspecError):
        _refuse()
    if cursor.version != _VERSION:
        _refuse()
    return cursor


def _refuse() -> NoReturn:
    raise InvalidQueryError(
        "The cursor cannot be read.",
        hint="Pass next_cursor of the last page as it was, or leave the cursor out.",
        code="wrong_cursor",
    )
