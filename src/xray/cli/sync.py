"""`xray sync`: delivers what ended programs left behind."""

from __future__ import annotations

import os
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

from xray.cli.connection import resolve_api_key, resolve_url
from xray.cli.console import Console, open_console
from xray.cli.spool import add_place, find_destinations
from xray.cli.terminal import draw_bar, printable
from xray.cli.wording import say_count
from xray.delivery.delivery import Delivery
from xray.delivery.losses import DeliveryStats, Volume
from xray.delivery.settings import DeliverySettings
from xray.delivery.spool.files import SystemFiles
from xray.delivery.spool.lanes import SEGMENT_SUFFIX
from xray.delivery.spool.survey import survey_destination
from xray.destinations import find_transport
from xray.wire.address import check_destination, check_key, names_file

_POLL_S: Final = 0.05
_MAX_FAILURES: Final = 3
_BAR_WIDTH: Final = 30
_NOT_DELIVERED: Final = 3


class Outcome(Struct, frozen=True, kw_only=True):
    """What `xray sync` achieved, as `--json` prints it.

    Args:
        delivered: records the server has.
        decisions: the decisions they carry.
        lost: records that could not be read or were refused, by cause; they are set aside.
        left: records that still wait.
        problem: why they do; None when none is left.
    """

    delivered: int
    decisions: int
    lost: dict[str, int]
    left: int
    problem: str | None = None


def add_arguments(parser: ArgumentParser) -> None:
    """Add the options of `xray sync`."""
    parser.usage = "xray sync [options]"
    add_place(parser)
    parser.epilog = (
        "What running programs keep is left to them. Sending twice changes nothing, so it may be\n"
        "stopped and called again at any time. The exit code is 3 when something is left.\n\n"
        "examples:\n"
        "  xray sync\n"
        "  xray sync --url https://xray.example.org --from /mnt/old-machine/spool/3f1c09b2a4d85e67"
    )


def run(args: Namespace) -> int:
    """Deliver what waits and nobody delivers."""
    console = open_console(args)
    url = check_destination(resolve_url(args, os.environ).value or "")
    key = None if names_file(url) else resolve_api_key(args, os.environ).value
    if key is not None:
        check_key(key, url)
    outcome = Outcome(delivered=0, decisions=0, lost={}, left=0)
    for destination in find_destinations(args.place, url):
        if destination.is_dir() and outcome.problem is None:
            outcome = _add(outcome, _Sync(destination, url, key, console, args.json).run())
    if args.json:
        console.write_json(msgspec.json.format(msgspec.json.encode(outcome)))
    else:
        console.write(say_outcome(outcome, url))
    return _NOT_DELIVERED if outcome.left or outcome.problem else 0


def say_outcome(outcome: Outcome, url: str) -> list[str]:
    """What was achieved, in sentences."""
    server = printable(url)
    lines = []
    if outcome.delivered:
        decisions = say_count(outcome.decisions)
        lines.append(f"{_say_records(outcome.delivered)} ({decisions} decisions) went to {server}.")
    for cause, records in sorted(outcome.lost.items()):
        lines.append(f"{_say_records(records)} could not be delivered: {printable(cause)}.")
    if outcome.left or outcome.problem:
        why = printable(outcome.problem or "no answer in time")
        lines.append(f"{_say_records(outcome.left)} still waiting for {server}: {why}.")
    return lines or [f"Nothing waits for {server}."]


def _say_records(records: int) -> str:
    return "1 record" if records == 1 else f"{say_count(records)} records"


def _add(one: Outcome, other: Outcome) -> Outcome:
    lost = {
        cause: one.lost.get(cause, 0) + other.lost.get(cause, 0)
        for cause in {**one.lost, **other.lost}
    }
    return Outcome(
        delivered=one.delivered + other.delivered,
        decisions=one.decisions + other.decisions,
        lost=lost,
        left=one.left + other.left,
        problem=one.problem or other.problem,
    )


class _Sync:
    """Delivers one directory."""

    def __init__(
        self, destination: Path, url: str, key: str | None, console: Console, is_quiet: bool
    ) -> None:
        self._destination = destination
        self._console = console
        self._files = SystemFiles()
        self._has_bar = not is_quiet and console.err.isatty()
        self._settings = DeliverySettings(
            url=url,
            api_key=key,
            spool_places=(destination.parent,),
            spool_name=destination.name,
            adoption_interval_s=_POLL_S,
            linger_s=0.0,
        )

    def run(self) -> Outcome:
        orphans = [
            lane
            for lane in survey_destination(self._files, self._destination).orphaned
            if not lane.is_foreign
        ]
        if not orphans:
            return Outcome(delivered=0, decisions=0, lost={}, left=0)
        total = sum(lane.records for lane in orphans)
        delivery = Delivery(self._settings, find_transport(self._settings.url))
        delivery.start()
        problem: str | None = None
        try:
            problem = self._wait(delivery, [self._destination / lane.name for lane in orphans])
        except KeyboardInterrupt:
            problem = "interrupted"
        delivery.close(0.5)
        books = delivery.stats()
        self._draw(books, total, is_last=True)
        left = survey_destination(self._files, self._destination).orphaned if problem else []
        return Outcome(
            delivered=books.acknowledged.records,
            decisions=books.acknowledged.decisions,
            lost={cause: volume.records for cause, volume in books.lost.items()},
            left=sum(lane.records for lane in left),
            problem=problem,
        )

    def _wait(self, delivery: Delivery, lanes: Sequence[Path]) -> str | None:
        """Wait until *lanes* are empty; returns why that will not be, or None."""
        progress, failures = Volume(), 0
        while True:
            books = delivery.stats()
            if not books.pending.records and not any(map(self._has_segments, lanes)):
                return None
            if books.acknowledged != progress:
                progress, failures = books.acknowledged, books.failed_attempts
            is_hopeless = books.failed_attempts - failures >= _MAX_FAILURES
            if books.state == "parked" or (is_hopeless and books.state == "backing_off"):
                return books.last_problem or "no answer"
            self._draw(books, books.pending.records + books.acknowledged.records)
            time.sleep(_POLL_S)

    def _has_segments(self, lane: Path) -> bool:
        with suppress(OSError):
            names = self._files.list_directory(lane)
            return any(name.endswith(SEGMENT_SUFFIX) for name in names)
        return False

    def _draw(self, books: DeliveryStats, total: int, *, is_last: bool = False) -> None:
        if not self._has_bar or not total:
            return
        done = books.acknowledged.records
        bar = draw_bar(total, done, total, _BAR_WIDTH, self._console.terminal)
        self._console.err.write(f"\r{bar}  {say_count(done)} of {say_count(total)} records ")
        self._console.err.write("\n" if is_last else "")
        self._console.err.flush()
