"""A real client, a fault proxy and a real server: what befalls them, and what must then hold."""

from __future__ import annotations

import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from random import Random

import pytest

from tests.fault.certificates import Certificate
from xray.delivery.delivery import Delivery
from xray.delivery.losses import DeliveryStats, Volume
from xray.delivery.settings import DeliverySettings
from xray.model.facts import DecisionRow, Fact, RunFinished, RunStarted, StepFinished
from xray.model.ids import new_uuid7
from xray.store.protocol import Store
from xray.testing import Answer, Late, Repeat
from xray.testing.proxy import FaultProxy
from xray.testing.wire_faults import AnswerTwice, Break, Delay, Drip, Garbage, WireFault

STEPS = 2
MAX_ROWS = 30
STARTED_US = 1_767_225_600_000_000
MET_S = 2.0
DRAINED_S = 30.0
DOMAIN = "xray.invalid"
PARKING = (301, 307, 401, 403, 404, 405, 410, 415)
RETRIED = (100, 408, 425, 429, 500, 502, 503, 504)
DIVIDING = (400, 413, 422)
FOREIGN = (
    b"",
    b"\r\n\r\n",
    b"SSH-2.0-OpenSSH_9.2\r\n",
    b"\x16\x03\x01\x02\x00" + bytes(200),
    b"HTTP/1.1 200 OK\r\n\r\n<html>Sign in to the network</html>",
    b"HTTP/1.1 200 OK\r\nContent-Length: 400\r\n\r\n{}",
    b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n{}",
    b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{}",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffff\r\n{}",
    b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\n{}",
    b"HTTP/1.1 2000 OK\r\n\r\n",
    b"HTTP/9.9 200 OK\r\n\r\n",
    b"HTTP/1.1 200 OK\r\n" + b"a" * 70_000,
    b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 200 + b"\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: 300000\r\n\r\n" + b"[" * 300_000,
    b"HTTP/1.1 100 Continue\r\n\r\n" * 50,
    b"\xff\xfe" * 5_000,
)


def name_host(seed: int) -> str:
    """The host that a scenario's client sends to."""
    return f"seed-{seed}.{DOMAIN}"


def list_kinds() -> list[str]:
    """The kinds of fault there are, by the name of what does them to a scenario."""
    return sorted(name for name in vars(Scenario) if name.startswith("_fault_"))


class Names:
    """What the name service says about hosts of the scenarios; others it says the truth about."""

    def __init__(self, truth: Callable[..., list[object]]) -> None:
        self._truth = truth
        self.answers: dict[str, Callable[[], list[str]]] = {}

    def look_up(self, host: object, *args: object, **kwargs: object) -> list[object]:
        """Stands in for `socket.getaddrinfo`."""
        answer = self.answers.get(str(host))
        if answer is None:
            return self._truth(host, *args, **kwargs)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (found, 0)) for found in answer()]


@contextmanager
def own_names() -> Iterator[Names]:
    """Let scenarios have hosts of their own."""
    with pytest.MonkeyPatch.context() as patch:
        names = Names(socket.getaddrinfo)
        patch.setattr(socket, "getaddrinfo", names.look_up)
        for name in ("http_proxy", "https_proxy", "all_proxy"):
            patch.delenv(name, raising=False)
            patch.delenv(name.upper(), raising=False)
        yield names


class Scenario:
    """One client and what befalls its connections; everything follows from *seed*.

    Args:
        seed: names it.
        server_port: where the real server is.
        folder: for its spool.
        names: the name service.
        good: what the client trusts.
        bad: certificates nobody should take.
    """

    def __init__(
        self,
        seed: int,
        server_port: int,
        folder: Path,
        names: Names,
        good: Certificate,
        bad: list[Certificate],
    ) -> None:
        self.seed = seed
        self.chance = Random(seed)
        self.trace: list[str] = []
        self.offered: dict[str, list[StepFinished]] = {}
        self.may_lose = False
        self.lost_records = 0
        self._place = folder / str(seed)
        self._server_port = server_port
        self._names = names
        self._bad = bad
        self._host = name_host(seed)
        self._may_find = threading.Event()
        self._ends = ExitStack()
        self._is_tls = self.chance.random() < 0.4
        self._messages = self._open_proxy(server_port, good if self._is_tls else None)
        self._bytes = self._open_proxy(self._messages.port) if self._is_tls else self._messages
        self._settings = DeliverySettings(
            url=f"{'https' if self._is_tls else 'http'}://{self._host}:{self._bytes.port}",
            ca_file=str(good.file),
            spool_places=(self._place,),
            spool_name="road",
            max_batch_bytes=self.chance.choice((2_000, 512 << 10)),
            segment_bytes=1 << 14,
            adoption_interval_s=0.2,
            linger_s=0.01,
            first_backoff_s=0.02,
            max_backoff_s=0.1,
            max_retry_after_s=0.1,
            park_probe_s=0.1,
            connect_timeout_s=0.3,
            request_deadline_s=0.4,
        )

    def _open_proxy(self, target: int, certificate: Certificate | None = None) -> FaultProxy:
        tls = certificate.of_server if certificate else None
        return self._ends.enter_context(FaultProxy(target, tls))

    def run(self) -> None:
        """Live through it; raises AssertionError with the seed where a promise is broken."""
        delivery = Delivery(self._settings)
        try:
            self._names.answers[self._host] = lambda: ["127.0.0.1"]
            self._record(delivery)
            # Every kind comes up within as many seeds as there are kinds.
            kinds = list_kinds()
            chosen = [kinds[self.seed % len(kinds)]]
            chosen += self.chance.choices(kinds, k=self.chance.randint(1, 4))
            for name in chosen:
                self._befall(delivery, name)
            self._recover()
            self._settle(delivery)
        except Exception as error:
            raise AssertionError(f"{self}: {error}") from error
        finally:
            self._recover()
            delivery.close(0)
            self._ends.close()

    def __str__(self) -> str:
        kinds = " ".join(name.removeprefix("_fault_") for name in self.trace)
        return f"seed {self.seed}: {kinds}"

    def _befall(self, delivery: Delivery, name: str) -> None:
        self.trace.append(name)
        before = delivery.stats()
        getattr(self, name)()
        if self.chance.random() < 0.7:
            # Otherwise the fault waits for the next connection that is opened for other reasons.
            self._bytes.cut()
        self._record(delivery)
        deadline_s = time.monotonic() + MET_S
        while time.monotonic() < deadline_s:
            now = delivery.stats()
            if now.failed_attempts > before.failed_attempts or not now.pending:
                break
            time.sleep(0.005)
        if self.chance.random() < 0.3:
            self._recover()

    def _recover(self) -> None:
        self._may_find.set()
        self._names.answers[self._host] = lambda: ["127.0.0.1"]
        self._bytes.target = self._messages.port if self._is_tls else self._server_port
        self._bytes.recover()
        self._messages.recover()

    def _settle(self, delivery: Delivery) -> None:
        """No fault holds any more: everything drains, and the books are right."""
        lost = 0
        if self.chance.random() < 0.3:
            first, delivery = delivery.close(0), Delivery(self._settings)
            lost = first.lost.records
            try:
                delivery.start()
                self._wait_for_adoption(delivery)
            finally:
                delivery.close(0)
            books = delivery.stats()
        else:
            assert delivery.flush(DRAINED_S).is_complete, delivery.stats()
            books = self._wait_for_reports(delivery)
            assert books.offered == self._volume + Volume(books.reports, 0), books
        assert books.offered == books.acknowledged + books.pending + books.total_lost, books
        assert books.pending.records <= books.reports, books
        self.lost_records = lost + books.total_lost.records
        assert self.may_lose or not self.lost_records, books

    def _wait_for_reports(self, delivery: Delivery) -> DeliveryStats:
        """What tells of losses is put on its way once the server listens."""
        deadline_s = time.monotonic() + DRAINED_S
        while (books := delivery.stats()).pending and time.monotonic() < deadline_s:
            time.sleep(0.005)
        return books

    def _wait_for_adoption(self, delivery: Delivery) -> None:
        deadline_s = time.monotonic() + DRAINED_S
        while time.monotonic() < deadline_s:
            if not delivery.stats().pending and not self._has_files():
                return
            time.sleep(0.005)
        raise AssertionError(f"not drained: {delivery.stats()}")

    def _has_files(self) -> bool:
        return any("quarantine" not in path.parts for path in self._place.rglob("*.*"))

    def _record(self, delivery: Delivery) -> None:
        for _ in range(self.chance.randint(1, 4)):
            run_id = new_uuid7()
            steps = [
                StepFinished(
                    run_id=run_id, step_id=new_uuid7(), pipeline=f"seed-{self.seed}", name="filter",
                    step_type="filter", ordinal=ordinal, started_at_us=STARTED_US,
                    rows=[
                        DecisionRow(row % 2, f"{self.chance.getrandbits(200):050x}", "why")
                        for row in range(self.chance.randint(0, MAX_ROWS))
                    ],
                )
                for ordinal in range(STEPS)
            ]  # fmt: skip
            facts: list[Fact] = [
                RunStarted(
                    run_id=run_id, pipeline=f"seed-{self.seed}", started_at_us=STARTED_US,
                    environment="here",
                ),
                *steps,
                RunFinished(run_id=run_id, status="completed"),
            ]  # fmt: skip
            for fact in facts:
                delivery.put(fact)
            self.offered[run_id] = steps

    @property
    def _volume(self) -> Volume:
        rows = sum(len(step.rows) for steps in self.offered.values() for step in steps)
        return Volume((STEPS + 2) * len(self.offered), rows)

    def compare(self, store: Store) -> None:
        """What the server has stored is what was offered, each once."""
        missing = sum(self._compare_run(store, run_id) for run_id in self.offered)
        # A record may be counted as lost though an answer that was not heard had told it is stored.
        assert missing <= self.lost_records, f"{self}: {missing} missing, {self.lost_records} told"

    def _compare_run(self, store: Store, run_id: str) -> int:
        """How many records of the run are missing; raises where one is there twice, or changed."""
        run = store.run(run_id)
        if run is None:
            return STEPS + 2
        steps = {step.step_id: step for step in store.steps_of_run(run_id)}
        offered = {step.step_id: step for step in self.offered[run_id]}
        assert steps.keys() <= offered.keys(), self
        for step_id, step in steps.items():
            rows = offered[step_id].rows
            kept = store.decisions_of_step(step_id).candidate_ids
            assert Counter(kept) == Counter(row.candidate_id for row in rows), self
            counts = step.counts.rejected + step.counts.accepted
            assert counts == len(rows), f"{self}: {counts} counted of {len(rows)}"
        return STEPS - len(steps) + (run.environment is None) + (run.status != "completed")

    # What befalls it.

    def _meet(self, proxy: FaultProxy, fault: WireFault) -> None:
        if self.chance.random() < 0.5:
            proxy.script(fault)
        else:
            proxy.always(fault)

    def _break(self, side: str, way: str) -> None:
        places = (0, 1, self.chance.randint(2, 300), self.chance.randint(300, 8_000))
        self._meet(self._bytes, Break(side, self.chance.choice(places), way))  # type: ignore[arg-type]

    def _fault_refused_connection(self) -> None:
        self._bytes.refuse()

    def _fault_connection_never_opened(self) -> None:
        self._bytes.ignore()

    def _fault_slow_connection(self) -> None:
        self._meet(self._bytes, Delay("connection", self.chance.choice((0.05, 1.0))))

    def _fault_request_reset(self) -> None:
        self._break("request", "reset")

    def _fault_request_closed(self) -> None:
        self._break("request", "close")

    def _fault_request_half_closed(self) -> None:
        self._break("request", "half_close")

    def _fault_request_hangs(self) -> None:
        self._break("request", "hang")

    def _fault_request_drips(self) -> None:
        self._meet(self._bytes, Drip("request", 0.01, self.chance.choice((1, 50, 2_000))))

    def _fault_request_late(self) -> None:
        self._meet(self._bytes, Delay("request", self.chance.choice((0.05, 1.0))))

    def _fault_answer_reset(self) -> None:
        self._break("answer", "reset")

    def _fault_answer_closed(self) -> None:
        self._break("answer", "close")

    def _fault_answer_half_closed(self) -> None:
        self._break("answer", "half_close")

    def _fault_answer_hangs(self) -> None:
        self._break("answer", "hang")

    def _fault_answer_drips(self) -> None:
        self._meet(self._bytes, Drip("answer", 0.01, self.chance.choice((1, 10, 100))))

    def _fault_answer_late(self) -> None:
        self._meet(self._bytes, Delay("answer", self.chance.choice((0.05, 0.6))))

    def _fault_answer_twice(self) -> None:
        self._meet(self._messages, AnswerTwice())

    def _fault_repeated_request(self) -> None:
        self._meet(self._messages, Repeat())

    def _fault_reordered_request(self) -> None:
        self._meet(self._messages, Late(self.chance.choice((0.05, 0.5))))

    def _fault_garbage(self) -> None:
        self._meet(self._messages, Garbage(self.chance.choice(FOREIGN)))

    def _fault_garbage_after_storing(self) -> None:
        self._meet(self._messages, Garbage(self.chance.choice(FOREIGN), is_forwarded=True))

    def _fault_retried_status(self) -> None:
        headers = self.chance.choice(({}, {"Retry-After": "7"}, {"Retry-After": "nonsense"}))
        self._meet(self._messages, Answer(self.chance.choice(RETRIED), b"", headers))

    def _fault_parking_status(self) -> None:
        self._meet(self._messages, Answer(self.chance.choice(PARKING)))

    def _fault_dividing_status(self) -> None:
        answers = [Answer(self.chance.choice(DIVIDING))] * self.chance.randint(1, 4)
        self._messages.script(*answers)
        self._messages.cut()
        self.may_lose = True

    def _fault_unknown_name(self) -> None:
        def find() -> list[str]:
            raise socket.gaierror(socket.EAI_NONAME, "not known")

        self._names.answers[self._host] = find

    def _fault_hanging_name(self) -> None:
        self._may_find.clear()

        def find() -> list[str]:
            self._may_find.wait(DRAINED_S)
            return ["127.0.0.1"]

        self._names.answers[self._host] = find

    def _fault_moved_name(self) -> None:
        """Nothing listens at the first address, and perhaps there is no other."""
        elsewhere = self.chance.choice((["127.0.0.2"], ["127.0.0.2", "127.0.0.1"]))
        self._names.answers[self._host] = lambda: elsewhere

    def _fault_bad_certificate(self) -> None:
        if self._is_tls:
            shown = self._open_proxy(self._server_port, self.chance.choice(self._bad))
            self._bytes.target = shown.port

    def _fault_wrong_protocol(self) -> None:
        """Whoever speaks https meets http, and the other way round."""
        if self._is_tls:
            self._bytes.target = self._server_port
        else:
            self._bytes.target = self._open_proxy(self._server_port, self._bad[0]).port
