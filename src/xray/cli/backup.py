"""`xray backup FILE`: a copy of a database file, taken while it is written."""

from __future__ import annotations

import os
from argparse import ArgumentParser, Namespace
from pathlib import Path

import msgspec

from xray.cli.connection import resolve_url
from xray.cli.console import open_console
from xray.cli.terminal import printable, wrap
from xray.errors import ConfigurationError
from xray.model.sayings import say_bytes, say_number_of
from xray.wire.address import find_file, names_file


def add_arguments(parser: ArgumentParser) -> None:
    """Add the options of `xray backup`."""
    parser.usage = "xray backup --store sqlite:///runs.db FILE"
    parser.add_argument("file", metavar="FILE", help="the copy; there must be no such file")
    parser.epilog = (
        "The copy shows one moment, and is checked before it gets its name. Whoever writes the\n"
        "database goes on meanwhile, also a server on this machine. To go back to a copy, stop\n"
        "the server and start it with the copy: xray serve --store sqlite:///FILE.\n\n"
        "examples:\n"
        "  xray backup --store sqlite:///xray.db xray-$(date +%F).db\n"
        "  xray runs --store sqlite:///xray-2026-01-31.db"
    )


def run(args: Namespace) -> int:
    """Copy a database file."""
    from xray.store.opening import back_up

    console = open_console(args)
    url = resolve_url(args, os.environ).value or ""
    if not names_file(url):
        raise ConfigurationError(
            "No database file is named.",
            hint="Name the one that the server keeps: --store sqlite:///xray.db",
            code="no_such_store",
        )
    backup = back_up(
        url,
        Path(args.file),
        lambda size: console.show_progress(f"{say_bytes(size)} copied so far …"),
    )
    console.show_progress("")
    if args.json:
        console.write_json(msgspec.json.encode(backup))
        return 0
    said = (
        f"{printable(args.file)} holds {say_number_of(backup.runs, 'run')} with "
        f"{say_number_of(backup.steps, 'step')} of "
        f"{find_file(url)} in {say_bytes(backup.size_bytes)}, and was checked."
    )
    console.write(wrap(said, console.terminal.width))
    return 0
