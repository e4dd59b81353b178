"""A spool whose disk reads, removes or holds less than it should for a while."""

import errno
import os

import pytest

from tests.unit.spool_desk import SpoolDesk, step
from xray.delivery.losses import Volume


@pytest.fixture
def desk() -> SpoolDesk:
    return SpoolDesk()


def error(code: int) -> OSError:
    return OSError(code, os.strerror(code))


def test_a_file_that_cannot_be_read_is_tried_again_and_then_set_aside(desk: SpoolDesk) -> None:
    desk.offer(step())
    desk.files.fail_always("read", error(errno.EIO))
    assert desk.deliver() == []
    desk.files.fail_always("read", None)
    assert desk.deliver() == []
    desk.clock.advance(1)
    assert len(desk.deliver()) == 1
    desk.offer(step(), step())
    desk.files.fail_always("read", error(errno.EIO))
    try_to_read(desk, seconds=540)
    assert desk.stats().lost == {}
    try_to_read(desk, seconds=120)
    assert desk.stats().lost == {"spool_damaged": Volume(2, 6)}
    assert [path.suffix for path in desk.disk.files if path.name != "owner.lock"] == [".unreadable"]


def try_to_read(desk: SpoolDesk, seconds: int) -> None:
    for _ in range(seconds):
        desk.clock.advance(1)
        desk.deliver()


@pytest.mark.parametrize("code", [errno.EMFILE, errno.ENFILE, errno.ENOMEM])
def test_a_process_out_of_handles_or_memory_never_counts_its_files_as_lost(
    desk: SpoolDesk, code: int
) -> None:
    desk.offer(step())
    desk.files.fail_always("read", error(code))
    try_to_read(desk, seconds=1200)
    assert desk.stats().lost == {}
    desk.files.fail_always("read", None)
    try_to_read(desk, seconds=30)
    assert len(desk.delivered) == 1


def test_a_file_of_a_dead_process_that_can_never_be_read_counts_as_one_record() -> None:
    first = SpoolDesk()
    first.offer(step(), step())
    first.files.kill()
    desk = SpoolDesk(first.disk)
    desk.files.fail_always("read", error(errno.EIO))
    desk.open()
    try_to_read(desk, seconds=660)
    assert desk.stats().lost == {"spool_damaged": Volume(1, 0)}
    assert desk.stats().pending == Volume()


def test_a_file_that_could_not_be_removed_is_removed_later(desk: SpoolDesk) -> None:
    desk.offer(step())
    desk.files.fail_always("remove", error(errno.EIO))
    desk.deliver()
    assert len(desk.segments) == 1
    desk.files.fail_always("remove", None)
    desk.adopt_later()
    assert desk.segments == {}


def test_who_waits_for_room_goes_on_where_the_bound_is_below_a_single_file() -> None:
    desk = SpoolDesk(max_spool_bytes=500, segment_bytes=1_000, on_full="wait")
    names = desk.offer(step())
    assert desk.offer(step()) == []
    assert desk.deliver() == names
    assert len(desk.offer(step())) == 1
