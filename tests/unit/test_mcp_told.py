"""What a model is told stays within its budget, and nothing is left out in silence."""

from __future__ import annotations

from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Struct

from xray.mcp.told import (
    MAX_DATA_CHARACTERS,
    MAX_LINE_CHARACTERS,
    MAX_PAGE_CHARACTERS,
    Question,
    Told,
    prune,
    write_structure,
    write_text,
)


class Answer(Struct, frozen=True):
    rows: Any
    answer: str = "so"
    state: str = ""


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=500),
    lambda inner: (
        st.lists(inner, max_size=60) | st.dictionaries(st.text(max_size=9), inner, max_size=60)
    ),
    max_leaves=200,
)


@given(values)
@settings(max_examples=40)
def test_a_structure_never_exceeds_its_budget(rows: Any) -> None:
    pruned, left_out = prune(Answer(rows))
    assert len(msgspec.json.encode(pruned)) <= MAX_DATA_CHARACTERS
    assert all(count > 0 for count in left_out.values())


@given(st.integers(0, 3_000))
def test_what_is_left_out_of_a_list_is_counted(length: int) -> None:
    pruned, left_out = prune(Answer([f"candidate_{number}" for number in range(length)]))
    assert len(pruned.get("rows", [])) + left_out.get("rows", 0) == length


@given(st.lists(st.text(max_size=900), max_size=80))
def test_every_line_is_on_one_page_and_no_page_is_too_long(lines: list[str]) -> None:
    told = Told(answer="so", lines=[f"{at}: {line}" for at, line in enumerate(lines)],
                data=Answer(None))  # fmt: skip
    text, pages = write_text(told)
    texts = [write_text(told, page)[0] for page in range(1, pages + 1)]
    assert texts[0] == text
    assert all(len(one) < MAX_PAGE_CHARACTERS + MAX_LINE_CHARACTERS + 200 for one in texts)
    shown = [line for one in texts for line in one.split("\n")]
    for at in range(len(lines)):
        assert sum(line.startswith(f"{at}:") for line in shown) == 1


def test_what_is_empty_and_what_only_programs_use_is_not_told() -> None:
    pruned, _ = prune(Answer([{"a": None, "b": [], "c": 0}], state="parts"))
    assert pruned == {"rows": [{"c": 0}], "answer": "so"}


def test_certainty_and_the_next_question_stand_in_text_and_structure() -> None:
    question = Question("why", {"run": "last", "candidate": 'p"1"'}, "why it ended as it did")
    told = Told(answer="It vanished.", certainty="inferred", because="ids of both steps",
                questions=[question], data=Answer(None))  # fmt: skip
    text, pages = write_text(told)
    assert text.startswith("It vanished. (inferred: ids of both steps)\n")
    assert 'why(run="last", candidate="p\\"1\\""): why it ended as it did' in text
    found = write_structure(told, 1, pages)
    assert found["next"] == [
        {"tool": "why", "arguments": {"run": "last", "candidate": 'p"1"'},
         "why": "why it ended as it did"}
    ]  # fmt: skip
