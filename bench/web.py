"""What pages cost the server, and how soon a browser shows them.

Render times are of CPU in this process, from the store to HTML. Times in the browser are of the
page's own clock, from the beginning of the navigation until the frame that shows the rows, in a
browser that knows neither page nor style sheet when it opens the first; they move with the load
that is told beside them.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from math import ceil
from pathlib import Path
from statistics import median
from time import process_time, time_ns
from typing import Final

import urllib3
from playwright.sync_api import Browser
from playwright.sync_api import Page as Tab

import xray
from bench.report import Figure, run_benchmark
from bench.serving import start_server, wait_until_up
from tests.contract.http.api import Api
from tests.web.chromium import launch
from xray.model.clock import from_wall_us
from xray.store.opening import open_store
from xray.store.protocol import Store
from xray.web.page import Page
from xray.web.pages.run import model_run
from xray.web.pages.step import model_step
from xray.web.rendering import render

_CANDIDATES: Final = 5_000
_HUGE, _QUICK_HUGE = 100_000, 20_000
_OPENED: Final = 9
_LOOK_MS: Final = 10
_RENDERED, _QUICK_RENDERED = 40, 20
_MAX_RENDER_MS, _MAX_ACT_MS, _MAX_ELEMENTS = 50, 200, 1_500
_MAX_SHOWN_MS: Final = {"run": 300, "step": 500}
# Told by the page itself: a driver that asks whether rows are there asks at intervals.
_NOTE_ROWS: Final = """(() => {
  const look = () => {
    const row = document.querySelector("table.list tbody tr");
    if (row && row.getClientRects().length) {
      requestAnimationFrame(() => setTimeout(() => { window.rowsShown = performance.now(); }));
    } else requestAnimationFrame(look);
  };
  look();
})()"""
# Timed within the page, up to the frame in which the rows stand.
_ACT: Final = """async ([act, argument]) => {
  const box = document.querySelector(".windowed");
  const form = document.querySelector("form.ask");
  const began = performance.now();
  if (act === "sort") document.querySelector('th[data-sort="score"] button').click();
  if (act === "jump") { box.scrollTop = argument * 34; box.dispatchEvent(new Event("scroll")); }
  if (act === "filter") {
    form.elements.find.value = argument;
    form.elements.find.dispatchEvent(new Event("input", { bubbles: true }));
  }
  await new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
  const rows = () => document.querySelectorAll(".decisions tbody tr:not(.spacer)");
  if (!rows().length) throw new Error("no rows");
  const outlined = performance.now() - began;
  while ([...rows()].some((row) => row.classList.contains("coming"))) {
    await new Promise((done) => setTimeout(done, 2));
  }
  return [outlined, performance.now() - began];
}"""


@dataclass(frozen=True)
class Recorded:
    """Runs to look at.

    Args:
        run_id: a run of three steps that decide 5,000 candidates each.
        step_id: its filter.
        huge_step_id: a step with every candidate in detail.
    """

    run_id: str
    step_id: str
    huge_step_id: str


def measure(is_quick: bool) -> Sequence[Figure]:
    """Record, render in this process, and look with a browser."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "xray.db"
        os.environ["XRAY_SPOOL_DIR"] = str(Path(folder) / "spool")
        figures = [Figure("load of the machine, per core", _load())]
        # In a process of its own, as it is served: a browser's driver takes much of this one.
        process, url = start_server(place)
        try:
            wait_until_up(urllib3.PoolManager(), url)
            with closing(Api(url)) as api:
                recorded = _record(url, api, _QUICK_HUGE if is_quick else _HUGE)
            with launch() as browser:
                figures += _open_pages(browser, url, recorded)
                figures += _act(browser, url, recorded, is_quick=is_quick)
        finally:
            process.terminate()
            process.wait()
        with closing(open_store(f"sqlite:///{place}")) as store:
            figures += _render(store, recorded, _QUICK_RENDERED if is_quick else _RENDERED)
        figures.append(Figure("load of the machine at the end, per core", _load()))
        return figures


def _load() -> float:
    return os.getloadavg()[0] / (os.cpu_count() or 1)


def _record(url: str, api: Api, huge: int) -> Recorded:
    pipeline = xray.XRay("wide", url=url)
    with pipeline.run(input={"query": "case"}) as run:
        for name, kind in (("retrieve", "retrieve"), ("filter", "filter"), ("rank", "rank")):
            with run.step(name, step_type=kind) as step:
                for number in range(_CANDIDATES):
                    price = number * 7919 % 997
                    if kind == "filter" and price > 300:
                        step.reject(f"p{number}", f"reason_{price % 7}", {"price": price})
                    else:
                        step.accept(f"p{number}", score=price / 997, attributes={"price": price})
        run.set_output("p1")
    full = xray.XRay("huge", url=url, capture="full")
    with full.run() as huge_run, huge_run.step("rank", step_type="rank") as step:
        for number in range(huge):
            step.accept(f"c{number}", score=number * 7919 % huge)
    if not xray.flush(timeout_s=120).is_complete:
        raise SystemExit("The runs did not arrive.")
    steps = api.get(f"/v1/runs/{run.run_id}").json["steps"]
    [large] = api.get(f"/v1/runs/{huge_run.run_id}").json["steps"]
    return Recorded(run.run_id, steps[1]["step_id"], large["step_id"])


def _render(store: Store, recorded: Recorded, repeats: int) -> Iterator[Figure]:
    now_us = time_ns() // 1000
    makers: dict[str, Callable[[], object]] = {
        "run": partial(model_run, store, recorded.run_id, now_us),
        "step": partial(model_step, store, recorded.step_id, (), now_us),
    }
    for name, make in makers.items():
        took = []
        # The first is left out: it compiles the templates and fills the engine's cache.
        for _ in range(repeats + 1):
            began = process_time()
            page = Page(f"{name}.html", name, make())
            render(
                page.template, page=page, model=page.model, server="", now=from_wall_us(now_us)
            ).encode()
            took.append((process_time() - began) * 1000)
        took = sorted(took[1:])
        yield Figure(f"{name} page of 5,000 a step: render p50, CPU", median(took), unit="ms")
        p95 = took[ceil(len(took) * 0.95) - 1]
        yield Figure(f"{name} page: render p95, CPU", p95, _MAX_RENDER_MS, unit="ms")


def _open_pages(browser: Browser, url: str, recorded: Recorded) -> Iterator[Figure]:
    for name, path in (
        ("run", f"/ui/runs/{recorded.run_id}"),
        ("step", f"/ui/steps/{recorded.step_id}"),
    ):
        took = []
        context = browser.new_context()
        context.add_init_script(_NOTE_ROWS)
        for _ in range(_OPENED + 1):
            tab = context.new_page()
            tab.goto(url + path)
            while (shown := tab.evaluate("window.rowsShown")) is None:
                tab.wait_for_timeout(_LOOK_MS)
            took.append(shown)
            tab.close()
        context.close()
        # The first is left out: it warms the browser and the server.
        shown = median(took[1:])
        yield Figure(
            f"{name} page: rows visible, median of 9", shown, _MAX_SHOWN_MS[name], unit="ms"
        )


def _act(browser: Browser, url: str, recorded: Recorded, *, is_quick: bool) -> Iterator[Figure]:
    huge = _QUICK_HUGE if is_quick else _HUGE
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    tab = context.new_page()
    tab.goto(f"{url}/ui/steps/{recorded.huge_step_id}")
    tab.locator(".windowed").wait_for(timeout=60_000)
    acts: dict[str, list[object]] = {
        "sort": [None] * 5,
        "jump": [huge * part // 10 for part in (5, 9, 2, 7, 4)],
        "filter": ["99", "7", "123", "c5", "1"],
    }
    for name, arguments in acts.items():
        took = [_time(tab, name, argument) for argument in arguments]
        named = f"step page of {huge:,}: {name}"
        yield Figure(f"{named}, rows stand", median(one[0] for one in took), _MAX_ACT_MS, unit="ms")
        yield Figure(f"{named}, with their detail", median(one[1] for one in took), unit="ms")
    count = tab.locator("*").count()
    yield Figure(f"step page of {huge:,}: elements", count, _MAX_ELEMENTS)
    context.close()


def _time(tab: Tab, act: str, argument: object) -> tuple[float, float]:
    outlined, whole = tab.evaluate(_ACT, [act, argument])
    return float(outlined), float(whole)


if __name__ == "__main__":
    sys.exit(run_benchmark(__doc__ or "", measure))
