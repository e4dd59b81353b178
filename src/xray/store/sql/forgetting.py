"""Runs forgotten: taken out so that nothing that is stored tells what they held.

Deleting rows is not enough. Texts that only they used stay in `dim`, their candidates' hashes in
the index, what they added in the baselines, and pieces of them may stand in the dictionaries that
every compressed frame needs. So dictionaries are trained anew on what is left, every frame is
written again with them, and what nothing refers to is swept up. Only a hash of a forgotten run's id
stays, by which what comes of it later is known and refused.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import AbstractContextManager
from typing import Final

import msgspec

from xray.model.forgetting import Forgotten, Progress
from xray.store.blocks import recompress_block
from xray.store.bodies import recompress
from xray.store.frames import Compressor, Decompressor, DictionarySet, Samples
from xray.store.sql.baselines import drop_baselines
from xray.store.sql.driver import Driver
from xray.store.sql.payloads import sample_payloads
from xray.store.sql.postings import Postings
from xray.store.sql.removal import Removal
from xray.store.sql.tallies import drop_tallies

_SLICE_ROWS: Final = 200
_BODIES: Final = (
    ("run_facts", "id", "data"),
    ("step_bodies", "seq", "data"),
    ("tallies", "seq", "data"),
    ("rosters", "seq", "fates"),
    ("roster_chunks", "id", "fates"),
)
_NAMED_BY: Final = (
    ("runs", ("pipeline", "repository", "version", "environment", "params")),
    ("steps", ("pipeline", "name")),
    ("tallies", ("pipeline",)),
    ("baselines", ("pipeline", "name")),
)
_decode_numbers: Final = msgspec.msgpack.Decoder(list[int]).decode


class Forgetting(Removal):
    """Runs that are to be forgotten, a slice at a time between two commits.

    Args:
        run_ids: the runs; of those that are not stored nothing is taken later.
        pipelines: what was usual of their steps goes too, and their tallies.
        show: is told how far it is.
    """

    def __init__(
        self, run_ids: Sequence[str], pipelines: Sequence[str], show: Callable[[Progress], None]
    ) -> None:
        super().__init__(run_ids)
        self.forgotten: Future[Forgotten] = Future()
        self.forgotten.set_running_or_notify_cancel()
        self.pipelines = pipelines
        self.show = show
        self.is_compact = True
        self.problem = ""
        self._take_leave: Callable[[bytes, int | None], None] = lambda *_: None

    def begin(self, take_leave: Callable[[bytes, int | None], None]) -> None:
        """Say what is to be done before a run goes."""
        self._take_leave = take_leave

    def take_leave(self, raw: bytes, seq: int | None) -> None:
        """Do what is to be done before a run goes, in the transaction that deletes it."""
        self._take_leave(raw, seq)

    def fail(self, error: Exception) -> None:
        """Tell who waits that it could not be done."""
        self.forgotten.set_exception(error)

    def finish(self) -> None:
        """Tell who waits that nothing is left."""
        removed = self.removed
        self.forgotten.set_result(
            Forgotten(removed.runs, removed.steps, self.is_compact, self.problem)
        )


def train_anew(
    connection: Driver, decompressor: Decompressor, generation: int, enough_bytes: int
) -> DictionarySet:
    """Dictionaries for what is stored, under a number of their own; without any for too little.

    Args:
        connection: the writer's.
        decompressor: opens what is stored.
        generation: their number.
        enough_bytes: how much of decision bodies makes training worth while.
    """
    samples = Samples(enough_bytes)
    sample_payloads(connection, decompressor, samples)
    trained = samples.train(generation) if samples.is_enough else DictionarySet(generation, {})
    # A generation is known by its rows, also one that has nothing to give.
    return trained if trained.by_kind else DictionarySet(generation, {0: b""})


def rewrite_frames(
    connection: Driver,
    transaction: Callable[[], AbstractContextManager[object]],
    compressor: Compressor,
    decompressor: Decompressor,
    show: Callable[[Progress], None],
    *,
    held: str = "",
) -> Iterator[None]:
    """Write every frame again that other dictionaries were used for, a slice at a time.

    Args:
        connection: the writer's.
        transaction: begins one and ends it.
        compressor: makes the frames.
        decompressor: opens the old ones.
        show: is told how far it is.
        held: what keeps others from changing rows that were read, where there are others.
    """

    def rewrite(table: str, key: str, column: str, span: tuple[int, int]) -> tuple[int | None, int]:
        rows = connection.execute(
            f"select {key}, {column} from {table} where {key} > ? and {key} <= ?"  # noqa: S608
            f" order by {key} limit {_SLICE_ROWS}{held}",
            span,
        ).fetchall()
        again = recompress_block if table == "blocks" else recompress
        changed = [
            (frame, number)
            for number, data in rows
            if (frame := again(data, compressor, decompressor)) is not None
        ]
        connection.executemany(
            f"update {table} set {column} = ? where {key} = ?",  # noqa: S608
            changed,
        )
        return (rows[-1][0] if len(rows) == _SLICE_ROWS else None), len(rows)

    done = 0
    for table, key, column in (*_BODIES, ("blocks", "id", "data")):
        # What comes from here on has the new dictionaries, and nobody waits for its end.
        (last,) = connection.execute(f"select max({key}) from {table}").fetchone()  # noqa: S608
        after: int | None = -1
        while after is not None:
            with transaction():
                after, count = rewrite(table, key, column, (after, last or 0))
            done += count
            show(Progress("rewriting", done))
            yield


def drop_generations(connection: Driver, generation: int) -> None:
    """Delete every dictionary but those of *generation*."""
    connection.execute("delete from codec_dict where generation <> ?", (generation,))


def sweep_postings(
    postings: Postings,
    transaction: Callable[[], AbstractContextManager[object]],
    show: Callable[[Progress], None],
) -> Iterator[None]:
    """Leave every step that is gone out of the candidate index."""
    windows = postings.windows()
    for place, window in enumerate(windows):
        show(Progress("sweeping", place, len(windows)))
        for segment in postings.segments_of(window):
            with transaction():
                postings.sweep(window, segment, is_thorough=True)
            yield


def drop_pipelines(connection: Driver, pipelines: Iterable[str]) -> None:
    """Forget what is known of *pipelines* beside their runs."""
    for pipeline in pipelines:
        drop_tallies(connection, pipeline)
        drop_baselines(connection, pipeline)


def sweep_texts(connection: Driver) -> None:
    """Delete texts that nothing refers to, and ids in other systems that lead to no run."""
    connection.execute(
        "delete from correlated where not exists (select 1 from runs where runs.seq = run)"
    )
    used: set[int] = set()
    for table, columns in _NAMED_BY:
        for column in columns:
            found = connection.execute(f"select distinct {column} from {table}")  # noqa: S608
            used.update(number for (number,) in found if number is not None)
    for (brief,) in connection.execute("select distinct brief from steps where brief is not null"):
        # Nothing at all is 0, or empty where a column holds bytes alone.
        numbers = _decode_numbers(brief) if isinstance(brief, bytes) and brief else []
        used.update((*numbers[:2], *numbers[2::2]))
    known = connection.execute("select id from dim").fetchall()
    unused = [(number,) for (number,) in known if number not in used]
    connection.executemany("delete from dim where id = ?", unused)
