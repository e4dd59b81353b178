"""What a run, a step and a decision cost at rest and on the way: the constants of `xray estimate`.

Runs are captured by the SDK, sent as it sends them (zstd, level 1) and stored in SQLite; each
constant is the difference between two loads that differ in nothing else. A decision has an id of 13
characters, one of four reasons or a score, and one attribute.
"""

from __future__ import annotations

import os
import random
import sqlite3
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import zstandard

from bench.report import Figure, run_benchmark
from xray import XRay
from xray.cli.estimate import AT_REST, CENSUS_ROWS, DRAWN_ROWS, ON_WIRE, Costs
from xray.model.facts import Fact
from xray.model.tallies import MINUTE_US, Tallied
from xray.sampling.books import books
from xray.store.sqlite.engine import SqliteStore
from xray.wire.codec import decode_fact, encode_fact

_BATCH_FACTS = 500
_TOLERANCE = 0.25


class _Size(NamedTuple):
    """Bytes a run, in the file and on the way."""

    at_rest: float
    on_wire: float


class _Road:
    """A sink that sends batches into a store and counts their bytes."""

    def __init__(self, path: Path) -> None:
        self._store = SqliteStore(path)
        self._waiting: list[bytes] = []
        self.sent_bytes = 0

    def put(self, fact: Fact) -> None:
        self._waiting.append(encode_fact(fact))
        if len(self._waiting) >= _BATCH_FACTS:
            self.send()

    def settle_run(self, run_id: str) -> None:
        pass

    def count_loss(self, cause: str, records: int = 1, decisions: int = 0) -> None:  # noqa: ARG002
        raise AssertionError(cause)

    def send(self) -> None:
        waiting, self._waiting = self._waiting, []
        self.sent_bytes += len(zstandard.compress(b"".join(waiting), 1))
        self._store.submit("batch", [decode_fact(encoded) for encoded in waiting]).result()

    def close(self) -> None:
        self.send()
        self._store.close()


def measure(is_quick: bool) -> Sequence[Figure]:
    """Measure every constant anew, and hold those in the command against it."""
    scale = 1 if is_quick else 4
    with tempfile.TemporaryDirectory(prefix="xray-bench-") as name:
        folder = Path(name)
        bare = _measure_runs(folder / "5.db", 800 * scale, 5, 0, "minimal")
        long = _measure_runs(folder / "15.db", 800 * scale, 15, 0, "minimal")
        counted = _measure_runs(folder / "counted.db", 200 * scale, 5, 1_000, "minimal")
        census = _measure_runs(folder / "census.db", 100 * scale, 5, 1_000, "sample")
        drawn = _measure_runs(folder / "drawn.db", 5 * scale, 5, 25_000, "sample")
        tally = _measure_tallies(folder / "tallies.db", 1_000 * scale)
    figures: list[Figure] = []
    for place, (where, known) in enumerate((("at rest", AT_REST), ("on the way", ON_WIRE))):
        step = (long[place] - bare[place]) / 10
        decision = (census[place] - counted[place]) / 1_000
        detailed = 5 * (CENSUS_ROWS + DRAWN_ROWS)
        named = (drawn[place] - counted[place] - detailed * decision) / (25_000 - 5 * CENSUS_ROWS)
        found = Costs(
            run=bare[place] - 5 * step,
            step=step,
            counts=(counted[place] - bare[place]) / 5,
            decision=decision,
            named=named,
            tally=tally[place],
        )
        for part, value in found._asdict().items():
            figures.append(Figure(f"{part}, {where}", value, unit="B"))
            off = abs(value / getattr(known, part) - 1)
            name = f"{part}, {where}, off the command's constant"
            # In a small file whole pages weigh on every run.
            budget = None if is_quick else _TOLERANCE * 100
            figures.append(Figure(name, off * 100, budget, unit="%"))
    return figures


def _measure_runs(path: Path, number: int, steps: int, candidates: int, level: str) -> _Size:
    SqliteStore(path).close()
    empty = _size(path)
    road = _Road(path)
    x = XRay("search", sink=road, capture=level, environment="production", version="1.2.3")
    chance = random.Random(1)
    for _ in range(number):
        metadata = {"user": f"u{chance.randrange(10**6)}"}
        with x.run(input={"query": f"stand {chance.random()}"}, metadata=metadata) as run:
            for place in range(steps):
                with run.step(f"step {place}", "filter") as step:
                    for _ in range(candidates // steps):
                        candidate = f"prod_{chance.randrange(10**8):08}"
                        price = {"price": round(chance.random() * 200, 2)}
                        if chance.random() < 0.9:
                            step.reject(candidate, f"reason_{chance.randrange(4)}", price)
                        else:
                            step.accept(candidate, chance.random(), price)
            run.set_output({"best": chance.random()})
    road.close()
    return _Size((_size(path) - empty) / number, road.sent_bytes / number)


def _measure_tallies(path: Path, number: int) -> _Size:
    """Bytes for each name of a step and minute, the runs included."""
    SqliteStore(path).close()
    empty = _size(path)
    road = _Road(path)
    sample: list[Fact] = []

    class _Keeper(_Road):
        def __init__(self) -> None:
            pass

        def put(self, fact: Fact) -> None:
            sample.append(fact)

    x = XRay("search", sink=_Keeper(), sample=0, environment="production", version="1.2.3")
    chance = random.Random(2)
    for minute in range(number):
        if minute % 100 == 0:
            for _ in range(20):
                with x.run() as run:
                    for place in range(5):
                        with run.step(f"step {place}", "filter") as step:
                            for number_ in range(chance.randrange(30)):
                                step.reject(f"p{number_}", f"reason_{number_ % 4}")
            books.send()
        shape = sample[-1]
        assert isinstance(shape, Tallied)
        tally_id = f"0190c000-0000-7000-8000-{minute:012x}"
        road.put(
            Tallied(
                tally_id=tally_id,
                pipeline=shape.pipeline,
                minute_us=minute * MINUTE_US,
                environment=shape.environment,
                version=shape.version,
                runs=shape.runs,
                steps=shape.steps,
            )
        )
    road.close()
    # They are sent alone, as one minute follows another, and share nothing with their batch.
    alone = [len(zstandard.compress(encode_fact(fact), 1)) for fact in sample]
    return _Size((_size(path) - empty) / number / 5, sum(alone) / len(alone) / 5)


def _size(path: Path) -> int:
    connection = sqlite3.connect(path)
    connection.execute("pragma wal_checkpoint(truncate)")
    connection.close()
    return os.path.getsize(path)


if __name__ == "__main__":
    sys.exit(run_benchmark("Measure the constants of `xray estimate`.", measure))
