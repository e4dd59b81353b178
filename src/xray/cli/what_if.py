"""`xray what-if RUN --limit CHECK=VALUE`: what a run would have decided with other limits."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from xray.cli.connection import open_client
from xray.cli.console import open_console
from xray.cli.show import RUN_HELP, draw_headline
from xray.cli.terminal import Style, Terminal, printable, wrap
from xray.cli.wording import say_number, say_value
from xray.client import what_if_request
from xray.model.what_if import Flips, StepWhatIf, WhatIf
from xray.replies import read_record

_MAX_FLIPS = 8


def add_arguments(parser: ArgumentParser) -> None:
    """Add the options of `xray what-if`."""
    parser.usage = "xray what-if [options] RUN --limit CHECK=VALUE"
    parser.add_argument("run", metavar="RUN", help=RUN_HELP)
    parser.add_argument(
        "--limit",
        metavar="CHECK=VALUE",
        action="append",
        required=True,
        help="another limit for a check, or for a field that only one check reads; repeatable",
    )
    parser.epilog = (
        "Nothing is rerun: decisions are made again from the checks the run recorded. Numbers are\n"
        "exact where every check was evaluated, else bounds that hold.\n\n"
        "examples:\n"
        "  xray what-if last --limit price_too_high=120\n"
        "  xray what-if 0193f0c2 --limit price=120 --limit rating=3.5 --json"
    )


def run(args: Namespace) -> int:
    """Say what a run would have decided with other limits."""
    console = open_console(args)
    with open_client(args) as client:
        body = client.get(*what_if_request(client.resolve_run(args.run), args.limit))
    answer = read_record(body, WhatIf)
    if args.json:
        console.write_json(body)
    else:
        console.write(draw_what_if(answer, console.terminal))
    return 0


def draw_what_if(answer: WhatIf, terminal: Terminal) -> list[str]:
    """The sentence, and for each step who would fare otherwise."""
    lines = draw_headline(answer.answer, answer.certainty, answer.because, terminal)
    lines.append(terminal.paint(f"{printable(answer.pipeline)}, run {answer.run_id}", "dim"))
    for step in answer.steps:
        lines += ["", *_draw_step(step, terminal)]
    return lines


def _draw_step(step: StepWhatIf, terminal: Terminal) -> list[str]:
    name, kind = terminal.paint(printable(step.name), "bold"), terminal.paint(step.step_type, "dim")
    lines = [f"{name} {kind}"]
    lines += _draw_flips("kept besides", "green", step.newly_kept, terminal)
    lines += _draw_flips("dropped besides", "red", step.newly_dropped, terminal)
    if step.curve:
        points = [
            f"{say_number(point.limit)}: {_say_range(point.least, point.most)}"
            for point in step.curve
        ]
        check = step.changes[0]
        text = f"kept at {printable(check.field)} {check.op} {', '.join(points)}"
        lines += terminal.paint_all(wrap(text, terminal.width, indent="    ", first="  "), "dim")
    return lines


def _draw_flips(said: str, style: Style, flips: Flips, terminal: Terminal) -> list[str]:
    if not flips.most:
        return []
    lines = [f"  {terminal.paint(f'{_say_range(flips.least, flips.most)} {said}', style)}"]
    for flip in flips.examples[:_MAX_FLIPS]:
        query = f" for {printable(flip.by)}" if flip.by is not None else ""
        observed = say_value(flip.observed, terminal)
        doubt = "" if flip.certainty == "known" else " (unless a later check drops it)"
        text = f"{printable(flip.candidate_id)}{query}: {observed}{doubt}"
        lines += wrap(text, terminal.width, indent="      ", first="    ")
    more = flips.most - min(len(flips.examples), _MAX_FLIPS)
    if more and flips.examples:
        lines.append(f"    and {'' if flips.least == flips.most else 'up to '}{more:,} more")
    return lines


def _say_range(least: int, most: int) -> str:
    return f"{least:,}" if least == most else f"{least:,} to {most:,}"
