"""What a hostile or broken client sends: bombs, floods and bodies that never end."""

from __future__ import annotations

import gzip
import http.client
import multiprocessing
import socket
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
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
EXCHANGE_S = 120.0
SIEGE_DEADLINE_S = 900.0


@dataclass(frozen=True)
class Attack:
    """One request of a hostile client.

    Args:
        name: what it is.
        body: what is sent.
        headers: with which headers.
        path: where to.
    """

    name: str
    body: bytes
    headers: dict[str, str]
    path: str = "/v1/batches"


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
        Attack("large run", make_large_run(), JSON_TYPE, "/v1/runs"),
        Attack("many values in a run", b"[" + b"{}," * (3 * MIB) + b"{}]", JSON_TYPE, "/v1/runs"),
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


def make_large_run() -> bytes:
    """A good run by REST, with as many candidates as the large batch."""
    candidates = [{"id": f"candidate-{place}", "decision": "accepted"} for place in range(500)]
    step = {"name": "n", "step_type": "filter", "candidates": candidates}
    return msgspec.json.encode({"pipeline": "p", "steps": [step] * 100})


@dataclass
class Siege:
    """Many clients at once, in a process of their own: what they cost is not what is measured.

    Args:
        url: the server.
        clients: how many send every attack once, all at the same time.
        slow_clients: how many hold a connection open and promise a body that does not come.
    """

    url: str
    clients: int
    slow_clients: int = 0

    def __post_init__(self) -> None:
        self._pool = ProcessPoolExecutor(1, multiprocessing.get_context("spawn"))
        self._besieged = self._pool.submit(besiege, self.url, self.clients, self.slow_clients)

    @property
    def is_over(self) -> bool:
        """Whether every client is done."""
        return self._besieged.done()

    def wait(self) -> Counter[tuple[str, int]]:
        """How often each attack was answered with each status, once all were."""
        with self._pool:
            return self._besieged.result(timeout=SIEGE_DEADLINE_S)


def besiege(url: str, clients: int, slow_clients: int) -> Counter[tuple[str, int]]:
    """Let *clients* send every attack once, each beginning with another one."""
    attacks = make_attacks()
    with ExitStack() as stack:
        for _ in range(slow_clients):
            stack.enter_context(open_slow(url))
        with ThreadPoolExecutor(clients) as pool:
            rounds = pool.map(lambda place: send_all(url, attacks, place), range(clients))
            return sum(rounds, Counter())


def open_slow(url: str) -> socket.socket:
    """A connection that promises a body and sends the beginning of it."""
    parts = urlsplit(url)
    assert parts.hostname is not None
    head = (
        f"POST /v1/batches HTTP/1.1\r\nHost: {parts.netloc}\r\n"
        "Content-Type: application/msgpack\r\nContent-Length: 9000000\r\n\r\n"
    )
    client = socket.create_connection((parts.hostname, parts.port or 80), EXCHANGE_S)
    client.sendall(head.encode() + bytes(100_000))
    return client


def send_all(url: str, attacks: list[Attack], first: int) -> Counter[tuple[str, int]]:
    """The answers to each of *attacks*, sent in turn from the one at *first* on."""
    answers: Counter[tuple[str, int]] = Counter()
    for turn in range(len(attacks)):
        attack = attacks[(first + turn) % len(attacks)]
        answers[attack.name, send(url, attack)] += 1
    return answers


def send(url: str, attack: Attack) -> int:
    """The status *attack* is answered with; `NO_ANSWER` where the connection ends without one."""
    client = http.client.HTTPConnection(urlsplit(url).netloc, timeout=EXCHANGE_S)
    try:
        client.request("POST", attack.path, attack.body, attack.headers)
        answer = client.getresponse()
        answer.read()
    except (OSError, http.client.HTTPException):
        return NO_ANSWER
    else:
        return answer.status
    finally:
        client.close()


def ask_health(url: str) -> int:
    """The status of `/health`, on a connection of its own."""
    client = http.client.HTTPConnection(urlsplit(url).netloc, timeout=EXCHANGE_S)
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


def cpu_seconds(pid: int) -> float:
    """How long the process *pid* has computed, all its threads together."""
    # What clock_getcpuclockid(3) returns, which Python does not offer for other processes.
    return time.clock_gettime(~pid << 3 | 2)
