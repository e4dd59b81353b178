"""Which schema a database has and what leads to this version's: the answer of `xray migrate`."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from xray.model.sayings import say_number_of


class Migration(Struct, frozen=True):
    """One step from a schema to the next.

    Args:
        version: the schema version it leads to.
        tables: the tables it makes or changes.
    """

    version: int
    tables: list[str]


class MigrationReport(Struct, frozen=True, kw_only=True):
    """The schema of a database.

    Args:
        answer: one sentence.
        version: the schema version it has.
        latest: the one that this version of X-Ray works with.
        due: the migrations that lead there and were not run.
        done: those that were run by this call.
    """

    answer: str
    version: int
    latest: int
    due: list[Migration] = []
    done: list[Migration] = []


def report_schema(version: int, latest: int, due: Sequence[Migration]) -> MigrationReport:
    """What is due."""
    has = f"The database has schema version {version}" if version else "The database has no schema"
    if not due:
        told = f"{has}, which is the latest; nothing is due."
    else:
        are = "is" if len(due) == 1 else "are"
        told = f"{has}; {say_number_of(len(due), 'migration')} {are} due to version {latest}."
    return MigrationReport(answer=told, version=version, latest=latest, due=list(due))


def report_migrated(version: int, latest: int, done: Sequence[Migration]) -> MigrationReport:
    """What was done; nothing where another process was sooner."""
    if not done:
        return report_schema(latest, latest, [])
    was = "was" if len(done) == 1 else "were"
    came = f"from version {version}" if version else "from nothing"
    told = f"{say_number_of(len(done), 'migration')} {was} run, {came} to version {latest}."
    return MigrationReport(answer=told, version=latest, latest=latest, done=list(done))
