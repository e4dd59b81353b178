"""The arguments of a recorded call: what is restored, what is given, what is missing and told."""

from __future__ import annotations

import enum
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import date, datetime, timezone
from decimal import Decimal
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, Literal
from uuid import UUID

import msgspec
import numpy
import pandas
import polars
import pydantic
import pytest

import xray
from tests.unit.replay_desk import StoreClient, moved, record, replay
from xray import xray_step
from xray.errors import NotReplayableError
from xray.replaying.code import find_code
from xray.replaying.recorded import Recorded, read_recorded

if TYPE_CHECKING:
    from nowhere import Unknown  # type: ignore[import-not-found]

SEEN: list[tuple[tuple[Any, ...], dict[str, Any]]] = []


class Colour(enum.Enum):
    RED = "red"


class Size(msgspec.Struct):
    width: int


@dataclass(frozen=True)
class Query:
    text: str
    tags: frozenset[str] = frozenset()
    sizes: tuple[Size, ...] = ()
    options: dict[int, list[Colour]] = field(default_factory=dict)


@dataclass
class Index:
    """What a pipeline holds a connection to; its entries are code, and not captured."""

    lookup: Callable[[str], list[str]]


def make_index() -> Index:
    return Index(lambda text: [text, text.upper()])


def note(*args: Any, **named: Any) -> None:
    SEEN.append((args, named))
    xray.current_step().accept("a")


@pytest.fixture(autouse=True)
def forget() -> None:
    SEEN.clear()


def replay_noted(client: StoreClient, code: Any, **asked: Any) -> None:
    assert replay(client, "step", code, **asked).is_same
    assert SEEN[0] == SEEN[1]
    for (args, named), (other_args, other_named) in [(SEEN[0], SEEN[1])]:
        given, again = [*args, *named.values()], [*other_args, *other_named.values()]
        assert list(map(type, given)) == list(map(type, again))


def test_values_take_the_types_that_annotations_ask_for() -> None:
    @xray_step("step", "filter")
    def work(
        query: Query,
        at: datetime,
        day: date,
        key: UUID,
        price: Decimal,
        path: PurePosixPath,
        pair: tuple[int, str],
        names: set[str],
        kind: Literal["a", "b"],
        several: Iterable[Query],
        nothing: Query | None,
        large: int,
        few: bytes,
        share: float,
    ) -> None:
        note(query, at, day, key, price, path, pair, names, kind, several, nothing, large, few)
        assert share == float("inf")

    query = Query("q", frozenset({"x"}), (Size(3),), {7: [Colour.RED]})
    client = record(
        lambda: work(
            query,
            datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone.utc),
            date(2026, 1, 2),
            UUID(int=5),
            Decimal("1.10"),
            PurePosixPath("a/b"),
            (1, "x"),
            {"n"},
            "b",
            [query],
            None,
            2**70,
            b"\x00\x01",
            float("inf"),
        )
    )
    replay_noted(client, work)


def test_every_way_to_pass_arguments_is_bound_again() -> None:
    @xray_step("step", "filter")
    def work(first: int, /, second: int = 2, *rest: int, only: str = "o", **named: float) -> None:
        note(first, second, *rest, only=only, **named)

    for call in (
        lambda: work(1),
        lambda: work(1, 3, 4, 5, only="x", extra=1.5),
        lambda: work(1, second=9, extra=0.5),
    ):
        SEEN.clear()
        replay_noted(record(call), work)


def test_without_annotations_arguments_come_as_json_has_them() -> None:
    @xray_step("step", "filter")
    def work(query, unknown: Unknown, numbers: list[Unknown]):  # type: ignore[no-untyped-def]
        note(unknown, numbers)

    client = record(lambda: work(Query("q"), {"a": 1}, [1]))
    replay_noted(client, work)

    @xray_step("step", "filter")
    def read(query, unknown, numbers):  # type: ignore[no-untyped-def]
        xray.current_step().accept(query.text)

    replayed = replay(client, "step", read)
    assert "'dict' object has no attribute 'text'" in replayed.answer
    assert replayed.notes[0].startswith("`query` has no annotation that can be read here")


@dataclass
class Item:
    id: str
    price: float


class Ranker:
    def __init__(self, factor: int = 2) -> None:
        self.factor = factor

    @xray_step("rank", "rank")
    def rank(self, items: list[int]) -> list[int]:
        return xray.current_step().rank(items, score=lambda item: item % self.factor, key=str)

    @classmethod
    @xray_step("class", "rank")
    def of_class(cls, items: list[int]) -> list[int]:
        return xray.current_step().rank(items, score=float, key=str)


RANKER = Ranker(3)


def test_a_method_is_replayed_on_an_object_that_is_named() -> None:
    def work() -> None:
        Ranker().rank([1, 2, 3])
        Ranker.of_class([1, 2])

    client = record(work)
    with pytest.raises(NotReplayableError, match=r"is a method, and .*:Ranker\(\)\.rank' makes"):
        replay(client, "rank")
    assert replay(client, "rank", f"{__name__}:Ranker().rank").is_same
    assert not replay(client, "rank", f"{__name__}:RANKER.rank").is_same
    assert not replay(client, "rank", Ranker(3).rank).is_same
    assert replay(client, "class").is_same


@xray_step("search", "retrieve", capture="full")
def search(index: Index, texts: list[str], token: str = "", api_key: str = "") -> None:
    for text in texts:
        xray.current_step().accept_many(index.lookup(text))


def test_what_is_missing_is_named_and_may_be_given() -> None:
    client = record(lambda: search(make_index(), ["a"], api_key="secret"))
    with pytest.raises(NotReplayableError) as refused:
        replay(client, "search")
    assert refused.value.missing == {
        "index": "of `index.lookup` only the type is kept, function",
        "api_key": "`api_key` was redacted",
    }
    assert "--object NAME=module:name" in str(refused.value)
    assert replay(
        client, "search", objects={"index": make_index()}, texts={"api_key": "other"}
    ).is_same


def test_of_what_was_cut_it_is_said_how_much_is_kept() -> None:
    ids = [f"p{number}" for number in range(60_000)]

    def keep(ids: list[str], text: str = "") -> None:
        xray.current_step().accept_many(ids[:3])

    cut = xray_step("cut", "filter", capture="sample")(keep)
    full = xray_step("full", "filter", capture="full")(keep)

    def work() -> None:
        cut(ids[:2_000], "x" * 20_000)
        full(ids)

    client = record(work)
    with pytest.raises(NotReplayableError) as refused:
        replay(client, "cut", cut)
    assert refused.value.missing == {
        "ids": "`ids` was cut: 1,000 of 2,000 items are kept",
        "text": "`text` was cut: 16,384 of 20,000 characters are kept",
    }
    assert 'capture="full"' in str(refused.value)
    with pytest.raises(NotReplayableError, match="of 60,000 items are kept"):
        replay(client, "full", full)
    assert replay(client, "full", full, values={"ids": ids}).is_same


def test_a_list_that_was_cut_is_made_of_the_candidates_that_were_decided() -> None:
    many = [Item(f"p{number}", number) for number in range(800)]

    @xray_step("price", "filter")
    def keep(items: list[Item], limit: float = 500) -> None:
        step = xray.current_step()
        for item in items:
            decide = step.accept if item.price <= limit else step.reject
            decide(item.id, attributes={"price": item.price})

    @xray_step("ids", "filter")
    def keep_ids(ids: list[int], odd: int = 2) -> None:
        for one in ids:
            (xray.current_step().accept if one % odd else xray.current_step().reject)(one)

    def work() -> None:
        keep(many)
        keep_ids([*range(1_020)])

    client = record(work, capture="sample")
    with pytest.raises(NotReplayableError, match=r"`items` was cut.*--candidates NAME"):
        replay(client, "price", keep)
    assert replay(client, "price", keep, candidates="items").is_same
    stricter = replay(client, "price", keep, candidates="items", texts={"limit": "497"})
    assert moved(stricter, "newly_rejected") == {"p498", "p499", "p500"}
    assert replay(client, "ids", keep_ids, candidates="ids").is_same
    with pytest.raises(NotReplayableError, match="has no parameter 'item'"):
        replay(client, "price", keep, candidates="item")

    @xray_step("bare", "filter")
    def keep_bare(items: list[Item]) -> None:
        xray.current_step().accept_many([item.id for item in items])

    bare = record(lambda: keep_bare(many), capture="sample")
    with pytest.raises(NotReplayableError, match=r"`items` does not fit list.*price"):
        replay(bare, "bare", keep_bare, candidates="items")


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("os:getcwd", "not decorated"),
        ("os:system", "not decorated"),
        ("subprocess:Popen", "not decorated"),
        ("builtins:exec", "not decorated"),
        ("os:path.exists", "not decorated"),
        ("/tmp/else.py:work", "which is not in this folder"),
        ("../else.py:work", "which is not in this folder"),
        ("os:environ.clear()", "names no code"),
        ("os:getcwd().upper", "names no code"),
    ],
)
def test_a_record_cannot_name_a_function_that_is_no_step(code: str, said: str) -> None:
    client = record(lambda: keep_all(["a"]))
    [step] = client.run("last").steps
    forged = msgspec.structs.replace(step, code=code, input={"command": "exit 3", "ids": ["a"]})
    recorded = Recorded(client.run("last"), forged, read_recorded(client, "last", "all").evidence)
    with pytest.raises(NotReplayableError, match=said):
        find_code(None, recorded.code, recorded.name)
    assert os.environ
    with pytest.raises(NotReplayableError, match="not decorated"):
        find_code(__name__, "elsewhere:os.getcwd", "all")
    assert find_code(f"{__name__}:os.getcwd", None, "all").function is os.getcwd


@xray_step("all", "filter")
def keep_all(ids: list[str]) -> None:
    xray.current_step().accept_many(ids)


def test_importing_todays_code_records_nothing(
    tmp_path: Path,
) -> None:
    script = tmp_path / "eager.py"
    script.write_text(
        "import xray\n"
        "@xray.xray_step('price', 'filter')\n"
        "def keep(ids):\n"
        "    xray.current_step().accept_many(ids)\n"
        "with xray.XRay('eager').run():\n"
        "    keep(['a'])\n"
    )
    before = xray.stats()
    client = record(lambda: xray_step("price", "filter")(accept_all)(["a", "b"]))
    assert replay(client, "price", f"{script}:keep").is_same
    assert xray.stats().offered == before.offered


def accept_all(ids: list[str]) -> None:
    xray.current_step().accept_many(ids)


def test_arguments_behind_the_one_that_took_all_room_are_not_taken_for_defaults() -> None:
    @xray_step("wide", "filter")
    def keep(texts: list[str], limit: int = 3) -> None:
        xray.current_step().accept_many(texts[:limit])

    client = record(lambda: keep(["x" * 9_000 + str(n) for n in range(80)], 5), capture="sample")
    with pytest.raises(NotReplayableError) as refused:
        replay(client, "wide", keep)
    assert set(refused.value.missing) == {"texts", "limit"}


def test_vectors_are_not_kept_and_said_so() -> None:
    @xray_step("step", "filter")
    def work(vector: Any) -> None:
        xray.current_step().accept("a")

    client = record(lambda: work(numpy.zeros(8)))
    with pytest.raises(NotReplayableError, match=r"only type and shape are kept, .*ndarray \[8\]"):
        replay(client, "step", work)
    assert xray.replay("last", "step", work, client=client, vector=numpy.zeros(8)).is_same


@pytest.mark.parametrize("frames", [pandas, polars])
def test_a_frame_is_made_of_the_candidates_that_were_decided(frames: Any) -> None:
    def keep(frame: Any, limit: int = 50) -> None:
        ids = [str(one) for one in frame["id"]]
        for one, price in zip(ids, frame["price"], strict=True):
            decide = xray.current_step().accept if price <= limit else xray.current_step().reject
            decide(one, attributes={"price": price})

    keep.__annotations__["frame"] = frames.DataFrame
    step = xray_step("frame", "filter")(keep)
    rows = [{"id": str(number), "price": number} for number in range(100)]
    client = record(lambda: step(frames.DataFrame(rows)))
    with pytest.raises(NotReplayableError, match="of `frame` only the type is kept, DataFrame"):
        replay(client, "frame", step)
    assert replay(client, "frame", step, candidates="frame").is_same
    assert replay(client, "frame", step, values={"frame": rows}).is_same
    other = replay(client, "frame", step, candidates="frame", texts={"limit": "48"})
    assert moved(other, "newly_rejected") == {"49", "50"}


class Product(pydantic.BaseModel):
    id: str
    price: float
    tags: set[str] = set()


def test_a_pydantic_model_is_made_again() -> None:
    @xray_step("step", "filter")
    def work(product: Product, several: list[Product]) -> None:
        note(product, several)

    products = [Product(id="a", price=1.5, tags={"t"}), Product(id="b", price=2)]
    replay_noted(record(lambda: work(products[0], products)), work)


def test_parameters_that_came_or_went_are_told() -> None:
    @xray_step("step", "filter")
    def work(items: list[str], limit: int) -> None:
        xray.current_step().accept_many(items[:limit])

    @xray_step("step", "filter")
    def without(items: list[str]) -> None:
        xray.current_step().accept_many(items)

    @xray_step("step", "filter")
    def wider(items: list[str], limit: int, offset: int) -> None:
        xray.current_step().accept_many(items[offset:limit])

    client = record(lambda: work(["a", "b", "c"], 2))
    gone = replay(client, "step", without)
    assert moved(gone, "only_in_b") == {"c"}
    assert "takes no `limit`" in gone.notes[0]
    with pytest.raises(NotReplayableError) as refused:
        replay(client, "step", wider)
    assert refused.value.missing == {"offset": "`offset` was not given in the recorded call"}
    assert moved(replay(client, "step", wider, texts={"offset": "1"}), "only_in_a") == {"a"}


def test_a_value_that_does_not_fit_is_refused_with_where_it_does_not() -> None:
    @xray_step("step", "filter")
    def work(items: list[dict[str, Any]], limit: int = 3, name: str = "") -> None:
        note(limit, name)

    @xray_step("step", "filter")
    def typed(items: list[Item]) -> None: ...

    client = record(lambda: work([{"id": "a"}], name="12"))
    with pytest.raises(NotReplayableError, match="`items` does not fit"):
        replay(client, "step", typed)
    with pytest.raises(NotReplayableError, match="`limit` does not fit int"):
        replay(client, "step", work, texts={"limit": "many"})
    with pytest.raises(NotReplayableError, match="Did you mean 'limit'"):
        replay(client, "step", work, texts={"limits": "1"})
    replay(client, "step", work, texts={"name": "12"})
    assert SEEN[0] == SEEN[-1], "a text stays a text though it reads as a number"
