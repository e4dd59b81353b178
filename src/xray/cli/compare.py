"""`xray compare QUERY QUERY`: how two groups of runs differ beyond what chance explains."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from typing import Final

import msgspec

from xray.cli.connection import open_client
from xray.cli.console import Console, open_console
from xray.cli.show import draw_headline
from xray.cli.terminal import Terminal, printable, wrap
from xray.model.comparison import ComparedGroup, Comparison, Difference, Example, SettingDifference

_MAX_DIFFERENCES: Final = 12
_MAX_SETTINGS: Final = 6
_SHOWN_EXAMPLES: Final = 1


def add_arguments(parser: ArgumentParser) -> None:
    """Add the options of `xray compare`."""
    parser.usage = "xray compare [options] QUERY QUERY"
    parser.add_argument(
        "a", metavar="QUERY", help="A, the runs that are compared with (spec/query.md); '' for all"
    )
    parser.add_argument("b", metavar="QUERY", help="B, the runs that are said to differ")
    parser.add_argument(
        "--newest",
        action="store_true",
        help="only as many of the newest runs as are read in two seconds",
    )
    parser.epilog = (
        "Every figure of every step is compared run by run. What is named, the most telling\n"
        "first, is named by chance alone in at most one of a hundred comparisons. Runs that meet\n"
        "both queries are in neither group.\n\n"
        "examples:\n"
        '  xray compare "started_at < 7d and started_at > 14d" "started_at > 7d"\n'
        "  xray compare \"version = '1.4'\" \"version = '1.5'\"\n"
        "  xray compare \"status = 'completed'\" \"status = 'failed'\" --json"
    )


def run(args: Namespace) -> int:
    """Say how two groups of runs differ."""
    console = open_console(args)
    with open_client(args) as client:
        compared = client.compare(
            args.a,
            args.b,
            is_whole=not args.newest,
            note_part=lambda part: show_reach(part, console),
        )
    console.show_progress("")
    if args.json:
        console.write_json(msgspec.json.encode(compared))
        return 0
    console.write(draw_comparison(compared, console.terminal))
    if not compared.complete:
        console.note("Only the newest runs were looked at; leave --newest out for all.")
    return 0


def show_reach(part: Comparison, console: Console) -> None:
    """Show how many runs were compared so far."""
    console.show_progress(f"{part.a.runs:,} runs of A and {part.b.runs:,} of B so far …")


def draw_comparison(compared: Comparison, terminal: Terminal) -> list[str]:
    """The sentence, the groups, what differs and what the runs were told otherwise."""
    lines = draw_headline(compared.answer, compared.certainty, compared.because, terminal)
    for name, group in (("A", compared.a), ("B", compared.b)):
        lines += terminal.paint_all(_draw_group(name, group, terminal), "dim")
    if compared.overlap:
        text = f"{compared.overlap:,} runs meet both queries and are in neither group."
        lines += wrap(text, terminal.width)
    if compared.differences:
        lines += ["", terminal.paint("What differs", "bold")]
        for one in compared.differences[:_MAX_DIFFERENCES]:
            lines += _draw_difference(one, terminal)
        lines += _say_rest(len(compared.differences) - _MAX_DIFFERENCES)
    if compared.settings:
        lines += ["", terminal.paint("What they were told otherwise", "bold")]
        for setting in compared.settings[:_MAX_SETTINGS]:
            lines += _draw_setting(setting, terminal)
        lines += _say_rest(len(compared.settings) - _MAX_SETTINGS)
    if compared.is_cut:
        lines += ["", *wrap("Some of many steps, reasons or statistics were left out.", 80)]
    return lines


def _draw_group(name: str, group: ComparedGroup, terminal: Terminal) -> list[str]:
    query = printable(group.query) if group.query.strip() else "all runs"
    told = f"{name} {group.runs:,} runs: {query}"
    if round(group.stands_for) != group.runs:
        told += f"; they stand for {group.stands_for:,.0f}"
    if group.unfinished:
        told += f"; {group.unfinished:,} more have not ended"
    return wrap(told, terminal.width, indent="  ", first="")


def _draw_difference(one: Difference, terminal: Terminal) -> list[str]:
    mark = terminal.paint("·" if one.follows else "!", "dim" if one.follows else "yellow")
    lines = wrap(printable(one.text), terminal.width, indent="    ", first=f"  {mark} ")
    shown = _say_examples("A", one.a_examples) + _say_examples("B", one.b_examples)
    if shown and not one.follows:
        lines += terminal.paint_all(
            wrap(f"e.g. {', '.join(shown)}", terminal.width, indent="      ", first="    "), "dim"
        )
    return lines


def _say_examples(name: str, examples: list[Example]) -> list[str]:
    return [f"{name} {one.run_id}" for one in examples[:_SHOWN_EXAMPLES]]


def _draw_setting(one: SettingDifference, terminal: Terminal) -> list[str]:
    return wrap(printable(one.text), terminal.width, indent="    ", first="  ")


def _say_rest(more: int) -> list[str]:
    return [f"  and {more:,} more; --json has them"] if more > 0 else []
