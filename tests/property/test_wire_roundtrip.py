import contextlib

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from xray.errors import XRayError
from xray.model.facts import (
    Check,
    DecisionRow,
    ErrorInfo,
    OriginRef,
    Reservoir,
    RosterGroup,
    RunFinished,
    RunStarted,
    StepFinished,
    StepRoster,
    StepRows,
)
from xray.model.ids import new_uuid7
from xray.model.values import pack_value
from xray.wire.codec import JSON, decode_batch, decode_fact, encode_fact, frame_batch
from xray.wire.limits import inflate
from xray.wire.scan import has_more_nodes, mend_text, walk

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
WHOLE = st.integers(-(1 << 63), (1 << 63) - 1)
SCALAR = st.none() | st.booleans() | WHOLE | st.floats(allow_nan=False, allow_infinity=False) | TEXT
VALUE = st.recursive(
    SCALAR,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)
PACKED = VALUE.map(pack_value)
UUID = st.builds(new_uuid7, st.integers(0, 1 << 50))
COUNT = st.integers(0, (1 << 63) - 1)
FINITE = st.floats(allow_nan=False, allow_infinity=False)
DURATION = st.none() | st.floats(0, 1e12)
ORIGIN = st.builds(OriginRef, TEXT, st.none() | UUID, st.none() | WHOLE, st.none() | FINITE)
CHECK = st.builds(Check, TEXT, TEXT, st.none() | TEXT, VALUE, VALUE, st.booleans())
ROW = st.builds(
    DecisionRow,
    st.integers(0, 3),
    TEXT,
    st.none() | TEXT,
    PACKED,
    st.none() | FINITE | st.dictionaries(TEXT, FINITE, max_size=2),
    st.none() | TEXT,
    st.none() | WHOLE,
    st.none() | st.lists(ORIGIN, max_size=2),
    st.none() | st.lists(CHECK, max_size=2),
    st.none() | TEXT,
    st.none() | TEXT,
    st.none() | WHOLE,
    st.none() | TEXT,
    st.booleans(),
)
RESERVOIR = st.lists(ROW.filter(lambda row: row.verdict == 0), max_size=2).map(
    lambda rows: Reservoir(0, "r", len(rows) + 3, rows)
)
ERROR = st.none() | st.builds(ErrorInfo, TEXT, TEXT, st.lists(TEXT, max_size=2))
STARTED = st.builds(
    RunStarted,
    run_id=UUID, pipeline=TEXT, started_at_us=st.integers(0, 1 << 50), input=PACKED,
    metadata=PACKED, params=PACKED, tags=st.lists(TEXT, max_size=2),
    correlation=st.dictionaries(TEXT, TEXT, max_size=2), version=st.none() | TEXT,
    attempt=st.integers(1, 9), weight=st.floats(0.5, 1e6),
)  # fmt: skip
FINISHED = st.builds(
    RunFinished,
    run_id=UUID, status=st.sampled_from(["completed", "failed", "cancelled"]),
    duration_ms=DURATION, output=PACKED, error=ERROR, metadata=PACKED,
)  # fmt: skip
STEP = st.builds(
    StepFinished,
    run_id=UUID, step_id=UUID, pipeline=TEXT, name=TEXT, ordinal=COUNT,
    step_type=st.sampled_from(["filter", "rank", "custom"]), started_at_us=st.integers(0, 1 << 50),
    duration_ms=DURATION, takes=st.none() | st.lists(UUID, max_size=2), params=PACKED,
    input_count=st.none() | COUNT, stats=PACKED, error=ERROR, rows=st.lists(ROW, max_size=3),
    reservoirs=st.lists(RESERVOIR, max_size=1), logged=st.lists(ROW, max_size=2),
    omissions=st.dictionaries(TEXT, COUNT, max_size=2),
)  # fmt: skip
CHUNK = st.builds(
    StepRows, run_id=UUID, step_id=UUID, chunk=st.integers(1, 99), rows=st.lists(ROW, max_size=3)
)
ROSTER = st.builds(
    StepRoster, run_id=UUID, step_id=UUID, chunk=st.integers(1, 4095), total=st.integers(9, 99),
    groups=st.lists(
        st.builds(
            RosterGroup, st.integers(0, 2), st.none() | TEXT,
            st.none() | st.lists(st.builds(OriginRef, TEXT), max_size=2), st.none() | TEXT,
            st.lists(TEXT, max_size=3),
        ), max_size=3,
    ),
)  # fmt: skip
FACT = STARTED | FINISHED | STEP | CHUNK | ROSTER


@settings(max_examples=60)
@given(st.lists(FACT, max_size=4))
def test_every_fact_comes_back_equal_in_both_forms(facts: list[object]) -> None:
    body = frame_batch("b", "c", [encode_fact(fact) for fact in facts])  # type: ignore[arg-type]
    packed = decode_batch(body)
    assert packed.refused == []
    assert packed.facts == facts
    spelled = decode_batch(msgspec.json.encode(msgspec.msgpack.decode(body)), JSON)
    assert spelled.refused == []
    assert [encode_fact(fact) for fact in spelled.facts] == [
        encode_fact(fact) for fact in packed.facts
    ]


@settings(max_examples=60)
@given(st.lists(FACT, min_size=1, max_size=3), st.data())
def test_a_damaged_fact_never_takes_another_with_it(
    facts: list[object], data: st.DataObject
) -> None:
    encoded = [encode_fact(fact) for fact in facts]  # type: ignore[arg-type]
    victim = data.draw(st.integers(0, len(encoded) - 1))
    damaged = bytearray(encoded[victim])
    place = data.draw(st.integers(0, len(damaged) - 1))
    damaged[place] = data.draw(st.integers(0, 255))
    with contextlib.suppress(XRayError):
        decode_fact(bytes(damaged))
    others = encoded[:victim] + encoded[victim + 1 :]
    bad = msgspec.msgpack.encode({"fact": "run_started", "damage": bytes(damaged)})
    batch = decode_batch(frame_batch("b", "c", [bad, *others]))
    assert [encode_fact(fact) for fact in batch.facts] == others
    assert len(batch.refused) == 1


@settings(max_examples=150)
@given(st.binary(max_size=60) | st.text(max_size=60).map(str.encode))
def test_no_bytes_raise_anything_but_a_clear_error(body: bytes) -> None:
    for attempt in (
        lambda: decode_batch(body),
        lambda: decode_batch(body, JSON),
        lambda: decode_fact(body),
        lambda: inflate(body, "gzip"),
        lambda: inflate(body, "zstd"),
    ):
        with contextlib.suppress(XRayError):
            attempt()


@given(VALUE)
def test_the_walk_sees_every_value_and_mending_leaves_good_text_alone(value: object) -> None:
    encoded = msgspec.msgpack.encode(value)
    spans = [(start, end) for start, end, _ in walk(encoded)]
    assert [start for start, _ in spans] == [0, *(end for _, end in spans[:-1])]
    assert spans[-1][1] == len(encoded)
    assert len(spans) == count_nodes(value)
    assert mend_text(encoded) == encoded
    assert not has_more_nodes(encoded, len(spans))
    assert has_more_nodes(encoded, len(spans) - 1)


def count_nodes(value: object) -> int:
    if isinstance(value, dict):
        return 1 + sum(1 + count_nodes(item) for item in value.values())
    return 1 + sum(map(count_nodes, value)) if isinstance(value, list) else 1
