"""Where in a query a fault lies, as two lines for a terminal."""

from __future__ import annotations

from typing import Final

from xray.cli.terminal import display_width, printable

_INDENT: Final = "  "
_MAX_BEFORE: Final = 60
_MAX_WIDTH: Final = 100


def point_at(query: str, at: tuple[int, int]) -> list[str]:
    """The line of *query* with the fault at *at*, and a line of carets below it.

    Args:
        query: the whole query.
        at: the first character of the fault and the one behind its last.
    """
    start = min(at[0], len(query))
    line_start = query.rfind("\n", 0, start) + 1
    line_end = query.find("\n", start)
    line = query[line_start : line_end if line_end >= 0 else len(query)]
    start -= line_start
    end = min(max(at[1] - line_start, start + 1), max(len(line), start + 1))
    first = start - _MAX_BEFORE if start > _MAX_BEFORE else 0
    before, fault, after = line[first:start], line[start:end], line[end:]
    shown = printable(before)
    if first:
        shown = "…" + shown
    room = max(1, _MAX_WIDTH - display_width(shown))
    fault = printable(fault)
    pointed = display_width(fault[:room]) or 1
    shown_rest = (fault + printable(after))[:room]
    return [
        _INDENT + (shown + shown_rest).rstrip(),
        _INDENT + " " * display_width(shown) + "^" * pointed,
    ]
