"""`xray runs`: a table of runs."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from typing import Final

from xray.cli.connection import add_names
from xray.cli.console import Console
from xray.cli.labels import LABEL_STYLES
from xray.cli.listing import Listing, add_listing
from xray.cli.terminal import Cell, Column, Style, Terminal, draw_table, printable
from xray.cli.wording import say_duration, say_value, say_when, shorten_ids
from xray.model.records import Run
from xray.model.vocabulary import RunStatus
from xray.replies import read_runs

_COLUMNS: Final = (
    Column("RUN"),
    Column("PIPELINE", min_width=12, max_width=40),
    Column("STATUS"),
    Column("WHEN", drop_order=2),
    Column("TOOK", is_right=True, drop_order=3),
    Column("OUTPUT", min_width=12, max_width=60, drop_order=4),
)
_LABEL: Final = Column("LABEL")
STATUS_STYLES: Final[dict[RunStatus, Style]] = {
    "completed": "green",
    "failed": "red",
    "cancelled": "yellow",
    "abandoned": "yellow",
    "running": "cyan",
}


def add_arguments(parser: ArgumentParser) -> None:
    """Add the options of `xray runs`."""
    add_listing(parser, "runs", "duration_gt=5000, tag=nightly, metadata.user=ann")
    add_names(parser)
    parser.epilog = (
        "examples:\n"
        "  xray runs --pipeline search --status failed\n"
        '  xray runs "any(step.output_count = 0) and started_at > 24h"\n'
        "  xray runs duration_gt=5000 environment=production --limit 100"
    )


def run(args: Namespace) -> int:
    """List runs."""
    return Listing("runs", ("pipeline", "status"), read_runs, draw_runs).show(args)


def draw_runs(runs: list[Run], console: Console) -> list[str]:
    """The table of *runs*; nothing when there are none."""
    if not runs:
        return []
    ids = shorten_ids([run.run_id for run in runs])
    rows = [_row(run, ids[run.run_id], console, console.terminal) for run in runs]
    if all(run.label is None for run in runs):
        return draw_table(_COLUMNS, rows, console.terminal)
    labelled = [[*row[:3], _label_cell(run), *row[3:]] for run, row in zip(runs, rows, strict=True)]
    return draw_table((*_COLUMNS[:3], _LABEL, *_COLUMNS[3:]), labelled, console.terminal)


def _label_cell(run: Run) -> Cell:
    return Cell("") if run.label is None else Cell(run.label, LABEL_STYLES[run.label])


def _row(run: Run, short_id: str, console: Console, terminal: Terminal) -> list[Cell]:
    return [
        Cell(short_id, "cyan"),
        Cell(printable(run.pipeline)),
        Cell(run.status, STATUS_STYLES[run.status]),
        Cell(say_when(run.started_at, console.now)),
        Cell(say_duration(run.duration_ms)),
        Cell(say_value(run.output, terminal)),
    ]
