"""Names looked for in texts, documents and bytes."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from xray.model.forgetting import (
    Forgotten,
    NameSearch,
    Trace,
    hash_run,
    say_forgotten,
    say_found,
)
from xray.store.names import MIN_RAW_BYTES, Names

names_of_things = st.text(min_size=1, max_size=12).filter(str.strip)
documents = st.recursive(
    st.none() | st.integers(-9, 9) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=8,
)


def nobody() -> None:
    return None


@given(name=names_of_things, document=documents, is_key=st.booleans())
def test_a_name_is_found_wherever_it_is_a_value_or_a_field(
    name: str, document: object, is_key: bool
) -> None:
    held = {"before": document, "list": [{name: 1} if is_key else {"x": name}]}
    found = Names([name])
    found.see_payload(msgspec.msgpack.encode(held), "a step", nobody)
    assert [trace.is_whole for trace in found.conclude().traces] == [True]
    found = Names([name])
    found.see_json(msgspec.json.encode(held).decode(), "a run", nobody)
    assert [trace.is_whole for trace in found.conclude().traces] == [True]


@given(name=names_of_things, before=st.text(max_size=5), after=st.text(max_size=5))
def test_a_name_within_a_text_is_found_where_no_letter_or_digit_is_beside_it(
    name: str, before: str, after: str
) -> None:
    text = f"{before} {name}; {after}"
    found = Names([name])
    found.see_text(text, "a label", lambda: "r")
    assert {trace.name for trace in found.conclude().traces} == {name}


@pytest.mark.parametrize("text", ["order-77", "xorder-7", "order-7é", "4order-7"])
def test_a_longer_name_is_another_name(text: str) -> None:
    found = Names(["order-7"])
    found.see_text(text, "a run", nobody)
    assert found.conclude().traces == []
    # Its bytes are accounted for by that record.
    found.see_raw(text.encode(), "bytes")
    assert found.conclude().traces == []


@given(
    name=st.text(min_size=MIN_RAW_BYTES, max_size=20),
    before=st.binary(max_size=30),
    after=st.binary(max_size=30),
)
def test_bytes_are_searched_for_every_spelling(name: str, before: bytes, after: bytes) -> None:
    for spelled in (name.encode(), msgspec.json.encode(name)[1:-1]):
        found = Names([name])
        found.files.append("xray.db")
        found.see_raw(before + spelled + after, "bytes of xray.db")
        (trace,) = found.conclude().traces
        assert (trace.name, trace.where, trace.run_id) == (name, "bytes of xray.db", None)


def test_ids_are_found_as_text_and_as_bytes() -> None:
    run_id = "019b76da-a800-7ffd-97d8-e6ad29ce4302"
    raw = bytes.fromhex(run_id.replace("-", ""))
    found = Names([run_id])
    found.see_raw_id(raw, "a run", nobody)
    found.see_raw_id(hash_run(raw), "a mark", nobody)
    assert [trace.where for trace in found.conclude().traces] == ["a run"]
    found = Names([run_id])
    found.see_raw(b"x" + raw + b"y", "bytes")
    assert found.conclude().traces


def test_it_is_said_what_was_done_and_what_was_looked_through() -> None:
    search = NameSearch(
        records=1200, frames=1, dictionaries=1, raw_bytes=2_500_000, files=["a.db", "a.db-wal"]
    )
    assert say_forgotten(Forgotten(1, 3), 1, search) == (
        "1 run with 3 steps was forgotten. The name was looked for in 1,200 values of rows,"
        " 1 compressed frame, 1 dictionary and all 2.5 MB of a.db and a.db-wal: found nowhere."
    )
    traces = [
        Trace(name="a", where="a step", run_id="r1", count=2),
        Trace(name="b", where="a run", run_id="r2", is_whole=False),
    ]
    said = say_forgotten(
        Forgotten(0, 0, is_compact=False, problem="Ask again."),
        2,
        NameSearch(traces=traces, unsearched=["a", "b"]),
    )
    assert said == (
        "No stored run was named by that. The 2 names were looked for in 0 values of rows,"
        " 0 compressed frames and 0 dictionaries: still found in 2 places and found as part of a"
        " longer text in 1 place of 2 other runs. 2 are too short to be told from chance in bytes"
        " that are no record. Ask again."
    )
    assert say_found(1, is_dry=False) == "1 run is forgotten."
    assert say_found(0, is_dry=True) == "No stored run is named by that."
