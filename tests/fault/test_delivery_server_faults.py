import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest

from xray.delivery.delivery import Delivery
from xray.delivery.exchange.transport import HttpTransport
from xray.delivery.losses import Volume
from xray.delivery.settings import DeliverySettings
from xray.errors import XRayDeliveryError
from xray.model.facts import ACCEPTED, DecisionRow, Fact, RunStarted, StepRows, fact_id
from xray.model.ids import new_uuid7
from xray.testing import (
    Answer,
    DropConnection,
    Fault,
    FaultServer,
    Hang,
    RefuseFacts,
    RefuseLargeBodies,
    RejectFacts,
    Slow,
    Trickle,
    Truncate,
)

QUICK = {"first_backoff_s": 0.05, "request_deadline_s": 0.5, "linger_s": 0.02}


def run_fact() -> RunStarted:
    return RunStarted(run_id=new_uuid7(), pipeline="p", started_at_us=1)


def rows_fact(rows: int = 3) -> StepRows:
    return StepRows(
        run_id=new_uuid7(),
        step_id=new_uuid7(),
        chunk=1,
        rows=[DecisionRow(ACCEPTED, f"c-{place}") for place in range(rows)],
    )


def check_books(delivery: Delivery) -> None:
    stats = delivery.stats()
    assert stats.offered == stats.acknowledged + stats.pending + stats.total_lost


def poll(is_met: object, timeout_s: float = 5.0) -> bool:
    assert callable(is_met)
    deadline_s = time.monotonic() + timeout_s
    while not is_met():
        if time.monotonic() > deadline_s:
            return False
        time.sleep(0.005)
    return True


@pytest.fixture
def server() -> Iterator[FaultServer]:
    with FaultServer() as server:
        yield server


@pytest.fixture
def delivery(server: FaultServer) -> Iterator[Delivery]:
    delivery = Delivery(DeliverySettings(url=server.url, **QUICK))  # type: ignore[arg-type]
    yield delivery
    delivery.close(0)


def test_records_arrive_without_anybody_asking(server: FaultServer, delivery: Delivery) -> None:
    fact = rows_fact()
    delivery.put(fact)
    assert server.wait_for(1)
    assert server.facts == {fact_id(fact): fact}
    assert poll(lambda: delivery.stats().acknowledged == Volume(1, 3))


def test_requests_are_posted_where_and_how_the_wire_format_says(server: FaultServer) -> None:
    delivery = Delivery(DeliverySettings(url=server.url + "/", api_key="key-1"))
    delivery.put(run_fact())
    assert delivery.flush(5).is_complete
    delivery.close()
    request = server.requests[0]
    assert (request.method, request.path) == ("POST", "/v1/batches")
    assert request.headers["content-type"] == "application/msgpack"
    assert request.headers["authorization"] == "Bearer key-1"
    assert request.headers["user-agent"].startswith("xray-python")


def test_nothing_runs_before_the_first_record(server: FaultServer) -> None:
    threads = threading.active_count()
    delivery = Delivery(DeliverySettings(url=server.url))
    assert delivery.flush(1).is_complete
    assert delivery.stats().offered == Volume()
    assert threading.active_count() == threads
    delivery.close()


def test_one_connection_serves_many_requests(server: FaultServer, delivery: Delivery) -> None:
    threads = threading.active_count()
    for _ in range(10):
        delivery.put(run_fact())
        assert delivery.flush(5).is_complete
    assert len(server.requests) == 10
    # The two of delivery, and one for the one connection.
    assert threading.active_count() == threads + 3


@pytest.mark.parametrize(
    "fault",
    [
        Answer(500),
        Answer(503, headers={"Retry-After": "0"}),
        Answer(429),
        Answer(408),
        Answer(200),
        Answer(200, b"<html>Sign in to the network</html>"),
        Answer(200, b'{"batch_id":"x","accepted":4,"duplicate":0,"rejected":[]}'),
        Answer(204),
        Answer(413),
        Answer(422),
        Answer(503, b"x" * (1 << 20)),
        DropConnection(),
        DropConnection(has_stored=True),
        Truncate(),
        Hang(),
        Slow(0.2),
        Trickle(0.02),
        Trickle(0.4),
    ],
    ids=repr,
)
def test_after_any_fault_everything_arrives_once(
    server: FaultServer, delivery: Delivery, fault: Fault
) -> None:
    server.script(fault)
    facts: list[Fact] = [rows_fact() for _ in range(4)]
    for fact in facts:
        delivery.put(fact)
    result = delivery.flush(8)
    assert result.is_complete
    assert result.acknowledged == Volume(4, 12)
    assert result.lost == Volume()
    assert server.facts == {fact_id(fact): fact for fact in facts}
    check_books(delivery)


def test_a_server_that_comes_back_gets_everything(server: FaultServer, delivery: Delivery) -> None:
    server.refuse()
    facts = [rows_fact() for _ in range(50)]
    for fact in facts:
        delivery.put(fact)
    assert not delivery.flush(0.2).is_complete
    check_books(delivery)
    server.listen()
    assert delivery.flush(8).is_complete
    assert set(server.facts) == {fact_id(fact) for fact in facts}


@pytest.mark.parametrize("status", [301, 307, 401, 403, 404, 405, 410, 415])
def test_a_refusal_of_everything_parks_and_a_flush_asks_again(
    server: FaultServer, delivery: Delivery, status: int
) -> None:
    elsewhere = {"Location": server.url + "/elsewhere"}
    server.always(Answer(status, headers=elsewhere))
    delivery.put(rows_fact())
    assert poll(lambda: delivery.stats().state == "parked")
    assert len(server.requests) == 1
    assert {request.path for request in server.requests} == {"/v1/batches"}
    server.always(None)
    assert delivery.flush(5).is_complete
    assert delivery.stats().acknowledged == Volume(1, 3)


def test_what_a_server_will_not_take_is_found_and_counted(
    server: FaultServer, delivery: Delivery
) -> None:
    facts = [rows_fact() for _ in range(20)]
    bad = frozenset({fact_id(facts[3]), fact_id(facts[17])})
    server.always(RefuseFacts(bad))
    for fact in facts:
        delivery.put(fact)
    assert delivery.flush(8).is_complete
    assert delivery.stats().lost == {"rejected:invalid_record": Volume(2, 6)}
    told = {f"run:{facts[place].run_id}:patched" for place in (3, 17)}
    assert poll(lambda: told <= set(server.facts))
    assert set(server.facts) - told == {fact_id(fact) for fact in facts} - bad


def test_what_a_receipt_rejects_is_counted_by_its_code(
    server: FaultServer, delivery: Delivery
) -> None:
    facts = [rows_fact() for _ in range(5)]
    server.always(RejectFacts(frozenset({fact_id(facts[2])}), "too_deep"))
    for fact in facts:
        delivery.put(fact)
    assert delivery.flush(8).is_complete
    assert delivery.stats().lost == {"rejected:too_deep": Volume(1, 3)}
    assert delivery.stats().acknowledged == Volume(4, 12)


def test_a_record_too_large_is_lost_alone(server: FaultServer, delivery: Delivery) -> None:
    server.always(RefuseLargeBodies(3000))
    facts = [rows_fact() for _ in range(8)]
    large = rows_fact(500)
    for fact in [*facts, large]:
        delivery.put(fact)
    assert delivery.flush(8).is_complete
    assert set(server.facts) == {fact_id(fact) for fact in facts}
    assert delivery.stats().lost == {"too_large": Volume(1, 500)}


def test_a_full_queue_counts_what_it_drops(server: FaultServer) -> None:
    server.refuse()
    settings = DeliverySettings(url=server.url, max_queue_bytes=20_000, **QUICK)  # type: ignore[arg-type]
    delivery = Delivery(settings)
    for _ in range(200):
        delivery.put(rows_fact())
    stats = delivery.stats()
    assert stats.offered == Volume(200, 600)
    assert stats.held_bytes <= 20_000
    dropped = stats.lost["queue_full"]
    assert dropped.decisions == 3 * dropped.records
    server.listen()
    assert delivery.flush(8).is_complete
    assert len(server.facts) == 200 - dropped.records
    check_books(delivery)
    delivery.close()


def test_the_pipeline_never_waits_for_a_server_that_hangs(server: FaultServer) -> None:
    server.always(Hang())
    delivery = Delivery(DeliverySettings(url=server.url))
    delivery.put(run_fact())
    assert server.wait_for_requests(1)
    slowest_s = 0.0
    for _ in range(500):
        before_s = time.thread_time()
        delivery.put(run_fact())
        slowest_s = max(slowest_s, time.thread_time() - before_s)
    assert slowest_s < 0.05
    before_s = time.monotonic()
    delivery.close(0.2)
    assert time.monotonic() - before_s < 2
    assert delivery.stats().pending == Volume()
    assert delivery.stats().lost == {"closed": Volume(501, 0)}


def test_flush_is_bounded_whatever_the_server_does(server: FaultServer) -> None:
    for fault in (Hang(), Trickle(0.3)):
        server.always(fault)
        delivery = Delivery(DeliverySettings(url=server.url))
        delivery.put(run_fact())
        before_s = time.monotonic()
        assert not delivery.flush(0.3).is_complete
        assert time.monotonic() - before_s < 1.5
        delivery.close(0)


def test_flush_and_close_are_legal_in_every_state(server: FaultServer) -> None:
    delivery = Delivery(DeliverySettings(url=server.url))
    assert delivery.flush(0).is_complete
    assert delivery.close().is_complete
    assert delivery.close().is_complete
    delivery.put(rows_fact())
    assert delivery.flush(0).is_complete
    assert delivery.stats().lost == {"closed": Volume(1, 3)}
    check_books(delivery)


def test_many_threads_deliver_everything_once(server: FaultServer, delivery: Delivery) -> None:
    server.script(Answer(503), DropConnection(has_stored=True), None, Truncate())

    def record() -> None:
        for _ in range(250):
            delivery.put(run_fact())

    threads = [threading.Thread(target=record) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert delivery.flush(10).is_complete
    assert len(server.facts) == 2000
    assert delivery.stats().acknowledged == Volume(2000, 0)


def test_fail_mode_delivers_before_a_run_ends(server: FaultServer) -> None:
    delivery = Delivery(DeliverySettings(url=server.url, offline_mode="fail"))
    fact = run_fact()
    delivery.put(fact)
    delivery.settle_run(fact.run_id)
    assert len(server.facts) == 1
    delivery.close()


@pytest.mark.parametrize("fault", ["refused", Answer(503), Answer(401), Hang()], ids=repr)
def test_fail_mode_raises_with_counts(server: FaultServer, fault: Fault | str) -> None:
    settings = DeliverySettings(
        url=server.url, offline_mode="fail", fail_deadline_s=1.0, first_backoff_s=0.01
    )
    delivery = Delivery(settings)
    if isinstance(fault, str):
        server.refuse()
    else:
        server.always(fault)
    delivery.put(rows_fact())
    with pytest.raises(XRayDeliveryError, match=r"1 records \(3 decisions\) are not delivered"):
        delivery.settle_run("any")
    with pytest.raises(XRayDeliveryError):
        delivery.flush(0.5)
    check_books(delivery)
    delivery.close(0)


def test_fail_mode_raises_once_for_a_record_that_is_rejected(server: FaultServer) -> None:
    delivery = Delivery(DeliverySettings(url=server.url, offline_mode="fail"))
    fact = rows_fact()
    server.always(RejectFacts(frozenset({fact_id(fact)})))
    delivery.put(fact)
    with pytest.raises(XRayDeliveryError, match=r"1 \(3\) are lost"):
        delivery.settle_run(fact.run_id)
    delivery.put(run_fact())
    delivery.settle_run(fact.run_id)
    delivery.close()


def test_silent_mode_drops_and_counts_when_the_server_is_away(server: FaultServer) -> None:
    server.refuse()
    settings = DeliverySettings(url=server.url, offline_mode="silent", first_backoff_s=0.01)
    delivery = Delivery(settings)
    delivery.put(rows_fact())
    assert poll(lambda: delivery.stats().lost == {"server_away": Volume(1, 3)})
    delivery.settle_run("any")
    check_books(delivery)
    delivery.close()


def test_a_record_from_deliverys_own_threads_is_dropped_and_counted(server: FaultServer) -> None:
    deliveries: list[Delivery] = []

    class Recording:
        def post(self, *_: object) -> object:
            deliveries[0].put(rows_fact())
            deliveries[0].flush(5)
            raise OSError

        def close(self) -> None:
            pass

    settings = DeliverySettings(url=server.url, first_backoff_s=60)
    deliveries.append(Delivery(settings, make_transport=lambda _: Recording()))  # type: ignore[arg-type, return-value]
    deliveries[0].put(run_fact())
    assert poll(lambda: deliveries[0].stats().lost == {"reentrant": Volume(1, 3)})
    check_books(deliveries[0])
    deliveries[0].close(0)


def test_what_a_finaliser_records_in_deliverys_own_thread_is_delivered(
    server: FaultServer,
) -> None:
    deliveries: list[Delivery] = []

    class Last:
        def __del__(self) -> None:
            deliveries[0].put(rows_fact())

    class Collecting(HttpTransport):
        held: ClassVar[list[Last]] = [Last()]

        def post(self, *arguments: Any, **named: Any) -> Any:
            self.held.clear()
            return super().post(*arguments, **named)

    settings = DeliverySettings(url=server.url)
    deliveries.append(Delivery(settings, make_transport=Collecting))
    deliveries[0].put(run_fact())
    assert poll(lambda: deliveries[0].stats().acknowledged == Volume(2, 3))
    check_books(deliveries[0])
    deliveries[0].close()


def test_two_clients_never_share_a_record(server: FaultServer) -> None:
    with FaultServer() as other:
        deliveries = [Delivery(DeliverySettings(url=place.url)) for place in (server, other)]
        facts = [run_fact() for _ in range(40)]
        for place, fact in enumerate(facts):
            deliveries[place % 2].put(fact)
        for delivery in deliveries:
            assert delivery.flush(5).is_complete
            delivery.close()
        assert set(server.facts) == {fact_id(fact) for fact in facts[::2]}
        assert set(other.facts) == {fact_id(fact) for fact in facts[1::2]}


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("http://192.0.2.1:8000", "plain http"),
        ("ftp://127.0.0.1", "not http"),
        ("127.0.0.1:8000", "not http"),
        ("http://", "not http"),
        ("http://127.0.0.1:99999", "cannot be used"),
        ("", "not http"),
    ],
)
def test_an_address_that_must_not_be_used_parks_at_once(url: str, problem: str) -> None:
    delivery = Delivery(DeliverySettings(url=url, api_key="key-1"))
    delivery.put(run_fact())
    assert poll(lambda: delivery.stats().state == "parked")
    assert problem in str(delivery.stats().last_problem)
    delivery.close(0)


def test_a_key_that_cannot_stand_in_a_header_parks(server: FaultServer) -> None:
    delivery = Delivery(DeliverySettings(url=server.url, api_key="two\r\nlines: x"))
    delivery.put(run_fact())
    assert poll(lambda: delivery.stats().state == "parked")
    assert server.requests == []
    delivery.close(0)


def test_a_certificate_nobody_vouches_for_is_never_trusted(tmp_path: Path) -> None:
    import ssl

    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    made = subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj",
         "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1",
         "-keyout", str(key), "-out", str(certificate)],
        capture_output=True, check=False,
    )  # fmt: skip
    if made.returncode:
        pytest.skip("openssl cannot make a certificate here")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with FaultServer(tls=context) as server:
        strict = Delivery(DeliverySettings(url=server.url, api_key="key-1"))
        strict.put(run_fact())
        assert poll(lambda: strict.stats().state == "parked")
        assert "TLS" in str(strict.stats().last_problem)
        assert server.requests == []
        strict.close(0)
        trusting = Delivery(
            DeliverySettings(url=server.url, api_key="key-1", ca_file=str(certificate))
        )
        trusting.put(run_fact())
        assert trusting.flush(5).is_complete
        assert len(server.facts) == 1
        trusting.close()
