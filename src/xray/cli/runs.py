"""`xray runs`: a table of runs."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from typing import Final

from xray.cli.connection import add_filters, open_client, read_filters
from xray.cli.console import Console, note_rest, open_console
from xray.cli.terminal import Cell, Column, Style, Terminal, draw_table, printable
from xray.cli.wording import say_duration, say_value, say_when, shorten_ids
from xray.client import read_runs
from xray.model.records import Run
from xray.model.vocabulary import RunStatus

_COLUMNS: Final = (
    Column("RUN"),
    Column("PIPELINE", min_width=12, max_width=40),
    Column("STATUS"),
    Column("WHEN", drop_order=2),
    Column("TOOK", is_right=True, drop_order=3),
    Column("OUTPUT", min_width=12, max_width=60, drop_order=4),
)
STATUS_STYLES: Final[dict[RunStatus, Style]] = {
    "completed": "green",
    "failed": "red",
    "cancelled": "yellow",
    "abandoned": "yellow",
    "running": "cyan",
}


def add_arguments(parser: ArgumentParser) -> None:
    """Add the options of `xray runs`."""
    parser.usage = "xray runs [options] [KEY=VALUE ...]"
    add_filters(parser, "duration_gt=5000, tag=nightly, metadata.user=ann")
    parser.epilog = (
        "examples:\n"
        "  xray runs --pipeline search --status failed\n"
        "  xray runs duration_gt=5000 environment=production --limit 100"
    )


def run(args: Namespace) -> int:
    """List runs."""
    parameters = read_filters(args)
    console = open_console(args)
    with open_client(args) as client:
        body = client.get("/v1/runs", parameters)
    if args.json:
        console.write_json(body)
        return 0
    page = read_runs(body)
    console.write(draw_runs(page.items, console))
    note_rest(page, console, "runs")
    return 0


def draw_runs(runs: list[Run], console: Console) -> list[str]:
    """The table of *runs*; nothing when there are none."""
    if not runs:
        return []
    ids = shorten_ids([run.run_id for run in runs])
    rows = [_row(run, ids[run.run_id], console, console.terminal) for run in runs]
    return draw_table(_COLUMNS, rows, console.terminal)


def _row(run: Run, short_id: str, console: Console, terminal: Terminal) -> list[Cell]:
    return [
        Cell(short_id, "cyan"),
        Cell(printable(run.pipeline)),
        Cell(run.status, STATUS_STYLES[run.status]),
        Cell(say_when(run.started_at, console.now)),
        Cell(say_duration(run.duration_ms)),
        Cell(say_value(run.output, terminal)),
    ]
