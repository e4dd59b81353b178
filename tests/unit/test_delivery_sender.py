import logging
from collections.abc import Mapping

import msgspec
import pytest

from tests.unit.delivery_desk import Desk
from xray.delivery.exchange.transport import Answer, TransportError
from xray.delivery.losses import Volume
from xray.delivery.sender import NOTHING_TO_DO_S
from xray.model.facts import Receipt, Refusal
from xray.wire.codec import decode_batch
from xray.wire.limits import inflate


@pytest.fixture
def desk() -> Desk:
    return Desk()


def test_what_is_offered_is_sent_in_one_batch(desk: Desk) -> None:
    names = desk.offer(5)
    desk.drain()
    assert desk.server.stored == names
    assert len(desk.server.posts) == 1
    assert desk.stats().acknowledged == Volume(5, 15)
    assert desk.sender.run_once() == NOTHING_TO_DO_S


def test_requests_say_what_they_are(desk: Desk) -> None:
    desk.offer(50, name_length=100)
    desk.drain()
    headers = desk.server.posts[0]
    assert headers["Content-Type"] == "application/msgpack"
    assert headers["User-Agent"] == "test/1"
    assert headers["Content-Encoding"] in ("zstd", "gzip")


def test_a_batch_stays_within_its_bounds() -> None:
    desk = Desk(max_batch_facts=4, max_batch_bytes=1000)
    desk.offer(9)
    desk.drain()
    assert desk.server.sizes == [4, 4, 1]
    large = Desk(max_batch_facts=400, max_batch_bytes=1000)
    large.offer(6, name_length=400)
    large.drain()
    assert large.server.sizes == [1] * 6 or large.server.sizes == [2, 2, 2]


def test_first_batches_go_at_once_and_later_ones_wait_for_company(desk: Desk) -> None:
    for _ in range(desk.settings.fast_batches):
        desk.offer()
        desk.drain()
    assert len(desk.server.posts) == desk.settings.fast_batches
    desk.offer()
    assert 0 < desk.sender.run_once() <= desk.settings.linger_s
    desk.clock.advance(desk.settings.linger_s)
    desk.drain()
    assert len(desk.server.posts) == desk.settings.fast_batches + 1


def test_a_full_batch_and_a_waiting_caller_do_not_linger() -> None:
    desk = Desk(fast_batches=0, max_batch_facts=3)
    desk.offer()
    desk.drain()
    desk.offer()
    assert desk.sender.run_once() > 0
    desk.offer(2)
    desk.drain()
    assert desk.server.sizes == [1, 3]
    desk.offer()
    desk.sender.hurry(is_hurried=True)
    desk.drain()
    assert desk.server.sizes == [1, 3, 1]


@pytest.mark.parametrize(
    "failure",
    [Answer(503), Answer(500), Answer(408), Answer(425), TransportError("refused"), Answer(200)],
)
def test_after_a_failure_everything_is_kept_and_sent_again(
    desk: Desk, failure: Answer | TransportError
) -> None:
    names = desk.offer(3)
    desk.server.script = [failure, failure]
    desk.drain()
    assert desk.sender.state == "backing_off"
    assert 0 < desk.sender.run_once() <= 1
    desk.clock.advance(1)
    desk.drain()
    desk.clock.advance(2)
    desk.drain()
    assert desk.server.stored == names
    assert desk.stats().lost == {}
    assert desk.sender.state == "idle"
    assert len(desk.server.posts) == 3


def test_retry_after_is_waited_for_even_when_somebody_is_in_a_hurry(desk: Desk) -> None:
    desk.offer()
    desk.server.script = [Answer(429, retry_after="20")]
    desk.drain()
    desk.sender.hurry(is_hurried=True)
    assert desk.sender.run_once() == pytest.approx(20)
    desk.clock.advance(20)
    desk.drain()
    assert len(desk.server.stored) == 1


def test_somebody_in_a_hurry_gets_one_attempt_despite_a_pause(desk: Desk) -> None:
    desk.offer()
    desk.server.script = [TransportError("refused")] * 3
    desk.drain()
    desk.sender.hurry(is_hurried=True)
    desk.drain()
    assert len(desk.server.posts) == 2
    assert desk.sender.run_once() > 0
    assert len(desk.server.posts) == 2


def test_a_batch_too_large_is_halved_until_it_fits(desk: Desk) -> None:
    names = desk.offer(16, name_length=200)
    desk.server.max_bytes = 1000
    desk.drain()
    assert sorted(desk.server.stored) == sorted(names)
    assert desk.stats().lost == {}


def test_a_single_record_too_large_is_counted_and_the_rest_arrives(desk: Desk) -> None:
    names = desk.offer(3) + desk.offer(1, name_length=5000) + desk.offer(3)
    desk.server.max_bytes = 1000
    desk.drain()
    assert sorted(desk.server.stored) == sorted(names[:3] + names[4:])
    assert desk.stats().lost == {"too_large": Volume(1, 3)}


@pytest.mark.parametrize("places", [{0}, {19}, {3, 4}, {0, 7, 19}, set(range(20))])
def test_records_a_server_chokes_on_are_found_and_the_rest_arrives(
    desk: Desk, places: set[int]
) -> None:
    names = desk.offer(20)
    desk.server.poison = {names[place] for place in places}
    desk.drain()
    assert set(desk.server.stored) == set(names) - desk.server.poison
    assert desk.stats().lost == {"rejected:invalid_record": Volume(len(places), 3 * len(places))}


def test_records_a_receipt_rejects_are_counted_by_code(desk: Desk) -> None:
    names = desk.offer(5)
    desk.server.rejected = {names[0]: "too_deep", names[2]: "too_deep", names[3]: "WEIRD!"}
    desk.drain()
    stats = desk.stats()
    assert stats.acknowledged == Volume(2, 6)
    assert stats.lost == {"rejected:too_deep": Volume(2, 6), "rejected:other": Volume(1, 3)}


def test_rejections_of_records_nobody_sent_leave_the_books_balanced(desk: Desk) -> None:
    desk.offer(3)
    batch_ids: list[str] = []
    original = desk.server.post

    def post(body: bytes, headers: Mapping[str, str], deadline_s: float) -> Answer:
        batch_ids.append(decode_batch(inflate(body, headers.get("Content-Encoding"))).batch_id)
        receipt = Receipt(
            batch_id=batch_ids[0], accepted=0, duplicate=0,
            rejected=[Refusal("#7", "odd", "")] * 3,
        )  # fmt: skip
        return Answer(200, msgspec.json.encode(receipt))

    desk.server.post = post  # type: ignore[method-assign]
    desk.drain()
    desk.server.post = original  # type: ignore[method-assign]
    stats = desk.stats()
    assert stats.pending == Volume()
    assert stats.total_lost.records == 3


@pytest.mark.parametrize("status", [301, 308, 401, 403, 404, 405, 410, 415])
def test_a_server_that_refuses_everything_is_asked_again_now_and_then(
    desk: Desk, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    names = desk.offer(3)
    desk.server.script = [Answer(status)] * 3
    desk.drain()
    assert desk.sender.state == "parked"
    for _ in range(2):
        assert desk.sender.run_once() == pytest.approx(desk.settings.park_probe_s)
        desk.clock.advance(desk.settings.park_probe_s)
        desk.drain()
    assert len(desk.server.posts) == 3
    desk.clock.advance(desk.settings.park_probe_s)
    desk.drain()
    assert desk.server.stored == names
    assert desk.stats().lost == {}
    assert all("cannot be delivered" in message for message in caplog.messages)


def test_three_foreign_answers_in_a_row_mean_the_wrong_address(desk: Desk) -> None:
    desk.offer()
    desk.server.script = [Answer(200, b"<html>welcome</html>")] * 3
    for _ in range(3):
        desk.drain()
        desk.clock.advance(30)
    assert desk.sender.state == "parked"
    assert desk.ledger.read().pending == Volume(1, 3)


def test_silent_mode_tries_twice_and_counts(caplog: pytest.LogCaptureFixture) -> None:
    desk = Desk("silent")
    desk.offer(4)
    desk.server.script = [TransportError("refused")] * 2
    desk.drain()
    assert desk.ledger.read().pending == Volume(4, 12)
    desk.clock.advance(1)
    desk.drain()
    assert desk.stats().lost == {"server_away": Volume(4, 12)}
    assert "dropped" in caplog.text
    names = desk.offer(2)
    desk.clock.advance(30)
    desk.drain()
    assert desk.server.stored == names


def test_silent_mode_holds_nothing_for_a_server_that_refuses_everything() -> None:
    desk = Desk("silent")
    desk.offer(4)
    desk.server.script = [Answer(401)]
    desk.drain()
    desk.offer(6)
    desk.drain()
    assert desk.stats().lost == {"parked": Volume(10, 30)}
    names = desk.offer(1)
    desk.clock.advance(desk.settings.park_probe_s)
    desk.drain()
    assert desk.server.stored == names


def test_whatever_a_transport_raises_records_are_kept(desk: Desk) -> None:
    names = desk.offer(2)
    original = desk.server.post

    def post(body: bytes, headers: Mapping[str, str], deadline_s: float) -> Answer:
        raise RuntimeError("a bug that quotes canary-7f3a")

    desk.server.post = post  # type: ignore[method-assign]
    desk.drain()
    desk.server.post = original  # type: ignore[method-assign]
    assert desk.sender.last_problem == "RuntimeError"
    desk.clock.advance(1)
    desk.drain()
    assert desk.server.stored == names


def test_what_was_let_go_meanwhile_is_not_counted_twice(desk: Desk) -> None:
    desk.offer(3)
    original = desk.server.post

    def post(body: bytes, headers: Mapping[str, str], deadline_s: float) -> Answer:
        desk.ledger.lose("closed", Volume(3, 9))
        desk.backlog.drain()
        return original(body, headers, deadline_s)

    desk.server.post = post  # type: ignore[method-assign]
    desk.drain()
    stats = desk.stats()
    assert stats.acknowledged == Volume()
    assert stats.lost == {"closed": Volume(3, 9)}


def test_no_notice_quotes_a_record_or_a_key(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    desk = Desk(api_key="key-7f3a", url="http://user:pass@127.0.0.1:1/x?q=secret")
    desk.offer(3)
    desk.server.script = [
        TransportError("refused"), Answer(500, b"canary"), Answer(200, b"canary"), Answer(401),
    ]  # fmt: skip
    for _ in range(5):
        desk.drain()
        desk.clock.advance(400)
    assert caplog.messages
    for secret in ("key-7f3a", "canary", "pass", "secret", "01929a3c"):
        assert secret not in caplog.text
    assert "key-7f3a" not in repr(desk.settings)


def test_somebody_who_comes_while_an_answer_is_awaited_gets_a_probe_too(desk: Desk) -> None:
    desk.offer()
    original = desk.server.post

    def post(body: bytes, headers: Mapping[str, str], deadline_s: float) -> Answer:
        desk.sender.hurry(is_hurried=True)
        desk.server.post = original  # type: ignore[method-assign]
        return Answer(415)

    desk.server.post = post  # type: ignore[method-assign]
    desk.drain()
    assert len(desk.server.stored) == 1
