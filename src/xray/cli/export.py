"""`xray export`: the runs of a store into another store, or into a folder of Parquet files."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from xray.cli.connection import add_run_query
from xray.cli.moving import add_store, find_store, move


def add_arguments(parser: ArgumentParser) -> None:
    """Add the options of `xray export`."""
    parser.usage = "xray export --store URL --to FOLDER|URL [QUERY]"
    add_run_query(parser)
    add_store(parser, "the store whose runs are copied")
    parser.add_argument(
        "--to",
        required=True,
        metavar="FOLDER|URL",
        help="a folder for Parquet files, or another store",
    )
    parser.epilog = (
        "Every record is read again on both sides and compared; the exit code is 1 where one\n"
        "differs. The same command goes on where it was stopped, and copies nothing twice. A\n"
        "server may go on writing meanwhile. Without a query, tallies and labels that wait for\n"
        "their runs go along. Parquet files are read by DuckDB, Spark, pandas and polars, and\n"
        "by xray import (docs/export.md says what is in them).\n\n"
        "examples:\n"
        "  xray export --store sqlite:///xray.db --to archive\n"
        "  xray export --store sqlite:///xray.db --to failed \"status = 'failed'\"\n"
        "  xray export --store sqlite:///xray.db --to postgresql://xray@db.example.org/xray"
    )


def run(args: Namespace) -> int:
    """Copy runs and say what was compared."""
    return move(args, find_store(args), args.to, args.query)
