"""Programs that write to a real spool, or empty one, until somebody kills them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Final

# Importing happens once; each process that is killed is a fork. A line from the test begins one,
# and a line tells what it had achieved when it died.
PROGRAM: Final = """
import itertools, os, sys, time
from pathlib import Path
from xray.delivery.losses import Ledger
from xray.delivery.queue import Parcel
from xray.delivery.settings import DeliverySettings
from xray.delivery.spool.spool import Spool
from xray.model.facts import RunPatched
from xray.wire.codec import encode_fact, name_encoded

place, prefix = Path(sys.argv[1]), sys.argv[2]
settings = DeliverySettings(spool_places=(place,), segment_bytes=1 << 13, adoption_interval_s=0)

def write_until_killed(generation):
    spool = Spool(settings, Ledger())
    numbers = itertools.count(1)
    while True:
        batch = []
        for number in itertools.islice(numbers, 1 + generation % 9):
            run_id = f"{prefix}-{generation:012x}"
            fact = RunPatched(run_id=run_id, tags=[str(number)])
            batch.append(Parcel(number, encode_fact(fact), 0))
        spool.append(batch)
        # Said only once append has returned: this many must survive whatever comes.
        os.write(1, b"%d " % batch[-1].number)

def empty_until_killed():
    spool = Spool(settings, Ledger())
    while True:
        spool.tend()
        taken = spool.take(4_000, 50)
        # What is said here is what a server has stored before it is let go of.
        for parcel in taken:
            os.write(1, parcel.encoded.hex().encode() + b" ")
        spool.settle(taken)

for line in sys.stdin:
    role, generation = line.split()
    told, said = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.dup2(said, 1)
        if role == "write":
            write_until_killed(int(generation))
        empty_until_killed()
    os.close(said)
    # The pipe must be read meanwhile, or the child would wait for it instead of working.
    os.set_blocking(told, False)
    heard = b""
    until_s = time.monotonic() + (int(generation) * 7919 % 97) / 97 * 0.04
    is_killed = False
    while True:
        if not is_killed and time.monotonic() >= until_s:
            os.kill(pid, 9)
            os.waitpid(pid, 0)
            is_killed = True
        try:
            piece = os.read(told, 1 << 20)
        except BlockingIOError:
            time.sleep(0.0005)
            continue
        heard += piece
        if is_killed and not piece:
            break
    os.close(told)
    whole = heard[: heard.rfind(b" ") + 1].split()
    if role == "write":
        whole = whole[-1:]
    print(role, generation, *(word.decode() for word in whole), flush=True)
"""


class Victims:
    """Begins writers and emptiers of one spool, and kills each within milliseconds."""

    def __init__(self, place: Path, prefix: str) -> None:
        self.prefix = prefix
        self._process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, str(place), prefix],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def begin(self, role: str, generation: int) -> None:
        """Begin a `write` or an `empty` process; when it dies follows from *generation*."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{role} {generation}\n")
        self._process.stdin.flush()

    def result(self) -> list[str]:
        """What the process that died said: how far it had written, or what it had emptied."""
        assert self._process.stdout is not None
        return self._process.stdout.readline().split()[2:]

    def run_id(self, generation: int) -> str:
        """The run whose records that generation wrote."""
        return f"{self.prefix}-{generation:012x}"

    def close(self) -> None:
        """End."""
        self._process.communicate()
