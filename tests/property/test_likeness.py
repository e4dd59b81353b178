"""How alike two candidates are does not depend on who is asked about, and is sure of the same."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from xray.forensics.profiles import Likeness, Profile

values = (
    st.integers(-5, 5)
    | st.floats(-5, 5)
    | st.booleans()
    | st.text("ab ", max_size=5)
    | st.lists(st.integers(0, 2), max_size=3)
    | st.none()
)
profiles = st.dictionaries(st.sampled_from("abcde"), values, max_size=5)


@given(st.lists(profiles, min_size=2, max_size=6))
def test_likeness_is_a_share_the_same_both_ways(drawn: list[Profile]) -> None:
    likeness = Likeness(drawn)
    for one in drawn:
        for other in drawn:
            found, back = likeness.compare(one, other), likeness.compare(other, one)
            assert 0.0 <= found.likeness <= 1.0
            assert abs(found.likeness - back.likeness) < 1e-9
            assert len(found.alike) + len(found.differing) == len({*one, *other})
            assert all(0.0 <= nearness <= 1.0 for nearness, _ in found.differing)


@given(profiles.filter(bool), st.lists(profiles, max_size=4))
def test_what_was_recorded_alike_is_wholly_alike(one: Profile, others: list[Profile]) -> None:
    found = Likeness([one, *others]).compare(one, dict(one))
    assert found.likeness == 1.0
    assert not found.differing


@given(st.lists(st.integers(0, 100), min_size=2, max_size=20, unique=True))
def test_the_nearer_number_is_the_more_alike(numbers: list[int]) -> None:
    own, *others = numbers
    likeness = Likeness([{"n": number} for number in numbers])
    by_likeness = sorted(
        others, key=lambda one: (-likeness.compare({"n": own}, {"n": one}).likeness, one)
    )
    assert by_likeness == sorted(others, key=lambda one: (abs(one - own), one))
