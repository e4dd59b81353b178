"""Whatever was recorded is text on every page, and leads back to where it came from."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import closing
from html.parser import HTMLParser
from urllib.parse import parse_qs, quote, urlencode, urlsplit

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.contract.http.api import Api
from tests.web.conftest import open_pages
from tests.web.hostile_runs import AFTER, BEFORE, CHECK, PIPELINE, Hostile, post_one, record_hostile
from tests.web.hostile_strings import HOSTILE
from xray.query.tokens import say_text
from xray.server.serving import BackgroundServer
from xray.server.settings import ServerSettings
from xray.web.routes import PAGES

WIDTH = 1280
OURS = re.compile(r"/ui(?:[/?#]|$)|\?|#|/v1/")
CLICKED = (0, 93, 117, 161, 185)


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hostile]:
    file = tmp_path_factory.mktemp("hostile") / "xray.db"
    settings = ServerSettings(store=f"sqlite:///{file}", port=0)
    with BackgroundServer(settings) as server, closing(Api(server.url)) as api:
        yield record_hostile(server.url, api)


def paths_of(hostile: Hostile) -> dict[str, list[str]]:
    """Addresses of every page, by its route."""
    run, single = f"runs/{hostile.after}", f"runs/{hostile.single[HOSTILE[88]]}"
    steps = hostile.steps(hostile.after)
    named = urlencode({"pipeline": PIPELINE})
    of_named = urlencode({"q": f"pipeline = {say_text(PIPELINE)}"})
    pair = urlencode({"a": f"version = {say_text(BEFORE)}", "b": f"version = {say_text(AFTER)}"})
    of_limit = urlencode({"limit": f"{CHECK}=100"})
    item = quote(HOSTILE[3])
    paths = {
        "runs": ["runs?limit=210", f"runs?{named}", f"runs?q={item}"],
        "runs/{run_id}": [run, single],
        "runs/{run_id}/findings": [f"{run}/findings", f"{single}/findings"],
        "runs/{run_id}/export": [f"{run}/export"],
        "runs/{run_id}/case": [f"{run}/case", f"{single}/case?candidate={item}"],
        "runs/{run_id}/why": [f"{run}/why?candidate={quote(text)}" for text in HOSTILE[:4]],
        "runs/{run_id}/alike": [f"{run}/alike?candidate={quote(text)}" for text in HOSTILE[:2]],
        "runs/{run_id}/provenance": [f"{run}/provenance?candidate={item}"],
        "runs/{run_id}/what-if": [f"{run}/what-if"],
        "steps": ["steps?limit=220", f"steps?{urlencode({'name': HOSTILE[12]})}"],
        "steps/{step_id}": [f"steps/{one}" for one in steps],
        "steps/{step_id}/rows": [f"steps/{steps[2]}/rows?at=0,1,2"],
        "decisions": [f"decisions?candidate_id={quote(HOSTILE[161])}"],
        "search": [f"search?q={quote(text)}" for text in ("alert", HOSTILE[2], HOSTILE[120])],
        "trends": [
            "trends",
            f"trends?{named}",
            f"trends?{named}&{urlencode({'step': HOSTILE[12], 'metric': 'reasons'})}",
        ],
        "help": ["help"],
        "help/api": ["help/api"],
        "settings": ["settings"],
        "diff": [f"diff?a={hostile.before}&b={hostile.after}"],
        "compare": [f"compare?{pair}"],
        "rules": [f"rules?{named}", f"rules?{named}&{urlencode({'since_version': AFTER})}"],
        "separate": [
            f"separate?{pair}",
            f"separate?{urlencode({'run_id': hostile.after, 'step': HOSTILE[12]})}",
        ],
        "quality": [f"quality?{of_named}&k=5"],
        "audit": [f"audit?{of_named}&runs=9"],
        "labels": ["labels?limit=210"],
        "baselines": [f"baselines?{named}&days=7"],
        "flakiness": [f"flakiness?{of_named}&runs=9"],
        "what-if": [f"what-if?{named}&{of_limit}"],
    }
    found = {f"/ui/{name}": [f"/ui/{path}" for path in of] for name, of in paths.items()}
    assert set(found) == set(PAGES), "a page that was not looked at"
    return found


def test_every_page_stays_whole(browser: Browser, hostile: Hostile) -> None:
    faults = []
    shown = {
        route: of
        for route, of in paths_of(hostile).items()
        if not route.endswith(("/export", "/rows"))
    }
    with open_pages(browser, hostile.url) as open_page:
        page = open_page("/ui/help", viewport={"width": WIDTH, "height": 900})
        for path in (path for of in shown.values() for path in of):
            answer = page.goto(path, wait_until="load")
            if answer is None or answer.status not in (200, 400 if "runs?q=" in path else 200):
                faults.append(f"{answer and answer.status} {path}")
            page.evaluate(
                "() => document.querySelectorAll('details').forEach(d => {d.open = true;})"
            )
            width = page.evaluate("document.documentElement.scrollWidth")
            if width > WIDTH:
                faults.append(f"{width} px wide: {path}")
            if page.locator("main").count() != 1 or page.locator("h1").count() != 1:
                faults.append(f"other elements: {path}")
    assert not faults, "\n".join(faults)


def test_a_list_that_is_followed_takes_rows_as_text(browser: Browser, hostile: Hostile) -> None:
    with open_pages(browser, hostile.url) as open_page:
        page = open_page("/ui/runs?live=on&limit=5", viewport={"width": WIDTH, "height": 900})
        expect(page.get_by_role("status")).to_contain_text("following")
        made = [post_one(hostile.api, text) for text in HOSTILE[::9]]
        for run_id in made:
            expect(page.locator(f'tr[data-run="{run_id}"]')).to_be_attached()
        assert page.evaluate("document.documentElement.scrollWidth") <= WIDTH


def test_what_is_typed_into_the_search_is_text(browser: Browser, hostile: Hostile) -> None:
    with open_pages(browser, hostile.url) as open_page:
        page = open_page("/ui/help")
        for text in (HOSTILE[2], HOSTILE[85], HOSTILE[125], HOSTILE[160]):
            page.get_by_role("search").get_by_role("searchbox").first.fill(text)
            page.keyboard.press("Enter")
            expect(page).to_have_url(re.compile("/ui/(search|runs|steps)"))
            expect(page.locator("main")).to_have_count(1)


def test_links_with_hostile_ids_lead_to_their_page_and_back(
    browser: Browser, hostile: Hostile
) -> None:
    step = hostile.steps(hostile.after)[2]
    with open_pages(browser, hostile.url) as open_page:
        page = open_page(f"/ui/steps/{step}?sort=")
        for number in CLICKED:
            text = HOSTILE[number]
            link = find_link(page, hostile.after, text)
            link.click()
            expect(page).to_have_url(re.compile(r"/why\?"))
            assert asked_of(page.url) == text
            expect(page.locator("main h1")).to_have_count(1)
            page.go_back()
            expect(page).to_have_url(re.compile(f"/ui/steps/{step}"))


def find_link(page: Page, run_id: str, text: str) -> Locator:
    """The link of the row of the candidate *text*, which filters bring in sight."""
    address = f"/ui/runs/{run_id}/why?{urlencode({'candidate': text})}"
    box = page.get_by_role("region", name="Table of decisions")
    link = page.locator(".decisions tbody th a").and_(page.locator(f'[href="{address}"]'))
    for top in range(0, 34 * len(HOSTILE), 500):
        if link.count():
            break
        box.evaluate("(box, top) => { box.scrollTop = top; }", top)
        page.wait_for_timeout(100)
    return link.first


def asked_of(address: str) -> str:
    """The candidate an address is about."""
    return parse_qs(urlsplit(address).query, keep_blank_values=True)["candidate"][0]


class Reader(HTMLParser):
    """What of a page could run or load something, and where its links lead."""

    def __init__(self) -> None:
        super().__init__()
        self.faults: list[str] = []
        self.links: list[str] = []
        self.has_ended = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        told = dict(attrs)
        if tag in ("iframe", "base", "object", "embed", "style", "animate", "plaintext", "xmp"):
            self.faults.append(tag)
        if tag == "script" and not (told.get("src") or "").startswith("/ui/static/"):
            self.faults.append(f"script {told}")
        for name, value in attrs:
            if name.startswith("on") or name in ("style", "srcdoc", "formaction", "ping", "srcset"):
                self.faults.append(f"{tag} {name}")
            if name in ("href", "src", "action") and not OURS.match(value or ""):
                self.faults.append(f"{tag} {name}={value}")
        if tag == "a" and told.get("href"):
            self.links.append(told["href"] or "")

    def handle_endtag(self, tag: str) -> None:
        self.has_ended |= tag == "html"


def read(hostile: Hostile, path: str) -> Reader:
    """The page at *path*."""
    answer = hostile.api.ask("GET", path)
    assert answer.status == 200, (path, answer.content)
    reader = Reader()
    reader.feed(answer.content.decode())
    reader.faults = [f"{path}: {fault}" for fault in reader.faults]
    if not reader.has_ended:
        reader.faults.append(f"{path}: no end")
    return reader


def test_each_text_in_every_field_of_a_run_is_text_on_its_pages(hostile: Hostile) -> None:
    faults = []
    for text, run_id in hostile.single.items():
        run = f"/ui/runs/{run_id}"
        reader = read(hostile, run)
        faults += reader.faults
        step = next(link for link in reader.links if link.startswith("/ui/steps/"))
        faults += read(hostile, step).faults
        reader = read(hostile, f"{run}/why?{urlencode({'candidate': text})}")
        faults += reader.faults
        if run not in reader.links:
            faults.append(f"{run}: no way back from {text!r}")
        if not any(link.startswith(step.partition("?")[0]) for link in reader.links):
            faults.append(f"{run}: no way from {text!r} to its step")
    assert not faults, "\n".join(faults)


def test_links_of_tables_name_the_candidate_exactly(hostile: Hostile) -> None:
    run, step = hostile.after, hostile.steps(hostile.after)[2]
    places = ",".join(str(place) for place in range(len(HOSTILE)))
    body = hostile.api.ask("GET", f"/ui/steps/{step}/rows?at={places}").content.decode()
    reader = Reader()
    reader.feed(f"<table>{body}</table>")
    named = [asked_of(link) for link in reader.links if f"/ui/runs/{run}/why?" in link]
    assert (named, reader.faults) == (list(HOSTILE), [])
