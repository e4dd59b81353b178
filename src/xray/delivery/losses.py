"""The books: what was offered is acknowledged, pending or lost for a counted cause."""

from __future__ import annotations

import threading
from typing import Final

from msgspec import Struct, field

# A process that loses records of ever more runs must not grow for it.
_MAX_TOLD_RUNS: Final = 1_000


class Volume(Struct, frozen=True):
    """An amount of records (facts) and of the decisions they carry."""

    records: int = 0
    decisions: int = 0

    def __add__(self, other: Volume) -> Volume:
        return Volume(self.records + other.records, self.decisions + other.decisions)

    def __sub__(self, other: Volume) -> Volume:
        return Volume(self.records - other.records, self.decisions - other.decisions)

    def __bool__(self) -> bool:
        return bool(self.records or self.decisions)


class DeliveryStats(Struct, frozen=True):
    """What became of everything that was offered in this process.

    Always `offered == acknowledged + pending + all of lost`.

    Args:
        offered: what capture handed over, or counted as lost before it could.
        acknowledged: what the server has stored.
        pending: what waits to be sent or to be answered.
        lost: the rest, by cause: `queue_full`, `too_large`, `rejected:<code>`, `server_away`,
            `parked`, `reentrant`, `closed`, `unencodable`, `spool_full`, `spool_full:detail`,
            `spool_damaged`, and capture's own causes.
        adopted: how much of `offered` an earlier process left in the spool.
        reports: how many of the `offered` records tell the server of losses.
        held_bytes: memory that waiting facts take.
        batches: requests the server answered with a receipt.
        failed_attempts: requests that ended in any other way.
        state: `idle`, `sending`, `backing_off` or `parked`.
        last_problem: why the last failed request failed; None when none has.
    """

    offered: Volume
    acknowledged: Volume
    pending: Volume
    lost: dict[str, Volume] = field(default_factory=dict)
    adopted: Volume = field(default_factory=Volume)
    reports: int = 0
    held_bytes: int = 0
    batches: int = 0
    failed_attempts: int = 0
    state: str = "idle"
    last_problem: str | None = None

    @property
    def total_lost(self) -> Volume:
        """All losses together."""
        return sum(self.lost.values(), Volume())


class FlushResult(Struct, frozen=True):
    """What `flush` or `close` achieved.

    Args:
        is_complete: everything put before it was acknowledged or counted as lost.
        acknowledged: what the server has stored, since the process began.
        pending: what still waits.
        lost: what is lost, since the process began.
    """

    is_complete: bool
    acknowledged: Volume
    pending: Volume
    lost: Volume


class _Sum:
    """A volume that grows and shrinks in place.

    Each addition is a statement without a call in it, so a finaliser or a signal handler that
    records something cannot run between its reading and its writing, though it may hold the
    same lock again.
    """

    __slots__ = ("decisions", "records")

    def __init__(self) -> None:
        self.records = 0
        self.decisions = 0

    def add(self, volume: Volume) -> None:
        self.records += volume.records
        self.decisions += volume.decisions

    def take(self, volume: Volume) -> None:
        self.records -= volume.records
        self.decisions -= volume.decisions

    def read(self) -> Volume:
        return Volume(self.records, self.decisions)


class Ledger:
    """Counts every move between the states of `DeliveryStats`; safe from any thread."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._offered = _Sum()
        self._acknowledged = _Sum()
        self._pending = _Sum()
        self._adopted = _Sum()
        self._lost: dict[str, _Sum] = {}
        self._lost_of_run: dict[str, dict[str, int]] = {}
        self._untold: dict[str, None] = {}
        self._reports = 0

    def accept(self, decisions: int) -> None:
        """One record with so many *decisions* was offered and is on its way."""
        with self._lock:
            self._offered.records += 1
            self._offered.decisions += decisions
            self._pending.records += 1
            self._pending.decisions += decisions

    def adopt(self, volume: Volume) -> None:
        """*volume* was left by a process that died, and is on its way."""
        with self._lock:
            self._offered.add(volume)
            self._adopted.add(volume)
            self._pending.add(volume)

    def turn_away(self, cause: str, volume: Volume) -> None:
        """*volume* was offered and is lost at once."""
        with self._lock:
            self._offered.add(volume)
            self._lose(cause, volume)

    def acknowledge(self, volume: Volume) -> None:
        """*volume* was pending and the server has it."""
        with self._lock:
            self._pending.take(volume)
            self._acknowledged.add(volume)

    def lose(self, cause: str, volume: Volume) -> None:
        """*volume* was pending and is lost."""
        with self._lock:
            self._pending.take(volume)
            self._lose(cause, volume)

    def _lose(self, cause: str, volume: Volume) -> None:
        if volume:
            self._lost.setdefault(cause, _Sum()).add(volume)

    def note_run(self, run_id: str, cause: str) -> None:
        """One of the lost records was of the run *run_id*, whose readers should be told."""
        with self._lock:
            if run_id not in self._lost_of_run and len(self._lost_of_run) >= _MAX_TOLD_RUNS:
                return
            counts = self._lost_of_run.setdefault(run_id, {})
            counts[cause] = counts.get(cause, 0) + 1
            self._untold[run_id] = None

    def tell_again(self, run_id: str) -> None:
        """What told of losses of the run *run_id* was lost itself."""
        with self._lock:
            if run_id in self._lost_of_run:
                self._untold[run_id] = None

    @property
    def has_untold(self) -> bool:
        """Whether runs lost records since they were last taken to be told of."""
        return bool(self._untold)

    def take_untold(self, max_runs: int) -> list[tuple[str, dict[str, int]]]:
        """Runs that lost records and whose readers were not told: records lost so far, by cause."""
        with self._lock:
            run_ids = list(self._untold)[:max_runs]
            for run_id in run_ids:
                del self._untold[run_id]
            return [(run_id, dict(self._lost_of_run[run_id])) for run_id in run_ids]

    def accept_report(self) -> None:
        """A record that tells of losses is on its way."""
        self.accept(0)
        self._reports += 1

    def read(self) -> DeliveryStats:
        """The books as they stand."""
        with self._lock:
            return DeliveryStats(
                offered=self._offered.read(),
                acknowledged=self._acknowledged.read(),
                pending=self._pending.read(),
                lost={cause: lost.read() for cause, lost in self._lost.items()},
                adopted=self._adopted.read(),
                reports=self._reports,
            )
