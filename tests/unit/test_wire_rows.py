"""Rows that travel as one encoded value are the rows they were made of."""

from __future__ import annotations

import pytest

from xray.delivery.queue import count_decisions
from xray.model.facts import NIL, DecisionRow, StepRows
from xray.model.ids import new_uuid7
from xray.wire.codec import decode_fact, encode_fact
from xray.wire.rows import count_rows, pack_rows

ENCODED = [b"\x92\x00\xa1a", b"\x93\x01\xa1b\xa1r"]


@pytest.mark.parametrize("count", [0, 1, 15, 16, 65_536])
def test_packed_rows_are_counted_as_if_they_were_a_list(count: int) -> None:
    assert count_rows(pack_rows([ENCODED[0]] * count)) == count
    assert count_rows([DecisionRow(0, "a")] * count) == count


def test_a_fact_with_packed_rows_says_what_one_with_a_list_says() -> None:
    packed = StepRows(run_id=new_uuid7(), step_id=new_uuid7(), chunk=1, rows=pack_rows(ENCODED))
    assert count_decisions(packed) == 2
    fact = decode_fact(encode_fact(packed))
    assert isinstance(fact, StepRows)
    assert fact.rows == [DecisionRow(0, "a"), DecisionRow(1, "b", "r", NIL)]
