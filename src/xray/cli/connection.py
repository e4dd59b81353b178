"""Which server a command asks, and how its filters become query parameters."""

from __future__ import annotations

import os
from argparse import ArgumentParser, Namespace
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from xray.client import Client, Pairs
from xray.errors import InvalidQueryError
from xray.wire.address import DEFAULT_URL


@dataclass(frozen=True, slots=True)
class Setting:
    """A value and where it came from.

    Args:
        name: the setting's environment variable.
        value: its value; None when it is not set at all.
        source: `--url`, `XRAY_URL`, `default`, …
    """

    name: str
    value: str | None
    source: str


def resolve_url(args: Namespace, environment: Mapping[str, str]) -> Setting:
    """The server's address: option, then environment, then default."""
    return _resolve("XRAY_URL", "--url", args.url, environment, DEFAULT_URL)


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
    """A client for the server the options and the environment name."""
    return Client(resolve_url(args, os.environ).value, resolve_api_key(args, os.environ).value)


def add_filters(parser: ArgumentParser, fields: str) -> None:
    """Let a command take `KEY=VALUE` filters and a limit.

    Args:
        fields: examples of filters for the help.
    """
    parser.add_argument(
        "filters",
        nargs="*",
        metavar="KEY=VALUE",
        help=f"any query parameter as in the URL: {fields}",
    )
    parser.add_argument("--pipeline", metavar="NAME", help="only this pipeline")
    parser.add_argument("--status", metavar="STATUS", help="only this status, e.g. failed")
    parser.add_argument(
        "--limit", type=int, default=20, metavar="N", help="at most N lines (default 20)"
    )


def read_filters(args: Namespace, named: Sequence[str] = ("pipeline", "status")) -> Pairs:
    """The query parameters of a command's options and filters, in that order."""
    pairs = [(name, str(getattr(args, name))) for name in named if getattr(args, name) is not None]
    for text in args.filters:
        key, equals, value = text.partition("=")
        if not equals or not key:
            raise InvalidQueryError(
                f"{text!r} is no filter.",
                hint="Write filters as KEY=VALUE, e.g. duration_gt=5000.",
                code="invalid_filter",
            )
        pairs.append((key, value))
    if not any(key == "limit" for key, _ in pairs):
        pairs.append(("limit", str(args.limit)))
    return pairs
