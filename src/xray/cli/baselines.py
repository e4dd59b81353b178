"""`xray baselines PIPELINE`: what is usual of its steps, day by day, and what today is not."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from typing import Final

from xray.cli.connection import open_client
from xray.cli.console import open_console
from xray.cli.show import draw_headline
from xray.cli.terminal import Cell, Column, Terminal, draw_table, printable, wrap
from xray.model.baseline_report import (
    BaselineReport,
    FigureKind,
    UsualFigure,
    UsualStep,
    say_figure,
)
from xray.questions import baselines_request
from xray.replies import read_record

_HEIGHTS: Final = ("▁▂▃▄▅▆▇█", "_.-=+*%#")
_GAPS: Final = ("·", " ")
_MAX_FAILURES: Final = 3
_NAMES: Final[dict[FigureKind, str]] = {
    "rejection_rate": "rejected",
    "reason": "",
    "input_count": "in",
    "output_count": "out",
    "duration_ms": "took",
    "failure_rate": "failed",
}
_COLUMNS: Final = (
    Column("FIGURE", min_width=10, max_width=40),
    Column("USUAL", is_right=True),
    Column("4 OF 5 STEPS", drop_order=2),
    Column("LATEST", is_right=True),
    Column("BY DAY", drop_order=1),
)


def add_arguments(parser: ArgumentParser) -> None:
    """Add the options of `xray baselines`."""
    parser.usage = "xray baselines [options] PIPELINE"
    parser.add_argument("pipeline", metavar="PIPELINE", help="the pipeline's name")
    parser.add_argument("--step", metavar="NAME", help="only this step")
    parser.add_argument(
        "--days", type=int, default=30, metavar="N", help="look N days back (default 30)"
    )
    parser.epilog = (
        "USUAL is the median of the steps before the latest day; for reasons and failures their\n"
        "mean. BY DAY shows each day, the latest last, from 0 to the highest of them.\n"
        "`!` marks what the latest day has unlike all days before, beyond what chance explains.\n"
        "The exit code is 1 when the pipeline has no steps on those days.\n\n"
        "examples:\n"
        "  xray baselines search\n"
        "  xray baselines search --step filter_candidates --days 90 --json"
    )


def run(args: Namespace) -> int:
    """Show what is usual of a pipeline."""
    console = open_console(args)
    with open_client(args) as client:
        body = client.get(*baselines_request(args.pipeline, args.step, args.days))
    report = read_record(body, BaselineReport)
    if args.json:
        console.write_json(body)
    else:
        console.write(draw_report(report, console.terminal))
    return 0


def draw_report(report: BaselineReport, terminal: Terminal) -> list[str]:
    """The sentence, and a table for each kind of step."""
    lines = draw_headline(report.answer, report.certainty, report.because, terminal)
    for step in report.steps:
        lines += ["", *_draw_step(step, terminal)]
    if report.deviations:
        asked = f'xray runs "{printable(report.latest_runs)}"'
        lines += ["", *wrap(f"The runs of {report.latest}: {asked}", terminal.width)]
    return lines


def _draw_step(step: UsualStep, terminal: Terminal) -> list[str]:
    name, kind = terminal.paint(printable(step.name), "bold"), terminal.paint(step.step_type, "dim")
    days = f"{step.days:,} day{'' if step.days == 1 else 's'} before" if step.days else "that day"
    lines = [f"{name} {kind}, {step.runs:,} run{'' if step.runs == 1 else 's'} on {days}"]
    lines += draw_table(_COLUMNS, [_draw_row(one, terminal) for one in step.figures], terminal)
    if step.failures:
        told = [
            f"{printable(kind)} {100 * share:.3g} %"
            for kind, share in list(step.failures.items())[:_MAX_FAILURES]
        ]
        lines += wrap(f"failures: {', '.join(told)}", terminal.width, indent="  ", first="")
    return lines


def _draw_row(figure: UsualFigure, terminal: Terminal) -> list[Cell]:
    name = _NAMES[figure.kind] or f"  {printable(figure.reason)}"
    latest = say_figure(figure.kind, figure.latest) + (" !" if figure.deviates else "")
    spread = f"{say_figure(figure.kind, figure.low)} to {say_figure(figure.kind, figure.high)}"
    return [
        Cell(name),
        Cell(say_figure(figure.kind, figure.typical)),
        Cell("" if figure.low == figure.high else spread, "dim"),
        Cell(latest, "yellow" if figure.deviates else None),
        Cell(draw_trend(figure.by_day, terminal), "cyan"),
    ]


def draw_trend(values: Sequence[float | None], terminal: Terminal) -> str:
    """One character a value, its height from 0 to the greatest; a gap where there is none."""
    heights, gap = (_HEIGHTS[0], _GAPS[0]) if terminal.is_unicode else (_HEIGHTS[1], _GAPS[1])
    most = max((value for value in values if value is not None), default=0.0)
    return "".join(
        gap if value is None else heights[round(value / most * (len(heights) - 1)) if most else 0]
        for value in values
    )
