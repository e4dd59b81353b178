"""Pictures of pages, made on the way of the tests that open them: `build/pages/`.

Every page is seen wide and light, and narrow and dark; `make pictures` makes all four of each.
"""

from __future__ import annotations

import base64
import os
from pathlib import Path
from typing import Final

from playwright.sync_api import Page, expect

FOLDER: Final = Path(__file__).parents[2] / "build" / "pages"
_WIDTHS: Final = {"light": (1280,), "dark": (400,)}
_ALL_WIDTHS: Final = (400, 1280)
_HEIGHT: Final = 800
_MAX_HEIGHT: Final = 4_000
"""More of a page tells the eye nothing, and costs the encoder seconds."""


def take_pictures(page: Page, name: str, scheme: str) -> None:
    """Keep what is seen of the page.

    Args:
        page: the page as a reader finds it; it is left wide.
        name: what it is called among the pictures.
        scheme: `light` or `dark`, as the page is drawn.
    """
    FOLDER.mkdir(parents=True, exist_ok=True)
    expect(page.locator("[aria-busy], tr.coming")).to_have_count(0)
    # The browser's own command takes half of what `page.screenshot` does.
    session = page.context.new_cdp_session(page)
    widths = _ALL_WIDTHS if os.environ.get("XRAY_PICTURES") == "all" else _WIDTHS[scheme]
    for width in widths:
        page.set_viewport_size({"width": width, "height": _HEIGHT})
        height = min(page.evaluate("document.documentElement.scrollHeight"), _MAX_HEIGHT)
        asked = {
            "captureBeyondViewport": True,
            "optimizeForSpeed": True,
            "clip": {"x": 0, "y": 0, "width": width, "height": height, "scale": 1},
        }
        taken = session.send("Page.captureScreenshot", asked)["data"]
        (FOLDER / f"{name}-{width}-{scheme}.png").write_bytes(base64.b64decode(taken))
    session.detach()
    page.set_viewport_size({"width": _ALL_WIDTHS[-1], "height": _HEIGHT})
