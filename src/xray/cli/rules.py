"""`xray rules [QUERY]`: how the rules of pipelines do over many runs."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from typing import Final

import msgspec

from xray.cli.connection import add_run_query, open_client
from xray.cli.console import Console, open_console
from xray.cli.show import draw_headline
from xray.cli.terminal import Cell, Column, Terminal, draw_table, printable, wrap
from xray.cli.wording import say_certainty, say_number, say_value
from xray.model.rules import Extent, RuleConcern, RuleExample, RuleHealth, RuleReport

_MAX_SHOWN: Final = 12
_MAX_LISTED: Final = 40
_COLUMNS: Final = (
    Column("STEP", min_width=8, max_width=28, drop_order=2),
    Column("RULE", min_width=10, max_width=32),
    Column("LIMIT", min_width=6, max_width=24, drop_order=5),
    Column("DECIDED", is_right=True, drop_order=4),
    Column("KILLS", is_right=True),
    Column("RATE", is_right=True),
    Column("ALONE", is_right=True),
    Column("JUST MET", is_right=True, drop_order=6),
    Column("JUST FAILED", is_right=True, drop_order=7),
    Column("MISSING", is_right=True, drop_order=8),
)


def add_arguments(parser: ArgumentParser) -> None:
    """Add the options of `xray rules`."""
    add_run_query(parser)
    parser.add_argument(
        "--since-version",
        metavar="V",
        help="hold runs since version V came against those before; without it every version that "
        "came among these runs is tried",
    )
    parser.add_argument(
        "--since",
        metavar="TIME",
        help="hold runs since a time, or an age like 7d, against those before",
    )
    parser.add_argument(
        "--newest",
        action="store_true",
        help="only as many of the newest runs as are read in two seconds",
    )
    parser.epilog = (
        "For each rule (the name of a check, or the reason of a rejection without one): KILLS are\n"
        "the candidates rejected for it, ALONE those of them that failed nothing else, JUST MET\n"
        "and JUST FAILED those near its limit. Rules that deserve attention come first:\n"
        "docs/rules.md says which do. A rule that is said to have changed is said so by chance\n"
        "alone in at most one of a hundred reports.\n\n"
        "examples:\n"
        "  xray rules \"pipeline = 'shop' and started_at > 7d\"\n"
        "  xray rules --since-version 1.5\n"
        "  xray rules \"pipeline = 'shop'\" --since 2026-05-01 --json"
    )


def run(args: Namespace) -> int:
    """Say how the rules of runs do."""
    console = open_console(args)
    with open_client(args) as client:
        report = client.rules(
            args.query,
            since_version=args.since_version,
            since=args.since,
            is_whole=not args.newest,
            note_part=lambda part: show_reach(part, console),
        )
    console.show_progress("")
    if args.json:
        console.write_json(msgspec.json.encode(report))
        return 0
    console.write(draw_report(report, console.terminal))
    if not report.complete:
        console.note("Only the newest runs were looked at; leave --newest out for all.")
    return 0


def show_reach(part: RuleReport, console: Console) -> None:
    """Show how far the search came."""
    back_to = None if part.scan is None else part.scan.back_to
    reach = "" if back_to is None else f", back to {back_to:%Y-%m-%dT%H:%M:%S}"
    console.show_progress(f"{part.runs:,} runs so far{reach} …")


def draw_report(report: RuleReport, terminal: Terminal) -> list[str]:
    """The sentence, what deserves attention, and every rule as a line."""
    lines = draw_headline(report.answer, report.certainty, report.because, terminal)
    shown = report.rules[: min(report.attention, _MAX_SHOWN)]
    if shown:
        lines += ["", terminal.paint("What deserves attention", "bold")]
        for rule in shown:
            for concern in rule.concerns:
                lines += _draw_concern(concern, terminal)
        more = report.attention - len(shown)
        lines += [f"  and {more:,} more rules; --json has them"] if more > 0 else []
    if report.rules:
        rows = [_draw_row(rule, terminal) for rule in report.rules[:_MAX_LISTED]]
        lines += ["", *draw_table(_COLUMNS, rows, terminal)]
        more = len(report.rules) - _MAX_LISTED
        lines += [f"and {more:,} more; --json has them"] if more > 0 else []
        if any(rule.near is not None for rule in report.rules):
            lines += terminal.paint_all(wrap(f"{report.near_means}.", terminal.width), "dim")
    if report.is_cut:
        lines += wrap("Some of many steps, rules or versions were left out.", terminal.width)
    return lines


def _draw_concern(concern: RuleConcern, terminal: Terminal) -> list[str]:
    mark = terminal.paint("!", "yellow")
    ground = say_certainty(concern.certainty, concern.because, concern.text)
    text = f"{printable(concern.text)} {ground}".rstrip()
    lines = wrap(text, terminal.width, indent="    ", first=f"  {mark} ")
    if concern.examples:
        said = ", ".join(_say_example(one) for one in concern.examples[:2])
        told = wrap(f"e.g. {said}", terminal.width, indent="      ", first="    ")
        lines += terminal.paint_all(told, "dim")
    return lines


def _say_example(one: RuleExample) -> str:
    observed = "" if one.observed is None else f" ({say_number(one.observed)})"
    return f"{printable(one.candidate_id)}{observed} in {one.run_id}"


def _draw_row(rule: RuleHealth, terminal: Terminal) -> list[Cell]:
    near = rule.near
    return [
        Cell(printable(rule.step)),
        Cell(printable(rule.rule), "yellow" if rule.concerns else None),
        Cell(_say_limit(rule, terminal)),
        Cell(f"{rule.decided:,}"),
        Cell(f"{rule.kills:,}"),
        Cell(f"{100 * rule.kill_rate:.1f} %" if rule.kills else ""),
        Cell(_say_extent(rule.sole_kills) if rule.kills else ""),
        Cell("" if near is None else _say_extent(near.kept)),
        Cell("" if near is None else _say_extent(near.killed)),
        Cell(_say_extent(rule.missing) if rule.missing.least else ""),
    ]


def _say_limit(rule: RuleHealth, terminal: Terminal) -> str:
    if not rule.limits or rule.limit_history == "varies":
        return "varies" if rule.limits else ""
    newest = rule.limits[-1]
    return f"{newest.op} {say_value(newest.limit, terminal, 20)}"


def _say_extent(found: Extent) -> str:
    if found.is_exact:
        return f"{found.least:,}"
    if not found.least:
        return f"≤ {found.most:,}"
    return f"{found.least:,} to {found.most:,}"
