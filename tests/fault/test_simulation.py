"""Whole worlds on fake clock, network and disk: nothing is lost untold, and all comes to rest.

A failure names its seed; `XRAY_SIMULATED_SEED=<seed> pytest -k named_world` lets that world live
once more.
"""

import logging
import os
from collections.abc import Iterable

import pytest

from tests.fault.simulation import SimulationError, World, simulate
from xray.delivery.spool.spool import Spool

QUICK_SEEDS = 150
PROVEN_SEEDS = 100_000
PROVEN_SLICES = 100
FIRST_PROVEN_SEED = 1_000_000
WANTED_KINDS = 22


@pytest.fixture(autouse=True)
def _quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logging.getLogger("xray"), "disabled", True)


def live_through(seeds: Iterable[int]) -> list[World]:
    return [simulate(seed) for seed in seeds]


def test_no_world_loses_a_record_untold_and_each_comes_to_rest() -> None:
    worlds = live_through(range(QUICK_SEEDS))
    assert len(worlds[0].faults) >= WANTED_KINDS
    assert {name for world in worlds for name in world.trace} == set(worlds[0].faults)


@pytest.mark.prove
@pytest.mark.parametrize("part", range(PROVEN_SLICES))
def test_simulation_at_full_size(part: int) -> None:
    size = PROVEN_SEEDS // PROVEN_SLICES
    first = FIRST_PROVEN_SEED + part * size
    live_through(range(first, first + size))


@pytest.mark.skipif("XRAY_SIMULATED_SEED" not in os.environ, reason="no world is named")
def test_a_named_world_lives_once_more() -> None:
    simulate(int(os.environ["XRAY_SIMULATED_SEED"]))


def test_the_same_seed_is_the_same_world() -> None:
    assert [simulate(seed).digest for seed in range(5)] == [
        simulate(seed).digest for seed in range(5)
    ]


def test_a_spool_that_forgets_a_record_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """The checker itself can fail."""
    append = Spool.append

    def forget_the_last(spool: Spool, parcels: list[object]) -> int:
        return append(spool, parcels[:-1]) + 1 if len(parcels) > 5 else append(spool, parcels)  # type: ignore[arg-type]

    monkeypatch.setattr(Spool, "append", forget_the_last)
    with pytest.raises(SimulationError, match="seed"):
        live_through(range(40))


def test_a_failure_names_its_seed(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: World) -> None:
        raise AssertionError("something is missing")

    monkeypatch.setattr(World, "_compare", fail)
    with pytest.raises(AssertionError, match=r"seed 7: .*something is missing"):
        live_through(range(7, 8))
