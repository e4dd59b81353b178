"""The schema of a database file: which it has, and bringing it up to date when nobody writes it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from xray.errors import StoreError
from xray.model.migration import Migration, MigrationReport, report_migrated, report_schema
from xray.store.scripts import list_due, read_scripts
from xray.store.sqlite.connection import (
    FileLock,
    connect_to_migrate,
    migrate,
    read_version,
    translated_errors,
)


def migrate_file(
    path: Path, show: Callable[[Migration], None], *, is_dry: bool = False
) -> MigrationReport:
    """Run the migrations that are due to the database file *path*, each in a transaction.

    Args:
        path: the file.
        show: is told each migration before it is run.
        is_dry: only say which are due.

    Raises:
        StoreError: there is no such file, it is no X-Ray database, a later version made it, or
            another process writes it while something is due.
    """
    if not path.is_file():
        raise StoreError(
            f"There is no database {path}.",
            hint="`xray serve` makes one.",
            code="no_such_store",
        )
    scripts = read_scripts("xray.store.sqlite")
    with translated_errors(), closing(connect_to_migrate(path)) as connection:
        version = read_version(connection)
    due = list_due(scripts, version)
    # Nothing is written where nothing is due, so a server that has the file is no obstacle.
    if is_dry or not due:
        return report_schema(version, len(scripts), due)
    lock = FileLock(path)
    try:
        with translated_errors(), closing(connect_to_migrate(path)) as connection:
            due = list_due(scripts, read_version(connection))
            for one in due:
                show(one)
                migrate(connection, one.version)
    finally:
        lock.release()
    return report_migrated(version, len(scripts), due)
