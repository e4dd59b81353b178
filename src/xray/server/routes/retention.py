"""`/v1/retention`: what the rules of retention let go, and letting it go now."""

from __future__ import annotations

from functools import partial
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from xray import reading
from xray.model.retention_report import RetentionReport, RetentionRequest
from xray.server.bodies import read_body_as
from xray.server.context import Context, context_of, read_content
from xray.server.intake import parse_object
from xray.server.operations import Operation, Parameter
from xray.server.problems import FieldProblem, InvalidBodyError
from xray.server.replies import reply


async def foresee_retention(request: Request) -> Response:
    """What the rules would let go now."""
    asked = request.query_params.multi_items()
    context = context_of(request)
    now_us, own = context.clock.wall_us(), context.settings.retention
    report = await context.read(lambda store: reading.foresee_retention(store, asked, now_us, own))
    return reply(report)


async def let_expire(request: Request) -> Response:
    """Delete what the rules let go."""
    context = context_of(request)
    async with read_content(request) as content:
        asked = await context.open(content, partial(_read, context, content))
    rules = context.settings.retention if asked.rules is None else asked.rules
    return reply(await context.let_expire(rules))


def _read(context: Context, content: bytes) -> RetentionRequest:
    given = parse_object(content, context.limits) if content.strip() else {}
    body, ignored = read_body_as(RetentionRequest, given)
    if ignored:
        raise InvalidBodyError([FieldProblem(f"$.{ignored[0]}", "means nothing here.")])
    return body


OPERATIONS: Final = (
    Operation(
        name="foresee_retention",
        method="GET",
        path="/v1/retention",
        handle=foresee_retention,
        summary="Say what the rules of retention would delete now",
        about="Nothing is deleted. The rules are those of XRAY_RETENTION unless others are given: "
        "`keep forever where label = 'bad'; keep 90d where status = 'failed'; keep 14d; keep 50GB`."
        " Of each run the first rule that is about it decides.",
        parameters=(Parameter("rules", "rules to try instead of the server's own"),),
        answers={200: RetentionReport},
        refusals=(400, 503),
    ),
    Operation(
        name="let_expire",
        method="POST",
        path="/v1/retention",
        handle=let_expire,
        summary="Delete now what the rules of retention let go",
        about="At most 5,000 runs a call; `is_complete` is false where some are left for the next. "
        "Without rules in the body, those of XRAY_RETENTION hold, which the server also follows "
        "by itself every hour.",
        body=RetentionRequest,
        answers={200: RetentionReport},
        refusals=(400, 408, 413, 415, 422, 503),
    ),
)
