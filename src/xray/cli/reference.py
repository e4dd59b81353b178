"""The command-line reference in `docs/cli.md`, made from what `--help` prints.

`python -m xray.cli.reference > docs/cli.md` writes it anew.
"""

from __future__ import annotations

import sys
from typing import Final

from xray.cli.main import COMMANDS, build_command_parser, build_parser, load_command

_WIDTH: Final = 88
_INTRODUCTION: Final = """\
# The command line

`RUN` is a run's id, a unique beginning of it, or `last`. Answers go to stdout, everything else
to stderr. `--json` prints the body the API answers, as one JSON document, with exact times.
"""


def render_reference() -> str:
    """The whole reference as Markdown."""
    sections = [_INTRODUCTION, _section("xray", build_parser(_WIDTH).format_help())]
    for command in COMMANDS:
        parser = build_command_parser(command, load_command(command), width=_WIDTH)
        sections.append(_section(f"xray {command.name}", parser.format_help()))
    return "\n".join(sections)


def _section(title: str, text: str) -> str:
    return f"## {title}\n\n```text\n{text.rstrip()}\n```\n"


if __name__ == "__main__":
    sys.stdout.write(render_reference())
