"""What pages answer over HTTP, without a browser."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from contextlib import closing
from html import unescape
from urllib.parse import quote

import pytest

from tests.contract.http.api import Api
from tests.web.conftest import Site
from xray.server.serving import BackgroundServer
from xray.server.settings import ServerSettings


def ask(site: Site, path: str, **headers: str) -> tuple[int, str]:
    answer = site.api.ask("GET", path, headers={"Accept": "text/html", **headers})
    return answer.status, answer.content.decode()


def paths_of(site: Site) -> list[str]:
    run = f"/ui/runs/{site.bad_run}"
    steps = site.api.get(f"/v1/steps?run_id={site.bad_run}").json["steps"]
    return [
        "/ui/runs",
        "/ui/steps",
        "/ui/steps?rejection_rate_gt=0.5",
        f"/ui/decisions?candidate_id={site.bad_match}",
        run,
        f"{run}/why?candidate={site.bad_match}",
        f"{run}/findings",
        f"{run}/provenance?candidate=stand",
        *(f"/ui/steps/{step['step_id']}" for step in steps),
    ]


def test_every_page_may_load_nothing_but_its_own_files_and_runs_nothing_inline(site: Site) -> None:
    for path in paths_of(site):
        answer = site.api.ask("GET", path)
        policy = answer.headers["content-security-policy"]
        assert "default-src 'self'" in policy
        assert "unsafe" not in policy
        body = answer.content.decode()
        assert not re.search(r"<script(?![^>]*\bsrc=)|\son\w+=|\sstyle=|javascript:", body), path


def test_browsers_are_sent_to_the_page_and_programs_get_the_answer(site: Site) -> None:
    for path in ("/", "/runs?status=completed", f"/runs/{site.bad_run}", "/steps"):
        browser = site.api.ask("GET", path, headers={"Accept": "text/html,*/*;q=0.8"})
        assert (browser.status, browser.headers["location"]) == (303, f"/ui{path}")
        program = site.api.ask("GET", path, headers={"Accept": "*/*"})
        assert (program.status, program.headers["content-type"]) == (200, "application/json")


@pytest.mark.parametrize(
    ("path", "status", "said"),
    [
        ("/ui/runs/01a1fea9-0000-7000-8000-000000000000", 404, "There is no run"),
        ("/ui/runs/nonsense", 400, "is not an id"),
        ("/ui/nothing", 404, "There is no /ui/nothing"),
        ("/ui/runs?q=pipelin+%3D+1", 400, "<mark>pipelin</mark>"),
        ("/ui/runs/01a1fea9-0000-7000-8000-000000000000/why", 400, "which candidate"),
    ],
)
def test_what_cannot_be_shown_is_said_on_a_page(
    site: Site, path: str, status: int, said: str
) -> None:
    answered, body = ask(site, path)
    assert (answered, said in unescape(body)) == (status, True)
    assert "<!doctype html>" in body


def test_files_are_kept_for_ever_under_an_address_of_their_content(site: Site) -> None:
    _, body = ask(site, "/ui/runs")
    for address in re.findall(r'(?:href|src)="(/ui/static/[^"]+)"', body):
        assert "immutable" in site.api.ask("GET", address).headers["cache-control"]
        stale = re.sub(r"static/\w+/", "static/000000000000/", address)
        assert site.api.ask("GET", stale).status == 404


def test_the_calls_a_page_names_run_as_they_are(site: Site) -> None:
    _, body = ask(site, f"/ui/runs/{site.bad_run}/why?candidate={quote(site.bad_match)}")
    curl = unescape(re.findall(r'class="curl"[^>]*><code>(.*?)</code>', body, re.DOTALL)[0])
    answered = subprocess.run(shlex.split(curl), capture_output=True, text=True, check=True)
    assert 'keyword \\"stand\\"' in answered.stdout
    python = unescape(re.findall(r'class="python"[^>]*><code>(.*?)</code>', body, re.DOTALL)[0])
    answered = subprocess.run(
        [sys.executable, "-c", python], capture_output=True, text=True, check=True
    )
    assert 'keyword "stand"' in answered.stdout


def test_an_empty_server_teaches_the_first_run() -> None:
    settings = ServerSettings(store="memory:", port=0)
    with BackgroundServer(settings) as server, closing(Api(server.url)) as api:
        body = unescape(api.ask("GET", "/ui/runs").content.decode())
    assert "No runs yet" in body
    assert 'run.step("filter", step_type="filter")' in body
    assert server.url in body
