"""`xray forget`: runs deleted so that nothing stored tells what they held."""

from __future__ import annotations

import sys
from argparse import ArgumentParser, Namespace
from typing import Final

import msgspec

from xray.cli.connection import open_client
from xray.cli.console import Console, open_console
from xray.cli.terminal import Cell, Column, draw_table, printable, wrap
from xray.errors import ConfigurationError
from xray.model.forgetting import ForgetReport, Progress
from xray.model.sayings import say_number_of

_NOT_FOUND: Final = 1
_COLUMNS: Final = (
    Column("NAME", min_width=12, max_width=60),
    Column("STILL IN", min_width=12, max_width=60),
    Column("RUN"),
    Column("PLACES", is_right=True),
)
_OPTIONS: Final = (
    ("run", "ID", "this run, by its whole id"),
    ("pipeline", "NAME", "every run of the pipeline, and what was usual of its steps"),
    ("correlation", "ID", "every run that has this id in another system"),
    ("candidate", "ID", "every run that decided this candidate, or has a label about it"),
)


def add_arguments(parser: ArgumentParser) -> None:
    """Add the options of `xray forget`."""
    for name, shown, said in _OPTIONS:
        parser.add_argument(
            f"--{name}", metavar=shown, action="append", default=[], help=f"{said}; repeatable"
        )
    parser.add_argument("--dry-run", action="store_true", help="only say which runs they are")
    parser.add_argument(
        "--yes", action="store_true", help="forget without asking; needed where nobody can answer"
    )
    parser.epilog = (
        "Whole runs go, all that any of the names leads to, also those of others in them. Then\n"
        "everything that is stored is looked through for the names, with all that is compressed\n"
        "opened, and of a database file every byte. Backups, exports and what clients have not\n"
        "sent yet cannot be reached; records of a forgotten run are refused when they come.\n"
        "It takes as long as the store is large, and a database file has to be written anew.\n\n"
        "exit codes: 1 where no run was named by that, or a name is still found\n\n"
        "examples:\n"
        "  xray forget --dry-run --candidate customer-4711\n"
        "  xray forget --correlation order-77 --correlation order-78 --yes\n"
        "  xray forget --pipeline experiment_3 --store sqlite:///runs.db --yes --json"
    )


def run(args: Namespace) -> int:
    """Say which runs are meant, forget them if that is wanted, and say what is left."""
    console = open_console(args)
    named = {
        "run_ids": args.run,
        "pipelines": args.pipeline,
        "correlation_ids": args.correlation,
        "candidate_ids": args.candidate,
    }
    if not any(named.values()):
        raise ConfigurationError(
            "Nothing is named that is to be forgotten.",
            hint="Give --run, --pipeline, --correlation or --candidate.",
            code="nothing_named",
        )
    with open_client(args) as client:
        report = client.forget(**named, dry_run=True)
        if not args.dry_run:
            if not args.yes:
                if not args.json:
                    console.write(draw_report(report, console))
                if not _agrees(console, report):
                    return _NOT_FOUND
            report = client.forget(**named, show=lambda one: _show(console, one))
            console.show_progress("")
    if args.json:
        console.write_json(msgspec.json.encode(report))
    else:
        console.write(draw_report(report, console))
    has_traces = report.search is not None and bool(report.search.traces)
    return _NOT_FOUND if has_traces or not report.runs else 0


def _show(console: Console, progress: Progress) -> None:
    of = f" of {progress.total:,}" if progress.total else ""
    done = f": {progress.done:,}{of}" if progress.done else ""
    console.show_progress(f"{progress.stage}{done} …")


def _agrees(console: Console, report: ForgetReport) -> bool:
    if not sys.stdin.isatty():
        raise ConfigurationError(
            "Nobody can be asked whether the runs may be forgotten.",
            hint="Add --yes to forget them, or --dry-run to look only.",
            code="not_confirmed",
        )
    what = say_number_of(report.runs, "run")
    console.err.write(f"Forget {what}? What is forgotten cannot be brought back. [y/N] ")
    console.err.flush()
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def draw_report(report: ForgetReport, console: Console) -> list[str]:
    """The sentence, the runs that are meant or where names are still found, and what is beyond."""
    width = console.terminal.width
    lines = wrap(printable(report.answer), width)
    if report.is_dry and report.run_ids:
        lines += ["", *(f"  {run_id}" for run_id in report.run_ids)]
        if report.runs > len(report.run_ids):
            lines.append(f"  and {report.runs - len(report.run_ids):,} more")
    if report.search is not None and report.search.traces:
        rows = [
            [
                Cell(printable(trace.name)),
                Cell(trace.where + ("" if trace.is_whole else ", within a text")),
                Cell(trace.run_id or ""),
                Cell(f"{trace.count:,}"),
            ]
            for trace in report.search.traces
        ]
        lines += ["", *draw_table(_COLUMNS, rows, console.terminal)]
    if not report.is_dry:
        lines += ["", *wrap(f"Not looked into: {'; '.join(report.out_of_reach)}.", width)]
    return lines
