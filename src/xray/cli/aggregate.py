"""`xray aggregate`: figures of groups of runs, steps or decisions."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from typing import Final

import msgspec

from xray.cli.connection import add_filters, open_client, read_filters
from xray.cli.console import Console, open_console
from xray.cli.figures import draw_groups
from xray.model.aggregates import Aggregate
from xray.questions import Pairs
from xray.replies import read_record

_FIGURES: Final = {
    "sum": "the sum of a field",
    "mean": "its mean",
    "min": "its least",
    "max": "its greatest",
    "p50": "its median",
    "p90": "what nine tenths do not exceed",
    "p95": "what 19 of 20 do not exceed",
    "p99": "what 99 of 100 do not exceed",
}
_LIMIT: Final = 20
_BUCKETS_LIMIT: Final = 200
_OWN: Final = ("bucket", "sort", "order")


def add_arguments(parser: ArgumentParser) -> None:
    """Add the options of `xray aggregate`."""
    parser.usage = "xray aggregate [options] runs|steps|decisions [QUERY] [KEY=VALUE ...]"
    parser.add_argument("of", metavar="runs|steps|decisions", help="which records")
    add_filters(
        parser,
        "step_type=filter, duration_gt=5000",
        limit=None,
        limit_help=f"at most N groups by themselves (default {_LIMIT}, or {_BUCKETS_LIMIT} with "
        "--bucket)",
    )
    figures = parser.add_argument_group("figures, each also more than once")
    for name, about in _FIGURES.items():
        figures.add_argument(f"--{name}", metavar="FIELD", action="append", default=[], help=about)
    figures.add_argument(
        "--quantile",
        nargs=2,
        metavar=("PERCENT", "FIELD"),
        action="append",
        default=[],
        help="any quantile, e.g. 99.9 duration_ms",
    )
    groups = parser.add_argument_group("groups")
    groups.add_argument(
        "--by",
        metavar="FIELD",
        action="append",
        default=[],
        help="group by this field, e.g. run.pipeline; several with commas",
    )
    groups.add_argument(
        "--bucket", metavar="SPAN", help="also by time, e.g. 15m, 1h, 1d or 1w, aligned to UTC"
    )
    groups.add_argument(
        "--sort",
        metavar="WHAT",
        help="count, group, time or a figure, e.g. mean (else by count, and buckets by time)",
    )
    groups.add_argument("--order", choices=("asc", "desc"), help="the least or the most first")
    groups.add_argument(
        "--all", action="store_true", help="go on where a search stops at its budget"
    )
    parser.epilog = (
        "Every record counts by its weight, where runs or candidates are sampled; where tallies\n"
        "know what is asked, runs that were not kept are counted exactly. N is how many records\n"
        "of a group have a number in the field; the others are in no figure of it.\n\n"
        "examples:\n"
        "  xray aggregate steps \"step_type = 'filter'\" --mean rejection_rate --by run.pipeline\n"
        '  xray aggregate runs "started_at > 7d" --p50 duration_ms --p95 duration_ms --bucket 1d\n'
        "  xray aggregate decisions \"decision = 'rejected'\" --by step.name,reason --limit 10"
    )


def run(args: Namespace) -> int:
    """Print figures."""
    pairs = _read_pairs(args)
    console = open_console(args)
    with open_client(args) as client:
        if args.all:
            whole = client.add_up(
                pairs, is_whole=True, note_part=lambda part: _show_reach(part, console)
            )
            console.show_progress("")
            body = msgspec.json.encode(whole)
        else:
            body = client.get("/v1/aggregate", pairs)
    if args.json:
        console.write_json(body)
        return 0
    answer = read_record(body, Aggregate)
    console.write(draw_groups(answer, console.terminal))
    _note_rest(answer, console)
    return 0


def _read_pairs(args: Namespace) -> Pairs:
    if args.limit is None:
        args.limit = _LIMIT if args.bucket is None else _BUCKETS_LIMIT
    pairs = [("of", args.of)]
    pairs += [(name, ", ".join(fields)) for name in _FIGURES if (fields := getattr(args, name))]
    pairs += [(f"p{percent.lstrip('pP')}", field) for percent, field in args.quantile]
    if args.by:
        pairs.append(("by", ", ".join(args.by)))
    return [*pairs, *read_filters(args, _OWN)]


def _show_reach(part: Aggregate, console: Console) -> None:
    reach = (
        ""
        if part.scan is None or part.scan.back_to is None
        else (f", back to {part.scan.back_to:%Y-%m-%dT%H:%M:%S}")
    )
    console.show_progress(f"{part.rows:,} {part.of} so far{reach} …")


def _note_rest(answer: Aggregate, console: Console) -> None:
    """Say on stderr what the table does not show."""
    if not answer.rows:
        console.note(f"No {answer.of} match." if answer.complete else f"No {answer.of} so far.")
    if answer.tallied:
        console.note(f"{answer.tallied:,} of the {answer.of} were not kept: tallies count them.")
    elif answer.is_estimated:
        console.note(f"Estimated: the {answer.of} that were kept stand for the others.")
    if answer.quantiles is not None and answer.quantiles.method == "sketch":
        share = answer.quantiles.relative_error
        console.note(f"There are very many values: quantiles are exact to {share:.0%}.")
    if answer.next_cursor is None:
        return
    said = "The search stopped at its budget"
    if answer.scan is not None and answer.scan.back_to is not None:
        said += f" of {answer.scan.rows:,} rows, at {answer.scan.back_to:%Y-%m-%d %H:%M:%S}"
    console.note(f"{said}: these figures are of the {answer.of} since then; add --all to go on")
