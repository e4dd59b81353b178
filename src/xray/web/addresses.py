"""Where pages are: an address of the read API with `/ui` in place of `/v1`."""

from __future__ import annotations

from typing import Final
from urllib.parse import quote, urlencode

from xray.questions import (
    Pairs,
    alike_request,
    compare_request,
    diff_request,
    provenance_request,
    run_path,
    why_request,
)

ROOT: Final = "/ui"
LOGIN: Final = "/ui/login"
LOGOUT: Final = "/ui/logout"
LIVE: Final = "/ui/runs/live"
_API: Final = "/v1"


def page_of(path: str, pairs: Pairs = ()) -> str:
    """The address of the page that draws what the read API answers at *path*."""
    return join_query(ROOT + path.removeprefix(_API), pairs)


def is_page(path: str) -> bool:
    """Whether *path* is a page's, and not the API's."""
    return path == ROOT or path.startswith(f"{ROOT}/")


def join_query(path: str, pairs: Pairs) -> str:
    """*path* with the parameters *pairs* behind it."""
    return f"{path}?{urlencode(pairs, errors='replace')}" if pairs else path


def runs_page(**parameters: str) -> str:
    """The list of runs that meet *parameters*."""
    return page_of("/v1/runs", list(parameters.items()))


def steps_page(**parameters: str) -> str:
    """The list of steps of all runs that meet *parameters*."""
    return page_of("/v1/steps", list(parameters.items()))


def decisions_page(**parameters: str) -> str:
    """The decisions of all runs that meet *parameters*."""
    return page_of("/v1/decisions", list(parameters.items()))


def run_page(run_id: str) -> str:
    """One run."""
    return page_of(run_path(run_id))


def search_page(**parameters: str) -> str:
    """What a text finds among runs, candidates and steps."""
    return join_query(f"{ROOT}/search", list(parameters.items()))


def trends_page(**parameters: str) -> str:
    """How the steps of a pipeline do over time."""
    return join_query(f"{ROOT}/trends", list(parameters.items()))


def help_page(part: str = "", **parameters: str) -> str:
    """How things are done here; `api` for the routes of the API."""
    path = f"{ROOT}/help/{part}" if part else f"{ROOT}/help"
    return join_query(path, list(parameters.items()))


def export_page(run_id: str) -> str:
    """A run as one file that needs no server."""
    return f"{run_page(run_id)}/export"


def case_page(run_id: str, *candidates: str) -> str:
    """What is told of a run to somebody who was not there, of *candidates* first."""
    return join_query(f"{run_page(run_id)}/case", [("candidate", one) for one in candidates])


def settings_page() -> str:
    """What the server runs with."""
    return f"{ROOT}/settings"


def findings_page(run_id: str) -> str:
    """What deserves a look in a run."""
    return page_of(run_path(run_id, "findings"))


def step_page(step_id: str, **parameters: str) -> str:
    """One step, with the decisions that meet *parameters*."""
    return page_of(f"/v1/steps/{quote(step_id, safe='')}", list(parameters.items()))


def why_page(run_id: str, candidate_id: str) -> str:
    """Why a candidate ended as it did in a run."""
    return page_of(*why_request(run_id, candidate_id))


def alike_page(run_id: str, candidate_id: str) -> str:
    """Candidates like one that a run decided otherwise."""
    return page_of(*alike_request(run_id, candidate_id))


def provenance_page(run_id: str, item: str) -> str:
    """What an item came from and brought in a run."""
    return page_of(*provenance_request(run_id, item))


def diff_page(a: str, b: str) -> str:
    """How run *b* differs from run *a*."""
    return page_of(*diff_request(a, b))


def compare_page(a: str, b: str) -> str:
    """How the runs of query *b* differ from those of query *a*."""
    return page_of(*compare_request(a, b))
