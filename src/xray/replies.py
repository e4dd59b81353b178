"""What a server answers over HTTP, read back: records, pages of them, refusals, silence."""

from __future__ import annotations

from typing import Final, TypeVar

import msgspec
from msgspec import Struct

from xray import errors
from xray.errors import (
    ConflictError,
    ForbiddenError,
    InvalidQueryError,
    InvalidRecordError,
    LimitExceededError,
    NotFoundError,
    ServerError,
    ServerUnreachableError,
    StoreBusyError,
    UnauthorizedError,
    XRayError,
)
from xray.model.answers import FindingList
from xray.model.labels import Label
from xray.model.records import Decision, Page, Run, Scan, Step

_MAX_EXCERPT: Final = 200

_Record = TypeVar("_Record")
_T = TypeVar("_T")


class Reply(Struct, frozen=True):
    """What a server answered.

    Args:
        status: the HTTP status.
        headers: the headers, names in lower case.
        body: the body as sent.
    """

    status: int
    headers: dict[str, str]
    body: bytes


class _List(Struct, frozen=True, kw_only=True):
    next_cursor: str | None = None
    total: int | None = None
    total_is_exact: bool = False
    complete: bool = True
    scan: Scan | None = None


class _RunList(_List, frozen=True, kw_only=True):
    runs: list[Run]


class _StepList(_List, frozen=True, kw_only=True):
    steps: list[Step]


class _DecisionList(_List, frozen=True, kw_only=True):
    decisions: list[Decision]


class _LabelList(_List, frozen=True, kw_only=True):
    labels: list[Label]


class _Health(Struct, frozen=True):
    status: str


class _Problem(Struct, frozen=True):
    code: str = ""
    title: str = ""
    detail: str = ""
    hint: str = ""
    at: tuple[int, int] | None = None
    parameter: str = "q"


def read_runs(body: bytes) -> Page[Run]:
    """The page of runs in *body*."""
    part = read_record(body, _RunList)
    return _page(part.runs, part)


def read_steps(body: bytes) -> Page[Step]:
    """The page of steps in *body*."""
    part = read_record(body, _StepList)
    return _page(part.steps, part)


def read_decisions(body: bytes) -> Page[Decision]:
    """The page of decisions in *body*."""
    part = read_record(body, _DecisionList)
    return _page(part.decisions, part)


def read_labels(body: bytes) -> Page[Label]:
    """The page of labels in *body*."""
    part = read_record(body, _LabelList)
    return _page(part.labels, part)


def read_findings(body: bytes) -> FindingList:
    """The findings in *body*."""
    return read_record(body, FindingList)


def read_health(body: bytes) -> str:
    """What the server says of itself in *body*."""
    return read_record(body, _Health).status


def _page(items: list[_Record], part: _List) -> Page[_Record]:
    return Page(
        items=items,
        next_cursor=part.next_cursor,
        total=part.total,
        total_is_exact=part.total_is_exact,
        complete=part.complete,
        scan=part.scan,
    )


def read_record(body: bytes, kind: type[_T]) -> _T:
    """The *kind* of record in *body*.

    Raises:
        ServerError: the body is something else.
    """
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ServerError(
            f"The server's answer is not what X-Ray answers: {error}.",
            hint="Look whether the address is X-Ray's, and of the same version: `xray doctor`.",
            code="unexpected_answer",
        ) from error


_BY_CODE: Final[dict[str, type[XRayError]]] = {
    kind.default_code: kind for name in errors.__all__ for kind in [getattr(errors, name)]
}
_BY_STATUS: Final[dict[int, type[XRayError]]] = {
    400: InvalidQueryError,
    401: UnauthorizedError,
    403: ForbiddenError,
    404: NotFoundError,
    409: ConflictError,
    413: LimitExceededError,
    422: InvalidRecordError,
    429: StoreBusyError,
    503: StoreBusyError,
}
_HINTS: Final[dict[type[XRayError], str]] = {
    UnauthorizedError: "Give the server's key with XRAY_API_KEY or --api-key.",
    StoreBusyError: "Ask again in a moment.",
}


def problem_of(reply: Reply, url: str) -> XRayError:
    """The error a refusal of the server at *url* stands for."""
    if 300 <= reply.status < 400:
        target = reply.headers.get("location", "elsewhere")[:_MAX_EXCERPT]
        return ServerError(
            f"The server at {url} points to {target}, and X-Ray follows no redirects.",
            hint="Give the server's own address with --url or XRAY_URL.",
            code="redirected",
        )
    try:
        problem = msgspec.json.decode(reply.body, type=_Problem)
    except (msgspec.DecodeError, UnicodeDecodeError):
        problem = _Problem()
    if not problem.code and not problem.detail:
        return ServerError(
            f"The server at {url} answered {reply.status}, not as X-Ray does.",
            hint="Look whether the address is X-Ray's: `xray doctor`.",
            code="unexpected_answer",
        )
    if problem.code in ("no_such_route", "method_not_allowed"):
        return ServerError(
            f"The server at {url} has no answer to this question: {problem.detail}",
            hint="It may be of another version: `xray doctor`.",
            code=problem.code,
        )
    kind = _BY_CODE.get(problem.code) or _BY_STATUS.get(reply.status, ServerError)
    detail = problem.detail or problem.title or f"The server answered {reply.status}."
    error = kind(detail, hint=problem.hint or _HINTS.get(kind, ""), code=problem.code or None)
    if isinstance(error, InvalidQueryError):
        error.at, error.parameter = problem.at, problem.parameter
    return error


def explain_no_reply(url: str, error: Exception, timeout_s: float) -> ServerUnreachableError:
    """The error that says why urllib3 got nothing from the server at *url*."""
    import urllib3.exceptions as http

    hint = "Start one with `xray serve`, or name another with --url or XRAY_URL."
    if isinstance(error, http.NameResolutionError):
        cause = "its name is not known"
    elif isinstance(error, http.NewConnectionError):
        cause = "the connection was refused" if "refused" in str(error) else "no connection"
    elif isinstance(error, http.ConnectTimeoutError):
        cause = f"no connection within {timeout_s:g} s"
    elif isinstance(error, http.ReadTimeoutError):
        cause, hint = f"no answer within {timeout_s:g} s", "Ask for less, or look at the server."
    elif isinstance(error, http.SSLError):
        cause, hint = "its certificate or TLS is not accepted", "Check the https:// address."
    else:
        cause = "the connection broke"
    return ServerUnreachableError(f"No X-Ray server answered at {url}: {cause}.", hint=hint)
