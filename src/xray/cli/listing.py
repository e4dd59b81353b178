"""What `xray runs`, `xray steps` and `xray decisions` share: the question, its pages, its table."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

import msgspec

from xray.cli.connection import add_filters, open_client, read_filters
from xray.cli.console import Console, note_rest, open_console
from xray.client import Client
from xray.model.records import Page
from xray.questions import Pairs

_PAGE: Final = 1_000

_Record = TypeVar("_Record")


@dataclass(frozen=True)
class Listing(Generic[_Record]):
    """One list of the API as a command shows it.

    Args:
        noun: what is listed, as the API names it.
        options: the options that are parameters of the list.
        read: opens a page.
        draw: the table of a page's records.
    """

    noun: str
    options: tuple[str, ...]
    read: Callable[[bytes], Page[_Record]]
    draw: Callable[[list[_Record], Console], list[str]]

    def show(self, args: Namespace) -> int:
        """Ask what the options and words of the command ask, and print the answer."""
        parameters = read_filters(args, self.options)
        console = open_console(args)
        with open_client(args) as client:
            if args.all:
                body = self._gather(client, parameters, console)
            else:
                body = client.get(f"/v1/{self.noun}", parameters)
        if args.json:
            console.write_json(body)
            return 0
        page = self.read(body)
        console.write(self.draw(page.items, console))
        note_rest(page, console, self.noun)
        return 0

    def _gather(self, client: Client, parameters: Pairs, console: Console) -> bytes:
        """Every page as one document."""
        asked = [(name, value) for name, value in parameters if name != "limit"]
        asked.append(("limit", str(_PAGE)))
        records: list[Any] = []
        cursors: set[str] = set()
        while True:
            part = msgspec.json.decode(client.get(f"/v1/{self.noun}", asked))
            records += part[self.noun]
            cursor = part.get("next_cursor")
            if cursor is None or cursor in cursors:
                break
            console.show_progress(f"{len(records):,} {self.noun} so far{_say_reach(part)} …")
            cursors.add(cursor)
            asked = [(name, value) for name, value in asked if name != "cursor"]
            asked.append(("cursor", cursor))
        console.show_progress("")
        whole = {self.noun: records, "next_cursor": None, "total": len(records)}
        return msgspec.json.encode({**whole, "total_is_exact": True, "complete": True})


def _say_reach(part: dict[str, Any]) -> str:
    back_to = (part.get("scan") or {}).get("back_to")
    return f", back to {back_to[:19]}" if back_to else ""


def add_listing(parser: ArgumentParser, name: str, fields: str) -> None:
    """Let a command take a query, filters, a limit, or everything.

    Args:
        parser: the command's.
        name: the command.
        fields: examples of filters for the help.
    """
    parser.usage = f"xray {name} [options] [QUERY] [KEY=VALUE ...]"
    add_filters(parser, fields)
    parser.add_argument(
        "--all", action="store_true", help="every match, page after page, instead of --limit"
    )
