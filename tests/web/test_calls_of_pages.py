"""Every page names the calls that yield what it shows, and these run as they stand there."""

from __future__ import annotations

import contextlib
import io
import json
import re
import shlex
import subprocess
from html import unescape
from urllib.parse import urlencode

from tests.web.every_page import shown_pages
from tests.web.shoe_shop import Shop

SHOWN = re.compile(r'role="status">\s*<b>([\d,]+)</b> of (?:at least )?([\d,]+) ')
PAIR = {"a": "pipeline = 'shoes' and version = '1.4'", "b": "version = '1.5'"}


def paths_of(shop: Shop) -> list[str]:
    run = f"/ui/runs/{shop.after}"
    return [
        f"/ui/diff?a={shop.before}&b={shop.after}",
        f"{run}/what-if?limit=price_too_high%3D90.5&limit=rating_too_low%3D3",
        "/ui/what-if?pipeline=shoes&limit=price%3D90",
        f"/ui/compare?{urlencode(PAIR)}",
        f"/ui/separate?{urlencode(PAIR)}",
        f"/ui/separate?run_id={shop.after}&step=filter&reason=price_too_high",
        "/ui/baselines?pipeline=shoes&days=7",
        "/ui/rules?pipeline=shoes&since_version=1.5",
        "/ui/audit?q=pipeline+%3D+%27shoes%27&runs=50",
        "/ui/quality?q=pipeline+%3D+%27shoes%27&k=5",
        "/ui/flakiness?q=pipeline+%3D+%27shoes%27&runs=40",
        f"/ui/runs/{shop.chained}/provenance?candidate=boot",
    ]


def read_calls(body: str) -> list[tuple[str, str]]:
    """The calls that a page offers, each for a shell and for Python."""
    shells = re.findall(r'class="curl"[^>]*><code>(.*?)</code>', body, re.DOTALL)
    pythons = re.findall(r'class="python"[^>]*><code>(.*?)</code>', body, re.DOTALL)
    return [(unescape(a), unescape(b)) for a, b in zip(shells, pythons, strict=True)]


def run_shell(call: str) -> str:
    return subprocess.run(shlex.split(call), capture_output=True, text=True, check=True).stdout


def run_python(call: str) -> str:
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(call, {})
    return printed.getvalue()


def test_the_calls_run_and_answer_what_the_page_shows(shop: Shop) -> None:
    for path in paths_of(shop):
        body = shop.api.ask("GET", path).content.decode()
        headline = unescape(re.findall(r"<h1[^>]*>(.*?)</h1>", body, re.DOTALL)[0]).strip()
        [(shell, python)] = read_calls(body)
        assert headline[:30] in run_shell(shell).replace('\\"', '"'), path
        said = run_python(python).replace("\\'", "'").replace('\\"', '"')
        assert headline[:30] in said, path


def test_every_call_of_every_page_runs_and_lists_what_the_page_counts(shop: Shop) -> None:
    answered: set[str] = set()
    totals = 0
    for path in shown_pages(shop).values():
        body = shop.api.ask("GET", path).content.decode()
        calls = read_calls(body)
        shown = SHOWN.search(body)
        for shell, python in calls:
            if shell in answered:
                continue
            answered.add(shell)
            answer = json.loads(run_shell(shell))
            assert "detail" not in answer, shell
            assert run_python(python).strip() not in ("", "None"), python
            if shown is not None and shell == calls[0][0] and "total" in answer:
                assert f"{answer['total']:,}" == shown[2], path
                totals += 1
    assert len(answered) > 30
    assert totals > 5
