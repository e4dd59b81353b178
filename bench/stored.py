"""The data of `bench.dataset` in a database that is built once and kept for the next benchmark."""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from concurrent.futures import Future
from contextlib import closing
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path

import msgspec

from bench.dataset import EDITION, Dataset, Shape, batches, count_decisions
from xray.model.facts import Fact, Receipt, StepFinished, StepRoster
from xray.model.vocabulary import CaptureLevel
from xray.store.protocol import Store
from xray.store.sqlite.engine import SqliteStore

SAMPLED_RUNS = 20
_WAITING = 4
_SAMPLES = 1_000
_SAID_EVERY_S = 15.0


@dataclass
class Samples:
    """Some of what is stored, to be asked for.

    Args:
        decided: run and candidate of decisions with detail, any alike.
        named: run and candidate of decisions without.
        decisions: how many decisions with detail there are.
    """

    decided: list[tuple[str, str]] = field(default_factory=list)
    named: list[tuple[str, str]] = field(default_factory=list)
    decisions: int = 0


@dataclass(frozen=True)
class Stored:
    """A database of generated runs.

    Args:
        path: its file.
        samples: some of what it holds.
    """

    path: Path
    samples: Samples


def read_cache_folder(arguments: list[str]) -> tuple[Path, list[str]]:
    """The folder that `--cache` names, and the other arguments."""
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--cache", type=Path, default=Path(tempfile.gettempdir()) / "xray-bench")
    known, others = parser.parse_known_args(arguments)
    return known.cache, others


def find_stored(folder: Path, shape: Shape) -> Stored:
    """The database of *shape* in *folder*, built where it is not there yet."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name_shape(shape)}.db"
    told = path.with_suffix(".json")
    if not told.exists():
        samples = _build(path, shape)
        told.write_bytes(msgspec.json.encode(samples))
    return Stored(path, msgspec.json.decode(told.read_bytes(), type=Samples))


def name_shape(shape: Shape, capture: CaptureLevel = "full") -> str:
    """A name that no other data has."""
    what = (EDITION, shape) if capture == "full" else (EDITION, shape, capture)
    mark = blake2b(repr(what).encode(), digest_size=4).hexdigest()
    return f"{shape.small_runs}-runs-{mark}"


def _build(path: Path, shape: Shape) -> Samples:
    for suffix in ("", "-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
    with closing(SqliteStore(path)) as store:
        return fill(store, Dataset(shape), str(path))


def fill(store: Store, dataset: Dataset, said: str) -> Samples:
    """Store all of *dataset*, telling of *said* how far it is; some of what is stored."""
    shape = dataset.shape
    sampler = _Sampler()
    waiting: list[Future[Receipt]] = []
    began_s = said_s = time.monotonic()
    runs = 0
    for number, facts in enumerate(batches(dataset.runs())):
        sampler.take(facts)
        waiting.append(store.submit(str(number), facts))
        runs += sum(isinstance(fact, StepFinished) and not fact.ordinal for fact in facts)
        if len(waiting) > _WAITING:
            _check(waiting.pop(0).result())
        if time.monotonic() - said_s > _SAID_EVERY_S:
            said_s = time.monotonic()
            _say(said, shape, runs, sampler.samples.decisions, said_s - began_s)
    for future in waiting:
        _check(future.result())
    _say(said, shape, runs, sampler.samples.decisions, time.monotonic() - began_s)
    return sampler.samples


def _check(receipt: Receipt) -> None:
    assert not receipt.rejected, receipt.rejected[0]


def _say(said: str, shape: Shape, runs: int, decisions: int, took_s: float) -> None:
    whole = shape.small_runs + shape.large_runs + 1
    print(
        f"building {said}: {runs:,} of about {whole:,} runs, {decisions:,} decisions,"
        f" {took_s:,.0f} s",
        file=sys.stderr,
        flush=True,
    )


class _Sampler:
    def __init__(self) -> None:
        self.samples = Samples()
        self._dice = random.Random(1)
        self._met = 0

    def take(self, facts: list[Fact]) -> None:
        self.samples.decisions += count_decisions(facts)
        for fact in facts:
            if isinstance(fact, StepRoster):
                for group in fact.groups:
                    self.samples.named.append((fact.run_id, self._dice.choice(group.ids)))
            elif isinstance(fact, StepFinished) and fact.rows and fact.step_type != "generate":
                self._met += 1
                pair = (fact.run_id, self._dice.choice(fact.rows).candidate_id)
                if len(self.samples.decided) < _SAMPLES:
                    self.samples.decided.append(pair)
                elif (place := self._dice.randrange(self._met)) < _SAMPLES:
                    self.samples.decided[place] = pair
