"""`xray decisions`: a table of what was decided about candidates, across all runs."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from typing import Final

from xray.cli.console import Console
from xray.cli.listing import Listing, add_listing
from xray.cli.terminal import Cell, Column, Style, draw_table, printable
from xray.cli.wording import NOT_THERE, shorten_ids
from xray.model.counts import score_value
from xray.model.records import Decision
from xray.model.vocabulary import Verdict
from xray.replies import read_decisions

_COLUMNS: Final = (
    Column("CANDIDATE", min_width=10, max_width=40),
    Column("DECISION"),
    Column("REASON", min_width=10, max_width=40),
    Column("SCORE", is_right=True, drop_order=3),
    Column("RANK", is_right=True, drop_order=4),
    Column("STEP", drop_order=2),
    Column("RUN", drop_order=1),
)
_STYLES: Final[dict[Verdict, Style]] = {"rejected": "red", "selected": "green"}


def add_arguments(parser: ArgumentParser) -> None:
    """Add the options of `xray decisions`."""
    add_listing(parser, "decisions", "candidate_id=p-17, reason=price_too_high, score_lt=0.5")
    parser.add_argument("--candidate", metavar="ID", help="only this candidate, newest first")
    parser.add_argument("--run", metavar="RUN", help="only this run, in recorded order")
    parser.add_argument("--step", metavar="STEP_ID", help="only this step, in recorded order")
    parser.epilog = (
        "Without a candidate, run or step the newest steps are searched, up to a budget.\n\n"
        "examples:\n"
        "  xray decisions --candidate p-17\n"
        "  xray decisions --run last \"reason = 'price_too_high' and score > 0.8\"\n"
        "  xray decisions \"step.name = 'FilterByPrice' and attributes.price < 20\" --all"
    )


def run(args: Namespace) -> int:
    """List decisions."""
    args.candidate_id, args.step_id, args.run_id = args.candidate, args.step, None
    if args.run is not None:
        from xray.cli.connection import open_client

        with open_client(args) as client:
            args.run_id = client.resolve_run(args.run)
    options = ("candidate_id", "run_id", "step_id")
    return Listing("decisions", options, read_decisions, _draw).show(args)


def _draw(decisions: list[Decision], console: Console) -> list[str]:
    if not decisions:
        return []
    runs = shorten_ids([decision.run_id for decision in decisions])
    steps = shorten_ids([decision.step_id for decision in decisions])
    rows = [_row(one, steps[one.step_id], runs[one.run_id]) for one in decisions]
    return draw_table(_COLUMNS, rows, console.terminal)


def _row(decision: Decision, step: str, run_id: str) -> list[Cell]:
    score = score_value(decision.score)
    verdict = decision.decision
    return [
        Cell(printable(decision.candidate_id)),
        Cell(verdict or NOT_THERE, None if verdict is None else _STYLES.get(verdict)),
        Cell(NOT_THERE if decision.reason is None else printable(decision.reason)),
        Cell(NOT_THERE if score is None else f"{score:.6g}"),
        Cell(NOT_THERE if decision.rank is None else str(decision.rank)),
        Cell(step, "cyan"),
        Cell(run_id, "cyan"),
    ]
