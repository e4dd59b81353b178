"""`xray alike RUN CANDIDATE`: candidates like one that the run decided otherwise."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from typing import Final

from xray.cli.connection import open_client
from xray.cli.console import open_console
from xray.cli.show import RUN_HELP, draw_headline
from xray.cli.terminal import Glyph, Style, Terminal, printable, wrap
from xray.cli.why import say_check
from xray.model.neighbours import Neighbour, Neighbours
from xray.questions import alike_request
from xray.replies import read_record

_GLYPHS: Final[dict[bool, tuple[Glyph, Style]]] = {
    True: ("dropped", "red"),
    False: ("kept", "green"),
}


def add_arguments(parser: ArgumentParser) -> None:
    """Add the options of `xray alike`."""
    parser.usage = "xray alike [options] RUN CANDIDATE"
    parser.add_argument("run", metavar="RUN", help=RUN_HELP)
    parser.add_argument("candidate", metavar="CANDIDATE", help="the candidate's id")
    parser.add_argument(
        "--limit", type=int, metavar="N", help="how many are named, 1 to 20 (default 5)"
    )
    parser.epilog = (
        "Of a candidate that was rejected these are the ones that the same step let through; of\n"
        "any other, those that a step on its way rejected. Attributes, what checks observed and\n"
        "origins are compared; of what differs, what decided stands first.\n"
        "The exit code is 1 when there is no such run, or nothing to compare by.\n\n"
        "examples:\n"
        "  xray alike last prod_17\n"
        "  xray alike 0193f0c2-7a51 prod_17 --limit 10 --json"
    )


def run(args: Namespace) -> int:
    """Name candidates like one that were decided otherwise."""
    console = open_console(args)
    with open_client(args) as client:
        asked = alike_request(client.resolve_run(args.run), args.candidate, args.limit)
        body = client.get(*asked)
    found = read_record(body, Neighbours)
    if args.json:
        console.write_json(body)
    else:
        console.write(draw_neighbours(found, console.terminal))
    return 0 if found.neighbours or found.certainty == "known" else 1


def draw_neighbours(found: Neighbours, terminal: Terminal) -> list[str]:
    """The sentence, then each candidate with what differs."""
    lines = draw_headline(found.answer, found.certainty, found.because, terminal)
    lines.append(terminal.paint(f"{printable(found.pipeline)}, run {found.run_id}", "dim"))
    for one in found.neighbours:
        lines += ["", *_draw_neighbour(one, terminal)]
    return lines


def _draw_neighbour(one: Neighbour, terminal: Terminal) -> list[str]:
    glyph, style = _GLYPHS[one.decision == "rejected"]
    mark = terminal.paint(terminal.glyph(glyph), style)
    name = terminal.paint(printable(one.candidate_id), "bold")
    percent = terminal.paint(f"{100 * one.likeness:.0f} % alike", "dim")
    lines = [f"  {mark} {name} {percent}"]
    lines += wrap(printable(one.text), terminal.width, indent="      ")
    for check in one.checks:
        lines += terminal.paint_all(
            wrap(say_check(check, terminal), terminal.width, indent="      "), "red"
        )
    return lines
