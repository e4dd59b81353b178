"""`/v1/forget`: runs that are to leave no trace."""

from __future__ import annotations

from functools import partial
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from xray.model.forgetting import ForgetReport, ForgetRequest
from xray.server.bodies import read_body_as
from xray.server.context import Context, context_of, read_content
from xray.server.intake import parse_object
from xray.server.operations import Operation
from xray.server.problems import FieldProblem, InvalidBodyError
from xray.server.replies import reply


async def forget(request: Request) -> Response:
    """Forget runs, or say which would be."""
    context = context_of(request)
    async with read_content(request) as content:
        asked = await context.open(content, partial(_read, context, content))
    report = await context.forget(asked)
    return reply(report, 200 if report.is_complete else 202)


def _read(context: Context, content: bytes) -> ForgetRequest:
    body, ignored = read_body_as(ForgetRequest, parse_object(content, context.limits))
    if ignored:
        raise InvalidBodyError([FieldProblem(f"$.{ignored[0]}", "means nothing here.")])
    return body


OPERATIONS: Final = (
    Operation(
        name="forget",
        method="POST",
        path="/v1/forget",
        handle=forget,
        summary="Delete runs so that nothing stored tells what they held",
        about="All runs that any of the names leads to; with `dry_run` they are only told. What "
        "they counted for in baselines is taken back, texts and dictionaries of the compression "
        "that may hold pieces of them are made anew, free pages and the log are emptied, and the "
        "names are looked for everywhere afterwards. That takes as long as the store is large: "
        "202 says how far it is, and the same request asks again. Names stand in the body, as "
        "addresses are written to logs. What comes later of a forgotten run is refused as "
        "`forgotten`.",
        body=ForgetRequest,
        answers={200: ForgetReport, 202: ForgetReport},
        refusals=(400, 408, 413, 415, 422, 503),
    ),
)
