"""Runs that were forgotten, by a hash of their ids: what comes of them later is refused."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from xray.model.forgetting import hash_run
from xray.store.sql.driver import Driver

_IDS_PER_LOOKUP: Final = 500


def note_forgotten(connection: Driver, raw: bytes) -> None:
    """Let nothing be recorded of a run any more."""
    connection.execute(
        "insert into forgotten (id, is_clean) values (?, 0)"
        " on conflict (id) do update set is_clean = 0",
        (hash_run(raw),),
    )


def find_forgotten(connection: Driver, raws: Iterable[bytes]) -> set[bytes]:
    """Those of some runs that were forgotten."""
    hashes = {hash_run(raw): raw for raw in raws}
    found: set[bytes] = set()
    listed = list(hashes)
    for start in range(0, len(listed), _IDS_PER_LOOKUP):
        some = listed[start : start + _IDS_PER_LOOKUP]
        marks = ", ".join("?" * len(some))
        query = f"select id from forgotten where id in ({marks})"  # noqa: S608
        found.update(hashes[hashed] for (hashed,) in connection.execute(query, some))
    return found


def has_forgotten(connection: Driver) -> bool:
    """Whether any run was forgotten."""
    query = "select exists (select 1 from forgotten)"
    return bool(connection.execute(query).fetchone()[0])


def owes_sweeping(connection: Driver) -> bool:
    """Whether runs were forgotten and what they left is not swept up: that was interrupted."""
    query = "select exists (select 1 from forgotten where is_clean = 0)"
    return bool(connection.execute(query).fetchone()[0])


def note_swept(connection: Driver) -> None:
    """Note that nothing is left of any run that was forgotten."""
    connection.execute("update forgotten set is_clean = 1 where is_clean = 0")
