"""A real HTTP server that stores what it is sent in memory and misbehaves when told to."""

from __future__ import annotations

import socket
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ssl import SSLContext
from typing import Final

import msgspec

from xray.errors import InvalidRecordError, LimitExceededError
from xray.model.facts import Fact, Receipt, Refusal, fact_id
from xray.testing.faults import (
    Answer,
    DropConnection,
    Fault,
    Hang,
    RefuseFacts,
    RefuseLargeBodies,
    RejectFacts,
    Slow,
    Trickle,
    Truncate,
)
from xray.wire.codec import DecodedBatch, decode_batch
from xray.wire.limits import inflate

_POLL_S: Final = 0.01
_LOOPBACK: Final = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class SeenRequest:
    """One request that arrived.

    Args:
        method: the HTTP method.
        path: the path.
        headers: the headers, by lower-case name.
        body: the body, decompressed; empty where it could not be.
        batch: what it held; None where it was none.
    """

    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    batch: DecodedBatch | None


class FaultServer:
    """A server on 127.0.0.1 that stores what it is sent, and misbehaves as told.

        with FaultServer() as server:
            server.script(Answer(503), DropConnection(has_stored=True))
            ...                                  # send to server.url
            assert server.wait_for(200)
            assert len(server.facts) == 200

    Every fact is stored once, however often it arrives. Faults of `script` are used up one a
    request; `always` holds until it is changed.

    Args:
        port: where to listen; a free port when 0.
        tls: speak https with this certificate.
    """

    def __init__(self, port: int = 0, tls: SSLContext | None = None) -> None:
        self._lock = threading.RLock()
        self._facts: dict[str, Fact] = {}
        self._arrivals = 0
        self._requests: list[SeenRequest] = []
        self._script: deque[Fault | None] = deque()
        self._always: Fault | None = None
        self._closing = threading.Event()
        self._http: _Listener | None = None
        self.port = port
        self._tls = tls
        self.listen()

    def __enter__(self) -> FaultServer:
        """The server itself, listening."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close it."""
        self.close()

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"{'https' if self._tls else 'http'}://{_LOOPBACK}:{self.port}"

    @property
    def facts(self) -> dict[str, Fact]:
        """Every fact that was stored, by id, in the order they came."""
        with self._lock:
            return dict(self._facts)

    @property
    def arrivals(self) -> int:
        """How many facts were taken, duplicates counted."""
        with self._lock:
            return self._arrivals

    @property
    def requests(self) -> list[SeenRequest]:
        """Every request that arrived whole, in order."""
        with self._lock:
            return list(self._requests)

    def script(self, *faults: Fault | None) -> None:
        """Do these with the next requests, one each; None behaves well."""
        with self._lock:
            self._script.extend(faults)

    def always(self, fault: Fault | None) -> None:
        """Do *fault* with every request the script says nothing about; None behaves well."""
        with self._lock:
            self._always = fault

    def wait_for(self, facts: int, timeout_s: float = 10.0) -> bool:
        """Wait until at least so many *facts* are stored; whether they are."""
        return self._poll(lambda: len(self._facts) >= facts, timeout_s)

    def wait_for_requests(self, requests: int, timeout_s: float = 10.0) -> bool:
        """Wait until at least so many *requests* arrived; whether they did."""
        return self._poll(lambda: len(self._requests) >= requests, timeout_s)

    def refuse(self) -> None:
        """Stop listening: connections are refused until `listen`."""
        http, self._http = self._http, None
        if http is not None:
            http.stop()

    def listen(self) -> None:
        """Listen, on the same port as before."""
        if self._http is None:
            self._http = _Listener(self, self.port, self._tls)
            self.port = self._http.server_address[1]

    def close(self) -> None:
        """Stop, and end every request that hangs."""
        self._closing.set()
        self.refuse()

    def _poll(self, is_met: Callable[[], bool], timeout_s: float) -> bool:
        deadline_s = time.monotonic() + timeout_s
        while not is_met():
            if time.monotonic() > deadline_s:
                return False
            time.sleep(_POLL_S)
        return True

    def pause(self, seconds: float) -> None:
        """Wait, unless the server is closed meanwhile."""
        self._closing.wait(seconds)

    def note(self, request: SeenRequest) -> Fault | None:
        """Keep *request*; returns what to do with it."""
        with self._lock:
            self._requests.append(request)
            return self._script.popleft() if self._script else self._always

    def store(self, batch: DecodedBatch, rejected: RejectFacts | None = None) -> Receipt:
        """Store the facts of *batch*, each once."""
        refusals = list(batch.refused)
        accepted = duplicate = 0
        with self._lock:
            for fact in batch.facts:
                name = fact_id(fact)
                if rejected is not None and name in rejected.fact_ids:
                    refusals.append(Refusal(name, rejected.code, "Rejected on purpose."))
                    continue
                self._arrivals += 1
                if name in self._facts:
                    duplicate += 1
                else:
                    self._facts[name] = fact
                    accepted += 1
        return Receipt(
            batch_id=batch.batch_id, accepted=accepted, duplicate=duplicate, rejected=refusals
        )


class _Listener(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, owner: FaultServer, port: int, tls: SSLContext | None) -> None:
        self.owner = owner
        self._open: set[socket.socket] = set()
        super().__init__((_LOOPBACK, port), _Handler)
        if tls is not None:
            self.socket = tls.wrap_socket(
                self.socket, server_side=True, do_handshake_on_connect=False
            )
        self._thread = threading.Thread(
            target=self.serve_forever, kwargs={"poll_interval": _POLL_S}, daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        self.shutdown()
        self.server_close()
        for connection in list(self._open):
            _cut(connection)
        self._thread.join()

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that goes away is what this server is for."""

    def finish_request(self, request: object, client_address: object) -> None:
        assert isinstance(request, socket.socket)
        self._open.add(request)
        try:
            super().finish_request(request, client_address)
        finally:
            self._open.discard(request)


def _cut(connection: socket.socket) -> None:
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Listener

    def do_POST(self) -> None:
        owner = self.server.owner
        raw = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        request, answer = self._read(raw)
        fault = owner.note(request)
        if isinstance(fault, Slow):
            owner.pause(fault.seconds)
        if isinstance(fault, (Hang, DropConnection)):
            self._go_silent(fault, request.batch)
        elif isinstance(fault, Answer):
            self._say(fault)
        elif answer is not None:
            self._say(answer)
        elif request.batch is not None:
            self._take(request, request.batch, fault)

    def do_GET(self) -> None:
        self.do_POST()

    def _read(self, raw: bytes) -> tuple[SeenRequest, Answer | None]:
        """The request, and the error it is answered with, if any."""
        headers = {name.lower(): value for name, value in self.headers.items()}
        body, batch, answer = b"", None, None
        if self.command != "POST" or not self.path.endswith("/v1/batches"):
            answer = Answer(404, _problem("not_found"))
        else:
            try:
                body = inflate(raw, headers.get("content-encoding"))
                batch = decode_batch(body, headers.get("content-type", "").partition(";")[0])
            except LimitExceededError as error:
                answer = Answer(413, _problem(error.code))
            except InvalidRecordError as error:
                answer = Answer(400, _problem(error.code))
        return SeenRequest(self.command, self.path, headers, body, batch), answer

    def _take(self, request: SeenRequest, batch: DecodedBatch, fault: Fault | None) -> None:
        if isinstance(fault, RefuseLargeBodies) and len(request.body) > fault.max_bytes:
            self._say(Answer(413, _problem(LimitExceededError.default_code)))
            return
        if isinstance(fault, RefuseFacts) and _names(batch) & fault.fact_ids:
            self._say(Answer(422, _problem(InvalidRecordError.default_code)))
            return
        rejected = fault if isinstance(fault, RejectFacts) else None
        receipt = msgspec.json.encode(self.server.owner.store(batch, rejected))
        if isinstance(fault, Trickle):
            self._trickle(receipt, fault.seconds)
        elif isinstance(fault, Truncate):
            self._say(Answer(200, receipt), shown=len(receipt) // 2)
        else:
            self._say(Answer(200, receipt))

    def _go_silent(self, fault: Hang | DropConnection, batch: DecodedBatch | None) -> None:
        if isinstance(fault, Hang):
            self.server.owner.pause(fault.seconds)
        elif fault.has_stored and batch is not None:
            self.server.owner.store(batch)
        self.close_connection = True
        _cut(self.connection)

    def _trickle(self, receipt: bytes, pause_s: float) -> None:
        head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(receipt)}\r\n\r\n".encode()
        for byte in head + receipt:
            self.server.owner.pause(pause_s)
            self.wfile.write(bytes([byte]))
        self.close_connection = True

    def _say(self, answer: Answer, shown: int | None = None) -> None:
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        self.wfile.write(answer.body[:shown])
        if shown is not None:
            self.close_connection = True

    def log_message(self, *_: object) -> None:
        """A test's output is not the place for a server's log."""


def _names(batch: DecodedBatch) -> set[str]:
    return {fact_id(fact) for fact in batch.facts}


def _problem(code: str) -> bytes:
    return msgspec.json.encode({"code": code, "title": code})
