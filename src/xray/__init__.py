"""X-Ray: decision forensics for pipelines that generate, retrieve, filter, rank and select.

Record what your pipeline decides, and why:

    from xray import XRay

    x = XRay("search")
    with x.run(input=query) as run:
        with run.step("filter", step_type="filter") as step:
            for item in items:
                if step.check(item, "price_too_high", item.price, "<=", 100):
                    step.accept(item)
                else:
                    step.reject(item)
        run.set_output(best)

or with `xray_run` and `xray_step`, which need no client at hand. Both are context managers, plain
and async, and decorators of functions, coroutines and generators.

- `XRay`, `xray_run`, `xray_step` make a `Run` and its `Step`s.
- `current_step` is the step the running code is in: what a decorated function records with.
- `wrap` carries the current run into threads and executors, `attach` into other processes.
- `rule` states what must be true of a candidate for `step.filter(items, rules)` to keep it.
- `Client` asks a server what was recorded, in notebooks with data frames and tables.
- `replay` runs a recorded step again with today's code and compares what it decides.
- `configure` sets what counts for every client; so do variables such as `XRAY_URL`.
- `flush`, `close` and `stats` deliver what waits and keep the books.
- `XRayDeliveryError`, an `XRayError`, is raised in `offline_mode="fail"` only; otherwise nothing
  here ever breaks the pipeline.
- `REDACTED` is what a redaction hook returns in place of a value.
"""

from typing import TYPE_CHECKING

from xray.capture.redaction import REDACTED
from xray.capture.run import Run
from xray.capture.sets.rules import rule
from xray.capture.step import Step
from xray.capture.wrapping import wrap
from xray.destinations import close, flush, stats
from xray.errors import XRayDeliveryError, XRayError
from xray.session import XRay, attach, configure, current_step, xray_run, xray_step

if TYPE_CHECKING:
    from xray.client import Client
    from xray.replaying import replay

__all__ = [
    "REDACTED",
    "Client",
    "Run",
    "Step",
    "XRay",
    "XRayDeliveryError",
    "XRayError",
    "attach",
    "close",
    "configure",
    "current_step",
    "flush",
    "replay",
    "rule",
    "stats",
    "wrap",
    "xray_run",
    "xray_step",
]


def __getattr__(name: str) -> object:
    # Who records asks nothing: the client is loaded where somebody does.
    if name == "Client":
        from xray.client import Client

        return Client
    if name == "replay":
        from xray.replaying import replay

        return replay
    raise AttributeError(f"module 'xray' has no attribute {name!r}")
