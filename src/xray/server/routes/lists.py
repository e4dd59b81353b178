"""Lists by parameters: the question, the store's page, and how the parameters are described."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from starlette.requests import Request

from xray.query.fields import COMPARED_TYPES, FIELDS, PATHED_TYPES
from xray.query.plan import DEFAULT_LIMIT, MAX_LIMIT, Scope
from xray.reading import Parameters
from xray.server.context import context_of
from xray.server.operations import Parameter
from xray.store.protocol import Store

_List = TypeVar("_List")

_QUERY = Parameter("q", "a query in the language of spec/query.md, e.g. status = 'failed'")
_PAGING = (
    Parameter(
        "limit", f"records a page, 1 to {MAX_LIMIT}; {DEFAULT_LIMIT} by default", type="integer"
    ),
    Parameter("cursor", "next_cursor of the page before, to go on from there"),
)
_COMPARED = "also with _gt, _gte, _lt, _lte"


async def ask_list(request: Request, ask: Callable[[Store, Parameters, int], _List]) -> _List:
    """What *ask* answers to the parameters of *request*.

    Raises:
        InvalidQueryError: a parameter is unknown, or its value cannot be used.
    """
    context = context_of(request)
    asked, now_us = request.query_params.multi_items(), context.clock.wall_us()
    return await context.read(lambda store: ask(store, asked, now_us))


def list_parameters(scope: Scope) -> tuple[Parameter, ...]:
    """The parameters of a list, described from the table of fields."""
    described: list[Parameter] = []
    for field in FIELDS:
        if field.scope != scope:
            continue
        also = [f"also spelled {alias}" for alias in field.aliases]
        if field.type == "time":
            also.append(f"{_COMPARED}; a time, or an age like 24h or 7d")
        elif field.type in COMPARED_TYPES:
            also.append(_COMPARED)
        elif field.type in PATHED_TYPES:
            also.append(f"numbers inside {_COMPARED}")
        name = f"{field.name}.<name>" if field.type in PATHED_TYPES else field.name
        described.append(
            Parameter(
                name,
                "; ".join((field.help, *also)),
                type="number" if field.type in ("number", "duration") else "string",
            )
        )
    if scope == "step":
        described.append(Parameter("run.<field>", "a field of the step's run, e.g. run.version"))
    return (*described, _QUERY, *_PAGING)
