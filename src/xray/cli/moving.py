"""What `xray export` and `xray import` share: naming a store, showing how far it is, answering."""

from __future__ import annotations

import os
from argparse import ArgumentParser, Namespace
from typing import Final

import msgspec

from xray.cli.console import Console, open_console
from xray.cli.terminal import printable, wrap
from xray.errors import ConfigurationError
from xray.model.transfer import Amounts, Transfer

_VARIABLE: Final = "XRAY_STORE"
_DIFFERS: Final = 1
_SAME: Final = 0


def add_store(parser: ArgumentParser, about: str) -> None:
    """Let a command take the URL of a store."""
    parser.add_argument("--store", metavar="URL", help=f"{about} (else {_VARIABLE})")


def find_store(args: Namespace) -> str:
    """The URL of the store that the options or the environment name.

    Raises:
        ConfigurationError: none is named, or it is no store.
    """
    from xray.transfer.transferring import names_store

    url: str = args.store or os.environ.get(_VARIABLE, "")
    if not names_store(url):
        raise ConfigurationError(
            f"{url!r} names no store." if url else "No store is named.",
            hint="Give --store sqlite:///xray.db or --store postgresql://user@host/database.",
            code="unknown_store",
        )
    return url


def move(args: Namespace, source: str, target: str, query: str) -> int:
    """Copy runs, show how far it is, and say what came of it; the exit code."""
    from xray.transfer.transferring import say_amounts, transfer

    console = open_console(args)

    def show(compared: Amounts, runs: int | None) -> None:
        of = "" if runs is None or runs < compared.runs else f" of {runs:,}"
        console.show_progress(f"{say_amounts(compared)}{of and ' (' + of[1:] + ' runs)'} so far …")

    try:
        moved = transfer(source, target, query, show)
    except KeyboardInterrupt:
        console.show_progress("")
        console.note("Stopped. The same command goes on from here.")
        raise
    console.show_progress("")
    if args.json:
        console.write_json(msgspec.json.encode(moved))
    else:
        console.write(draw_transfer(moved, console))
    return _DIFFERS if moved.differing else _SAME


def draw_transfer(moved: Transfer, console: Console) -> list[str]:
    """The sentence, and the records that differ."""
    lines = wrap(printable(moved.answer), console.terminal.width)
    for sentence in moved.left_behind:
        lines += wrap(printable(sentence), console.terminal.width)
    for difference in moved.differences:
        of_run = "" if difference.run_id is None else f" of run {difference.run_id}"
        lines.append(f"  {printable(difference.record)}{of_run}: {printable(difference.detail)}")
    if moved.differing > len(moved.differences):
        lines.append(f"  … and {moved.differing - len(moved.differences):,} more")
    return lines
