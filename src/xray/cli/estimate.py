"""`xray estimate`: what a load brings a day, before it is turned on."""

from __future__ import annotations

import math
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from typing import Final, NamedTuple

import msgspec
from msgspec import Struct

from xray.cli.console import open_console
from xray.model.vocabulary import CAPTURE_LEVELS, CaptureLevel

CENSUS_ROWS: Final = 1_024
DRAWN_ROWS: Final = 4 * 50
"""Rows of a step with detail: the first, and those drawn for each of four reasons."""

_ROSTER_CHUNK: Final = 8_192
_DAY_S: Final = 86_400
_MINUTES_A_DAY: Final = 1_440
_SOURCE: Final = "bench/estimate.py"


class Costs(NamedTuple):
    """Bytes, as `python -m bench.estimate` measures them.

    Args:
        run: a run without its steps.
        step: a step that decided nothing.
        counts: what counts by verdict and reason add to a step.
        decision: a decision with detail: one attribute, and a reason or a score.
        named: a candidate of which only the fate is kept.
        tally: a minute of runs that were left out, for each name of a step.
    """

    run: float
    step: float
    counts: float
    decision: float
    named: float
    tally: float


AT_REST: Final = Costs(run=600, step=245, counts=170, decision=22, named=3.3, tally=110)
ON_WIRE: Final = Costs(run=58, step=27, counts=15, decision=11, named=5, tally=91)


class Load(Struct, frozen=True, kw_only=True):
    """What a pipeline does.

    Args:
        runs_per_second: on average over a day.
        steps: of a run.
        candidates: decisions of a run, spread evenly over its steps.
        sample: the share of the runs that is kept.
        capture: how much of each decision is kept.
        processes: how many record; each sends its own tallies.
    """

    runs_per_second: float
    steps: int
    candidates: int
    sample: float
    capture: CaptureLevel
    processes: int


class Estimate(Struct, frozen=True, kw_only=True):
    """What that brings.

    Args:
        records_per_second: records that are sent.
        stored_runs_per_day: runs that are kept.
        bytes_per_day: what the database grows by.
        sent_bytes_per_day: what is sent, compressed.
        tallies_bytes_per_day: how much of `bytes_per_day` counts the runs that are not kept.
        bytes_per_run: what one kept run takes in the database.
        source: where the constants were measured.
    """

    load: Load
    records_per_second: float
    stored_runs_per_day: float
    bytes_per_day: float
    sent_bytes_per_day: float
    tallies_bytes_per_day: float
    bytes_per_run: float
    source: str = _SOURCE


def estimate(load: Load) -> Estimate:
    """What *load* brings a day."""
    stored_per_second = load.runs_per_second * load.sample
    stored_per_day = stored_per_second * _DAY_S
    is_whole = load.sample >= 1
    minutes = 0 if is_whole else min(_MINUTES_A_DAY, load.runs_per_second * _DAY_S)
    tallies_per_day = minutes * load.processes
    tally_bytes = tallies_per_day * max(1, load.steps)
    run_bytes = _bytes_of_run(load, AT_REST)
    return Estimate(
        load=load,
        records_per_second=stored_per_second * _records_of_run(load) + tallies_per_day / _DAY_S,
        stored_runs_per_day=stored_per_day,
        bytes_per_day=stored_per_day * run_bytes + tally_bytes * AT_REST.tally,
        sent_bytes_per_day=stored_per_day * _bytes_of_run(load, ON_WIRE)
        + tally_bytes * ON_WIRE.tally,
        tallies_bytes_per_day=tally_bytes * AT_REST.tally,
        bytes_per_run=run_bytes,
    )


def _share_of_step(load: Load) -> tuple[int, int]:
    """Candidates of a step: with detail, and known by name only."""
    if not load.steps or load.capture == "minimal":
        return 0, 0
    candidates = math.ceil(load.candidates / load.steps)
    if load.capture == "full" or candidates <= CENSUS_ROWS:
        return candidates, 0
    named = candidates - CENSUS_ROWS
    return CENSUS_ROWS + min(named, DRAWN_ROWS), named


def _bytes_of_run(load: Load, costs: Costs) -> float:
    detailed, named = _share_of_step(load)
    counts = costs.counts if load.candidates else 0.0
    step = costs.step + counts + detailed * costs.decision + named * costs.named
    return costs.run + load.steps * step


def _records_of_run(load: Load) -> int:
    _, named = _share_of_step(load)
    return 2 + load.steps * (1 + math.ceil(named / _ROSTER_CHUNK))


def add_arguments(parser: ArgumentParser) -> None:
    """Add the options of `xray estimate`."""
    parser.usage = "xray estimate [options]"
    number = _read_number
    parser.add_argument("--runs-per-second", metavar="N", type=number, default=1.0, help="runs")
    parser.add_argument("--steps", metavar="N", type=_read_count, default=5, help="steps of a run")
    parser.add_argument(
        "--candidates", metavar="N", type=_read_count, default=1_000, help="decisions of a run"
    )
    parser.add_argument(
        "--sample", metavar="SHARE", type=_read_share, default=1.0, help="runs kept, 0 to 1"
    )
    parser.add_argument(
        "--capture", choices=CAPTURE_LEVELS, default="sample", help="the capture level"
    )
    parser.add_argument(
        "--processes", metavar="N", type=_read_count, default=1, help="processes that record"
    )
    parser.epilog = (
        f"The constants are those {_SOURCE} measures: ids of 13 characters, one attribute a\n"
        "decision, four reasons a step. Runs that rules keep come on top.\n\n"
        "examples:\n"
        "  xray estimate --runs-per-second 50 --steps 5 --candidates 1000 --sample 0.01"
    )


def run(args: Namespace) -> int:
    """Print what a load brings."""
    console = open_console(args)
    found = estimate(
        Load(
            runs_per_second=args.runs_per_second,
            steps=args.steps,
            candidates=args.candidates,
            sample=args.sample,
            capture=args.capture,
            processes=args.processes,
        )
    )
    if args.json:
        console.write_json(msgspec.json.format(msgspec.json.encode(found)))
        return 0
    kept, each = f"{found.stored_runs_per_day:,.0f}", _say_bytes(found.bytes_per_run)
    whole, counts = _say_bytes(found.bytes_per_day), _say_bytes(found.tallies_bytes_per_day)
    console.write(
        [
            f"records     {found.records_per_second:,.1f} a second",
            f"runs        {kept} a day are kept, {each} each",
            f"database    {whole} a day, of it {counts} to count the runs not kept",
            f"network     {_say_bytes(found.sent_bytes_per_day)} a day, compressed",
            "",
            f"From constants that {found.source} measures; your own attributes weigh what they do.",
        ]
    )
    return 0


def _say_bytes(number: float) -> str:
    for unit in ("B", "KB", "MB", "GB", "TB"):
        if number < 1_000 or unit == "TB":
            break
        number /= 1_000
    return f"{number:,.0f} {unit}" if number >= 100 or unit == "B" else f"{number:,.1f} {unit}"


def _read_number(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not 0 <= number <= 1e9:
        raise ArgumentTypeError(f"{text!r} is not a number from 0 on")
    return number


def _read_count(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) <= 9):
        raise ArgumentTypeError(f"{text!r} is not a whole number from 0 on")
    return int(text)


def _read_share(text: str) -> float:
    share = _read_number(text)
    if share > 1:
        raise ArgumentTypeError(f"{text!r} is not a share from 0 to 1")
    return share
