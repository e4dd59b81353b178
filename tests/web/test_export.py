"""A run as one file: it opens without a server, and holds what its pages show."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from html import unescape
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

import xray
from tests.contract.http.api import Api
from tests.web.conftest import Site
from xray import XRay
from xray.server.serving import BackgroundServer
from xray.server.settings import ServerSettings
from xray.web.pages.export import name_file

HOSTILE = "</style><script>alert(1)</script><img src=//evil.test/x onerror=alert(2)>"
A4_PX = 703


def fetch(api: Api, run_id: str) -> tuple[str, dict[str, str]]:
    answer = api.ask("GET", f"/ui/runs/{run_id}/export")
    assert answer.status == 200, answer.content
    return answer.content.decode(), dict(answer.headers)


@contextmanager
def record(folder: Path, candidates: int = 3, text: str = "plain") -> Iterator[tuple[Api, str]]:
    """A server with one run, whose filter decides about some candidates."""
    settings = ServerSettings(store=f"sqlite:///{folder / 'xray.db'}", port=0)
    with BackgroundServer(settings) as server, closing(Api(server.url)) as api:
        pipeline = XRay(f"shop {text}", url=server.url, capture="full")
        with pipeline.run(input=text, metadata={text: text}) as run:
            with run.step(f"filter {text}", step_type="filter") as step:
                for number in range(candidates):
                    step.reject(f"item_{number} {text}", reason=f"too_dear {text}", reasoning=text)
                step.accept("the_one", attributes={"price": 5})
            run.output = text
        assert xray.flush(timeout_s=60)
        yield api, run.run_id


@pytest.fixture
def saved(site: Site, tmp_path: Path) -> Path:
    """The bad run of the demo as a file."""
    file = tmp_path / "run.html"
    file.write_text(fetch(site.api, site.bad_run)[0])
    return file


def test_the_file_names_the_root_cause_every_step_and_every_finding(site: Site) -> None:
    body, headers = fetch(site.api, site.bad_run)
    told = unescape(body)
    why = site.api.get(f"/v1/runs/{site.bad_run}/why?candidate={site.bad_match}").json
    assert why["answer"] in told
    for finding in site.api.get(f"/v1/runs/{site.bad_run}/findings").json["findings"]:
        assert finding["text"] in told
    for step in site.api.get(f"/v1/runs/{site.bad_run}").json["steps"]:
        assert f">{step['name']}</a>" in told
    assert headers["content-disposition"].startswith("attachment; filename=")
    assert "sandbox" in headers["content-security-policy"]


def test_it_opens_from_disk_without_asking_for_anything(browser: Browser, saved: Path) -> None:
    asked, complaints = [], []
    for scheme in ("light", "dark"):
        context = browser.new_context(offline=True, color_scheme=scheme)
        page = context.new_page()
        page.on("request", lambda request: asked.append(request.url))
        page.on("console", lambda message: complaints.append(message.text))
        page.goto(saved.as_uri())
        expect(page.get_by_role("heading", level=1)).to_contain_text("competitor_selection")
        ground = page.evaluate("getComputedStyle(document.documentElement).backgroundColor")
        assert ground == {"light": "rgb(250, 250, 248)", "dark": "rgb(15, 20, 21)"}[scheme]
        page.get_by_role("link", name="filter_candidates").first.click()
        assert re.search(r"#step-\d+$", page.url)
        context.close()
    assert {url.partition("#")[0] for url in asked} == {saved.as_uri()}
    assert complaints == []


def test_no_script_and_no_address_but_the_server_stands_in_it(site: Site) -> None:
    body, _ = fetch(site.api, site.bad_run)
    assert "<script" not in body
    assert "style=" not in body.split("</style>", 1)[1]
    targets = re.findall(r'(?:href|src)="([^"]*)"', body)
    live = f"{site.url}/ui/runs/{site.bad_run}"
    assert {target for target in targets if not target.startswith("#")} == {live}
    anchors = {target[1:] for target in targets if target.startswith("#")}
    assert anchors
    assert all(f'id="{anchor}"' in body for anchor in anchors)


def test_what_is_left_out_is_counted_by_verdict(tmp_path: Path) -> None:
    with record(tmp_path, candidates=250) as (api, run_id):
        body = unescape(fetch(api, run_id)[0])
    assert "Not in this file: 150 of 250 rejected." in body
    assert len(re.findall(r'<span class="candidate">', body)) == 101
    assert ">the_one<" in body
    assert ">250</td>" in body


def test_captured_text_cannot_leave_its_place(tmp_path: Path, browser: Browser) -> None:
    with record(tmp_path, text=HOSTILE) as (api, run_id):
        body, headers = fetch(api, run_id)
    assert "<script" not in body
    assert "<img" not in body
    assert body.count("</style>") == 1
    assert re.fullmatch(
        r'attachment; filename="xray-[A-Za-z0-9_-]+\.html"', headers["content-disposition"]
    )
    file = tmp_path / "hostile.html"
    file.write_text(body)
    context = browser.new_context()
    page = context.new_page()
    dialogs: list[str] = []
    page.on("dialog", lambda dialog: dialogs.append(dialog.message))
    page.goto(file.as_uri())
    assert page.locator("img, script").count() == 0
    assert dialogs == []
    context.close()


def test_names_of_files_are_letters_that_every_system_takes() -> None:
    run_id = "01a1fea9-0000-7000-8000-000000000000"
    assert name_file('a/b\\c "d"\r\nX: y', run_id) == "xray-a_b_c_d_X_y-01a1fea9-0000.html"
    assert name_file("…", run_id) == "xray-run-01a1fea9-0000.html"


def test_a_run_that_is_not_there_is_no_file(site: Site) -> None:
    missing = "/ui/runs/01a1fea9-0000-7000-8000-000000000000/export"
    assert site.api.ask("GET", missing).status == 404


def test_it_and_the_page_fit_printed_paper(
    browser: Browser, saved: Path, open_page: Callable[..., Page], site: Site
) -> None:
    context = browser.new_context(viewport={"width": A4_PX, "height": 1000}, color_scheme="dark")
    page = context.new_page()
    page.goto(saved.as_uri())
    page.emulate_media(media="print")
    assert page.evaluate("document.documentElement.scrollWidth") <= A4_PX
    ground = page.evaluate("getComputedStyle(document.documentElement).backgroundColor")
    assert ground == "rgb(255, 255, 255)"
    assert page.pdf(format="A4").startswith(b"%PDF")
    context.close()
    printed = open_page(
        f"/ui/runs/{site.bad_run}", viewport={"width": A4_PX, "height": 1000}, color_scheme="dark"
    )
    printed.emulate_media(media="print")
    expect(printed.get_by_role("searchbox")).to_be_hidden()
    assert printed.evaluate("document.documentElement.scrollWidth") <= A4_PX


def test_the_page_of_a_run_offers_it(open_page: Callable[..., Page], site: Site) -> None:
    page = open_page(f"/ui/runs/{site.bad_run}")
    with page.expect_download() as download:
        page.get_by_role("link", name="Export as one file").click()
    assert download.value.suggested_filename.startswith("xray-competitor_selection-")
