"""`/v1/labels`: what somebody who knows better thinks of runs and candidates."""

from __future__ import annotations

from functools import partial
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from xray import reading
from xray.errors import InvalidQueryError
from xray.model.labels import Labelled, Labelling, LabelList, LabelRequest
from xray.server.bodies import read_body_as
from xray.server.context import Context, context_of, read_content
from xray.server.intake import parse_object
from xray.server.operations import Operation, Parameter
from xray.server.problems import FieldProblem, InvalidBodyError
from xray.server.replies import reply
from xray.server.routes.lists import ask_list

_SUBJECT: Final = (
    Parameter("run_id", "the run's id, a UUID"),
    Parameter("correlation", "or an id that runs have in another system"),
    Parameter("candidate_id", "the candidate; the run as a whole when absent"),
)
_TAKEN_BACK_BY: Final = ("run_id", "correlation", "candidate_id", "labelled_by", "note")


async def give_label(request: Request) -> Response:
    """Label a run or a candidate of it, in the place of the label it has."""
    context = context_of(request)
    async with read_content(request) as content:
        facts = await context.open(content, partial(_make, context, content))
    return reply(await _store(context, facts), 201)


def _make(context: Context, content: bytes) -> list[Labelled]:
    body, ignored = read_body_as(LabelRequest, parse_object(content, context.limits))
    if ignored:
        raise InvalidBodyError([FieldProblem(f"$.{ignored[0]}", "means nothing here.")])
    if body.label is None:
        raise InvalidBodyError(
            [FieldProblem("$.label", "is missing.")],
            hint="It is good or bad; DELETE /v1/labels takes a label back.",
        )
    return reading.make_labels(context.store, body, context.clock.wall_us())


async def take_label_back(request: Request) -> Response:
    """Take the label of a run or a candidate back."""
    context = context_of(request)
    given = dict(request.query_params.multi_items())
    unknown = [name for name in given if name not in _TAKEN_BACK_BY]
    if unknown:
        raise InvalidQueryError(
            f"There is no parameter {unknown[0][:100]!r} here.",
            hint="There are run_id, correlation and candidate_id.",
            code="invalid_parameter",
        )
    asked = LabelRequest(**given)
    now_us = context.clock.wall_us()
    facts = await context.read(lambda store: reading.make_labels(store, asked, now_us))
    return reply(await _store(context, facts))


async def _store(context: Context, facts: list[Labelled]) -> Labelling:
    await context.write(facts)
    return await context.read(lambda store: reading.report_labels(store, facts))


async def list_labels(request: Request) -> Response:
    """Labels that meet the parameters, newest first."""
    return reply(await ask_list(request, reading.list_labels))


OPERATIONS: Final = (
    Operation(
        name="give_label",
        method="POST",
        path="/v1/labels",
        handle=give_label,
        summary="Label a run, or a candidate in it, good or bad",
        about="The run is named by run_id, which may also be one that arrives later, or by a "
        "correlation id, which may lead to several runs: each is labelled, and named in the "
        "answer. A later label takes the place of an earlier one about the same.",
        body=LabelRequest,
        answers={201: Labelling},
        refusals=(400, 404, 408, 413, 415, 422, 503),
    ),
    Operation(
        name="list_labels",
        method="GET",
        path="/v1/labels",
        handle=list_labels,
        summary="List labels, newest first",
        parameters=(
            Parameter("run_id", "those of this run; may be given several times"),
            Parameter("candidate_id", "those about this candidate"),
            Parameter("label", "good or bad"),
            Parameter("labelled_by", "those of this labeller"),
            Parameter("about", "run: those of whole runs; candidate: those of candidates"),
            Parameter("q", "those of the runs that meet a query (spec/query.md)"),
            Parameter("limit", "labels a page, 1 to 1000; 50 by default", type="integer"),
            Parameter("cursor", "next_cursor of the page before, to go on from there"),
        ),
        answers={200: LabelList},
        refusals=(400, 503),
    ),
    Operation(
        name="take_label_back",
        method="DELETE",
        path="/v1/labels",
        handle=take_label_back,
        summary="Take a label back",
        parameters=_SUBJECT,
        answers={200: Labelling},
        refusals=(400, 404, 422, 503),
    ),
)
