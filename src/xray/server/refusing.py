"""What is answered where no route could: a problem as JSON, or as a page to who asked for one."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from xray.server.problems import (
    Problem,
    describe_error,
    describe_routing_error,
    headers_of,
    send_problem,
)
from xray.web.addresses import is_page
from xray.web.page import respond
from xray.web.pages.problem import problem_page


async def handle_error(request: Request, error: Exception) -> Response:
    """Answer any error a route raised."""
    if isinstance(error, ClientDisconnect):
        return Response(status_code=400)
    return _answer(request, describe_error(error), {})


def answer_routing_error(
    request: Request, error: HTTPException, known_paths: Sequence[str]
) -> Response:
    """Answer a request that no route takes.

    Args:
        request: the request.
        error: what the router raised.
        known_paths: the paths there are.
    """
    path = request.url.path
    methods = sorted(
        method
        for route in request.app.routes
        if isinstance(route, Route) and route.path_regex.match(path)
        for method in route.methods or ()
    )
    headers = dict(error.headers or {})
    if error.status_code == 405:
        headers["Allow"] = ", ".join(methods)
    problem = describe_routing_error(error, path, methods, known_paths)
    return _answer(request, problem, headers)


def _answer(request: Request, problem: Problem, headers: dict[str, str]) -> Response:
    if not is_page(request.url.path):
        return send_problem(problem, headers)
    at = None if problem.at is msgspec.UNSET else problem.at
    parameter = "q" if problem.parameter is msgspec.UNSET else problem.parameter
    page = problem_page(
        problem.status,
        problem.code,
        problem.detail,
        problem.hint,
        asked=request.query_params.get(parameter, ""),
        at=at,
    )
    response = respond(request, page)
    response.headers.update({**headers_of(problem), **headers})
    return response
