"""What a route is: handled by a function, described for people and for the OpenAPI document."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from msgspec import Struct
from starlette.requests import Request
from starlette.responses import Response

Handler = Callable[[Request], Awaitable[Response]]


@dataclass(frozen=True)
class Parameter:
    """A parameter of the path or the query.

    Args:
        name: its name.
        about: what it means, one sentence.
        place: `query` or `path`.
        type: its JSON type.
        is_required: whether a request without it is refused.
    """

    name: str
    about: str
    place: str = "query"
    type: str = "string"
    is_required: bool = False


@dataclass(frozen=True)
class Operation:
    """One method of one path.

    Args:
        name: what the OpenAPI document calls it.
        method: the HTTP method.
        path: the path.
        handle: what serves it.
        summary: what it does, a few words.
        answers: the body of each status it answers with.
        alias: a second path with the same handler and bodies.
        about: more than the summary says.
        parameters: those of path and query.
        body: what the request's body holds; None for no body.
        body_types: the media types of that body.
        refusals: the statuses of problems it may answer with, besides 401, 403 and 500.
    """

    name: str
    method: str
    path: str
    handle: Handler
    summary: str
    answers: Mapping[int, type[Struct]]
    alias: str | None = None
    about: str = ""
    parameters: tuple[Parameter, ...] = ()
    body: type[Struct] | None = None
    body_types: tuple[str, ...] = ("application/json",)
    refusals: tuple[int, ...] = field(default=())
