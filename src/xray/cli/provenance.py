"""`xray provenance RUN ITEM`: what an item came from and what it brought."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from xray.cli.connection import open_client
from xray.cli.console import open_console
from xray.cli.show import RUN_HELP, draw_headline
from xray.cli.terminal import Terminal, printable, wrap
from xray.cli.why import draw_link
from xray.model.lineage import Generation, Lineage, Yield
from xray.questions import provenance_request
from xray.replies import read_record

_MAX_REASONS = 5


def add_arguments(parser: ArgumentParser) -> None:
    """Add the options of `xray provenance`."""
    parser.usage = "xray provenance [options] RUN ITEM"
    parser.add_argument("run", metavar="RUN", help=RUN_HELP)
    parser.add_argument(
        "item",
        metavar="ITEM",
        help="a candidate's id, or what candidates came from: a keyword, a query, a document",
    )
    parser.epilog = (
        "What an item brought is followed through every later step, and what that brought in its\n"
        "turn. Numbers are exact unless they say `at least`.\n"
        "The exit code is 1 when there is no such run, or no step recorded the item.\n\n"
        "examples:\n"
        "  xray provenance last stand\n"
        "  xray provenance 0193f0c2-7a51 prod_17 --json"
    )


def run(args: Namespace) -> int:
    """Say what an item came from and what it brought."""
    console = open_console(args)
    with open_client(args) as client:
        body = client.get(*provenance_request(client.resolve_run(args.run), args.item))
    lineage = read_record(body, Lineage)
    if args.json:
        console.write_json(body)
    else:
        console.write(draw_lineage(lineage, console.terminal))
    return 0 if lineage.is_recorded else 1


def draw_lineage(lineage: Lineage, terminal: Terminal) -> list[str]:
    """The sentence, what the item came from, and what it brought step by step."""
    lines = draw_headline(lineage.answer, lineage.certainty, lineage.because, terminal)
    lines.append(terminal.paint(f"{printable(lineage.pipeline)}, run {lineage.run_id}", "dim"))
    if lineage.came_from:
        lines += ["", terminal.paint("Where it came from", "bold")]
        for link in lineage.came_from:
            lines += draw_link(link, terminal)
    for generation in lineage.brought:
        lines += ["", *_draw_generation(generation, terminal)]
    if lineage.similar:
        similar = ", ".join(printable(name) for name in lineage.similar)
        lines += ["", terminal.paint("Recorded ids like it", "bold")]
        lines += wrap(similar, terminal.width, indent="  ")
    return lines


def _draw_generation(generation: Generation, terminal: Terminal) -> list[str]:
    through = ""
    if generation.depth > 1:
        more = generation.source_count - len(generation.sources)
        named = ", ".join(printable(one) for one in generation.sources)
        through = f" through {named}" + (f" and {more:,} more" if more else "")
    heading = f"What it brought to {printable(generation.brought_to)}{through}"
    lines = terminal.paint_all(wrap(heading, terminal.width), "bold")
    width = max((len(printable(one.name)) for one in generation.fared), default=0)
    for one in generation.fared:
        text = f"{printable(one.name):<{width}}  {_say_yield(one)}"
        lines += wrap(text, terminal.width, indent=" " * (width + 4), first="  ")
    return lines


def _say_yield(fared: Yield) -> str:
    if fared.because and not fared.decided:
        return f"unknown: {printable(fared.because)}"
    said = [
        f"{count:,} {verdict}"
        for count, verdict in (
            (fared.selected, "selected"),
            (fared.accepted, "kept"),
            (fared.rejected, "rejected"),
        )
        if count
    ]
    text = ("at least " if fared.because else "") + ", ".join(said)
    reasons = [f"{printable(one)} {count:,}" for one, count in fared.reasons.items()]
    if len(reasons) > _MAX_REASONS:
        reasons[_MAX_REASONS - 1 :] = [f"{len(reasons) - _MAX_REASONS + 1:,} more reasons"]
    return f"{text} ({', '.join(reasons)})" if reasons else text
