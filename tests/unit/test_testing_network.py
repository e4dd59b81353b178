"""The fake network and the server behind it do to a client what real ones do."""

import msgspec
import pytest

from xray.delivery.exchange.transport import Answer as Reply
from xray.delivery.exchange.transport import TransportError
from xray.model.facts import Receipt, RunStarted, fact_id
from xray.model.ids import new_uuid7
from xray.testing import (
    Answer,
    BadCertificate,
    CutRequest,
    DropConnection,
    FakeClock,
    FakeDisk,
    FakeNetwork,
    Hang,
    Late,
    MemoryServer,
    NetworkFault,
    Refuse,
    Repeat,
    Slow,
    Trickle,
    Truncate,
    Unresolved,
)
from xray.wire.codec import MSGPACK, encode_fact, frame_batch

HEADERS = {"Content-Type": MSGPACK}


class Wire:
    """A client, a network and a server."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.server = MemoryServer(self.clock)
        self.network = FakeNetwork(self.clock, self.server.answer)
        self.transport = self.network.transport()
        self.run = RunStarted(run_id=new_uuid7(), pipeline="p", started_at_us=1)
        self.batch_id = new_uuid7()
        self.body = frame_batch(self.batch_id, "test/1", [encode_fact(self.run)])

    def post(self, deadline_s: float = 30.0) -> Reply:
        return self.transport.post(self.body, HEADERS, deadline_s)

    @property
    def is_stored(self) -> bool:
        return self.server.store.run(self.run.run_id) is not None


@pytest.fixture
def wire() -> Wire:
    return Wire()


def test_a_good_network_brings_a_receipt(wire: Wire) -> None:
    receipt = msgspec.json.decode(wire.post().body, type=Receipt)
    assert (receipt.batch_id, receipt.accepted, receipt.duplicate) == (wire.batch_id, 1, 0)
    assert wire.is_stored


@pytest.mark.parametrize(
    ("fault", "stores"),
    [
        (Refuse(), False),
        (Unresolved(), False),
        (BadCertificate(), False),
        (CutRequest(0.5), False),
        (DropConnection(), False),
        (DropConnection(has_stored=True), True),
        (Hang(60), False),
        (Slow(60), True),
        (Trickle(1), True),
        (Late(5), False),
    ],
    ids=repr,
)
def test_a_fault_without_an_answer_raises_and_stores_what_it_says(
    wire: Wire, fault: NetworkFault, stores: bool
) -> None:
    wire.network.script(fault)
    with pytest.raises(TransportError) as caught:
        wire.post()
    assert caught.value.is_lasting is isinstance(fault, BadCertificate)
    assert wire.is_stored is stores
    wire.post()
    assert wire.is_stored


def test_what_takes_time_moves_the_clock_and_never_beyond_the_deadline(wire: Wire) -> None:
    wire.network.script(Slow(2), Hang(500))
    wire.post()
    assert wire.clock.monotonic_s() == 2
    with pytest.raises(TransportError):
        wire.post(deadline_s=30)
    assert wire.clock.monotonic_s() == 32


def test_a_request_that_is_late_arrives_after_those_sent_since(wire: Wire) -> None:
    wire.network.script(Late(10))
    with pytest.raises(TransportError):
        wire.post()
    wire.clock.advance(11)
    other = RunStarted(run_id=new_uuid7(), pipeline="p", started_at_us=1)
    wire.transport.post(frame_batch("b", "test/1", [encode_fact(other)]), HEADERS, 30)
    assert wire.is_stored
    assert wire.server.accepted == 2


def test_a_repeated_request_is_stored_once(wire: Wire) -> None:
    wire.network.script(Repeat())
    receipt = msgspec.json.decode(wire.post().body, type=Receipt)
    assert (receipt.accepted, receipt.duplicate) == (0, 1)
    assert wire.server.accepted == 1


def test_a_fault_holds_until_the_network_recovers(wire: Wire) -> None:
    wire.network.always(Answer(503, headers={"Retry-After": "7"}))
    assert [wire.post().status, wire.post().retry_after] == [503, "7"]
    wire.network.recover()
    assert wire.post().status == 200


def test_a_truncated_answer_comes_with_half_its_body(wire: Wire) -> None:
    wire.network.script(Truncate())
    half = wire.post().body
    assert half
    with pytest.raises(msgspec.DecodeError):
        msgspec.json.decode(half, type=Receipt)
    assert wire.is_stored


def test_a_server_refuses_what_it_is_told_to(wire: Wire) -> None:
    name = fact_id(wire.run)
    wire.server.max_bytes = 10
    assert wire.post().status == 413
    wire.server.max_bytes = 1 << 20
    wire.server.refused.add(name)
    assert wire.post().status == 422
    wire.server.refused.clear()
    wire.server.rejected[name] = "too_deep"
    receipt = msgspec.json.decode(wire.post().body, type=Receipt)
    assert [(refusal.id, refusal.code) for refusal in receipt.rejected] == [(name, "too_deep")]
    assert not wire.is_stored


def test_a_lock_is_free_when_parent_and_child_have_closed_it() -> None:
    disk = FakeDisk()
    parent, other = disk.process(), disk.process()
    disk.nodes[next(iter(disk.nodes))].uid = 1000
    path = next(iter(disk.nodes)) / "owner.lock"
    assert parent.lock(path) is not None
    child = parent.fork()
    parent.kill()
    assert other.lock(path) is None
    for handle in child.handles:
        child.close(handle)
    assert other.lock(path) is not None
