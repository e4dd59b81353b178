import threading

import pytest

from xray.delivery.backlog import MemoryBacklog
from xray.delivery.exchange.answers import Ruling, judge, spell_code
from xray.delivery.exchange.backoff import Backoff, parse_retry_after
from xray.delivery.exchange.batches import Batch, compress
from xray.delivery.exchange.transport import Answer
from xray.delivery.losses import Ledger, Volume
from xray.delivery.notices import Notices
from xray.delivery.queue import FactQueue, Parcel, count_decisions, within_bounds
from xray.delivery.spool.condensing import condense
from xray.model.facts import (
    ACCEPTED,
    DecisionRow,
    Fact,
    Reservoir,
    RosterGroup,
    RunStarted,
    StepFinished,
    StepRoster,
    StepRows,
    Tally,
)
from xray.model.ids import new_uuid7
from xray.testing import FakeClock
from xray.wire.address import is_loopback
from xray.wire.codec import decode_batch, decode_fact, encode_fact
from xray.wire.limits import inflate

BOUNDLESS = 1 << 40


def parcels_of(*sizes: int) -> list[Parcel]:
    return [Parcel(number, bytes(size), 2) for number, size in enumerate(sizes, 1)]


def started() -> RunStarted:
    return RunStarted(run_id=new_uuid7(), pipeline="p" * 100, started_at_us=1)


def receipt(batch: Batch, accepted: int, duplicate: int = 0, rejected: str = "") -> bytes:
    return (
        f'{{"batch_id":"{batch.batch_id}","accepted":{accepted},'
        f'"duplicate":{duplicate},"rejected":[{rejected}]}}'
    ).encode()


def test_the_queue_takes_what_fits_and_no_more() -> None:
    queue = FactQueue()
    assert queue.put(b"a" * 1000, 0, max_bytes=2600)
    assert queue.put(b"b" * 1000, 0, max_bytes=2600)
    assert not queue.put(b"c" * 1000, 0, max_bytes=2600)
    assert queue.last_number == 2
    queue.drop(queue.peek(BOUNDLESS, 1))
    assert queue.put(b"d" * 1000, 0, max_bytes=2600)
    assert [parcel.encoded[:1] for parcel in queue.peek(BOUNDLESS, 9)] == [b"b", b"d"]


def test_what_is_peeked_stays_until_it_is_dropped() -> None:
    queue = FactQueue()
    queue.put(b"x", 0, BOUNDLESS)
    first = queue.peek(BOUNDLESS, 9)
    assert queue.peek(BOUNDLESS, 9) == first
    assert queue.oldest_number == 1
    queue.drop(first)
    assert queue.oldest_number is None
    assert queue.held_bytes == 0


def test_threads_that_put_at_once_lose_nothing() -> None:
    queue = FactQueue()

    def put_many() -> None:
        for _ in range(2000):
            queue.put(b"x", 0, BOUNDLESS)

    threads = [threading.Thread(target=put_many) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    taken = queue.peek(BOUNDLESS, 9000)
    assert sorted(parcel.number for parcel in taken) == list(range(1, 8001))
    queue.drop(taken)
    assert queue.held_bytes == 0


def test_bounds_always_let_one_parcel_through() -> None:
    assert len(within_bounds(parcels_of(900, 10), 100, 9)) == 1
    assert len(within_bounds(parcels_of(40, 40, 40), 100, 9)) == 2
    assert len(within_bounds(parcels_of(1, 1, 1), 100, 2)) == 2
    assert within_bounds([], 100, 9) == []


def test_the_backlog_keeps_what_is_taken_until_it_is_settled() -> None:
    backlog = MemoryBacklog()
    first, second, third = parcels_of(10, 10, 10)
    backlog.append([first, second, third])
    assert backlog.take(BOUNDLESS, 2) == [first, second]
    assert backlog.waiting_facts == 1
    assert backlog.oldest_number == 1
    assert backlog.settle([first]) == [first]
    assert backlog.settle([first]) == []
    assert backlog.oldest_number == 2
    assert backlog.drain() == [second, third]
    assert backlog.settle([second]) == []
    assert (backlog.held_bytes, backlog.waiting_bytes, backlog.oldest_number) == (0, 0, None)


def test_decisions_are_counted_wherever_a_fact_carries_them() -> None:
    row = DecisionRow(ACCEPTED, "c")
    step = StepFinished(
        run_id=new_uuid7(), step_id=new_uuid7(), pipeline="p", name="n", step_type="filter",
        ordinal=0, started_at_us=1, rows=[row] * 3, logged=[row] * 2,
        reservoirs=[Reservoir(ACCEPTED, None, 9, [row])],
    )  # fmt: skip
    assert count_decisions(step) == 6
    assert count_decisions(StepRows(run_id="r", step_id="s", chunk=1, rows=[row])) == 1
    names = [RosterGroup(ACCEPTED, None, None, None, ["a", "b"])]
    roster = StepRoster(run_id="r", step_id="s", chunk=1, total=2, groups=names)
    assert count_decisions(roster) == 2


def test_what_is_condensed_names_only_the_selected_and_promises_no_roster() -> None:
    run_id, step_id = new_uuid7(), new_uuid7()
    names = [RosterGroup(ACCEPTED, None, None, None, ["b", "c"])]
    facts: list[Fact] = [
        StepRoster(run_id=run_id, step_id=step_id, chunk=1, total=2, groups=names),
        StepFinished(
            run_id=run_id,
            step_id=step_id,
            pipeline="p",
            name="f",
            step_type="filter",
            ordinal=0,
            started_at_us=0,
            rows=[DecisionRow(ACCEPTED, "a")],
            tally=Tally(accepted=3),
            roster_chunks=1,
        ),
    ]
    parcels = [
        Parcel(number, encode_fact(fact), count_decisions(fact))
        for number, fact in enumerate(facts, start=1)
    ]
    (kept,) = condense(parcels)
    fact = decode_fact(kept.encoded)
    assert isinstance(fact, StepFinished)
    assert (fact.rows, fact.roster_chunks) == ([], 0)
    assert fact.tally == Tally(accepted=3)
    assert count_decisions(started()) == 0


def test_the_books_balance_after_every_move() -> None:
    ledger = Ledger()
    for _ in range(5):
        ledger.accept(10)
    ledger.turn_away("queue_full", Volume(2, 3))
    ledger.acknowledge(Volume(3, 30))
    ledger.lose("too_large", Volume(1, 10))
    stats = ledger.read()
    assert stats.offered == Volume(7, 53)
    assert stats.pending == Volume(1, 10)
    assert stats.lost == {"queue_full": Volume(2, 3), "too_large": Volume(1, 10)}
    assert stats.offered == stats.acknowledged + stats.pending + stats.total_lost


def test_pauses_grow_to_their_bound_with_full_jitter() -> None:
    highest = Backoff(1, 30, 300, draw=lambda: 1.0)
    assert [highest.fail()[1] for _ in range(7)] == [1, 2, 4, 8, 16, 30, 30]
    highest.reset()
    assert highest.fail() == (0.0, 1.0)
    lowest = Backoff(1, 30, 300, draw=lambda: 0.0)
    assert [lowest.fail(5)[1] for _ in range(3)] == [0, 0, 0]


def test_a_server_may_ask_for_five_minutes_at_most() -> None:
    backoff = Backoff(1, 30, 300, draw=lambda: 0.5)
    assert backoff.fail(60) == (60, 15)
    assert backoff.fail(1e9) == (300, 15)


def test_many_clients_do_not_come_back_at_once() -> None:
    clients = [Backoff(1, 30, 300, draw=iter([i / 500] * 9).__next__) for i in range(500)]
    back_at_s = sorted(sum(client.fail(60)) for client in clients)
    assert back_at_s[0] >= 60
    per_second = [sum(60 + i <= at < 61 + i for at in back_at_s) for i in range(30)]
    assert max(per_second) <= 2 * 500 / 30


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        (None, 0),
        ("", 0),
        ("7", 7),
        (" 120 ", 120),
        ("-3", 0),
        ("soon", 0),
        ("1.5", 0),
        ("9" * 400, 999999999999),
        ("Thu, 01 Jan 2026 00:00:30 GMT", 30),
        ("Thu, 01 Jan 2026 00:00:30 -0000", 30),
        ("Thu, 01 Jan 2009 00:00:30 GMT", 0),
        ("Thu, 99 Jan 2026 00:00:30 GMT", 0),
    ],
)
def test_retry_after_is_read_as_seconds_or_as_a_date(text: str | None, seconds: float) -> None:
    assert parse_retry_after(text, FakeClock().wall_us()) == seconds


@pytest.mark.parametrize(
    ("status", "ruling"),
    [
        *((status, Ruling.KEEP) for status in (100, 199, 408, 425, 429, 500, 502, 503, 504, 599)),
        *((status, Ruling.FOREIGN) for status in (200, 201, 202, 204, 299)),
        (413, Ruling.HALVE),
        (400, Ruling.BISECT),
        (422, Ruling.BISECT),
        *((status, Ruling.PARK) for status in (300, 301, 302, 307, 308, 401, 402, 403, 404, 405)),
        *((status, Ruling.PARK) for status in (406, 407, 409, 410, 411, 415, 418, 426, 451)),
    ],
)
def test_every_status_has_its_ruling(status: int, ruling: Ruling) -> None:
    batch = Batch(parcels_of(1, 1), "test/1")
    assert judge(Answer(status, b"<html>"), batch, 0).ruling is ruling


def test_a_server_too_old_for_this_client_parks_instead_of_losing_everything() -> None:
    batch = Batch(parcels_of(1, 1), "test/1")
    answer = Answer(400, b'{"code": "unsupported_version"}')
    assert judge(answer, batch, 0).ruling is Ruling.PARK


def test_only_a_whole_receipt_for_this_batch_settles_it() -> None:
    batch = Batch(parcels_of(1, 1, 1), "test/1")
    other = Batch(parcels_of(1, 1, 1), "test/1")
    refused = '{"id":"id-1","code":"too_deep","detail":"d"}'
    for body in (receipt(batch, 3), receipt(batch, 1, 2), receipt(batch, 2, 0, refused)):
        assert judge(Answer(201, body), batch, 0).ruling is Ruling.SETTLE
    for body in (
        b"", b"{}", b"[]", b"\xff", b"[" * 5000, receipt(other, 3), receipt(batch, 2),
        receipt(batch, 4), receipt(batch, 4, -1), receipt(batch, 3)[:-1],
    ):  # fmt: skip
        assert judge(Answer(200, body), batch, 0).ruling is Ruling.FOREIGN
    cut = Answer(200, receipt(batch, 3), is_complete=False)
    assert judge(cut, batch, 0).ruling is Ruling.FOREIGN


def test_a_cause_of_loss_is_never_spelled_by_a_stranger() -> None:
    assert spell_code("too_deep") == "too_deep"
    for code in ("", "Has Spaces", "x" * 65, "new\nline", "ü"):
        assert spell_code(code) == "other"


def test_a_batch_is_divided_by_count_and_by_bytes() -> None:
    batch = Batch(parcels_of(900, 10, 10, 10), "test/1")
    assert [len(half.parcels) for half in batch.split_by_count()] == [2, 2]
    assert [len(half.parcels) for half in batch.split_by_bytes()] == [1, 3]
    backwards = Batch(parcels_of(10, 10, 10, 900), "test/1")
    assert [len(half.parcels) for half in backwards.split_by_bytes()] == [3, 1]
    pair = Batch(parcels_of(10, 900), "test/1")
    assert [len(half.parcels) for half in pair.split_by_bytes()] == [1, 1]


def test_a_sealed_batch_is_what_a_server_reads() -> None:
    facts = [started() for _ in range(50)]
    batch = Batch([Parcel(1, encode_fact(fact), 0) for fact in facts], "test/1")
    assert batch.body.encoding in ("zstd", "gzip")
    opened = decode_batch(inflate(batch.body.content, batch.body.encoding))
    assert opened.facts == facts
    assert opened.batch_id == batch.batch_id


def test_a_small_body_is_not_compressed() -> None:
    assert compress(b"x" * 1023).encoding == ""
    assert compress(b"x" * 1024).encoding != ""


def test_gzip_stands_in_where_zstandard_is_absent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("xray.delivery.exchange.batches._load_zstandard", lambda: None)
    body = bytes(range(256)) * 1000
    sealed = compress(body)
    assert sealed.encoding == "gzip"
    assert inflate(sealed.content, "gzip") == body


def test_a_kind_of_notice_is_given_once_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    clock = FakeClock()
    notices = Notices(clock)
    for kind in ("away", "away", "parked"):
        notices.warn(kind, "It is %s.", kind)
    clock.advance(59)
    notices.warn("away", "It is %s.", "away")
    assert caplog.messages == ["It is away.", "It is parked."]
    clock.advance(2)
    notices.warn("away", "It is %s.", "away again")
    assert caplog.messages[2:] == ["It is away again."]


@pytest.mark.parametrize(
    ("host", "is_local"),
    [
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("::1", True),
        ("localhost", True),
        ("LOCALHOST", True),
        ("localhost.evil.example", False),
        ("10.0.0.1", False),
        ("0.0.0.0", False),
        ("example.com", False),
        ("127.0.0.1.example", False),
    ],
)
def test_only_this_machine_counts_as_this_machine(host: str, is_local: bool) -> None:
    assert is_loopback(host) is is_local
