"""`/v1/runs/{id}/why`: why a candidate ended as it did."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from xray.errors import InvalidQueryError
from xray.forensics.evidence import load_evidence
from xray.forensics.why import explain
from xray.model.answers import Why
from xray.server.context import context_of, path_id
from xray.server.operations import Operation, Parameter
from xray.server.replies import reply
from xray.store.protocol import Store


async def explain_candidate(request: Request) -> Response:
    """Why a candidate ended as it did in a run."""
    context = context_of(request)
    run_id = path_id(request, "run_id")
    candidate_id = _read_candidate(request.query_params)

    def answer(store: Store) -> Why:
        return explain(load_evidence(store, run_id), candidate_id)

    return reply(await context.read(answer))


def _read_candidate(params: Mapping[str, str]) -> str:
    unknown = [name for name in params if name not in ("candidate", "candidate_id")]
    if unknown:
        raise InvalidQueryError(
            f"There is no parameter {unknown[0][:100]!r} here.", hint="There is candidate=."
        )
    candidate_id = params.get("candidate") or params.get("candidate_id")
    if not candidate_id:
        raise InvalidQueryError(
            "It is not said which candidate is meant.",
            hint="Give its id: ?candidate=….",
            code="missing_parameter",
        )
    return candidate_id


OPERATIONS: Final = (
    Operation(
        name="explain_candidate",
        method="GET",
        path="/v1/runs/{run_id}/why",
        handle=explain_candidate,
        summary="Say why a candidate ended as it did",
        about="A candidate nobody recorded has an answer too: that it was never retrieved, or "
        "that this capture level cannot tell.",
        parameters=(
            Parameter("run_id", "the run's id, a UUID", place="path", is_required=True),
            Parameter("candidate", "the candidate's id", is_required=True),
        ),
        answers={200: Why},
        refusals=(400, 404, 503),
    ),
)
