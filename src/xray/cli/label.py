"""`xray label RUN good|bad`: what somebody who knows better thinks of a run or a candidate."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

import msgspec

from xray.cli.connection import open_client
from xray.cli.console import open_console
from xray.cli.show import RUN_HELP
from xray.cli.terminal import printable, wrap
from xray.client import Client
from xray.errors import InvalidQueryError
from xray.model.labels import Labelling
from xray.model.vocabulary import LABELS, parse_label


def add_arguments(parser: ArgumentParser) -> None:
    """Add the options of `xray label`."""
    parser.usage = (
        "xray label [options] RUN good|bad\n"
        "       xray label [options] --correlation ID good|bad\n"
        "       xray label [options] --remove RUN"
    )
    parser.add_argument("words", nargs="*", metavar="RUN LABEL", help=f"{RUN_HELP}; good or bad")
    parser.add_argument(
        "--correlation",
        metavar="ID",
        help="instead of RUN: every run that another system knows by this id",
    )
    parser.add_argument(
        "--candidate", metavar="ID", help="the candidate that is meant, not the run as a whole"
    )
    parser.add_argument("--note", metavar="TEXT", help="why")
    parser.add_argument("--by", metavar="NAME", help="who or what says so")
    parser.add_argument("--remove", action="store_true", help="take the label back")
    parser.epilog = (
        "A run has one label, and each candidate in it one: a later takes the place of an\n"
        "earlier. A candidate that should have been found is labelled good also where no step\n"
        "ever saw it. Labels are asked for like any field: \"label = 'bad'\" of runs and of\n"
        "decisions, any(decision.label = 'bad') of runs.\n\n"
        "examples:\n"
        "  xray label last bad --note 'a stand is no case'\n"
        "  xray label last bad --candidate laptop_stand_132\n"
        "  xray label --correlation order-1723 good --by feedback\n"
        "  xray runs \"label = 'bad'\"\n"
        "  xray compare \"label = 'good'\" \"label = 'bad'\""
    )


def run(args: Namespace) -> int:
    """Label a run or a candidate, or take a label back."""
    name, label = _read_words(args)
    console = open_console(args)
    with open_client(args) as client:
        labelling = _label(args, client, name, label)
    if args.json:
        console.write_json(msgspec.json.encode(labelling))
        return 0
    console.write(wrap(printable(labelling.answer), console.terminal.width))
    if labelling.unseen and args.candidate is not None:
        run_id = labelling.unseen[0]
        console.note(f"`xray why {run_id[:13]} {args.candidate}` names recorded ids like it.")
    return 0


def _label(args: Namespace, client: Client, name: str, label: str) -> Labelling:
    if args.correlation is not None:
        if args.remove:
            return client.unlabel_correlated(args.correlation, candidate=args.candidate)
        return client.label_correlated(
            args.correlation, label, candidate=args.candidate, note=args.note, by=args.by
        )
    if args.remove:
        return client.unlabel(name, candidate=args.candidate)
    return client.label(name, label, candidate=args.candidate, note=args.note, by=args.by)


def _read_words(args: Namespace) -> tuple[str, str]:
    """The run that is named, and the label; empty where there is none to be named."""
    wanted = [
        *([] if args.correlation is not None else ["a run"]),
        *([] if args.remove else [" or ".join(LABELS)]),
    ]
    if len(args.words) != len(wanted):
        what = " and ".join(wanted) if wanted else "nothing"
        raise InvalidQueryError(
            f"{what[:1].upper()}{what[1:]} was to be named, not {len(args.words)} words.",
            hint="See `xray label --help`.",
            code="invalid_label",
        )
    label = "" if args.remove else args.words[-1]
    if label and parse_label(label) is None:
        raise InvalidQueryError(
            f"{label[:100]!r} is no label.",
            hint=f"It is {' or '.join(LABELS)}.",
            code="invalid_label",
        )
    return ("" if args.correlation is not None else args.words[0]), label
