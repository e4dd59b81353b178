"""What servers remember of one database, and how they learn that it was taken back.

Every transaction that writes holds the upkeep together with others and compares its epoch with the
one it knows. Who takes something back holds it alone, so that nobody writes meanwhile what refers
to it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, NamedTuple

import psycopg

from xray.model.baseline import sum_usual
from xray.store.frames import Decompressor, DictionarySet
from xray.store.postgres.connection import translate_error
from xray.store.postgres.driver import PostgresDriver
from xray.store.sql.baselines import decode_usual, encode_usual
from xray.store.sql.payloads import load_dictionaries

TIDYING_LOCK: Final = 0x58526179_04
"""Held by whoever merges or rewrites what is stored."""
_LOCK: Final = 0x58526179_05
_HOLD_TOGETHER: Final = (
    f"select pg_advisory_xact_lock_shared({_LOCK}); "  # noqa: S608
    "select epoch, generation from upkeep"
)
_TABLES: Final = (
    "dim", "codec_dict", "run_ids", "step_ids", "runs", "run_facts", "steps", "step_bodies",
    "blocks", "cand_seg", "cand_post", "rosters", "roster_chunks", "roster_parts", "tallies",
    "step_stats", "baselines", "labels", "waiting_labels", "correlated",
)  # fmt: skip
_SCATTERED: Final = (
    "select day, pipeline, name, step_type from baselines"
    " group by day, pipeline, name, step_type having count(*) > ? limit 100"
)
_TAKE: Final = (
    "delete from baselines where day = ? and pipeline = ? and name = ? and step_type = ?"
    " returning usual"
)
_PUT: Final = "insert into baselines (day, pipeline, name, step_type, usual) values (?, ?, ?, ?, ?)"


class Upkeep(NamedTuple):
    """How often something was taken back, and which dictionaries are to be used."""

    epoch: int
    generation: int


def hold_together(driver: PostgresDriver) -> Upkeep:
    """Let nobody take anything back until the transaction is over."""
    # Two statements: the second must see what was committed while the first waited.
    cursor = driver.connection.execute(_HOLD_TOGETHER.encode())
    cursor.nextset()
    found = cursor.fetchone()
    assert found is not None
    return Upkeep(*found)


def load_newest(driver: PostgresDriver, decompressor: Decompressor) -> DictionarySet:
    """The dictionaries that are to be used; all there are become known to *decompressor*."""
    ((generation,),) = driver.execute("select generation from upkeep").fetchall()
    newest = DictionarySet(0, {})
    for one in load_dictionaries(driver):
        decompressor.add(one)
        if one.generation == generation:
            newest = one
    return newest


@contextmanager
def held_alone(driver: PostgresDriver, generation: int | None = None) -> Iterator[None]:
    """A transaction in which nobody else writes, and after which all look again.

    Args:
        driver: the writer's connection.
        generation: whose dictionaries are to be used from then on; as before when absent.
    """
    with driver.connection.transaction():
        driver.execute("select pg_advisory_xact_lock(?)", (_LOCK,))
        yield
        driver.execute(
            "update upkeep set epoch = epoch + 1, generation = coalesce(?, generation)",
            (generation,),
        )


@contextmanager
def tidying(driver: PostgresDriver) -> Iterator[None]:
    """Within it nobody else merges or rewrites what is stored."""
    driver.execute("select pg_advisory_lock(?)", (TIDYING_LOCK,))
    try:
        yield
    finally:
        if not driver.connection.closed:
            driver.execute("select pg_advisory_unlock(?)", (TIDYING_LOCK,))


def merge_scattered(driver: PostgresDriver, most: int) -> bool:
    """Merge some of the baselines that lie in more than *most* rows; whether there were any."""
    found = driver.execute(_SCATTERED, (most,)).fetchall()
    for key in found:
        taken = driver.execute(_TAKE, key).fetchall()
        usual = sum_usual(decode_usual(data) for (data,) in taken)
        if not usual.is_empty:
            driver.execute(_PUT, (*key, encode_usual(usual)))
    return bool(found)


def compact(driver: PostgresDriver) -> str:
    """Write every table anew, so that no page holds a row that was deleted.

    Returns:
        What is left to be done, a sentence; empty where nothing is.
    """
    try:
        for table in _TABLES:
            # The planner's statistics hold values of columns too.
            driver.connection.execute(f"vacuum (full, analyze) {table}".encode())
    except psycopg.Error as error:
        why = translate_error(error).detail.rstrip(".")
        return (
            "Rows that were deleted still lie in pages of PostgreSQL, since its tables could"
            f" not be written anew ({why}): ask again, or run VACUUM FULL."
        )
    return ""
