"""From two names to runs copied: stores by their URLs, folders of Parquet files by their paths."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from xray.errors import ConfigurationError
from xray.model.addresses import without_password
from xray.model.clock import SystemClock
from xray.model.sayings import say_number_of
from xray.model.transfer import Amounts, Transfer
from xray.store.opening import open_store, open_view
from xray.store.protocol import Store
from xray.transfer.copying import Books, copy_runs, count_lost_days
from xray.transfer.sources import Source, StoreSource
from xray.wire.address import check_file, names_database, names_file

Show = Callable[[Amounts, int | None], None]
"""Is told what was compared so far, and how many runs there are in all, where that is known."""


def names_store(place: str) -> bool:
    """Whether *place* is the URL of a store, not the path of a folder."""
    return names_file(place) or names_database(place)


def transfer(source: str, target: str, query: str = "", show: Show = lambda *_: None) -> Transfer:
    """Copy the runs of *source* that meet *query* into *target*, and compare every record.

    Whoever writes the two goes on meanwhile, but for a SQLite file as target, which one process
    at a time writes. The same call goes on where an earlier one was stopped.

    Args:
        source: the URL of a store, or a folder that an export wrote.
        target: the URL of a store, or a folder for Parquet files; made when it does not exist.
        query: which runs; all, and what is known besides, where it is empty.
        show: is told how far it is.

    Raises:
        ConfigurationError: a place cannot be meant, or a package is not installed.
        InvalidQueryError: *query* is none.
        StoreError: a place cannot be opened, or failed.
    """
    for place in (source, target):
        if "://" in place and not names_store(place):
            raise ConfigurationError(
                f"{without_password(place)!r} is neither a store nor a folder.",
                hint="Name sqlite:///xray.db, postgresql://user@host/database, or a folder.",
                code="unknown_store",
            )
    if _resolve(source) == _resolve(target):
        raise ConfigurationError(
            f"{without_password(source)} is named twice.", hint="Name two different places."
        )
    if not names_store(target):
        return describe(source, target, _export(source, Path(target), query, show))
    with _opened_source(source, query) as opened, _opened_store(target) as store:
        count = opened.count_runs()
        books = copy_runs(opened, store, lambda amounts: show(amounts, count))
        left_behind = _list_left(opened, store, books)
    return describe(source, target, books, left_behind)


def _list_left(source: Source, target: Store, books: Books) -> list[str]:
    if not isinstance(source, StoreSource) or not source.is_whole:
        return []
    days = count_lost_days(source.store, target, sorted(books.pipelines))
    if not days:
        return []
    said = f"What was usual on {say_number_of(days, 'day')} of a pipeline rests also on steps whose"
    return [f"{said} runs were deleted since; that stays behind."]


def _export(source: str, folder: Path, query: str, show: Show) -> Books:
    if not names_store(source):
        raise ConfigurationError(
            f"{source} is a folder already.", hint="Name a store: --store sqlite:///xray.db"
        )
    with _required_packages():
        from xray.transfer.parquet.folder import export_folder
    with _opened_view(source) as store:
        return export_folder(
            store,
            folder,
            source=without_password(_resolve(source)),
            query=query.strip(),
            now_us=SystemClock().wall_us(),
            show=show,
        )


def _resolve(place: str) -> str:
    if names_file(place):
        return check_file(place)
    return place if names_store(place) else os.path.realpath(place)


@contextmanager
def _opened_source(place: str, query: str) -> Iterator[Source]:
    if not names_store(place):
        with _required_packages():
            from xray.transfer.parquet.folder import FolderSource
        yield FolderSource(Path(place))
        return
    with _opened_view(place) as store:
        yield StoreSource(store, query, SystemClock().wall_us())


@contextmanager
def _opened_view(url: str) -> Iterator[Store]:
    """The store at *url* for whoever only asks."""
    store = open_view(check_file(url) if names_file(url) else url)
    try:
        yield store
    finally:
        store.close()


@contextmanager
def _opened_store(url: str) -> Iterator[Store]:
    store = open_store(check_file(url) if names_file(url) else url)
    try:
        yield store
    finally:
        store.close()


@contextmanager
def _required_packages() -> Iterator[None]:
    try:
        yield
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "pyarrow":
            raise
        raise ConfigurationError(
            "Parquet files need the package pyarrow, which is not installed.",
            hint="Run: pip install 'xray-forensics[server,parquet]'",
            code="missing_extra",
        ) from error


def describe(source: str, target: str, books: Books, left_behind: Sequence[str] = ()) -> Transfer:
    """What came of it, with a sentence."""
    compared = books.compared
    said = f"{say_amounts(compared)} of {without_password(source)}"
    said += " are" if compared.total != 1 else " is"
    said += f" in {without_password(target)}"
    if books.already:
        said += f" ({say_number_of(books.already, 'run')} had been there before)"
    if books.differing:
        said += f", but {say_number_of(books.differing, 'record')}"
        said += " of these differs." if books.differing == 1 else " of these differ."
    else:
        said += "; each was read again on both sides and is the same."
    return Transfer(
        answer=said,
        source=without_password(source),
        target=without_password(target),
        compared=compared,
        already=books.already,
        differences=books.differences,
        differing=books.differing,
        left_behind=list(left_behind),
    )


def say_amounts(amounts: Amounts) -> str:
    """How many records, in words: the runs, and what else there is."""
    kinds = (
        (amounts.steps, "step"),
        (amounts.decisions, "decision"),
        (amounts.candidates, "candidate of a roster"),
        (amounts.labels, "label"),
        (amounts.tallies, "tally"),
    )
    parts = [say_number_of(amounts.runs, "run")]
    parts += [_say_number_of(count, noun) for count, noun in kinds if count]
    if len(parts) == 1:
        return parts[0]
    return f"{', '.join(parts[:-1])} and {parts[-1]}"


def _say_number_of(count: int, noun: str) -> str:
    plurals = {"candidate of a roster": "candidates of rosters", "tally": "tallies"}
    if count != 1 and noun in plurals:
        return f"{count:,} {plurals[noun]}"
    return say_number_of(count, noun)
