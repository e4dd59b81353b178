"""`xray steps`: a table of steps across all runs."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from typing import Final

from xray.cli.connection import add_names
from xray.cli.console import Console
from xray.cli.listing import Listing, add_listing
from xray.cli.terminal import Cell, Column, draw_table, printable
from xray.cli.wording import NOT_THERE, say_count, say_duration, say_rate, shorten_ids
from xray.model.records import Step
from xray.replies import read_steps

_COLUMNS: Final = (
    Column("PIPELINE", min_width=10, max_width=40, drop_order=1),
    Column("STEP", min_width=10, max_width=40),
    Column("TYPE"),
    Column("IN", is_right=True),
    Column("OUT", is_right=True),
    Column("REJECTED", is_right=True),
    Column("BASIS", drop_order=3),
    Column("TOOK", is_right=True, drop_order=4),
    Column("RUN", drop_order=2),
)


def add_arguments(parser: ArgumentParser) -> None:
    """Add the options of `xray steps`."""
    add_listing(parser, "steps", "rejection_rate_gt=0.9, stats.filter_rate__gt=0.9, score_lt=0.5")
    add_names(parser)
    parser.add_argument(
        "--type",
        dest="step_type",
        metavar="TYPE",
        help="only this type: generate, retrieve, filter, rank, select, transform, group, custom",
    )
    parser.epilog = (
        "REJECTED is the share of candidates a step rejected; BASIS says what it rests on:\n"
        "counted decisions, declared counts, a rate given by hand, samples, or inferred.\n\n"
        "examples:\n"
        "  xray steps \"step_type = 'filter' and rejection_rate > 0.9\"\n"
        "  xray steps --type filter rejection_rate_gt=0.9\n"
        "  xray steps --type generate duration_gt=5000"
    )


def run(args: Namespace) -> int:
    """List steps."""
    return Listing("steps", ("pipeline", "status", "step_type"), read_steps, _draw).show(args)


def _draw(steps: list[Step], console: Console) -> list[str]:
    if not steps:
        return []
    ids = shorten_ids([step.run_id for step in steps])
    rows = [_row(step, ids[step.run_id]) for step in steps]
    return draw_table(_COLUMNS, rows, console.terminal)


def _row(step: Step, short_id: str) -> list[Cell]:
    return [
        Cell(printable(step.pipeline)),
        Cell(printable(step.name), "red" if step.status == "failed" else None),
        Cell(printable(step.declared_type or step.step_type)),
        Cell(say_count(step.input_count)),
        Cell(say_count(step.output_count)),
        Cell(say_rate(step)),
        Cell(step.rate_basis or NOT_THERE),
        Cell(say_duration(step.duration_ms)),
        Cell(short_id, "cyan"),
    ]
