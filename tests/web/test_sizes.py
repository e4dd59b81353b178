"""How much a browser loads before it shows a page, and from where."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.web.conftest import Site
from xray.web import assets

MAX_FIRST_LOAD_BYTES = 40_000
MAX_SCRIPT_LINES = 2_000
MAX_ISLAND_LINES = 300
WEB = Path(assets.__file__).parent
SCRIPTS = sorted((WEB / "static").glob("*.js"))
# The names by which vocabularies are known: nothing is loaded from there.
NAMESPACES = ("http://www.w3.org/2000/svg",)
LICENCES = re.compile(r"@license|copyright|\(c\) \d{4}|MIT License|sourceMappingURL", re.IGNORECASE)


def first_load(site: Site, path: str) -> int:
    """Bytes that the server sends of a page and of all it loads, scripts of scripts included."""
    seen: dict[str, int] = {}
    waiting = [path]
    while waiting:
        address = waiting.pop()
        if address in seen:
            continue
        answer = site.api.ask("GET", address, headers={"Accept-Encoding": "gzip"})
        assert answer.status == 200, address
        # The client opens what was compressed: the header tells what was sent.
        seen[address] = int(answer.headers["content-length"])
        text = answer.content.decode()
        found = re.findall(r'(?:src|href)="(/ui/static/[^"]+)"', text)
        if address.endswith(".js"):
            folder = address.rpartition("/")[0]
            found = [f"{folder}/{name}" for name in re.findall(r'from "\./([^"]+)"', text)]
        waiting += found
    assert any(address.endswith(".css") for address in seen)
    assert any(address.endswith(".js") for address in seen)
    return sum(seen.values())


@pytest.mark.parametrize("page", ["runs", "run", "step", "why"])
def test_the_pages_of_a_search_for_a_cause_load_little(site: Site, page: str) -> None:
    steps = site.api.get(f"/v1/steps?run_id={site.bad_run}").json["steps"]
    most = max(steps, key=lambda step: step["input_count"] or 0)
    paths = {
        "runs": "/ui/runs",
        "run": f"/ui/runs/{site.bad_run}",
        "step": f"/ui/steps/{most['step_id']}",
        "why": f"/ui/runs/{site.bad_run}/why?candidate={site.bad_match}",
    }
    assert first_load(site, paths[page]) <= MAX_FIRST_LOAD_BYTES


def test_the_help_that_names_every_route_loads_what_one_page_may(site: Site) -> None:
    assert first_load(site, "/ui/help") <= MAX_FIRST_LOAD_BYTES


def test_scripts_are_few_and_short() -> None:
    lines = {file.name: len(file.read_text().splitlines()) for file in SCRIPTS}
    assert sum(lines.values()) <= MAX_SCRIPT_LINES
    assert {name: count for name, count in lines.items() if count > MAX_ISLAND_LINES} == {}


def test_scripts_are_all_our_own() -> None:
    for file in SCRIPTS:
        text = file.read_text()
        assert not LICENCES.search(text), file.name
        assert max(map(len, text.splitlines())) <= 200, f"{file.name} was made by a tool"
        imported = re.findall(r'^import .*?"([^"]+)";$', text, re.MULTILINE)
        assert all((WEB / "static" / name).exists() for name in imported), file.name


def test_nothing_names_an_address_outside() -> None:
    files = [*(WEB / "templates").iterdir(), *(WEB / "static").iterdir()]
    for file in files:
        text = file.read_text()
        for name in NAMESPACES:
            text = text.replace(name, "")
        assert not re.search(r"(?:https?:)?//[a-z0-9-]+\.[a-z]", text), file.name
        assert "@import" not in text, file.name


def test_every_file_is_used() -> None:
    texts = {
        file.name: file.read_text()
        for folder in ("templates", "static", "pages")
        for file in (WEB / folder).iterdir()
        if file.is_file()
    }
    for name in assets.list_assets():
        assert any(name in text for other, text in texts.items() if other != name), name
