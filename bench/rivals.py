"""One program that records with one of several SDKs, as its documentation says, and ends."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Final

SDKS: Final = ("xray", "opentelemetry", "langfuse", "sentry")
PAYLOAD: Final = "x" * 1000
_KILLED_LATER_S: Final = 0.1

Record = Callable[[int], None]
"""Records one run, by its number."""

Close = Callable[[], None]
"""What the documentation says a program does before it ends."""


def name_missing() -> list[str]:
    """The SDKs that are not installed here."""
    distributions = {
        "xray": "xray-forensics",
        "opentelemetry": "opentelemetry-exporter-otlp-proto-http",
        "sentry": "sentry-sdk",
    }
    installed = {each.metadata["Name"] for each in metadata.distributions()}
    return [sdk for sdk in SDKS if distributions.get(sdk, sdk) not in installed]


def spell_marks(number: int) -> tuple[str, str, str]:
    """What is found in a request that carries the start, the middle, the end of a run."""
    return f"xrb{number:07d}e", f"xrs{number:07d}e", f"xrf{number:07d}e"


def _use_xray(url: str) -> tuple[Record, Close]:
    import xray

    client = xray.XRay("bench", url=url)

    def record(number: int) -> None:
        started, decided, finished = spell_marks(number)
        with client.run(input={"mark": started, "payload": PAYLOAD}) as run:
            with run.step("filter", step_type="filter") as step:
                step.reject(decided, "too_expensive")
            run.set_output(finished)

    # Nothing is to be done at the end of a program.
    return record, lambda: None


def _use_opentelemetry(url: str) -> tuple[Record, Close]:
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    provider = TracerProvider()
    exporter = OTLPSpanExporter(endpoint=f"{url}/v1/traces")
    # The queue of 2,048 would be the limit of what is kept, and not the SDK.
    provider.add_span_processor(BatchSpanProcessor(exporter, max_queue_size=20_000))
    tracer = provider.get_tracer("bench")

    def record(number: int) -> None:
        with tracer.start_as_current_span("filter") as span:
            span.set_attribute("mark", spell_marks(number)[0])
            span.set_attribute("payload", PAYLOAD)

    return record, provider.shutdown


def _use_langfuse(url: str) -> tuple[Record, Close]:
    # Read by the span processor below it, which has the same limit of 2,048.
    os.environ["OTEL_BSP_MAX_QUEUE_SIZE"] = "20000"
    from langfuse import Langfuse

    client = Langfuse(public_key="pk-lf-bench", secret_key="sk-lf-bench", base_url=url)  # noqa: S106

    def record(number: int) -> None:
        mark = {"mark": spell_marks(number)[0], "payload": PAYLOAD}
        with client.start_as_current_observation(name="filter", input=mark):
            pass

    return record, client.shutdown


def _use_sentry(url: str) -> tuple[Record, Close]:
    import sentry_sdk

    address = url.replace("http://", "http://bench@") + "/1"
    # The queue of 100 would be the limit of what is kept, and not the SDK.
    sentry_sdk.init(dsn=address, transport_queue_size=20_000)

    def record(number: int) -> None:
        with sentry_sdk.new_scope() as scope:
            scope.set_extra("payload", PAYLOAD)
            sentry_sdk.capture_message(spell_marks(number)[0])

    return record, sentry_sdk.flush


_USES: Final[dict[str, Callable[[str], tuple[Record, Close]]]] = {
    "xray": _use_xray,
    "opentelemetry": _use_opentelemetry,
    "langfuse": _use_langfuse,
    "sentry": _use_sentry,
}


def _read_status(name: str) -> float:
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith(name):
            return int(line.split()[1]) / 1024
    raise RuntimeError(f"There is no {name} in /proc/self/status.")


def main(sdk: str, url: str, first: int, count: int, per_s: float, end: str) -> None:
    """Record *count* runs at a pace, then `exit`, or die by `kill` or `kill_later`."""
    record, close = _USES[sdk](url)
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # the peak begins here
    before_mb = _read_status("VmRSS")
    began_s = time.monotonic()
    for number in range(count):
        record(first + number)
        ahead_s = began_s + (number + 1) / per_s - time.monotonic()
        if ahead_s > 0 and end == "exit":
            time.sleep(ahead_s)
    if end != "exit":
        if end == "kill_later":
            time.sleep(_KILLED_LATER_S)
        os.kill(os.getpid(), signal.SIGKILL)
    growth_mb = _read_status("VmHWM") - before_mb
    print(json.dumps({"ending_s": time.monotonic(), "growth_mb": growth_mb}), flush=True)
    close()


if __name__ == "__main__":
    _, name, address, begin, amount, pace, way = sys.argv
    main(name, address, int(begin), int(amount), float(pace), way)
