"""Every file-system call the spool makes is made to fail in turn, in every way; nothing is lost."""

import errno
import logging
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.unit.spool_desk import SpoolDesk, run_finished, run_started, step
from xray.delivery.losses import Volume
from xray.delivery.spool.files import Files
from xray.testing.disk import FakeDisk, FakeFiles, ProcessDiedError

ERRORS: dict[str, Callable[[], BaseException]] = {
    **{
        errno.errorcode[code]: lambda code=code: OSError(code, os.strerror(code))  # type: ignore[misc]
        for code in (errno.ENOSPC, errno.EIO, errno.EROFS, errno.EACCES, errno.EMFILE, errno.EINTR)
    },
    "MemoryError": MemoryError,
    "FileNotFoundError": lambda: FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT)),
}
SETTINGS = {"segment_bytes": 2_000, "sync_interval_s": 0.5}


@pytest.fixture(autouse=True)
def _quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logging.getLogger("xray"), "disabled", True)


def left_behind() -> tuple[FakeDisk, list[str]]:
    """A disk with the lane of a dead process on it, and what is in there."""
    dead = SpoolDesk(**SETTINGS)  # type: ignore[arg-type]
    first = run_started()
    names = dead.offer(first, run_finished(first.run_id))
    for _ in range(3):
        names += dead.offer(step(rows=8, padding=40))
    dead.files.kill()
    return dead.disk, names


class Work:
    """What one process does with its spool, in all the ways a spool is used."""

    def __init__(self, disk: FakeDisk, files: FakeFiles) -> None:
        self.desk = SpoolDesk(disk, files, **SETTINGS)  # type: ignore[arg-type]
        self.appended: list[str] = []
        self.is_done = False

    def do(self) -> None:
        desk = self.desk
        run = run_started()
        self.offer(run)
        desk.spool.tend()
        desk.settle(desk.take(2))
        for _ in range(4):
            self.offer(step(rows=8, padding=40), run_started())
            desk.clock.advance(0.5)
            desk.spool.tend()
        taken = desk.take(3)
        desk.spool.set_aside(taken[:1], "too_large")
        self.offer(run_finished(run.run_id))
        desk.settle(taken)
        desk.adopt_later()
        desk.settle(desk.take(4))
        self.is_done = True

    def offer(self, *facts: object) -> None:
        self.appended += self.desk.offer(*facts)  # type: ignore[arg-type]

    def finish(self) -> None:
        """No more faults: everything comes to rest."""
        for _ in range(5):
            self.desk.clock.advance(40)
            self.desk.spool.tend()
            self.desk.deliver()


def count_calls() -> int:
    disk, _ = left_behind()
    work = Work(disk, disk.process())
    work.do()
    return len(work.desk.files.calls)


CALLS = count_calls()


def test_the_work_makes_every_kind_of_call() -> None:
    disk, names = left_behind()
    work = Work(disk, disk.process())
    work.do()
    work.finish()
    work.desk.spool.drain()
    made = set(work.desk.files.calls)
    wanted = {name for name in vars(Files) if not name.startswith("_")}
    assert wanted - made == {"own_uid", "truncate"}
    assert set(names) <= set(work.desk.delivered)
    assert work.desk.is_clean or work.desk.stats().pending == Volume()


@pytest.mark.parametrize("error", ERRORS, ids=str)
def test_a_call_that_fails_costs_no_record(error: str) -> None:
    for call in range(1, CALLS + 1):
        disk, left = left_behind()
        files = disk.process()
        files.fail(call, ERRORS[error]())
        work = Work(disk, files)
        try:
            work.do()
            work.finish()
        except BaseException as problem:
            raise AssertionError(f"call {call}, {files.calls[call - 1]}") from problem
        stats = work.desk.stats()
        told = f"call {call}, {files.calls[call - 1]}: {stats.lost}"
        expected = set(work.appended)
        if error == "FileNotFoundError" and files.calls[call - 1] == "read":
            # A file that is gone is gone: its records are counted.
            assert set(stats.lost) <= {"spool_damaged"}, told
        else:
            assert stats.lost == {}, told
            assert expected <= set(work.desk.delivered), told
        assert stats.pending == Volume(), told
        assert len(set(work.desk.delivered)) + stats.total_lost.records >= len(expected), told
        work.desk.spool.drain()
        later = SpoolDesk(disk)
        later.open()
        everything = set(work.desk.delivered) | set(later.deliver())
        if error != "FileNotFoundError":
            assert set(left) <= everything, told


@pytest.mark.parametrize("error", ["ENOSPC", "EIO", "EROFS", "MemoryError"])
@pytest.mark.parametrize("name", sorted(name for name in vars(Files) if not name.startswith("_")))
def test_a_kind_of_call_that_always_fails_costs_no_record(name: str, error: str) -> None:
    disk, left = left_behind()
    files = disk.process()
    work = Work(disk, files)
    files.fail_always(name, ERRORS[error]())
    work.do()
    work.finish()
    files.fail_always(name, None)
    work.finish()
    stats = work.desk.stats()
    assert stats.pending == Volume()
    assert stats.lost == {}
    assert set(work.appended) | set(left) <= set(work.desk.delivered)


def test_a_process_that_dies_at_any_call_leaves_everything_it_appended_to_the_next() -> None:
    for call in range(1, CALLS + 1):
        disk, left = left_behind()
        files = disk.process()
        files.fail(call, ProcessDiedError())
        work = Work(disk, files)
        with pytest.raises(ProcessDiedError):
            work.do()
        later = SpoolDesk(disk)
        later.open()
        delivered = set(work.desk.delivered) | set(later.deliver())
        lost = (set(work.appended) | set(left)) - delivered
        assert not lost, f"call {call}, {files.calls[call - 1]}: {lost}"
        assert later.stats().lost == {}
        assert later.stats().pending == Volume()
        rest = [path for path in disk.files if path.suffix in (".seg", ".new", ".open")]
        assert rest == [], f"call {call}: {rest}"


def test_half_a_record_at_the_end_is_no_loss_and_no_damage() -> None:
    desk = SpoolDesk()
    names = desk.offer(step(), step())
    desk.files.fail(len(desk.files.calls) + 1, ProcessDiedError())
    with pytest.raises(ProcessDiedError):
        desk.offer(step(rows=50))
    later = SpoolDesk(desk.disk)
    later.open()
    assert later.deliver() == names
    assert later.stats().lost == {}
    assert not [path for path in desk.disk.files if path.parent.name == "quarantine"]


def test_a_disk_that_fills_up_at_any_byte_costs_no_record() -> None:
    probe = SpoolDesk()
    probe.offer(step(), step())
    size = probe.disk.used_bytes
    for capacity in range(0, size + 1, 7):
        desk = SpoolDesk(
            FakeDisk(capacity_bytes=capacity), segment_bytes=1, max_spool_bytes=1 << 30
        )
        desk.files.fail_always("count_free_bytes", OSError(errno.ENOSYS, "no such call"))
        names = desk.offer(step()) + desk.offer(step())
        assert sorted(desk.deliver()) == sorted(names)
        assert desk.stats().lost == {}


def test_a_spool_directory_that_is_a_file_or_a_link_is_not_used() -> None:
    disk = FakeDisk()
    disk.put(Path("/spool"), b"a file")
    desk = SpoolDesk(disk)
    names = desk.offer_runs(3)
    assert desk.spool.volume.records == 3
    assert desk.deliver() == names
