"""`xray serve`: a server on this machine."""

from __future__ import annotations

import os
import signal
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from typing import Final

import msgspec

from xray.cli.console import Console, open_console
from xray.cli.terminal import printable
from xray.model.addresses import without_password
from xray.server.settings import describe_settings, read_settings

_OPTIONS: Final = {"host": "ADDRESS", "port": "N", "store": "URL"}
_MAX_PORT: Final = 65_535


def add_arguments(parser: ArgumentParser) -> None:
    """Add the options of `xray serve`."""
    parser.usage = "xray serve [options]"
    for setting in describe_settings():
        if setting.name in _OPTIONS:
            parser.add_argument(
                f"--{setting.name}",
                metavar=_OPTIONS[setting.name],
                type=_parse_port if setting.name == "port" else str,
                help=f"{setting.help} (else {setting.env}, else {setting.default})",
            )
    others = "\n".join(
        f"  {setting.env:<20}  {setting.help} (default {setting.default or 'none'})"
        for setting in describe_settings()
        if setting.name not in (*_OPTIONS, "api_key")
    )
    parser.epilog = (
        "Without a key the server serves this machine only: it refuses to listen elsewhere.\n\n"
        f"more environment:\n{others}\n\n"
        "examples:\n"
        "  xray serve\n"
        "  xray serve --port 0 --store memory:\n"
        "  XRAY_API_KEY=... xray serve --host 0.0.0.0 --store sqlite:////var/lib/xray.db"
    )


def _parse_port(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text) <= _MAX_PORT):
        raise ArgumentTypeError(f"{text!r} is no port: it takes 0 to {_MAX_PORT}, 0 any free one")
    return int(text)


def run(args: Namespace) -> int:
    """Serve until Ctrl-C or SIGTERM."""
    from xray.server.serving import serve

    console = open_console(args)
    options = {"host": args.host, "port": args.port, "store": args.store, "api_key": args.api_key}
    settings = read_settings(os.environ, **options)
    store = printable(without_password(settings.store))
    # What stops services sends SIGTERM. Left as it is, it ends a process that is not the first of a
    # container before the store is closed.
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        serve(
            settings,
            log_level="warning",
            on_ready=lambda url: _announce(url, store, console, is_json=args.json),
        )
    except KeyboardInterrupt:
        console.note("")
    finally:
        signal.signal(signal.SIGTERM, before)
    return 0


def _announce(url: str, store: str, console: Console, *, is_json: bool) -> None:
    if is_json:
        console.write_json(msgspec.json.encode({"url": url, "store": store}))
    else:
        address = console.terminal.paint(url, "bold")
        console.write([f"X-Ray serves {address} and keeps records in {store}; Ctrl-C ends it."])
    console.out.flush()
