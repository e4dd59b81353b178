"""Rosters in the database: chunks as they come, one compact set once all of them came.

A roster that comes in one chunk is a compact set at once. Of several, each chunk waits under its
whole hashes, where lookups find it, until the last has come; then they are merged, a bounded piece
of work at a time between two commits. Until the merged set is complete nobody reads it, so a stop
in between costs no more than to begin again.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final

from xray.model.compact import Part, encode_part
from xray.model.compact_entries import CompactEntries, compact_entries
from xray.model.facts import StepRoster
from xray.model.fates import Fate, FateTable, decode_fates, encode_fates
from xray.model.hashing import hash64
from xray.model.holdings import Entries, HashedEntries, hash_entries
from xray.model.roster import Roster
from xray.model.stored_facts import HashedRoster, PackedRoster
from xray.model.universe import Universe
from xray.store.bodies import pack, unpack
from xray.store.folding import check_roster_chunk
from xray.store.frames import Compressor, Decompressor
from xray.store.sql.driver import Driver

ID_BITS: Final = 12
"""The number of a chunk or a part is its step's, shifted by this many bits, plus its own."""

_PART_MASK: Final = (1 << ID_BITS) - 1
PIECE_BITS: Final = 8
_PIECE_BYTES: Final = 2024
"""Four such rows fill a page of the database; one row a part would leave much of its last empty."""

_WAITING: Final = 0
_DUE: Final = 1
_MERGED: Final = 2
_DONE: Final = 3
# Spelled out as in the index, which SQLite does not use for a parameter.
_SELECT_DUE: Final = "select seq from rosters where state in (1, 2) order by seq"
_CHUNKS_PER_SLICE: Final = 8
_PARTS_PER_PASS: Final = 32
_PUT_ROSTER: Final = (
    "insert into rosters (seq, total, held, state, received, fates) values (?, ?, ?, ?, ?, ?)"
    " on conflict (seq) do update set total = excluded.total, held = excluded.held,"
    " state = excluded.state, received = excluded.received, fates = excluded.fates"
)
_PUT_PIECE: Final = (
    "insert into roster_parts (id, data) values (?, ?)"
    " on conflict (id) do update set data = excluded.data"
)
_PUT_CHUNK: Final = "insert into roster_chunks (id, fates, data) values (?, ?, ?)"


class Rosters:
    """Writes rosters; used by the writer alone.

    Args:
        connection: the writer's connection.
        decompressor: opens the tables of fates.
        compressor: gives what compresses them at the time.
    """

    def __init__(
        self,
        connection: Driver,
        decompressor: Decompressor,
        compressor: Callable[[], Compressor],
    ) -> None:
        self._connection = connection
        self._decompressor = decompressor
        self._compressor = compressor
        due = connection.execute(_SELECT_DUE).fetchall()
        self._due = deque([seq for (seq,) in due])
        self._work: Iterator[None] | None = None
        self._merging = 0

    def add(self, seq: int, fact: StepRoster | HashedRoster) -> bool:
        """Keep a chunk of the roster of step number *seq*; False when it is kept already.

        Raises:
            InvalidRecordError: it contradicts the chunks before it.
        """
        total, held, received, is_whole = self._known(seq) or (fact.total, 0, 0, False)
        if received >> fact.chunk & 1:
            return False
        check_roster_chunk(fact, total, held)
        if is_whole:
            # A chunk for which there is room then names nobody.
            query = "update rosters set received = ? where seq = ?"
            self._connection.execute(query, (_pack_mask(received | 1 << fact.chunk), seq))
            return True
        holding = hash_entries(fact) if isinstance(fact, StepRoster) else fact.open()
        held += fact.size
        received |= 1 << fact.chunk
        state, fates = _WAITING, b""
        if fact.size == total:
            self._put_parts(seq, compact_entries(holding))
            state, fates = _DONE, self._pack(holding.fates)
        else:
            chunk_id = seq << ID_BITS | fact.chunk
            chunk = (chunk_id, self._pack(holding.fates), holding.encode())
            self._connection.execute(_PUT_CHUNK, chunk)
            if held == total:
                state = _DUE
                self._due.append(seq)
        row = (seq, total, held, state, _pack_mask(received), fates)
        self._connection.execute(_PUT_ROSTER, row)
        return True

    def add_packed(self, seq: int, fact: PackedRoster) -> bool:
        """Keep the whole roster of step number *seq*; False when it is kept already."""
        query = "select state from rosters where seq = ?"
        found = self._connection.execute(query, (seq,)).fetchone()
        if found is not None:
            if found[0] != _WAITING:
                return False
            query = "delete from roster_chunks where id between ? and ?"
            self._connection.execute(query, id_range(seq))
        self._put_parts(seq, iter(fact.parts.items()))
        packed = (seq, fact.total, fact.total, _DONE, fact.chunks, self._pack(fact.fates))
        self._connection.execute(_PUT_ROSTER, packed)
        return True

    def _known(self, seq: int) -> tuple[int, int, int, bool] | None:
        query = "select total, held, received, state from rosters where seq = ?"
        found = self._connection.execute(query, (seq,)).fetchone()
        if found is None:
            return None
        total, held, received, state = found
        return total, held, int.from_bytes(received, "little"), state != _WAITING

    def _pack(self, fates: Sequence[Fate]) -> bytes:
        return pack(encode_fates(fates), self._compressor())

    def _put_parts(self, seq: int, parts: Iterator[tuple[int, bytes]]) -> None:
        rows = [
            ((seq << ID_BITS | part) << PIECE_BITS | number, piece)
            for part, data in parts
            for number, piece in enumerate(cut_pieces(data))
        ]
        self._connection.executemany(_PUT_PIECE, rows)

    def leave_due(self) -> None:
        """Leave what is to be merged to another process, or to a later one."""
        self._due.clear()

    @property
    def is_due(self) -> bool:
        """Whether there is something to merge."""
        return self._work is not None or bool(self._due)

    def merge_slice(self) -> None:
        """Do a piece of the merging that is due, within a transaction."""
        if self._work is None:
            self._merging = self._due.popleft()
            self._work = self._merge(self._merging)
        for _ in self._work:
            return
        self._work = None

    def forget(self, seqs: Iterable[int]) -> None:
        """Steps were deleted: what is due of theirs is not due any more."""
        gone = set(seqs)
        if self._merging in gone:
            self._work = None
        if not gone.isdisjoint(self._due):
            self._due = deque(seq for seq in self._due if seq not in gone)

    def _merge(self, seq: int) -> Iterator[None]:
        """Merge the chunks of one roster; between two steps of it the transaction may end."""
        query = "select total, state from rosters where seq = ?"
        total, state = self._connection.execute(query, (seq,)).fetchone() or (0, _DONE)
        chunk_ids = [
            row[0]
            for row in self._connection.execute(
                "select id from roster_chunks where id between ? and ?", id_range(seq)
            )
        ]
        if state == _DUE:
            table = FateTable()
            codes: dict[int, list[int]] = {}
            for some in _slices(chunk_ids):
                for chunk_id, data in self._read("fates", some):
                    fates = decode_fates(unpack(data, self._decompressor))
                    codes[chunk_id] = [table.code(fate) for fate in fates]
                yield
            universe = Universe(total)
            for first in range(0, universe.part_count, _PARTS_PER_PASS):
                parts = range(first, min(first + _PARTS_PER_PASS, universe.part_count))
                yield from self._merge_parts(seq, universe, parts, codes, len(table.fates))
            self._connection.execute(
                "update rosters set state = ?, fates = ? where seq = ?",
                (_MERGED, self._pack(table.fates), seq),
            )
            state = _MERGED
            yield
        if state == _MERGED:
            for some in _slices(chunk_ids):
                marks = ", ".join("?" * len(some))
                query = f"delete from roster_chunks where id in ({marks})"  # noqa: S608
                self._connection.execute(query, some)
                yield
            query = "update rosters set state = ? where seq = ?"
            self._connection.execute(query, (_DONE, seq))

    def _merge_parts(
        self,
        seq: int,
        universe: Universe,
        parts: Sequence[int],
        codes: dict[int, list[int]],
        code_count: int,
    ) -> Iterator[None]:
        bounds = [(universe.part_start(part), universe.part_start(part + 1)) for part in parts]
        gathered = [Entries([], []) for _ in parts]
        for some in _slices(list(codes)):
            for chunk_id, data in self._read("data", some):
                holding = HashedEntries.decode((), data)
                for entries, (start, beyond) in zip(gathered, bounds, strict=True):
                    entries.add(holding.between(start, beyond, codes[chunk_id]))
            yield
        for part, entries in zip(parts, gathered, strict=True):
            if entries.coded:
                entries.sort()
                data = encode_part(universe, part, entries.coded, code_count, entries.places)
                self._put_parts(seq, iter([(part, data)]))
                yield

    def _read(self, column: str, chunk_ids: Sequence[int]) -> list[tuple[int, bytes]]:
        marks = ", ".join("?" * len(chunk_ids))
        query = f"select id, {column} from roster_chunks where id in ({marks})"  # noqa: S608
        return self._connection.execute(query, chunk_ids).fetchall()


def _pack_mask(received: int) -> bytes:
    return received.to_bytes(-(-received.bit_length() // 8), "little")


def _slices(chunk_ids: Sequence[int]) -> Iterator[Sequence[int]]:
    for start in range(0, len(chunk_ids), _CHUNKS_PER_SLICE):
        yield chunk_ids[start : start + _CHUNKS_PER_SLICE]


def cut_pieces(data: bytes) -> list[bytes]:
    """*data* in pieces of which four fill a page; the last takes what no further piece can."""
    last = min((len(data) - 1) // _PIECE_BYTES, (1 << PIECE_BITS) - 1)
    starts = range(0, last * _PIECE_BYTES, _PIECE_BYTES)
    return [*(data[at : at + _PIECE_BYTES] for at in starts), data[last * _PIECE_BYTES :]]


def _load_parts(connection: Driver, seq: int, part: int | None = None) -> dict[int, bytes]:
    bounds = part_range(seq)
    if part is not None:
        first = (id_range(seq)[0] + part) << PIECE_BITS
        bounds = (first, first + (1 << PIECE_BITS) - 1)
    query = "select id, data from roster_parts where id between ? and ? order by id"
    pieces: dict[int, list[bytes]] = {}
    for piece_id, piece in connection.execute(query, bounds):
        pieces.setdefault(piece_id >> PIECE_BITS & _PART_MASK, []).append(piece)
    return {part: b"".join(cut) for part, cut in pieces.items()}


def id_range(seq: int) -> tuple[int, int]:
    """The first and last number that a chunk or part of step number *seq* can have."""
    return seq << ID_BITS, (seq + 1 << ID_BITS) - 1


def part_range(seq: int) -> tuple[int, int]:
    """The first and last number that a piece of a part of step number *seq* can have."""
    first, last = id_range(seq)
    return first << PIECE_BITS, (last + 1 << PIECE_BITS) - 1


def load_roster(
    connection: Driver,
    seq: int,
    decompressor: Decompressor,
    *,
    step_id: str,
    run_id: str,
    candidate_id: str | None = None,
) -> Roster | None:
    """The roster of step number *seq*, or None when nothing of it came.

    Args:
        connection: a reader's connection.
        seq: the step's number.
        decompressor: opens the table of fates.
        step_id: the step's id.
        run_id: its run's id.
        candidate_id: the only candidate it is to be asked about; any when absent.
    """
    query = "select total, held, state, fates from rosters where seq = ?"
    found = connection.execute(query, (seq,)).fetchone()
    if found is None:
        return None
    total, held, state, fates = found
    if state in (_MERGED, _DONE):
        table = decode_fates(unpack(fates, decompressor))
        universe = Universe(total)
        part = None if candidate_id is None else universe.place(hash64(candidate_id))[0]
        parts = _load_parts(connection, seq, part)
        compact = CompactEntries(table, universe, parts, held)
        return Roster(step_id, run_id, total, [compact])
    query = "select fates, data from roster_chunks where id between ? and ?"
    chunks = connection.execute(query, id_range(seq))
    waiting = [
        HashedEntries.decode(decode_fates(unpack(fates, decompressor)), data)
        for fates, data in chunks
    ]
    return Roster(step_id, run_id, total, waiting)


def export_roster(
    connection: Driver, seq: int, decompressor: Decompressor, *, step_id: str, run_id: str
) -> Iterator[HashedRoster | PackedRoster]:
    """The roster of step number *seq* as another store takes it; nothing where none came.

    Args:
        connection: a reader's connection.
        seq: the step's number.
        decompressor: opens tables of fates.
        step_id: the step's id.
        run_id: its run's id.
    """
    query = "select total, state, received, fates from rosters where seq = ?"
    found = connection.execute(query, (seq,)).fetchone()
    if found is None:
        return
    total, state, received, fates = found
    if state in (_MERGED, _DONE):
        yield PackedRoster(
            run_id=run_id,
            step_id=step_id,
            total=total,
            chunks=bytes(received),
            fates=decode_fates(unpack(fates, decompressor)),
            parts=_load_parts(connection, seq),
        )
        return
    query = "select id from roster_chunks where id between ? and ? order by id"
    chunk_ids = [row[0] for row in connection.execute(query, id_range(seq)).fetchall()]
    query = "select fates, data from roster_chunks where id = ?"
    for chunk_id in chunk_ids:
        fates, data = connection.execute(query, (chunk_id,)).fetchone()
        yield HashedRoster(
            run_id=run_id,
            step_id=step_id,
            chunk=chunk_id & _PART_MASK,
            total=total,
            fates=decode_fates(unpack(fates, decompressor)),
            entries=data,
        )


def is_named(connection: Driver, seq: int, candidate_id: str) -> bool:
    """Whether the roster of step number *seq* holds the candidate, or one that looks like it."""
    query = "select total, state from rosters where seq = ?"
    found = connection.execute(query, (seq,)).fetchone()
    if found is None:
        return False
    total, state = found
    if state in (_MERGED, _DONE):
        universe, hashed = Universe(total), hash64(candidate_id)
        part, number = universe.place(hashed)
        return any(
            Part(universe, part, data).find(number, hashed, hashed)
            for data in _load_parts(connection, seq, part).values()
        )
    query = "select data from roster_chunks where id between ? and ?"
    chunks = connection.execute(query, id_range(seq))
    return any(HashedEntries.decode((), data).find(candidate_id) for (data,) in chunks)


def are_few(connection: Driver, most: int) -> bool:
    """Whether the database holds at most that many rosters."""
    query = "select count(*) from (select 1 from rosters limit ?) as found"
    (found,) = connection.execute(query, (most + 1,)).fetchone()
    return int(found) <= most


def count_named(connection: Driver, seqs: Sequence[int]) -> dict[int, int]:
    """How many candidates the roster of each of *seqs* names, where all of it came."""
    marks = ", ".join("?" * len(seqs))
    query = f"select seq, total from rosters where held = total and seq in ({marks})"  # noqa: S608
    return dict(connection.execute(query, seqs).fetchall())
