"""The free-form values of a fact stay encoded; here it is seen to that they can be opened."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import Any, Final

import msgspec
from msgspec import Raw

from xray.model.facts import (
    DecisionRow,
    Fact,
    RunFinished,
    RunPatched,
    RunStarted,
    StepFinished,
    StepRows,
)

# Every container header is one of these bytes; text and numbers may hold them too, so that
# counting them gives an upper bound without a walk.
_NOT_CONTAINERS: Final = bytes(
    byte for byte in range(256) if not (0x80 <= byte <= 0x9F or 0xDC <= byte <= 0xDF)
)
_CONTAINERS: Final = {dict, list}

# How many containers enclose what lies in a fact, in one of its rows, and in a check of that.
_IN_FACT: Final = 1
_IN_ROW: Final = 3
_IN_CHECK: Final = 5
_IN_RESERVOIR: Final = 2

_decoder: Final = msgspec.msgpack.Decoder(list[Any], strict=False)


def values_of(fact: Fact) -> tuple[Raw, ...]:
    """The free-form values of *fact* itself."""
    if isinstance(fact, StepFinished):
        return fact.params, fact.input, fact.output, fact.stats
    if isinstance(fact, RunStarted):
        return fact.input, fact.metadata, fact.params
    if isinstance(fact, (RunFinished, RunPatched)):
        return fact.output, fact.metadata
    return ()


def check_freeform(fact: Fact, max_depth: int) -> None:
    """Raise unless every free-form value in *fact* can be opened.

    Args:
        fact: what was decoded.
        max_depth: of containers within containers, the fact being the first.

    Raises:
        RecursionError: one nests too deeply.
        UnicodeDecodeError: a text in one is not UTF-8.
        msgspec.MsgspecError: one is not msgpack, or has a key that no map can have.
    """
    _check_encoded(values_of(fact), max_depth - _IN_FACT)
    for rows, depth in _rows_of(fact, max_depth):
        _check_encoded([row.attributes for row in rows], depth - _IN_ROW)
        checks = [check for row in rows if row.checks for check in row.checks]
        if checks:
            observed = [check.observed for check in checks]
            _check_depth([*observed, *(check.limit for check in checks)], depth - _IN_CHECK)


def _rows_of(fact: Fact, max_depth: int) -> Iterator[tuple[Sequence[DecisionRow], int]]:
    if isinstance(fact, (StepFinished, StepRows)) and fact.rows:
        yield fact.rows, max_depth
    if isinstance(fact, StepFinished):
        if fact.logged:
            yield fact.logged, max_depth
        for reservoir in fact.reservoirs:
            yield reservoir.rows, max_depth - _IN_RESERVOIR


def _check_encoded(values: Sequence[Raw], max_depth: int) -> None:
    """All of them are opened in one call, as the items of an array."""
    encoded = b"".join((b"\xdd", len(values).to_bytes(4, "big"), *values))
    opened = _decoder.decode(encoded)
    if len(encoded.translate(None, _NOT_CONTAINERS)) - 1 > max_depth:
        _check_depth(opened, max_depth)


def _check_depth(level: Sequence[object], max_depth: int) -> None:
    """Level by level; that there is nothing below is seen without a loop over the values."""
    for _ in range(max_depth):
        if _CONTAINERS.isdisjoint(map(type, level)):
            return
        level = list(chain.from_iterable(map(_items, level)))
    if not _CONTAINERS.isdisjoint(map(type, level)):
        raise RecursionError


def _items(value: object) -> Iterable[object]:
    if type(value) is dict:
        return value.values()
    return value if type(value) is list else ()


def nests_deeper(value: object, max_depth: int) -> bool:
    """Whether *value* has more than *max_depth* containers within containers."""
    try:
        _check_depth([value], max_depth)
    except RecursionError:
        return True
    return False
