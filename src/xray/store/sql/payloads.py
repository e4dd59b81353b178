"""Blocks, bodies and dictionaries as they lie in the tables."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from xray.store.blocks import BLOCK_BITS, Block
from xray.store.bodies import decode_run, unpack
from xray.store.folding import RunFold
from xray.store.frames import BODY, HEAD, STEP, Decompressor, DictionarySet, Samples
from xray.store.sql.driver import Driver

_SAMPLED_PAGES: Final = 50
_SAMPLED_ROWS: Final = 100
_LAST: Final = (1 << 63) - 1


def load_dictionaries(connection: Driver) -> list[DictionarySet]:
    """Every generation in the database, oldest first."""
    rows = connection.execute("select generation, kind, data from codec_dict order by 1, 2")
    sets: dict[int, DictionarySet] = {}
    for generation, kind, data in rows:
        sets.setdefault(generation, DictionarySet(generation, {})).by_kind[kind] = data
    return list(sets.values())


def save_dictionaries(connection: Driver, dictionaries: DictionarySet) -> None:
    """Keep a generation; a frame that names it may be written once this is committed."""
    connection.executemany(
        "insert into codec_dict (generation, kind, data) values (?, ?, ?)",
        [(dictionaries.generation, kind, data) for kind, data in dictionaries.by_kind.items()],
    )


def sample_payloads(connection: Driver, decompressor: Decompressor, samples: Samples) -> None:
    """Give *samples* the payloads of what came last, until they have enough."""
    for table, key in (("step_bodies", "seq"), ("run_facts", "id")):
        for data in _newest(connection, table, key):
            samples.add_all(STEP, [unpack(data, decompressor)])
            if samples.has_enough(STEP):
                break
    for data in _newest(connection, "blocks", "id"):
        draft = Block(0, data, decompressor).draft()
        samples.add_all(HEAD, [draft.head])
        samples.add_all(BODY, [draft.body])
        if samples.has_enough(BODY):
            return


def _newest(connection: Driver, table: str, key: str) -> Iterator[bytes]:
    """What the last rows of *table* hold, a few at a time: some drivers hold all they ask for."""
    before = _LAST
    for _ in range(_SAMPLED_PAGES):
        rows = connection.execute(
            f"select {key}, data from {table} where {key} < ?"  # noqa: S608
            f" order by {key} desc limit {_SAMPLED_ROWS}",
            (before,),
        ).fetchall()
        if not rows:
            return
        for _, data in rows:
            yield data
        before = rows[-1][0]


def block_range(seq: int) -> tuple[int, int]:
    """The ids of a step's blocks: first and last possible."""
    return seq << BLOCK_BITS, (seq + 1 << BLOCK_BITS) - 1


def load_blocks(connection: Driver, seq: int, decompressor: Decompressor) -> list[Block]:
    """The blocks of a step, in the order of its chunks."""
    rows = connection.execute(
        "select chunk, data from blocks where id between ? and ? order by chunk, part",
        block_range(seq),
    )
    return [Block(chunk, data, decompressor) for chunk, data in rows]


def load_run(connection: Driver, seq: int, decompressor: Decompressor) -> RunFold:
    """What is stored of one run."""
    rows = connection.execute(
        "select id & 3, data from run_facts where id between ? and ?", (seq << 2, seq << 2 | 3)
    )
    return decode_run({kind: unpack(data, decompressor) for kind, data in rows})
