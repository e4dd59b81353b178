"""`xray mcp`: answers for coding agents, over the Model Context Protocol."""

from __future__ import annotations

import os
from argparse import ArgumentParser, Namespace

from xray.cli.connection import open_client, resolve_api_key, resolve_url
from xray.cli.version import read_version


def add_arguments(parser: ArgumentParser) -> None:
    """Add the options of `xray mcp`."""
    parser.usage = "xray mcp [options]"
    parser.epilog = (
        "A coding agent starts this command and talks to it on stdin and stdout. Its tools only\n"
        "read: find_runs, findings, why, provenance, diff, what_if, show_run, compare, aggregate,\n"
        "baselines, audit.\n"
        "It needs `pip install 'xray-forensics[mcp]'`. docs/mcp.md says how clients are set up.\n\n"
        "examples:\n"
        "  xray mcp --url http://127.0.0.1:8000\n"
        "  xray mcp --store sqlite:///runs.db"
    )


def run(args: Namespace) -> int:
    """Answer until the agent goes away."""
    # What is wrong with the options is said at once; a server that is down, with each question.
    resolve_url(args, os.environ)
    resolve_api_key(args, os.environ)
    from xray.mcp.tools import serve

    serve(lambda: open_client(args), read_version())
    return 0
