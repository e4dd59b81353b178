"""What a server's answer means for the batch it answers."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from typing import Final

import msgspec
from msgspec import Struct

from xray.delivery.exchange.backoff import parse_retry_after
from xray.delivery.exchange.batches import Batch
from xray.delivery.exchange.transport import Answer
from xray.model.facts import Receipt

_RETRIED: Final = frozenset({408, 425, 429})
_BISECTED: Final = frozenset({400, 422})
_CODE: Final = re.compile(r"[a-z0-9_]{1,64}\Z")
_UNNAMED_CODE: Final = "other"
_PARKING_CODES: Final = frozenset({"unsupported_version"})

_receipt_decoder: Final = msgspec.json.Decoder(Receipt)


class Ruling(Enum):
    """What to do with a batch."""

    SETTLE = "settle"
    KEEP = "keep"
    FOREIGN = "foreign"
    HALVE = "halve"
    BISECT = "bisect"
    PARK = "park"


@dataclass(frozen=True, slots=True)
class Judgement:
    """A ruling with what it rests on.

    Args:
        ruling: what to do.
        problem: why, in a few words; empty for a receipt.
        receipt: for `SETTLE`.
        retry_after_s: for `KEEP`, how long the server asked to be left alone.
        code: the stable code of the server's error, where it named one.
    """

    ruling: Ruling
    problem: str = ""
    receipt: Receipt | None = None
    retry_after_s: float = 0.0
    code: str = _UNNAMED_CODE


class _Problem(Struct):
    code: str = ""


_problem_decoder: Final = msgspec.json.Decoder(_Problem)


def judge(answer: Answer, batch: Batch, wall_us: int) -> Judgement:
    """What *answer* means for *batch*."""
    status = answer.status
    if 200 <= status < 300:
        receipt = _read_receipt(answer, batch)
        if receipt is None:
            return Judgement(Ruling.FOREIGN, f"{status} without an X-Ray receipt")
        return Judgement(Ruling.SETTLE, receipt=receipt)
    problem = f"HTTP {status}"
    code = read_code(answer.body)
    if status in _RETRIED or status >= 500 or status < 200:
        retry_after_s = parse_retry_after(answer.retry_after, wall_us)
        return Judgement(Ruling.KEEP, problem, retry_after_s=retry_after_s, code=code)
    if status == 413:
        return Judgement(Ruling.HALVE, problem, code=code)
    if status in _BISECTED and code not in _PARKING_CODES:
        return Judgement(Ruling.BISECT, problem, code=code)
    return Judgement(Ruling.PARK, problem, code=code)


def _read_receipt(answer: Answer, batch: Batch) -> Receipt | None:
    if not answer.is_complete:
        return None
    try:
        receipt = _receipt_decoder.decode(answer.body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    if receipt.batch_id != batch.batch_id or min(receipt.accepted, receipt.duplicate) < 0:
        return None
    answered = receipt.accepted + receipt.duplicate + len(receipt.rejected)
    return receipt if answered == len(batch.parcels) else None


def read_code(body: bytes) -> str:
    """The stable code in a problem body, or `other`."""
    try:
        return spell_code(_problem_decoder.decode(body).code)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return _UNNAMED_CODE


def spell_code(code: str) -> str:
    """*code* as it may name a cause of loss: a short word, else `other`."""
    return code if _CODE.match(code) else _UNNAMED_CODE
