"""`/v1/steps`: stages of runs."""

from __future__ import annotations

from functools import partial
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from xray import reading
from xray.errors import ConflictError
from xray.model.facts import StepFinished
from xray.model.ids import parse_uuid
from xray.model.outline import StepOutline
from xray.model.records import Run, Step
from xray.reading import StepList, find_run
from xray.server.bodies import StepBody, read_body_as
from xray.server.context import Context, context_of, path_id, read_content
from xray.server.intake import check_sizes, parse_object
from xray.server.operations import Operation, Parameter
from xray.server.problems import FieldProblem, InvalidBodyError
from xray.server.recording import Recorder
from xray.server.replies import StoredStep, reply
from xray.server.routes.lists import ask_list, list_parameters
from xray.store.protocol import Store


async def create_step(request: Request) -> Response:
    """Store one step of a run that is stored already."""
    context = context_of(request)
    async with read_content(request) as content:
        step, ignored = await context.open(content, partial(_record_step, context, content))
        if isinstance(step, Step):
            return reply(_stored(step, ignored))
        receipt = await context.write([step])
    return reply(_stored(step, ignored), 201 if receipt.accepted else 200)


def _record_step(context: Context, content: bytes) -> tuple[StepFinished | Step, list[str]]:
    """The step to be stored, or the one that is stored already."""
    body, ignored = read_body_as(StepBody, parse_object(content, context.limits))
    run = _run_of(context.store, body)
    known = _find(context.store, body, run)
    if known is not None:
        return known, ignored
    place = context.placement.place(run, body.name, body.parent_step_id)
    recorder = Recorder(context.limits, context.clock.wall_us())
    step = recorder.record_step(body, place)
    recorder.refuse_problems()
    check_sizes([step], len(content), context.limits)
    return step, ignored


def _run_of(store: Store, body: StepBody) -> Run:
    run_id = None if body.run_id is None else parse_uuid(body.run_id)
    if run_id is None:
        said = "is missing" if body.run_id is None else f"{body.run_id!r} is not an id"
        raise InvalidBodyError(
            [FieldProblem("$.run_id", f"{said}; ids of runs are UUIDs.")],
            hint="POST /v1/runs answers with the id of the run it made.",
        )
    return find_run(store, run_id)


def _find(store: Store, body: StepBody, run: Run) -> Step | None:
    step_id = None if body.step_id is None else parse_uuid(body.step_id)
    known = None if step_id is None else store.step(step_id)
    if known is not None and (known.run_id, known.name) != (run.run_id, body.name):
        raise ConflictError(
            f"The step {known.step_id} is {known.name!r} of the run {known.run_id}.",
            hint="Send another step_id, or none.",
        )
    return known


def _stored(step: Step | StepFinished, ignored: list[str]) -> StoredStep:
    return StoredStep(
        step_id=step.step_id,
        id=step.step_id,
        run_id=step.run_id,
        name=step.name,
        ordinal=step.ordinal,
        ignored=ignored,
    )


async def list_steps(request: Request) -> Response:
    """Steps of all runs that meet the parameters, newest first."""
    return reply(await ask_list(request, reading.list_steps))


async def show_step(request: Request) -> Response:
    """One step with samples of what it rejected."""
    step_id = path_id(request, "step_id")
    return reply(await context_of(request).read(lambda store: reading.show_step(store, step_id)))


async def outline_step(request: Request) -> Response:
    """Every stored decision of one step, in columns."""
    step_id = path_id(request, "step_id")
    return reply(await context_of(request).read(lambda store: reading.outline_step(store, step_id)))


_STEP_ID: Final = Parameter("step_id", "the step's id, a UUID", place="path", is_required=True)

OPERATIONS: Final = (
    Operation(
        name="create_step",
        method="POST",
        path="/v1/steps",
        alias="/steps",
        handle=create_step,
        summary="Store a step of a run",
        about="Candidates beside counts are samples; without counts they are counted. The "
        "step's id may be the client's own UUID; the same step sent again changes nothing and is "
        "answered with 200.",
        body=StepBody,
        answers={201: StoredStep, 200: StoredStep},
        refusals=(400, 404, 408, 409, 413, 415, 422, 503),
    ),
    Operation(
        name="list_steps",
        method="GET",
        path="/v1/steps",
        alias="/steps",
        handle=list_steps,
        summary="List steps of all runs, newest first",
        parameters=list_parameters("step"),
        answers={200: StepList},
        refusals=(400, 503),
    ),
    Operation(
        name="show_step",
        method="GET",
        path="/v1/steps/{step_id}",
        alias="/steps/{step_id}",
        handle=show_step,
        summary="Show a step",
        parameters=(_STEP_ID,),
        answers={200: Step},
        refusals=(400, 404, 503),
    ),
    Operation(
        name="outline_step",
        method="GET",
        path="/v1/steps/{step_id}/outline",
        handle=outline_step,
        summary="Give every stored decision of a step in columns",
        about="Candidate, verdict, reason, score and rank of each, in recorded order: what a table "
        "is sorted and searched by. `GET /v1/decisions?step_id=` has the detail.",
        parameters=(_STEP_ID,),
        answers={200: StepOutline},
        refusals=(400, 404, 503),
    ),
)
