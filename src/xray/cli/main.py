"""The `xray` command: finds the subcommand, loads it alone, turns errors into one sentence."""

from __future__ import annotations

import argparse
import difflib
import functools
import importlib
import io
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, NoReturn, Protocol, cast

from xray.cli.version import read_version
from xray.errors import (
    ConfigurationError,
    InvalidQueryError,
    InvalidRecordError,
    NotFoundError,
    NotReplayableError,
    XRayError,
)

FOUND: Final = 0
NOT_FOUND: Final = 1
WRONG_USAGE: Final = 2
NO_SERVER: Final = 3
FAULT: Final = 4
INTERRUPTED: Final = 130

_OPTIONS_WITH_VALUE: Final = ("--url", "--store", "--api-key")
_EXTRAS: Final = {
    **dict.fromkeys(("fastapi", "starlette", "uvicorn", "sqlalchemy", "zstandard"), "server"),
    **dict.fromkeys(("mcp", "pydantic"), "mcp"),
}
"""The extra that brings a package."""
_EXIT_CODES: Final = """\
exit codes:
  0  answered
  1  no such run, why has no answer, an expectation is not met, or doctor found a problem
  2  wrong usage: an unknown option, filter or value; or a step cannot be replayed
  3  no server answered, or it refused
  4  a fault of xray itself"""


@dataclass(frozen=True, slots=True)
class Command:
    """One subcommand.

    Args:
        name: what the user types.
        summary: its line in `xray --help`.
        asks_server: whether it takes `--url` and `--store`.
        takes_filters: whether `KEY=VALUE` may stand between its options.
        module: the file of this package that does it; named as the command where that is empty.
    """

    name: str
    summary: str
    asks_server: bool = True
    takes_filters: bool = False
    module: str = ""


COMMANDS: Final = (
    Command("serve", "start a server on this machine", asks_server=False),
    Command("demo", "start a server, run the examples, ask why", asks_server=False),
    Command("runs", "list runs, newest first", takes_filters=True),
    Command("show", "one run as a funnel, and what deserves a look"),
    Command("steps", "list steps of all runs, newest first", takes_filters=True),
    Command("decisions", "list what was decided about candidates", takes_filters=True),
    Command(
        "aggregate", "count, add up, find means and quantiles of any records", takes_filters=True
    ),
    Command("label", "say that a run, or a candidate in it, is good or bad"),
    Command("labels", "list what was said of runs and candidates", takes_filters=True),
    Command("quality", "how well steps keep what is labelled good: precision, recall, ranks"),
    Command("findings", "what deserves a look in a run, and where to look first"),
    Command("why", "why a candidate was chosen, rejected or never seen in a run"),
    Command("provenance", "what an item came from and what it brought in a run"),
    Command("alike", "candidates like one that the run decided otherwise, and what differs"),
    Command("diff", "how two runs differ, decision by decision, and where they first part"),
    Command("compare", "why two groups of runs differ: slower, stricter, failing more"),
    Command("separate", "what separates the rejected from the kept, or bad runs from good"),
    Command("what-if", "what a run, or many, would have decided with other limits"),
    Command("rules", "how rules do over many runs: idle, redundant, alone, changed"),
    Command("flaky", "how far runs on the same input decide alike, and where they do not"),
    Command("audit", "what choices rest on: places, made-up ids, reasoning, scores"),
    Command("baselines", "what is usual of a pipeline's steps, day by day, and what today is not"),
    Command("replay", "whether today's code decides as it did about what a step was given"),
    Command("expect", "whether runs decided as they were expected to, for tests and CI"),
    Command("mcp", "answers for coding agents, over the Model Context Protocol"),
    Command("backup", "a copy of a database file, taken while it is written"),
    Command(
        "export",
        "runs into another store, or into Parquet files, each record compared",
        asks_server=False,
    ),
    Command(
        "import",
        "runs into a store, from Parquet files or another store",
        asks_server=False,
        module="importing",
    ),
    Command("retention", "which runs are not kept any longer, and deleting them"),
    Command("forget", "delete runs so that nothing stored tells what they held"),
    Command("migrate", "bring a database to the schema of this version", asks_server=False),
    Command("spool", "what waits on this machine to be delivered, and why"),
    Command("sync", "deliver what ended programs left behind"),
    Command("doctor", "check the road from this process to the server"),
    Command("estimate", "what a load would bring a day: bytes and records", asks_server=False),
)


class CommandModule(Protocol):
    """What each file in this package that is a command provides."""

    @property
    def add_arguments(self) -> Callable[[argparse.ArgumentParser], None]:
        """Adds the command's own options, description and examples."""
        ...

    @property
    def run(self) -> Callable[[argparse.Namespace], int]:
        """Does it and returns the exit code."""
        ...


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one sentence instead of printing the usage."""

    def error(self, message: str) -> NoReturn:
        sentence = message[:1].upper() + message[1:].rstrip(".")
        self.exit(WRONG_USAGE, f"{self.prog}: {sentence}. See `{self.prog} --help`.\n")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the `xray` command and return its exit code."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        code = _call(sys.argv[1:] if argv is None else argv)
        sys.stdout.flush()
    except SystemExit as exit_:
        code = exit_.code if isinstance(exit_.code, int) else FOUND
    except BrokenPipeError:
        _discard_output()
        code = FOUND
    except KeyboardInterrupt:
        code = INTERRUPTED
    except XRayError as error:
        _complain(str(error))
        _point_at_fault(error)
        code = exit_code_of(error)
    except ModuleNotFoundError as error:
        code = _complain_of_missing(error)
    except Exception as error:  # noqa: BLE001  (whoever types a command gets a sentence, no traceback)
        code = _complain_of_fault(error)
    return code


def exit_code_of(error: XRayError) -> int:
    """The exit code that stands for *error*."""
    if isinstance(error, NotFoundError):
        return NOT_FOUND
    if isinstance(
        error, (ConfigurationError, InvalidQueryError, InvalidRecordError, NotReplayableError)
    ):
        return WRONG_USAGE
    return NO_SERVER


def _call(argv: Sequence[str]) -> int:
    parser = build_parser()
    place = find_command_word(argv)
    args = parser.parse_args(argv[:place])
    if args.version:
        sys.stdout.write(f"xray {read_version()}\n")
        return FOUND
    if place == len(argv):
        sys.stderr.write(parser.format_help())
        return WRONG_USAGE
    name = argv[place]
    command = find_command(name)
    if command is None:
        names = [known.name for known in COMMANDS]
        near = difflib.get_close_matches(name, names, n=1)
        meant = f"did you mean {near[0]!r}?" if near else f"it knows {', '.join(names)}."
        sys.stderr.write(f"xray: There is no command {name!r}; {meant}\n")
        return WRONG_USAGE
    module = load_command(command)
    own = build_command_parser(command, module, defaults=args)
    parse = own.parse_intermixed_args if command.takes_filters else own.parse_args
    return module.run(parse(argv[place + 1 :]))


def find_command_word(argv: Sequence[str]) -> int:
    """Where in *argv* the command's name stands: the first word that is no shared option."""
    place = 0
    while place < len(argv) and argv[place].startswith("-"):
        place += 2 if argv[place] in _OPTIONS_WITH_VALUE else 1
    return min(place, len(argv))


def find_command(name: str) -> Command | None:
    """The command of that name, or None."""
    return next((command for command in COMMANDS if command.name == name), None)


def load_command(command: Command) -> CommandModule:
    """The module that does *command*."""
    name = command.module or command.name.replace("-", "_")
    return cast("CommandModule", importlib.import_module(f"xray.cli.{name}"))


def build_parser(width: int | None = None) -> argparse.ArgumentParser:
    """The parser of what stands before the command's name."""
    listed = "\n".join(f"  {command.name:<10}  {command.summary}" for command in COMMANDS)
    parser = _Parser(
        prog="xray",
        usage="xray [options] COMMAND ...",
        description="Why did the pipeline decide this? Ask X-Ray's records.",
        epilog=(
            f"commands:\n{listed}\n\n`xray COMMAND --help` says more about each.\n\n"
            f"environment:\n  XRAY_URL      the server's address, as --url, or a file, as --store\n"
            f"  XRAY_API_KEY  the server's key, as --api-key\n"
            f"  NO_COLOR      no colours when set\n\n{_EXIT_CODES}"
        ),
        formatter_class=_formatter(width),
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="store_true", help="print the version and exit")
    _add_shared_options(parser, None, asks_server=True)
    return parser


def build_command_parser(
    command: Command,
    module: CommandModule,
    defaults: argparse.Namespace | None = None,
    width: int | None = None,
) -> argparse.ArgumentParser:
    """The parser of one command.

    Args:
        defaults: shared options that stood before the command's name.
        width: columns of the help; the terminal's when absent.
    """
    parser = _Parser(
        prog=f"xray {command.name}",
        description=f"{command.summary[:1].upper()}{command.summary[1:]}.",
        formatter_class=_formatter(width),
        allow_abbrev=False,
    )
    module.add_arguments(parser)
    _add_shared_options(parser, defaults, command.asks_server)
    return parser


def _add_shared_options(
    parser: argparse.ArgumentParser, defaults: argparse.Namespace | None, asks_server: bool
) -> None:
    group = parser.add_argument_group("shared options")
    group.add_argument(
        "--url",
        metavar="URL",
        default=getattr(defaults, "url", None),
        help="the server (else XRAY_URL, else http://127.0.0.1:8000)"
        if asks_server
        else argparse.SUPPRESS,
    )
    store = getattr(defaults, "store", None)
    if asks_server:
        group.add_argument(
            "--store",
            metavar="FILE_URL",
            default=store,
            help="a database file to ask without a server, e.g. sqlite:///runs.db",
        )
    elif store is not None:
        # `serve` has an option of that name, which means the same file.
        parser.set_defaults(store=store)
    group.add_argument(
        "--api-key",
        metavar="KEY",
        default=getattr(defaults, "api_key", None),
        help="the server's key (else XRAY_API_KEY, which other users cannot see)",
    )
    group.add_argument(
        "--json",
        action="store_true",
        default=getattr(defaults, "json", False),
        help="print one JSON document, as the API answers it",
    )
    group.add_argument(
        "--no-color",
        action="store_true",
        default=getattr(defaults, "no_color", False),
        help="no colours (also NO_COLOR)",
    )


def _formatter(width: int | None) -> Callable[..., argparse.HelpFormatter]:
    return functools.partial(argparse.RawDescriptionHelpFormatter, width=width)


def _complain(text: str) -> None:
    from xray.cli.terminal import printable

    sys.stdout.flush()
    sys.stderr.write(f"xray: {printable(text)}\n")


def _point_at_fault(error: XRayError) -> None:
    if isinstance(error, InvalidQueryError) and error.query is not None and error.at is not None:
        from xray.cli.pointing import point_at

        sys.stderr.writelines(f"{line}\n" for line in point_at(error.query, error.at))


def _complain_of_missing(error: ModuleNotFoundError) -> int:
    package = (error.name or "").partition(".")[0]
    if package not in _EXTRAS:
        return _complain_of_fault(error)
    _complain(
        f"This command needs {package}, which is not installed. "
        f"Install it with `pip install 'xray-forensics[{_EXTRAS[package]}]'`."
    )
    return WRONG_USAGE


def _complain_of_fault(error: Exception) -> int:
    if os.environ.get("XRAY_LOG", "").lower() == "debug":
        raise error
    _complain(
        f"A fault of xray itself: {type(error).__name__}: {error}. "
        "XRAY_LOG=debug shows where; please report it."
    )
    return FAULT


def _discard_output() -> None:
    # The reader is gone; what Python flushes at exit must not fail a second time.
    try:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (OSError, ValueError):
        sys.stdout = io.StringIO()


if __name__ == "__main__":
    sys.exit(main())
