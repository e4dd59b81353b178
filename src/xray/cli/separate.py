"""`xray separate`: what separates the rejected from the kept, or bad runs from good."""

from __future__ import annotations

import re
from argparse import ArgumentParser, Namespace
from typing import Final

from xray.cli.connection import open_client
from xray.cli.console import Console, open_console
from xray.cli.show import RUN_HELP, draw_headline
from xray.cli.terminal import Terminal, printable, wrap
from xray.errors import InvalidQueryError
from xray.model.separation import Example, Separation, Separator
from xray.questions import Pairs, separate_request, separate_runs_request
from xray.replies import read_record

_MAX_SHOWN: Final = 8
_MAX_PROXIES: Final = 4
_MAX_LEFT_OUT: Final = 6
_RUN: Final = re.compile(r"[0-9A-Za-z-]+")


def add_arguments(parser: ArgumentParser) -> None:
    """Add the options of `xray separate`."""
    parser.usage = (
        "xray separate [options] RUN [--step NAME]\n"
        "       xray separate [options] --step NAME --where QUERY\n"
        "       xray separate [options] QUERY [QUERY]"
    )
    parser.add_argument(
        "asked",
        nargs="*",
        metavar="RUN | QUERY",
        help=f"{RUN_HELP}, whose candidates are told apart; or a query of the bad runs, and one "
        "of the good (spec/query.md), all others when absent",
    )
    parser.add_argument(
        "--step", metavar="NAME", help="the step; of one run, the one that rejected most"
    )
    parser.add_argument(
        "--where", metavar="QUERY", help="instead of RUN: every run that meets a query; '' for all"
    )
    parser.add_argument(
        "--reason",
        metavar="REASON",
        action="append",
        default=[],
        help="only candidates rejected for this reason, against the kept; repeatable",
    )
    parser.add_argument(
        "--selected", action="store_true", help="the selected against all other candidates"
    )
    parser.add_argument(
        "--runs",
        type=int,
        metavar="N",
        help="look at the newest N runs, of each side (default 1000)",
    )
    parser.epilog = (
        "Whatever is recorded is looked at: attributes, origins, scores and observed values of\n"
        "candidates; metadata, parameters, versions and what steps did of runs. What is named is\n"
        "named by chance alone in at most one of a hundred cases. What the step's own checks\n"
        "read comes last, and what only says the same as something stronger stands under that.\n\n"
        "examples:\n"
        "  xray separate last --step filter_candidates\n"
        "  xray separate last --step filter_candidates --reason price_too_high\n"
        "  xray separate --step filter_candidates --where \"pipeline = 'search'\"\n"
        "  xray separate \"status = 'failed'\"\n"
        "  xray separate \"metadata.verdict = 'bad'\" \"metadata.verdict = 'good'\" --json"
    )


def run(args: Namespace) -> int:
    """Say what separates some candidates or runs from others."""
    console = open_console(args)
    with open_client(args) as client:
        if asks_of_candidates(args):
            run_id = client.resolve_run(args.asked[0]) if args.asked else None
            path, pairs = separate_request(
                run_id,
                step=args.step,
                where=args.where,
                reasons=args.reason,
                is_selected=args.selected,
                runs=args.runs,
            )
        else:
            path, pairs = _read_queries(args)
        body = client.get(path, pairs)
    found = read_record(body, Separation)
    if args.json:
        console.write_json(body)
        return 0
    console.write(draw_separation(found, console.terminal))
    _note_rest(found, console)
    return 0


def asks_of_candidates(args: Namespace) -> bool:
    """Whether candidates are told apart, and not whole runs.

    Raises:
        InvalidQueryError: it is not said what is told apart, or twice.
    """
    names_step = args.step is not None or args.where is not None or args.reason or args.selected
    given = len(args.asked)
    if (given == 0 and args.step is None) or given > 2:
        raise InvalidQueryError(
            "It is not said what is to be told apart.",
            hint="Give a run, --step NAME --where QUERY, or one or two queries of runs.",
            code="missing_parameter",
        )
    if given == 2 and names_step:
        raise InvalidQueryError(
            "Two queries tell runs apart; --step, --where, --reason and --selected candidates.",
            hint="Leave one or the other out.",
            code="invalid_parameter",
        )
    return bool(names_step) or (given == 1 and _RUN.fullmatch(args.asked[0]) is not None)


def _read_queries(args: Namespace) -> tuple[str, Pairs]:
    a, b = (*args.asked, "")[:2]
    return separate_runs_request(a, b, args.runs)


def _note_rest(found: Separation, console: Console) -> None:
    if not found.complete:
        of = f" of {found.matching:,} that match" if found.matching is not None else ""
        console.note(
            f"Only the newest {found.runs:,} runs{of} were looked at; --runs says how many."
        )


def draw_separation(found: Separation, terminal: Terminal) -> list[str]:
    """The sentence, what separates both sides, what decides by itself, and what was left out."""
    lines = draw_headline(found.answer, found.certainty, found.because, terminal)
    if found.of == "runs":
        for name, side in (("A", found.a), ("B", found.b)):
            query = printable(side.name) if side.name.strip() else "all other runs"
            lines += terminal.paint_all(
                wrap(f"{name} {side.count:,} runs: {query}", terminal.width, indent="  ", first=""),
                "dim",
            )
    for title, separators in (
        ("What separates them", found.separators),
        ("What the step's own rules read", found.rules),
    ):
        if separators:
            lines += ["", terminal.paint(title, "bold")]
            for one in separators[:_MAX_SHOWN]:
                lines += _draw_separator(one, terminal)
            more = len(separators) - _MAX_SHOWN
            lines += [f"  and {more:,} more; --json has them"] if more > 0 else []
    if found.left_out:
        lines += ["", *_draw_left_out(found, terminal)]
    if found.is_cut:
        lines += wrap("Some of many fields were left out.", terminal.width)
    return lines


def _draw_separator(one: Separator, terminal: Terminal) -> list[str]:
    mark = terminal.paint("·" if one.reads else "!", "dim" if one.reads else "yellow")
    lines = wrap(printable(one.text), terminal.width, indent="    ", first=f"  {mark} ")
    for split in one.also:
        told = f"{split.text}: {split.a:,} of {split.a_of:,}, and {split.b:,} of {split.b_of:,}"
        lines += wrap(printable(told), terminal.width, indent="      ", first="    also ")
    for proxy in one.proxies[:_MAX_PROXIES]:
        lines += terminal.paint_all(
            wrap(
                printable(f"adds nothing: {proxy.text}"), terminal.width, indent="      ",
                first="    ",
            ),
            "dim",
        )  # fmt: skip
    more = len(one.proxies) - _MAX_PROXIES
    lines += [terminal.paint(f"    and {more:,} more that add nothing", "dim")] if more > 0 else []
    shown = [_say_example(example) for example in (*one.a_examples[:1], *one.b_examples[:1])]
    if shown:
        lines += terminal.paint_all(
            wrap(f"e.g. {' and '.join(shown)}", terminal.width, indent="      ", first="    "),
            "dim",
        )
    return lines


def _say_example(example: Example) -> str:
    return printable(example.candidate_id or example.run_id)


def _draw_left_out(found: Separation, terminal: Terminal) -> list[str]:
    told = [
        f"{one.path}{f' of {one.step}' if one.step else ''} ({one.because})"
        for one in found.left_out[:_MAX_LEFT_OUT]
    ]
    more = len(found.left_out) - _MAX_LEFT_OUT
    told += [f"{more:,} more"] if more > 0 else []
    text = f"Not looked at: {', '.join(told)}."
    return terminal.paint_all(wrap(printable(text), terminal.width), "dim")
