"""A real server over what the examples recorded, and a real browser."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from tests.contract.http.api import Api
from tests.web.chromium import Watched, launch
from tests.web.shoe_shop import Shop, record_shop
from xray.client import Client
from xray.server.serving import BackgroundServer
from xray.server.settings import ServerSettings

ROOT = Path(__file__).parents[2]
SCENARIOS = ("scenario_categorization", "scenario_bad_match_demo")


@dataclass(frozen=True)
class Site:
    """A server with runs.

    Args:
        url: where it listens.
        api: talks to it.
        bad_run: the run that matched a phone case with a laptop stand.
        bad_match: what it chose.
    """

    url: str
    api: Api
    bad_run: str
    bad_match: str


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("site")
    settings = ServerSettings(store=f"sqlite:///{folder / 'xray.db'}", port=0)
    with BackgroundServer(settings) as server, closing(Api(server.url)) as api:
        for scenario in SCENARIOS:
            record(scenario, server.url, folder)
        with Client(server.url) as client:
            found = client.runs(q="input.product_title = 'iPhone 15 Case'").items
            run = next(run for run in found if "stand" in run.output["selected"])
        yield Site(server.url, api, run.run_id, run.output["selected"])


def record(scenario: str, url: str, folder: Path) -> None:
    """Run one of the examples against the server at *url*."""
    environment = {
        name: text for name, text in os.environ.items() if not name.startswith("XRAY_")
    } | {"XRAY_URL": url, "XRAY_SPOOL_DIR": str(folder / "spool")}
    subprocess.run(
        [sys.executable, ROOT / "examples" / f"{scenario}.py"],
        env=environment,
        check=True,
        capture_output=True,
        timeout=120,
    )


# While it is open an event loop runs on this thread, and the tests of other files start their own.
@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with launch() as browser:
        yield browser


@pytest.fixture(scope="session")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    file = tmp_path_factory.mktemp("shop") / "xray.db"
    settings = ServerSettings(store=f"sqlite:///{file}", port=0)
    with BackgroundServer(settings) as server, closing(Api(server.url)) as api:
        yield record_shop(server.url, api)


@pytest.fixture
def open_page(browser: Browser, site: Site) -> Iterator[Callable[..., Page]]:
    """Opens pages of the site; whatever no page may do fails the test."""
    with open_pages(browser, site.url) as open_one:
        yield open_one


@pytest.fixture
def open_shop(browser: Browser, shop: Shop) -> Iterator[Callable[..., Page]]:
    """Opens pages about the shop's runs; whatever no page may do fails the test."""
    with open_pages(browser, shop.url) as open_one:
        yield open_one


@contextmanager
def open_pages(browser: Browser, url: str) -> Iterator[Callable[..., Page]]:
    """A way to open pages of the server at *url*, at the end of which no fault may be known."""
    watched = Watched(url)
    contexts = []

    def open_one(path: str, **options: Any) -> Page:
        context = browser.new_context(base_url=url, **options)
        context.set_default_timeout(15_000)
        contexts.append(context)
        watched.watch(context)
        page = context.new_page()
        page.goto(path)
        return page

    yield open_one
    for context in contexts:
        context.close()
    assert not watched.faults
