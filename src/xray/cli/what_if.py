"""`xray what-if`: what a run, or many runs, would have decided with other limits."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from typing import Final

import msgspec

from xray.cli.connection import open_client
from xray.cli.console import Console, open_console
from xray.cli.show import RUN_HELP, draw_headline
from xray.cli.terminal import Style, Terminal, printable, wrap
from xray.cli.what_if_runs import draw_curve, draw_quality, draw_runs, say_range, show_reach
from xray.cli.wording import say_value
from xray.errors import InvalidQueryError
from xray.model.what_if import Flips, StepWhatIf, WhatIf
from xray.questions import Pairs, what_if_request
from xray.replies import read_record

_MAX_FLIPS: Final = 8


def add_arguments(parser: ArgumentParser) -> None:
    """Add the options of `xray what-if`."""
    parser.usage = (
        "xray what-if [options] RUN --limit CHECK=VALUE\n"
        "       xray what-if [options] --where QUERY --limit CHECK=VALUE"
    )
    parser.add_argument("run", metavar="RUN", nargs="?", help=RUN_HELP)
    parser.add_argument(
        "--limit",
        metavar="CHECK=VALUE",
        action="append",
        required=True,
        help="another limit for a check, or for a field that only one check reads; repeatable",
    )
    parser.add_argument(
        "--where",
        metavar="QUERY",
        help="instead of RUN: every run that meets a query (spec/query.md); '' for all of them",
    )
    parser.add_argument("--pipeline", metavar="NAME", help="instead of RUN: runs of this pipeline")
    parser.epilog = (
        "Nothing is rerun: decisions are made again from the checks that were recorded. Numbers\n"
        "are exact where every check was evaluated, else bounds that hold. What later steps would\n"
        "make of candidates they never saw, only a rerun can tell.\n\n"
        "examples:\n"
        "  xray what-if last --limit price_too_high=120\n"
        "  xray what-if 0193f0c2 --limit price=120 --limit rating=3.5 --json\n"
        "  xray what-if --where \"started_at > 7d and status = 'completed'\" --limit price=120\n"
        '  xray what-if --pipeline search --limit \'category=["desk", "lamp"]\''
    )


def run(args: Namespace) -> int:
    """Say what a run, or many, would have decided with other limits."""
    asks_many = args.where is not None or args.pipeline is not None
    if (args.run is None) != asks_many:
        raise InvalidQueryError(
            "RUN and --where cannot both be given." if asks_many else "It is not said which run.",
            hint="Give a run's id or `last`, or --where QUERY for every run that meets it.",
            code="missing_parameter",
        )
    console = open_console(args)
    if asks_many:
        return _try_many(args, console)
    with open_client(args) as client:
        body = client.get(*what_if_request(client.resolve_run(args.run), args.limit))
    answer = read_record(body, WhatIf)
    if args.json:
        console.write_json(body)
    else:
        console.write(draw_what_if(answer, console.terminal))
    return 0


def _try_many(args: Namespace, console: Console) -> int:
    with open_client(args) as client:
        answer = client.try_limits(
            _read_pairs(args), is_whole=True, note_part=lambda part: show_reach(part, console)
        )
    console.show_progress("")
    if args.json:
        console.write_json(msgspec.json.encode(answer))
    else:
        console.write(draw_runs(answer, console.terminal, console.now))
    return 0


def _read_pairs(args: Namespace) -> Pairs:
    pairs = [("q", args.where)] if args.where and args.where.strip() else []
    pairs += [("pipeline", args.pipeline)] if args.pipeline is not None else []
    return [*pairs, *(("limit", limit) for limit in args.limit)]


def draw_what_if(answer: WhatIf, terminal: Terminal) -> list[str]:
    """The sentence, and for each step who would fare otherwise."""
    lines = draw_headline(answer.answer, answer.certainty, answer.because, terminal)
    lines.append(terminal.paint(f"{printable(answer.pipeline)}, run {answer.run_id}", "dim"))
    for step in answer.steps:
        drawn = _draw_step(step, terminal)
        if len(drawn) > 1:
            lines += ["", *drawn]
    return lines


def _draw_step(step: StepWhatIf, terminal: Terminal) -> list[str]:
    name, kind = terminal.paint(printable(step.name), "bold"), terminal.paint(step.step_type, "dim")
    lines = [f"{name} {kind}"]
    lines += _draw_flips("kept besides", "green", step.newly_kept, terminal)
    lines += _draw_flips("dropped besides", "red", step.newly_dropped, terminal)
    lines += draw_quality(step.quality, terminal)
    check = step.changes[0]
    return lines + draw_curve(f"{check.field} {check.op}", step.curve, terminal)


def _draw_flips(said: str, style: Style, flips: Flips, terminal: Terminal) -> list[str]:
    if not flips.most:
        return []
    lines = [f"  {terminal.paint(f'{say_range(flips.least, flips.most)} {said}', style)}"]
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
