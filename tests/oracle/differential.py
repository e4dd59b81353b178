"""Memory, SQLite, PostgreSQL and the oracle asked the same: they must answer the same.

`make prove NAME=query` asks until a million answers were compared with the oracle's. So does
`python -m tests.oracle.differential --comparisons 1000000 --seed 7`. What was compared is kept in
the file that `--progress` or `XRAY_PROVE_PROGRESS` names, and the next call goes on from there.
"""

from __future__ import annotations

import argparse
import functools
import json
import random
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec

from tests.oracle.hostile import KEYS, NOW_US, make_world
from tests.oracle.interpreter import LEVELS, Json, Oracle
from tests.oracle.questions import Questions
from tests.postgres_server import ScratchStore
from xray.model.facts import Fact
from xray.query.language import format_condition, parse_query
from xray.query.plan import MAX_LIMIT, Condition, Plan, Scope
from xray.store.memory import MemoryStore
from xray.store.protocol import Store
from xray.store.sqlite.engine import SqliteStore
from xray.testing.clock import FakeClock

QUERIES_A_WORLD = 2_000
STORES = 3


class Trial:
    """One world in every store, and the oracle that knows it.

    Args:
        facts: the world.
        folder: where databases may lie.
    """

    def __init__(self, facts: list[Fact], folder: Path) -> None:
        clock = FakeClock(NOW_US)
        self._memory = MemoryStore(clock)
        self._sqlite = SqliteStore(
            folder / "world.db", clock=clock, merge_fanout=2, index_stats=KEYS[:4]
        )
        self._postgres = ScratchStore(clock, index_stats=KEYS[:4])
        self.stores: dict[str, Store] = {
            "memory": self._memory,
            "SQLite": self._sqlite,
            "PostgreSQL": self._postgres,
        }
        for store in self.stores.values():
            store.submit("world", facts).result()
        self.runs = read_world(self._memory)
        self._oracle = Oracle(self.runs, NOW_US)
        self.telling = 0

    def close(self) -> None:
        self._memory.close()
        self._sqlite.close()
        self._postgres.close()

    def differ(self, level: Scope, query: str) -> str | None:
        """What the answers to *query* differ in; None when they agree."""
        where = parse_query(query, level, NOW_US)
        text = format_condition(where, level)
        if repr(parse_query(text, level, NOW_US)) != repr(where):
            return f"it is written down as {text!r}, which reads otherwise"
        expected = _name(self._oracle.ask(query, level), level)
        self.telling += bool(expected)
        found = {name: _ask(store, level, where) for name, store in self.stores.items()}
        if level == "decision":
            if any(ids != found["memory"] for ids in found.values()):
                return f"the engines differ: {found}"
            expected, found = sorted(expected), {name: sorted(ids) for name, ids in found.items()}
        for name, ids in found.items():
            if ids != expected:
                return f"{name} finds {ids}, the oracle {expected}"
        return None


def read_world(store: Store) -> list[Json]:
    """The API's JSON of each run, with its steps, each with all its decisions."""

    def plain(record: object) -> Json:
        body: Json = json.loads(msgspec.json.encode(record))
        return body

    found: list[Json] = []
    for run_id in store.run_ids("", MAX_LIMIT):
        steps = [
            {
                **plain(step),
                "decisions": [plain(one) for one in store.decisions_of_step(step.step_id)],
            }
            for step in store.steps_of_run(run_id)
        ]
        found.append({**plain(store.run(run_id)), "steps": steps})
    return found


def _name(records: list[Json], level: str) -> list[str]:
    if level != "decision":
        return [record[f"{level}_id"] for record in records]
    return [
        f"{one['step_id']} {one['by']} {one['candidate_id']} {one['decision']}" for one in records
    ]


def _ask(store: Store, level: Scope, where: Condition) -> list[str]:
    plan = Plan(scope=level, where=where, limit=MAX_LIMIT, now_us=NOW_US)
    if level == "run":
        runs = store.runs(plan)
        assert runs.complete
        return [run.run_id for run in runs.items]
    if level == "step":
        steps = store.steps(plan)
        assert steps.complete
        return [step.step_id for step in steps.items]
    decisions = store.decisions(plan)
    assert decisions.complete
    assert decisions.next_cursor is None
    return [f"{one.step_id} {one.by} {one.candidate_id} {one.decision}" for one in decisions.items]


def ask_many(trial: Trial, chance: random.Random, count: int) -> int:
    """Ask *count* random queries; how many of them were true of something.

    Raises:
        AssertionError: two answers differ; the shortest query found that shows it is named.
    """
    questions = Questions(chance, trial.runs)
    for _ in range(count):
        level: Scope = chance.choice(LEVELS)  # type: ignore[assignment]
        query = questions.write(level)
        difference = trial.differ(level, query)
        if difference is not None:
            shorter = _shorten(trial, level, query)
            said = trial.differ(level, shorter)
            raise AssertionError(f"{level}s> {shorter}\n{said}\nfirst seen in: {query}")
    return trial.telling


def _shorten(trial: Trial, level: Scope, query: str) -> str:
    """A part of *query* that still shows a difference: its brackets opened, its ends cut."""

    def shows(text: str) -> bool:
        try:
            return trial.differ(level, text) is not None
        except Exception:
            return False

    while True:
        shorter = next((part for part in _parts(query) if shows(part)), None)
        if shorter is None:
            return query
        query = shorter


def _parts(query: str) -> Iterator[str]:
    """Texts inside *query* that may be queries: between its words and brackets."""
    cuts = [0, len(query)]
    for word in (" and ", " or ", " AND ", "  or\n", "(", ")", "not "):
        at = query.find(word)
        while at >= 0:
            cuts += [at, at + len(word)]
            at = query.find(word, at + 1)
    cuts = sorted(set(cuts))
    spans = [(end - start, start, end) for start in cuts for end in cuts if start < end]
    for length, start, end in sorted(spans):
        if length < len(query):
            yield query[start:end]


class Progress(msgspec.Struct):
    """What was compared so far.

    Args:
        first_world: the number of the first world.
        next_world: the number of the world to go on with.
        asked: how many queries were asked.
        telling: how many of them were true of something.
        cpu_s: how long it took, in CPU time.
    """

    first_world: int
    next_world: int
    asked: int = 0
    telling: int = 0
    cpu_s: float = 0.0

    @property
    def compared(self) -> int:
        """How many answers of stores were compared with the oracle's."""
        return self.asked * STORES

    def __str__(self) -> str:
        share = self.telling / max(1, self.asked)
        return (
            f"{self.compared:,} answers compared, {self.asked:,} queries, {share:.0%} of them true"
            f" of something, worlds {self.first_world} to {self.next_world - 1},"
            f" {self.compared / max(0.001, self.cpu_s):,.0f} a second of CPU"
        )


def read_progress(kept: Path | None, first_world: int) -> Progress:
    """How far the comparison came that *kept* tells of; else one that begins at *first_world*."""
    if kept is None or not kept.exists():
        return Progress(first_world, first_world)
    return msgspec.json.decode(kept.read_bytes(), type=Progress)


def compare_many(
    comparisons: int,
    first_world: int,
    say: Callable[[str], object],
    queries: int = QUERIES_A_WORLD,
    kept: Path | None = None,
) -> int:
    """Compare at least so many answers of stores with the oracle's; how many were compared.

    Args:
        comparisons: how many.
        first_world: the number of the first world.
        say: told how far it came.
        queries: how many each world is asked.
        kept: a file that keeps how far it came; what it tells of is not done again.
    """
    progress = read_progress(kept, first_world)
    said_s = time.monotonic()
    while progress.compared < comparisons:
        began_s = time.process_time()
        with ExitStack() as stack:
            folder = Path(stack.enter_context(TemporaryDirectory()))
            chance = random.Random(progress.next_world)
            trial = stack.enter_context(closing(Trial(make_world(chance), folder)))
            progress.telling += ask_many(trial, chance, queries)
        progress.asked += queries
        progress.next_world += 1
        progress.cpu_s += time.process_time() - began_s
        if kept is not None:
            kept.write_bytes(msgspec.json.encode(progress))
        if time.monotonic() - said_s > 10 or progress.compared >= comparisons:
            said_s = time.monotonic()
            say(str(progress))
    return progress.compared


def main() -> int:
    """Compare answers from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--comparisons", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 30))
    parser.add_argument("--progress", type=Path, help="the file that keeps how far it came")
    args = parser.parse_args()
    print(f"seed {args.seed}", flush=True)
    say = functools.partial(print, flush=True)
    compare_many(args.comparisons, args.seed, say, kept=args.progress)
    return 0


if __name__ == "__main__":
    sys.exit(main())
