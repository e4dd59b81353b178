"""Colours, tables, bars and wrapped text, as they are drawn."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xray.cli.terminal import (
    Cell,
    Column,
    Terminal,
    detect_terminal,
    display_width,
    draw_bar,
    draw_table,
    fit,
    pad,
    printable,
    wrap,
)

PLAIN = Terminal()
ASCII = Terminal(is_unicode=False)
COLOURED = Terminal(is_coloured=True)


class Screen(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True

    @property
    def encoding(self) -> str:
        return "utf-8"


def test_colours_appear_only_where_they_are_wanted() -> None:
    assert COLOURED.paint("no", "red", "bold") == "\x1b[31;1mno\x1b[0m"
    assert PLAIN.paint("no", "red") == "no"
    assert COLOURED.paint("", "red") == ""
    assert COLOURED.paint("as it is") == "as it is"


def test_a_terminal_has_colours_unless_somebody_refuses() -> None:
    assert detect_terminal(Screen(), {"COLUMNS": "90"}) == Terminal(90, True, True)
    assert not detect_terminal(Screen(), {}, is_colour_refused=True).is_coloured
    assert not detect_terminal(Screen(), {"NO_COLOR": "1"}).is_coloured
    assert not detect_terminal(Screen(), {"TERM": "dumb"}).is_coloured
    assert detect_terminal(Screen(), {"NO_COLOR": ""}).is_coloured


def test_a_pipe_is_plain_and_as_wide_as_it_likes() -> None:
    terminal = detect_terminal(io.TextIOWrapper(io.BytesIO(), "ascii"), {"COLUMNS": "x"})
    assert terminal == Terminal(None, is_coloured=False, is_unicode=False)


def test_a_terminal_too_narrow_to_draw_in_is_drawn_wider() -> None:
    assert detect_terminal(Screen(), {"COLUMNS": "3"}).width == 20


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", "plain"),
        ("two\nlines\tand\rmore", "two lines and more"),
        ("\x1b[2Jgone", "\\x1b[2Jgone"),
        ("\x9b31m", "\\x9b31m"),
        ("a\u202eb", "a\\u202eb"),
        ("\ud800", "\\ud800"),
        ("日本 é 👩‍💻", "日本 é 👩‍💻"),
    ],
)
def test_nothing_a_pipeline_recorded_steers_the_terminal(text: str, shown: str) -> None:
    assert printable(text) == shown


@given(st.text())
def test_printable_text_is_one_line_without_control_characters(text: str) -> None:
    shown = printable(text)
    assert len(shown.splitlines()) <= 1
    assert all(ord(character) >= 32 and not 127 <= ord(character) < 160 for character in shown)
    shown.encode()


def test_width_counts_columns_and_not_characters() -> None:
    assert display_width("abc") == 3
    assert display_width("日本") == 4
    assert display_width("e\u0301") == 1


@given(st.text(), st.integers(min_value=0, max_value=30))
def test_text_that_was_fitted_fits(text: str, width: int) -> None:
    fitted = fit(text, width)
    assert display_width(fitted) <= width
    assert fitted == text or display_width(text) > width


def test_what_does_not_fit_ends_in_an_ellipsis() -> None:
    assert fit("candidate", 9) == "candidate"
    assert fit("candidate", 6) == "candi…"
    assert fit("candidate", 6, "...") == "can..."
    assert fit("日本語", 5) == "日本…"
    assert fit("日本語", 4) == "日…"
    assert fit("candidate", 1, "...") == "."


def test_padding_aligns_left_or_right() -> None:
    assert pad("日", 4) == "日  "
    assert pad("7", 3, is_right=True) == "  7"


def test_text_wraps_between_words() -> None:
    assert wrap("one two three", 8, indent="  ") == ["  one", "  two", "  three"]
    assert wrap("one two three", 9, indent="  ", first="! ") == ["! one two", "  three"]
    assert wrap("one two three", None, indent="  ") == ["  one two three"]
    assert wrap("unbreakable", 4) == ["unbreakable"]


COLUMNS = (
    Column("NAME", min_width=4, max_width=12),
    Column("COUNT", is_right=True),
    Column("NOTE", min_width=4, drop_order=1),
)


def draw(width: int | None, *rows: tuple[str, str, str]) -> list[str]:
    cells = [[Cell(text) for text in row] for row in rows]
    return draw_table(COLUMNS, cells, Terminal(width))


def test_a_table_aligns_its_columns() -> None:
    assert draw(None, ("filter", "1,204", "first"), ("a", "7", "")) == [
        "NAME    COUNT  NOTE",
        "filter  1,204  first",
        "a           7",
    ]


def test_a_column_takes_no_more_than_its_most() -> None:
    assert draw(None, ("a very long name indeed", "7", "n"))[1] == "a very long…      7  n"


def test_a_table_that_is_too_wide_shrinks_its_widest_column_first() -> None:
    assert draw(24, ("filter", "7", "a note that is long"), ("b", "8", "short")) == [
        "NAME    COUNT  NOTE",
        "filter      7  a note t…",
        "b           8  short",
    ]


def test_a_table_that_still_does_not_fit_loses_columns() -> None:
    assert draw(15, ("a long name", "7", "note")) == ["NAME      COUNT", "a long…       7"]


@given(
    st.integers(min_value=20, max_value=120),
    st.lists(st.tuples(st.text(max_size=40), st.text(max_size=5), st.text(max_size=40))),
)
def test_a_table_never_exceeds_the_terminal(width: int, rows: list[tuple[str, str, str]]) -> None:
    shown = [tuple(printable(cell) for cell in row) for row in rows]
    for line in draw(width, *shown):  # type: ignore[arg-type]
        assert display_width(line) <= width


def test_a_painted_cell_keeps_its_column() -> None:
    columns = (Column("A"), Column("B"))
    rows = [[Cell("x", "red"), Cell("y")], [Cell("long"), Cell("z")]]
    assert draw_table(columns, rows, COLOURED)[1] == "\x1b[31mx\x1b[0m     y"


@pytest.mark.parametrize(
    ("offered", "kept", "bar"),
    [
        (100, 50, "█████░░░░░"),
        (100, 100, "██████████"),
        (100, 99, "█████████░"),
        (100, 1, "█░░░░░░░░░"),
        (100, 0, "░░░░░░░░░░"),
        (2, 1, "█░        "),
        (1, 1, "█         "),
        (None, 40, "████      "),
        (10, 40, "████      "),
        (40, None, "░░░░      "),
        (None, None, "          "),
    ],
)
def test_a_bar_shows_what_went_on_and_what_was_dropped(
    offered: int | None, kept: int | None, bar: str
) -> None:
    assert draw_bar(offered, kept, 100, 10, PLAIN) == bar


def test_a_bar_does_without_unicode_and_without_counts() -> None:
    assert draw_bar(4, 2, 4, 4, ASCII) == "##.."
    assert draw_bar(None, None, 0, 4, PLAIN) == "    "


@given(st.integers(0, 10**9), st.integers(0, 10**9), st.integers(2, 40))
def test_a_bar_has_its_width_and_shows_any_loss_and_any_survivor(
    offered: int, kept: int, width: int
) -> None:
    bar = draw_bar(offered, kept, max(offered, kept), width, PLAIN)
    assert len(bar) == width
    assert ("█" in bar) == (kept > 0)
    assert ("░" in bar) == (kept < offered)
