"""`xray steps`: a table of steps across all runs."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from typing import Final

from xray.cli.connection import add_filters, open_client, read_filters
from xray.cli.console import note_rest, open_console
from xray.cli.terminal import Cell, Column, draw_table, printable
from xray.cli.wording import NOT_THERE, say_count, say_duration, say_rate, shorten_ids
from xray.client import read_steps
from xray.model.records import Step

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
    parser.usage = "xray steps [options] [KEY=VALUE ...]"
    add_filters(parser, "rejection_rate_gt=0.9, stats.filter_rate__gt=0.9, score_lt=0.5")
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
        "  xray steps --type filter rejection_rate_gt=0.9\n"
        "  xray steps --type generate duration_gt=5000"
    )


def run(args: Namespace) -> int:
    """List steps."""
    parameters = read_filters(args, ("pipeline", "status", "step_type"))
    console = open_console(args)
    with open_client(args) as client:
        body = client.get("/v1/steps", parameters)
    if args.json:
        console.write_json(body)
        return 0
    page = read_steps(body)
    if page.items:
        ids = shorten_ids([step.run_id for step in page.items])
        rows = [_row(step, ids[step.run_id]) for step in page.items]
        console.write(draw_table(_COLUMNS, rows, console.terminal))
    note_rest(page, console, "steps")
    return 0


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
