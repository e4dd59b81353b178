"""Which page stands at which address."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from xray.web.addresses import ROOT, runs_page
from xray.web.assets import FOLDER, serve_asset
from xray.web.page import Page, respond
from xray.web.pages.alike import draw_alike
from xray.web.pages.audit import draw_audit
from xray.web.pages.baselines import draw_baselines
from xray.web.pages.case import draw_case
from xray.web.pages.compare import draw_compare
from xray.web.pages.diff import draw_diff
from xray.web.pages.export import draw_export
from xray.web.pages.findings import draw_findings
from xray.web.pages.flakiness import draw_flakiness
from xray.web.pages.help import draw_api, draw_help
from xray.web.pages.labels import draw_labels
from xray.web.pages.lists import draw_decisions, draw_steps
from xray.web.pages.provenance import draw_provenance
from xray.web.pages.quality import draw_quality
from xray.web.pages.rules import draw_rules
from xray.web.pages.run import draw_run
from xray.web.pages.runs import draw_runs
from xray.web.pages.search import draw_search
from xray.web.pages.separate import draw_separate
from xray.web.pages.settings import draw_settings
from xray.web.pages.step import draw_rows, draw_step
from xray.web.pages.trends import draw_trends
from xray.web.pages.what_if import draw_what_if
from xray.web.pages.what_if_runs import draw_what_if_runs
from xray.web.pages.why import draw_why

Draw = Callable[[Request], Awaitable[Page | Response]]

PAGES: Final[dict[str, Draw]] = {
    f"{ROOT}/runs": draw_runs,
    f"{ROOT}/runs/{{run_id}}": draw_run,
    f"{ROOT}/runs/{{run_id}}/findings": draw_findings,
    f"{ROOT}/runs/{{run_id}}/export": draw_export,
    f"{ROOT}/runs/{{run_id}}/case": draw_case,
    f"{ROOT}/runs/{{run_id}}/why": draw_why,
    f"{ROOT}/runs/{{run_id}}/alike": draw_alike,
    f"{ROOT}/runs/{{run_id}}/provenance": draw_provenance,
    f"{ROOT}/runs/{{run_id}}/what-if": draw_what_if,
    f"{ROOT}/steps": draw_steps,
    f"{ROOT}/steps/{{step_id}}": draw_step,
    f"{ROOT}/steps/{{step_id}}/rows": draw_rows,
    f"{ROOT}/decisions": draw_decisions,
    f"{ROOT}/search": draw_search,
    f"{ROOT}/trends": draw_trends,
    f"{ROOT}/help": draw_help,
    f"{ROOT}/help/api": draw_api,
    f"{ROOT}/settings": draw_settings,
    f"{ROOT}/diff": draw_diff,
    f"{ROOT}/compare": draw_compare,
    f"{ROOT}/rules": draw_rules,
    f"{ROOT}/separate": draw_separate,
    f"{ROOT}/quality": draw_quality,
    f"{ROOT}/audit": draw_audit,
    f"{ROOT}/labels": draw_labels,
    f"{ROOT}/baselines": draw_baselines,
    f"{ROOT}/flakiness": draw_flakiness,
    f"{ROOT}/what-if": draw_what_if_runs,
}


def make_routes() -> list[Route]:
    """The routes of all pages, and of the files they load."""
    return [
        *_PAGE_ROUTES,
        Route(f"{FOLDER}/{{digest}}/{{name}}", serve_asset, methods=["GET"]),
        *_START_ROUTES,
    ]


def has_page(path: str) -> bool:
    """Whether some page stands at *path*."""
    return any(route.path_regex.fullmatch(path) for route in (*_START_ROUTES, *_PAGE_ROUTES))


def _answer(draw: Draw) -> Callable[[Request], Awaitable[Response]]:
    async def answer(request: Request) -> Response:
        drawn = await draw(request)
        return respond(request, drawn) if isinstance(drawn, Page) else drawn

    return answer


async def _go_to_runs(_: Request) -> Response:
    return RedirectResponse(runs_page(), status_code=303)


_PAGE_ROUTES: Final = [Route(path, _answer(draw), methods=["GET"]) for path, draw in PAGES.items()]
_START_ROUTES: Final = [Route(path, _go_to_runs, methods=["GET"]) for path in (ROOT, f"{ROOT}/")]
