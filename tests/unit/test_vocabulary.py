import json
from pathlib import Path
from typing import Any, get_args

import pytest
from msgspec import structs

from xray.model import vocabulary
from xray.model.counts import summarize_step
from xray.model.facts import EVIDENCE, VERDICT_CODES, Fact, StepFinished, fact_id
from xray.model.vocabulary import (
    Certainty,
    parse_operator,
    parse_run_status,
    parse_step_type,
    parse_verdict,
)
from xray.wire.codec import JSON, decode_batch
from xray.wire.limits import DEFAULT_LIMITS

SPEC = Path(__file__).parents[2] / "spec" / "vocabulary.json"


@pytest.fixture(scope="module")
def spec() -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(SPEC.read_text(encoding="utf-8"))
    return loaded


def test_the_written_vocabulary_says_what_the_code_says(spec: dict[str, Any]) -> None:
    assert spec == {
        "run_statuses": list(vocabulary.RUN_STATUSES),
        "run_status_aliases": vocabulary.RUN_STATUS_ALIASES,
        "step_statuses": list(vocabulary.STEP_STATUSES),
        "step_types": list(vocabulary.STEP_TYPES),
        "declarable_step_types": list(vocabulary.DECLARABLE_STEP_TYPES),
        "step_type_aliases": vocabulary.STEP_TYPE_ALIASES,
        "creating_step_types": sorted(vocabulary.CREATING_STEP_TYPES),
        "keeping_step_types": sorted(vocabulary.KEEPING_STEP_TYPES),
        "rateless_step_types": sorted(vocabulary.RATELESS_STEP_TYPES),
        "verdicts": list(vocabulary.VERDICTS),
        "verdict_codes": {**VERDICT_CODES, "evidence": EVIDENCE},
        "capture_levels": list(vocabulary.CAPTURE_LEVELS),
        "rate_bases": list(vocabulary.RATE_BASES),
        "certainties": list(get_args(Certainty)),
        "labels": list(vocabulary.LABELS),
        "operators": list(vocabulary.OPERATORS),
        "operator_aliases": vocabulary.OPERATOR_ALIASES,
        "field_aliases": vocabulary.FIELD_ALIASES,
        "reserved_reasons": list(vocabulary.RESERVED_REASONS),
        "missing_reason_prefix": vocabulary.MISSING_PREFIX,
        "unnamed_reason": vocabulary.UNNAMED_REASON,
        "anonymous_prefix": vocabulary.ANONYMOUS_PREFIX,
        "facts": [kind.__struct_config__.tag for kind in get_args(Fact)],
        "marks": spec["marks"],
    }


def test_every_accepted_spelling_is_read_in_any_case(spec: dict[str, Any]) -> None:
    for spelling, status in spec["run_status_aliases"].items():
        assert parse_run_status(spelling.upper()) == status
    for spelling, step_type in spec["step_type_aliases"].items():
        assert parse_step_type(spelling.title()) == step_type
    for spelling, operator in spec["operator_aliases"].items():
        assert parse_operator(spelling) == operator
    for verdict in spec["verdicts"]:
        assert parse_verdict(f" {verdict.upper()} ") == verdict


def test_every_fact_is_described_in_the_wire_specification() -> None:
    text = (SPEC.parent / "wire.md").read_text(encoding="utf-8")
    for kind in get_args(Fact):
        assert f"`{kind.__struct_config__.tag}`" in text
        for field in structs.fields(kind):
            assert f"`{field.encode_name}`" in text, f"{kind.__name__}.{field.name}"


def test_every_mark_is_described_in_the_wire_specification(spec: dict[str, Any]) -> None:
    text = (SPEC.parent / "wire.md").read_text(encoding="utf-8")
    for mark in spec["marks"]:
        assert f'{{"$xray": "{mark}"' in text


def test_the_worked_example_of_the_wire_specification_is_taken() -> None:
    text = (SPEC.parent / "wire.md").read_text(encoding="utf-8")
    example = text.split("```json\n")[1].split("```")[0]
    batch = decode_batch(example.encode(), JSON)
    assert batch.refused == []
    assert [fact_id(fact).split(":")[0] for fact in batch.facts] == ["run", "step", "run"]
    step = batch.facts[1]
    assert isinstance(step, StepFinished)
    summary = summarize_step(step)
    assert summary.reasons == {"price_too_high": 1}
    assert summary.rejection_rate == 0.5


def test_the_limits_of_the_wire_specification_are_the_ones_that_hold() -> None:
    text = (SPEC.parent / "wire.md").read_text(encoding="utf-8")
    for row in (
        f"| body as sent | {DEFAULT_LIMITS.max_body_bytes >> 20} MiB |",
        f"| body decompressed | {DEFAULT_LIMITS.max_inflated_bytes >> 20} MiB |",
        f"| facts in a batch | {DEFAULT_LIMITS.max_facts:,} |",
        f"in a batch | {DEFAULT_LIMITS.max_nodes:,} |",
        f"| one fact in msgpack | {DEFAULT_LIMITS.max_fact_bytes >> 20} MiB |",
        f"each | {DEFAULT_LIMITS.max_value_bytes >> 20} MiB |",
        f"itself counted | {DEFAULT_LIMITS.max_depth} |",
    ):
        assert row in text
