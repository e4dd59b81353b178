"""Fates: what many candidates of a step have in common, written once and named by a code."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec
from msgspec import Struct

from xray.model.facts import OriginRef, RosterFate, RosterGroup
from xray.model.vocabulary import VERDICTS, Verdict


class Fate(Struct, array_like=True, frozen=True):
    """What became of some candidates of a step, by what they have in common.

    Args:
        verdict: `REJECTED`, `ACCEPTED` or `SELECTED`.
        reason: a short code to group by.
        origin: what brought them.
        by: the query or left record they were decided for.
    """

    verdict: int
    reason: str | None = None
    origin: tuple[OriginRef, ...] = ()
    by: str | None = None

    @classmethod
    def of(cls, told: RosterGroup | RosterFate) -> Fate:
        """The fate that a fact tells of some candidates."""
        return cls(told.verdict, told.reason, tuple(told.origin or ()), told.by)

    @property
    def decision(self) -> Verdict:
        """The verdict as a word."""
        return VERDICTS[self.verdict]


class FateTable:
    """Numbers the different fates of a roster while it is put together."""

    def __init__(self) -> None:
        self._codes: dict[Fate, int] = {}

    @property
    def fates(self) -> list[Fate]:
        """The fates so far, by code."""
        return list(self._codes)

    def code(self, fate: Fate) -> int:
        """The code of *fate*."""
        return self._codes.setdefault(fate, len(self._codes))


_fates_decoder: Final = msgspec.msgpack.Decoder(list[Fate])


def encode_fates(fates: Sequence[Fate]) -> bytes:
    """The table of a roster's fates as bytes."""
    return msgspec.msgpack.encode(fates)


def decode_fates(payload: bytes) -> list[Fate]:
    """The table that `encode_fates` wrote."""
    return _fates_decoder.decode(payload)
