"""The tables of a folder: their columns, and how one is written and read a row group at a time."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from xray.errors import StoreError

_TEXT: Final = pa.string()
_WHOLE: Final = pa.int64()
_REAL: Final = pa.float64()
_MOMENT: Final = pa.timestamp("us", tz="UTC")
_BYTES: Final = pa.binary()

SCHEMAS: Final[Mapping[str, pa.Schema]] = {
    "runs": pa.schema(
        [
            ("run_id", _TEXT), ("pipeline", _TEXT), ("status", _TEXT), ("started_at", _MOMENT),
            ("duration_ms", _REAL), ("input", _TEXT), ("output", _TEXT), ("error", _TEXT),
            ("metadata", _TEXT), ("params", _TEXT), ("tags", pa.list_(_TEXT)),
            ("correlation", _TEXT), ("repository", _TEXT), ("version", _TEXT),
            ("environment", _TEXT), ("key", _TEXT), ("attempt", _WHOLE), ("weight", _REAL),
            ("kept_for", _TEXT), ("omissions", _TEXT), ("code", _TEXT), ("label", _TEXT),
            ("record", _BYTES),
        ]
    ),
    "steps": pa.schema(
        [
            ("run_id", _TEXT), ("step_id", _TEXT), ("pipeline", _TEXT), ("name", _TEXT),
            ("step_type", _TEXT), ("declared_type", _TEXT), ("status", _TEXT),
            ("ordinal", _WHOLE), ("attempt", _WHOLE), ("parent_step_id", _TEXT),
            ("takes", pa.list_(_TEXT)),
            ("started_at", _MOMENT), ("duration_ms", _REAL), ("capture", _TEXT),
            ("coverage", _TEXT), ("input_count", _WHOLE), ("output_count", _WHOLE),
            ("rejected", _WHOLE), ("accepted", _WHOLE), ("selected", _WHOLE),
            ("rejection_rate", _REAL), ("rate_basis", _TEXT), ("score", _REAL),
            ("reasons", _TEXT), ("params", _TEXT), ("input", _TEXT), ("output", _TEXT),
            ("stats", _TEXT), ("error", _TEXT), ("omissions", _TEXT), ("code", _TEXT),
            ("record", _BYTES),
        ]
    ),
    "decisions": pa.schema(
        [
            ("run_id", _TEXT), ("step_id", _TEXT), ("kind", _TEXT), ("chunk", _WHOLE),
            ("position", _WHOLE), ("reservoir", _WHOLE), ("weight", _REAL), ("decision", _TEXT),
            ("candidate_id", _TEXT), ("reason", _TEXT), ("reasoning", _TEXT), ("score", _REAL),
            ("scores", _TEXT), ("rank", _WHOLE), ("rank_before", _WHOLE), ("attributes", _TEXT),
            ("origin", _TEXT), ("checks", _TEXT), ("by", _TEXT), ("part_of", _TEXT),
            ("merged_into", _TEXT), ("is_anonymous", pa.bool_()), ("record", _BYTES),
        ]
    ),
    "rosters": pa.schema(
        [
            ("run_id", _TEXT), ("step_id", _TEXT), ("hash", pa.uint64()), ("decision", _TEXT),
            ("reason", _TEXT), ("by", _TEXT), ("origin", _TEXT), ("rank", _WHOLE),
            ("score", _REAL), ("fate", _WHOLE), ("place", pa.uint64()),
        ]
    ),
    "labels": pa.schema(
        [
            ("label_id", _TEXT), ("run_id", _TEXT), ("candidate_id", _TEXT), ("label", _TEXT),
            ("note", _TEXT), ("labelled_by", _TEXT), ("labelled_at", _MOMENT),
        ]
    ),
    "tallies": pa.schema(
        [
            ("tally_id", _TEXT), ("pipeline", _TEXT), ("minute", _MOMENT),
            ("environment", _TEXT), ("version", _TEXT), ("runs", _WHOLE), ("statuses", _TEXT),
            ("steps", _TEXT), ("record", _BYTES),
        ]
    ),
    "contents": pa.schema(
        [
            ("run_id", _TEXT), ("kind", _TEXT), ("step_id", _TEXT), ("chunk", _WHOLE),
            ("rows", _WHOLE), ("total", _WHOLE), ("chunks", _BYTES), ("fates", _BYTES),
        ]
    ),
}  # fmt: skip
"""The columns of each table. `contents` lists what the others hold, in the order of a store."""

_GROUP_ROWS: Final = 16_384
_GROUP_BYTES: Final = 32 << 20
_READ_ROWS: Final = 4_096
_UNREADABLE: Final = (pa.ArrowException, OSError, ValueError)


class TableWriter:
    """Writes one table, a row group as soon as there is one.

    Args:
        path: the file, which only its owner may read.
        table: which table.
    """

    def __init__(self, path: Path, table: str) -> None:
        self.row_count = 0
        self._schema = SCHEMAS[table]
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        self._file = os.fdopen(descriptor, "wb")
        self._writer = pq.ParquetWriter(
            self._file, self._schema, compression="zstd", write_page_checksum=True
        )
        self._begin()

    def _begin(self) -> None:
        self._rows: list[tuple[Any, ...]] = []
        self._bytes = 0

    def add(self, row: tuple[Any, ...], size: int = 0) -> None:
        """Add a row: a value for each column, and how many bytes the large ones have."""
        self._rows.append(row)
        self._bytes += size
        self.row_count += 1
        if len(self._rows) >= _GROUP_ROWS or self._bytes >= _GROUP_BYTES:
            self._flush()

    def _flush(self) -> None:
        columns = zip(*self._rows, strict=True)
        arrays = [
            pa.array(column, field.type)
            for column, field in zip(columns, self._schema, strict=True)
        ]
        self._writer.write_table(pa.Table.from_arrays(arrays, schema=self._schema))
        self._begin()

    def close(self) -> None:
        """Write what is left; it is on disk then."""
        if self._rows:
            self._flush()
        self._writer.close()
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()

    def abandon(self) -> None:
        """Close the file, whatever is in it."""
        self._file.close()


class TableReader:
    """Reads the rows of one table in turn.

    Args:
        path: the file.
        columns: those that are wanted.
    """

    def __init__(self, path: Path, columns: Sequence[str]) -> None:
        self._path = path
        self._columns = columns
        self._rows = self._read()

    def _read(self) -> Iterator[tuple[Any, ...]]:
        try:
            with pq.ParquetFile(self._path, page_checksum_verification=True) as opened:
                batches = opened.iter_batches(_READ_ROWS, columns=list(self._columns))
                for batch in batches:
                    lists = [_list_values(batch.column(name)) for name in self._columns]
                    yield from zip(*lists, strict=True)
        except _UNREADABLE as error:
            raise unreadable(self._path, error) from error

    def take(self, count: int) -> list[tuple[Any, ...]]:
        """The next *count* rows."""
        return list(self.walk(count))

    def walk(self, count: int) -> Iterator[tuple[Any, ...]]:
        """The next *count* rows, one after the other."""
        for _ in range(count):
            row = next(self._rows, None)
            if row is None:
                raise StoreError(
                    f"{self._path} has fewer rows than its folder says.",
                    hint="Export again into another folder.",
                    code="not_whole",
                )
            yield row

    def rest(self) -> Iterator[tuple[Any, ...]]:
        """All rows that are left."""
        return self._rows


def _list_values(column: pa.Array) -> Iterable[Any]:
    if pa.types.is_timestamp(column.type):
        column = column.cast(pa.int64())
    values: list[Any] = column.to_pylist()
    return values


def count_rows(path: Path) -> int:
    """How many rows a file has.

    Raises:
        StoreError: it is no Parquet file.
    """
    try:
        return int(pq.read_metadata(path).num_rows)
    except _UNREADABLE as error:
        raise unreadable(path, error) from error


def unreadable(path: Path, error: Exception) -> StoreError:
    """The error for a file that cannot be read."""
    reason = str(error).partition("\n")[0] or type(error).__name__
    return StoreError(
        f"{path} cannot be read: {reason}",
        hint="Bring the folder back as it was exported, or export again.",
        code="not_whole",
    )
