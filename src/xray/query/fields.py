"""Every field a question may name: one table for parameters, the query language, help and docs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final, Literal

from msgspec import Struct

from xray.model.vocabulary import (
    CAPTURE_LEVELS,
    LABELS,
    RATE_BASES,
    RUN_STATUS_ALIASES,
    RUN_STATUSES,
    STEP_STATUSES,
    STEP_TYPE_ALIASES,
    STEP_TYPES,
    VERDICTS,
    RateBasis,
    parse_capture_level,
    parse_label,
    parse_run_status,
    parse_step_status,
    parse_step_type,
    parse_verdict,
)
from xray.query.plan import Scope

FieldType = Literal["text", "word", "id", "number", "duration", "time", "list", "map", "value"]
"""What a field's values are: text; one of a few words; a UUID; a number; a number of milliseconds;
a time; a list; a map, which is asked by path; or anything at all, also by path."""


def _parse_rate_basis(word: str) -> RateBasis | None:
    lowered = word.strip().lower()
    return lowered if lowered in RATE_BASES else None


class Words(Struct, frozen=True):
    """The few words a field can hold.

    Args:
        known: the words themselves.
        parse: the canonical word for any accepted spelling, or None.
        aliases: spellings of the seeds, and what they mean.
    """

    known: tuple[str, ...]
    parse: Callable[[str], str | None]
    aliases: Mapping[str, str] = MappingProxyType({})


_RUN_STATUS: Final = Words(RUN_STATUSES, parse_run_status, RUN_STATUS_ALIASES)
_STEP_STATUS: Final = Words(STEP_STATUSES, parse_step_status, RUN_STATUS_ALIASES)
_STEP_TYPE: Final = Words(STEP_TYPES, parse_step_type, STEP_TYPE_ALIASES)
_RATE_BASIS: Final = Words(RATE_BASES, _parse_rate_basis)
_CAPTURE: Final = Words(CAPTURE_LEVELS, parse_capture_level)
_LABEL: Final = Words(LABELS, parse_label)
_VERDICT: Final = Words(VERDICTS, parse_verdict)


class Field(Struct, frozen=True):
    """One field of a scope.

    Args:
        scope: whose field it is.
        name: its canonical name.
        type: what its values are.
        help: one line for people.
        aliases: other spellings that are accepted.
        words: for the type `word`, which.
        place: where the API's JSON has it, when not under its own name.
    """

    scope: Scope
    name: str
    type: FieldType
    help: str
    aliases: tuple[str, ...] = ()
    words: Words | None = None
    place: str = ""


FIELDS: Final[tuple[Field, ...]] = (
    Field("run", "run_id", "id", "the run's id, a UUID", ("id",)),
    Field("run", "pipeline", "text", "the pipeline's name", ("pipeline_type",)),
    Field(
        "run", "status", "word", "running, completed, failed, cancelled or abandoned",
        words=_RUN_STATUS,
    ),
    Field("run", "started_at", "time", "when the run began"),
    Field("run", "duration_ms", "duration", "how long it took, in milliseconds", ("duration",)),
    Field("run", "repository", "text", "where the pipeline's code lives"),
    Field("run", "version", "text", "the version of that code"),
    Field("run", "environment", "text", "where it ran, e.g. production"),
    Field("run", "key", "text", "the key the run was started with"),
    Field("run", "attempt", "number", "which attempt at that key it is, from 1"),
    Field("run", "weight", "number", "how many runs it stands for when runs are sampled"),
    Field("run", "tags", "list", "the run's tags", ("tag",)),
    Field("run", "input", "value", "the run's input, also by path"),
    Field("run", "output", "value", "the run's output, also by path"),
    Field("run", "metadata", "map", "the run's metadata, by path"),
    Field("run", "params", "value", "the run's parameters, also by path"),
    Field("run", "correlation", "map", "ids that link the run to other systems, by path"),
    Field("run", "error", "map", "error.type and error.message"),
    Field("run", "omissions", "map", "how often something was cut, by what: omissions.truncated"),
    Field("run", "label", "word", "good or bad, as somebody labelled the run", words=_LABEL),
    Field("step", "step_id", "id", "the step's id, a UUID"),
    Field("step", "run_id", "id", "its run's id"),
    Field("step", "pipeline", "text", "its run's pipeline", ("pipeline_type",)),
    Field("step", "parent_step_id", "id", "the step that contains it"),
    Field("step", "name", "text", "the step's name", ("step_name",)),
    Field(
        "step", "step_type", "word", "generate, retrieve, filter, rank, select, transform, …",
        words=_STEP_TYPE,
    ),
    Field("step", "declared_type", "text", "the word it was declared with, where that is custom"),
    Field(
        "step", "status", "word", "running, completed, failed or cancelled", words=_STEP_STATUS
    ),
    Field("step", "started_at", "time", "when the step began"),
    Field("step", "duration_ms", "duration", "how long it took, in milliseconds", ("duration",)),
    Field("step", "ordinal", "number", "its position in the run, from 0"),
    Field("step", "attempt", "number", "which attempt at that step it is, from 1"),
    Field("step", "input_count", "number", "candidates that came in"),
    Field("step", "output_count", "number", "candidates that went on"),
    Field(
        "step", "rejected_count", "number", "candidates whose last verdict is rejected",
        place="counts.rejected",
    ),
    Field(
        "step", "accepted_count", "number", "candidates whose last verdict is accepted",
        place="counts.accepted",
    ),
    Field(
        "step", "selected_count", "number", "candidates whose last verdict is selected",
        place="counts.selected",
    ),
    Field("step", "rejection_rate", "number", "the share it rejected, 0 to 1", ("filter_rate",)),
    Field("step", "rate_basis", "word", "what that share rests on", words=_RATE_BASIS),
    Field("step", "score", "number", "the lowest score among its selected"),
    Field("step", "capture", "word", "minimal, sample or full", words=_CAPTURE),
    Field("step", "stats", "map", "the step's statistics, by path"),
    Field("step", "params", "value", "the step's parameters, also by path"),
    Field("step", "input", "value", "the step's input, also by path"),
    Field("step", "output", "value", "the step's output, also by path"),
    Field("step", "error", "map", "error.type and error.message"),
    Field("step", "incomplete", "list", "what its type asks for and it did not record"),
    Field("step", "omissions", "map", "how often something was cut, by what: omissions.truncated"),
    Field("decision", "step_id", "id", "the step that decided"),
    Field("decision", "run_id", "id", "that step's run"),
    Field("decision", "candidate_id", "text", "the candidate"),
    Field(
        "decision", "decision", "word", "rejected, accepted or selected", ("verdict",), _VERDICT
    ),
    Field("decision", "reason", "text", "the code it is grouped under"),
    Field("decision", "reasoning", "text", "the free text"),
    Field("decision", "score", "number", "its score; of several, the overall one"),
    Field("decision", "rank", "number", "its position after the step, from 1"),
    Field("decision", "rank_before", "number", "its position before the step, from 1"),
    Field("decision", "by", "text", "the query or left record it belongs to"),
    Field("decision", "part_of", "text", "the whole it is a part of"),
    Field("decision", "merged_into", "text", "the candidate that stands for it from here on"),
    Field("decision", "weight", "number", "how many candidates of its step it stands for"),
    Field(
        "decision", "label", "word", "good or bad, as somebody labelled the candidate",
        words=_LABEL,
    ),
    Field("decision", "attributes", "map", "what was kept about it, by path"),
)  # fmt: skip

SCOPES: Final[tuple[Scope, ...]] = ("run", "step", "decision")
"""From the whole to its parts: a run has steps, a step has decisions."""

BY_SCOPE: Final[dict[Scope, dict[str, Field]]] = {
    scope: {
        spelling: field
        for field in FIELDS
        if field.scope == scope
        for spelling in (field.name, *field.aliases)
    }
    for scope in SCOPES
}

PATHED_TYPES: Final[frozenset[FieldType]] = frozenset({"map", "value"})
"""The types with something inside that a path can name."""

COMPARED_TYPES: Final[frozenset[FieldType]] = frozenset({"number", "duration", "time"})
"""The types whose values come before or after one another."""
