"""Processes that share a spool, die and meet failing disks in any order lose nothing."""

import errno
import logging
import os

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from tests.unit.spool_desk import SpoolDesk, run_finished, run_started, step
from xray.delivery.losses import Volume
from xray.delivery.spool.files import Files
from xray.testing.disk import FakeDisk

QUICK_EXAMPLES = 60
PROVEN_EXAMPLES = 2_000
PROCESSES = 3
CALLS = sorted(name for name in vars(Files) if not name.startswith("_"))
CODES = [errno.ENOSPC, errno.EIO, errno.EROFS, errno.EACCES, errno.EMFILE]


@pytest.fixture(autouse=True)
def _quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logging.getLogger("xray"), "disabled", True)


class SharedSpool(RuleBasedStateMachine):
    @initialize(sync=st.sampled_from(["interval", "always", "never"]))
    def open(self, sync: str) -> None:
        self.disk = FakeDisk()
        self.sync = sync
        self.delivered: set[str] = set()
        self.safe: set[str] = set()
        self.desks = [self._begin() for _ in range(PROCESSES)]

    def _begin(self) -> SpoolDesk:
        return SpoolDesk(self.disk, segment_bytes=400, sync=self.sync)

    @rule(place=st.integers(0, PROCESSES - 1), runs=st.integers(1, 4), rows=st.integers(0, 6))
    def append(self, place: int, runs: int, rows: int) -> None:
        desk = self.desks[place]
        for _ in range(runs):
            run = run_started()
            names = desk.offer(run, step(rows), run_finished(run.run_id))
            # What had to stay in memory dies with its process.
            if desk.spool.volume == Volume():
                self.safe |= set(names)

    @rule(place=st.integers(0, PROCESSES - 1), facts=st.integers(1, 9), keep=st.booleans())
    def send(self, place: int, facts: int, keep: bool) -> None:
        desk = self.desks[place]
        parcels = desk.take(facts)
        if keep:
            desk.settle(parcels[::2])
        else:
            desk.settle(parcels)

    @rule(place=st.integers(0, PROCESSES - 1), seconds=st.sampled_from([0.1, 1.0, 31.0]))
    def tend(self, place: int, seconds: float) -> None:
        self.desks[place].clock.advance(seconds)
        self.desks[place].spool.tend()

    @rule(place=st.integers(0, PROCESSES - 1))
    def die(self, place: int) -> None:
        self._bury(place)

    @rule(place=st.integers(0, PROCESSES - 1))
    def close(self, place: int) -> None:
        desk = self.desks[place]
        lost = desk.spool.drain()
        self._bury(place)
        assert all(parcel.number for parcel in lost)

    def _bury(self, place: int) -> None:
        desk = self.desks[place]
        desk.files.kill()
        self.delivered |= set(desk.delivered)
        self.desks[place] = self._begin()

    @rule(
        place=st.integers(0, PROCESSES - 1),
        name=st.sampled_from(CALLS),
        code=st.sampled_from(CODES),
        rows=st.integers(0, 5),
    )
    def work_while_a_call_fails(self, place: int, name: str, code: int, rows: int) -> None:
        desk = self.desks[place]
        desk.files.fail_always(name, OSError(code, os.strerror(code)))
        self.append(place, 1, rows)
        self.tend(place, 1.0)
        if name != "read":
            self.send(place, 3, keep=False)
        desk.files.fail_always(name, None)

    @rule(place=st.integers(0, PROCESSES - 1))
    def work_on_a_full_disk(self, place: int) -> None:
        self.disk.capacity_bytes = self.disk.used_bytes + 150
        # Else records would be dropped, and counted, before the disk is full.
        self.work_while_a_call_fails(place, "count_free_bytes", errno.EIO, 3)
        self.disk.capacity_bytes = 1 << 40

    @invariant()
    def books_balance(self) -> None:
        for desk in getattr(self, "desks", ()):
            desk.stats()

    @invariant()
    def nothing_is_lost(self) -> None:
        for desk in getattr(self, "desks", ()):
            assert desk.stats().lost == {}

    def teardown(self) -> None:
        if not hasattr(self, "desks"):
            return
        for place in range(PROCESSES):
            self._bury(place)
        last = self.desks[0]
        for _ in range(4):
            last.offer_runs(1)
            last.deliver()
            last.adopt_later()
            last.deliver()
        everything = self.delivered | set(last.delivered)
        assert self.safe <= everything
        assert last.stats().pending == Volume()
        left = [path for path in self.disk.files if path.suffix == ".seg"]
        assert left == []
        assert not [path for path in self.disk.files if path.parent.name == "quarantine"]


TestSharedSpool = SharedSpool.TestCase
TestSharedSpool.settings = settings(
    max_examples=QUICK_EXAMPLES, stateful_step_count=30, deadline=None
)


class SharedSpoolProof(SharedSpool):
    """The same, at full size."""


TestSharedSpoolProof = pytest.mark.prove(SharedSpoolProof.TestCase)
TestSharedSpoolProof.settings = settings(
    max_examples=PROVEN_EXAMPLES, stateful_step_count=50, deadline=None
)
