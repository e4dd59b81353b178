"""What a hostile or broken client sends: bombs, floods and bodies that never end."""

from __future__ import annotations

import gzip
import http.client
import socket
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import msgspec
import zstandard

from xray.model.facts import ACCEPTED, DecisionRow, StepFinished
from xray.model.ids import new_uuid7
from xray.wire.codec import encode_fact, frame_batch

JSON_TYPE = {"Content-Type": "application/json"}
PACK_TYPE = {"Content-Type": "application/msgpack"}
NO_ANSWER = 0
MIB = 1 << 20


@dataclass(frozen=True)
class Attack:
    """One request of a hostile client.

    Args:
        name: what it is.
        body: what is sent.
        headers: with which headers.
    """

    name: str
    body: bytes
    headers: dict[str, str]


def make_attacks() -> list[Attack]:
    """Bodies that are small and want to be large, deep or many."""
    zeros = bytes(256 * MIB)
    gzipped = {**PACK_TYPE, "Content-Encoding": "gzip"}
    zstd = {**PACK_TYPE, "Content-Encoding": "zstd"}
    once = gzip.compress(zeros, 9)
    heavy = make_large_batch()
    return [
        Attack("gzip bomb", once, gzipped),
        Attack("gzip within gzip", gzip.compress(once, 9), gzipped),
        Attack("two encodings", once, {**PACK_TYPE, "Content-Encoding": "gzip, gzip"}),
        Attack("zstd bomb", zstandard.ZstdCompressor().compress(zeros), zstd),
        Attack("many values", b"[" + b"{}," * (3 * MIB) + b"{}]", JSON_TYPE),
        Attack("deep nesting", b"[" * (5 * MIB), JSON_TYPE),
        Attack("deep msgpack", b"\x91" * (5 * MIB), PACK_TYPE),
        Attack("no msgpack", b"\xc1" * (9 * MIB), PACK_TYPE),
        Attack("large batch", heavy, PACK_TYPE),
        Attack("large batch in zstd", zstandard.ZstdCompressor().compress(heavy), zstd),
        Attack("just below the limit", gzip.compress(bytes(49 * MIB), 1), gzipped),
        Attack("too long", bytes(12 * MIB), PACK_TYPE),
    ]


def make_large_batch() -> bytes:
    """A good batch, as large as one may be."""
    facts = [
        StepFinished(
            run_id=new_uuid7(), step_id=new_uuid7(), pipeline="p", name="n", step_type="filter",
            ordinal=0, started_at_us=1,
            rows=[DecisionRow(ACCEPTED, f"candidate-{place}", score=0.5) for place in range(500)],
        )
        for _ in range(100)
    ]  # fmt: skip
    return frame_batch(new_uuid7(), "attack", [encode_fact(fact) for fact in facts])


@dataclass
class Siege:
    """Many clients at once, until it is lifted.

    Args:
        url: the server.
        seconds: limit of one exchange.
    """

    url: str
    seconds: float = 60.0
    answers: Counter[tuple[str, int]] = field(default_factory=Counter)
    _threads: list[threading.Thread] = field(default_factory=list)
    _sockets: list[socket.socket] = field(default_factory=list)
    _is_lifted: threading.Event = field(default_factory=threading.Event)

    def open_slow(self, count: int) -> None:
        """Connections that promise a body and send a byte of it now and then."""
        parts = urlsplit(self.url)
        assert parts.hostname is not None
        head = (
            f"POST /v1/batches HTTP/1.1\r\nHost: {parts.netloc}\r\n"
            "Content-Type: application/msgpack\r\nContent-Length: 9000000\r\n\r\n"
        )
        for _ in range(count):
            client = socket.create_connection((parts.hostname, parts.port or 80), self.seconds)
            client.sendall(head.encode() + bytes(100_000))
            self._sockets.append(client)

    def attack(self, attacks: list[Attack], clients: int, rounds: int) -> None:
        """Let *clients* send each of *attacks* *rounds* times, all at once."""
        self._start(lambda place: self._send_all(attacks, place, rounds), clients)

    def _start(self, work: Callable[[int], None], clients: int) -> None:
        for place in range(clients):
            thread = threading.Thread(target=work, args=(place,), daemon=True)
            thread.start()
            self._threads.append(thread)

    def _send_all(self, attacks: list[Attack], place: int, rounds: int) -> None:
        for turn in range(rounds * len(attacks)):
            if self._is_lifted.is_set():
                return
            attack = attacks[(place + turn) % len(attacks)]
            self.answers[attack.name, self._send(attack)] += 1

    def _send(self, attack: Attack) -> int:
        parts = urlsplit(self.url)
        client = http.client.HTTPConnection(parts.netloc, timeout=self.seconds)
        try:
            client.request("POST", "/v1/batches", attack.body, attack.headers)
            answer = client.getresponse()
            answer.read()
        except (OSError, http.client.HTTPException):
            return NO_ANSWER
        else:
            return answer.status
        finally:
            client.close()

    @property
    def is_over(self) -> bool:
        """Whether every client is done."""
        return not any(thread.is_alive() for thread in self._threads)

    def lift(self) -> None:
        """Let no client begin another request, and wait for those under way."""
        self._is_lifted.set()
        for thread in self._threads:
            thread.join(self.seconds)
        for client in self._sockets:
            client.close()


def ask_health(url: str, seconds: float = 60.0) -> int:
    """The status of `/health`, on a connection of its own."""
    client = http.client.HTTPConnection(urlsplit(url).netloc, timeout=seconds)
    try:
        client.request("GET", "/health")
        answer = client.getresponse()
        body = answer.read()
    finally:
        client.close()
    assert msgspec.json.decode(body) == {"status": "ok"}
    return answer.status


def peak_memory_bytes(pid: int) -> int:
    """The most memory the process *pid* ever had, as Linux counts it."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    raise AssertionError("Linux does not say")
