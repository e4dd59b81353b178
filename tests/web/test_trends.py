"""Trends: figures over days, versions that began, and what each bucket leads to."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import closing
from html import unescape

import pytest
from playwright.sync_api import Browser, expect

from tests.contract.http.api import Api
from tests.web.conftest import open_pages
from tests.web.pictures import take_pictures
from xray.model.baseline import DAY_US
from xray.model.facts import (
    ACCEPTED,
    REJECTED,
    DecisionRow,
    Fact,
    RunFinished,
    RunStarted,
    StepFinished,
)
from xray.model.ids import new_uuid7
from xray.query.values import read_span_us
from xray.server.serving import BackgroundServer
from xray.server.settings import ServerSettings
from xray.store.opening import open_store
from xray.web.pages.trend_figures import METRICS, choose_window
from xray.web.pages.trends import say_figure

DAYS = 12
RUNS = 6
QUIET_AGE = 5
NEW_SINCE = 3
PAGE = "/ui/trends?pipeline=search&since=30d"


def weeks() -> Iterator[Fact]:
    """A filter that keeps half; from version 2.0 on it keeps one in five, and ranking fails."""
    today_us = time.time_ns() // 1000 // DAY_US * DAY_US
    for age in range(DAYS, -1, -1):
        if age == QUIET_AGE:
            continue
        version = "2.0" if age <= NEW_SINCE else "1.9"
        for number in range(RUNS):
            at_us = today_us - age * DAY_US + number * 1_000
            run_id = new_uuid7(at_us)
            rejected = 80 if age <= NEW_SINCE else 45 + age
            yield RunStarted(run_id=run_id, pipeline="search", started_at_us=at_us, version=version)
            yield StepFinished(
                run_id=run_id,
                step_id=new_uuid7(at_us),
                pipeline="search",
                name="affordable",
                step_type="filter",
                ordinal=0,
                started_at_us=at_us,
                duration_ms=100.0 + 10 * number + age,
                rows=[DecisionRow(REJECTED, f"c{n}", "too_dear") for n in range(rejected - 20)]
                + [DecisionRow(REJECTED, f"d{n}", "sold_out") for n in range(20)]
                + [DecisionRow(ACCEPTED, f"e{n}") for n in range(100 - rejected)],
            )
            yield StepFinished(
                run_id=run_id,
                step_id=new_uuid7(at_us),
                pipeline="search",
                name="rank",
                step_type="rank",
                ordinal=1,
                started_at_us=at_us,
                duration_ms=20.0 + age,
                input_count=100 - rejected,
                output_count=100 - rejected,
                status="failed" if age <= NEW_SINCE and number < 2 else "completed",
            )
            yield RunFinished(run_id=run_id, status="completed", duration_ms=200.0)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    place = f"sqlite:///{tmp_path_factory.mktemp('weeks') / 'runs.db'}"
    store = open_store(place)
    assert not store.submit("weeks", list(weeks())).result().rejected
    store.close()
    settings = ServerSettings(store=place, port=0)
    with BackgroundServer(settings) as server, closing(Api(server.url)) as api:
        yield api


def show(server: Api, path: str) -> str:
    answer = server.ask("GET", path)
    assert answer.status == 200, answer.content
    return answer.content.decode()


def rows_of(body: str, caption: str) -> list[list[str]]:
    """The cells of the table in the region *caption*."""
    table = body.split(f'aria-label="{caption}"', 1)[1].split("</table>", 1)[0]
    cells = [re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row) for row in table.split("<tr>")[2:]]
    return [[unescape(re.sub(r"<[^>]+>", "", cell)).strip() for cell in row] for row in cells]


def test_the_figures_are_those_of_the_call_that_is_shown(server: Api) -> None:
    body = show(server, PAGE)
    shown = {row[0][:10]: row[1] for row in rows_of(body, "Figures of affordable") if row[1]}
    call = next(unescape(one) for one in re.findall(r"http://[^<]+?/v1/aggregate[^<]+", body))
    answer = server.get(call.rstrip("'").removeprefix(server.url)).json
    told = {
        group["start"][:10]: f"{group['figures']['mean(rejection_rate)'] * 100:.1f} %"
        for group in answer["groups"]
        if group["group"]["name"] == "affordable"
    }
    assert shown == told
    assert len(shown) == DAYS
    assert list(shown.values())[-1] == "80.0 %"


def test_a_day_without_steps_is_a_gap_and_not_a_zero(server: Api) -> None:
    body = show(server, PAGE)
    quiet = rows_of(body, "Figures of affordable")[-1 - QUIET_AGE]
    assert quiet[1:3] == ["", ""]
    large = body.split('<figure class="trend">', 1)[1]
    assert len(re.findall(r"<polyline", large)) == 2


def test_the_first_run_of_a_version_is_marked_where_it_ran(server: Api) -> None:
    rows = rows_of(show(server, PAGE), "Figures of affordable")
    assert {row[-1]: place for place, row in enumerate(rows) if row[-1]} == {
        "1.9": len(rows) - 1 - DAYS,
        "2.0": len(rows) - 1 - NEW_SINCE,
    }
    recent = show(server, "/ui/trends?pipeline=search&since=7d")
    assert ">2.0</text>" in recent
    assert ">1.9</text>" not in recent


def test_a_bucket_leads_to_the_runs_it_counts(server: Api) -> None:
    body = show(server, PAGE)
    hrefs = re.findall(r'<a href="([^"]+)"[^>]*><rect class="hit"', body)
    runs = server.get(unescape(hrefs[-1 - NEW_SINCE]).replace("/ui/", "/v1/")).json
    assert runs["total"] == RUNS
    assert {run["version"] for run in runs["runs"]} == {"2.0"}


@pytest.mark.parametrize(
    ("metric", "step", "last"),
    [
        ("rejection_rate", "affordable", ["80.0 %"]),
        ("reasons", "affordable", ["60", "20"]),
        ("in", "rank", ["20"]),
        ("out", "affordable", ["20"]),
        ("duration", "rank", ["20 ms", "20 ms"]),
        ("failures", "rank", ["33.3 %"]),
    ],
)
def test_each_figure_is_drawn(server: Api, metric: str, step: str, last: list[str]) -> None:
    body = show(server, f"{PAGE}&metric={metric}&step={step}")
    row = rows_of(body, f"Figures of {step}")[-1]
    shown = row[1:-1:2]
    assert len(shown) == len(last)
    for cell, expected in zip(shown, last, strict=True):
        if metric == "reasons":
            assert abs(float(cell.split()[0]) - float(expected)) <= float(expected) / 64 + 0.1
        else:
            assert cell == expected


def test_versions_have_lines_of_their_own(server: Api) -> None:
    body = show(server, f"{PAGE}&by=version&step=affordable")
    rows = rows_of(body, "Figures of affordable")
    assert rows[-1][1] == ""
    assert rows[-1][3] == "80.0 %"
    assert rows[-1 - DAYS][1] == "57.0 %"
    assert rows[-1 - DAYS][3] == ""


def test_figures_are_said_in_full_and_nothing_known_is_no_figure() -> None:
    said = {metric.name: metric for metric in METRICS}
    assert say_figure(said["in"], 1_234_567.0) == "1,234,567"
    assert say_figure(said["out"], 12.5) == "12.5"
    assert say_figure(said["duration"], 0.0) == "0"
    assert say_figure(said["rejection_rate"], 0.0) == "0.0 %"
    assert say_figure(said["failures"], None) == ""


@pytest.mark.parametrize("span", ["1m", "59m", "7d", "44d", "366d"])
def test_buckets_reach_as_far_as_asked_and_to_the_moment(span: str) -> None:
    now_us = time.time_ns() // 1000
    span_us = read_span_us(span) or 0
    window = choose_window(span_us, now_us)
    assert window.starts_us[0] <= now_us - span_us
    assert window.starts_us[-1] <= now_us < window.starts_us[-1] + window.width_us
    assert 2 <= len(window.starts_us) <= 54


@pytest.mark.parametrize("wrong", ["metric=x", "since=soon", "since=999w", "by=x", "colour=red"])
def test_what_cannot_be_drawn_says_why(server: Api, wrong: str) -> None:
    answer = server.ask("GET", f"/ui/trends?{wrong}")
    assert answer.status == 400
    assert b"problem" in answer.content


def test_a_pipeline_without_steps_in_the_time_offers_longer_ones(server: Api) -> None:
    body = show(server, "/ui/trends?pipeline=nothing&since=1h")
    assert "tells this within 1h" in body
    assert "since=30d" in body


def test_a_click_on_the_chart_opens_the_runs_of_that_day(server: Api, browser: Browser) -> None:
    with open_pages(browser, server.url) as open_page:
        for scheme in ("light", "dark"):
            page = open_page(PAGE, color_scheme=scheme)
            take_pictures(page, "trends-days", scheme)
            expect(page.get_by_role("img", name="Rejection rate of affordable")).to_be_visible()
        page.locator(".hit").nth(-1 - NEW_SINCE).click()
        expect(page.get_by_text("6 of 6 runs")).to_be_visible()
        narrow = open_page(PAGE, viewport={"width": 400, "height": 800})
        assert narrow.evaluate("document.documentElement.scrollWidth") <= 400
