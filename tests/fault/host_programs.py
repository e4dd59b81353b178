"""What runs inside the hosts: pipelines in a WSGI app, an ASGI app, a Celery task and greenlets.

Every program began to record before its host forked.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path
from typing import Any

import xray

pipeline = xray.XRay("hosted")


def record(runs: int) -> None:
    """A few runs of a pipeline with one step: three records each."""
    for _ in range(runs):
        with pipeline.run(input="q") as run, run.step("filter", step_type="filter") as step:
            step.reject("a", "too_far")
            step.accept("b")


def wsgi_app(environ: dict[str, str], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Records as many runs as the path says, e.g. `/5`."""
    record(int(environ["PATH_INFO"].strip("/") or 0))
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [str(os.getpid()).encode()]


async def asgi_app(
    scope: dict[str, Any],
    receive: Callable[[], Awaitable[dict[str, Any]]],
    send: Callable[[dict[str, Any]], Awaitable[None]],
) -> None:
    """The same for an ASGI server."""
    if scope["type"] == "lifespan":
        while True:
            message = await receive()
            await send({"type": f"{message['type']}.complete"})
            if message["type"] == "lifespan.shutdown":
                return
    record(int(scope["path"].strip("/") or 0))
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": str(os.getpid()).encode()})


def make_celery() -> Any:
    """An app whose broker is a folder."""
    from celery import Celery

    folder = Path(os.environ["HOST_BROKER"])
    for name in ("queue", "processed"):
        (folder / name).mkdir(exist_ok=True)
    app = Celery("hosted", broker="filesystem://")
    app.conf.broker_transport_options = {
        "data_folder_in": str(folder / "queue"),
        "data_folder_out": str(folder / "queue"),
        "control_folder": str(folder / "control"),
        "processed_folder": str(folder / "processed"),
        "store_processed": False,
        "polling_interval": 0.05,
    }
    app.task(name="record")(record)
    return app


def run_greenlets(runs: int) -> None:
    """Every run in a greenlet of its own."""
    import gevent

    gevent.joinall([gevent.spawn(record, 1) for _ in range(runs)], raise_error=True)


if __name__ == "__main__":
    run_greenlets(int(sys.argv[1]))
elif "HOST_BEGINS" in os.environ:
    # Before the host forks, as an app that is preloaded does.
    record(1)
if "HOST_BROKER" in os.environ:
    celery_app = make_celery()
