"""`xray migrate`: a database brought to the schema of this version."""

from __future__ import annotations

import os
from argparse import ArgumentParser, Namespace

import msgspec

from xray.cli.console import open_console
from xray.cli.terminal import printable, wrap
from xray.model.addresses import without_password
from xray.server.settings import read_settings


def add_arguments(parser: ArgumentParser) -> None:
    """Add the options of `xray migrate`."""
    parser.usage = "xray migrate [options]"
    parser.add_argument(
        "--store", metavar="URL", help="the database (else XRAY_STORE, as `xray serve`)"
    )
    parser.add_argument("--dry-run", action="store_true", help="only say which are due")
    parser.epilog = (
        "Migrations lead forward only; a database that a later version wrote is refused. Copy it\n"
        "before (`xray backup`, pg_dump): an earlier version will not open it afterwards.\n"
        "`xray serve` runs what is due by itself when it starts. Of a database file that a server\n"
        "holds the server has to be stopped first; of PostgreSQL one process at a time migrates,\n"
        "all in one transaction, and the others wait.\n\n"
        "examples:\n"
        "  xray migrate --dry-run\n"
        "  xray migrate --store sqlite:////var/lib/xray.db\n"
        "  XRAY_STORE=postgresql://xray@db/xray xray migrate --json"
    )


def run(args: Namespace) -> int:
    """Say what is due, and run it if that is wanted."""
    from xray.store.opening import migrate

    console = open_console(args)
    store = read_settings(os.environ, store=args.store).store
    report = migrate(
        store,
        lambda one: console.show_progress(f"migrating to version {one.version} …"),
        is_dry=args.dry_run,
    )
    console.show_progress("")
    if args.json:
        console.write_json(msgspec.json.encode(report))
        return 0
    said = f"{printable(without_password(store))}: {report.answer}"
    console.write(wrap(said, console.terminal.width))
    for one in (*report.due, *report.done):
        console.write([f"  {one.version:>4}  {', '.join(one.tables)}"])
    return 0
