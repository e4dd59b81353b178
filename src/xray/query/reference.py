"""The tables of fields in `spec/query.md`, made from the table that questions are checked by.

`python -m xray.query.reference` prints them.
"""

from __future__ import annotations

import sys
from typing import Final

from xray.query.fields import FIELDS, SCOPES, Field

_TYPES: Final = {
    "text": "text",
    "word": "word",
    "id": "id",
    "number": "number",
    "duration": "milliseconds",
    "time": "time",
    "list": "list of text",
    "map": "map",
    "value": "anything",
}


def render_fields() -> str:
    """The fields of each scope as Markdown."""
    return "\n".join(_table(scope) for scope in SCOPES)


def _table(scope: str) -> str:
    rows = [_row(field) for field in FIELDS if field.scope == scope]
    head = ["| field | type | also spelled | what it is |", "|---|---|---|---|"]
    return "\n".join([f"### Fields of a {scope}", "", *head, *rows, ""])


def _row(field: Field) -> str:
    spelled = ", ".join(f"`{alias}`" for alias in field.aliases)
    said = field.help
    if field.words is not None:
        said = "one of " + ", ".join(f"`{word}`" for word in field.words.known)
        said += "".join(
            f"; `{alias.upper()}` means `{word}`" for alias, word in field.words.aliases.items()
        )
    if field.place:
        said += f"; in the JSON, `{field.place}`"
    return f"| `{field.name}` | {_TYPES[field.type]} | {spelled} | {said} |"


if __name__ == "__main__":
    sys.stdout.write(render_fields())
