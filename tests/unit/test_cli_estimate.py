"""`xray estimate`: what a load would bring."""

from __future__ import annotations

import msgspec
import pytest

from xray import XRay
from xray.cli.estimate import Estimate, Load, estimate
from xray.cli.main import main
from xray.model.vocabulary import CaptureLevel
from xray.sampling.books import books
from xray.testing.sink import MemorySink


def a_load(**fields: object) -> Load:
    base = Load(
        runs_per_second=50, steps=5, candidates=1_000, sample=1.0, capture="sample", processes=1
    )
    return msgspec.structs.replace(base, **fields)


def test_the_command_prints_bytes_a_day_and_records_a_second(
    capsys: pytest.CaptureFixture[str],
) -> None:
    options = "--runs-per-second 50 --steps 5 --candidates 1000 --sample 0.01 --capture sample"
    assert main(["estimate", *options.split()]) == 0
    printed = capsys.readouterr().out
    assert "records     3.5 a second" in printed
    assert "43,200 a day are kept" in printed
    assert "GB a day" in printed
    assert "bench/estimate.py" in printed


def test_json_says_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["estimate", "--sample", "0.5", "--json"]) == 0
    found = msgspec.json.decode(capsys.readouterr().out, type=Estimate)
    assert found == estimate(a_load(runs_per_second=1.0, sample=0.5))


@pytest.mark.parametrize("value", ["-1", "nan", "2", "x", "1e400"])
def test_a_share_that_is_none_is_wrong_usage(value: str) -> None:
    assert main(["estimate", f"--sample={value}"]) == 2


@pytest.mark.parametrize("value", ["-1", "1.5", "²", "x"])
def test_a_count_that_is_none_is_wrong_usage(value: str) -> None:
    assert main(["estimate", f"--steps={value}"]) == 2


@pytest.mark.parametrize("level", ["minimal", "sample", "full"])
@pytest.mark.parametrize("candidates", [0, 1_000, 50_000])
def test_records_of_a_run_are_those_that_are_sent(level: CaptureLevel, candidates: int) -> None:
    sink = MemorySink()
    with XRay("p", sink=sink, capture=level).run() as run:
        for name in "abcde":
            with run.step(name, "filter") as step:
                for number in range(candidates // 5):
                    step.reject(f"p{number}", "r")
    load = a_load(runs_per_second=1.0, candidates=candidates, capture=level)
    # A full capture of so many has its rows in chunks, which the estimate leaves out.
    chunks = 0 if level != "full" else sum(step.chunks for step in sink.steps)
    rosters = len(sink.facts) - 7 - chunks
    assert estimate(load).records_per_second == pytest.approx(
        7 + (rosters if level == "sample" else 0)
    )


def test_sampling_divides_what_is_stored_and_adds_the_tallies() -> None:
    whole, part = estimate(a_load()), estimate(a_load(sample=0.01, processes=3))
    assert whole.tallies_bytes_per_day == 0
    assert part.tallies_bytes_per_day > 0
    stored = part.bytes_per_day - part.tallies_bytes_per_day
    assert stored == pytest.approx(whole.bytes_per_day / 100)


def test_a_run_that_is_left_out_sends_a_tally_and_nothing_else() -> None:
    sink = MemorySink()
    for _ in range(3):
        with XRay("p", sink=sink, sample=0).run():
            pass
    books.send()
    assert len(sink.facts) == 1
    found = estimate(a_load(sample=0.0))
    assert found.records_per_second == pytest.approx(1 / 60)
