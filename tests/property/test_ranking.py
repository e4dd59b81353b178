"""Ranks are kept as they are and scores to 16 significant bits, in little room."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xray.errors import InvalidRecordError
from xray.model.compact_entries import compact_entries
from xray.model.facts import RosterGroup, StepRoster
from xray.model.holdings import hash_entries
from xray.model.ids import new_uuid7
from xray.model.ranking import (
    NO_RANK,
    Places,
    Ranking,
    encode_places,
    make_ranking,
    pack_score,
    unpack_place,
)
from xray.wire.codec import decode_fact, encode_fact

scores = st.floats(allow_nan=False, allow_infinity=False)


@given(scores)
def test_a_score_is_off_by_no_more_than_it_says(score: float) -> None:
    placing = unpack_place(pack_score(score))
    assert placing is not None
    assert placing.score is not None
    assert placing.score_error is not None
    assert abs(placing.score - score) <= placing.score_error or abs(score) > 1.797e308
    if abs(score) > 1e-300:
        assert placing.score_error <= abs(score) / 60_000


@given(st.integers(-65_536, 65_536))
def test_whole_numbers_of_five_digits_are_kept_as_they_are(number: int) -> None:
    placing = unpack_place(pack_score(float(number)))
    assert placing is not None
    assert placing.score == number


@given(scores, scores)
def test_rounded_scores_are_in_the_order_of_the_scores(one: float, other: float) -> None:
    low, high = sorted((one, other))
    assert pack_score(low) <= pack_score(high)


@pytest.mark.parametrize("score", [math.nan, math.inf, -math.inf])
def test_what_is_no_finite_number_is_no_score(score: float) -> None:
    assert pack_score(score) == 0
    assert unpack_place(0) is None


@given(
    st.lists(
        st.tuples(st.integers(0, 300), st.none() | st.integers(0, NO_RANK - 1), st.none() | scores),
        max_size=60,
    )
)
def test_places_are_read_as_they_were_written(entries: list[tuple[int, int, float]]) -> None:
    codes = [code for code, _, _ in entries]
    ranking = make_ranking([rank for _, rank, _ in entries], [score for _, _, score in entries])
    assert ranking is not None
    assert ranking.find_fault(len(entries)) is None
    packed = ranking.places(len(entries))
    opened = Places(encode_places(packed, codes), codes)
    assert list(opened) == packed
    assert [opened.at(index) for index in range(len(entries))] == packed
    for index, place in enumerate(packed):
        assert Places(encode_places(packed, codes), codes).at(index) == place
    for (_, rank, score), place in zip(entries, packed, strict=True):
        placing = unpack_place(place)
        assert (placing is None) == (rank is None and score is None)
        assert placing is None or placing.rank == rank


def test_columns_of_another_length_are_no_ranking() -> None:
    assert Ranking().find_fault(3) is None
    assert Ranking(bytes(12), bytes(24)).find_fault(3) is None
    assert Ranking(bytes(8)).find_fault(3) == "its ranks have 8 bytes for 3 candidates"
    assert Ranking(b"", bytes(8)).find_fault(3) == "its scores have 8 bytes for 3 candidates"


def test_a_ranking_of_other_candidates_is_refused_with_its_fact() -> None:
    group = RosterGroup(1, None, None, None, ["a", "b"], Ranking(bytes(4)))
    roster = StepRoster(run_id=new_uuid7(), step_id=new_uuid7(), chunk=1, total=2, groups=[group])
    with pytest.raises(InvalidRecordError, match="its ranks have 4 bytes for 2 candidates"):
        decode_fact(encode_fact(roster))


@pytest.mark.parametrize("size", [100, 1_000, 8_192])
@pytest.mark.parametrize("shape", ["even", "steep", "logits", "distances"])
def test_a_candidate_takes_at_most_six_bytes_with_rank_and_score(size: int, shape: str) -> None:
    dice = random.Random(size)
    drawn = {
        "even": [dice.random() for _ in range(size)],
        "steep": [1 / (60 + rank) for rank in range(size)],
        "logits": [dice.gauss(0, 4) for _ in range(size)],
        "distances": [-dice.expovariate(1) for _ in range(size)],
    }[shape]
    ordered = sorted(drawn, reverse=True)
    if shape == "distances":
        ordered = [-score for score in ordered]
    groups = []
    for verdict, first, last in ((1, 0, 10), (0, 10, size)):
        ids = [f"item-{number}" for number in range(first, last)]
        ranking = make_ranking(range(first + 1, last + 1), ordered[first:last])
        groups.append(RosterGroup(verdict, "below_cut", None, None, ids, ranking))
    chunk = StepRoster(run_id="r", step_id="s", chunk=1, total=size, groups=groups)
    taken = sum(len(data) for _, data in compact_entries(hash_entries(chunk)))
    assert taken <= 6 * size
