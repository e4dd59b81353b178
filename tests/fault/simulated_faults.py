"""Everything that can happen to a simulated world, and which promises that suspends."""

from __future__ import annotations

import errno
import os
from dataclasses import dataclass
from random import Random

from tests.fault.simulated_process import SimulatedProcess
from xray.delivery.exchange.transport import Answer as Reply
from xray.delivery.settings import DeliverySettings
from xray.testing import (
    Answer,
    BadCertificate,
    CutRequest,
    DropConnection,
    FakeClock,
    FakeDisk,
    FakeNetwork,
    Hang,
    Late,
    MemoryServer,
    NetworkFault,
    ProcessDiedError,
    Refuse,
    Repeat,
    Slow,
    Trickle,
    Truncate,
    Unresolved,
)

MAX_PROCESSES = 4
STEP_S = 0.5
UNWRITABLE = ("write", "create", "make_directory", "rename", "truncate")
VERSION_BYTE = 3
PARKING = (301, 307, 401, 403, 404, 405, 410, 415)
RETRIED = (408, 425, 429, 500, 502, 503, 504)
DIVIDING = (400, 413, 422)


@dataclass
class Damage:
    """Which promises the faults of this world suspend.

    Args:
        may_lose: records may be lost, if they are counted.
        uncounted: so many may be lost without a count: the length of what a flipped bit hides.
        may_forget_runs: whose owner died may stay `running`.
        may_overflow: the spool may be larger than its bound, as nobody can look how large it is.
        may_lose_detail: steps may have fewer decisions than were offered.
    """

    may_lose: bool = False
    uncounted: int = 0
    may_forget_runs: bool = False
    may_overflow: bool = False
    may_lose_detail: bool = False


class Faults:
    """What a world is made of, and a method for each kind of fault that befalls it."""

    chance: Random
    last_answer: Reply
    clock: FakeClock
    disk: FakeDisk
    server: MemoryServer
    network: FakeNetwork
    settings: DeliverySettings
    damage: Damage
    processes: list[SimulatedProcess]
    dead: list[SimulatedProcess]
    killed: list[SimulatedProcess]

    def _bury(self, process: SimulatedProcess) -> None:
        raise NotImplementedError

    # Faults of the network: some for the next requests, some until the next recovery.

    def _meet(self, *faults: NetworkFault) -> None:
        if self.chance.random() < 0.5:
            self.network.script(*faults)
        else:
            self.network.always(faults[0])

    def _fault_refused_connection(self) -> None:
        self._meet(Refuse())

    def _fault_unknown_name(self) -> None:
        self._meet(Unresolved())

    def _fault_bad_certificate(self) -> None:
        self._meet(BadCertificate())

    def _fault_reset_before_body(self) -> None:
        self._meet(DropConnection())

    def _fault_reset_within_body(self) -> None:
        self._meet(CutRequest(self.chance.random()))

    def _fault_lost_answer(self) -> None:
        self._meet(DropConnection(has_stored=True))

    def _fault_slow_answer(self) -> None:
        self._meet(Slow(self.chance.choice((1.0, 29.0, 45.0))))

    def _fault_hanging_server(self) -> None:
        self._meet(Hang())

    def _fault_trickled_answer(self) -> None:
        self._meet(Trickle(self.chance.choice((0.01, 1.0))))

    def _fault_truncated_answer(self) -> None:
        self._meet(Truncate())

    def _fault_foreign_answer(self) -> None:
        body = self.chance.choice((b"", b"<html>", b"{", b'{"batch_id":"x","accepted":1}'))
        self._meet(Answer(200, body))

    def _fault_answer_to_another(self) -> None:
        """A proxy answers with what it remembers of another request."""
        self._meet(Answer(200, self.last_answer.body))

    def _fault_retried_status(self) -> None:
        headers = self.chance.choice(({}, {"Retry-After": "7"}, {"Retry-After": "nonsense"}))
        self._meet(Answer(self.chance.choice(RETRIED), b"", headers))

    def _fault_parking_status(self) -> None:
        self._meet(Answer(self.chance.choice(PARKING)))

    def _fault_dividing_status(self) -> None:
        self.network.script(*[Answer(self.chance.choice(DIVIDING))] * self.chance.randint(1, 4))
        self.damage.may_lose = True

    def _fault_repeated_request(self) -> None:
        self._meet(Repeat())

    def _fault_reordered_request(self) -> None:
        self._meet(Late(self.chance.choice((0.1, 3.0, 20.0))))

    # Faults of the server.

    def _fault_partial_acceptance(self) -> None:
        offered = [name for process in self.processes for name in process.offered]
        if offered:
            self.server.rejected[self.chance.choice(offered[-30:])] = "too_deep"
            self.damage.may_lose = True

    def _fault_refused_record(self) -> None:
        offered = [name for process in self.processes for name in process.offered]
        if offered:
            self.server.refused.add(self.chance.choice(offered[-30:]))
            self.damage.may_lose = True

    def _fault_small_limit(self) -> None:
        self.server.max_bytes = self.chance.choice((300, 2_000))
        self.damage.may_lose = True

    def _fault_restarted_server(self) -> None:
        """It dies before or after its commit, and is away for a while."""
        self.network.script(DropConnection(has_stored=self.chance.random() < 0.5))
        self.network.script(*[Refuse()] * self.chance.randint(0, 3))

    # Faults of the disk.

    def _fail_calls(self, code: int, *names: str) -> None:
        for process in self.processes:
            process.had_disk_fault = True
            for name in names:
                process.files.fail_always(name, OSError(code, os.strerror(code)))
        self.damage.may_forget_runs = True

    def _fault_full_quota(self) -> None:
        self._fail_calls(errno.ENOSPC, "write", "create", "make_directory")

    def _fault_full_disk(self) -> None:
        self.disk.capacity_bytes = self.disk.used_bytes + self.chance.randint(0, 300)
        for process in self.processes:
            process.had_disk_fault = True
        self.damage.may_lose = self.damage.may_lose_detail = self.damage.may_forget_runs = True

    def _fault_unwritable_disk(self) -> None:
        self._fail_calls(errno.EIO, *self.chance.sample((*UNWRITABLE, "sync", "remove"), 2))

    def _fault_unreadable_disk(self) -> None:
        self._fail_calls(errno.EIO, self.chance.choice(("read", "describe", "list_directory")))
        self.damage.may_lose = self.damage.may_overflow = True

    def _fault_read_only_disk(self) -> None:
        self._fail_calls(errno.EROFS, *UNWRITABLE, "remove", "remove_directory", "lock")

    def _fault_no_more_handles(self) -> None:
        self._fail_calls(errno.EMFILE, "create", "lock", "read", "list_directory")
        self.damage.may_lose = self.damage.may_overflow = True

    def _fault_memory_exhausted(self) -> None:
        for process in self.processes:
            call = len(process.files.calls) + self.chance.randint(1, 20)
            process.files.fail(call, MemoryError())
            process.had_disk_fault = True
        self.damage.may_forget_runs = self.damage.may_overflow = True

    def _fault_short_writes(self) -> None:
        for process in self.processes:
            process.files.max_write_bytes = self.chance.randint(1, 50)

    def _fault_flipped_bit(self) -> None:
        files = [path for path, content in self.disk.files.items() if content]
        if not files:
            return
        path = self.chance.choice(files)
        bit = self.chance.randrange(8 * len(self.disk.nodes[path].content))
        # A changed version says that another release wrote the file, and it is left alone.
        if bit // 8 != VERSION_BYTE:
            self.disk.flip_bit(path, bit)
            self.damage.may_lose = self.damage.may_forget_runs = True
            self.damage.uncounted += 1

    # Faults of machine and process.

    def _fault_clock_jump(self) -> None:
        hours = self.chance.choice((-24, -1, 1, 24))
        self.clock.set_wall(self.clock.wall_us() + hours * 3_600_000_000)

    def _fault_kill(self) -> None:
        if not self.processes:
            return
        process = self.chance.choice(self.processes)
        way = self.chance.choice(("now", "before", "after", "call"))
        if way == "now":
            self._bury(process)
        elif way == "call":
            process.files.fail(
                len(process.files.calls) + self.chance.randint(1, 30), ProcessDiedError()
            )
        else:
            process.transport.dies = way

    def _fault_fork(self) -> None:
        if self.processes and len(self.processes) < MAX_PROCESSES:
            parent = self.chance.choice(self.processes)
            self.processes.append(parent.fork(self.network.transport()))

    def _fault_power_loss(self) -> None:
        for process in list(self.processes):
            self._bury(process)
        self.killed += self.dead
        self.dead.clear()
        for process in self.killed:
            self._forget_unsynced(process)
        self.disk.lose_power(self._keep_of)
        self.damage.may_forget_runs = True

    def _forget_unsynced(self, process: SimulatedProcess) -> None:
        """What a process appended in its last second it did not live to force to disk."""
        sync, end_s = self.settings.sync, process.tended_at_s
        for name, safe_at_s in list(process.safe_at_s.items()):
            is_synced = sync == "always" or (
                sync == "interval" and end_s - safe_at_s > self.settings.sync_interval_s + STEP_S
            )
            if not is_synced or process.had_disk_fault:
                del process.safe_at_s[name]

    def _keep_of(self, synced: bytes, written: bytes) -> bytes:
        """Of what was written and not forced to disk, any beginning may be there."""
        return written[: self.chance.randint(len(synced), max(len(synced), len(written)))]
