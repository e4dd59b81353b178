"""`xray expect RUN 'p42 is not selected'`: whether runs decided as they were expected to."""

from __future__ import annotations

import shlex
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from pathlib import Path

import msgspec

from xray.cli.connection import open_client
from xray.cli.console import Console, open_console
from xray.cli.show import RUN_HELP
from xray.cli.terminal import Style, Terminal, printable, wrap
from xray.client import Client
from xray.errors import InvalidQueryError
from xray.golden import Golden, read_golden, verify_golden
from xray.model.verification import Verification, Verified

_LABELS: dict[bool | None, tuple[str, Style]] = {
    True: ("met", "green"),
    False: ("broken", "red"),
    None: ("unknown", "yellow"),
}


def add_arguments(parser: ArgumentParser) -> None:
    """Add the options of `xray expect`."""
    parser.usage = (
        "xray expect [options] RUN EXPECTATION...\n"
        "       xray expect [options] --where QUERY [--each] EXPECTATION...\n"
        "       xray expect [options] --file FILE [RUN]"
    )
    parser.add_argument(
        "words",
        nargs="*",
        metavar="EXPECTATION",
        help=f"the run, unless --where names it ({RUN_HELP}), and what is expected of it",
    )
    parser.add_argument("--file", metavar="FILE", help="golden decisions, one a line")
    parser.add_argument("--where", metavar="QUERY", help="the newest run that meets a query")
    parser.add_argument("--each", action="store_true", help="every run that meets --where")
    parser.add_argument(
        "--allow-unknown",
        action="store_true",
        help="pass where the capture cannot tell; else only what is shown to hold passes",
    )
    parser.epilog = (
        "The exit code is 0 when every expectation is met, else 1. How expectations and files of\n"
        "them are written: spec/expectations.md.\n\n"
        "examples:\n"
        "  xray expect last 'laptop_stand_42 is not selected'\n"
        "  xray expect last 'p1 is rejected by too_dear at price' 'exactly 1 selected'\n"
        "  xray expect --where 'status = \"completed\"' --each 'at most 40% rejected by too_dear'\n"
        "  xray expect --file golden.expect --json"
    )


def run(args: Namespace) -> int:
    """Say whether runs decided as they were expected to."""
    console = open_console(args)
    found: list[Verification] = []
    with open_client(args) as client:
        for verification in _verify_all(client, args):
            found.append(verification)
            console.show_progress(f"{len(found):,} runs")
            if not args.json:
                _show(verification, console)
    console.show_progress("")
    if args.json:
        console.write_json(msgspec.json.encode({"runs": found}))
    elif len(found) > 1:
        met = sum(one.is_met is True for one in found)
        console.write(["", f"{met:,} of {len(found):,} runs decided as expected."])
    return 0 if all(_passes(one.is_met, args) for one in found) else 1


def _passes(is_met: bool | None, args: Namespace) -> bool:
    return is_met is True or (is_met is None and args.allow_unknown)


def _verify_all(client: Client, args: Namespace) -> Iterator[Verification]:
    words = list(args.words)
    run = words.pop(0) if words and args.where is None else None
    goldens = [] if args.file is None else _read_file(Path(args.file))
    if words or args.where is not None or not goldens:
        named = [(at, word) for at, word in enumerate(words, 1)]
        given = Golden(query=args.where, is_each=args.each, line=1, expectations=named)
        if not words:
            raise InvalidQueryError(
                "It is not said what is expected.",
                hint="Say it behind the run, in quotes: 'laptop_stand_42 is not selected'.",
                code="missing_parameter",
            )
        goldens.insert(0, given)
    for golden in goldens:
        yield from verify_golden(client, golden, run)


def _read_file(path: Path) -> list[Golden]:
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is no UTF-8 text"
        raise InvalidQueryError(
            f"{path} cannot be read: {why}.",
            hint="Name a file of expectations: --file golden.expect.",
            code="invalid_expectation",
        ) from error
    return read_golden(text, str(path))


def _show(verification: Verification, console: Console) -> None:
    console.show_progress("")
    console.write(draw_verification(verification, console.terminal))


def draw_verification(verification: Verification, terminal: Terminal) -> list[str]:
    """Each expectation, with what was found beside those that are not met."""
    name = terminal.paint(printable(verification.pipeline), "bold")
    lines = [f"{name}, run {verification.run_id}: {verification.answer}."]
    for one in verification.expectations:
        lines += _draw_one(one, verification.run_id, terminal)
    return lines


def _draw_one(one: Verified, run_id: str, terminal: Terminal) -> list[str]:
    label, style = _LABELS[one.is_met]
    lines = [f"  {terminal.paint(f'{label:<7}', style)}  {printable(one.text)}"]
    if one.is_met:
        return lines
    doubt = " (inferred)" if one.certainty == "inferred" else ""
    details = [("found", f"{printable(one.found)}{doubt}")]
    if one.because and one.because not in one.found:
        details.append(("because", printable(one.because)))
    if one.candidate_id is not None:
        asked = printable(shlex.quote(one.candidate_id))
        details.append(("see", f"xray why {run_id} {asked}"))
    for name, said in details:
        lines += wrap(said, terminal.width, indent=" " * 19, first=f"           {name:<8}")
    return lines
