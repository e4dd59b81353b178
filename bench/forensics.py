"""How soon questions about a run are answered, and the memory that one of them takes.

Asked as the server asks them, from the path of a URL to encoded JSON, each time about another run,
candidate or limit, by a process that has loaded what a server has. Times are of CPU; what is told
of memory is the peak of what Python allocates. `first` is a run that nobody asked about before; a
server keeps runs open until they change, so `again` is what the next questions about it take.
Every step of these runs draws its candidates anew, so that far more of them differ, are lost or
appear out of nowhere than in any pipeline: the comparisons and the conservation check have most to
do. Where it says `handed on`, a step decides what the one before it let through, as pipelines do.
"""

from __future__ import annotations

import random
import sys
import tracemalloc
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from hashlib import blake2b
from itertools import chain
from pathlib import Path
from statistics import median
from time import thread_time

import msgspec

from bench.dataset import EDITION, Dataset, Shape
from bench.report import Figure, run_benchmark
from bench.stored import read_cache_folder
from xray import reading
from xray.model.clock import SystemClock
from xray.model.facts import Fact, StepFinished, StepRoster
from xray.model.vocabulary import CaptureLevel
from xray.reading import put_up_shelf, take_down_shelf
from xray.server.serving import leave_out_of_collections
from xray.store.sqlite.engine import SqliteStore

_NOW_US = 1_767_139_200_000_000
_MAX_MS, _MAX_WHAT_IF_MS = 100, 200
_MAX_MB = 64
_WARM_UP = 3
_CANDIDATES_KEPT = 40


@dataclass(frozen=True)
class Kind:
    """Runs of one size.

    Args:
        name: what is printed.
        sizes: how many decisions each of the five steps has; any few where it is empty.
        capture: at which level they were captured.
        runs: how many there are.
        asked: how often each question is put.
        products: how many candidates there are to draw from.
        is_handed_on: whether steps decide what the one before them let through.
        is_bounded: whether the budgets hold for them.
    """

    name: str
    sizes: tuple[int, ...]
    capture: CaptureLevel
    runs: int
    asked: int
    products: int = 6_000
    is_handed_on: bool = False
    is_bounded: bool = True


_LARGE = (500, 5_000, 5_000, 5_000, 5_000)
_HUGE = (500, 100_000, 100_000, 100_000, 100_000)
_KINDS = (
    Kind("small runs", (), "full", 200, 100),
    Kind("5,000 a step, full", _LARGE, "full", 12, 60),
    Kind("5,000 a step, sample", _LARGE, "sample", 12, 60),
    Kind("5,000 handed on, full", _LARGE, "full", 12, 60, is_handed_on=True),
    Kind("5,000 handed on, sample", _LARGE, "sample", 12, 60, is_handed_on=True),
    Kind("100,000 a step, full", _HUGE, "full", 2, 3, 120_000, is_bounded=False),
)
_QUICK_KINDS = (
    Kind("small runs", (), "full", 50, 40),
    Kind("5,000 a step, full", _LARGE, "full", 4, 20),
    Kind("5,000 a step, sample", _LARGE, "sample", 4, 20),
    Kind("5,000 handed on, full", _LARGE, "full", 4, 20, is_handed_on=True),
    Kind("5,000 handed on, sample", _LARGE, "sample", 4, 20, is_handed_on=True),
)


@dataclass
class Runs:
    """Runs that were stored.

    Args:
        decided: for each some candidates with detail.
        named: for each some candidates without.
        checked: those that recorded a check.
    """

    decided: dict[str, list[str]] = field(default_factory=dict)
    named: dict[str, list[str]] = field(default_factory=dict)
    checked: list[str] = field(default_factory=list)

    def add(self, facts: Sequence[Fact]) -> None:
        """Take in a run."""
        steps = [fact for fact in facts if isinstance(fact, StepFinished)]
        groups = chain.from_iterable(f.groups for f in facts if isinstance(f, StepRoster))
        run_id = steps[0].run_id
        self.decided[run_id] = [
            row.candidate_id for step in steps for row in step.rows[:_CANDIDATES_KEPT]
        ]
        if any(row.checks for step in steps for row in step.rows):
            self.checked.append(run_id)
        self.named[run_id] = [name for group in groups for name in group.ids[:_CANDIDATES_KEPT]]


Question = Callable[[random.Random, Runs], tuple[str, list[tuple[str, str]]]]


def _ask_why(dice: random.Random, runs: Runs) -> tuple[str, list[tuple[str, str]]]:
    run_id = dice.choice(list(runs.decided))
    pool = dice.choice([runs.decided[run_id], runs.named[run_id] or runs.decided[run_id]])
    return f"/v1/runs/{run_id}/why", [("candidate", dice.choice(pool))]


def _ask_absent(dice: random.Random, runs: Runs) -> tuple[str, list[tuple[str, str]]]:
    run_id = dice.choice(list(runs.decided))
    return f"/v1/runs/{run_id}/why", [("candidate", f"nobody-{dice.randrange(1_000)}")]


def _ask_provenance(dice: random.Random, runs: Runs) -> tuple[str, list[tuple[str, str]]]:
    path, parameters = _ask_why(dice, runs)
    return path.replace("/why", "/provenance"), parameters


def _ask_diff(dice: random.Random, runs: Runs) -> tuple[str, list[tuple[str, str]]]:
    a, b = dice.sample(list(runs.decided), 2)
    return "/v1/diff", [("a", a), ("b", b)]


def _ask_findings(dice: random.Random, runs: Runs) -> tuple[str, list[tuple[str, str]]]:
    return f"/v1/runs/{dice.choice(list(runs.decided))}/findings", []


def _ask_what_if(dice: random.Random, runs: Runs) -> tuple[str, list[tuple[str, str]]]:
    limit = f"price_too_high={dice.randint(80, 900)}"
    return f"/v1/runs/{dice.choice(runs.checked)}/what-if", [("limit", limit)]


QUESTIONS: tuple[tuple[str, Question, float], ...] = (
    ("why", _ask_why, _MAX_MS),
    ("why, nobody's id", _ask_absent, _MAX_MS),
    ("provenance", _ask_provenance, _MAX_MS),
    ("diff", _ask_diff, _MAX_MS),
    ("findings", _ask_findings, _MAX_MS),
    ("what-if", _ask_what_if, _MAX_WHAT_IF_MS),
)


def measure(cache: Path, is_quick: bool) -> Sequence[Figure]:
    """Ask every question of every kind of run."""
    kinds = _QUICK_KINDS if is_quick else _KINDS
    path, stored = _find_runs(cache, kinds)
    figures: list[Figure] = []
    with closing(SqliteStore(path)) as store:
        leave_out_of_collections()
        for kind, runs in zip(kinds, stored, strict=True):
            for name, ask, budget_ms in QUESTIONS:
                figures += _measure_question(store, kind, runs, (name, ask, budget_ms))
            put_up_shelf(store, SystemClock())
            for name, ask, budget_ms in QUESTIONS:
                figures.append(_measure_again(store, kind, runs, (name, ask, budget_ms)))
            take_down_shelf(store)
            print(f"asked {kind.name}", file=sys.stderr, flush=True)
    return figures


def _measure_question(
    store: SqliteStore, kind: Kind, runs: Runs, question: tuple[str, Question, float]
) -> Iterator[Figure]:
    name, ask, budget_ms = question
    dice = random.Random(7)
    times_ms: list[float] = []
    warm_up = _WARM_UP if kind.is_bounded else 0
    for number in range(warm_up + kind.asked):
        path, parameters = ask(dice, runs)
        began_s = thread_time()
        _answer(store, path, parameters)
        if number >= warm_up:
            times_ms.append(1e3 * (thread_time() - began_s))
    asked = f"{kind.name}: {name}"
    slow_ms = sorted(times_ms)[int(0.95 * len(times_ms))]
    yield Figure(f"{asked}, first, p50", median(times_ms), unit="ms")
    yield Figure(f"{asked}, first, p95", slow_ms, budget_ms if kind.is_bounded else None, unit="ms")
    peak_mb = _measure_peak(partial(_answer, store, *ask(dice, runs))) / 1e6
    yield Figure(f"{asked}, memory", peak_mb, _MAX_MB if kind.is_bounded else None, unit="MB")


def _measure_again(
    store: SqliteStore, kind: Kind, runs: Runs, question: tuple[str, Question, float]
) -> Figure:
    name, ask, budget_ms = question
    dice = random.Random(7)
    asked = [ask(dice, runs) for _ in range(kind.asked)]
    for run_id in runs.decided:
        _answer(store, f"/v1/runs/{run_id}/findings", [])
    times_ms: list[float] = []
    for path, parameters in asked:
        began_s = thread_time()
        _answer(store, path, parameters)
        times_ms.append(1e3 * (thread_time() - began_s))
    slow_ms = sorted(times_ms)[int(0.95 * len(times_ms))]
    budget = budget_ms if kind.is_bounded else None
    return Figure(f"{kind.name}: {name}, again, p95", slow_ms, budget, unit="ms")


def _answer(store: SqliteStore, path: str, parameters: list[tuple[str, str]]) -> bytes:
    return msgspec.json.encode(reading.answer(store, path, parameters, _NOW_US))


def _measure_peak(answer: Callable[[], bytes]) -> int:
    tracemalloc.start()
    try:
        answer()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def _find_runs(folder: Path, kinds: Sequence[Kind]) -> tuple[Path, list[Runs]]:
    """The database with runs of *kinds*, built where it is not there yet."""
    folder.mkdir(parents=True, exist_ok=True)
    mark = blake2b(repr((EDITION, kinds)).encode(), digest_size=4).hexdigest()
    path = folder / f"forensics-{mark}.db"
    told = path.with_suffix(".json")
    if not told.exists():
        print(f"building {path}", file=sys.stderr, flush=True)
        told.write_bytes(msgspec.json.encode(_build(path, kinds)))
    return path, msgspec.json.decode(told.read_bytes(), type=list[Runs])


def _build(path: Path, kinds: Sequence[Kind]) -> list[Runs]:
    for suffix in ("", "-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
    stored: list[Runs] = []
    with closing(SqliteStore(path)) as store:
        for place, kind in enumerate(kinds):
            shape = Shape(small_runs=kind.runs, large_runs=0, products=kind.products)
            dataset, dice = Dataset(shape, seed=place + 1), random.Random(place)
            runs = Runs()
            for number in range(kind.runs):
                sizes = kind.sizes or [dice.randint(2, 8) for _ in _LARGE]
                facts = dataset.make_run(
                    number, sizes, kind.capture, is_handed_on=kind.is_handed_on
                )
                runs.add(facts)
                receipt = store.submit(f"{place}-{number}", facts).result()
                assert not receipt.rejected, receipt.rejected[0]
            stored.append(runs)
    return stored


def main() -> int:
    """Measure from the command line."""
    cache, arguments = read_cache_folder(sys.argv[1:])
    description = "How soon questions about a run are answered; --cache FOLDER keeps the data."
    return run_benchmark(description, partial(measure, cache), arguments)


if __name__ == "__main__":
    sys.exit(main())
