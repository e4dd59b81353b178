"""Every page can be read by everybody: no rule of WCAG 2.2 A and AA is broken, light or dark."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.base import AXE_SCRIPT
from playwright.sync_api import Browser, Page

from tests.web.conftest import Site
from tests.web.every_page import FILES, paths_of, shown_pages
from tests.web.pictures import take_pictures
from tests.web.shoe_shop import Shop
from xray.server.serving import BackgroundServer
from xray.server.settings import ServerSettings

KEY = "a-key-that-nobody-guesses-0123456789"
TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22a", "wcag22aa"]
LOOK = """options => axe.run(document, options).then(found => found.violations.map(
    one => `${one.id}: ${one.nodes.map(
        node => `${node.target.join(" ")} ${(node.any[0] ?? node.all[0] ?? node.none[0])?.message}`
    ).slice(0, 3).join(" | ")}`))"""
# Of the many alike on one page, such as the operations of the API, some are looked into.
UNFOLD = """() => [...document.querySelectorAll('details')].slice(0, 12).forEach(
    one => { one.open = true; })"""
# What a dark page is made of is what the light one is; only its colours are others.
OF_COLOURS = ["color-contrast", "link-in-text-block"]
RULES = {"light": {"type": "tag", "values": TAGS}, "dark": {"type": "rule", "values": OF_COLOURS}}

pytestmark = pytest.mark.parametrize("scheme", ["light", "dark"])


@contextmanager
def window(browser: Browser, scheme: Any) -> Iterator[Page]:
    """One page, in which all addresses are opened in turn."""
    context = browser.new_context(color_scheme=scheme)
    context.set_default_timeout(20_000)
    try:
        yield context.new_page()
    finally:
        context.close()


def look(page: Page, scheme: str, name: str, address: str) -> list[str]:
    """What is wrong with the page at *address*, with what is folded away unfolded.

    Pictures of it are made first.
    """
    page.goto(address)
    take_pictures(page, name, scheme)
    page.evaluate(UNFOLD)
    return judge(page, scheme)


def judge(page: Page, scheme: str) -> list[str]:
    """What is wrong with the page as it stands."""
    page.evaluate(AXE_SCRIPT)
    options = {"runOnly": RULES[scheme], "resultTypes": ["violations"], "preload": False}
    return [f"{page.url}: {fault}" for fault in page.evaluate(LOOK, options)]


def test_every_page_keeps_the_rules(browser: Browser, shop: Shop, scheme: str) -> None:
    with window(browser, scheme) as page:
        faults = [
            fault
            for name, path in shown_pages(shop).items()
            for fault in look(page, scheme, name, shop.url + path)
        ]
    assert not faults, "\n".join(faults)


def test_the_pages_of_the_demo_keep_the_rules(browser: Browser, site: Site, scheme: str) -> None:
    run = f"{site.url}/ui/runs/{site.bad_run}"
    pages = {
        "demo-run": run,
        "demo-why": f"{run}/why?candidate={site.bad_match}",
        "demo-provenance": f"{run}/provenance?candidate=stand",
    }
    with window(browser, scheme) as page:
        faults = [fault for name, path in pages.items() for fault in look(page, scheme, name, path)]
    assert not faults, "\n".join(faults)


def test_a_run_saved_as_a_file_keeps_the_rules(
    browser: Browser, shop: Shop, scheme: str, tmp_path: Path
) -> None:
    file = tmp_path / "run.html"
    with window(browser, scheme) as page:
        for route in sorted(FILES):
            file.write_bytes(shop.api.ask("GET", paths_of(shop)[route][0]).content)
            assert not look(page, scheme, "run-export", file.as_uri())


def test_what_stands_where_nothing_can_be_shown_keeps_the_rules(
    browser: Browser, shop: Shop, scheme: str
) -> None:
    settings = ServerSettings(store="memory:", port=0, api_key=KEY)
    with (
        window(browser, scheme) as page,
        BackgroundServer(settings) as locked,
        BackgroundServer(ServerSettings(store="memory:", port=0)) as empty,
    ):
        faults = look(page, scheme, "login", f"{locked.url}/ui/runs")
        page.get_by_label("Key").fill("not the key")
        page.get_by_role("button", name="Log in").click()
        assert page.get_by_role("alert").is_visible()
        take_pictures(page, "login-refused", scheme)
        faults += judge(page, scheme)
        faults += look(page, scheme, "empty", f"{empty.url}/ui/runs")
        faults += look(page, scheme, "problem-absent", f"{shop.url}/ui/nothing")
        faults += look(page, scheme, "problem-query", f"{shop.url}/ui/runs?q=pipelin+%3D+1")
    assert not faults, "\n".join(faults)


def test_the_list_of_keys_keeps_the_rules(browser: Browser, shop: Shop, scheme: str) -> None:
    with window(browser, scheme) as page:
        page.goto(f"{shop.url}/ui/settings")
        page.keyboard.press("?")
        assert page.get_by_role("dialog").is_visible()
        take_pictures(page, "keys", scheme)
        assert not judge(page, scheme)
