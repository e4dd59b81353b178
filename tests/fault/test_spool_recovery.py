"""What a later process finds after a crash, a loss of power or damage, at every point there is."""

import logging
import random
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.unit.spool_desk import SpoolDesk, run_finished, run_started, step
from xray.delivery.losses import Volume
from xray.delivery.spool.frames import HEADER_BYTES, encode_frames
from xray.model.facts import RunFinished, RunPatched, fact_id
from xray.testing.disk import FakeDisk, ProcessDiedError
from xray.wire.codec import decode_fact, encode_fact

LANE = Path("/spool/0000000000000000/01929a3c-4f00-7a10-8000-000000000001.1")
FACTS = [
    RunFinished(run_id=f"01929a3c-4f00-7a10-8000-{n:012x}", status="completed") for n in range(6)
]
NAMES = [fact_id(fact) for fact in FACTS]
CONTENT = b"".join(encode_frames(1, ((n, encode_fact(fact)) for n, fact in enumerate(FACTS))))
FRAME = len(CONTENT) // len(FACTS)
# Once to adopt, and once more to see that nothing is left to adopt.
ROUNDS = 2


@pytest.fixture(autouse=True)
def _quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logging.getLogger("xray"), "disabled", True)


def disk_with(files: dict[str, bytes]) -> FakeDisk:
    """The disk of a dead process, with *files* in its lane."""
    disk = FakeDisk()
    process = disk.process()
    desk = SpoolDesk(FakeDisk())
    [destination] = desk.spool._destinations
    for path in (destination.parent, destination, destination / LANE.name):
        process.make_directory(path)
    for name, content in files.items():
        disk.put(destination / LANE.name / name, content)
    return disk


def recover(disk: FakeDisk) -> SpoolDesk:
    """A later process on *disk*, when it has come to rest."""
    desk = SpoolDesk(disk)
    desk.open()
    for _ in range(ROUNDS):
        desk.deliver()
        desk.adopt_later()
    assert desk.stats().pending == Volume()
    return desk


def facts_of(desk: SpoolDesk) -> set[str]:
    return {name for name in desk.delivered if not name.endswith("patched")}


def test_at_every_length_the_whole_records_are_delivered() -> None:
    for length in range(len(CONTENT) + 1):
        desk = recover(disk_with({"00000001.seg": CONTENT[:length]}))
        assert facts_of(desk) == set(NAMES[: length // FRAME])
        assert desk.stats().lost == {}
        assert desk.is_clean


@pytest.mark.parametrize("mask", [0x01, 0x80, 0xFF])
def test_damage_at_every_byte_costs_one_record_and_is_kept_and_counted(mask: int) -> None:
    for place in range(len(CONTENT)):
        damaged = bytearray(CONTENT)
        damaged[place] ^= mask
        desk = recover(disk_with({"00000001.seg": bytes(damaged)}))
        broken = place // FRAME
        assert facts_of(desk) == set(NAMES) - {NAMES[broken]}
        is_torn_length = place % FRAME < HEADER_BYTES
        if broken < len(FACTS) - 1 or not is_torn_length:
            assert desk.stats().lost["spool_damaged"].records == 1
        quarantine = [path for path in desk.disk.files if path.parent.name == "quarantine"]
        assert [desk.disk.files[path] for path in quarantine] == [bytes(damaged)]


@pytest.mark.parametrize("size", [1, 16, HEADER_BYTES, FRAME, 3 * FRAME])
@pytest.mark.parametrize("kind", ["zeros", "missing", "garbage", "doubled"])
def test_damage_of_every_kind_and_size_costs_what_it_touches(kind: str, size: int) -> None:
    noise = random.Random(7)
    for place in range(len(CONTENT) - size):
        inside = CONTENT[place : place + size]
        put = {
            "zeros": bytes(size),
            "missing": b"",
            "garbage": noise.randbytes(size),
            "doubled": inside + inside,
        }[kind]
        desk = recover(disk_with({"00000001.seg": CONTENT[:place] + put + CONTENT[place + size :]}))
        touched = set(NAMES[place // FRAME : (place + size - 1) // FRAME + 1])
        assert set(NAMES) - touched <= facts_of(desk) <= set(NAMES)
        assert len(desk.delivered) == len(set(desk.delivered))


STRANGE: dict[str, dict[str, bytes]] = {
    "nothing": {},
    "an empty file": {"00000001.seg": b""},
    "only a lock": {"owner.lock": b""},
    "zeros": {"00000001.seg": bytes(4096)},
    "text": {"00000001.seg": b"hello\n" * 100},
    "a later version": {"00000001.seg": b"\xc1XR2" + bytes(100)},
    "another name": {"notes.txt": b"mine", "00000001.seg.bak": CONTENT},
    "a name without a number": {"x.seg": CONTENT, "-1.seg": CONTENT, "١.seg": CONTENT},
    "a gap": {"00000001.seg": CONTENT, "00000900.seg": CONTENT[:FRAME]},
    "a draft": {"00000001.seg": CONTENT, "00000001.new": CONTENT[:40]},
    "damaged notes": {"00000001.seg": CONTENT, "runs.open": b"\xff" * 50},
    "notes that are no ids": {"runs.open": b"".join(encode_frames(1, [(0, b"\xff not an id")]))},
    "a record that is no fact": {"00000001.seg": b"".join(encode_frames(1, [(3, b"\x00junk")]))},
    "an empty record": {"00000001.seg": b"".join(encode_frames(1, [(0, b"")]))},
    "headers only": {"00000001.seg": CONTENT[:HEADER_BYTES] * 500},
}


@pytest.mark.parametrize("strange", STRANGE)
def test_whatever_stands_in_a_lane_a_process_begins_and_goes_on(strange: str) -> None:
    desk = recover(disk_with(STRANGE[strange]))
    if CONTENT in STRANGE[strange].values() and "name" not in strange:
        assert set(NAMES) <= facts_of(desk)
    names = desk.offer_runs(3)
    assert set(names) <= set(desk.deliver())


def test_strange_directories_do_not_stop_a_process() -> None:
    disk = disk_with({"00000001.seg": CONTENT})
    process = disk.process()
    [lane] = [path for path in disk.nodes if path.name == LANE.name]
    process.make_directory(lane / "00000002.seg")
    process.make_directory(lane.parent / "empty")
    process.make_directory(lane.parent / "quarantine")
    disk.put(lane.parent / "a-file", b"x")
    desk = recover(disk)
    assert set(NAMES) <= facts_of(desk)


def work_until(call: int, disk: FakeDisk) -> tuple[list[str], list[tuple[float, str]]]:
    """Delivered names, and when each name was appended, of a process that dies at *call*."""
    files = disk.process()
    files.fail(call, ProcessDiedError())
    desk = SpoolDesk(disk, files, segment_bytes=700)
    appended: list[tuple[float, str]] = []
    try:
        for number in range(12):
            run = run_started()
            for fact in (run, step(rows=4), run_finished(run.run_id)):
                appended += [(desk.clock.monotonic_s(), name) for name in desk.offer(fact)]
            desk.spool.tend()
            if number % 4 == 3:
                desk.settle(desk.take(5))
            desk.clock.advance(0.2)
    except ProcessDiedError:
        pass
    appended.append((desk.clock.monotonic_s(), "end"))
    return desk.delivered, appended


def _torn(size: int) -> Callable[[bytes, bytes], bytes]:
    return lambda synced, written: written[: max(len(synced), len(written) // size * size)]


POWER_LOSSES: dict[str, Callable[[bytes, bytes], bytes] | None] = {
    "only what was synced": None,
    "torn at 512": _torn(512),
    "torn at 4096": _torn(4096),
    "zeros after": lambda synced, written: synced + bytes(len(written) - len(synced)),
    "garbage after": lambda synced, written: synced + b"\xa5" * (len(written) - len(synced)),
    "one byte more": lambda synced, written: written[: len(synced) + 1],
}


@pytest.mark.parametrize("loss", POWER_LOSSES)
def test_a_loss_of_power_at_any_call_costs_at_most_the_last_second(loss: str) -> None:
    calls = 0
    while True:
        calls += 1
        disk = FakeDisk()
        delivered, appended = work_until(calls, disk)
        ended_s, _ = appended.pop()
        disk.lose_power(POWER_LOSSES[loss])
        desk = recover(disk)
        safe = {name for at_s, name in appended if at_s < ended_s - 1.0}
        assert safe <= set(delivered) | facts_of(desk), f"call {calls}"
        if len(appended) == 36:
            break
    assert calls > 50


def test_files_that_come_back_after_a_loss_of_power_are_delivered_again_and_nothing_is_lost() -> (
    None
):
    disk = FakeDisk()
    desk = SpoolDesk(disk, segment_bytes=300)
    names = desk.offer(*FACTS[:3]) + desk.offer(*FACTS[3:])
    before = disk.copy()
    desk.deliver()
    again = recover(before)
    assert facts_of(again) == set(names)


def test_a_run_is_abandoned_once_whatever_was_delivered_before() -> None:
    for delivered in range(4):
        disk = FakeDisk()
        desk = SpoolDesk(disk, segment_bytes=150)
        runs = [run_started() for _ in range(3)]
        for run in runs:
            desk.offer(run)
        desk.settle(desk.take(delivered))
        desk.files.kill()
        later = SpoolDesk(disk)
        later.open()
        found = []
        while parcels := later.take():
            found += [decode_fact(parcel.encoded) for parcel in parcels]
            later.settle(parcels)
        abandoned = [fact.run_id for fact in found if isinstance(fact, RunPatched)]
        assert sorted(abandoned) == sorted(run.run_id for run in runs)


def test_opening_a_large_spool_of_garbage_is_quick() -> None:
    noise = random.Random(3).randbytes(1 << 20)
    disk = disk_with({f"{number:08d}.seg": noise for number in range(1, 30)})
    desk = recover(disk)
    assert desk.delivered == []
    kept = [path for path in disk.files if path.parent.name == "quarantine"]
    assert sum(len(disk.files[path]) for path in kept) <= 16 << 20
