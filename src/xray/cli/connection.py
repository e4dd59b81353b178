"""Which server or database file a command asks, and how filters become query parameters."""

from __future__ import annotations

import os
import re
from argparse import ArgumentParser, Namespace
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from xray.client import Client
from xray.errors import ConfigurationError, InvalidQueryError
from xray.questions import Pairs
from xray.wire.address import DEFAULT_URL, check_file, names_database, names_file

_KEY: Final = re.compile(r"[\w.$-]+")
_BARE_WORD: Final = re.compile(r"[\w.$-]+=?|=.*")
_JOINED: Final = re.compile(r"\s(and|or)\s", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Setting:
    """A value and where it came from.

    Args:
        name: the setting's environment variable.
        value: its value; None when it is not set at all.
        source: `--url`, `--store`, `XRAY_URL`, `default`, …
    """

    name: str
    value: str | None
    source: str


def resolve_url(args: Namespace, environment: Mapping[str, str]) -> Setting:
    """The address of a server or file: option, then environment, then default.

    Raises:
        ConfigurationError: both a server and a file are named.
    """
    if args.store is None:
        return _resolve("XRAY_URL", "--url", args.url, environment, DEFAULT_URL)
    if args.url is not None:
        raise ConfigurationError(
            "Both --url and --store are given.", hint="Name a server or a file, not both."
        )
    place = args.store if names_database(args.store) else check_file(args.store)
    return Setting("XRAY_URL", place, "--store")


def resolve_api_key(args: Namespace, environment: Mapping[str, str]) -> Setting:
    """The server's key: option, then environment, else none."""
    return _resolve("XRAY_API_KEY", "--api-key", args.api_key, environment, None)


def _resolve(
    name: str,
    option: str,
    given: str | None,
    environment: Mapping[str, str],
    default: str | None,
) -> Setting:
    if given:
        return Setting(name, given, option)
    if environment.get(name):
        return Setting(name, environment[name], name)
    return Setting(name, default, "default" if default is not None else "not set")


def open_client(args: Namespace) -> Client:
    """A client for the server or database file the options and the environment name."""
    url = resolve_url(args, os.environ).value
    if url is not None and names_file(url):
        from xray.local import LocalClient

        return LocalClient(url)
    if args.store is not None and names_database(args.store):
        from xray.local import DatabaseClient

        return DatabaseClient(args.store)
    return Client(url, resolve_api_key(args, os.environ).value)


def add_filters(
    parser: ArgumentParser,
    fields: str,
    *,
    limit: int | None = 20,
    limit_help: str = "at most N lines (default 20)",
) -> None:
    """Let a command take a query, `KEY=VALUE` filters and a limit.

    Args:
        parser: the command's.
        fields: examples of filters for the help.
        limit: how many lines there are without that option; None leaves it to the command.
        limit_help: what the help says of it.
    """
    parser.add_argument(
        "filters",
        nargs="*",
        metavar="QUERY | KEY=VALUE",
        help="a query (spec/query.md), "
        f"or any parameter as in the URL: {fields}; all that is given must hold",
    )
    parser.add_argument("--limit", type=int, default=limit, metavar="N", help=limit_help)


def add_run_query(parser: ArgumentParser) -> None:
    """Let a command take one query that says which runs it is about."""
    parser.add_argument(
        "query",
        nargs="?",
        default="",
        metavar="QUERY",
        help="which runs (spec/query.md); all runs when absent",
    )


def add_names(parser: ArgumentParser) -> None:
    """Let a command take a pipeline and a status by option."""
    parser.add_argument("--pipeline", metavar="NAME", help="only this pipeline")
    parser.add_argument("--status", metavar="STATUS", help="only this status, e.g. failed")


def read_filters(args: Namespace, named: Sequence[str]) -> Pairs:
    """The query parameters of a command's options, filters and query, in that order."""
    pairs = [(name, str(getattr(args, name))) for name in named if getattr(args, name) is not None]
    queries: list[str] = []
    for text in args.filters:
        if _is_filter(text):
            key, _, value = text.partition("=")
            pairs.append((key, value))
        elif _BARE_WORD.fullmatch(text):
            raise InvalidQueryError(
                f"{text!r} is no filter.",
                hint="Write a filter, duration_gt=5000, or a query, \"status = 'failed'\".",
                code="invalid_filter",
            )
        else:
            queries.append(text)
    if queries:
        joined = queries[0] if len(queries) == 1 else " and ".join(f"({one})" for one in queries)
        pairs.append(("q", joined))
    if not any(key == "limit" for key, _ in pairs):
        pairs.append(("limit", str(args.limit)))
    return pairs


def _is_filter(text: str) -> bool:
    """Whether *text* is KEY=VALUE, and not a query that was written without blanks."""
    key, equals, value = text.partition("=")
    is_query = not value or value[0] in "='\" " or _JOINED.search(value) is not None
    return bool(equals) and _KEY.fullmatch(key) is not None and not is_query
