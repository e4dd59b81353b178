"""What is said of all runs when only some are stored: weights are unbiased, tallies exact."""

from __future__ import annotations

import math
import random
import threading
from collections import Counter
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xray import XRay
from xray.model.facts import RunFinished, RunStarted
from xray.model.records import Run
from xray.model.tallies import merge_minutes
from xray.model.weights import count_runs, estimate_mean, estimate_runs, estimate_share
from xray.query.plan import MAX_LIMIT, Plan
from xray.sampling.books import books
from xray.store.memory import MemoryStore
from xray.store.scanning import ScanBudget
from xray.testing.sink import MemorySink


@pytest.fixture(autouse=True)
def _leave_nothing_behind() -> Iterator[None]:
    books.send()
    yield
    books.send()


class Truth:
    """What really happened."""

    def __init__(self) -> None:
        self.statuses: Counter[str] = Counter()
        self.verdicts: Counter[str] = Counter()
        self.reasons: Counter[str] = Counter()
        self.odd = 0
        self.inputs: list[int] = []


def record_runs(x: XRay, truth: Truth, number: int, seed: str) -> None:
    """Runs with keys, so that the same ones are drawn in every test run; some meet a rule."""
    chance = random.Random(seed)
    for place in range(number):
        has_failed = chance.random() < 0.02
        is_odd = chance.random() < 0.3
        rejected = chance.randrange(6)
        run = x.start(input=rejected, key=f"{seed} {place}", tags=["odd"] if is_odd else [])
        with run.step("price", "filter") as step:
            for candidate in range(rejected):
                step.reject(f"p{candidate}", f"reason {candidate % 2}")
            step.accept("kept")
        run.finish("failed" if has_failed else "completed")
        truth.statuses["failed" if has_failed else "completed"] += 1
        truth.odd += is_odd
        truth.inputs.append(rejected)
        truth.verdicts["rejected"] += rejected
        truth.verdicts["accepted"] += 1
        for candidate in range(rejected):
            truth.reasons[f"reason {candidate % 2}"] += 1


def store_all(sink: MemorySink) -> MemoryStore:
    store = MemoryStore(budget=ScanBudget(opened_rows=1 << 30, duration_s=1e9))
    store.submit("batch", sink.facts).result()
    # What is sent twice counts once.
    store.submit("again", sink.facts).result()
    return store


def list_runs(store: MemoryStore) -> list[Run]:
    ids = store.run_ids("", 1 << 30)
    found = [store.run(run_id) for run_id in ids]
    return [run for run in found if run is not None]


def test_of_20_000_runs_weights_estimate_and_tallies_count() -> None:
    sink, truth, share = MemorySink(), Truth(), 0.05
    x = XRay("p", sink=sink, sample=share, keep=["status = 'failed'"])
    record_runs(x, truth, 20_000, "seed")
    books.send()
    store = store_all(sink)
    stored, tallies = list_runs(store), store.tallies("p")

    # Exact: each run is stored or tallied.
    assert count_runs(len(stored), tallies) == 20_000
    tallied = Counter[str]()
    for minute in tallies:
        tallied.update(minute.runs.statuses)
    assert tallied + Counter(run.status for run in stored) == truth.statuses
    steps = [store.steps_of_run(run.run_id)[0] for run in stored]
    counted = Counter[str]()
    reasons = Counter[str]()
    for minute in tallies:
        for step in minute.steps:
            counted += Counter({"rejected": step.rejected, "accepted": step.accepted})
            reasons.update(step.reasons)
    for step in steps:
        counted += Counter({"rejected": step.counts.rejected, "accepted": step.counts.accepted})
        reasons.update({reason: one.count for reason, one in step.rejections.items()})
    assert counted == truth.verdicts
    assert reasons == truth.reasons

    # Estimated: within four standard deviations; exact for what a rule keeps.
    assert len(stored) < 2_000
    others = truth.statuses["completed"]
    deviation = math.sqrt(others * (1 / share - 1))
    assert abs(estimate_runs(stored) - 20_000) < 4 * deviation
    failed = [run for run in stored if run.status == "failed"]
    assert estimate_runs(failed) == len(failed) == truth.statuses["failed"]
    odd = estimate_share(("odd" in run.tags, run.weight) for run in stored)
    assert odd == pytest.approx(truth.odd / 20_000, abs=4 * 0.5 / math.sqrt(others * share))
    mean = estimate_mean((float(run.input), run.weight) for run in stored)
    assert mean == pytest.approx(sum(truth.inputs) / 20_000, abs=8 / math.sqrt(others * share))


def test_estimates_of_many_samples_scatter_around_the_truth() -> None:
    share, size, samples = 0.2, 60, 150
    errors = []
    for sample in range(samples):
        sink, truth = MemorySink(), Truth()
        x = XRay("p", sink=sink, sample=share, keep=["input >= 4"])
        record_runs(x, truth, size, f"sample {sample}")
        errors.append(estimate_runs(list_runs(store_all(sink))) - size)
    deviation = math.sqrt(size * 4 / 6 * (1 / share - 1))
    assert abs(sum(errors) / samples) < 4 * deviation / math.sqrt(samples)
    spread = math.sqrt(sum(error**2 for error in errors) / samples)
    assert 0.8 * deviation < spread < 1.2 * deviation


@given(
    runs=st.lists(
        st.tuples(
            st.sampled_from(["completed", "failed", "cancelled"]),
            st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(["r", "s", None]))),
            st.sampled_from([None, "keep", "twice"]),
        ),
        max_size=8,
    ),
    share=st.sampled_from([0.0, 0.3, 0.7]),
    level=st.sampled_from(["minimal", "sample", "full"]),
)
@settings(max_examples=60)
def test_every_run_and_step_is_stored_or_tallied_and_never_both(
    runs: list[tuple[str, list[tuple[str, str | None]], str | None]], share: float, level: str
) -> None:
    sampled, whole = MemorySink(), MemorySink()
    for sink, sample in ((sampled, share), (whole, 1.0)):
        x = XRay("p", sink=sink, sample=sample, keep="status = 'failed'", capture=level)
        for place, (status, decided, kept) in enumerate(runs):
            run = x.start(key=f"run {place}")
            for name in ("one", "two"):
                with run.step(name, "filter") as step:
                    for candidate, reason in decided:
                        step.reject(candidate, reason)
            if kept is not None:
                run.keep(kept)
            run.finish(status)
    books.send()
    minutes = merge_minutes(sampled.tallies)
    stored, expected = store_all(sampled), store_all(whole)
    assert count_runs(len(list_runs(stored)), minutes) == len(runs)
    for name in ("one", "two"):
        page = Plan(scope="step", limit=MAX_LIMIT)
        steps = [step for step in stored.steps(page).items if step.name == name]
        counted = Counter[str]({"steps": len(steps)})
        for step in steps:
            counted.update({reason: one.count for reason, one in step.rejections.items()})
        for minute in minutes:
            for tally in minute.steps:
                if tally.name == name:
                    counted.update({"steps": tally.count, **tally.reasons})
        truth = [step for step in expected.steps(page).items if step.name == name]
        real = Counter[str]({"steps": len(truth)})
        for step in truth:
            real.update({reason: one.count for reason, one in step.rejections.items()})
        assert counted == real


def test_threads_that_leave_runs_out_at_once_lose_no_count() -> None:
    sink = MemorySink()
    x = XRay("p", sink=sink, sample=0, keep=["input = 7"])

    def record(seed: int) -> None:
        for number in range(200):
            with x.run(input=number % 20) as run, run.step("s", "filter") as step:
                step.reject("a", f"r{seed}")

    threads = [threading.Thread(target=record, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for _ in range(20):
        books.send()
    for thread in threads:
        thread.join()
    books.send()
    assert len(sink.runs) == len(sink.steps) == 40
    steps = [step for minute in merge_minutes(sink.tallies) for step in minute.steps]
    reasons = Counter[str]()
    for step in steps:
        reasons.update(step.reasons)
    assert reasons == {f"r{seed}": 190 for seed in range(4)}
    assert sum(tally.runs.count for tally in sink.tallies) == 760


def test_nothing_of_a_run_that_is_left_out_is_sent() -> None:
    sink = MemorySink()
    record_runs(XRay("p", sink=sink, sample=0), Truth(), 20, "none")
    assert not [fact for fact in sink.facts if isinstance(fact, (RunStarted, RunFinished))]
