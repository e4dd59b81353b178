"""Every page names the calls that yield what it shows, and these run as they stand there."""

from __future__ import annotations

import contextlib
import io
import re
import shlex
import subprocess
from html import unescape
from urllib.parse import urlencode

from tests.web.shoe_shop import Shop

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


def test_the_calls_run_and_answer_what_the_page_shows(shop: Shop) -> None:
    for path in paths_of(shop):
        body = shop.api.ask("GET", path).content.decode()
        headline = unescape(re.findall(r"<h1[^>]*>(.*?)</h1>", body, re.DOTALL)[0]).strip()
        shells = re.findall(r'class="curl"[^>]*><code>(.*?)</code>', body, re.DOTALL)
        pythons = re.findall(r'class="python"[^>]*><code>(.*?)</code>', body, re.DOTALL)
        assert len(shells) == len(pythons) == 1, path
        told = subprocess.run(
            shlex.split(unescape(shells[0])), capture_output=True, text=True, check=True
        )
        assert headline[:30] in told.stdout.replace('\\"', '"'), path
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(unescape(pythons[0]), {})
        said = printed.getvalue().replace("\\'", "'").replace('\\"', '"')
        assert headline[:30] in said, path
