"""A cursor continues its own question and no other."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from xray.errors import InvalidQueryError
from xray.query.cursor import asked_at_us, decode_cursor, encode_cursor
from xray.query.parameters import plan_from_parameters
from xray.query.plan import Plan, Position

NOW_US = 1_767_225_600_000_000
POSITION = Position(sort_us=NOW_US - 5, record_id="0195f0a2-0000-7000-8000-000000000001", index=7)


def ask(*asked: tuple[str, str], now_us: int = NOW_US) -> Plan:
    return plan_from_parameters("step", asked, now_us)


@given(
    sort_us=st.integers(-(2**62), 2**62),
    record_id=st.text(max_size=40),
    index=st.integers(0, 2**40),
)
def test_a_cursor_gives_back_the_position_it_was_made_of(
    sort_us: int, record_id: str, index: int
) -> None:
    position = Position(sort_us, record_id, index)
    plan = ask(("step_type", "filter"))
    assert decode_cursor(encode_cursor(position, plan), plan) == position


def test_a_cursor_survives_a_url_without_escaping() -> None:
    cursor = encode_cursor(POSITION, ask(("step_type", "filter")))
    assert all(sign.isalnum() or sign in "-_" for sign in cursor)


def test_the_next_page_may_have_another_length() -> None:
    first = ask(("step_type", "filter"), ("limit", "10"))
    cursor = encode_cursor(POSITION, first)
    second = ask(("step_type", "filter"), ("limit", "20"), ("cursor", cursor))
    assert (second.after, second.limit, second.where) == (POSITION, 20, first.where)


def test_a_relative_time_means_the_same_moment_on_every_page() -> None:
    first = ask(("started_at_gt", "24h"))
    cursor = encode_cursor(POSITION, first)
    later = ask(("cursor", cursor), ("started_at_gt", "24h"), now_us=NOW_US + 60_000_000)
    assert later == replace(first, after=POSITION)
    assert asked_at_us(cursor) == NOW_US


@pytest.mark.parametrize(
    "asked", [(), (("step_type", "rank"),), (("step_type", "filter"), ("name", "x"))]
)
def test_a_cursor_of_another_question_is_refused(asked: tuple[tuple[str, str], ...]) -> None:
    cursor = encode_cursor(POSITION, ask(("step_type", "filter")))
    with pytest.raises(InvalidQueryError, match="another question") as caught:
        ask(*asked, ("cursor", cursor))
    assert caught.value.code == "wrong_cursor"


def test_a_cursor_of_another_list_is_refused() -> None:
    cursor = encode_cursor(POSITION, ask())
    with pytest.raises(InvalidQueryError, match="another question"):
        plan_from_parameters("run", [("cursor", cursor)], NOW_US)


@given(st.one_of(st.text(), st.binary().map(lambda raw: base64.urlsafe_b64encode(raw).decode())))
def test_a_text_that_is_no_cursor_is_refused(text: str) -> None:
    with pytest.raises(InvalidQueryError) as caught:
        decode_cursor(text, ask())
    assert caught.value.code == "wrong_cursor"


def test_a_cursor_that_was_changed_is_refused() -> None:
    cursor = encode_cursor(POSITION, ask())
    with pytest.raises(InvalidQueryError, match="cannot be read"):
        decode_cursor(cursor[:-4], ask())
