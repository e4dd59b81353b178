"""kill -9 of processes that share a spool: what was appended is there, and there once."""

from __future__ import annotations

from collections import Counter, defaultdict
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from tests.fault.spool_programs import Victims
from xray.delivery.losses import Ledger
from xray.delivery.settings import DeliverySettings
from xray.delivery.spool.spool import Spool
from xray.model.facts import RunPatched
from xray.wire.codec import decode_fact

QUICK_KILLS = 100
PROVEN_KILLS = 20_000
PROCESSES = 4
# One in so many processes empties the spool instead of filling it.
EMPTIERS = 5
CHECKED_EVERY = 400

pytestmark = pytest.mark.xdist_group("spool_kill")


class Tally:
    """What writers said they appended, and what was found of it."""

    def __init__(self) -> None:
        self.written: dict[str, int] = {}
        self.found: defaultdict[str, Counter[int]] = defaultdict(Counter)
        self.appended = 0

    def find(self, encoded: bytes) -> None:
        fact = decode_fact(encoded)
        assert isinstance(fact, RunPatched)
        assert fact.tags is not None
        self.found[fact.run_id][int(fact.tags[0])] += 1

    def check(self) -> None:
        """Nothing lost; what an emptier that died had said is found again, and nothing else."""
        for run_id, last in self.written.items():
            missing = set(range(1, last + 1)) - set(self.found[run_id])
            assert not missing, f"{run_id}: {len(missing)} of {last} are lost"
        self.appended += sum(self.written.values())
        self.written.clear()
        self.found.clear()


def empty(place: Path, tally: Tally) -> int:
    """Adopt and take everything there is; how many records were handed out."""
    ledger = Ledger()
    spool = Spool(DeliverySettings(spool_places=(place,)), ledger)
    spool.tend()
    handed: Counter[bytes] = Counter()
    while parcels := spool.take(1 << 20, 5_000):
        handed.update(parcel.encoded for parcel in parcels)
        for parcel in parcels:
            tally.find(parcel.encoded)
        spool.settle(parcels)
    assert max(handed.values(), default=1) == 1
    assert ledger.read().lost == {}
    spool.drain()
    return sum(handed.values())


@pytest.mark.parametrize(
    "kills", [QUICK_KILLS, pytest.param(PROVEN_KILLS, marks=pytest.mark.prove)]
)
def test_what_a_killed_process_appended_is_there_and_nothing_is_doubled(
    tmp_path: Path, kills: int
) -> None:
    place = tmp_path / "spool"
    tally = Tally()
    generation = 0
    with ExitStack() as stack:
        victims = [
            stack.enter_context(closing(Victims(place, f"01929a3c-4f00-7a10-800{number}")))
            for number in range(PROCESSES)
        ]
        while generation < kills:
            for _ in range(min(CHECKED_EVERY, kills) // PROCESSES):
                generation += PROCESSES
                role = "empty" if generation // PROCESSES % EMPTIERS == 0 else "write"
                for victim in victims:
                    victim.begin(role, generation)
                for victim in victims:
                    said = victim.result()
                    if role == "write":
                        tally.written[victim.run_id(generation)] = int(said[0]) if said else 0
                    for encoded in said if role == "empty" else ():
                        tally.find(bytes.fromhex(encoded))
            empty(place, tally)
            tally.check()
            left = [path for path in place.rglob("*") if path.is_file()]
            assert left == []
    assert tally.appended > kills
    print(f"{generation} kills, {tally.appended} appends that returned, 0 lost, 0 doubled")
