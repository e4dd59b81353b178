"""Drawing for a terminal: colours, tables and bars that fit its width."""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal, TextIO

from xray.model.hidden import spell_hidden

Style = Literal["bold", "dim", "red", "green", "yellow", "cyan"]
Glyph = Literal["kept", "dropped", "selected", "merged", "unknown", "passed_by"]

MIN_WIDTH: Final = 20
_GAP: Final = "  "
_CODES: Final[dict[Style, str]] = {
    "bold": "1",
    "dim": "2",
    "red": "31",
    "green": "32",
    "yellow": "33",
    "cyan": "36",
}
_GLYPHS: Final[dict[Glyph, tuple[str, str]]] = {
    "kept": ("✓", "+"),
    "dropped": ("✗", "x"),
    "selected": ("★", "*"),
    "merged": ("⇒", ">"),
    "unknown": ("?", "?"),
    "passed_by": ("·", "-"),
}
_LINE_BREAKS: Final = re.compile("[\n\r\t\v\f\u2028\u2029]")


@dataclass(frozen=True, slots=True)
class Terminal:
    """Where text goes.

    Args:
        width: its columns; None where lines may be as long as they like (a pipe, a file).
        is_coloured: whether colours are wanted.
        is_unicode: whether it can show more than ASCII.
    """

    width: int | None = None
    is_coloured: bool = False
    is_unicode: bool = True

    def paint(self, text: str, *styles: Style) -> str:
        """*text* in *styles*, or as it is where colours are not wanted."""
        if not self.is_coloured or not styles or not text:
            return text
        return f"\x1b[{';'.join(_CODES[style] for style in styles)}m{text}\x1b[0m"

    def paint_all(self, lines: Sequence[str], *styles: Style) -> list[str]:
        """Each of *lines* in *styles*."""
        return [self.paint(line, *styles) for line in lines]

    def glyph(self, name: Glyph) -> str:
        """One character that stands for what happened to a candidate."""
        return _GLYPHS[name][0 if self.is_unicode else 1]

    @property
    def arrow(self) -> str:
        """What stands between what came in and what went on."""
        return "→" if self.is_unicode else "->"

    @property
    def ellipsis(self) -> str:
        """What stands for text that was cut."""
        return "…" if self.is_unicode else "..."


def detect_terminal(
    stream: TextIO, environment: Mapping[str, str], is_colour_refused: bool = False
) -> Terminal:
    """The terminal behind *stream*: plain and unbounded when it is none."""
    is_terminal = stream.isatty()
    columns = environment.get("COLUMNS", "")
    width: int | None = None
    if columns.isdecimal() and int(columns) > 0:
        width = int(columns)
    elif is_terminal:
        width = _window_width(stream)
    is_refused = (
        is_colour_refused or bool(environment.get("NO_COLOR")) or environment.get("TERM") == "dumb"
    )
    return Terminal(
        width=None if width is None else max(width, MIN_WIDTH),
        is_coloured=is_terminal and not is_refused,
        is_unicode="utf" in (stream.encoding or "").lower(),
    )


def _window_width(stream: TextIO) -> int:
    try:
        return os.get_terminal_size(stream.fileno()).columns or 80
    except (OSError, ValueError):
        return 80


def printable(text: str) -> str:
    """*text* on one line, with control characters spelled out so that none reaches a terminal."""
    if text.isascii() and text.isprintable():
        return text
    return spell_hidden(_LINE_BREAKS.sub(" ", text))


def display_width(text: str) -> int:
    """How many columns *text* takes, without colours."""
    if text.isascii():
        return len(text)
    return sum(_character_width(character) for character in text)


def _character_width(character: str) -> int:
    if unicodedata.combining(character) or character in "\u200b\u200c\u200d\ufe0e\ufe0f":
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def fit(text: str, width: int, ellipsis: str = "…") -> str:
    """*text* when it fits *width* columns, else its beginning and *ellipsis*."""
    if display_width(text) <= width:
        return text
    if width <= len(ellipsis):
        return ellipsis[:width]
    kept: list[str] = []
    room = width - len(ellipsis)
    for character in text:
        room -= _character_width(character)
        if room < 0:
            break
        kept.append(character)
    return "".join(kept).rstrip() + ellipsis


def pad(text: str, width: int, is_right: bool = False) -> str:
    """*text* with spaces up to *width* columns."""
    spaces = " " * max(0, width - display_width(text))
    return spaces + text if is_right else text + spaces


def wrap(text: str, width: int | None, indent: str = "", first: str | None = None) -> list[str]:
    """*text* broken between words into lines of at most *width* columns.

    Args:
        indent: what each line begins with.
        first: what the first line begins with instead.
    """
    start = indent if first is None else first
    if width is None:
        return [start + text]
    lines: list[str] = []
    line, is_empty = start, True
    for word in text.split(" "):
        if not is_empty and display_width(line) + 1 + display_width(word) > width:
            lines.append(line.rstrip())
            line, is_empty = indent, True
        line = line + word if is_empty else f"{line} {word}"
        is_empty = False
    return [*lines, line.rstrip()]


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table.

    Args:
        title: its heading.
        is_right: whether its cells are aligned right, as numbers are.
        min_width: what it may shrink to when the table is too wide; 0 when it must not shrink.
        max_width: the most it takes.
        drop_order: the column with the highest goes first when shrinking is not enough; 0 stays.
    """

    title: str
    is_right: bool = False
    min_width: int = 0
    max_width: int | None = None
    drop_order: int = 0


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell of a table: printable text and how it is painted."""

    text: str
    style: Style | None = None


def draw_table(
    columns: Sequence[Column], rows: Sequence[Sequence[Cell]], terminal: Terminal
) -> list[str]:
    """Lines of a table with a heading; columns shrink, then go, until it fits the terminal."""
    natural = [
        _natural_width(column, [row[index] for row in rows]) for index, column in enumerate(columns)
    ]
    shown, widths = _lay_out(columns, natural, terminal.width)
    heading = [Cell(column.title, "dim") for column in columns]
    return [
        _draw_row([columns[i] for i in shown], [row[i] for i in shown], widths, terminal)
        for row in (heading, *rows)
    ]


def _natural_width(column: Column, cells: Sequence[Cell]) -> int:
    widest = max((display_width(cell.text) for cell in cells), default=0)
    if column.max_width is not None:
        widest = min(widest, column.max_width)
    return max(widest, display_width(column.title))


def _lay_out(
    columns: Sequence[Column], natural: Sequence[int], width: int | None
) -> tuple[list[int], list[int]]:
    shown = list(range(len(columns)))
    while True:
        widths = [natural[index] for index in shown]
        excess = 0 if width is None else sum(widths) + len(_GAP) * (len(widths) - 1) - width
        for place, index in sorted(enumerate(shown), key=lambda pair: -natural[pair[1]]):
            least = columns[index].min_width or widths[place]
            taken = max(0, min(excess, widths[place] - least))
            widths[place] -= taken
            excess -= taken
        expendable = max(shown, key=lambda index: columns[index].drop_order)
        if excess <= 0 or columns[expendable].drop_order == 0:
            return shown, widths
        shown.remove(expendable)


def _draw_row(
    columns: Sequence[Column], cells: Sequence[Cell], widths: Sequence[int], terminal: Terminal
) -> str:
    drawn: list[str] = []
    for place, (column, cell, width) in enumerate(zip(columns, cells, widths, strict=True)):
        text = fit(cell.text, width, terminal.ellipsis)
        is_last = place == len(columns) - 1
        padded = text if is_last and not column.is_right else pad(text, width, column.is_right)
        painted = terminal.paint(text, *((cell.style,) if cell.style else ()))
        drawn.append(padded.replace(text, painted, 1) if text else padded)
    return _GAP.join(drawn).rstrip()


def draw_bar(
    offered: int | None, kept: int | None, largest: int, width: int, terminal: Terminal
) -> str:
    """A bar of *width* columns: the filled part went on, the light part was dropped.

    Args:
        offered: what came in; None where candidates are created or nobody counted.
        kept: what went on; None where nobody counted.
        largest: the count that fills the whole width.
    """
    filled, light = ("█", "░") if terminal.is_unicode else ("#", ".")
    if largest <= 0:
        return " " * width
    whole = _cells(max(offered or 0, kept or 0), largest, width)
    solid = min(whole, _cells(kept or 0, largest, width))
    if (kept or 0) < (offered or 0) and solid == whole:
        # What was dropped shows, however little it is.
        whole = min(width, whole + 1)
        solid = min(solid, whole - 1)
    return pad(filled * solid + light * (whole - solid), width)


def _cells(count: int, largest: int, width: int) -> int:
    return max(1, round(width * min(count, largest) / largest)) if count > 0 else 0
