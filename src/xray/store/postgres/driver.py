"""A psycopg connection as the shared code uses it, with X-Ray's forms of text, numbers and JSON."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any

import psycopg
from psycopg.adapt import Buffer, Loader
from psycopg.types.numeric import Int8Dumper
from psycopg.types.string import StrDumperUnknown

from xray.store.postgres.text import escape_text, restore_json, restore_text
from xray.store.sql.driver import Rows

Connection = psycopg.Connection[tuple[Any, ...]]


class _TextDumper(StrDumperUnknown):
    def dump(self, obj: str) -> Buffer:
        return escape_text(obj.encode())


class _TextLoader(Loader):
    def load(self, data: Buffer) -> str:
        return restore_text(bytes(data)).decode()


class _JsonLoader(Loader):
    def load(self, data: Buffer) -> str:
        return restore_json(bytes(data).decode())


def adapt(connection: Connection) -> None:
    """Let *connection* take and give text, whole numbers and JSON as they are stored."""
    adapters = connection.adapters
    adapters.register_dumper(str, _TextDumper)
    # A number has the same type whatever its size, so that arithmetic does not overflow.
    adapters.register_dumper(int, Int8Dumper)
    for name in ("text", "varchar"):
        adapters.register_loader(name, _TextLoader)
    adapters.register_loader("jsonb", _JsonLoader)


class PostgresDriver:
    """Runs statements whose values are marked with `?`.

    Args:
        connection: a connection that `adapt` prepared.
    """

    def __init__(self, connection: Connection) -> None:
        self.connection = connection

    def execute(self, query: str, values: Sequence[Any] = (), /) -> Rows:
        """Run one statement."""
        return self.connection.execute(mark_values(query), values)

    def executemany(self, query: str, rows: Iterable[Sequence[Any]], /) -> Rows:
        """Run one statement for each of *rows*."""
        cursor = self.connection.cursor()
        listed = list(rows)
        if listed:
            cursor.executemany(mark_values(query), listed)
        return cursor

    def copy(self, table: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
        """Add *rows* to a table all at once."""
        listed = list(rows)
        if not listed:
            return
        statement = f"copy {table} ({', '.join(columns)}) from stdin"
        with self.connection.cursor() as cursor, cursor.copy(statement.encode()) as copying:
            for row in listed:
                copying.write_row(row)


@lru_cache(maxsize=1024)
def mark_values(query: str) -> bytes:
    """*query* as psycopg takes it, which marks values with `%s`."""
    return query.replace("%", "%%").replace("?", "%s").encode()
