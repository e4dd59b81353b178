"""Every error as one HTTP answer: `application/problem+json` (RFC 9457) with a stable code."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from typing import Final

import msgspec
from msgspec import Struct
from starlette.exceptions import HTTPException
from starlette.responses import Response

from xray.errors import (
    ConflictError,
    ForbiddenError,
    InvalidQueryError,
    InvalidRecordError,
    LimitExceededError,
    NotFoundError,
    StoreBusyError,
    StoreError,
    UnauthorizedError,
    XRayError,
)

PROBLEM_MEDIA_TYPE: Final = "application/problem+json"
RETRY_AFTER_S: Final = 1

TITLES: Final = {
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    408: "Request Timeout",
    409: "Conflict",
    413: "Content Too Large",
    415: "Unsupported Media Type",
    422: "Unprocessable Content",
    500: "Internal Server Error",
    503: "Service Unavailable",
}
"""What the statuses mean (RFC 9110), the same with every version of Python."""

_STATUS_BY_CODE: Final[dict[str, int]] = {
    "unsupported_media_type": 415,
    "unsupported_encoding": 415,
    "body_too_slow": 408,
    "no_such_route": 404,
    "invalid_label": 422,
    "method_not_allowed": 405,
}


class FieldProblem(Struct, frozen=True):
    """What is wrong with one part of a body.

    Args:
        at: where it is, e.g. `$.candidates[2].decision`.
        detail: one sentence.
    """

    at: str
    detail: str


class InvalidBodyError(InvalidRecordError):
    """A body was read, and parts of it break the rules; all that were found are named."""

    default_code = "invalid_body"

    def __init__(self, problems: Sequence[FieldProblem], *, hint: str = "") -> None:
        first = problems[0]
        more = len(problems) - 1
        also = f" ({more} more in errors)" if more else ""
        super().__init__(f"{first.at}: {first.detail}{also}", hint=hint)
        self.problems = list(problems)


_STATUS_BY_ERROR: Final[dict[type[XRayError], int]] = {
    InvalidQueryError: 400,
    UnauthorizedError: 401,
    ForbiddenError: 403,
    NotFoundError: 404,
    ConflictError: 409,
    LimitExceededError: 413,
    InvalidBodyError: 422,
    InvalidRecordError: 400,
    StoreBusyError: 503,
    StoreError: 503,
}


class Problem(Struct, kw_only=True, frozen=True):
    """Why a request was not served.

    Args:
        type: a URN of the code.
        title: the meaning of the HTTP status.
        status: the HTTP status.
        code: the stable name programs match on.
        detail: what happened, one sentence.
        hint: what to do next; may be empty.
        errors: for an invalid body, every part that is wrong.
        at: for an invalid query, where in it the fault lies: the first character and the one
            behind the last.
        parameter: the parameter that `at` lies in, where it is not `q`.
    """

    type: str
    title: str
    status: int
    code: str
    detail: str
    hint: str = ""
    errors: list[FieldProblem] | msgspec.UnsetType = msgspec.UNSET
    at: tuple[int, int] | msgspec.UnsetType = msgspec.UNSET
    parameter: str | msgspec.UnsetType = msgspec.UNSET


def describe_error(error: Exception) -> Problem:
    """What is said of *error*; an unexpected one keeps its internals to itself."""
    if isinstance(error, XRayError):
        problems = error.problems if isinstance(error, InvalidBodyError) else None
        fault = error if isinstance(error, InvalidQueryError) and error.at else None
        return _describe(
            _status_of(error), error.code, error.detail, error.hint, errors=problems, fault=fault
        )
    return _describe(
        500,
        "internal_error",
        "The server failed to do this.",
        "The server's log says why; the same request may be tried again.",
    )


def answer_problem(error: Exception) -> Response:
    """The answer that says *error*."""
    return send_problem(describe_error(error))


def describe_routing_error(
    error: HTTPException, path: str, methods: Sequence[str], known_paths: Sequence[str]
) -> Problem:
    """What is said of a path or method without a route.

    Args:
        error: what the router raised.
        path: the path that was asked for.
        methods: the methods that path takes.
        known_paths: the paths there are.
    """
    if error.status_code == 405:
        return _describe(
            405,
            "method_not_allowed",
            f"{path[:200]} does not take this method.",
            f"It takes {', '.join(methods)}.",
        )
    if error.status_code == 404:
        near = difflib.get_close_matches(path.rstrip("/"), known_paths, n=1, cutoff=0.5)
        hint = f"Did you mean {near[0]}? " if near else ""
        return _describe(
            404, "no_such_route", f"There is no {path[:200]}.", f"{hint}GET / lists all."
        )
    return _describe(error.status_code, "http_error", str(error.detail))


def _status_of(error: XRayError) -> int:
    by_code = _STATUS_BY_CODE.get(error.code)
    if by_code is not None:
        return by_code
    for kind in type(error).__mro__:
        if kind in _STATUS_BY_ERROR:
            return _STATUS_BY_ERROR[kind]
    return 500


def _describe(
    status: int,
    code: str,
    detail: str,
    hint: str = "",
    *,
    errors: list[FieldProblem] | None = None,
    fault: InvalidQueryError | None = None,
) -> Problem:
    return Problem(
        type=f"urn:xray:problem:{code}",
        title=TITLES.get(status, "Error"),
        status=status,
        code=code,
        detail=detail,
        hint=hint,
        errors=msgspec.UNSET if errors is None else errors,
        at=msgspec.UNSET if fault is None or fault.at is None else fault.at,
        parameter=msgspec.UNSET if fault is None or fault.parameter == "q" else fault.parameter,
    )


def send_problem(problem: Problem, headers: Mapping[str, str] | None = None) -> Response:
    """*problem* as JSON."""
    return Response(
        msgspec.json.encode(problem),
        problem.status,
        {
            **headers_of(problem),
            "X-Content-Type-Options": "nosniff",
            "Cache-Control": "no-store",
            **(headers or {}),
        },
        media_type=PROBLEM_MEDIA_TYPE,
    )


def headers_of(problem: Problem) -> dict[str, str]:
    """What the status of *problem* wants beside it."""
    if problem.status == 503:
        return {"Retry-After": str(RETRY_AFTER_S)}
    return {"WWW-Authenticate": "Bearer"} if problem.status == 401 else {}
