"""Headers and tallies that come from anywhere."""

from __future__ import annotations

import msgspec
from hypothesis import given
from hypothesis import strategies as st

import xray
from xray.capture.headers import SAMPLED_HEADER, Handover, read_headers, write_headers
from xray.errors import XRayError
from xray.model.facts import RunStarted
from xray.sampling.books import books
from xray.sampling.drawing import choose_ticket, is_drawn
from xray.testing.sink import MemorySink
from xray.wire.codec import decode_fact, encode_fact

RUN_ID = "0190a000-0000-7000-8000-000000000001"

words = st.one_of(
    st.sampled_from(["0", "1", " 0 ", "00", "true", "", "²", "0,1", "\x00"]),
    st.text(max_size=20),
    st.binary(max_size=20),
    st.lists(st.text(max_size=3), max_size=2),
    st.none(),
    st.integers(),
)


@given(value=words)
def test_whatever_the_header_holds_is_kept_left_out_or_not_said(value: object) -> None:
    found = read_headers({"x-xray-run": RUN_ID, "x-xray-pipeline": "p", SAMPLED_HEADER: value})
    assert found is not None
    assert found.is_kept in (None, False, True)
    sink = MemorySink()
    headers = {"x-xray-run": RUN_ID, "x-xray-pipeline": "p", SAMPLED_HEADER: value}
    with xray.attach(headers, sink=sink) as run, run.step("s", "filter") as step:
        step.reject("a", "r")
    books.send()
    assert (len(sink.steps), len(sink.tallies)) == ((0, 1) if found.is_kept is False else (1, 0))


@given(is_kept=st.sampled_from([None, False, True]))
def test_what_is_handed_over_is_read_back(is_kept: bool | None) -> None:
    headers = write_headers(Handover(RUN_ID, "p", None, (7, 10), is_kept))
    found = read_headers(headers)
    assert found is not None
    assert found.is_kept is is_kept


@given(trace_id=st.one_of(st.text(max_size=40), st.from_regex(r"[0-9a-f]{32}", fullmatch=True)))
def test_every_trace_id_can_be_drawn_by(trace_id: str) -> None:
    started = RunStarted(
        run_id=RUN_ID, pipeline="p", started_at_us=0, correlation={"trace_id": trace_id}
    )
    ticket = choose_ticket(started)
    assert ticket in (trace_id, RUN_ID)
    shares = [0.0, 1e-9, 0.01, 0.5, 0.99, 1.0]
    drawn = [is_drawn(ticket, share) for share in shares]
    assert drawn == sorted(drawn)
    assert drawn[0] is False
    assert drawn[-1] is True


@given(
    st.recursive(
        st.one_of(st.none(), st.integers(), st.floats(), st.text(max_size=5)),
        lambda inner: st.one_of(
            st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=9), inner, max_size=4)
        ),
    ),
    st.sampled_from(["runs", "steps", "minute_us", "tally_id", "pipeline", "environment"]),
)
def test_a_tally_is_decoded_or_refused(value: object, name: str) -> None:
    fact: dict[str, object] = {
        "fact": "tallied",
        "tally_id": RUN_ID,
        "pipeline": "p",
        "minute_us": 0,
        "runs": {},
        "steps": [],
    }
    try:
        encoded = msgspec.msgpack.encode({**fact, name: value})
    except (OverflowError, UnicodeEncodeError):
        return
    try:
        decoded = decode_fact(encoded)
    except XRayError:
        return
    assert decode_fact(encode_fact(decoded)) == decoded
