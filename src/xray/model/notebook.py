"""Answers and records in a notebook: a sentence, and tables of what it rests on, as HTML."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from html import escape
from typing import Final

from msgspec import Struct

from xray.model.frames import spread_records

_MAX_ROWS: Final = 20
_MAX_COLUMNS: Final = 9
_MAX_CELL: Final = 80
_SHOWN: Final = (str, int, float, bool, datetime)


class Shown:
    """Shows an answer in a notebook: its sentence, its certainty, and tables of its lists."""

    __slots__ = ()

    def _repr_html_(self) -> str:
        return draw_answer(self)


def draw_answer(answer: object) -> str:
    """The sentence of *answer*, how certain it is, and a table of each of its lists."""
    assert isinstance(answer, Struct)
    parts = [f"<p><b>{escape(str(getattr(answer, 'answer', '')))}</b></p>"]
    certainty, because = getattr(answer, "certainty", "known"), getattr(answer, "because", "")
    if certainty != "known":
        parts.append(f"<p><i>{escape(certainty)}{': ' if because else ''}{escape(because)}</i></p>")
    for name in answer.__struct_fields__:
        rows = getattr(answer, name)
        if isinstance(rows, list) and rows and isinstance(rows[0], Struct):
            parts.append(f"<p>{escape(name.replace('_', ' '))}</p>{draw_table(rows)}")
    return "".join(parts)


def draw_table(records: Sequence[object]) -> str:
    """The first *records*, with the columns that say something; how many more there are."""
    shown = records[:_MAX_ROWS]
    columns = {
        name: values
        for name, values in spread_records(shown).items()
        if any(isinstance(value, _SHOWN) and value != "" for value in values)
    }
    # Ids are long and say little; they stand last, where there is room for them.
    names = sorted(columns, key=lambda name: name.endswith("_id"))[:_MAX_COLUMNS]
    head = "".join(f"<th>{escape(name)}</th>" for name in names)
    rows = "".join(
        f"<tr>{_draw_cells(columns[name][at] for name in names)}</tr>" for at in range(len(shown))
    )
    more = len(records) - len(shown)
    said = f"<p>and {more:,} more</p>" if more else ""
    return f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>{said}"


def _draw_cells(values: Iterable[object]) -> str:
    return "".join(f"<td>{escape(_spell(value))}</td>" for value in values)


def _spell(value: object) -> str:
    if not isinstance(value, _SHOWN):
        return ""
    if isinstance(value, datetime):
        return value.isoformat(sep=" ", timespec="seconds")
    text = f"{value:g}" if isinstance(value, float) else str(value)
    return text if len(text) <= _MAX_CELL else f"{text[: _MAX_CELL - 1]}…"
