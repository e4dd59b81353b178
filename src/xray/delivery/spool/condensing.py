"""What remains of records when there is no room for all: counts and choices before candidates."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from msgspec.structs import replace

from xray.delivery.queue import Parcel, count_decisions
from xray.errors import XRayError
from xray.model.counts import resolve_rows, tally_rows
from xray.model.facts import SELECTED, StepFinished, StepRoster, StepRows
from xray.wire.codec import decode_fact, encode_fact

_DROPPED: Final = "dropped_rows"


def condense(parcels: Iterable[Parcel]) -> list[Parcel]:
    """*parcels* without the candidates that were not selected; every step keeps exact counts."""
    return [kept for parcel in parcels if (kept := _condense(parcel)) is not None]


def _condense(parcel: Parcel) -> Parcel | None:
    if not parcel.decisions:
        return parcel
    try:
        fact = decode_fact(parcel.encoded)
    except XRayError:
        return parcel
    if isinstance(fact, (StepRows, StepRoster)):
        return None
    if not isinstance(fact, StepFinished) or (fact.tally is None and fact.chunks):
        return parcel
    rows = [row for row in fact.rows if row.verdict == SELECTED]
    logged = [row for row in fact.logged if row.verdict == SELECTED]
    dropped = count_decisions(fact) - len(rows) - len(logged)
    if not dropped:
        return parcel
    condensed = replace(
        fact,
        rows=rows,
        logged=logged,
        reservoirs=[],
        chunks=0,
        roster_chunks=0,
        tally=fact.tally or tally_rows(*resolve_rows(fact.rows)),
        omissions={**fact.omissions, _DROPPED: fact.omissions.get(_DROPPED, 0) + dropped},
    )
    return Parcel(parcel.number, encode_fact(condensed), len(rows) + len(logged))
