"""What many runs would have decided with other limits, as lines of text."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from xray.cli.console import Console
from xray.cli.show import draw_headline
from xray.cli.terminal import Cell, Column, Terminal, draw_table, printable, wrap
from xray.cli.wording import say_number, say_when, shorten_ids
from xray.model.quality import LimitQuality
from xray.model.what_if import CurvePoint
from xray.model.what_if_runs import RunChange, StepOfRuns, WhatIfOfRuns

_EXAMPLES: Final = (
    Column("RUN"),
    Column("PIPELINE", min_width=12, max_width=30, drop_order=4),
    Column("WHEN", drop_order=3),
    Column("KEPT", is_right=True, drop_order=2),
    Column("BESIDES", is_right=True),
    Column("DROPPED", is_right=True),
    Column("LOST ANSWER", min_width=12, max_width=40, drop_order=1),
)


def draw_runs(answer: WhatIfOfRuns, terminal: Terminal, now: datetime) -> list[str]:
    """The sentences, each step's survivors at other limits, and where most would change."""
    lines = draw_headline(answer.answer, answer.certainty, answer.because, terminal)
    if not answer.judged:
        if answer.checks:
            listed = f"The newest runs checked: {', '.join(map(printable, answer.checks))}"
            lines += terminal.paint_all(wrap(listed, terminal.width), "dim")
        return lines
    if answer.doubts:
        text = f"exact in {answer.exact:,} of {answer.judged:,} runs"
        lines.append(terminal.paint(text, "dim"))
    for step in answer.steps:
        lines += ["", *_draw_step(step, terminal)]
    if answer.has_more_steps:
        lines += ["", terminal.paint("Other steps are counted above and not shown.", "dim")]
    if answer.examples:
        lines += ["", "Most would change in", *_draw_examples(answer.examples, terminal, now)]
    return lines


def _draw_step(step: StepOfRuns, terminal: Terminal) -> list[str]:
    name, kind = terminal.paint(printable(step.name), "bold"), terminal.paint(step.step_type, "dim")
    said = f"{name} {kind} {terminal.paint(f'of {printable(step.pipeline)}', 'dim')}"
    lines = [said, *wrap(f"  {printable(step.text)}", terminal.width, indent="  ")]
    lines += draw_quality(step.quality, terminal)
    check = step.changes[0]
    return lines + draw_curve(f"{check.field} {check.op}", step.curve, terminal)


def draw_quality(sides: Sequence[LimitQuality], terminal: Terminal) -> list[str]:
    """Precision and recall over labelled candidates, before and after."""
    lines: list[str] = []
    for one in sides:
        when = "as it was" if one.side == "was" else "would be"
        precision, recall = (
            "-" if share is None else f"{share:.2f}" for share in (one.precision, one.recall)
        )
        unknown = f", {one.unknown:,} unknown" if one.unknown else ""
        said = (
            f"labelled, {when}: precision {precision}, recall {recall} (kept {one.good_kept:,} "
            f"good and {one.bad_kept:,} bad, dropped {one.good_dropped:,} good and "
            f"{one.bad_dropped:,} bad{unknown})"
        )
        lines += wrap(said, terminal.width, indent="    ", first="  ")
    return lines


def draw_curve(check: str, curve: Sequence[CurvePoint], terminal: Terminal) -> list[str]:
    """How many candidates are kept at some limits of a check."""
    if not curve:
        return []
    points = [f"{say_number(one.limit)}: {say_range(one.least, one.most)}" for one in curve]
    text = f"kept at {printable(check)} {', '.join(points)}"
    return terminal.paint_all(wrap(text, terminal.width, indent="    ", first="  "), "dim")


def _draw_examples(runs: Sequence[RunChange], terminal: Terminal, now: datetime) -> list[str]:
    ids = shorten_ids([run.run_id for run in runs])
    return draw_table(_EXAMPLES, [_row(run, ids[run.run_id], now) for run in runs], terminal)


def _row(run: RunChange, short_id: str, now: datetime) -> list[Cell]:
    return [
        Cell(short_id, "cyan"),
        Cell(printable(run.pipeline)),
        Cell(say_when(run.started_at, now)),
        Cell(f"{run.kept:,}"),
        Cell(say_range(run.newly_kept_least, run.newly_kept_most)),
        Cell(say_range(run.newly_dropped_least, run.newly_dropped_most)),
        Cell(", ".join(map(printable, run.lost_answers))),
    ]


def say_range(least: int, most: int) -> str:
    """Two bounds as they stand in a sentence."""
    return f"{least:,}" if least == most else f"{least:,} to {most:,}"


def show_reach(part: WhatIfOfRuns, console: Console) -> None:
    """Show how far the search came."""
    reach = (
        ""
        if part.scan is None or part.scan.back_to is None
        else f", back to {part.scan.back_to:%Y-%m-%dT%H:%M:%S}"
    )
    console.show_progress(f"{part.runs:,} runs so far{reach} …")
