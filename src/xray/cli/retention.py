"""`xray retention`: which runs are not kept any longer, and deleting them."""

from __future__ import annotations

import os
import sys
from argparse import ArgumentParser, Namespace
from typing import Final

import msgspec

from xray.cli.connection import open_client
from xray.cli.console import Console, open_console
from xray.cli.terminal import Cell, Column, draw_table, printable, wrap
from xray.cli.wording import say_when
from xray.client import Client
from xray.errors import ConfigurationError
from xray.local import LocalClient
from xray.model.retention_report import RetentionReport
from xray.model.sayings import say_number_of

_VARIABLE: Final = "XRAY_RETENTION"
_COLUMNS: Final = (
    Column("RULE", min_width=20, max_width=100),
    Column("RUNS", is_right=True),
    Column("OLDEST", drop_order=1),
)


def add_arguments(parser: ArgumentParser) -> None:
    """Add the options of `xray retention`."""
    parser.add_argument(
        "--rules",
        metavar="RULES",
        help=f"other rules than the server's own; of a file those of {_VARIABLE} hold else",
    )
    parser.add_argument("--dry-run", action="store_true", help="only say what would be deleted")
    parser.add_argument(
        "--yes", action="store_true", help="delete without asking; needed where nobody can answer"
    )
    parser.epilog = (
        "Rules are separated by semicolons; of each run the first that is about it decides, and\n"
        "a run that none is about is kept. Ages are counted from the start of a run.\n"
        f"A server that was given {_VARIABLE} follows it every hour by itself.\n"
        "Deleted are runs with their steps, decisions and labels. What was usual of steps\n"
        "(xray baselines) stays.\n\n"
        "examples:\n"
        "  xray retention --dry-run\n"
        "  xray retention --dry-run --rules \"keep 90d where status = 'failed'; keep 14d\"\n"
        '  xray retention --yes --rules "keep forever where exists(label); keep 14d; keep 50GB"\n'
        "  XRAY_RETENTION='keep 14d' xray serve"
    )


def run(args: Namespace) -> int:
    """Say what expired, and delete it if that is wanted."""
    console = open_console(args)
    with open_client(args) as client:
        rules = args.rules
        if rules is None and isinstance(client, LocalClient):
            rules = os.environ.get(_VARIABLE, "")
        report = client.retention(rules)
        is_due = report.expired > 0 or _is_too_large(report)
        if is_due and not args.dry_run:
            if not args.json:
                console.write(draw_report(report, console))
            if not args.yes and not _agrees(console, report):
                return 1
            report = _let_expire(client, rules, console)
    if args.json:
        console.write_json(msgspec.json.encode(report))
    else:
        console.write(draw_report(report, console))
    return 0


def _let_expire(client: Client, rules: str | None, console: Console) -> RetentionReport:
    removed = 0
    while True:
        report = client.let_expire(rules)
        removed += report.removed
        if report.is_complete:
            console.show_progress("")
            return msgspec.structs.replace(report, removed=removed)
        console.show_progress(f"{say_number_of(removed, 'run')} deleted so far …")


def _agrees(console: Console, report: RetentionReport) -> bool:
    if not sys.stdin.isatty():
        raise ConfigurationError(
            "Nobody can be asked whether the runs may be deleted.",
            hint="Add --yes to delete them, or --dry-run to look only.",
            code="not_confirmed",
        )
    what = say_number_of(report.expired, "run") if report.expired else "the oldest runs"
    console.err.write(f"Delete {what}? What is deleted cannot be brought back. [y/N] ")
    console.err.flush()
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def _is_too_large(report: RetentionReport) -> bool:
    return None not in (report.max_bytes, report.size_bytes) and (
        (report.size_bytes or 0) > (report.max_bytes or 0)
    )


def draw_report(report: RetentionReport, console: Console) -> list[str]:
    """The sentence, and the runs that each rule lets go."""
    lines = wrap(printable(report.answer), console.terminal.width)
    if not report.rules:
        return lines
    rows = [
        [
            Cell(printable(rule.rule)),
            Cell(f"{rule.runs:,}", "yellow" if rule.runs else "dim"),
            Cell("" if rule.oldest is None else say_when(rule.oldest, console.now)),
        ]
        for rule in report.rules
    ]
    return [*lines, "", *draw_table(_COLUMNS, rows, console.terminal)]
