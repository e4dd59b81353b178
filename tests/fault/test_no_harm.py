"""A program's output, exceptions and exit status are the same with any one line of X-Ray broken."""

from __future__ import annotations

import ast
import os
import random
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from functools import cache, partial
from pathlib import Path
from queue import SimpleQueue

import msgspec
import pytest

from tests.fault.no_harm_program import PARTS, STATUS
from tests.fault.no_harm_sweep import INJECTED, SIGNAL, SOURCE, Outcome, Trial
from xray.testing import FaultServer

ROOT = Path(__file__).parents[2]
PROGRAM = "tests.fault.no_harm_program"
SEED = int(os.environ.get("XRAY_TEST_SEED", "1"))
PROCESSES = 2
QUICK_PARTS, QUICK_TRIALS = 4, 16
# Each slice of the lines, drawn by the seed, is a random sample of them.
PROVEN_SLICES = 50
# What is run most often is tried in the part that takes the least time.
DEAREST = ("set_verbs", "many_rows", "sampling", "processes", "runs", "tasks", "threads")
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
Place = tuple[str, int]

# The verbs that compute the pipeline's own results: one that cannot compute may say so.
COMPUTING = ("filter", "afilter", "rank", "take", "dedupe", "check")
# Where the pipeline's calls enter X-Ray, or X-Ray calls the pipeline's code: these lines hand on
# to what is guarded, and cannot be guarded themselves.
SEAMS = {
    "capture/guard.py": None,
    "capture/attaching.py": {"AttachedRun.add_tags"},
    "capture/noop.py": {"NoopStep.__init__"},
    "capture/noop_run.py": {"NoopRun.__init__"},
    "capture/comparison.py": {"meets"},
    "capture/sets/judging.py": {"judge_later"},
    "capture/sets/rules.py": {"rule"},
    "model/interruptions.py": None,
    "model/operators.py": None,
    "model/vocabulary.py": {"parse_operator"},
    "capture/run.py": {"Run.__enter__", "Run.__aenter__", "Run.__aexit__", "Run.__call__",
                       "Run.begin", "Run.end"},
    "capture/step.py": {"Step.__enter__", "Step.__aenter__", "Step.__aexit__"},
    "capture/verbs.py": {"CandidateVerbs.reason", "reject_for_reason", "CandidateVerbs.check"},
    "delivery/delivery.py": {"_deliver_at_exit"},
    "delivery/notices.py": {"attempt"},
    "sampling/books.py": {"Books._live"},
    "capture/sets/recording.py": {"accept_many", "reject_many", "select_many"},
    "session.py": {
        "XRay.__init__", "XRay.run", "XRay.start", "XRay.stream", "_nothing_of", "xray_run",
        "xray_step.__init__", "xray_step.__enter__", "xray_step._make", "xray_step.__aenter__",
        "xray_step.__aexit__", "xray_step.__call__", "attach",
    },
    "capture/wrapping.py": {
        "record_function", "record_coroutine", "in_context", "open_plain", "open_async",
        "driven", "drive", "drive_async", "_advance", "_advance_async", "_ask", "_Active.__init__",
        "_Returned.__init__", "_Stage.__init__",
    },
}  # fmt: skip


# What `main_interrupted` prints where X-Ray works on after an interruption.
IN_ORDER = ("inside True True", "complete True", "books True")


class Sweep:
    """Tries trials in processes that fork one child for each."""

    def __init__(self, url: str, *preloaded: str) -> None:
        self._processes = [
            subprocess.Popen(
                [sys.executable, "-W", "ignore::DeprecationWarning",
                 "-m", "tests.fault.no_harm_sweep", *preloaded],
                cwd=ROOT,
                env={name: text for name, text in os.environ.items() if "XRAY_" not in name}
                | {"XRAY_URL": url},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
            )
            for _ in range(PROCESSES)
        ]  # fmt: skip
        self._idle: SimpleQueue[subprocess.Popen[bytes]] = SimpleQueue()
        for process in self._processes:
            self._idle.put(process)

    def run(self, trial: Trial) -> Outcome:
        process = self._idle.get()
        try:
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.write(msgspec.json.encode(trial) + b"\n")
            process.stdin.flush()
            return msgspec.json.decode(process.stdout.readline(), type=Outcome)
        finally:
            self._idle.put(process)

    def close(self) -> None:
        for process in self._processes:
            process.communicate(timeout=60)


class Sweeps:
    """Sweeps of a program that imports much, and of one that does not."""

    def __init__(self, url: str) -> None:
        self._light, self._heavy = Sweep(url), Sweep(url, "numpy", "pandas")
        self._survey = cache(self._survey_part)
        self.off = cache(partial(self._run_whole, is_off=True))
        self.whole = cache(self._run_whole)

    def run(self, trial: Trial) -> Outcome:
        return (self._heavy if "set_verbs" in trial.parts else self._light).run(trial)

    def _run_whole(self, function: str, part: str, *, is_off: bool = False) -> Outcome:
        return self.run(Trial((PROGRAM, function), (part,), is_off=is_off))

    def _survey_part(self, part: str) -> set[Place]:
        seen = self.run(Trial((PROGRAM, "main"), (part,), is_survey=True))
        assert seen.status == STATUS, seen.err
        return {(name, line) for name, lines in seen.lines.items() for line in lines}

    def find_places(self, parts: Sequence[str]) -> dict[Place, str]:
        """Every line that some part of the program runs, and the cheapest part that does."""
        order = sorted(parts, key=lambda part: -DEAREST.index(part) if part in DEAREST else 1)
        with ThreadPoolExecutor(2 * PROCESSES) as pool:
            found = list(pool.map(self._survey, order))
        places: dict[Place, str] = {}
        for part, lines in zip(order, found, strict=True):
            places |= dict.fromkeys(lines, part)
        return {place: part for place, part in places.items() if not is_seam(place)}

    def close(self) -> None:
        self._light.close()
        self._heavy.close()


@pytest.fixture(scope="module")
def sweeps() -> Iterator[Sweeps]:
    with FaultServer() as server, closing(Sweeps(server.url)) as sweeps:
        yield sweeps


def is_seam(place: Place) -> bool:
    name, line = place
    return line in find_seams(name)


@cache
def find_seams(name: str) -> set[int]:
    """The lines of a file that cannot be guarded, and those that do nothing that could fail."""
    tree = ast.parse(Path(SOURCE + name).read_text(encoding="utf-8"))
    lines: set[int] = set()
    entered = SEAMS.get(name, set())
    if entered is None:
        return set(range(1, 10_000))
    for path, node in _walk(tree, ""):
        is_entered = path in entered or path.rpartition(".")[2] in entered
        if isinstance(node, FUNCTIONS) and is_entered:
            lines |= _own_lines(node)
        if isinstance(node, ast.stmt) and _is_harmless(node):
            lines.add(node.lineno)
    return lines


def _own_lines(function: ast.AST) -> set[int]:
    """The lines of a function without those of the functions in it."""
    inner = [node for node in ast.walk(function) if isinstance(node, FUNCTIONS)][1:]
    return set(_range(function)).difference(*map(_range, inner))


def _range(node: ast.AST) -> range:
    assert isinstance(node, ast.stmt)
    return range(node.lineno, (node.end_lineno or node.lineno) + 1)


def _walk(node: ast.AST, path: str) -> Iterator[tuple[str, ast.AST]]:
    for child in ast.iter_child_nodes(node):
        below = path
        if isinstance(child, (ast.ClassDef, *FUNCTIONS)):
            below = f"{path}.{child.name}".lstrip(".")
        yield below, child
        yield from _walk(child, below)


def _is_harmless(node: ast.stmt) -> bool:
    """Whether nothing runs on the line itself but what makes, names or guards what follows."""
    if isinstance(node, (ast.Try, ast.Pass, *FUNCTIONS)):
        return True
    if isinstance(node, ast.Return):
        return (
            node.value is None
            or ast.unparse(node.value) == "{}"
            or isinstance(node.value, (ast.Name, ast.Constant))
        )
    if isinstance(node, ast.With):
        first = node.items[0].context_expr
        return isinstance(first, ast.Call) and ast.unparse(first.func) == "guarded"
    return False


# What a program may notice


def find_harm(outcome: Outcome, whole: Outcome, off: Outcome) -> str | None:
    """What the program, or who looks at its terminal, noticed; None when nothing.

    Args:
        outcome: what became of the program with a line of X-Ray broken.
        whole: what becomes of it with X-Ray on.
        off: what becomes of it with X-Ray off.
    """
    if outcome.status != off.status:
        return f"ended as {outcome.status}"
    if not _are_alike(outcome.out.splitlines(), off.out.splitlines()):
        return "printed something else"
    usual = set(whole.err.splitlines())
    said = [line for line in outcome.err.splitlines() if line and line not in usual]
    if any(not line.startswith("xray: ") for line in said):
        return "had more than a line of X-Ray's on its terminal"
    if len(set(said)) < len(said):
        return "was told the same twice"
    return None


def _are_alike(lines: Sequence[str], wanted: Sequence[str]) -> bool:
    if len(lines) != len(wanted):
        return False
    return all(
        line == want
        or (line.split()[0] in COMPUTING and "raises" in line and line.endswith(INJECTED))
        for line, want in zip(lines, wanted, strict=True)
    )


def find_lost_interruption(outcome: Outcome, whole: Outcome, off: Outcome) -> str | None:
    """Why an interruption was not what it would be without X-Ray; None when it was.

    Args:
        outcome: what became of the program that was interrupted.
        whole: what becomes of it when nothing interrupts it.
        off: not used.
    """
    if outcome.status != 0:
        return f"ended as {outcome.status}"
    said = [line for line in outcome.err.splitlines() if line and line not in whole.err]
    if outcome.out == whole.out and not any("Exception ignored" in line for line in said):
        return "never heard of it"
    if any(line not in outcome.out for line in IN_ORDER):
        return f"found X-Ray in disorder: {outcome.out[-200:]}"
    return None


Judge = Callable[[Outcome, Outcome, Outcome], str | None]


def sweep(
    sweeps: Sweeps, function: str, judge: Judge, trials: Sequence[Trial]
) -> tuple[int, list[str]]:
    """How many of *trials* broke something, and what their programs noticed of it."""

    def try_one(trial: Trial) -> tuple[int, str | None]:
        [part] = trial.parts
        outcome = sweeps.run(trial)
        harm = judge(outcome, sweeps.whole(function, part), sweeps.off(function, part))
        if harm is None or not outcome.hits:
            return outcome.hits, None
        return outcome.hits, f"{trial}: the program {harm}\n{outcome.err[-1500:]}"

    with ThreadPoolExecutor(2 * PROCESSES) as pool:
        results = list(pool.map(try_one, trials))
    return sum(hits > 0 for hits, _ in results), [harm for _, harm in results if harm]


def choose_trials(
    sweeps: Sweeps, function: str, fault: str, part: int | None, is_lasting: bool = False
) -> list[Trial]:
    """A slice of the lines that can be broken, or some lines of some parts, as the seed has it."""
    chance = random.Random(SEED)
    parts = chance.sample(sorted(PARTS), QUICK_PARTS) if part is None else list(PARTS)
    places = sweeps.find_places(parts)
    chosen = sorted(places)
    chance.shuffle(chosen)
    chosen = chosen[:QUICK_TRIALS] if part is None else chosen[part::PROVEN_SLICES]
    return [
        Trial((PROGRAM, function), (places[place],), place, fault, is_lasting) for place in chosen
    ]


sizes = pytest.mark.parametrize(
    "part",
    [
        pytest.param(None, id="some"),
        *(
            pytest.param(part, id=f"slice{part}", marks=pytest.mark.prove)
            for part in range(PROVEN_SLICES)
        ),
    ],
)
faults = pytest.mark.parametrize(
    ("fault", "often"),
    [
        ("RuntimeError", "once"),
        ("MemoryError", "always"),
        pytest.param("RuntimeError", "always", marks=pytest.mark.prove),
        pytest.param("MemoryError", "once", marks=pytest.mark.prove),
    ],
)


@pytest.mark.parametrize("part", PARTS)
def test_the_program_is_the_same_with_xray_on_and_off(sweeps: Sweeps, part: str) -> None:
    off, whole = sweeps.off("main", part), sweeps.whole("main", part)
    assert off.status == STATUS
    assert find_harm(whole, whole, off) is None


@faults
@sizes
def test_a_fault_in_any_line_is_not_noticed(
    sweeps: Sweeps, fault: str, often: str, part: int | None
) -> None:
    trials = choose_trials(sweeps, "main", fault, part, is_lasting=often == "always")
    hits, harms = sweep(sweeps, "main", find_harm, trials)
    assert not harms, f"seed {SEED}, {len(harms)} of {len(trials)}\n" + "\n".join(harms)
    assert hits > 0.8 * len(trials)


@pytest.mark.parametrize("fault", ["KeyboardInterrupt", SIGNAL])
@sizes
def test_an_interruption_anywhere_reaches_the_program_and_leaves_order(
    sweeps: Sweeps, fault: str, part: int | None
) -> None:
    trials = choose_trials(sweeps, "main_interrupted", fault, part)
    hits, harms = sweep(sweeps, "main_interrupted", find_lost_interruption, trials)
    assert not harms, f"seed {SEED}, {len(harms)} of {len(trials)}\n" + "\n".join(harms)
    assert hits
