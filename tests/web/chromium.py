"""The browser that pages are looked at with: Debian's Chromium, or any other of its kind."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Request, sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
# Without these Chromium asks the network for updates of itself, which no test waits for.
ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)


def find_chromium() -> str | None:
    """The path of an installed browser."""
    return next((found for name in NAMES if (found := shutil.which(name)) is not None), None)


@contextmanager
def launch() -> Iterator[Browser]:
    """A browser without a window; skips where none is installed."""
    path = find_chromium()
    if path is None:
        pytest.skip("no Chromium: `apt-get install chromium`, or put one on the PATH")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(ARGUMENTS))
        try:
            yield browser
        finally:
            browser.close()


@dataclass
class Watched:
    """What no page may do: ask another host, break its own policy, raise."""

    url: str
    faults: list[str] = field(default_factory=list)

    def watch(self, context: BrowserContext) -> None:
        """Note the faults of every page of *context*."""
        context.on("request", self._note_request)
        context.on("console", self._note_message)
        context.on("weberror", lambda error: self.faults.append(f"raised {error.error}"))
        context.on("dialog", lambda dialog: self.faults.append(f"dialog {dialog.message}"))

    def _note_request(self, request: Request) -> None:
        if not request.url.startswith(self.url):
            self.faults.append(f"asked {request.url}")

    def _note_message(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning") and "status of 4" not in message.text:
            self.faults.append(f"{message.type}: {message.text}")
