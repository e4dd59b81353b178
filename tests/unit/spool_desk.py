"""A spool on a disk in memory, filled and emptied by hand."""

from __future__ import annotations

from pathlib import Path

from xray.delivery.losses import DeliveryStats, Ledger, Volume
from xray.delivery.queue import Parcel
from xray.delivery.settings import DeliverySettings
from xray.delivery.spool.spool import Spool
from xray.model.facts import (
    ACCEPTED,
    SELECTED,
    DecisionRow,
    Fact,
    RunFinished,
    RunStarted,
    StepFinished,
    fact_id,
)
from xray.model.ids import new_uuid7
from xray.testing import FakeClock
from xray.testing.disk import FakeDisk, FakeFiles
from xray.wire.codec import encode_fact, name_encoded

PLACE = Path("/spool")
BOUNDLESS = 1 << 40


def run_started(run_id: str | None = None) -> RunStarted:
    return RunStarted(run_id=run_id or new_uuid7(), pipeline="p", started_at_us=1)


def run_finished(run_id: str) -> RunFinished:
    return RunFinished(run_id=run_id, status="completed")


def step(rows: int = 3, padding: int = 0) -> StepFinished:
    return StepFinished(
        run_id=new_uuid7(), step_id=new_uuid7(), pipeline="p", name="n", step_type="select",
        ordinal=0, started_at_us=1,
        rows=[
            DecisionRow(SELECTED if place == 0 else ACCEPTED, f"c-{place}", "r" * padding)
            for place in range(rows)
        ],
    )  # fmt: skip


class SpoolDesk:
    """One process with a spool."""

    def __init__(
        self, disk: FakeDisk | None = None, files: FakeFiles | None = None, **settings: object
    ) -> None:
        self.disk = FakeDisk() if disk is None else disk
        self.files = self.disk.process() if files is None else files
        self.clock = FakeClock()
        self.ledger = Ledger()
        self.settings = DeliverySettings(
            spool_places=(PLACE,),
            clock=self.clock,
            **settings,  # type: ignore[arg-type]
        )
        self.spool = Spool(self.settings, self.ledger, self.files)
        self.last_number = 0
        self.delivered: list[str] = []

    def offer(self, *facts: Fact) -> list[str]:
        """Append *facts* as one writer would, and return their ids."""
        parcels = []
        for fact in facts:
            self.last_number += 1
            decisions = len(fact.rows) if isinstance(fact, StepFinished) else 0
            self.ledger.accept(decisions)
            parcels.append(Parcel(self.last_number, encode_fact(fact), decisions))
        kept = self.spool.append(parcels)
        for parcel in parcels[kept:]:
            self.ledger.lose("refused", parcel.volume)
        return [fact_id(fact) for fact in facts[:kept]]

    def offer_runs(self, count: int) -> list[str]:
        return self.offer(*(run_started() for _ in range(count)))

    def take(self, max_facts: int = 500) -> list[Parcel]:
        return self.spool.take(BOUNDLESS, max_facts)

    def settle(self, parcels: list[Parcel]) -> None:
        # A server has them from here on, whatever becomes of this process.
        self.delivered += [
            name_encoded(parcel.encoded) or parcel.encoded.hex() for parcel in parcels
        ]
        for parcel in self.spool.settle(parcels):
            self.ledger.acknowledge(parcel.volume)

    def deliver(self, max_facts: int = 500) -> list[str]:
        """Take and settle until nothing is handed out; returns all that was ever delivered."""
        for _ in range(10_000):
            parcels = self.take(max_facts)
            if not parcels:
                return self.delivered
            self.settle(parcels)
        raise AssertionError("The spool hands out records without end.")

    def open(self) -> None:
        """Begin a lane and adopt what there is, as the first record of a process does."""
        self.spool.append(())
        self.spool.tend()

    def adopt_later(self) -> None:
        self.clock.advance(self.settings.adoption_interval_s)
        self.spool.tend()

    def stats(self) -> DeliveryStats:
        stats = self.ledger.read()
        assert stats.offered == stats.acknowledged + stats.pending + stats.total_lost
        assert min(stats.pending.records, stats.pending.decisions) >= 0
        return stats

    @property
    def segments(self) -> dict[str, bytes]:
        files = self.disk.files.items()
        return {str(path): content for path, content in files if path.suffix == ".seg"}

    @property
    def is_clean(self) -> bool:
        """Whether no record is left on the disk, and none is pending."""
        left = [path for path in self.disk.files if path.name not in ("owner.lock", "runs.open")]
        return not left and self.stats().pending == Volume()
