"""Whole worlds on fake clock, network and disk: nothing is lost untold, and all comes to rest.

A failure names its seed; `XRAY_SIMULATED_SEED=<seed> pytest -k named_world` lets that world live
once more. `XRAY_SIMULATED_FIRST=<seed>` lets the proof begin there.
"""

import logging
import os
from collections.abc import Iterable
from types import SimpleNamespace

import msgspec
import pytest

from tests.fault.simulation import SimulationError, World, simulate
from xray.delivery.exchange import answers
from xray.delivery.losses import Ledger
from xray.delivery.spool import frames
from xray.delivery.spool.segments import Segment
from xray.delivery.spool.spool import Spool
from xray.model.facts import Receipt
from xray.testing import FakeFiles

QUICK_SEEDS = 1_000
QUICK_SLICES = 4
PROVEN_SEEDS = 100_000
PROVEN_SLICES = 100
FIRST_PROVEN_SEED = int(os.environ.get("XRAY_SIMULATED_FIRST", "1000000"))
WANTED_KINDS = 22


@pytest.fixture(autouse=True)
def _quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logging.getLogger("xray"), "disabled", True)


def live_through(seeds: Iterable[int]) -> list[World]:
    return [simulate(seed) for seed in seeds]


def slice_of(first: int, seeds: int, slices: int, part: int) -> range:
    size = seeds // slices
    return range(first + part * size, first + (part + 1) * size)


@pytest.mark.parametrize("part", range(QUICK_SLICES))
def test_no_world_loses_a_record_untold_and_each_comes_to_rest(part: int) -> None:
    worlds = live_through(slice_of(0, QUICK_SEEDS, QUICK_SLICES, part))
    assert len(worlds[0].faults) >= WANTED_KINDS
    assert {name for world in worlds for name in world.trace} == set(worlds[0].faults)


@pytest.mark.prove
@pytest.mark.parametrize("part", range(PROVEN_SLICES))
def test_simulation_at_full_size(part: int) -> None:
    live_through(slice_of(FIRST_PROVEN_SEED, PROVEN_SEEDS, PROVEN_SLICES, part))


@pytest.mark.skipif("XRAY_SIMULATED_SEED" not in os.environ, reason="no world is named")
def test_a_named_world_lives_once_more() -> None:
    simulate(int(os.environ["XRAY_SIMULATED_SEED"]))


def test_the_same_seed_is_the_same_world() -> None:
    assert [simulate(seed).digest for seed in range(5)] == [
        simulate(seed).digest for seed in range(5)
    ]


def believe_any_receipt(answer: answers.Answer, _: object) -> Receipt | None:
    try:
        return msgspec.json.decode(answer.body, type=Receipt)
    except msgspec.MsgspecError:
        return None


def lock_always(files: FakeFiles, path: object) -> int:
    return files.create(path.with_suffix(f".{len(files.calls)}"))  # type: ignore[attr-defined]


BUGS = {
    "forces nothing to disk": (FakeFiles, "sync", lambda *_: None),
    "owns what others own": (FakeFiles, "lock", lock_always),
    "deletes before it is acknowledged": (
        Segment, "is_spent", property(lambda part: part.is_booked and not part.untaken.records),
    ),
    "forgets a loss": (Ledger, "_lose", lambda *_: None),
    "forgets what was adopted": (Ledger, "adopt", lambda *_: None),
    "checks no checksum": (frames, "zlib", SimpleNamespace(crc32=lambda _: 0)),
    "believes any receipt": (answers, "_read_receipt", believe_any_receipt),
    "adopts nothing": (Spool, "_adopt", lambda _: False),
    "leaves runs of the dead open": (Spool, "_mark_abandoned", lambda *_: False),
    "keeps to no bound": (Spool, "_make_room", lambda *_: True),
}  # fmt: skip
"""What a client might do wrong, done by replacing one thing in it."""


@pytest.mark.parametrize("name", BUGS)
def test_a_client_with_a_bug_is_found_out(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The checker itself can fail."""
    owner, attribute, replacement = BUGS[name]
    monkeypatch.setattr(owner, attribute, replacement)
    with pytest.raises(SimulationError, match="seed"):
        live_through(range(QUICK_SEEDS))


def test_a_spool_that_forgets_a_record_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    append = Spool.append

    def forget_the_last(spool: Spool, parcels: list[object]) -> int:
        return append(spool, parcels[:-1]) + 1 if len(parcels) > 5 else append(spool, parcels)  # type: ignore[arg-type]

    monkeypatch.setattr(Spool, "append", forget_the_last)
    with pytest.raises(SimulationError, match="seed"):
        live_through(range(QUICK_SEEDS))


def test_a_failure_names_its_seed(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: World) -> None:
        raise AssertionError("something is missing")

    monkeypatch.setattr(World, "_compare", fail)
    with pytest.raises(AssertionError, match=r"seed 7: .*something is missing"):
        live_through(range(7, 8))
