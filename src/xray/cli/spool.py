"""`xray spool`: what waits on this machine to be delivered, since when, and why."""

from __future__ import annotations

import os
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

from xray.cli.connection import resolve_url
from xray.cli.console import Console, open_console
from xray.cli.terminal import Cell, Column, draw_table, printable, wrap
from xray.cli.wording import NOT_THERE, say_bytes, say_count, say_when
from xray.delivery.spool.files import SystemFiles
from xray.delivery.spool.places import list_places, name_destination
from xray.delivery.spool.survey import LaneSurvey, SpoolSurvey, is_destination, survey_destination
from xray.settings import read_settings
from xray.wire.address import check_file, names_file

_COLUMNS: Final = (
    Column("PROCESS"),
    Column("RECORDS", is_right=True),
    Column("DECISIONS", is_right=True, drop_order=2),
    Column("SIZE", is_right=True, drop_order=3),
    Column("SINCE", drop_order=1),
    Column("WHY", min_width=20),
)


class Report(Struct, frozen=True, kw_only=True):
    """What waits for one server, as `--json` prints it.

    Args:
        url: the server.
        spools: the directories in which something may wait for it.
        records: how many records wait.
        orphaned_records: how many of them nobody delivers at the moment.
    """

    url: str
    spools: list[SpoolSurvey]
    records: int
    orphaned_records: int


def add_arguments(parser: ArgumentParser) -> None:
    """Add the options of `xray spool`."""
    parser.usage = "xray spool [options]"
    add_place(parser)
    parser.epilog = (
        "Records wait while no server takes them. A program that runs delivers its own; what an\n"
        "ended program left is delivered by the next that records to the same server, or by\n"
        "`xray sync`.\n\n"
        "examples:\n"
        "  xray spool\n"
        "  xray spool --from /mnt/old-machine/spool"
    )


def add_place(parser: ArgumentParser) -> None:
    """Let a command look into another spool than this user's."""
    parser.add_argument(
        "--from",
        dest="place",
        metavar="DIR",
        help="a spool, or one server's directory in a spool (else XRAY_SPOOL_DIR, else the user's)",
    )


def find_destinations(place: str | None, url: str) -> list[Path]:
    """The directories in which records for *url* may wait.

    Args:
        place: what `--from` names: a spool, or one server's directory in it.
        url: the server.
    """
    if place is not None:
        path = Path(place).expanduser().absolute()
        return [path if is_destination(SystemFiles(), path) else path / name_destination(url)]
    places = list_places(read_settings({}).spool_dir, os.environ)
    return [found / name_destination(url) for found in places]


def run(args: Namespace) -> int:
    """Say what waits."""
    console = open_console(args)
    url = resolve_url(args, os.environ).value or ""
    url = check_file(url) if names_file(url) else url
    files = SystemFiles()
    destinations = [path for path in find_destinations(args.place, url) if path.is_dir()]
    spools = [survey_destination(files, path) for path in destinations]
    report = Report(
        url=url,
        spools=spools,
        records=sum(spool.records for spool in spools),
        orphaned_records=sum(lane.records for spool in spools for lane in spool.orphaned),
    )
    if args.json:
        console.write_json(msgspec.json.format(msgspec.json.encode(report)))
        return 0
    for spool in spools:
        console.write(draw_spool(spool, console))
    console.write([console.terminal.paint(_sum_up(report), "bold")])
    return 0


def draw_spool(spool: SpoolSurvey, console: Console) -> list[str]:
    """The lines about one directory; none where it is empty."""
    rows = [_row(lane, console) for lane in spool.lanes if lane.bytes or lane.is_foreign]
    lines = draw_table(_COLUMNS, rows, console.terminal) if rows else []
    if spool.quarantine:
        lines += wrap(
            "Set aside, counted as lost and never sent again, for a person to look at:",
            console.terminal.width,
        )
    for kept in spool.quarantine:
        files = "1 file" if kept.files == 1 else f"{say_count(kept.files)} files"
        since = _say_since(kept.since_s, console)
        lines.append(f"  {printable(kept.cause)}: {files}, {say_bytes(kept.bytes)}, {since}")
    return [f"in {printable(spool.path)}", *lines, ""] if lines else []


def _row(lane: LaneSurvey, console: Console) -> Sequence[Cell]:
    return [
        Cell(printable(lane.name.rpartition(".")[2]), "cyan"),
        Cell(say_count(lane.records)),
        Cell(say_count(lane.decisions)),
        Cell(say_bytes(lane.bytes)),
        Cell(_say_since(lane.since_s, console)),
        Cell(_say_why(lane), None if lane.is_owned else "yellow"),
    ]


def _say_since(since_s: float | None, console: Console) -> str:
    if since_s is None:
        return NOT_THERE
    return say_when(datetime.fromtimestamp(since_s, timezone.utc), console.now)


def _say_why(lane: LaneSurvey) -> str:
    if lane.is_owned:
        return "it runs and delivers them"
    if lane.is_foreign:
        return "a later version of X-Ray wrote it"
    if lane.unreadable_bytes:
        return f"it ended; {say_bytes(lane.unreadable_bytes)} are damaged"
    return "it ended; `xray sync` delivers them"


def _sum_up(report: Report) -> str:
    url = printable(report.url)
    if not report.records:
        return f"Nothing waits for {url}."
    said = "1 record waits" if report.records == 1 else f"{say_count(report.records)} records wait"
    return f"{said} for {url}."
