"""A world on a fake clock, network and disk, in which everything that can fail does.

The same seed is the same world, step by step. What is checked at its end compares four sets: what
was offered, what the clients count as lost, what the server acknowledged, and what is stored.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Literal

import msgspec

from tests.fault.simulated_faults import MAX_PROCESSES, STEP_S, UNWRITABLE, Damage, Faults
from tests.fault.simulated_process import PLACE, SimulatedProcess
from xray.delivery.exchange.transport import Answer
from xray.delivery.losses import Volume
from xray.delivery.settings import DeliverySettings
from xray.delivery.spool.places import name_destination
from xray.model import ids
from xray.model.facts import (
    ACCEPTED,
    REJECTED,
    DecisionRow,
    RunFinished,
    RunStarted,
    StepFinished,
)
from xray.model.ids import new_uuid7
from xray.testing import (
    FakeClock,
    FakeDisk,
    FakeNetwork,
    MemoryServer,
    ProcessDiedError,
    Refuse,
)

MAX_STEPS = 30
DRAIN_S = 60.0
LONG_STRIDE_S = 5.0
URL = "http://127.0.0.1:8000"


class SimulationError(AssertionError):
    """An invariant broke; the message names the seed."""


class World(Faults):
    """Processes, a disk, a network and a server; `live` lets it run and checks what is left."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.chance = Random(seed)
        self.clock = FakeClock()
        self.disk = FakeDisk()
        self.server = MemoryServer(self.clock)
        self.network = FakeNetwork(self.clock, self._answer)
        self.last_answer = Answer(404)
        self.damage = Damage()
        self.trace: list[str] = []
        self.processes: list[SimulatedProcess] = []
        self.dead: list[SimulatedProcess] = []
        self.killed: list[SimulatedProcess] = []
        self.settings = self._draw_settings()
        self.faults: dict[str, Callable[[], None]] = {
            name.removeprefix("_fault_"): getattr(self, name)
            for name in dir(self)
            if name.startswith("_fault_")
        }
        self.likely = self.chance.sample(sorted(self.faults), self.chance.randint(1, 8))
        if self.chance.random() < 0.5:
            # What these find of what other faults left is what the spool is for.
            self.likely.append(self.chance.choice(("kill", "power_loss", "flipped_bit")))

    def _draw_settings(self) -> DeliverySettings:
        chance = self.chance
        mode: Literal["buffer", "silent", "fail"] = "buffer"
        if chance.random() < 0.1:
            mode = chance.choice(("silent", "fail"))
        self.damage.may_lose = mode != "buffer"
        is_small = self._is_small = chance.random() < 0.2
        on_full: Literal["drop", "wait"] = chance.choice(("drop", "wait"))
        if is_small and on_full == "drop":
            self.damage.may_lose = self.damage.may_lose_detail = True
        return DeliverySettings(
            url=URL,
            offline_mode=mode,
            max_batch_facts=chance.choice((2, 10, 500)),
            max_batch_bytes=1_000 if is_small else chance.choice((1_000, 512 << 10)),
            segment_bytes=chance.choice((400, 1_000) if is_small else (400, 4_000, 1 << 20)),
            sync=chance.choice(("interval", "always", "never")),
            max_spool_bytes=chance.choice((2_000, 8_000)) if is_small else 256 << 20,
            on_full=on_full,
            spool_places=(PLACE,),
            clock=self.clock,
            draw=chance.random,
        )

    def _answer(self, body: bytes, headers: Mapping[str, str]) -> Answer:
        self.last_answer = self.server.answer(body, headers)
        return self.last_answer

    def live(self) -> None:
        """Let everything happen, then let it come to rest, then compare."""
        try:
            self._begin_process()
            if self._is_small and self.chance.random() < 0.5:
                # Else hardly any spool would ever be full.
                self.network.always(Refuse())
            for _ in range(self.chance.randint(MAX_STEPS // 3, MAX_STEPS)):
                self._step()
            self._end_faults()
            self._drain()
            self._compare()
        except Exception as error:
            tail = " ".join(self.trace[-40:])
            raise SimulationError(
                f"seed {self.seed}: {error!r}\n{self.settings}\n{tail}"
            ) from error

    def _step(self) -> None:
        draw = self.chance.random()
        if draw < 0.35:
            self._some(self._record)
        elif draw < 0.6:
            self._pass_time(self.chance.choice((0.02, 0.02, 0.3, 1.0, 5.0)))
        elif draw < 0.63:
            self._some(SimulatedProcess.flush)
        elif draw < 0.67:
            self._begin_process()
        elif draw < 0.7:
            self._some(self._end)
        elif draw < 0.75:
            self._recover()
        else:
            name = self.chance.choice(self.likely)
            self.trace.append(name)
            self.faults[name]()

    def _some(self, act: Callable[[SimulatedProcess], None]) -> None:
        if not self.processes:
            self._begin_process()
        process = self.chance.choice(self.processes)
        self._guard(process, act)

    def _guard(self, process: SimulatedProcess, act: Callable[[SimulatedProcess], None]) -> None:
        try:
            act(process)
        except ProcessDiedError:
            self._bury(process)

    def _bury(self, process: SimulatedProcess) -> None:
        process.kill()
        if process in self.processes:
            self.processes.remove(process)
            self.killed.append(process)

    def _begin_process(self) -> None:
        if len(self.processes) < MAX_PROCESSES:
            self.processes.append(
                SimulatedProcess(
                    self.settings, self.disk.process(), self.network.transport(), self.chance
                )
            )

    def _record(self, process: SimulatedProcess) -> None:
        """A run, or part of one."""
        chance = self.chance
        for _ in range(chance.randint(1, 3)):
            run_id = new_uuid7()
            started_us = self.clock.wall_us()
            process.record(RunStarted(run_id=run_id, pipeline="p", started_at_us=started_us))
            process.open_runs.append(run_id)
            if chance.random() < 0.5:
                process.record(self._make_step(run_id))
            if chance.random() < 0.8:
                process.record(RunFinished(run_id=run_id, status="completed"))
                process.open_runs.remove(run_id)
        if process.open_runs and chance.random() < 0.3:
            run_id = process.open_runs.pop(0)
            process.record(RunFinished(run_id=run_id, status="failed"))

    def _make_step(self, run_id: str) -> StepFinished:
        length = self.chance.choice((1, 20) if self._is_small else (1, 20, 400))
        return StepFinished(
            run_id=run_id,
            step_id=new_uuid7(),
            pipeline="p",
            name="filter",
            step_type="filter",
            ordinal=0,
            started_at_us=self.clock.wall_us(),
            rows=[
                DecisionRow(ACCEPTED if place % 3 else REJECTED, f"c-{place}", "r" * length)
                for place in range(self.chance.randint(1, 9))
            ],
        )

    def _end(self, process: SimulatedProcess) -> None:
        if process.road.backlog.volume or process.had_disk_fault:
            # What the spool cannot take at its end is counted as `closed`.
            self.damage.may_lose = True
        if self.settings.on_full == "wait" and len(process.road.queue):
            self.damage.may_lose = True
        process.end()
        self.processes.remove(process)
        self.dead.append(process)

    def _pass_time(self, seconds: float, stride_s: float = STEP_S) -> None:
        while seconds > 0:
            self.clock.advance(min(seconds, stride_s))
            seconds -= stride_s
            for process in list(self.processes):
                self._guard(process, SimulatedProcess.work)
        self._check_room()
        for process in self.processes:
            process.check()

    def _check_room(self) -> None:
        if self.damage.may_overflow:
            return
        segments = self._segments()
        used = sum(len(self.disk.nodes[path].content) for path in segments)
        # Each process may have begun a segment when there was room, and filled it since; the last
        # batch that went into it comes with a header for each record.
        begun = len({path.parent for path in segments})
        a_segment = self.settings.segment_bytes + 2 * self.settings.max_batch_bytes
        assert used <= self.settings.max_spool_bytes + begun * a_segment, used

    def _recover(self) -> None:
        self.network.recover()
        self.server.max_bytes = 1 << 40
        self.disk.capacity_bytes = 1 << 40
        for process in self.processes:
            process.files.max_write_bytes = 1 << 40
            for name in (*UNWRITABLE, "sync", "remove", "remove_directory", "lock", "read"):
                process.files.fail_always(name, None)
            for name in ("describe", "list_directory"):
                process.files.fail_always(name, None)

    # The end.

    def _end_faults(self) -> None:
        self._recover()
        self._begin_process()
        if self.processes:
            self._some(self._record)

    def _drain(self) -> None:
        self._pass_time(self._longest_pause_s(), LONG_STRIDE_S)
        self._come_to_rest()
        if self.killed:
            # Who died with nothing left to deliver is found at the next look, and its open runs.
            self._pass_time(self.settings.adoption_interval_s, LONG_STRIDE_S)
            self._come_to_rest()

    def _come_to_rest(self) -> None:
        deadline_s = self.clock.monotonic_s() + DRAIN_S
        while not self._is_drained:
            assert self.clock.monotonic_s() < deadline_s, (
                f"after {DRAIN_S} s there is left: {self._left()}, "
                f"{[process.stats() for process in self.processes]}"
            )
            if not self.processes:
                self._begin_process()
            self._pass_time(2 * STEP_S)

    def _longest_pause_s(self) -> float:
        """How long servers asked to be left alone, or are because they refused everything."""
        if any(process.road.sender.is_parked for process in self.processes):
            return self.settings.park_probe_s
        return max((process.road.sender.asked_pause_s for process in self.processes), default=0.0)

    def _left(self) -> list[str]:
        destination = PLACE / name_destination(URL)
        return [str(path) for path in self._segments() if destination in path.parents]

    def _segments(self) -> list[Path]:
        return [path for path in self.disk.nodes if path.name.endswith(".seg")]

    @property
    def _is_drained(self) -> bool:
        is_pending = any(process.stats().pending for process in self.processes)
        return bool(self.processes) and not is_pending and not self._left()

    def _compare(self) -> None:
        stored = self.server.stored
        everybody = [*self.processes, *self.dead, *self.killed]
        # Every report of losses counts as accepted, though all of one run have one id.
        assert self.server.accepted >= len(stored), "something stored was not accepted"
        kept: set[str] = set()
        for process in everybody:
            process.check()
            kept |= set(process.offered if process not in self.killed else process.safe_at_s)
            acknowledged = process.stats().acknowledged.records
            if not process.stats().adopted:
                known = len(stored & set(process.offered)) + process.stats().reports
                assert acknowledged <= known, "acknowledged, not stored"
        lost = sum((process.stats().total_lost for process in everybody), Volume())
        missing = kept - stored
        assert len(missing) <= lost.records + self.damage.uncounted, (
            f"{len(missing)} are missing and {lost.records} are counted: {sorted(missing)[:5]}"
        )
        if not self.damage.may_lose:
            assert not lost, [process.stats().lost for process in everybody]
        self._compare_records(stored)
        if not self.damage.may_forget_runs and not self.damage.may_lose:
            self._compare_abandoned()

    def _compare_records(self, stored: set[str]) -> None:
        """What the store shows is what was offered."""
        store = self.server.store
        for process in [*self.processes, *self.dead, *self.killed]:
            for name, decisions in process.offered.items():
                kind, _, rest = name.partition(":")
                if name not in stored:
                    continue
                if kind == "run":
                    assert store.run(rest.split(":")[0]) is not None, name
                elif not self.damage.may_lose_detail:
                    step = store.step(rest)
                    assert step is not None, name
                    counts = step.counts
                    assert counts.accepted + counts.rejected == decisions, name

    def _compare_abandoned(self) -> None:
        """Runs whose process was killed are not left `running`."""
        for process in self.killed:
            for name in process.safe_at_s:
                run_id = name.split(":")[1]
                if name.endswith(":started") and f"run:{run_id}:finished" not in self.server.stored:
                    run = self.server.store.run(run_id)
                    assert run is not None, run_id
                    assert run.status == "abandoned", f"{run_id} is {run.status}"

    @property
    def digest(self) -> str:
        """What differs when anything in this world went differently."""
        facts = sorted(self.server.stored)
        books = [msgspec.json.encode(process.stats().lost).decode() for process in self.processes]
        return repr((facts, books, self.network.requests, self.clock.monotonic_s(), self.trace))


@contextmanager
def seeded_ids(seed: int, clock: FakeClock) -> Iterator[None]:
    """Ids that are the same whenever *seed* is, made at the time of *clock*."""

    class _Time:
        @staticmethod
        def time_ns() -> int:
            return clock.wall_us() * 1000

    class _System:
        urandom = Random(seed).randbytes

    system, time_module = ids.os, ids.time
    ids.os, ids.time = _System, _Time  # type: ignore[assignment]
    try:
        yield
    finally:
        ids.os, ids.time = system, time_module


def simulate(seed: int) -> World:
    """The world of *seed*, lived to its end.

    Raises:
        SimulationError: an invariant broke.
    """
    world = World(seed)
    with seeded_ids(seed, world.clock):
        world.live()
    return world
