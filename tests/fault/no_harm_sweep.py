"""Runs a program many times, each time with X-Ray broken in another line.

    python -m tests.fault.no_harm_sweep [MODULE ...]

It imports the modules first, so that no child has to.
Every line it reads is a trial, as JSON; for each it forks itself, lets the program run in the
child, and answers with what that printed and how it ended. What the child imports, starts and
holds is its own, and it ends as any interpreter does.
"""

from __future__ import annotations

import faulthandler
import gc
import importlib
import json
import os
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import CodeType, FrameType
from typing import Any, Final

import msgspec

SOURCE: Final = str(Path(__file__).parents[2] / "src" / "xray") + os.sep
# What runs in the pipeline's own process.
PARTS: Final = (
    "capture", "delivery", "sampling", "wire", "model", "session.py", "destinations.py",
    "settings.py", "errors.py",
)  # fmt: skip
INJECTED: Final = "injected"
FAULTS: Final[dict[str, type[BaseException]]] = {
    "RuntimeError": RuntimeError,
    "MemoryError": MemoryError,
    "KeyboardInterrupt": KeyboardInterrupt,
}
# Sent instead of raised: what the program's own handler of it raises is the fault.
SIGNAL: Final = "signal"
Trace = Callable[[FrameType, str, Any], Any]


class Trial(msgspec.Struct, frozen=True):
    """One run of the program.

    Args:
        program: the module it is in, and the function that is called.
        parts: what the function is given.
        place: the file below `src/xray` and the line to break; None for none.
        fault: what is raised there.
        is_lasting: whether it is raised every time, and not the first time only.
        is_survey: answer with the lines that were run.
        is_off: the program runs with X-Ray disabled.
        deadline_s: how long it may take.
    """

    program: tuple[str, str]
    parts: tuple[str, ...]
    place: tuple[str, int] | None = None
    fault: str = "RuntimeError"
    is_lasting: bool = False
    is_survey: bool = False
    is_off: bool = False
    deadline_s: float = 60.0

    def __str__(self) -> str:
        name, line = self.place or ("nothing", 0)
        often = "always" if self.is_lasting else "once"
        return f"{self.fault} {often} at {name}:{line} in {', '.join(self.parts)}"


class Outcome(msgspec.Struct, frozen=True):
    """What became of it.

    Args:
        status: how it ended; None when it had to be killed.
        out: what it printed.
        err: what it said beside.
        hits: how often the fault was raised.
        lines: the lines that were run, by file, in a survey.
    """

    status: int | None
    out: str
    err: str
    hits: int = 0
    lines: dict[str, list[int]] = {}


def is_swept(path: str) -> bool:
    """Whether a source file is X-Ray's and runs in the pipeline's process."""
    return path.startswith(SOURCE) and path[len(SOURCE) :].split(os.sep)[0] in PARTS


class Breaking:
    """Raises a fault whenever, or the first time that, one line is about to run."""

    def __init__(self, trial: Trial, note: int) -> None:
        assert trial.place is not None
        self._path = SOURCE + trial.place[0]
        self._line = trial.place[1]
        self._fault = FAULTS.get(trial.fault)
        self._is_lasting = trial.is_lasting
        self._is_spent = False
        self._note = note
        self._known: dict[CodeType, bool] = {}
        self._is_for_main_only = trial.fault in (SIGNAL, "KeyboardInterrupt")

    def start(self) -> None:
        threading.settrace(self.enter)
        sys.settrace(self.enter)
        if self._is_lasting:
            threading.setprofile(self.resume)  # type: ignore[arg-type]
            sys.setprofile(self.resume)  # type: ignore[arg-type]

    def _is_there(self, code: CodeType) -> bool:
        found = self._known.get(code)
        if found is None:
            found = self._known[code] = code.co_filename == self._path and any(
                line == self._line for _, _, line in code.co_lines()
            )
        return found

    def enter(self, frame: FrameType, event: str, argument: Any) -> Trace | None:
        return self.step if self._is_there(frame.f_code) else None

    def step(self, frame: FrameType, event: str, argument: Any) -> Trace | None:
        if event == "line" and frame.f_lineno == self._line and not self._is_spent:
            if self._is_for_main_only and threading.current_thread() is not threading.main_thread():
                return self.step
            self._is_spent = not self._is_lasting
            os.write(self._note, b".")
            if self._fault is None:
                signal.raise_signal(signal.SIGALRM)
            else:
                raise self._fault(INJECTED)
        return self.step

    def resume(self, frame: FrameType, event: str, argument: Any) -> None:
        # A trace function that raised is not asked again until it is set again.
        if sys.gettrace() is None:
            sys.settrace(self.enter)
        if frame.f_trace is None and self._is_there(frame.f_code):
            frame.f_trace = self.step


class Surveying:
    """Notes which lines are run."""

    def __init__(self) -> None:
        self._lines: dict[str, set[int]] = {}

    def start(self) -> None:
        threading.settrace(self.enter)
        sys.settrace(self.enter)

    def enter(self, frame: FrameType, event: str, argument: Any) -> Trace | None:
        return self.step if is_swept(frame.f_code.co_filename) else None

    def step(self, frame: FrameType, event: str, argument: Any) -> Trace:
        if event == "line":
            self._lines.setdefault(frame.f_code.co_filename, set()).add(frame.f_lineno)
        return self.step

    def write(self, note: int) -> None:
        found = {path[len(SOURCE) :]: sorted(lines) for path, lines in self._lines.items()}
        os.write(note, json.dumps(found).encode())


def run_trial(trial: Trial) -> Outcome | None:
    """Fork, and tell what the child did; None in the child, which is to run the program."""
    streams = [os.memfd_create(name) for name in ("out", "err", "note")]
    place = tempfile.mkdtemp(prefix="no-harm-")
    sys.stdout.flush()
    pid = os.fork()
    if pid == 0:
        os.setsid()
        os.environ["XRAY_SPOOL_DIR"] = place
        if trial.is_off:
            os.environ["XRAY_DISABLED"] = "1"
        for stream, number in zip(streams[:2], (1, 2), strict=True):
            os.dup2(stream, number)
        faulthandler.dump_traceback_later(trial.deadline_s * 0.9, exit=False)
        begin(trial, streams[2])
        return None
    status = _await(pid, trial.deadline_s)
    _end_group(pid)
    out, err, note = (_read(stream) for stream in streams)
    shutil.rmtree(place, ignore_errors=True)
    if trial.is_survey:
        return Outcome(status, out, err, lines=json.loads(note or "{}"))
    return Outcome(status, out, err, hits=len(note))


def begin(trial: Trial, note: int) -> None:
    if trial.is_survey:
        # Registered before any other, so it is called last.
        import atexit

        survey = Surveying()
        atexit.register(survey.write, note)
        survey.start()
    elif trial.place is not None:
        Breaking(trial, note).start()


def _await(pid: int, deadline_s: float) -> int | None:
    until_s = time.monotonic() + deadline_s
    pause_s = 0.002
    while time.monotonic() < until_s:
        found, status = os.waitpid(pid, os.WNOHANG)
        if found:
            return os.waitstatus_to_exitcode(status)
        time.sleep(pause_s)
        pause_s = min(0.02, pause_s * 1.5)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    return None


def _end_group(pid: int) -> None:
    """End what the child may have forked and left."""
    try:
        os.killpg(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


def _read(stream: int) -> str:
    size = os.fstat(stream).st_size
    text = os.pread(stream, size, 0).decode("utf-8", "replace")
    os.close(stream)
    return text


def serve(lines: int) -> Trial | None:
    """Answer one trial after the other; in a child, return its trial."""
    decode = msgspec.json.Decoder(Trial).decode
    with os.fdopen(os.dup(lines), "rb", buffering=0) as source:
        rest = b""
        while piece := source.read(65_536):
            *whole, rest = (rest + piece).split(b"\n")
            for line in whole:
                trial = decode(line)
                outcome = run_trial(trial)
                if outcome is None:
                    return trial
                sys.stdout.write(msgspec.json.encode(outcome).decode() + "\n")
                sys.stdout.flush()
    return None


if __name__ == "__main__":
    # What is not X-Ray's is imported once; of X-Ray what `import xray` takes.
    for name in ("asyncio", "concurrent.futures.thread", "importlib.metadata", "urllib3", "xray",
                 *sys.argv[1:]):  # fmt: skip
        importlib.import_module(name)
    gc.collect()
    # A collection in a child need not look at, and so not copy, what all children share.
    gc.freeze()
    chosen = serve(0)
    if chosen is not None:
        module, function = chosen.program
        getattr(importlib.import_module(module), function)(chosen.parts)
