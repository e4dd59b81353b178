"""`/v1/runs`: executions of pipelines."""

from __future__ import annotations

from functools import partial
from typing import Final

from msgspec import structs
from starlette.requests import Request
from starlette.responses import Response

from xray import reading
from xray.errors import ConflictError
from xray.model.clock import to_wall_us
from xray.model.facts import RunPatched
from xray.model.records import Run, RunDetail
from xray.reading import PREFIX, RunList, find_run
from xray.server.bodies import RunBody, RunPatchBody, read_body_as
from xray.server.context import Context, context_of, path_id, read_content
from xray.server.intake import check_sizes, parse_object
from xray.server.operations import Operation, Parameter
from xray.server.recording import RecordedRun, Recorder
from xray.server.replies import StoredRun, StoredStep, reply
from xray.server.routes.lists import ask_list, list_parameters

_RUN_ID: Final = Parameter("run_id", "the run's id, a UUID", place="path", is_required=True)


async def create_run(request: Request) -> Response:
    """Store a run, with the steps its body holds."""
    context = context_of(request)
    async with read_content(request) as content:
        recorded, ignored = await context.open(content, partial(_record_run, context, content))
        receipt = await context.write(recorded.facts)
    stored = StoredRun(
        run_id=recorded.run_id,
        id=recorded.run_id,
        steps=[
            StoredStep(
                step_id=step.step_id,
                id=step.step_id,
                run_id=step.run_id,
                name=step.name,
                ordinal=step.ordinal,
            )
            for step in recorded.steps
        ],
        ignored=ignored,
    )
    return reply(stored, 201 if receipt.accepted else 200)


def _record_run(context: Context, content: bytes) -> tuple[RecordedRun, list[str]]:
    body, ignored = read_body_as(RunBody, parse_object(content, context.limits))
    recorded = Recorder(context.limits, context.clock.wall_us()).record_run(body)
    check_sizes(recorded.facts, len(content), context.limits)
    known = None if body.run_id is None else context.store.run(recorded.run_id)
    if known is not None and known.pipeline != body.pipeline:
        raise ConflictError(
            f"The run {known.run_id} is one of the pipeline {known.pipeline!r}.",
            hint="Send another run_id, or none.",
        )
    return recorded, ignored


async def change_run(request: Request) -> Response:
    """Set fields of a run; a status ends it."""
    context = context_of(request)
    run_id = path_id(request, "run_id")
    async with read_content(request) as content:
        patch, ignored = await context.open(
            content, partial(_record_patch, context, content, run_id)
        )
        await context.write([patch])
    return reply(StoredRun(run_id=run_id, id=run_id, ignored=ignored))


def _record_patch(context: Context, content: bytes, run_id: str) -> tuple[RunPatched, list[str]]:
    body, ignored = read_body_as(RunPatchBody, parse_object(content, context.limits))
    now_us = context.clock.wall_us()
    patch = Recorder(context.limits, now_us).record_patch(body, run_id)
    return _time_end(patch, find_run(context.store, run_id), now_us), ignored


def _time_end(patch: RunPatched, run: Run, now_us: int) -> RunPatched:
    """A run that is ended from outside took until this moment, unless somebody says otherwise."""
    is_end = patch.status not in (None, "running") and patch.duration_ms is None
    elapsed_us = now_us - to_wall_us(run.started_at)
    if not is_end or run.duration_ms is not None or elapsed_us < 0:
        return patch
    return structs.replace(patch, duration_ms=elapsed_us / 1000)


async def list_runs(request: Request) -> Response:
    """Runs that meet the parameters, newest first."""
    return reply(await ask_list(request, reading.list_runs))


async def show_run(request: Request) -> Response:
    """One run with its steps in order."""
    run_id = path_id(request, "run_id")
    return reply(await context_of(request).read(lambda store: reading.show_run(store, run_id)))


_BODY_REFUSALS: Final = (400, 408, 413, 415, 422, 503)

OPERATIONS: Final = (
    Operation(
        name="create_run",
        method="POST",
        path="/v1/runs",
        alias="/runs",
        handle=create_run,
        summary="Store a run",
        about="The body may hold the run's steps and its end. The run's id may be the client's "
        "own UUID; the same run sent again changes nothing and is answered with 200.",
        body=RunBody,
        answers={201: StoredRun, 200: StoredRun},
        refusals=(409, *_BODY_REFUSALS),
    ),
    Operation(
        name="list_runs",
        method="GET",
        path="/v1/runs",
        alias="/runs",
        handle=list_runs,
        summary="List runs, newest first",
        parameters=(
            *list_parameters("run"),
            Parameter(PREFIX, "how the run's id begins"),
        ),
        answers={200: RunList},
        refusals=(400, 503),
    ),
    Operation(
        name="show_run",
        method="GET",
        path="/v1/runs/{run_id}",
        alias="/runs/{run_id}",
        handle=show_run,
        summary="Show a run with its steps",
        parameters=(_RUN_ID,),
        answers={200: RunDetail},
        refusals=(400, 404, 503),
    ),
    Operation(
        name="change_run",
        method="PATCH",
        path="/v1/runs/{run_id}",
        alias="/runs/{run_id}",
        handle=change_run,
        summary="Set fields of a run",
        about="What is absent stays as it is; a status ends the run.",
        parameters=(_RUN_ID,),
        body=RunPatchBody,
        answers={200: StoredRun},
        refusals=(404, *_BODY_REFUSALS),
    ),
)
