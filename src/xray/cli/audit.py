"""`xray audit 'QUERY'`: what the choices of many runs rest on."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from typing import Final

from xray.cli.connection import add_run_query, open_client
from xray.cli.console import open_console
from xray.cli.show import draw_headline
from xray.cli.terminal import Terminal, printable, wrap
from xray.cli.wording import shorten_ids
from xray.model.audit import Audit, AuditedShare, ChoiceAudit, PositionAudit
from xray.questions import audit_request
from xray.replies import read_record

_MAX_EXAMPLES: Final = 3
_HEIGHTS: Final = ("▁▂▃▄▅▆▇█", "_.-=+*%#")


def add_arguments(parser: ArgumentParser) -> None:
    """Add the options of `xray audit`."""
    add_run_query(parser)
    parser.add_argument(
        "--runs", type=int, default=200, metavar="N", help="look at the newest N (default 200)"
    )
    parser.epilog = (
        "Looks at every step that chooses among candidates it was offered, such as a language\n"
        "model that picks: whether the place in the list matters, whether what it chose was in\n"
        "the list, whether its reasoning agrees with the record, whether it took the best scores.\n"
        "Where candidates come in the order of their quality, a preference for the first cannot\n"
        "be told from one for the best; `unknown` says so.\n\n"
        "examples:\n"
        "  xray audit \"pipeline = 'support_answers'\"\n"
        "  xray audit \"version = '1.4' and started_at > 7d\" --runs 500 --json"
    )


def run(args: Namespace) -> int:
    """Say what the choices of many runs rest on."""
    console = open_console(args)
    with open_client(args) as client:
        body = client.get(*audit_request(args.query, args.runs))
    audit = read_record(body, Audit)
    if args.json:
        console.write_json(body)
    else:
        console.write(draw_audit(audit, console.terminal))
    return 0


def draw_audit(audit: Audit, terminal: Terminal) -> list[str]:
    """The sentence, and each step that chooses."""
    lines = draw_headline(audit.answer, audit.certainty, audit.because, terminal)
    for step in audit.steps:
        lines += ["", *_draw_step(step, terminal)]
    return lines


def _draw_step(step: ChoiceAudit, terminal: Terminal) -> list[str]:
    name, kind = terminal.paint(printable(step.step), "bold"), terminal.paint(step.step_type, "dim")
    runs = f"{step.runs:,} run{'' if step.runs == 1 else 's'}"
    lines = [f"{name} {kind}, {printable(step.pipeline)}, {runs}"]
    lines += _draw_places(step.position, terminal)
    for said, share in (
        ("ids nobody had offered", step.invented),
        ("reasonings the record contradicts", step.unsupported),
    ):
        if share is not None:
            text = f"{said}: {_say_share(share)}"
            lines += wrap(text, terminal.width, indent="    ", first="  ")
            lines += _draw_examples(share, terminal)
    if step.agreement is not None:
        text = f"took the best scores: {_say_share(step.agreement)}"
        lines += wrap(text, terminal.width, indent="    ", first="  ")
    return lines


def _draw_places(position: PositionAudit, terminal: Terminal) -> list[str]:
    text = f"{printable(position.text)}."
    if position.bias == "confounded":
        text = f"unknown: {text}"
    drawn = wrap(text, terminal.width, indent="    ", first="  ")
    lines = terminal.paint_all(drawn, "yellow") if position.bias == "biased" else drawn
    if position.places:
        counts = " ".join(f"{count:,}" for count in position.places)
        told = f"chosen by place, first to last: {_draw_bars(position.places, terminal)}  {counts}"
        lines += terminal.paint_all(wrap(told, terminal.width, indent="    ", first="  "), "dim")
    return lines


def _draw_bars(counts: list[int], terminal: Terminal) -> str:
    heights = _HEIGHTS[0] if terminal.is_unicode else _HEIGHTS[1]
    most = max(counts) or 1
    return "".join(heights[round(count / most * (len(heights) - 1))] for count in counts)


def _draw_examples(share: AuditedShare, terminal: Terminal) -> list[str]:
    ids = shorten_ids([one.run_id for one in share.examples])
    lines: list[str] = []
    for one in share.examples[:_MAX_EXAMPLES]:
        said = f": {printable(one.said)}" if one.said else ""
        text = f"{printable(one.candidate_id)} in run {ids[one.run_id]}{said}"
        lines += wrap(text, terminal.width, indent="      ", first="    ")
    return lines


def _say_share(share: AuditedShare) -> str:
    return (
        f"{share.count:,} of {share.of:,}, {_say_percent(share.share)} "
        f"({_say_percent(share.least)} to {_say_percent(share.most)})"
    )


def _say_percent(share: float) -> str:
    return f"{100 * share:.2g} %" if 0 < share < 0.1 else f"{100 * share:.0f} %"
