"""`xray flaky 'QUERY'`: how far runs on the same input decide alike, and where they do not."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

import msgspec

from xray.cli.connection import add_run_query, open_client
from xray.cli.console import open_console
from xray.cli.show import draw_headline
from xray.cli.terminal import Cell, Column, Terminal, draw_table, fit, printable, wrap
from xray.cli.wording import shorten_ids
from xray.model.flakiness import Flakiness, FlakinessReport, Flip, StepFlakiness

_MAX_INPUTS = 5
_MAX_FLIPS = 5
_MAX_INPUT_WIDTH = 60
_COLUMNS = (
    Column("STEP", min_width=8),
    Column("TYPE", min_width=6, drop_order=1),
    Column("CANDIDATES", is_right=True),
    Column("FLIP", is_right=True),
    Column("OWN", is_right=True),
    Column("DISAGREE", is_right=True),
)


def add_arguments(parser: ArgumentParser) -> None:
    """Add the options of `xray flaky`."""
    add_run_query(parser)
    parser.add_argument(
        "--runs", type=int, default=20, metavar="N", help="look at the newest N (default 20)"
    )
    parser.epilog = (
        "Runs of one pipeline that had the same input are compared candidate by candidate. FLIP\n"
        "counts candidates that a step kept in some runs and not in others; OWN, those of them\n"
        "that came there in every run, so that the step itself decided differently; DISAGREE is\n"
        "the chance that two runs differ about a candidate.\n\n"
        "examples:\n"
        "  xray flaky \"pipeline = 'search' and version = '1.4'\"\n"
        "  xray flaky \"input.query = 'laptop stand'\" --runs 50 --json"
    )


def run(args: Namespace) -> int:
    """Say how far runs on the same input decide alike."""
    console = open_console(args)
    with open_client(args) as client:
        report = client.flakiness(args.query, args.runs)
    if args.json:
        console.write_json(msgspec.json.encode(report))
    else:
        console.write(draw_report(report, console.terminal))
    return 0


def draw_report(report: FlakinessReport, terminal: Terminal) -> list[str]:
    """The sentence, and the steps of each input that was given repeatedly."""
    lines = draw_headline(report.answer, "known", "", terminal)
    for measured in report.inputs[:_MAX_INPUTS]:
        lines += ["", *_draw_input(measured, terminal)]
    more = len(report.inputs) - _MAX_INPUTS
    if more > 0:
        lines += ["", f"and {more:,} more inputs"]
    return lines


def _draw_input(measured: Flakiness, terminal: Terminal) -> list[str]:
    given = fit(printable(msgspec.json.encode(measured.input).decode()), _MAX_INPUT_WIDTH)
    name = terminal.paint(printable(measured.pipeline), "bold")
    lines = [f"{name}, {len(measured.run_ids)} runs on {given}"]
    lines += wrap(measured.answer, terminal.width)
    if measured.because:
        lines += terminal.paint_all(
            wrap(f"not compared: {measured.because}", terminal.width), "dim"
        )
    lines += draw_table(_COLUMNS, [_draw_row(step) for step in measured.steps], terminal)
    source = next((step for step in measured.steps if step.name == measured.source), None)
    ids = shorten_ids(measured.run_ids)
    for flip in [] if source is None else source.examples[:_MAX_FLIPS]:
        asked = f" (xray diff {ids[flip.kept_in]} {ids[flip.missed_in]})" if flip.missed_in else ""
        lines += wrap(_say_flip(flip) + asked, terminal.width, indent="    ", first="  ")
    return lines


def _draw_row(step: StepFlakiness) -> list[Cell]:
    share = f"{100 * step.flip_rate:.1f} %" if step.flips else ""
    return [
        Cell(printable(step.name), "yellow" if step.own_flips else None),
        Cell(step.step_type),
        Cell(f"{step.candidates:,}"),
        Cell(f"{step.flips:,}" if step.flips else ""),
        Cell(f"{step.own_flips:,}" if step.own_flips else ""),
        Cell(share),
    ]


def _say_flip(flip: Flip) -> str:
    query = f" for {printable(flip.by)}" if flip.by is not None else ""
    parts = [f"kept in {flip.kept}"]
    if flip.dropped:
        by = f" by {', '.join(map(printable, flip.reasons))}" if flip.reasons else ""
        parts.append(f"dropped in {flip.dropped}{by}")
    if flip.absent:
        parts.append(f"absent from {flip.absent}")
    return f"{printable(flip.candidate_id)}{query}: {', '.join(parts)}"
