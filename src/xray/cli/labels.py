"""`xray labels`: what was said of runs and candidates, newest first."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from typing import Final

from xray.cli.console import Console
from xray.cli.listing import Listing, add_listing
from xray.cli.terminal import Cell, Column, Style, draw_table, printable
from xray.cli.wording import say_when, shorten_ids
from xray.model.labels import Label
from xray.model.vocabulary import LabelWord
from xray.replies import read_labels

_COLUMNS: Final = (
    Column("RUN"),
    Column("CANDIDATE", min_width=10, max_width=40),
    Column("LABEL"),
    Column("BY", max_width=20, drop_order=2),
    Column("WHEN", drop_order=1),
    Column("NOTE", min_width=10, max_width=80, drop_order=3),
)
LABEL_STYLES: Final[dict[LabelWord, Style]] = {"good": "green", "bad": "red"}


def add_arguments(parser: ArgumentParser) -> None:
    """Add the options of `xray labels`."""
    add_listing(parser, "labels", "label=bad, labelled_by=ana, about=run, candidate_id=prod_17")
    parser.epilog = (
        "A query tells of the runs whose labels are listed.\n\n"
        "examples:\n"
        "  xray labels\n"
        "  xray labels \"pipeline = 'search' and started_at > 7d\" label=bad\n"
        "  xray labels about=candidate --all --json"
    )


def run(args: Namespace) -> int:
    """List labels."""
    return Listing("labels", (), read_labels, draw_labels).show(args)


def draw_labels(labels: list[Label], console: Console) -> list[str]:
    """The table of *labels*; nothing when there are none."""
    if not labels:
        return []
    ids = shorten_ids([label.run_id for label in labels])
    rows = [_row(label, ids[label.run_id], console) for label in labels]
    return draw_table(_COLUMNS, rows, console.terminal)


def _row(label: Label, short_id: str, console: Console) -> list[Cell]:
    return [
        Cell(short_id, "cyan"),
        Cell("" if label.candidate_id is None else printable(label.candidate_id)),
        Cell(label.label, LABEL_STYLES[label.label]),
        Cell(printable(label.labelled_by or "")),
        Cell(say_when(label.labelled_at, console.now)),
        Cell(printable(label.note or "")),
    ]


def say_label(label: Label) -> str:
    """A label in one line: `bad, by ana: a stand is no case`."""
    by = f", by {printable(label.labelled_by)}" if label.labelled_by else ""
    note = f": {printable(label.note)}" if label.note else ""
    return f"{label.label}{by}{note}"
