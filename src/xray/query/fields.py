"""Every field a question may name: one table for parameters, the query language, help and docs."""

from __future__ import annotations

from typing import Final, Literal

from msgspec import Struct

from xray.query.plan import Scope

FieldType = Literal["text", "number", "time", "map", "list", "flag"]


class Field(Struct, frozen=True):
    """One field of a scope.

    Args:
        scope: whose field it is.
        name: its canonical name.
        type: what its values are; a `map` is asked for by path (`stats.filter_rate`).
        help: one line for people.
        aliases: other spellings that are accepted.
    """

    scope: Scope
    name: str
    type: FieldType
    help: str
    aliases: tuple[str, ...] = ()


FIELDS: Final[tuple[Field, ...]] = (
    Field("run", "run_id", "text", "the run's id, a UUID", ("id",)),
    Field("run", "pipeline", "text", "the pipeline's name", ("pipeline_type",)),
    Field("run", "status", "text", "running, completed, failed, cancelled or abandoned"),
    Field("run", "started_at", "time", "when the run began"),
    Field("run", "duration_ms", "number", "how long it took, in milliseconds", ("duration",)),
    Field("run", "repository", "text", "where the pipeline's code lives"),
    Field("run", "version", "text", "the version of that code"),
    Field("run", "environment", "text", "where it ran, e.g. production"),
    Field("run", "key", "text", "the key the run was started with"),
    Field("run", "attempt", "number", "which attempt at that key it is, from 1"),
    Field("run", "weight", "number", "how many runs it stands for when runs are sampled"),
    Field("run", "tags", "list", "the run's tags", ("tag",)),
    Field("run", "input", "map", "the run's input, by path"),
    Field("run", "output", "map", "the run's output, by path"),
    Field("run", "metadata", "map", "the run's metadata, by path"),
    Field("run", "params", "map", "the run's parameters, by path"),
    Field("run", "correlation", "map", "ids that link the run to other systems, by path"),
    Field("run", "error", "map", "error.type and error.message"),
    Field("step", "step_id", "text", "the step's id, a UUID"),
    Field("step", "run_id", "text", "its run's id"),
    Field("step", "pipeline", "text", "its run's pipeline", ("pipeline_type",)),
    Field("step", "parent_step_id", "text", "the step that contains it"),
    Field("step", "name", "text", "the step's name", ("step_name",)),
    Field("step", "step_type", "text", "generate, retrieve, filter, rank, select, transform, …"),
    Field("step", "status", "text", "running, completed, failed or cancelled"),
    Field("step", "started_at", "time", "when the step began"),
    Field("step", "duration_ms", "number", "how long it took, in milliseconds", ("duration",)),
    Field("step", "ordinal", "number", "its position in the run, from 0"),
    Field("step", "attempt", "number", "which attempt at that step it is, from 1"),
    Field("step", "input_count", "number", "candidates that came in"),
    Field("step", "output_count", "number", "candidates that went on"),
    Field("step", "rejected_count", "number", "candidates whose last verdict is rejected"),
    Field("step", "accepted_count", "number", "candidates whose last verdict is accepted"),
    Field("step", "selected_count", "number", "candidates whose last verdict is selected"),
    Field("step", "rejection_rate", "number", "the share it rejected, 0 to 1", ("filter_rate",)),
    Field("step", "rate_basis", "text", "what that share rests on"),
    Field("step", "score", "number", "the lowest score among its selected"),
    Field("step", "capture", "text", "minimal, sample or full"),
    Field("step", "stats", "map", "the step's statistics, by path"),
    Field("step", "params", "map", "the step's parameters, by path"),
    Field("step", "input", "map", "the step's input, by path"),
    Field("step", "output", "map", "the step's output, by path"),
    Field("step", "error", "map", "error.type and error.message"),
    Field("decision", "step_id", "text", "the step that decided"),
    Field("decision", "run_id", "text", "that step's run"),
    Field("decision", "candidate_id", "text", "the candidate"),
    Field("decision", "decision", "text", "rejected, accepted or selected"),
    Field("decision", "reason", "text", "the code it is grouped under"),
    Field("decision", "reasoning", "text", "the free text"),
    Field("decision", "score", "number", "its score; of several, the overall one"),
    Field("decision", "rank", "number", "its position after the step, from 1"),
    Field("decision", "by", "text", "the query or left record it belongs to"),
    Field("decision", "part_of", "text", "the whole it is a part of"),
    Field("decision", "attributes", "map", "what was kept about it, by path"),
)

BY_SCOPE: Final[dict[Scope, dict[str, Field]]] = {
    scope: {
        spelling: field
        for field in FIELDS
        if field.scope == scope
        for spelling in (field.name, *field.aliases)
    }
    for scope in ("run", "step", "decision")
}
