"""What each engine costs: one run, the same data, one engine after another.

**Ingest.** As in `bench.ingest`: encoded batches to durable records, against a bare script that
starts from the decoded records, encodes and indexes them the same way, and commits by the engine's
own best bulk path, from a copy of the same database. The share is that of the CPU that both sides
take: of this process and of the database's server, which for SQLite is nothing, so that it is the
same measure as there. At PostgreSQL the server's part is the same work for both, so the share of
this process alone stands beside it, and the share by the wall. Both sides end when what they wrote
is in the tables' files as well. The store's merging of what commits have added, which goes on
beside a writer that is busy, counts as far as it was done by then.

**Size.** All that an engine has on disk, and what decisions add to it: the difference from the
same data at `minimal`, taken of the smaller size without `--quick`.

**Questions.** Those of `bench.questions`, of 200,000 runs or so and of a tenth, in turn. Times are
CPU of the asking thread and of the database's server, all of whose processes count; a process of
it that ends meanwhile counts in ticks of 10 ms.

**Memory.** The most that is ever resident of a process that opens the store and asks each question,
and the most that the server's processes hold then, where what they share counts once.

**A day.** All runs of one day are deleted by their ids in a copy of the data that was compacted.
What the engine takes to have the space ready for use, which PostgreSQL does by itself some time
later, stands apart. What a day takes is what compacting brings after that; what had come back
without is told, and what was left for new records. In PostgreSQL the data came on one day, so that
no partition becomes empty.
"""

from __future__ import annotations

import argparse
import gc
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain
from multiprocessing import get_context
from pathlib import Path
from statistics import median

from bench import query
from bench.databases import ENGINES, Engine
from bench.dataset import Dataset, Shape
from bench.ingest import MIX, WARM, Load, commit_all, pin_to_one_core, prepare_load, submit_all
from bench.processes import Processes, read_peak_mb
from bench.questions import NOW_US, QUESTIONS, ask_in_turn, p95
from bench.report import Figure, run_benchmark
from bench.stored import Samples, fill, read_cache_folder
from xray.query.parameters import plan_from_parameters
from xray.store.opening import open_store
from xray.store.protocol import Store

_MIN_SHARE = 50
_MAX_DECISION_BYTES = 100
_DAY = (("started_at_gte", "2025-12-15T00:00:00Z"), ("started_at_lt", "2025-12-16T00:00:00Z"))
_MANY = ("limit", "1000")
_ASKED_FOR_MEMORY = 10
_COMPARED = (
    "ingest, CPU of a decision",
    "bytes a decision, runs and steps included",
    "bytes a decision, by itself",
    "a day, CPU",
)


@dataclass(frozen=True)
class _Sizes:
    """How much is measured.

    Args:
        whole: what questions are asked of.
        tenth: a tenth of that.
        sized: what bytes a decision are measured of.
        repetitions: how often each side writes.
        asked: how often each question is asked.
    """

    whole: Shape
    tenth: Shape
    sized: Shape
    repetitions: int
    asked: int


@dataclass(frozen=True)
class _Spent:
    """What something took.

    Args:
        wall_s: by the wall.
        client_s: CPU of this process.
        server_s: CPU of the database's processes.
    """

    wall_s: float
    client_s: float
    server_s: float

    @property
    def cpu_s(self) -> float:
        """CPU of both."""
        return self.client_s + self.server_s


def measure(
    cache: Path, names: Sequence[str], decisions: int | None, is_quick: bool
) -> Sequence[Figure]:
    """Measure each engine by itself."""
    try:
        sizes = _choose_sizes(decisions, is_quick)
    except ValueError as error:
        raise SystemExit(str(error)) from error
    load = prepare_load(MIX)
    found: dict[str, list[Figure]] = {}
    for name in names:
        with closing(ENGINES[name](cache)) as engine:
            of_engine = chain(_measure_ingest(engine, load, sizes), _measure_stored(engine, sizes))
            found[engine.name] = list(of_engine)
    told = [
        replace(figure, name=f"{name}: {figure.name}")
        for name, figures in found.items()
        for figure in figures
    ]
    return [*told, *_compare(found)]


def _compare(found: dict[str, list[Figure]]) -> Iterator[Figure]:
    """How many times as much the further engines take as the first."""
    first, *others = found
    values = {figure.name: figure.value for figure in found[first]}
    for other in others:
        for figure in found[other]:
            if figure.name in _COMPARED or figure.name.endswith(", p50"):
                ratio = figure.value / values[figure.name]
                yield Figure(f"{other} over {first}: {figure.name}", ratio, unit="x")


def _choose_sizes(decisions: int | None, is_quick: bool) -> _Sizes:
    if is_quick:
        whole, tenth = query.QUICK, query.QUICK_TENTH
        repetitions, asked = 5, query.QUICK_ASKED
    else:
        whole, tenth = query.WHOLE, query.TENTH
        repetitions, asked = 9, query.ASKED
    if decisions is not None:
        whole = whole.holding(decisions)
        tenth = replace(tenth, step_factor=whole.step_factor)
    # Of a few hundred runs whole pages would weigh on every decision.
    return _Sizes(whole, tenth, whole if is_quick else tenth, repetitions, asked)


@contextmanager
def _scratch(engine: Engine, name: str) -> Iterator[str]:
    """A database that is dropped in the end."""
    try:
        yield name
    finally:
        engine.drop(name)


def _spend(engine: Engine, work: Callable[[], object]) -> _Spent:
    wall_s, client_s, server_s = time.perf_counter(), time.process_time(), engine.server.cpu_s()
    work()
    return _Spent(
        time.perf_counter() - wall_s,
        time.process_time() - client_s,
        engine.server.cpu_s() - server_s,
    )


def _measure_ingest(engine: Engine, load: Load, sizes: _Sizes) -> Iterator[Figure]:
    stored: list[_Spent] = []
    bare: list[_Spent] = []
    with ExitStack() as stack:
        warm = stack.enter_context(_scratch(engine, "warm"))
        engine.create(warm)
        with closing(engine.open(warm)) as store:
            fill(store, Dataset(WARM, seed=2), f"what {engine.name} begins with")
        engine.settle(warm)
        written = stack.enter_context(_scratch(engine, "written"))
        stack.enter_context(_on_one_core())
        for _ in range(sizes.repetitions):
            engine.copy(warm, written)
            stored.append(_spend(engine, lambda: _store(engine, written, load)))
            engine.copy(warm, written)
            bare.append(_spend(engine, lambda: _write_bare(engine, written, load)))
            print(f"written to {engine.name}", file=sys.stderr, flush=True)

    def share(take: Callable[[_Spent], float]) -> float:
        pairs = zip(stored, bare, strict=True)
        return median(100 * take(script) / take(own) for own, script in pairs)

    def speed(spent: Sequence[_Spent], take: Callable[[_Spent], float]) -> float:
        return load.decisions / median(map(take, spent))

    said = "share of the bare script's speed"
    whole, wall = share(lambda spent: spent.cpu_s), share(lambda spent: spent.wall_s)
    yield Figure(f"ingest, {said}, by CPU", whole, _MIN_SHARE, "larger", "%")
    if any(spent.server_s for spent in stored):
        client = share(lambda spent: spent.client_s)
        yield Figure(f"ingest, {said}, by the client's CPU", client, unit="%")
        part = median(100 * spent.server_s / spent.cpu_s for spent in stored)
        yield Figure("ingest, the server's part of the CPU", part, unit="%")
    yield Figure(f"ingest, {said}, by the wall", wall, unit="%")
    yield Figure("ingest, decisions a second of CPU", speed(stored, lambda spent: spent.cpu_s))
    yield Figure("ingest, the bare script's", speed(bare, lambda spent: spent.cpu_s))
    each = median(spent.cpu_s for spent in stored) / load.decisions
    yield Figure("ingest, CPU of a decision", 1e6 * each, unit="µs")
    yield Figure("ingest, decisions a second by the wall", speed(stored, lambda one: one.wall_s))


@contextmanager
def _on_one_core() -> Iterator[None]:
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    cores = os.sched_getaffinity(0)
    pin_to_one_core()
    gc.collect()
    gc.freeze()  # the prepared records are no part of either side's work
    try:
        yield
    finally:
        gc.unfreeze()
        os.sched_setaffinity(0, cores)


def _store(engine: Engine, name: str, load: Load) -> None:
    with closing(engine.open(name)) as store:
        submit_all(store, load.bodies)
    engine.flush(name)


def _write_bare(engine: Engine, name: str, load: Load) -> None:
    with closing(engine.open_bare(name)) as script:
        commit_all(script.commit, load.facts)
    engine.flush(name)


def _measure_stored(engine: Engine, sizes: _Sizes) -> Iterator[Figure]:
    tenth, tenth_samples = engine.keep(sizes.tenth)
    whole, samples = engine.keep(sizes.whole)
    yield Figure("runs stored", sizes.whole.small_runs + sizes.whole.large_runs + 1)
    yield Figure("decisions stored", samples.decisions)
    yield from _measure_size(engine, sizes, whole, samples)
    kept = ((whole, samples), (tenth, tenth_samples))
    with ExitStack() as stack:
        asked = [(stack.enter_context(closing(engine.open(name))), some) for name, some in kept]
        yield from _measure_questions(engine, asked, sizes.asked)
    yield from _measure_memory(engine, whole, samples)
    yield from _measure_day(engine, whole)


def _measure_size(engine: Engine, sizes: _Sizes, whole: str, samples: Samples) -> Iterator[Figure]:
    each = engine.measure_bytes(whole) / samples.decisions
    yield Figure("bytes a decision, runs and steps included", each, unit="B")
    full, of_full = engine.keep(sizes.sized)
    minimal, of_minimal = engine.keep(sizes.sized, "minimal")
    added = engine.measure_bytes(full) - engine.measure_bytes(minimal)
    # Runs that are sampled are so in both.
    each = added / (of_full.decisions - of_minimal.decisions)
    yield Figure("bytes a decision, by itself", each, _MAX_DECISION_BYTES, unit="B")


def _measure_questions(
    engine: Engine, asked: Sequence[tuple[Store, Samples]], times: int
) -> Iterator[Figure]:
    for question in QUESTIONS:
        whole, tenth = ask_in_turn(question, asked, times, engine.server.cpu_s)
        cpu_ms = whole.whole_cpu_ms
        yield Figure(f"{question.name}, p50", median(cpu_ms), unit="ms")
        yield Figure(f"{question.name}, p95", p95(cpu_ms), query.MAX_MS, unit="ms")
        if any(whole.server_ms):
            part = 100 * sum(whole.server_ms) / sum(cpu_ms)
            yield Figure(f"{question.name}, the server's part of it", part, unit="%")
        yield Figure(f"{question.name}, p50 by the wall", median(whole.wall_ms), unit="ms")
        yield Figure(f"{question.name}, p95 by the wall", p95(whole.wall_ms), unit="ms")
        growth = p95(cpu_ms) / p95(tenth.whole_cpu_ms)
        said = f"{question.name}, growth of the p95 from a tenth"
        yield Figure(said, growth, query.MAX_GROWTH, unit="x")
        print(f"asked {engine.name}: {question.name}", file=sys.stderr, flush=True)


def _measure_memory(engine: Engine, name: str, samples: Samples) -> Iterator[Figure]:
    # A process of its own, in which nothing was made but answers.
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        url, server = engine.locate(name), engine.server
        own_mb, server_mb = pool.submit(_ask_each, url, samples, server).result()
    yield Figure("memory of the process that answers, at most", own_mb, unit="MB")
    if server_mb:
        yield Figure("memory of the database's processes, at most", server_mb, unit="MB")


def _ask_each(url: str, samples: Samples, server: Processes) -> tuple[float, float]:
    """The most memory of this process and of *server* while each question is asked."""
    most_mb = 0.0
    with closing(open_store(url)) as store:
        for question in QUESTIONS:
            ask_in_turn(question, [(store, samples)], _ASKED_FOR_MEMORY)
            most_mb = max(most_mb, server.memory_mb())
    return read_peak_mb(), most_mb


def _measure_day(engine: Engine, whole: str) -> Iterator[Figure]:
    with _scratch(engine, "deleted") as name:
        engine.copy(whole, name)
        engine.compact(name)
        before = engine.measure_bytes(name)
        with closing(engine.open(name)) as store:
            run_ids = list(_list_day(store))
            spent = _spend(engine, lambda: store.delete_runs(run_ids).result())
        settled = _spend(engine, lambda: engine.settle(name))
        after = engine.measure_bytes(name)
        engine.compact(name)
        least = engine.measure_bytes(name)
    yield Figure("a day, runs deleted", len(run_ids))
    yield Figure("a day, CPU", spent.cpu_s, unit="s")
    yield Figure("a day, by the wall", spent.wall_s, unit="s")
    if settled.server_s:
        yield Figure("a day, CPU of the vacuum after it", settled.cpu_s, unit="s")
    yield Figure("a day, share of the bytes", 100 * (before - least) / before, unit="%")
    yield Figure("a day, space returned to the system", (before - after) / 1e6, unit="MB")
    yield Figure("a day, space left for new records", (after - least) / 1e6, unit="MB")


def _list_day(store: Store) -> Iterator[str]:
    """The runs of one day, which is a thirtieth of the data."""
    asked = [*_DAY, _MANY]
    page = store.runs(plan_from_parameters("run", asked, NOW_US))
    yield from (run.run_id for run in page.items)
    while page.next_cursor is not None:
        further = [*asked, ("cursor", page.next_cursor)]
        page = store.runs(plan_from_parameters("run", further, NOW_US))
        yield from (run.run_id for run in page.items)


def _read_arguments(arguments: list[str]) -> tuple[list[str], int | None, list[str]]:
    """The engines, how many decisions, and the other arguments."""
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--engines", default=",".join(ENGINES))
    parser.add_argument("--decisions", type=int)
    known, others = parser.parse_known_args(arguments)
    names = known.engines.split(",")
    for name in names:
        if name not in ENGINES:
            parser.error(f"there is no engine {name!r}: choose from {', '.join(ENGINES)}")
    return names, known.decisions, others


def main() -> int:
    """Measure from the command line."""
    cache, arguments = read_cache_folder(sys.argv[1:])
    names, decisions, arguments = _read_arguments(arguments)
    description = (
        "What each engine costs; --engines sqlite,postgres chooses them, --decisions N makes steps"
        " so large that about N decisions are stored, --cache FOLDER keeps the data."
    )
    return run_benchmark(description, partial(measure, cache, names, decisions), arguments)


if __name__ == "__main__":
    sys.exit(main())
