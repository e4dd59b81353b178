"""How delivery behaves, in one immutable table."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from random import SystemRandom
from typing import Final, Literal

from xray.model.clock import Clock, SystemClock

OfflineMode = Literal["buffer", "silent", "fail"]
OnFull = Literal["drop", "wait"]
SyncPolicy = Literal["interval", "always", "never"]

_random: Final = SystemRandom()


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliverySettings:
    """How delivery behaves.

    Args:
        url: where the server is, e.g. `http://127.0.0.1:8000`.
        api_key: sent as `Authorization: Bearer`; never shown and never logged.
        offline_mode: what happens when the server is away: `buffer` keeps and tries again,
            `silent` drops and counts, `fail` raises from `flush` and at the end of each run.
        client: who sends, as the server sees it; `xray-python/<version>` when absent.
        ca_file: certificates to trust instead of the system's.
        max_queue_bytes: how much memory waiting facts may take.
        max_batch_bytes: size of one request before compression.
        max_batch_facts: facts in one request.
        poll_interval_s: how often the writer empties the queue.
        linger_s: how long a batch that is not full waits for more.
        fast_batches: how many first batches of a process do not wait.
        request_deadline_s: wall-clock limit of one request, its answer included.
        connect_timeout_s: limit of opening a connection.
        fail_deadline_s: how long `fail` mode tries before it raises.
        exit_budget_s: how long the exit of the process may be held up.
        first_backoff_s: upper bound of the first pause after a failure.
        max_backoff_s: upper bound of every pause.
        max_retry_after_s: the longest `Retry-After` that is obeyed.
        park_probe_s: how often a server that refuses everything is asked again.
        spool_places: directories to keep the spool in, the first that can be used; in memory when
            there is none.
        spool_name: the directory in them; follows from `url` when absent.
        max_spool_bytes: how much disk the spool of one server may take.
        segment_bytes: when a file of the spool is full.
        sync: when records are forced to disk: `interval`, `always` or `never`. It matters for a
            loss of power only; the death of the process takes nothing that was appended.
        sync_interval_s: how long appended records wait for that at most.
        adoption_interval_s: how often the spools of dead processes are looked for.
        on_full: what happens when neither memory nor disk has room: `drop` and count, or let the
            pipeline `wait`.
        durable_exit: write each run to the spool before it ends; None: only where processes end
            or freeze without notice.
        clock: where backoff and parking read the time.
        draw: a random number in [0, 1), for jitter.
    """

    url: str = "http://127.0.0.1:8000"
    api_key: str | None = field(default=None, repr=False)
    offline_mode: OfflineMode = "buffer"
    client: str | None = None
    ca_file: str | None = None
    max_queue_bytes: int = 16 << 20
    max_batch_bytes: int = 512 << 10
    max_batch_facts: int = 500
    poll_interval_s: float = 0.02
    linger_s: float = 0.25
    fast_batches: int = 5
    request_deadline_s: float = 30.0
    connect_timeout_s: float = 5.0
    fail_deadline_s: float = 10.0
    exit_budget_s: float = 1.5
    first_backoff_s: float = 1.0
    max_backoff_s: float = 30.0
    max_retry_after_s: float = 300.0
    park_probe_s: float = 300.0
    spool_places: tuple[Path, ...] = ()
    spool_name: str | None = None
    max_spool_bytes: int = 256 << 20
    segment_bytes: int = 1 << 20
    sync: SyncPolicy = "interval"
    sync_interval_s: float = 1.0
    adoption_interval_s: float = 30.0
    on_full: OnFull = "drop"
    durable_exit: bool | None = None
    clock: Clock = field(default_factory=SystemClock)
    draw: Callable[[], float] = _random.random
