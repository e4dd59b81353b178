"""`xray import`: runs into a store, from a folder that an export wrote or from another store."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from xray.cli.moving import add_store, find_store, move


def add_arguments(parser: ArgumentParser) -> None:
    """Add the options of `xray import`."""
    parser.usage = "xray import --store URL FOLDER|URL"
    parser.add_argument(
        "source", metavar="FOLDER|URL", help="a folder that xray export wrote, or another store"
    )
    add_store(parser, "the store that takes the runs; made when it does not exist")
    parser.epilog = (
        "What is in the store already stays as it is and is not doubled; the same command goes on\n"
        "where it was stopped. Every record is read again on both sides and compared; the exit\n"
        "code is 1 where one differs. A SQLite file is written by one process: stop its server.\n\n"
        "examples:\n"
        "  xray import --store sqlite:///xray.db archive\n"
        "  xray import --store postgresql://xray@db.example.org/xray sqlite:///xray.db"
    )


def run(args: Namespace) -> int:
    """Copy runs and say what was compared."""
    return move(args, args.source, find_store(args), "")
