"""`xray quality 'QUERY'`: how well steps keep what is labelled good."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from itertools import groupby
from typing import Final

import msgspec

from xray.cli.connection import open_client
from xray.cli.console import open_console
from xray.cli.show import draw_headline
from xray.cli.terminal import Cell, Column, Terminal, draw_table, printable, wrap
from xray.cli.wording import NOT_THERE
from xray.model.quality import LabelCounts, Measure, Miss, Quality, StepQuality

_MAX_MISSES: Final = 5


def add_arguments(parser: ArgumentParser) -> None:
    """Add the options of `xray quality`."""
    parser.add_argument(
        "query",
        nargs="?",
        default="",
        metavar="QUERY",
        help="which runs (spec/query.md); all with labelled candidates when absent",
    )
    parser.add_argument(
        "-k", type=int, default=10, metavar="K", help="precision on the first K ranks (default 10)"
    )
    parser.add_argument(
        "--runs",
        type=int,
        default=100,
        metavar="N",
        help="look at the N runs labelled last (default 100, at most 1,000)",
    )
    parser.epilog = (
        "GOOD and BAD: how many of that label a step kept, of those that came there. RECALL: the\n"
        "share of the good it kept; SO FAR: of all good of the run. PRECISION: of the labelled it\n"
        "kept, the share that is good; P@K: the same on its first K ranks. MRR and NDCG: how high\n"
        "the good are ranked. Candidates without a label are unknown, not bad: figures are over\n"
        "the labelled ones, and [a-b] is where the true one lies whatever the others are\n"
        "(docs/labels.md).\n\n"
        "examples:\n"
        "  xray quality\n"
        "  xray quality \"pipeline = 'search' and version = '1.4'\" -k 5\n"
        "  xray quality \"label = 'bad'\" --json"
    )


def run(args: Namespace) -> int:
    """Say how well steps keep what is labelled good."""
    console = open_console(args)
    with open_client(args) as client:
        quality = client.quality(args.query, k=args.k, runs=args.runs)
    if args.json:
        console.write_json(msgspec.json.encode(quality))
        return 0
    console.write(draw_quality(quality, console.terminal))
    if not quality.complete:
        console.note(
            f"These are the {quality.runs:,} runs labelled last; --runs looks at more, up to 1,000."
        )
    return 0


def draw_quality(quality: Quality, terminal: Terminal) -> list[str]:
    """The sentence, a table of steps for each pipeline, and what went against its label."""
    lines = draw_headline(quality.answer, "known", "", terminal)
    for pipeline, group in groupby(quality.steps, key=lambda step: step.pipeline):
        steps = list(group)
        lines += ["", terminal.paint(printable(pipeline), "bold")]
        lines += draw_table(_list_columns(quality.k), [_row(step) for step in steps], terminal)
        for step in steps:
            lines += _draw_misses(step, terminal)
    return lines


def _list_columns(k: int) -> Sequence[Column]:
    return (
        Column("STEP", min_width=8),
        Column("TYPE", min_width=6, drop_order=1),
        Column("GOOD", is_right=True),
        Column("BAD", is_right=True),
        Column("RECALL", is_right=True),
        Column("SO FAR", is_right=True, drop_order=3),
        Column("PRECISION", is_right=True),
        Column(f"P@{k}", is_right=True, drop_order=4),
        Column("MRR", is_right=True, drop_order=5),
        Column("NDCG", is_right=True, drop_order=6),
    )


def _row(step: StepQuality) -> list[Cell]:
    return [
        Cell(printable(step.name), "yellow" if step.lost_good or step.kept_bad else None),
        Cell(step.step_type, "dim"),
        Cell(_say_counts(step.good)),
        Cell(_say_counts(step.bad)),
        Cell(say_measure(step.recall)),
        Cell(say_measure(step.recall_so_far)),
        Cell(say_measure(step.precision)),
        Cell(say_measure(step.precision_at_k)),
        Cell(say_measure(step.reciprocal_rank)),
        Cell(say_measure(step.ndcg)),
    ]


def _say_counts(counts: LabelCounts) -> str:
    said = f"{counts.kept:,} of {counts.kept + counts.dropped:,}"
    return f"{said} +{counts.unknown:,}?" if counts.unknown else said


def say_measure(measure: Measure | None) -> str:
    """A figure with its bounds: `0.67 [0.20-0.90]`."""
    if measure is None:
        return NOT_THERE
    said = f"{measure.value:.2f}"
    if measure.least is None or measure.most is None or measure.least == measure.most:
        return said
    return f"{said} [{measure.least:.2f}-{measure.most:.2f}]"


def _draw_misses(step: StepQuality, terminal: Terminal) -> list[str]:
    lines: list[str] = []
    for verb, misses in (("drops good", step.lost_good), ("keeps bad", step.kept_bad)):
        for miss in misses[:_MAX_MISSES]:
            said = f"{printable(step.name)} {verb} {_say_miss(miss)}"
            lines += wrap(said, terminal.width, indent="    ", first="  ")
        more = len(misses) - _MAX_MISSES
        if more > 0:
            lines.append(f"  and {more} more in --json")
    return lines


def _say_miss(miss: Miss) -> str:
    by = f" by {printable(miss.reason)}" if miss.reason else ""
    note = f", labelled so for: {printable(miss.note)}" if miss.note else ""
    asked = f"xray why {miss.run_id} {printable(miss.candidate_id)}"
    return f"{printable(miss.candidate_id)}{by}{note} ({asked})"
