"""An exchange that hangs where no deadline reaches it holds up neither delivery nor the end."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from xray.testing import FaultServer

# What a name service, or anything else in C, does that never answers: each of the first calls
# hangs until it is let go, or for ever.
PROGRAM = """
import socket, sys, threading, time
from pathlib import Path
from xray.delivery.delivery import Delivery
from xray.delivery.settings import DeliverySettings
from xray.model.facts import RunStarted
from xray.model.ids import new_uuid7

url, place, hanging, ending = sys.argv[1:]
hung = []
let_go = threading.Event()
look_up = socket.getaddrinfo

def hang(*args, **named):
    if len(hung) < int(hanging):
        hung.append(threading.current_thread())
        let_go.wait()
    return look_up(*args, **named)

socket.getaddrinfo = hang
delivery = Delivery(DeliverySettings(
    url=url, spool_places=(Path(place),), request_deadline_s=0.1, first_backoff_s=0.01,
    max_backoff_s=0.05,
))

def record(count):
    for _ in range(count):
        delivery.put(RunStarted(run_id=new_uuid7(), pipeline="p", started_at_us=1))

def wait_until(is_met):
    deadline_s = time.monotonic() + 60
    while not is_met() and time.monotonic() < deadline_s:
        time.sleep(0.01)
    assert is_met(), delivery.stats()

def count_threads():
    return sum(thread.name == "xray-sender" for thread in threading.enumerate())

record(20)
if ending == "delivered":
    wait_until(lambda: not delivery.stats().pending)
    let_go.set()
    for thread in hung:
        thread.join(60)
    record(5)
    assert delivery.flush(60).is_complete
    assert count_threads() == 1
else:
    wait_until(lambda: len(hung) == 4)
    assert not delivery.flush(0.2).is_complete
    assert count_threads() <= 9
books = delivery.stats()
assert books.offered == books.acknowledged + books.pending + books.total_lost, books
print(books.offered.records, books.acknowledged.records, books.total_lost.records)
"""
BOUND_S = 60


@pytest.fixture
def server() -> Iterator[FaultServer]:
    with FaultServer() as server:
        yield server


def run(server: FaultServer, place: Path, hanging: int, ending: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, server.url, str(place), str(hanging), ending],
        capture_output=True, text=True, timeout=BOUND_S, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize("hanging", [1, 3])
def test_a_sender_whose_look_up_hangs_is_replaced_and_comes_back_in_vain(
    server: FaultServer, tmp_path: Path, hanging: int
) -> None:
    assert run(server, tmp_path, hanging, "delivered") == "25 25 0"
    assert len(server.facts) == 25


def test_a_process_ends_whose_senders_all_hang(server: FaultServer, tmp_path: Path) -> None:
    assert run(server, tmp_path, 1_000, "never") == "20 0 0"
    assert not server.facts
    assert list(tmp_path.rglob("*.seg"))
