"""Roster: bytes a candidate at rest, false positives, and how long a merge holds the writer.

The set, the codes of 12 groups of very different size and everything needed to read them count;
the table of what the groups mean is told apart, as it does not grow with the candidates. Ranked
candidates have a rank and a score besides; their scores are drawn from a normal distribution. What
ranks and scores cost the pipeline past the census is the time of `accept(id, score=, rank=)` in a
step that ranks and in one that filters.
"""

from __future__ import annotations

import random
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median

from msgspec.structs import replace

from bench.report import Figure, run_benchmark
from xray import XRay
from xray.model.compact_entries import CompactEntries, compact_entries
from xray.model.facts import (
    MAX_ROSTER_CHUNK_IDS,
    REJECTED,
    Fact,
    OriginRef,
    RosterGroup,
    StepFinished,
    StepRoster,
    Tally,
)
from xray.model.fates import encode_fates
from xray.model.holdings import hash_entries
from xray.model.ids import new_uuid7
from xray.model.ranking import make_ranking
from xray.model.roster import Roster
from xray.model.universe import Universe
from xray.model.vocabulary import StepType
from xray.store.frames import Compressor, Decompressor, DictionarySet
from xray.store.sql.rosters import Rosters
from xray.store.sqlite.connection import connect_writer
from xray.store.sqlite.engine import SqliteStore

_SIZES = (100, 1_000, 8_192, 100_000)
_GROUPS = 12
_MAX_BYTES = 3.0
_MAX_RANKED_BYTES = 6.0
_MAX_MISTAKEN = 1e-5
_MAX_SLICE_MS = 50.0
_STORED_STEPS = 40
_STORED_SIZE = 5_000
_MERGED_SIZE = 100_000
_SEED = 20_261_121


def measure(is_quick: bool) -> Sequence[Figure]:
    """Measure sets in memory, rosters in a database, and the merging of a large one."""
    figures = [_measure_bytes(size, is_ranked=False) for size in _SIZES]
    figures += [_measure_bytes(size, is_ranked=True) for size in _SIZES]
    figures += _measure_speed(_chunk(8_192), "")
    figures += _measure_speed(_rank(_chunk(8_192)), "ranked ")
    figures.append(_measure_verbs(20_000 if is_quick else 100_000))
    figures += _count_mistaken(300_000 if is_quick else 3_000_000)
    with tempfile.TemporaryDirectory(prefix="xray-bench-") as folder:
        figures.append(_measure_file(Path(folder)))
        figures.append(_measure_slices(Path(folder), _MERGED_SIZE if is_quick else 1_000_000))
    return figures


def _chunk(size: int, step_id: str = "", chunk: int = 1, chunks: int = 1) -> StepRoster:
    """Candidates spread over the groups so that each group is about a third of the one before."""
    dice = random.Random(size)
    groups = [
        RosterGroup(REJECTED, f"reason_number_{number}", [OriginRef("stand")], None, [])
        for number in range(_GROUPS)
    ]
    for number in range(chunk - 1, size, chunks):
        groups[min(_GROUPS - 1, int(dice.expovariate(0.4)))].ids.append(f"B0{number:08X}")
    return StepRoster(run_id="", step_id=step_id, chunk=chunk, total=size, groups=groups)


def _rank(chunk: StepRoster) -> StepRoster:
    """The same candidates, ranked by a score."""
    dice = random.Random(chunk.total)
    scores = iter(sorted((dice.gauss(0.5, 0.2) for _ in range(chunk.total)), reverse=True))
    names = sorted(name for group in chunk.groups for name in group.ids)
    places = dict(zip(names, enumerate(scores, 1), strict=True))
    groups = []
    for group in chunk.groups:
        standing = [places[name] for name in group.ids]
        ranks, own = [rank for rank, _ in standing], [score for _, score in standing]
        groups.append(replace(group, ranking=make_ranking(ranks, own)))
    return replace(chunk, groups=groups)


def _measure_bytes(size: int, *, is_ranked: bool) -> Figure:
    chunk = _chunk(size)
    parts = compact_entries(hash_entries(_rank(chunk) if is_ranked else chunk))
    taken = sum(len(data) for _, data in parts)
    kind = "ranked candidates" if is_ranked else "candidates"
    name = f"bytes a candidate, {size:,} {kind} in {_GROUPS} groups"
    return Figure(name, taken / size, _MAX_RANKED_BYTES if is_ranked else _MAX_BYTES, unit="B")


def _measure_speed(chunk: StepRoster, kind: str) -> list[Figure]:
    built: list[float] = []
    for _ in range(7):
        start = time.thread_time()
        hashed = hash_entries(chunk)
        parts = dict(compact_entries(hashed))
        built.append(time.thread_time() - start)
    compact = CompactEntries(hashed.fates, Universe(chunk.total), parts, chunk.total)
    roster = Roster("", "", chunk.total, [compact])
    asked = [name for group in chunk.groups for name in group.ids][:2_000]
    start = time.thread_time()
    roster.find(asked[0])
    first = time.thread_time() - start
    start = time.thread_time()
    found = sum(len(roster.find(name)) for name in asked)
    elapsed = time.thread_time() - start
    if found < len(asked):
        raise AssertionError("a member was not found")
    name = f"build, 8,192 {kind}candidates, a candidate"
    figures = [
        Figure(name, 1e6 * median(built) / chunk.total, unit="µs"),
        Figure(f"first look-up of a {kind}member", 1e6 * first, unit="µs"),
        Figure(f"further look-up of a {kind}member", 1e6 * elapsed / len(asked), unit="µs"),
    ]
    if not kind:
        figures.append(Figure("table of the groups", len(encode_fates(hashed.fates)), unit="B"))
    return figures


def _measure_verbs(rows: int) -> Figure:
    """What rank and score cost a pipeline, by the CPU time of its thread, the end of the step
    included."""
    names = [f"item-{number}" for number in range(rows)]
    client = XRay("bench", sink=NoSink())
    taken: dict[StepType, list[float]] = {"rank": [], "filter": []}
    for _ in range(7):
        for kind, times in taken.items():
            start = time.thread_time()
            with client.run() as run, run.step("step", step_type=kind) as step:
                for rank, name in enumerate(names, 1):
                    step.accept(name, 1 / rank, rank=rank)
            times.append(time.thread_time() - start)
    extra = median(taken["rank"]) - median(taken["filter"])
    name = f"rank and score of a scalar verb, {rows:,} rows, a row"
    return Figure(name, 1e9 * extra / rows, unit="ns")


class NoSink:
    """Drops every fact."""

    def put(self, fact: Fact) -> None:
        """Drop *fact*."""

    def settle_run(self, run_id: str) -> None:
        """Nothing waits."""

    def count_loss(self, cause: str, records: int = 1, decisions: int = 0) -> None:
        """Count nothing."""


def _count_mistaken(probes: int) -> list[Figure]:
    dice = random.Random(_SEED)
    chunk = _chunk(5_000)
    hashed = hash_entries(chunk)
    parts = dict(compact_entries(hashed))
    compact = CompactEntries(hashed.fates, Universe(chunk.total), parts, chunk.total)
    roster = Roster("", "", chunk.total, [compact])
    mistaken = sum(f"stranger-{dice.getrandbits(60)}" in roster for _ in range(probes))
    return [
        Figure("false positives, by construction", roster.mistaken, _MAX_MISTAKEN),
        Figure(f"false positives, counted in {probes:,} strangers", mistaken / probes),
    ]


def _measure_file(folder: Path) -> Figure:
    """What the same steps take in a database with and without their rosters, a candidate."""
    sizes = [_fill(folder / f"{has_rosters}.db", has_rosters) for has_rosters in (False, True)]
    taken = (sizes[1] - sizes[0]) / (_STORED_STEPS * _STORED_SIZE)
    name = f"bytes a candidate in SQLite, {_STORED_SIZE:,} a step, the table of groups included"
    return Figure(name, taken, _MAX_BYTES, unit="B")


def _fill(path: Path, has_rosters: bool) -> int:
    store = SqliteStore(path)
    for number in range(_STORED_STEPS):
        run_id, step_id = new_uuid7(), new_uuid7()
        step = StepFinished(
            run_id=run_id,
            step_id=step_id,
            pipeline="p",
            name="filter",
            step_type="filter",
            ordinal=0,
            started_at_us=number,
            tally=Tally(rejected=_STORED_SIZE),
            roster_chunks=int(has_rosters),
        )
        chunk = _chunk(_STORED_SIZE)
        named = StepRoster(
            run_id=run_id, step_id=step_id, chunk=1, total=chunk.total, groups=chunk.groups
        )
        facts: list[Fact] = [named, step] if has_rosters else [step]
        store.submit(str(number), facts).result()
    store.close()
    return path.stat().st_size


def _measure_slices(folder: Path, size: int) -> Figure:
    """The longest CPU time that one piece of a merge takes of the writer, its commit included."""
    connection = connect_writer(folder / "merged.db")
    plain = Compressor(DictionarySet(0, {}))
    rosters = Rosters(connection, Decompressor(), lambda: plain)
    chunks = -(-size // (MAX_ROSTER_CHUNK_IDS - 1))
    for number in range(chunks):
        connection.execute("begin immediate")
        rosters.add(1, _chunk(size, "s", number + 1, chunks))
        connection.execute("commit")
    longest = 0.0
    while rosters.is_due:
        start = time.thread_time()
        connection.execute("begin immediate")
        rosters.merge_slice()
        connection.execute("commit")
        longest = max(longest, time.thread_time() - start)
    connection.close()
    name = f"longest piece of the merge of {size:,} candidates, CPU"
    return Figure(name, 1e3 * longest, _MAX_SLICE_MS, unit="ms")


if __name__ == "__main__":
    sys.exit(run_benchmark("Measure rosters: size, mistakes, merging.", measure))
