"""Candidates that were decided more than once are found, however their ids are held."""

from __future__ import annotations

import gc
from collections import Counter
from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from xray import XRay
from xray.capture.draw import Batch, Combination
from xray.capture.sets import ids, repeats
from xray.capture.sets.ids import Ids, NarrowIds, NumberIds, TextIds, read_ids
from xray.capture.sets.repeats import find_repeats
from xray.testing import MemorySink

numbers = st.lists(st.integers(-30, 200) | st.sampled_from([1 << 62, -(1 << 63)]), max_size=60)
texts = st.lists(st.text("ab01é", min_size=1, max_size=12), max_size=60)
keys = st.lists(
    st.integers(-30, 200).map(str)
    | st.text("ab01é", min_size=1, max_size=12)
    | st.sampled_from(["007", "-0", "+1", " 1", "1_0", "٣", str(1 << 62), str(1 << 70)])
    | st.tuples(st.sampled_from(["q1", "q2"]), st.sampled_from(["1", "a"])),
    max_size=12,
)


def hold_numbers(held: list[int]) -> Ids:
    return NumberIds(np.array(held, "int64"))


def hold_short(held: list[str]) -> Ids:
    return NarrowIds(np.array([one.encode() for one in held] or [b""], bytes)[: len(held)])


def check(columns: Sequence[Ids], singles: Sequence[Hashable]) -> None:
    """All decisions about candidates that have several are found, and hardly any others."""
    told = [column.texts() for column in columns]
    counts = Counter([*singles, *(text for column in told for text in column)])
    expected = {key for key, count in counts.items() if count > 1}
    found = find_repeats(columns, singles)
    if found is None:
        assert not expected
        return
    assert found.singles == expected.intersection(singles)
    assert [[text for text in column if text in expected] for column in told] == [
        column.at(places) for column, places in zip(columns, found.places, strict=True)
    ]
    assert expected


@pytest.fixture
def sink() -> MemorySink:
    return MemorySink()


@pytest.fixture(params=["NumPy", "a bit at a time", "Python"])
def _means(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "a bit at a time":
        monkeypatch.setattr(repeats, "_PORTION", 7)
        monkeypatch.setattr(repeats, "_MOST_SORTED_BITS", 2)
    if request.param == "Python":
        monkeypatch.setattr(repeats, "find_numpy", lambda: None)


@pytest.fixture
def hashed(_means: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """As where every candidate is told by the hash of its text."""
    monkeypatch.setattr(repeats, "NumberIds", ())
    monkeypatch.setattr(repeats, "NarrowIds", ())


@pytest.mark.usefixtures("hashed")
@given(st.lists(texts, max_size=3), numbers, keys)
def test_repeats_among_texts_numbers_and_singles_are_found(
    held: list[list[str]], whole: list[int], singles: list[Hashable]
) -> None:
    check([*map(TextIds, held), hold_numbers(whole)], singles)
    check([], singles)


@pytest.mark.parametrize("is_in_turns", [False, True])
@given(st.lists(numbers, max_size=3), st.lists(texts, max_size=3), keys)
def test_repeats_among_arrays_and_singles_are_found(
    is_in_turns: bool, held: list[list[int]], short: list[list[str]], singles: list[Hashable]
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        if is_in_turns:
            patch.setattr(repeats, "_PORTION", 7)
            patch.setattr(repeats, "_MOST_SORTED_BITS", 2)
        check([*map(hold_numbers, held)], singles)
        check([*map(hold_short, short)], singles)
        check([*map(hold_numbers, held), *map(hold_short, short)], singles)
        check([hold_numbers(sorted({*one})) for one in held], ())


def test_ascending_numbers_are_not_compared_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any) -> None:
        raise AssertionError("they were compared")

    monkeypatch.setattr(repeats, "_find_twice", fail)
    assert (
        find_repeats([hold_numbers([5, 6, 9]), hold_numbers([-3, 4]), hold_numbers([10])], ())
        is None
    )
    for columns in ([[5, 6], [6, 7]], [[6, 5]], [[1, 9], [3, 4]]):
        with pytest.raises(AssertionError, match="they were compared"):
            find_repeats([*map(hold_numbers, columns)], ())


@given(st.lists(st.text("ab\0é\ud800", max_size=6) | st.sampled_from(["x" * 512, "x" * 513])))
def test_ids_are_the_same_in_an_array_and_in_a_list(held: list[str]) -> None:
    given_array = np.array(held or [""], str)[: len(held)]
    # An array of NumPy keeps no zero characters at the end of a text.
    stripped = [one.rstrip("\0") for one in held]
    expected, found = read_ids(stripped), read_ids(given_array)
    assert found.texts() == expected.texts()
    assert found.is_complete == expected.is_complete
    kept = found.keep(0, len(held))
    column = kept.column(0, len(held))
    assert [*column] == expected.texts()


@pytest.mark.parametrize("kind", ["i1", "u1", ">i4", "u4", "<i8", ">i8", "u8"])
def test_whole_numbers_of_every_width_are_kept_and_told(kind: str) -> None:
    info = np.iinfo(kind)
    held = np.array([0, 1, 7, info.max, info.min], kind)
    found = read_ids(held)
    expected = [str(number) for number in held.tolist()]
    assert found.texts() == [*found.keep(0, 5).column(0, 5)] == expected
    assert found.at([3, 1]) == [*found.pick([3, 1]).column(0, 2)] == [expected[3], expected[1]]


def test_a_kept_column_is_not_what_the_pipeline_makes_of_its_array() -> None:
    for given_array in (np.arange(5), np.array(["a", "b", "c", "d", "e"])):
        kept = read_ids(given_array).keep(1, 4)
        before = kept.texts()
        given_array[:] = given_array[0]
        assert kept.texts() == before
        assert len(set(before)) == 3


def test_a_masked_array_and_one_of_two_dimensions_are_read_item_by_item() -> None:
    masked = np.ma.array([1, 2], mask=[False, True])
    assert read_ids(masked).texts() == ["1", ""]
    assert not isinstance(read_ids(np.arange(3)), TextIds)
    assert ids.read_ids(np.zeros(0, "U4")).texts() == []


def test_a_finished_step_keeps_none_of_its_candidates(sink: MemorySink) -> None:
    gc.collect()
    gc.disable()
    try:
        with XRay("p", sink=sink).run() as run:
            with run.step("work", "filter") as step:
                step.decide(np.arange(3_000), np.arange(3_000) % 2 == 0, reason="odd")
                step.reject("else", "odd")
            assert not [one for one in gc.get_objects() if type(one) in (Batch, Combination)]
    finally:
        gc.enable()
    assert sink.summary("work").counts.rejected == 1_501
