"""Records in notebooks: as data frames of pandas and polars, and as tables."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import datetime, timezone
from html.parser import HTMLParser
from typing import Any

import pytest

import xray
from xray import XRay
from xray.errors import ConfigurationError
from xray.model.frames import Records, spread_records
from xray.model.notebook import draw_table
from xray.model.records import Decision, Page, Run, Step
from xray.testing import MemorySink

STARTED = datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone.utc)


def make_run(number: int, **fields: Any) -> Run:
    return Run(
        run_id=f"r{number}", pipeline="shop", status="completed", started_at=STARTED, **fields
    )


@pytest.fixture
def steps(xray_sink: MemorySink) -> list[Step]:
    with XRay("shop", sink=xray_sink, capture="full").run() as run:
        with run.step("search", step_type="retrieve") as step:
            step.accept("p1")
        with run.step("price", step_type="filter") as step:
            step.log_stats(spread=0.5)
            step.reject("p1", "too_dear", attributes={"price": 150})
            step.reject("p2", "too_dear", attributes={"price": "unknown"})
    return xray_sink.summarize(run.run_id).steps


def test_a_field_is_a_column_and_maps_are_spread_by_their_keys() -> None:
    columns = spread_records(
        [
            make_run(1, metadata={"user": "ann", "seen": {"a": 1}}, tags=["x"]),
            make_run(2, metadata={"city": "Bern"}, duration_ms=3.5),
        ]
    )
    assert columns["run_id"] == ["r1", "r2"]
    assert columns["metadata.user"] == ["ann", None]
    assert columns["metadata.city"] == [None, "Bern"]
    assert columns["metadata.seen"] == [{"a": 1}, None]
    assert columns["duration_ms"] == [None, 3.5]
    assert columns["started_at"] == [STARTED, STARTED]
    assert columns["tags"] == [["x"], []]


def test_rejections_are_columns_of_counts(steps: list[Step]) -> None:
    columns = spread_records(steps)
    assert columns["rejections.too_dear"] == [None, 2]
    assert columns["counts.rejected"] == [0, 2]
    assert columns["stats.spread"] == [None, 0.5]


def test_pandas_takes_them(steps: list[Step]) -> None:
    frame = Page(items=steps).to_pandas()
    assert list(frame["name"]) == ["search", "price"]
    assert frame.loc[frame["name"] == "price", "rejection_rate"].item() == 1.0
    assert frame["rejections.too_dear"].sum() == 2
    assert str(frame["started_at"].dtype).startswith("datetime64")


def test_polars_takes_them_with_one_type_a_column(xray_sink: MemorySink, steps: list[Step]) -> None:
    frame = Page(items=steps).to_polars()
    assert frame["rejections.too_dear"].to_list() == [None, 2]
    decisions = Records(iter(xray_sink.decisions("price"))).to_polars()
    # A price that is a number here and a word there is no number column.
    assert decisions["attributes.price"].to_list() == ["150", "unknown"]
    assert json.loads(decisions["origin"][0]) == []


def test_records_are_taken_one_by_one_or_all_that_are_left() -> None:
    records = Records(iter([make_run(number) for number in range(5)]))
    assert next(records).run_id == "r0"
    assert list(records.to_pandas()["run_id"]) == ["r1", "r2", "r3", "r4"]
    assert list(records) == []


def test_nothing_makes_an_empty_frame() -> None:
    assert Page[Run](items=[]).to_pandas().empty
    assert Page[Run](items=[]).to_polars().is_empty()


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_a_library_that_is_not_installed_is_named(
    library: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(ConfigurationError, match=f"{library} is not installed"):
        getattr(Page(items=[make_run(1)]), f"to_{library}")()


class Cells(HTMLParser):
    """The texts of a table's cells, and every tag."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.texts: list[str] = []
        self.tags: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, _: object) -> None:
        self.tags.add(tag)

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def test_a_table_shows_what_says_something_and_how_many_more_there_are() -> None:
    runs = [make_run(number, metadata={"user": "<b>ann</b>"}) for number in range(30)]
    cells = Cells(Page(items=runs)._repr_html_())
    assert {"pipeline", "status", "metadata.user", "r0", "r19", "<b>ann</b>"} <= set(cells.texts)
    assert "r20" not in cells.texts
    assert "and 10 more" in cells.texts
    assert "b" not in cells.tags
    assert "error" not in cells.texts


def test_ids_stand_behind_what_says_more() -> None:
    decision = Decision(candidate_id="p1", decision="rejected", step_id="s", run_id="r", reason="x")
    texts = Cells(draw_table([decision])).texts
    assert texts.index("reason") < texts.index("candidate_id")


def test_an_answer_shows_its_sentence_its_doubt_and_its_steps(xray_sink: MemorySink) -> None:
    with XRay("shop", sink=xray_sink).run() as run, run.step("price", step_type="filter") as step:
        step.reject("<i>", "too_dear")
    texts = Cells(xray_sink.explain(run.run_id, "<i>")._repr_html_()).texts
    assert texts[0].startswith("price rejected <i>")
    assert {"journey", "price", "filter", "rejected"} <= set(texts)


def test_the_client_is_there_and_loaded_only_where_it_is_asked_for() -> None:
    program = (
        "import sys, xray; before = 'xray.client' in sys.modules;"
        "print(before, xray.Client.__name__, hasattr(xray, 'nothing'))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout == "False Client False\n"
    assert "Client" in xray.__all__
