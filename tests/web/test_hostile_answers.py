"""Whatever was recorded, pages of answers show it as text."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from urllib.parse import urlencode

import pytest
from playwright.sync_api import Browser

import xray
from tests.contract.http.api import Api
from tests.web.conftest import open_pages
from xray import XRay
from xray.client import Client
from xray.server.serving import BackgroundServer
from xray.server.settings import ServerSettings

HOSTILE = "'\"><img src=x onerror=alert(1)><script>alert(2)</script></svg></title>{{7*7}}\u202e"
CHECK = "dear'\"><script>alert(3)</script>\u202e"
VERSION = HOSTILE[:-1]
RUNS = 8


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Api, list[str]]]:
    file = tmp_path_factory.mktemp("hostile") / "xray.db"
    settings = ServerSettings(store=f"sqlite:///{file}", port=0)
    with BackgroundServer(settings) as server, closing(Api(server.url)) as api:
        runs = [
            attack(XRay(HOSTILE, url=server.url, version=f"{version}{VERSION}"), limit)
            for version, limit in ((1, 60), (2, 30))
            for _ in range(RUNS)
        ]
        assert xray.flush(timeout_s=30)
        with Client(server.url) as client:
            client.label(runs[-1], "bad", note=HOSTILE, by=HOSTILE)
            client.label(runs[-1], "good", candidate=f"7{HOSTILE}", note=HOSTILE)
        yield api, runs


def attack(pipeline: XRay, limit: int) -> str:
    """A run of which every name, id, key and text would rather be markup."""
    with pipeline.run(input={HOSTILE: HOSTILE}, params={HOSTILE: limit}) as run:
        with run.step(f"words{HOSTILE}", step_type="generate") as step:
            step.accept(HOSTILE)
        with run.step(f"find{HOSTILE}", step_type="retrieve") as step:
            for place in range(10):
                step.accept(f"{place}{HOSTILE}", origin=HOSTILE, attributes={HOSTILE: HOSTILE})
        with run.step(f"filter{HOSTILE}", step_type="filter", params={HOSTILE: limit}) as step:
            kept = []
            for place in range(10):
                name = f"{place}{HOSTILE}"
                if step.check(name, CHECK, 10 * place, "<=", limit, field=HOSTILE):
                    kept.append(name)
                    step.accept(name)
                else:
                    step.reject(name, reasoning=HOSTILE)
        with run.step(f"choose{HOSTILE}", step_type="select") as step:
            for place, name in enumerate(kept, 1):
                if place == 1:
                    step.select(name, score=0.5, rank=1, reasoning=HOSTILE)
                else:
                    step.reject(name, HOSTILE, score=0.5 / place, rank=place)
    return str(run.run_id)


def test_no_page_of_answers_runs_or_loads_what_was_recorded(
    hostile: tuple[Api, list[str]], browser: Browser
) -> None:
    api, runs = hostile
    a, b = runs[0], runs[-1]
    query = f"version = {quote(f'1{VERSION}')}"
    paths = [
        f"/ui/diff?a={a}&b={b}",
        f"/ui/runs/{b}/what-if",
        f"/ui/runs/{b}/what-if?{urlencode({'limit': f'{CHECK}=50'})}",
        f"/ui/what-if?{urlencode({'limit': f'{CHECK}=50', 'pipeline': HOSTILE})}",
        f"/ui/compare?{urlencode({'a': query, 'b': f'not ({query})'})}",
        "/ui/compare",
        f"/ui/runs/{b}/provenance?{urlencode({'candidate': HOSTILE})}",
        f"/ui/rules?{urlencode({'pipeline': HOSTILE})}",
        f"/ui/flakiness?{urlencode({'q': '', 'runs': '20'})}",
        f"/ui/separate?{urlencode({'where': '', 'step': f'filter{HOSTILE}'})}",
        f"/ui/separate?{urlencode({'a': query})}",
        "/ui/quality",
        "/ui/audit",
        "/ui/labels",
        f"/ui/baselines?{urlencode({'pipeline': HOSTILE})}",
        f"/ui/runs/{b}",
    ]
    with open_pages(browser, api.url) as open_page:
        for path in paths:
            page = open_page(path)
            assert page.locator("h1").count() == 1, path
            assert page.locator("[onerror], main img, script:not([src])").count() == 0, path
            if "?" in path:
                assert "<script>" in page.locator("main").inner_text(), path
            assert "\u202e" not in page.locator("main").inner_text(), path
            page.context.close()


def quote(text: str) -> str:
    """*text* as a query has it."""
    escaped = text.replace("\\", "\\\\").replace("'", "\\'").replace("\u202e", "\\u202e")
    return f"'{escaped}'"
