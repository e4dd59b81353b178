"""For any value: a snapshot fits its bytes, decodes, marks its cuts, and holds no secret."""

from __future__ import annotations

import dataclasses
import datetime
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from xray.capture.redaction import Redactor
from xray.capture.snapshot import SnapshotLimits, scalar_attributes, snapshot
from xray.model.values import MARK, open_value

SECRET = "s3cr3t-7f3a-" + "z" * 8
TELLING = ("password", "apiKey", "API-KEY", "x-authorization", "credit card", "access_token", "ssn")
CUTS = ("truncated", "changed")

any_text = st.text(st.characters(), max_size=40)
leaves = (
    st.none()
    | st.booleans()
    | st.integers(-(1 << 200), 1 << 200)
    | st.floats()
    | any_text
    | st.binary(max_size=100)
    | st.decimals()
    | st.datetimes(timezones=st.none() | st.just(datetime.timezone.utc))
    | st.dates()
    | st.timedeltas()
    | st.uuids()
    | st.builds(object)
    | st.just("é" * 5_000)
    | st.just("x" * 5_000)
)
keys = any_text | st.integers() | st.none() | st.binary(max_size=10) | st.just(MARK)


def nested(leaf: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.recursive(
        leaf,
        lambda inner: (
            st.lists(inner, max_size=8)
            | st.lists(inner, max_size=4).map(tuple)
            | st.dictionaries(keys, inner, max_size=8)
        ),
        max_leaves=60,
    )


limits = st.builds(
    SnapshotLimits,
    max_depth=st.integers(1, 8),
    max_nodes=st.integers(1, 200),
    max_items=st.integers(1, 20),
    max_text_length=st.integers(1, 200),
    max_bytes=st.integers(32, 2_000),
)
ROOMY = SnapshotLimits(max_text_length=10_000)


def count_cuts(value: Any) -> int:
    if type(value) is dict:
        return (value.get(MARK) in CUTS) + sum(map(count_cuts, value.values()))
    return sum(map(count_cuts, value)) if type(value) is list else 0


def unwrap(value: Any) -> Any:
    """A decoded snapshot with the maps that had our key as they were given."""
    if type(value) is list:
        return [unwrap(one) for one in value]
    if type(value) is dict:
        inner = value["value"] if value.get(MARK) == "map" else value
        return {key: unwrap(one) for key, one in inner.items()}
    return value


@given(nested(leaves), limits)
def test_a_snapshot_fits_decodes_and_counts_its_cuts(value: object, limits: SnapshotLimits) -> None:
    omissions: dict[str, int] = {}
    raw = bytes(snapshot(value, Redactor(), omissions, limits))
    assert len(raw) <= limits.max_bytes
    decoded = msgspec.msgpack.decode(raw)
    msgspec.json.encode(open_value(raw))
    # What was counted inside a part that was then left out has no mark of its own.
    assert (count_cuts(decoded) > 0) <= (omissions.get("truncated", 0) > 0)
    assert count_cuts(decoded) <= omissions.get("truncated", 0)


plain_keys = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


@given(
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers(-(1 << 63), (1 << 64) - 1)
        | st.floats(allow_nan=False, allow_infinity=False)
        | st.text(st.characters(exclude_categories=["Cs"]), max_size=40),
        lambda inner: st.lists(inner, max_size=8) | st.dictionaries(plain_keys, inner, max_size=8),
        max_leaves=60,
    )
)
def test_plain_data_within_the_limits_comes_back_as_it_was(value: Any) -> None:
    omissions: dict[str, int] = {}
    redactor = Redactor()
    raw = snapshot(value, redactor, omissions, ROOMY)
    if omissions == {}:
        assert unwrap(open_value(raw)) == value
    else:
        assert set(omissions) == {"redacted"}


@st.composite
def planted(draw: st.DrawFn) -> Any:
    """A nested value with the secret under a telling key somewhere in it."""
    value: Any = {draw(st.sampled_from(TELLING)): draw(st.sampled_from([SECRET, [SECRET]]))}
    for _ in range(draw(st.integers(0, 6))):
        siblings = draw(st.lists(nested(leaves), max_size=3))
        place = draw(st.integers(0, 3))
        if place == 0:
            value = [*siblings, value]
        elif place == 1:
            value = (value, *siblings)
        elif place == 2:
            value = {f"n{number}": one for number, one in enumerate(siblings)} | {"in": value}
        else:
            value = dataclasses.make_dataclass("Made", ["field"])(value)
    return value


@settings(max_examples=50)
@given(planted(), limits | st.just(ROOMY))
def test_a_planted_secret_is_nowhere_in_the_bytes(value: object, limits: SnapshotLimits) -> None:
    omissions: dict[str, int] = {}
    raw = bytes(snapshot(value, Redactor(), omissions, limits))
    assert SECRET.encode() not in raw
    assert omissions.get("redacted") or omissions.get("truncated")


@settings(max_examples=50)
@given(planted())
def test_the_secret_is_found_where_nothing_hides_it(value: object) -> None:
    raw = bytes(snapshot(value, Redactor(allowed_keys=TELLING), {}, ROOMY))
    assert SECRET.encode() in raw


@settings(max_examples=50)
@given(planted(), limits)
def test_a_hook_that_raises_lets_no_value_of_a_map_through(
    value: object, limits: SnapshotLimits
) -> None:
    def fail(key: str, value: object) -> object:
        raise ValueError

    mapping = {"note": value, "text": SECRET}
    raw = bytes(snapshot(mapping, Redactor(hook=fail), {}, limits))
    assert SECRET.encode() not in raw


@settings(max_examples=50)
@given(nested(leaves))
def test_scalars_of_a_candidate_are_short_and_plain(value: object) -> None:
    scalars = scalar_attributes(value)
    assert (scalars is None) == (type(value) is not dict)
    for name, scalar in (scalars or {}).items():
        assert type(name) is str
        assert type(scalar) in (str, int, float, bool, type(None))
        assert type(scalar) is not str or len(scalar) <= 256
