"""A request's body: read within its limits and its deadline, parsed strictly, then measured."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from functools import partial
from typing import Final, NoReturn

import anyio
from starlette.requests import ClientDisconnect, Request

from xray.errors import InvalidRecordError, LimitExceededError
from xray.model.facts import Fact, StepFinished
from xray.server.space import Lease, Spaces
from xray.wire.codec import encode_fact
from xray.wire.limits import Limits, inflate
from xray.wire.plain import mark_integer
from xray.wire.transcode import has_more_json_nodes, mend_json

_MAX_DISCARDED_BYTES: Final = 64 << 20
# So much memory is not worth counting once a body was read.
_SMALL_BYTES: Final = 64 << 10
# Facts made of small rows take so many times the bytes they arrived in.
_OPENED_FACTOR: Final = 10
_MAX_DIGITS: Final = 1000
_INT64: Final = 1 << 63
_UINT64: Final = 1 << 64


@asynccontextmanager
async def read_body(
    request: Request, limits: Limits, deadline_s: float, spaces: Spaces
) -> AsyncIterator[bytes]:
    """The whole body, decompressed; the memory for it is held until the end of the block.

    Raises:
        LimitExceededError: it is larger than *limits* allow.
        InvalidRecordError: it did not come in time, or is not in the encoding it names.
        StoreBusyError: the bodies of other requests take too much memory.
    """
    encoding = ",".join(request.headers.getlist("content-encoding"))
    with Lease(spaces.opened) as opened:
        with Lease(spaces.received) as received:
            body = await _read_off(request, limits, deadline_s, received)
            if not encoding or encoding == "identity":
                if len(body) > _SMALL_BYTES:
                    await opened.take(_OPENED_FACTOR * len(body), deadline_s)
            else:
                await opened.take(2 * limits.max_inflated_bytes, deadline_s)
                body = await spaces.open_in_turn(partial(inflate, body, encoding, limits))
                opened.shrink(_OPENED_FACTOR * len(body))
        yield body


async def _read_off(request: Request, limits: Limits, deadline_s: float, received: Lease) -> bytes:
    declared = request.headers.get("content-length", "")
    is_too_long = declared.isdigit() and int(declared) > limits.max_body_bytes
    if is_too_long and "expect" in request.headers:
        raise _too_long(limits)
    try:
        with anyio.fail_after(deadline_s):
            body = await _receive(request, limits.max_body_bytes, received)
    except TimeoutError:
        raise InvalidRecordError(
            f"The body did not arrive within {deadline_s:g} seconds.",
            hint="Send it again, in smaller parts if need be.",
            code="body_too_slow",
        ) from None
    if body is None:
        raise _too_long(limits)
    return body


async def _receive(request: Request, max_bytes: int, received: Lease) -> bytes | None:
    """The body, or None when it is longer; the rest is read off so that the answer is heard."""
    pieces: list[bytes] = []
    size = 0
    while True:
        message = await request.receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        piece = message.get("body", b"")
        size += len(piece)
        if size <= max_bytes:
            received.grow(len(piece))
            pieces.append(piece)
        elif size > max_bytes + _MAX_DISCARDED_BYTES:
            return None
        else:
            pieces.clear()
            received.shrink(0)
        if not message.get("more_body", False):
            return b"".join(pieces) if size <= max_bytes else None


def _too_long(limits: Limits) -> LimitExceededError:
    return LimitExceededError(
        f"The body has more than the {limits.max_body_bytes} bytes accepted.",
        hint="Send it in parts.",
    )


def parse_object(body: bytes, limits: Limits) -> dict[str, object]:
    """The JSON object in *body*, with marks for whole numbers beyond 64 bits.

    Raises:
        InvalidRecordError: it is not JSON, not an object, names something twice in one object, or
            holds a number that is not finite.
        LimitExceededError: it holds too many values or nests too deeply.
    """
    if has_more_json_nodes(body, limits.max_nodes):
        raise LimitExceededError(f"The body holds more than {limits.max_nodes} values.")
    try:
        parsed = json.loads(
            mend_json(body).decode("utf-8"),
            object_pairs_hook=_unique_names,
            parse_float=_finite_number,
            parse_int=_bounded_number,
            parse_constant=_refuse_constant,
        )
    except RecursionError:
        raise _too_deep(limits) from None
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise _malformed(f"{error.msg} at {where}" if body else "it is empty") from None
    if not isinstance(parsed, dict):
        raise _malformed("it is not an object")
    _check_depth(parsed, limits)
    return parsed


def _unique_names(pairs: list[tuple[str, object]]) -> dict[str, object]:
    names = dict(pairs)
    if len(names) != len(pairs):
        counts = Counter(name for name, _ in pairs)
        raise _malformed(f"it names {counts.most_common(1)[0][0]!r} twice in one object")
    return names


def _finite_number(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise _malformed(f"{text[:40]} is not a finite number")
    return number


def _bounded_number(text: str) -> object:
    if len(text) > _MAX_DIGITS:
        raise _malformed(f"{text[:40]}… has more than {_MAX_DIGITS} digits; send it as text")
    number = int(text)
    return number if -_INT64 <= number < _UINT64 else mark_integer(number)


def _refuse_constant(text: str) -> NoReturn:
    raise _malformed(f"{text} is not a finite number")


def _check_depth(parsed: object, limits: Limits) -> None:
    level: list[object] = [parsed]
    for _ in range(limits.max_depth):
        below: list[object] = []
        for value in level:
            if isinstance(value, dict):
                below.extend(value.values())
            elif isinstance(value, list):
                below.extend(value)
        level = [value for value in below if isinstance(value, (dict, list))]
        if not level:
            return
    raise _too_deep(limits)


def _too_deep(limits: Limits) -> LimitExceededError:
    return LimitExceededError(f"The body nests more than {limits.max_depth} levels deep.")


def _malformed(why: str) -> InvalidRecordError:
    return InvalidRecordError(
        f"The body is not JSON that can be read: {why}.",
        hint="Send one JSON object, UTF-8.",
        code="malformed_body",
    )


def check_sizes(facts: Iterable[Fact], body_bytes: int, limits: Limits) -> None:
    """Refuse a fact that is larger than an SDK may send one.

    Args:
        facts: what a body was turned into.
        body_bytes: the size of that body; no fact of a small one can be too large.
        limits: what is accepted.

    Raises:
        LimitExceededError: a fact is too large.
    """
    if body_bytes <= limits.max_fact_bytes:
        return
    for fact in facts:
        size = len(encode_fact(fact))
        if size > limits.max_fact_bytes:
            named = f"The step {fact.name!r}" if isinstance(fact, StepFinished) else "The run"
            raise LimitExceededError(
                f"{named} has {size} bytes, more than the {limits.max_fact_bytes} accepted.",
                hint="Send fewer candidates, or their counts and a sample of them.",
            )
