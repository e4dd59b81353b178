"""Where a command writes: answers to stdout, everything else to stderr."""

from __future__ import annotations

import os
import sys
from argparse import Namespace
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import TextIO, TypeVar

from xray.cli.terminal import Terminal, detect_terminal
from xray.model.clock import SystemClock, from_wall_us
from xray.model.records import Page

_Record = TypeVar("_Record")


@dataclass(frozen=True, slots=True)
class Console:
    """The output of one command.

    Args:
        terminal: what stdout can show.
        out: stdout.
        err: stderr.
        now: when the command was called; ages are counted from here.
    """

    terminal: Terminal
    out: TextIO
    err: TextIO
    now: datetime

    def write(self, lines: Iterable[str]) -> None:
        """Print *lines* of the answer."""
        for line in lines:
            self.out.write(line + "\n")

    def write_json(self, body: bytes) -> None:
        """Print one JSON document as it is."""
        self.out.write(body.decode("utf-8", "replace").rstrip() + "\n")

    def note(self, text: str) -> None:
        """Tell the person something that is not part of the answer."""
        self.out.flush()
        self.err.write(text + "\n")

    def show_progress(self, text: str) -> None:
        """Show how far a long answer is, in place of what was shown before; not in a file."""
        if self.err.isatty():
            self.err.write(f"\r\x1b[K{text}")
            self.err.flush()


def open_console(args: Namespace) -> Console:
    """The console the options ask for."""
    return Console(
        terminal=detect_terminal(sys.stdout, os.environ, is_colour_refused=args.no_color),
        out=sys.stdout,
        err=sys.stderr,
        now=from_wall_us(SystemClock().wall_us()),
    )


def note_rest(page: Page[_Record], console: Console, noun: str) -> None:
    """Say on stderr what the table does not show."""
    if not page.items:
        console.note(f"No {noun} match." if page.complete else f"No {noun} found so far.")
    if page.next_cursor is None:
        return
    if not page.complete:
        said = "The search stopped at its budget"
        if page.scan is not None and page.scan.back_to is not None:
            reach = page.scan.back_to.strftime("%Y-%m-%d %H:%M:%S")
            said += f" of {page.scan.rows:,} rows, at {reach}"
    elif page.total is None:
        said = f"There are more {noun}"
    else:
        about = "" if page.total_is_exact else "at least "
        said = f"{len(page.items)} of {about}{page.total:,} {noun}"
    console.note(f"{said}; to go on, add --all or cursor={page.next_cursor}")
