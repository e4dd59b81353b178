"""Runs that were not kept, minute by minute, as they lie in the database."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import msgspec

from xray.model.tallies import Tallied
from xray.store.bodies import pack, unpack
from xray.store.frames import Compressor, Decompressor
from xray.store.sql.dims import Dims
from xray.store.sql.driver import Driver
from xray.store.sql.rows import id_bytes
from xray.store.words import PIPELINE

_END_OF_TIME_US: Final = (1 << 63) - 1
_PORTION: Final = 1_000
_encode: Final = msgspec.msgpack.Encoder().encode
_decode: Final = msgspec.msgpack.Decoder(Tallied).decode


def put_tally(connection: Driver, fact: Tallied, dims: Dims, compressor: Compressor) -> bool:
    """Store a tally; False when it is stored already."""
    row = (
        id_bytes(fact.tally_id),
        dims.number(PIPELINE, fact.pipeline),
        fact.minute_us,
        pack(_encode(fact), compressor),
    )
    put = connection.execute(
        "insert into tallies (tally_id, pipeline, minute, data) values (?, ?, ?, ?)"
        " on conflict (tally_id) do nothing",
        row,
    )
    return put.rowcount > 0


def drop_tallies(connection: Driver, pipeline: str) -> None:
    """Forget the runs of *pipeline* that were not kept."""
    connection.execute(
        "delete from tallies where pipeline = (select id from dim where kind = ? and text = ?)",
        (PIPELINE, pipeline),
    )


def number_tallied(connection: Driver) -> dict[int, str]:
    """The pipelines that have tallies, by their numbers."""
    query = (
        "select id, text from dim where kind = ? and exists"
        " (select 1 from tallies where tallies.pipeline = dim.id)"
    )
    return dict(connection.execute(query, (PIPELINE,)).fetchall())


def are_at_most(
    connection: Driver,
    limit: int,
    pipeline: str | None,
    from_us: int,
    to_us: int | None,
) -> bool:
    """Whether there are no more than *limit* tallies of those minutes."""
    where, values = _spell_bounds(pipeline, from_us, to_us)
    query = f"select count(*) from (select 1 from tallies where {where} limit ?) as found"  # noqa: S608
    return int(connection.execute(query, (*values, limit + 1)).fetchone()[0]) <= limit


def load_tallies(
    connection: Driver,
    decompressor: Decompressor,
    pipeline: str | None,
    from_us: int,
    to_us: int | None,
) -> Iterator[Tallied]:
    """The tallies of minutes from *from_us* to before *to_us*, in the order they came.

    Args:
        pipeline: the only pipeline that is wanted; all when absent.
    """
    where, values = _spell_bounds(pipeline, from_us, to_us)
    query = f"select data from tallies where {where} order by seq"  # noqa: S608
    for (data,) in connection.execute(query, values):
        yield _decode(unpack(data, decompressor))


def export_tallies(connection: Driver, decompressor: Decompressor) -> Iterator[Tallied]:
    """Every tally, in the order they came, a portion at a time."""
    query = "select seq, data from tallies where seq > ? order by seq limit ?"
    last = -1
    while rows := connection.execute(query, (last, _PORTION)).fetchall():
        last = rows[-1][0]
        for _, data in rows:
            yield _decode(unpack(data, decompressor))


def _spell_bounds(
    pipeline: str | None, from_us: int, to_us: int | None
) -> tuple[str, tuple[object, ...]]:
    where = "minute >= ? and minute < ?"
    values = (from_us, _END_OF_TIME_US if to_us is None else to_us)
    if pipeline is None:
        return where, values
    named = "pipeline = (select id from dim where kind = ? and text = ?)"
    return f"{where} and {named}", (*values, PIPELINE, pipeline)
