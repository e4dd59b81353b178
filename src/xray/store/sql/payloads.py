"""Blocks, bodies and dictionaries as they lie in the tables."""

from __future__ import annotations

from typing import Final

from xray.store.blocks import BLOCK_BITS, Block
from xray.store.bodies import decode_run, unpack
from xray.store.folding import RunFold
from xray.store.frames import BODY, HEAD, STEP, Decompressor, DictionarySet, Samples
from xray.store.sql.driver import Driver

_SAMPLED_ROWS: Final = 3_000


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
    """Give *samples* the payloads of what came last, as far as they take them."""
    # Of each payload a sample takes 64 KiB at most, and of all together what makes it enough.
    for table, key in (("step_bodies", "seq"), ("run_facts", "id")):
        query = f"select data from {table} order by {key} desc limit {_SAMPLED_ROWS}"  # noqa: S608
        for (data,) in connection.execute(query).fetchall():
            samples.add_all(STEP, [unpack(data, decompressor)])
    query = f"select data from blocks order by id desc limit {_SAMPLED_ROWS}"  # noqa: S608
    for (data,) in connection.execute(query).fetchall():
        draft = Block(0, data, decompressor).draft()
        samples.add_all(HEAD, [draft.head])
        samples.add_all(BODY, [draft.body])


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
