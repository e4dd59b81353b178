"""Capture: what recording costs a pipeline, in CPU time of the thread that records.

A verb is measured against a call of an empty method in the same repeat, so that the figure means
the same on a slow machine and a fast one. The sink encodes each fact and drops it: what a pipeline
pays before delivery's own threads take over. Rivals record the same five steps and 1,000 candidates
as OpenTelemetry span events, and as lines of the standard logger, written to a file as JSON.
"""

from __future__ import annotations

import gc
import json
import logging
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from statistics import median

from opentelemetry.sdk.trace import SpanLimits, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter, SpanExportResult

from bench.report import Figure, run_benchmark
from xray import XRay
from xray.model.facts import Fact
from xray.model.ids import new_uuid7
from xray.wire.codec import encode_fact

_STEPS = 5
_CANDIDATES = 1_000
_IMPORT = (
    "import time; start = time.process_time(); import xray; "
    "print(1000 * (time.process_time() - start))"
)


class EncodingSink:
    """Encodes each fact, as delivery does before it queues it, and drops it."""

    def put(self, fact: Fact) -> None:
        """Encode *fact*."""
        encode_fact(fact)

    def settle_run(self, run_id: str) -> None:
        """Nothing waits."""

    def count_loss(self, cause: str, records: int = 1, decisions: int = 0) -> None:  # noqa: ARG002
        """Refuse to measure a capture that loses something."""
        raise RuntimeError(f"capture lost {records} records: {cause}")


class Empty:
    """A verb that does nothing, with the signature of a short `reject`."""

    def reject(
        self,
        candidate_id: str,
        reason: str | None = None,
        attributes: object = None,
    ) -> None:
        """Do nothing."""


def measure(is_quick: bool) -> Sequence[Figure]:
    """Time each verb beside an empty call, a whole run beside its rivals, and the import."""
    _pin_to_one_core()
    repeats = 7 if is_quick else 21
    figures: list[Figure] = []
    for level, rows, budget in (
        ("sample", 1_000, 13.0),
        ("sample", 10_000, 8.0),
        ("sample", 100_000, 6.5),
        ("minimal", 100_000, 4.0),
    ):
        ratio, own_ns, empty_ns = _compare_reject(level, rows, repeats)
        name = f"reject at {level}, {rows:,} rows a step"
        figures += [
            Figure(f"{name}, against an empty call", ratio, budget, unit="x"),
            Figure(f"{name}, a call", own_ns, unit="ns"),
        ]
    figures.append(Figure("an empty call", empty_ns, unit="ns"))
    with tempfile.TemporaryDirectory(prefix="xray-bench-") as folder:
        figures += _compare_rivals(repeats, Path(folder) / "decisions.log")
        imports = [_import_ms(folder) for _ in range(repeats + 1)][1:]
    figures.append(Figure("import xray, CPU", median(imports), 60, unit="ms"))
    return figures


def _pin_to_one_core() -> None:
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})


def _time_ns(work: Callable[[], object]) -> int:
    gc.collect()
    start = time.thread_time_ns()
    work()
    return time.thread_time_ns() - start


def _compare_reject(level: str, rows: int, repeats: int) -> tuple[float, float, float]:
    """The ratio to an empty call, and nanoseconds a call of each; medians over *repeats*."""
    client = XRay("bench", sink=EncodingSink(), capture=level)
    names = [f"prod_{number}" for number in range(rows)]
    empty = Empty()
    # Short steps are repeated, or the clock's own steps would be what is measured.
    rounds = max(1, 20_000 // rows)
    own: list[float] = []
    bare: list[float] = []
    for repeat in range(repeats + 1):
        works = [
            partial(_reject_rounds, client, names, rounds),
            partial(_call, empty, names, rounds),
        ]
        taken = [_time_ns(work) / (rows * rounds) for work in works]
        if repeat:  # the first round warms up
            own.append(taken[0])
            bare.append(taken[1])
    ratio = median(mine / other for mine, other in zip(own, bare, strict=True))
    return ratio, median(own), median(bare)


def _reject_rounds(client: XRay, names: Sequence[str], rounds: int) -> None:
    with client.run() as run:
        for _ in range(rounds):
            with run.step("filter", "filter") as step:
                for name in names:
                    step.reject(name, "price_too_high", {"price": 150})


def _call(empty: Empty, names: Sequence[str], rounds: int) -> None:
    for _ in range(rounds):
        for name in names:
            empty.reject(name, "price_too_high", {"price": 150})


def _compare_rivals(repeats: int, log: Path) -> list[Figure]:
    client = XRay("bench", sink=EncodingSink())
    # Without a limit of its own a span drops all but its last 128 events.
    provider = TracerProvider(
        shutdown_on_exit=False, span_limits=SpanLimits(max_events=_CANDIDATES)
    )
    provider.add_span_processor(SimpleSpanProcessor(_DroppingExporter()))
    tracer = provider.get_tracer("bench")
    logger = _json_logger(log)
    names = [f"prod_{number}" for number in range(_CANDIDATES // _STEPS)]

    def by_xray() -> None:
        with client.run(input={"query": "case"}) as run:
            for number in range(_STEPS):
                with run.step(f"step_{number}", "filter") as step:
                    for name in names:
                        step.reject(name, "price_too_high", {"price": 150})

    def by_spans() -> None:
        with tracer.start_as_current_span("run"):
            for number in range(_STEPS):
                with tracer.start_as_current_span(f"step_{number}") as span:
                    for name in names:
                        span.add_event(
                            "rejected",
                            {"candidate_id": name, "reason": "price_too_high", "price": 150},
                        )

    def by_lines() -> None:
        run_id = new_uuid7()
        for number in range(_STEPS):
            for name in names:
                logger.info(
                    "rejected",
                    extra={
                        "run_id": run_id,
                        "step": f"step_{number}",
                        "candidate_id": name,
                        "reason": "price_too_high",
                        "price": 150,
                    },
                )

    taken: list[list[int]] = []
    for repeat in range(repeats + 1):
        row = [_time_ns(work) for work in (by_xray, by_spans, by_lines)]
        if repeat:
            taken.append(row)
    return [
        Figure(
            "a run of 5 steps and 1,000 candidates", median(r[0] for r in taken) / 1e6, unit="ms"
        ),
        Figure(
            "the same as OpenTelemetry span events, times dearer",
            median(row[1] / row[0] for row in taken),
            14,
            "larger",
            "x",
        ),
        Figure(
            "the same as JSON log lines, times dearer",
            median(row[2] / row[0] for row in taken),
            32,
            "larger",
            "x",
        ),
    ]


class _DroppingExporter(SpanExporter):
    """Serialises each span, as any exporter must, and drops it."""

    def export(self, spans: Sequence[object]) -> SpanExportResult:
        for span in spans:
            span.to_json(indent=None)  # type: ignore[attr-defined]
        return SpanExportResult.SUCCESS


class _JsonFormatter(logging.Formatter):
    """A record's time, level, logger, message and whatever `extra=` added to it."""

    _own = frozenset(logging.makeLogRecord({}).__dict__)

    def format(self, record: logging.LogRecord) -> str:
        fields = record.__dict__.items()
        return json.dumps(
            {
                "time": self.formatTime(record),
                "level": record.levelname,
                "logger": record.name,
                "message": record.getMessage(),
                **{name: value for name, value in fields if name not in self._own},
            }
        )


def _json_logger(path: Path) -> logging.Logger:
    handler = logging.FileHandler(path)
    handler.setFormatter(_JsonFormatter())
    logger = logging.getLogger("bench")
    logger.setLevel(logging.INFO)
    logger.propagate = False
    logger.addHandler(handler)
    return logger


def _import_ms(folder: str) -> float:
    # Byte code is kept in *folder*, as an installed package has it; the first import compiles.
    environ = {name: text for name, text in os.environ.items() if not name.startswith("PYTHON")}
    done = subprocess.run(
        [sys.executable, "-c", _IMPORT],
        env={**environ, "PYTHONPYCACHEPREFIX": folder},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return float(done.stdout)


if __name__ == "__main__":
    sys.exit(run_benchmark("What recording costs the thread of a pipeline.", measure))
