"""`xray findings RUN`: what deserves a look in a run, and where to look first."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from xray.cli.connection import open_client
from xray.cli.console import open_console
from xray.cli.show import RUN_HELP, draw_first, draw_rest
from xray.cli.terminal import Terminal
from xray.model.answers import FindingList
from xray.questions import run_path
from xray.replies import read_findings


def add_arguments(parser: ArgumentParser) -> None:
    """Add the options of `xray findings`."""
    parser.usage = "xray findings [options] RUN"
    parser.add_argument("run", metavar="RUN", help=RUN_HELP)
    parser.epilog = (
        "At most three findings come first: those that a healthy run shows least often, and of\n"
        "equals those nearest to the output. A `?` stands where only a guess is possible.\n\n"
        "examples:\n"
        "  xray findings last\n"
        "  xray findings 0193f0c2-7a51 --json"
    )


def run(args: Namespace) -> int:
    """Say what deserves a look in a run."""
    console = open_console(args)
    with open_client(args) as client:
        body = client.get(run_path(client.resolve_run(args.run), "findings"))
    findings = read_findings(body)
    if args.json:
        console.write_json(body)
    else:
        console.write(draw_list(findings, console.terminal))
    return 0


def draw_list(findings: FindingList, terminal: Terminal) -> list[str]:
    """Where to look first, and what else there is."""
    parts = [draw_first(findings, terminal), draw_rest(findings, terminal)]
    first, *others = [part for part in parts if part]
    return [*first, *(line for part in others for line in ("", *part))]
