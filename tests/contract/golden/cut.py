"""Keep a database as this version writes it, beside the facts it was made of.

    python -m tests.contract.golden.cut

writes `sqlite-<schema version>.db.xz` and `.facts.xz` into this folder. What a release wrote, every
later one must open: a schema gets its files once, when its release is made, and they are never
written again.
"""

from __future__ import annotations

import lzma
import random
import sqlite3
import sys
import tempfile
from collections.abc import Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import Final
from unittest.mock import patch

import msgspec

import xray
from xray import XRay
from xray.model.facts import Fact
from xray.model.ids import new_uuid7
from xray.model.labels import Labelled
from xray.store.sqlite import ledger
from xray.store.sqlite.engine import SqliteStore
from xray.testing import FakeClock, MemorySink

FOLDER: Final = Path(__file__).parent
NOW_US: Final = 1_795_000_000_000_000
RUNS: Final = 150
_FACTS_A_BATCH: Final = 40
_TRAINING_BYTES: Final = 1 << 17
_encoder: Final = msgspec.msgpack.Encoder()
_decoder: Final = msgspec.msgpack.Decoder(list[Fact])


def record_facts(seed: int) -> list[Fact]:
    """What a shop's search records: every kind of fact, at every level of capture."""
    chance, sink = random.Random(seed), MemorySink()
    for number in range(RUNS):
        capture = ("full", "sample", "minimal")[number % 3]
        name, version = "shop" if number % 5 else "café", f"v{number % 4}"
        client = XRay(name, sink=sink, capture=capture, version=version)
        record_run(client, number, chance)
    sampled = XRay("bulk", sink=sink, sample=0.2)
    for number in range(40):
        record_run(sampled, number, chance)
    xray.flush(10)
    facts = sink.facts
    run_ids = [run.run_id for run in sink.runs]
    for place, run_id in enumerate(run_ids[::4]):
        facts.append(
            Labelled(
                label_id=new_uuid7(NOW_US), run_id=run_id, labelled_at_us=NOW_US + place,
                candidate_id="p7" if place % 2 else None, label="bad" if place % 3 else "good",
                note="a stand is no case",
            )
        )  # fmt: skip
    return facts


def record_run(client: XRay, number: int, chance: random.Random) -> None:
    """One search: retrieved, filtered, ranked and chosen, or failed on the way."""
    count = 2_500 if number % 50 == 7 else 20 + number % 30
    found = [f"p{chance.randrange(4_000)}" for _ in range(count)]
    found = list(dict.fromkeys(found))
    with client.run(
        input={"query": f"case {number}"},
        params={"market": "eu", "depth": number % 3},
        correlation={"order": f"order-{number % 60}"},
    ) as run:
        with run.step("retrieve", step_type="retrieve", params={"k": count}) as step:
            for place, name in enumerate(found):
                step.accept(name, rank=place + 1, origin="stand" if place % 3 else "case")
        left = []
        with run.step("filter", step_type="filter", params={"limit": 100}) as step:
            for name in found:
                price = chance.randrange(200)
                step.check(name, "price_too_high", observed=price, limit=100, op="<=")
                if price > 100:
                    step.reject(name, "price_too_high", {"price": price, "title": f"Étui {name}"})
                else:
                    step.accept(name, attributes={"price": price})
                    left.append(name)
            step.log_stats(filter_rate=1 - len(left) / len(found), index="eu-1")
        if number % 20 == 11:
            with suppress(TimeoutError), run.step("generate", step_type="generate"):
                raise TimeoutError("the model did not answer")
            run.finish(status="failed", error=TimeoutError("no text"))
            return
        with run.step("rank", step_type="rank") as step:
            ranked = step.rank(left, score={name: chance.random() for name in left}.__getitem__)
        with run.step("choose", step_type="select") as step:
            for name in ranked[:1]:
                step.select(name, reasoning="the best of all: «été», 𝕏, \x00")
            for name in ranked[1:5]:
                step.reject(name, "not_selected")
        run.set_output(ranked[:1])


def batch_facts(facts: Sequence[Fact]) -> list[list[Fact]]:
    """*facts* in batches of a few."""
    return [list(facts[at : at + _FACTS_A_BATCH]) for at in range(0, len(facts), _FACTS_A_BATCH)]


def read_facts(packed: bytes) -> list[Fact]:
    """The facts that `main` kept."""
    return _decoder.decode(lzma.decompress(packed))


def main() -> int:
    """Write the files of this version's schema, unless they are there."""
    facts = record_facts(seed=1)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "xray.db"
        # So that a small file has a dictionary and merged segments, as large ones do.
        with (
            patch.object(ledger, "TRAINING_BYTES", _TRAINING_BYTES),
            closing(SqliteStore(path, clock=FakeClock(NOW_US), merge_fanout=3)) as store,
        ):
            for number, batch in enumerate(batch_facts(facts)):
                receipt = store.submit(str(number), batch).result()
                assert not receipt.rejected, receipt
        with closing(sqlite3.connect(path)) as database:
            version = database.execute("pragma user_version").fetchone()[0]
            generations = database.execute("select count(*) from codec_dict").fetchone()[0]
            assert generations, "no dictionary was trained: record more"
            database.execute("vacuum")
            database.execute("pragma wal_checkpoint(truncate)")
        target = FOLDER / f"sqlite-{version}.db.xz"
        if target.exists():
            print(f"{target.name} is there already, and is never written again.", file=sys.stderr)
            return 1
        target.write_bytes(lzma.compress(path.read_bytes(), preset=9))
    kept = target.with_name(f"sqlite-{version}.facts.xz")
    kept.write_bytes(lzma.compress(_encoder.encode(facts), preset=9))
    print(f"{target.name}: {target.stat().st_size:,} bytes; {kept.name}: {kept.stat().st_size:,}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
