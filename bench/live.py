"""How a browser keeps up with a list of runs that is followed while 100 runs a second begin."""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Final

import urllib3

from bench.report import Figure, run_benchmark
from bench.serving import start_server, wait_until_up
from tests.contract.http.api import Api
from tests.web.chromium import launch
from xray.model.facts import RunStarted
from xray.model.ids import new_uuid7

_RATE: Final = 100
_TOOK_S, _QUICK_TOOK_S = 60, 10
_SETTLES_MS: Final = 1_500
_WATCH: Final = """() => {
  window.tasks = [];
  window.seen = {};
  new PerformanceObserver((list) => {
    for (const one of list.getEntries()) tasks.push(one.duration);
  }).observe({ type: "longtask" });
  new MutationObserver(() => {
    const now = Date.now();
    for (const row of document.querySelectorAll("tr[data-run]")) seen[row.dataset.run] ??= now;
  }).observe(document.querySelector(".list.runs"), { childList: true, subtree: true });
}"""


def measure(is_quick: bool) -> Sequence[Figure]:
    """Follow the list, begin runs, and note when each is on screen."""
    with tempfile.TemporaryDirectory() as folder:
        process, url = start_server(Path(folder) / "xray.db")
        try:
            wait_until_up(urllib3.PoolManager(), url)
            with closing(Api(url)) as api:
                return _follow(url, api, _QUICK_TOOK_S if is_quick else _TOOK_S)
        finally:
            process.terminate()
            process.wait()


def _follow(url: str, api: Api, took_s: int) -> Sequence[Figure]:
    api.create_run()
    with launch() as browser:
        page = browser.new_context().new_page()
        page.goto(f"{url}/ui/runs?live=on")
        page.evaluate(_WATCH)
        session = page.context.new_cdp_session(page)
        session.send("HeapProfiler.collectGarbage")
        heap = page.evaluate("performance.memory.usedJSHeapSize")
        sent = _send(api, took_s)
        page.wait_for_timeout(_SETTLES_MS)
        session.send("HeapProfiler.collectGarbage")
        grown = page.evaluate("performance.memory.usedJSHeapSize") - heap
        seen, tasks = page.evaluate("seen"), page.evaluate("tasks")
    late = sorted(seen[run] - at for run, at in sent.items() if run in seen)
    return [
        Figure("runs begun a second", len(sent) / took_s),
        Figure("share of them seen on screen", len(late) / len(sent), 0.99, "larger"),
        Figure("until on screen, p50", late[len(late) // 2], unit="ms"),
        Figure("until on screen, p95", late[int(len(late) * 0.95)], 1_000, unit="ms"),
        Figure("longest task of the page", max(tasks, default=0), 200, unit="ms"),
        Figure("growth of the page's heap", grown / 1e6, 20, unit="MB"),
    ]


def _send(api: Api, took_s: int) -> dict[str, float]:
    """When each run was sent, in ms since 1970."""
    sent: dict[str, float] = {}
    began = time.time()
    while (now := time.time()) < began + took_s:
        run_id, now_us = new_uuid7(int(now * 1e6)), int(now * 1e6)
        sent[run_id] = now * 1000
        api.send([RunStarted(run_id=run_id, pipeline="followed", started_at_us=now_us)])
        time.sleep(max(0.0, began + len(sent) / _RATE - time.time()))
    return sent


if __name__ == "__main__":
    sys.exit(run_benchmark(__doc__ or "", measure))
