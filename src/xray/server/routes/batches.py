"""`/v1/batches`: where SDKs deliver facts."""

from __future__ import annotations

from concurrent.futures import Future
from functools import partial
from typing import Any, Final

from msgspec import Struct
from msgspec.structs import replace
from starlette.requests import Request
from starlette.responses import Response

from xray.model.facts import Receipt
from xray.server.context import Context, context_of, read_content, wait_for
from xray.server.operations import Operation
from xray.server.replies import reply
from xray.wire.codec import JSON, MSGPACK, DecodedBatch, decode_batch

_INLINE_BYTES: Final = 64 << 10
"""Decoding less than this holds other requests up for less than a change of thread would."""

_SPELLINGS: Final = {
    "application/x-msgpack": MSGPACK,
    "application/vnd.msgpack": MSGPACK,
    # What curl says of `-d` when it is not told otherwise.
    "application/x-www-form-urlencoded": JSON,
    "": JSON,
}


class BatchBody(Struct, kw_only=True, frozen=True):
    """Facts sent together, as spec/wire.md describes them.

    Args:
        version: the wire version.
        batch_id: echoed in the answer.
        facts: each with its kind in `fact`.
        client: who sends it, e.g. `xray-python/0.1.0`.
    """

    version: int
    batch_id: str
    facts: list[dict[str, Any]]
    client: str = ""


async def take_batch(request: Request) -> Response:
    """Store every fact of a batch that may be stored, and answer when they are durable."""
    context = context_of(request)
    declared = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    media_type = _SPELLINGS.get(declared, declared)
    async with read_content(request) as body:
        if len(body) <= _INLINE_BYTES:
            batch, written = _submit(context, body, media_type)
        else:
            batch, written = await context.spaces.open_in_turn(
                partial(_submit, context, body, media_type)
            )
        if written is None:
            empty = Receipt(
                batch_id=batch.batch_id, accepted=0, duplicate=0, rejected=batch.refused
            )
            return reply(empty)
        receipt = await wait_for(written)
        context.note_changes(batch.facts)
    if batch.refused:
        receipt = replace(receipt, rejected=[*batch.refused, *receipt.rejected])
    return reply(receipt)


def _submit(
    context: Context, body: bytes, media_type: str
) -> tuple[DecodedBatch, Future[Receipt] | None]:
    batch = decode_batch(body, media_type, context.limits)
    return batch, context.store.submit(batch.batch_id, batch.facts) if batch.facts else None


OPERATIONS: Final = (
    Operation(
        name="take_batch",
        method="POST",
        path="/v1/batches",
        handle=take_batch,
        summary="Store a batch of facts",
        about="The wire format of SDKs (spec/wire.md). A fact that breaks a rule is rejected "
        "alone; one that is stored already is a duplicate and changes nothing. The answer comes "
        "when everything accepted is durable.",
        body=BatchBody,
        body_types=(MSGPACK, JSON),
        answers={200: Receipt},
        refusals=(400, 408, 413, 415, 503),
    ),
)
