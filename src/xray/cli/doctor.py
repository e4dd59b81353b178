"""`xray doctor`: checks the road from this process to the server, one line each."""

from __future__ import annotations

import os
from argparse import ArgumentParser, Namespace
from typing import Final

import msgspec

from xray.cli.checkpoint import Checkpoint, Verdict
from xray.cli.checks import check_road
from xray.cli.console import open_console
from xray.cli.terminal import Style, Terminal, printable, wrap

_STYLES: Final[dict[Verdict, Style]] = {"ok": "green", "problem": "red", "skipped": "dim"}


def add_arguments(parser: ArgumentParser) -> None:
    """Add the options of `xray doctor`."""
    parser.usage = "xray doctor [options]"
    parser.add_argument(
        "--write",
        action="store_true",
        help="also record a run of the pipeline `xray-doctor` and read it back",
    )
    parser.epilog = (
        "The exit code is 1 when there is a problem.\n\n"
        "examples:\n"
        "  xray doctor\n"
        "  xray doctor --url https://xray.example.org --write\n"
        "  xray doctor --store sqlite:///runs.db"
    )


def run(args: Namespace) -> int:
    """Check the road."""
    console = open_console(args)
    checkpoints: list[Checkpoint] = []
    for checkpoint in check_road(args, os.environ):
        checkpoints.append(checkpoint)
        if not args.json:
            console.write(draw_checkpoint(checkpoint, console.terminal))
            console.out.flush()
    problems = sum(checkpoint.verdict == "problem" for checkpoint in checkpoints)
    if args.json:
        report = {"ok": problems == 0, "checks": checkpoints}
        console.write_json(msgspec.json.format(msgspec.json.encode(report)))
    else:
        verdict = "The road is clear." if problems == 0 else _count_problems(problems)
        console.write(["", console.terminal.paint(verdict, "bold")])
    return 0 if problems == 0 else 1


def _count_problems(problems: int) -> str:
    return "There is 1 problem." if problems == 1 else f"There are {problems} problems."


def draw_checkpoint(checkpoint: Checkpoint, terminal: Terminal) -> list[str]:
    """One line, and for a problem what to do."""
    verdict = terminal.paint(f"{checkpoint.verdict:<7}", _STYLES[checkpoint.verdict])
    lines = wrap(
        f"{checkpoint.name:<14}  {printable(checkpoint.detail)}",
        terminal.width,
        indent=" " * 25,
        first=" " * 9,
    )
    lines[0] = f"{verdict}  {lines[0][9:]}"
    if checkpoint.todo:
        lines += wrap(printable(checkpoint.todo), terminal.width, indent=" " * 25)
    return lines
