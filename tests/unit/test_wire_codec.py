import msgspec
import pytest
from msgspec import Raw
from msgspec.structs import replace

from xray.errors import InvalidRecordError, LimitExceededError
from xray.model.facts import (
    ACCEPTED,
    REJECTED,
    Check,
    DecisionRow,
    Fact,
    RosterGroup,
    RunFinished,
    RunPatched,
    RunStarted,
    StepFinished,
    StepRoster,
    StepRows,
    fact_id,
)
from xray.model.values import open_value, pack_value
from xray.wire.codec import JSON, decode_batch, decode_fact, encode_fact, frame_batch
from xray.wire.limits import Limits

RUN = "01929a3c-4f00-7a10-8000-0000000000a1"
STEP = "01929a3c-4f05-7a10-8000-0000000000b1"
STARTED = RunStarted(run_id=RUN, pipeline="p", started_at_us=1)
FINISHED = RunFinished(run_id=RUN, status="completed")
FILTERED = StepFinished(
    run_id=RUN, step_id=STEP, pipeline="p", name="f", step_type="filter", ordinal=0,
    started_at_us=2,
)  # fmt: skip


def batch_of(*encoded: bytes) -> bytes:
    return frame_batch("b-1", "test/1", encoded)


def pack(**fields: object) -> bytes:
    return msgspec.msgpack.encode(fields)


def json_batch(facts: str, **envelope: object) -> bytes:
    fields = {"version": 1, "batch_id": "b-1", **envelope}
    head = msgspec.json.encode(fields).decode()[:-1]
    return f'{head},"facts":[{facts}]}}'.encode()


def test_rows_encoded_at_capture_are_copied_and_come_back_typed() -> None:
    raw = Raw(msgspec.msgpack.encode((REJECTED, "c-1", "too_dear", {"price": 9})))
    step = replace(FILTERED, rows=[raw])
    decoded = decode_fact(encode_fact(step))
    assert isinstance(decoded, StepFinished)
    row = decoded.rows[0]
    assert (row.verdict, row.candidate_id, row.reason) == (REJECTED, "c-1", "too_dear")
    assert open_value(row.attributes) == {"price": 9}


def test_one_bad_fact_is_refused_alone() -> None:
    bad = pack(fact="run_started", run_id="run_abc123", pipeline="p", started_at_us=1)
    batch = decode_batch(batch_of(encode_fact(STARTED), bad, encode_fact(FINISHED)))
    assert batch.facts == [STARTED, FINISHED]
    assert [(refusal.id, refusal.code) for refusal in batch.refused] == [
        ("run:run_abc123:started", "invalid_record")
    ]


def test_fields_of_a_later_release_are_ignored() -> None:
    fields = msgspec.msgpack.decode(encode_fact(STARTED)) | {"invented_later": [1, {"x": 2}]}
    body = msgspec.msgpack.encode(
        {"version": 1, "batch_id": "b", "facts": [fields], "also_later": True}
    )
    assert decode_batch(body).facts == [STARTED]


def test_a_fact_of_an_unknown_kind_is_refused_by_name() -> None:
    batch = decode_batch(batch_of(pack(fact="run_dreamt", run_id=RUN), pack(run_id=RUN), b"\x01"))
    assert [refusal.code for refusal in batch.refused] == [
        "unknown_fact",
        "unknown_fact",
        "invalid_record",
    ]
    assert [refusal.id for refusal in batch.refused] == ["#0", "#1", "#2"]


def test_a_later_wire_version_gets_a_clear_error() -> None:
    body = msgspec.msgpack.encode({"version": 2, "entirely": "different"})
    with pytest.raises(InvalidRecordError, match="wire version 2") as caught:
        decode_batch(body)
    assert caught.value.code == "unsupported_version"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xc1",
        b"\x00",
        msgspec.msgpack.encode([]),
        msgspec.msgpack.encode({"version": 1, "batch_id": "b", "facts": {}}),
        msgspec.msgpack.encode({"version": 1, "facts": []}),
        msgspec.msgpack.encode({"version": "1", "batch_id": "b", "facts": []}),
        msgspec.msgpack.encode({"version": 1, "batch_id": "b" * 129, "facts": []}),
        msgspec.msgpack.encode({"version": 1, "batch_id": "b", "facts": []}) + b"\xc0",
        b"\xdd\xff\xff\xff\xff",
        b"\x91" * 100_000,
        b"\x84\xa7version\x01\xa8batch_id\xa1\xff\xa5facts\x90",
    ],
)
def test_an_envelope_that_is_none_is_one_clear_error(body: bytes) -> None:
    with pytest.raises(InvalidRecordError):
        decode_batch(body)


def test_an_unknown_media_type_is_refused() -> None:
    with pytest.raises(InvalidRecordError) as caught:
        decode_batch(b"{}", "text/plain")
    assert caught.value.code == "unsupported_media_type"


@pytest.mark.parametrize(
    "change",
    [
        {"run_id": RUN.upper()},
        {"run_id": RUN + "\n"},
        {"step_id": "s-1"},
        {"parent_step_id": "s-1"},
        {"takes": ["filter"]},
        {"step_type": "FILTER"},
        {"step_type": "dream"},
        {"status": "abandoned"},
        {"capture": "everything"},
        {"ordinal": -1},
        {"attempt": 0},
        {"input_count": -1},
        {"output_count": 1.5},
        {"chunks": -1},
        {"started_at_us": -1},
        {"started_at_us": 1 << 63},
        {"duration_ms": -0.5},
        {"duration_ms": float("nan")},
        {"duration_ms": float("inf")},
        {"omissions": {"truncated": -1}},
        {"tally": {"rejected": -1}},
        {"tally": {"reasons": {"r": -1}}},
        {"rows": [[4, "c"]]},
        {"rows": [[-1, "c"]]},
        {"rows": [[0]]},
        {"rows": [[0, 17]]},
        {"rows": [[0, "c" * 513]]},
        {"rows": [[0, "c", None, None, None, None, 1 << 63]]},
        {"rows": [[0, "c", None, None, "high"]]},
        {"reservoirs": [[0, "r", 1, [[0, "c", "r"], [0, "d", "r"]]]]},
        {"reservoirs": [[0, "r", 5, [[1, "c", "r"]]]]},
        {"reservoirs": [[0, "r", -5, []]]},
    ],
    ids=repr,
)
def test_a_step_that_breaks_a_rule_is_refused(change: dict[str, object]) -> None:
    fields = msgspec.msgpack.decode(encode_fact(FILTERED)) | change
    batch = decode_batch(batch_of(msgspec.msgpack.encode(fields), encode_fact(STARTED)))
    assert batch.facts == [STARTED]
    assert [refusal.code for refusal in batch.refused] == ["invalid_record"]


ROSTER = StepRoster(
    run_id=RUN, step_id=STEP, chunk=1, total=2, groups=[RosterGroup(0, "r", None, None, ["a", "b"])]
)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"chunk": 0}, "invalid_record"),
        ({"chunk": 4096}, "invalid_record"),
        ({"total": 1}, "invalid_record"),
        ({"total": 4095 * 8192 + 1}, "invalid_record"),
        ({"groups": [[3, "r", None, None, ["a"]]]}, "invalid_record"),
        ({"groups": [[0, "r", None, None]]}, "invalid_record"),
        ({"groups": [[0, "r", None, None, ["x" * 513]]]}, "invalid_record"),
        ({"groups": [[0, "r", None, None, ["x"] * 8193]], "total": 8193}, "invalid_record"),
        ({"groups": [[0, "r", None, None, ["x"] * 4097]] * 2, "total": 9000}, "too_large"),
    ],
    ids=["chunk-0", "chunk-4096", "short-total", "vast-total", "evidence", "no-ids", "long-id",
         "large-group", "large-chunk"],
)  # fmt: skip
def test_a_roster_that_breaks_a_rule_is_refused(change: dict[str, object], code: str) -> None:
    fields = msgspec.msgpack.decode(encode_fact(ROSTER)) | change
    batch = decode_batch(batch_of(msgspec.msgpack.encode(fields), encode_fact(ROSTER)))
    assert batch.facts == [ROSTER]
    assert [refusal.code for refusal in batch.refused] == [code]


def test_a_roster_group_may_be_longer_than_this_side_knows() -> None:
    fields = msgspec.msgpack.decode(encode_fact(ROSTER))
    fields["groups"][0] += [[0.5, 0.25], "later"]
    assert decode_fact(msgspec.msgpack.encode(fields)) == ROSTER


def test_a_run_cannot_finish_running() -> None:
    with pytest.raises(InvalidRecordError, match="running"):
        decode_fact(encode_fact(replace(FINISHED, status="running")))


def test_refusals_carry_the_id_a_stored_fact_would_have() -> None:
    facts: list[Fact] = [
        STARTED, FINISHED, FILTERED, RunPatched(run_id=RUN),
        StepRows(run_id=RUN, step_id=STEP, chunk=3),
        StepRoster(run_id=RUN, step_id=STEP, chunk=3, total=0),
    ]  # fmt: skip
    broken = [
        msgspec.msgpack.encode(msgspec.msgpack.decode(encode_fact(fact)) | {"run_id": "no"})
        for fact in facts
    ]
    batch = decode_batch(batch_of(*broken))
    assert [refusal.id for refusal in batch.refused] == [
        fact_id(fact).replace(RUN, "no") for fact in facts
    ]


def test_text_that_is_not_unicode_is_mended_on_the_way_out() -> None:
    step = replace(
        FILTERED,
        name="a\ud800b",
        rows=[DecisionRow(ACCEPTED, "c", reasoning="\ud83d\ude00 \udfff")],
        omissions={"\udc00": 1},
    )
    decoded = decode_fact(encode_fact(step))
    assert isinstance(decoded, StepFinished)
    assert decoded.name == "a\ufffdb"
    assert decoded.rows[0].reasoning == "\U0001f600 \ufffd"
    assert decoded.omissions == {"\ufffd": 1}


def test_text_that_is_not_utf8_is_mended_on_the_way_in() -> None:
    encoded = encode_fact(replace(STARTED, pipeline="ab_c", input=pack_value({"k": "x__y" * 20})))
    hurt = encoded.replace(b"ab_c", b"a\xffbc").replace(b"x__y", b"x\xff\xfey")
    batch = decode_batch(batch_of(hurt))
    started = batch.facts[0]
    assert isinstance(started, RunStarted)
    assert started.pipeline == "a\ufffdbc"
    assert open_value(started.input) == {"k": "x\ufffd\ufffdy" * 20}


def test_surrogates_encoded_one_by_one_become_one_replacement_each() -> None:
    encoded = encode_fact(replace(STARTED, pipeline="abc")).replace(b"abc", b"\xed\xa0\x80")
    decoded = decode_fact(encoded)
    assert isinstance(decoded, RunStarted)
    assert decoded.pipeline == "\ufffd"


def test_json_text_with_lone_surrogates_is_mended() -> None:
    fact = rf'{{"fact":"run_started","run_id":"{RUN}","started_at_us":1,"pipeline":'
    batch = decode_batch(json_batch(fact + r'"\ud800 \ud83d\ude00 \\ud800 \udc00\ud800"}'), JSON)
    started = batch.facts[0]
    assert isinstance(started, RunStarted)
    assert started.pipeline == "\ufffd \U0001f600 \\ud800 \ufffd\ufffd"


def test_json_bytes_that_are_not_utf8_are_mended() -> None:
    body = json_batch(
        f'{{"fact":"run_started","run_id":"{RUN}","started_at_us":1,"pipeline":"a?"}}'
    )
    started = decode_batch(body.replace(b"a?", b"a\xff"), JSON).facts[0]
    assert isinstance(started, RunStarted)
    assert started.pipeline == "a\ufffd"


@pytest.mark.parametrize("number", ["1e400", "-1e400"])
def test_json_numbers_that_no_float_can_say_are_refused_alone(number: str) -> None:
    fact = f'{{"fact":"run_finished","run_id":"{RUN}","status":"completed","duration_ms":'
    batch = decode_batch(json_batch(f"{fact}{number}}},{fact}5}}"), JSON)
    assert batch.facts == [replace(FINISHED, duration_ms=5.0)]
    assert [refusal.id for refusal in batch.refused] == [fact_id(FINISHED)]


@pytest.mark.parametrize("word", ["NaN", "Infinity", "-Infinity", "nan"])
def test_json_that_is_none_is_refused(word: str) -> None:
    with pytest.raises(InvalidRecordError):
        decode_batch(json_batch(word), JSON)


def test_whole_numbers_beyond_64_bits_are_marked() -> None:
    large = 1 << 70
    spelled = {"$xray": "integer", "value": str(large)}
    row = DecisionRow(REJECTED, "c", checks=[Check("n", observed=large, limit=-large)])
    decoded = decode_fact(encode_fact(replace(FILTERED, rows=[row])))
    assert isinstance(decoded, StepFinished)
    assert decoded.rows[0].checks is not None
    assert decoded.rows[0].checks[0].observed == spelled
    fact = f'{{"fact":"run_finished","run_id":"{RUN}","status":"completed","output":{large}}}'
    finished = decode_batch(json_batch(fact), JSON).facts[0]
    assert isinstance(finished, RunFinished)
    assert open_value(finished.output) == spelled


def test_an_object_in_a_fact_is_marked_by_its_type() -> None:
    row = DecisionRow(REJECTED, "c", checks=[Check("n", observed=object(), limit=[object()])])
    decoded = decode_fact(encode_fact(replace(FILTERED, rows=[row])))
    assert isinstance(decoded, StepFinished)
    assert decoded.rows[0].checks is not None
    assert decoded.rows[0].checks[0].observed == {"$xray": "object", "type": "object"}


def test_a_value_that_contains_itself_is_cut_on_the_way_out() -> None:
    endless: list[object] = []
    endless.append(endless)
    row = DecisionRow(REJECTED, "c", checks=[Check("n", observed=endless)])
    assert isinstance(decode_fact(encode_fact(replace(FILTERED, rows=[row]))), StepFinished)


@pytest.mark.parametrize("depth", [100, 900])
def test_nesting_beyond_the_limit_is_refused_alone(depth: int) -> None:
    deep = encode_fact(replace(FINISHED, output=Raw(b"\x91" * depth + b"\xc0")))
    batch = decode_batch(batch_of(deep, encode_fact(STARTED)))
    assert batch.facts == [STARTED]
    assert [(refusal.id, refusal.code) for refusal in batch.refused] == [
        (fact_id(FINISHED), "too_deep")
    ]


def test_nesting_up_to_the_limit_is_taken() -> None:
    limits = Limits(max_depth=10)
    wide = [[] for _ in range(50)]
    nested: object = wide
    for _ in range(7):
        nested = {"k": nested}
    decode_fact(encode_fact(replace(FINISHED, output=pack_value(nested))), limits)
    with pytest.raises(InvalidRecordError):
        decode_fact(encode_fact(replace(FINISHED, output=pack_value([nested]))), limits)


def test_endless_json_nesting_is_a_clear_error() -> None:
    for body in (json_batch("[" * 100_000), b"[" * 100_000):
        with pytest.raises(InvalidRecordError):
            decode_batch(body, JSON)


def test_a_json_fact_that_nests_too_deeply_is_refused_alone() -> None:
    depth = 300
    batch = decode_batch(json_batch("[" * depth + "]" * depth), JSON)
    assert [(refusal.id, refusal.code) for refusal in batch.refused] == [("#0", "too_deep")]


def test_a_map_key_that_cannot_be_opened_is_refused() -> None:
    batch = decode_batch(batch_of(encode_fact(replace(FINISHED, output=Raw(b"\x81\x80\x01")))))
    assert [refusal.code for refusal in batch.refused] == ["invalid_record"]


def test_too_many_facts_and_too_many_values_are_refused_as_a_whole() -> None:
    body = batch_of(encode_fact(STARTED), encode_fact(FINISHED))
    with pytest.raises(LimitExceededError):
        decode_batch(body, limits=Limits(max_facts=1))
    with pytest.raises(LimitExceededError):
        decode_batch(body, limits=Limits(max_nodes=20))
    assert len(decode_batch(body, limits=Limits(max_nodes=26)).facts) == 2
    spelled = msgspec.json.encode(msgspec.msgpack.decode(body))
    with pytest.raises(LimitExceededError):
        decode_batch(spelled, JSON, Limits(max_nodes=15))


def test_separators_inside_json_text_do_not_count_as_values() -> None:
    fact = f'{{"fact":"run_started","run_id":"{RUN}","started_at_us":1,"pipeline":"{"," * 99}"}}'
    assert len(decode_batch(json_batch(fact), JSON, Limits(max_nodes=50)).facts) == 1


def test_a_fact_and_a_value_too_large_are_refused_alone() -> None:
    large = replace(FINISHED, output=pack_value("x" * 500))
    body = batch_of(encode_fact(large), encode_fact(STARTED))
    for limits in (Limits(max_value_bytes=400), Limits(max_fact_bytes=400)):
        batch = decode_batch(body, limits=limits)
        assert batch.facts == [STARTED]
        assert [refusal.code for refusal in batch.refused] == ["too_large"]


def test_an_error_never_quotes_the_content() -> None:
    secret = "canary-7f3a"
    fields = msgspec.msgpack.decode(encode_fact(FILTERED)) | {"name": 5, "input": secret}
    refusal = decode_batch(batch_of(msgspec.msgpack.encode(fields))).refused[0]
    assert secret not in refusal.detail
