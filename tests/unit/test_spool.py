"""The spool as its writer, its sender and a later process see it."""

import errno
import os
from pathlib import Path

import pytest

from tests.unit.spool_desk import PLACE, SpoolDesk, run_finished, run_started, step
from xray.delivery.losses import Volume
from xray.delivery.spool.places import list_places, name_destination
from xray.model.facts import RunPatched, StepFinished
from xray.testing.disk import FakeDisk
from xray.wire.codec import decode_fact


def error(code: int) -> OSError:
    return OSError(code, os.strerror(code))


@pytest.fixture
def desk() -> SpoolDesk:
    return SpoolDesk()


def test_what_is_appended_is_on_disk_and_goes_when_it_is_settled(desk: SpoolDesk) -> None:
    names = desk.offer_runs(5)
    assert len(desk.segments) == 1
    assert desk.spool.waiting_facts == 5
    assert desk.spool.held_bytes == 0
    assert desk.deliver() == names
    assert desk.is_clean
    assert desk.spool.oldest_number is None


def test_a_file_stays_until_the_last_record_in_it_is_settled(desk: SpoolDesk) -> None:
    desk.offer_runs(4)
    first, second = desk.take(2), desk.take(2)
    assert desk.spool.oldest_number == 1
    desk.settle(second)
    assert len(desk.segments) == 1
    assert desk.spool.oldest_number == 1
    desk.settle(first)
    assert desk.segments == {}


def test_records_appended_after_the_last_was_settled_get_a_file_of_their_own(
    desk: SpoolDesk,
) -> None:
    for _ in range(3):
        desk.offer_runs(2)
        desk.deliver()
    assert len(desk.delivered) == len(set(desk.delivered)) == 6
    assert desk.is_clean


def test_a_full_file_is_followed_by_another() -> None:
    desk = SpoolDesk(segment_bytes=1000)
    names = []
    for _ in range(20):
        names += desk.offer_runs(5)
    assert len(desk.segments) > 8
    assert desk.deliver(max_facts=7) == names
    assert desk.is_clean


def test_the_order_of_records_is_kept(desk: SpoolDesk) -> None:
    names = desk.offer_runs(3)
    taken = desk.take(2)
    names += desk.offer_runs(3)
    desk.settle(taken)
    assert desk.deliver() == names


def test_memory_does_not_grow_with_what_is_kept() -> None:
    desk = SpoolDesk(segment_bytes=4000)
    for _ in range(100):
        desk.offer_runs(20)
    assert desk.spool.held_bytes == 0
    desk.take(5)
    own = desk.spool._own
    assert own is not None
    assert own.loaded_bytes < 30_000


def test_nothing_on_disk_names_the_server_or_its_key() -> None:
    desk = SpoolDesk(url="http://secret-host.example:9/base", api_key="key-7f3a")
    desk.offer_runs(1)
    for path, content in desk.disk.files.items():
        assert "secret-host" not in str(path)
        assert b"secret-host" not in content
        assert b"key-7f3a" not in content


def test_a_later_process_delivers_what_a_dead_one_left() -> None:
    first = SpoolDesk()
    names = first.offer_runs(500)
    first.files.kill()
    second = SpoolDesk(first.disk)
    own = second.offer_runs(3)
    second.spool.tend()
    delivered = second.deliver()
    abandoned = [name for name in delivered if name.endswith("patched")]
    assert sorted(delivered) == sorted(names + own + abandoned)
    assert len(abandoned) == 500
    assert second.stats().adopted.records == 1000
    assert second.is_clean


def test_what_a_dead_process_left_holds_up_no_flush() -> None:
    first = SpoolDesk()
    first.offer_runs(5)
    first.files.kill()
    second = SpoolDesk(first.disk)
    second.open()
    assert second.spool.waiting_facts > 0
    assert second.spool.oldest_number is None


def test_a_living_process_is_not_adopted() -> None:
    first = SpoolDesk()
    first.offer_runs(5)
    second = SpoolDesk(first.disk)
    second.open()
    assert second.deliver() == []
    assert len(first.deliver()) == 5


def test_only_one_process_adopts() -> None:
    first = SpoolDesk()
    names = first.offer(*(run_finished(f"01929a3c-4f00-7a10-8000-{n:012x}") for n in range(9)))
    first.files.kill()
    others = [SpoolDesk(first.disk) for _ in range(3)]
    for other in others:
        other.open()
    delivered = [name for other in others for name in other.deliver()]
    assert sorted(delivered) == sorted(names)


def test_another_user_s_records_are_not_adopted() -> None:
    first = SpoolDesk()
    first.offer_runs(5)
    first.files.kill()
    second = SpoolDesk(first.disk, first.disk.process(uid=2000))
    second.offer_runs(1)
    second.spool.tend()
    assert len(second.deliver()) == 1
    assert len(first.segments) == 1


def test_another_server_s_records_are_not_adopted() -> None:
    first = SpoolDesk(url="http://127.0.0.1:1")
    first.offer_runs(5)
    first.files.kill()
    second = SpoolDesk(first.disk, url="http://127.0.0.1:2")
    second.open()
    assert second.deliver() == []


def test_an_adopter_that_dies_leaves_the_rest_to_the_next() -> None:
    first = SpoolDesk(segment_bytes=300)
    names = first.offer(*(run_finished(f"01929a3c-4f00-7a10-8000-{n:012x}") for n in range(40)))
    first.files.kill()
    second = SpoolDesk(first.disk)
    second.open()
    second.settle(second.take(11))
    second.take(5)
    second.files.kill()
    third = SpoolDesk(first.disk)
    third.open()
    assert set(second.delivered) | set(third.deliver()) == set(names)
    assert third.is_clean


def test_runs_a_dead_process_left_open_are_abandoned() -> None:
    first = SpoolDesk()
    open_run, ended = run_started(), run_started()
    first.offer(open_run, ended, run_finished(ended.run_id))
    first.files.kill()
    second = SpoolDesk(first.disk)
    second.open()
    facts = take_facts(second)
    assert RunPatched(run_id=open_run.run_id, status="abandoned") in facts
    assert sum(isinstance(fact, RunPatched) for fact in facts) == 1
    assert second.is_clean


def test_a_run_whose_start_was_delivered_long_ago_is_abandoned_too() -> None:
    first = SpoolDesk()
    open_runs = [run_started() for _ in range(3)]
    first.offer(*open_runs)
    first.deliver()
    first.offer(run_finished(open_runs[1].run_id))
    first.deliver()
    first.offer_runs(0)
    first.files.kill()
    second = SpoolDesk(first.disk)
    second.open()
    abandoned = {fact.run_id for fact in take_facts(second) if isinstance(fact, RunPatched)}
    assert abandoned == {open_runs[0].run_id, open_runs[2].run_id}


def test_a_process_that_ended_its_runs_leaves_nothing_at_all() -> None:
    desk = SpoolDesk()
    run = run_started()
    desk.offer(run)
    desk.deliver()
    desk.offer(run_finished(run.run_id))
    desk.deliver()
    assert desk.is_clean
    desk.spool.drain()
    assert desk.disk.files == {}


def take_facts(desk: SpoolDesk) -> list[object]:
    facts: list[object] = []
    while parcels := desk.take():
        facts += [decode_fact(parcel.encoded) for parcel in parcels]
        desk.settle(parcels)
    return facts


def test_a_process_with_nothing_to_keep_leaves_no_directory_and_can_go_on(
    desk: SpoolDesk,
) -> None:
    run = run_started()
    desk.offer(run, run_finished(run.run_id))
    desk.spool.vacate()
    assert desk.segments
    desk.deliver()
    desk.spool.vacate()
    assert desk.disk.files == {}
    names = desk.offer_runs(2)
    assert desk.deliver()[2:] == names


def test_closing_leaves_undelivered_records_to_the_next_process(desk: SpoolDesk) -> None:
    names = desk.offer_runs(7)
    desk.take(3)
    assert desk.spool.drain() == []
    assert desk.spool.append([]) == 0
    second = SpoolDesk(desk.disk)
    second.open()
    assert set(names) <= set(second.deliver())


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EROFS, errno.EACCES, errno.EMFILE, errno.EIO])
def test_where_nothing_can_be_written_records_are_kept_in_memory(
    code: int, caplog: pytest.LogCaptureFixture
) -> None:
    desk = SpoolDesk()
    desk.files.fail_always("make_directory", error(code))
    names = desk.offer_runs(3) + desk.offer_runs(3)
    assert desk.spool.held_bytes > 0
    assert desk.spool.volume == Volume(6, 0)
    assert desk.deliver() == names
    assert caplog.messages == [
        f"X-Ray: the spool cannot be written ({os.strerror(code)}); records wait in memory."
    ]


def test_records_in_memory_go_to_disk_once_that_works_again(desk: SpoolDesk) -> None:
    desk.offer_runs(2)
    desk.files.fail_always("write", error(errno.ENOSPC))
    desk.offer_runs(50)
    assert desk.spool.volume.records == 50
    desk.files.fail_always("write", None)
    desk.offer_runs(1)
    assert desk.spool.volume.records == 51
    desk.clock.advance(1)
    desk.spool.tend()
    assert desk.spool.volume == Volume()
    assert len(desk.deliver()) == 53
    assert desk.is_clean


def test_nothing_is_adopted_through_a_directory_that_is_not_this_user_s_own() -> None:
    first = SpoolDesk()
    first.offer_runs(5)
    first.files.kill()
    for path, node in first.disk.nodes.items():
        if path.parent == PLACE:
            node.uid = 2000
    second = SpoolDesk(first.disk)
    second.open()
    assert second.deliver() == []
    assert len(first.segments) == 1


def test_what_is_no_lane_is_not_touched() -> None:
    desk = SpoolDesk()
    desk.offer_runs(1)
    desk.deliver()
    [destination] = desk.spool._destinations
    stranger = desk.disk.process()
    for name in ("documents", "01929a3c", "01929a3c-4f00-7a10-8000-00000000000g.1"):
        stranger.make_directory(destination / name)
        desk.disk.put(destination / name / "thesis.new", b"mine")
        desk.disk.put(destination / name / "00000001.seg", b"mine too")
    before = {path for path in desk.disk.files if path.name != "owner.lock"}
    desk.adopt_later()
    assert len(desk.deliver()) == 1
    assert {path for path in desk.disk.files if path.name != "owner.lock"} == before


def test_a_place_that_cannot_be_used_is_passed_over() -> None:
    disk = FakeDisk()
    foreign = disk.process(uid=0)
    foreign.make_directory(Path("/locked"))
    desk = SpoolDesk(disk)
    destination = Path("/locked") / name_destination(desk.settings.url)
    foreign.make_directory(destination)
    desk.spool._destinations.insert(0, destination)
    desk.offer_runs(1)
    assert [path for path in desk.segments if path.startswith(str(PLACE))]
    assert desk.spool.volume == Volume()


def test_a_spool_that_somebody_removes_is_counted_and_made_anew(desk: SpoolDesk) -> None:
    desk.offer_runs(4)
    for path in list(desk.disk.nodes):
        if path != Path("/"):
            del desk.disk.nodes[path]
    assert desk.deliver() == []
    assert desk.stats().lost == {"spool_damaged": Volume(4, 0)}
    desk.offer_runs(2)
    desk.clock.advance(1)
    names = desk.offer_runs(3)
    assert set(names) <= set(desk.deliver())
    assert len(desk.delivered) == 5
    assert desk.is_clean


def test_a_flipped_bit_costs_one_record_that_is_counted_and_told(
    desk: SpoolDesk, caplog: pytest.LogCaptureFixture
) -> None:
    desk.offer(*(step() for _ in range(9)))
    [path] = desk.segments
    desk.disk.nodes[Path(path)].content[600] ^= 4
    assert len(desk.deliver()) == 8
    assert desk.stats().lost == {"spool_damaged": Volume(1, 3)}
    assert "1 records in the spool could not be read" in caplog.text
    [kept] = [path for path in desk.disk.files if path.parent.name == "quarantine"]
    assert kept.suffix == ".damaged"


def test_a_damaged_file_of_a_dead_process_is_kept_in_quarantine() -> None:
    first = SpoolDesk()
    first.offer(*(step() for _ in range(9)))
    first.files.kill()
    [path] = first.segments
    first.disk.nodes[Path(path)].content[600] ^= 4
    whole = first.segments[path]
    second = SpoolDesk(first.disk)
    second.open()
    assert len(second.deliver()) == 8
    assert second.stats().lost == {"spool_damaged": Volume(1, 3)}
    assert [content for path, content in first.disk.files.items() if path.suffix == ".damaged"] == [
        whole
    ]


def test_a_file_of_a_later_version_is_neither_read_nor_removed(
    caplog: pytest.LogCaptureFixture,
) -> None:
    first = SpoolDesk()
    first.offer_runs(2)
    first.files.kill()
    [path] = first.segments
    node = first.disk.nodes[Path(path)]
    node.content = node.content.replace(b"\xc1XR1", b"\xc1XR2")
    second = SpoolDesk(first.disk)
    second.open()
    assert second.deliver() == []
    for _ in range(3):
        second.adopt_later()
    assert path in second.segments
    assert len(caplog.messages) == 1


def test_a_full_spool_drops_candidates_first_and_keeps_every_count() -> None:
    desk = SpoolDesk(max_spool_bytes=60_000, segment_bytes=10_000)
    steps = [step(rows=20, padding=100) for _ in range(60)]
    for fact in steps:
        desk.offer(run_started(), fact)
        assert desk.disk.used_bytes <= 60_000 + 10_000
    lost = desk.stats().lost
    assert set(lost) == {"spool_full:detail"}
    assert lost["spool_full:detail"].records == 0
    found = {fact.step_id: fact for fact in take_facts(desk) if isinstance(fact, StepFinished)}
    assert set(found) == {fact.step_id for fact in steps}
    cut = [fact for fact in found.values() if fact.omissions]
    assert cut
    for fact in cut:
        assert fact.tally is not None
        assert (fact.tally.accepted, fact.tally.selected) == (19, 1)
        assert [row.candidate_id for row in fact.rows] == ["c-0"]
        assert fact.omissions == {"dropped_rows": 19}
    assert lost["spool_full:detail"].decisions == 19 * len(cut)


def test_a_spool_full_of_summaries_drops_the_oldest() -> None:
    desk = SpoolDesk(max_spool_bytes=20_000, segment_bytes=4_000)
    names = []
    for _ in range(100):
        names += desk.offer_runs(5)
        assert desk.disk.used_bytes <= 24_000
    lost = desk.stats().lost
    assert set(lost) == {"spool_full"}
    assert desk.deliver() == names[lost["spool_full"].records :]


def test_what_is_with_the_sender_is_never_dropped() -> None:
    desk = SpoolDesk(max_spool_bytes=20_000, segment_bytes=4_000)
    first = desk.offer_runs(5)
    taken = desk.take()
    for _ in range(100):
        desk.offer_runs(5)
    desk.settle(taken)
    assert desk.delivered == first


def test_a_pipeline_that_would_rather_wait_drops_nothing() -> None:
    desk = SpoolDesk(max_spool_bytes=20_000, segment_bytes=4_000, on_full="wait")
    kept = []
    for _ in range(100):
        kept += desk.offer_runs(5)
    assert set(desk.stats().lost) == {"refused"}
    assert desk.deliver() == kept
    assert desk.offer_runs(5)


def test_a_nearly_full_disk_lowers_the_bound() -> None:
    desk = SpoolDesk(FakeDisk(capacity_bytes=100_000), segment_bytes=1_000)
    for _ in range(100):
        desk.offer_runs(5)
    assert desk.disk.used_bytes <= 11_500
    assert set(desk.stats().lost) == {"spool_full"}


@pytest.mark.parametrize(
    ("policy", "syncs"), [("interval", [0, 0, 1, 1]), ("always", [1, 1, 1, 1]), ("never", [0] * 4)]
)
def test_records_are_forced_to_disk_as_the_policy_says(policy: str, syncs: list[int]) -> None:
    desk = SpoolDesk(sync=policy)
    desk.offer_runs(1)
    for expected in syncs:
        desk.spool.tend()
        assert desk.files.calls.count("sync") == expected
        desk.clock.advance(0.5)


def test_what_was_delivered_within_the_interval_is_not_forced_to_disk(desk: SpoolDesk) -> None:
    for _ in range(20):
        desk.offer_runs(1)
        desk.deliver()
        desk.clock.advance(0.9)
        desk.spool.tend()
    assert "sync" not in desk.files.calls


def test_a_loss_of_power_costs_at_most_the_last_second(desk: SpoolDesk) -> None:
    names = []
    for _ in range(100):
        names += desk.offer_runs(1)
        desk.spool.tend()
        desk.clock.advance(0.02)
    desk.files.kill()
    desk.disk.lose_power()
    later = SpoolDesk(desk.disk)
    later.open()
    assert set(names[:-50]) <= set(later.deliver())


def test_a_file_that_cannot_be_forced_to_disk_is_written_anew(desk: SpoolDesk) -> None:
    names = desk.offer_runs(3)
    desk.files.fail(len(desk.files.calls) + 1, error(errno.EIO))
    desk.clock.advance(1)
    desk.spool.tend()
    [content] = [node.synced for path, node in desk.disk.nodes.items() if path.suffix == ".seg"]
    assert len(content) > 100
    assert desk.deliver() == names


def test_records_a_server_refused_are_kept_for_a_person(desk: SpoolDesk) -> None:
    desk.offer_runs(2)
    parcels = desk.take()
    desk.spool.set_aside(parcels[:1], "too_large")
    [path] = [path for path in desk.disk.files if path.parent.name == "quarantine"]
    assert path.suffix == ".too_large"
    assert parcels[0].encoded in desk.disk.files[path]


def test_the_quarantine_is_bounded(desk: SpoolDesk) -> None:
    desk.offer(step(rows=40, padding=50_000))
    parcels = desk.take()
    for _ in range(20):
        desk.spool.set_aside(parcels, "too_large")
    kept = [path for path in desk.disk.files if path.parent.name == "quarantine"]
    assert sum(len(desk.disk.files[path]) for path in kept) <= 16 << 20
    assert len(kept) > 3


def test_a_child_leaves_its_parent_s_files_alone(desk: SpoolDesk) -> None:
    names = desk.offer_runs(3)
    before = desk.disk.files
    calls = len(desk.files.calls)
    desk.spool.abandon()
    assert set(desk.files.calls[calls:]) == {"close"}
    assert desk.disk.files == before
    assert desk.spool.take(1, 1) == []
    assert desk.spool.settle([]) == []
    assert len(names) == 3


def test_places_are_tried_from_the_named_to_the_temporary(tmp_path: Path) -> None:
    assert list_places(str(tmp_path), {}) == [tmp_path]
    places = list_places(None, {"XDG_STATE_HOME": "/state"})
    assert places[0] == Path("/state/xray/spool")
    assert places[-1].name.startswith("xray-spool-")
    assert list_places(None, {"XDG_STATE_HOME": "relative"})[0].is_absolute()


def test_one_server_has_one_destination_however_it_is_spelled() -> None:
    name = name_destination("http://example.org")
    assert name == name_destination("http://EXAMPLE.org:80/")
    assert name == name_destination("http://user:pass@example.org")
    assert name != name_destination("https://example.org")
    assert name != name_destination("http://example.org/base")
    assert len(name_destination("http://127.0.0.1:99999")) == 16
