"""Every Python snippet of the two founding documents, as written, against a real server.

Only `from sdk import` is substituted, and the variables the snippets leave undefined are supplied.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import pytest

import xray
from xray.capture import guard
from xray.client import Client
from xray.destinations import forget_destinations
from xray.model.records import Decision, RunDetail, Step
from xray.server.serving import BackgroundServer
from xray.server.settings import ServerSettings

A_MINIMAL = """
from sdk import xray_run, xray_step

with xray_run("CompetitorDiscovery"):
    with xray_step("GenerateKeywords", "LLM"):
        keywords = generate_keywords(product)

    with xray_step("FilterCompetitors", "FILTER"):
        filtered = apply_filters(candidates)
"""

A_FULL = """
from sdk import xray_run, xray_step

with xray_run("CompetitorDiscovery", metadata={"product_id": "prod_123"}):

    with xray_step("FilterCompetitors", "FILTER") as step:
        kept = []
        rejected_with_reasons = []

        for candidate in candidates:
            if candidate["price"] > 100:
                rejected_with_reasons.append(
                    (candidate, f"Price ${candidate['price']} exceeds threshold $100")
                )
            else:
                kept.append(candidate)

        step.log_stats(
            input_count=len(candidates),
            output_count=len(kept),
            filter_rate=len(rejected_with_reasons) / len(candidates)
        )

        step.log_sampled_candidates(
            accepted=kept,
            rejected=rejected_with_reasons  # Tuple format: (candidate, reasoning)
        )
"""

A_SCORES = """
with xray_step("RankAndSelect", "LLM") as step:
    # 3-tuple format: (candidate, score, reasoning)
    step.log_sampled_candidates(
        selected=[
            (
                {"id": "prod_1", "title": "Winner"},
                {"relevance": 0.95, "quality": 0.92},
                "Best overall match"
            )
        ]
    )
"""

B_STEP_TYPES = """
# Wrong - no step_type
with run.step("filter_products") as step:
    ...

# Correct - includes step_type
with run.step("filter_products", step_type="filter") as step:
    ...
"""

B_CAPTURE_LEVELS = """
# Default: counts + samples (recommended)
with run.step("filter", step_type="filter") as step:
    ...

# Debug mode: capture everything
with run.step("filter", step_type="filter", capture="full") as step:
    ...

# Minimal: counts only (for high-volume steps)
with run.step("filter", step_type="filter", capture="minimal") as step:
    ...
"""

B_MINIMAL = """
from sdk import XRay

with XRay("my_pipeline").run(input=data) as run:
    result = my_existing_code()  # unchanged
    run.set_output(result)
"""

B_FULL = """
with xray.run(input=data) as run:

    with run.step("filter", step_type="filter") as step:
        step.set_input_count(len(candidates))

        for item in candidates:
            if item.price > threshold:
                step.reject(item.id, "price_too_high", {"price": item.price})
            else:
                step.accept(item.id)

        step.set_output_count(len(filtered))
"""

B_OFFLINE = """
xray = XRay("pipeline", offline_mode="buffer")
"""

PRODUCTS = [
    {"id": "prod_1", "title": "Case", "price": 80},
    {"id": "prod_2", "title": "Stand", "price": 150},
    {"id": "prod_3", "title": "Cover", "price": 20},
    {"id": "prod_4", "title": "Dock", "price": 101},
]
ITEMS = [SimpleNamespace(id=item["id"], price=item["price"]) for item in PRODUCTS]


@dataclass
class Recorded:
    """What a server has of the snippets that ran."""

    client: Client

    def only_run(self) -> RunDetail:
        assert xray.flush(timeout_s=10).is_complete
        assert not xray.stats().total_lost
        (run,) = self.client.runs().items
        return self.client.run(run.run_id)

    def decisions(self, step: Step) -> dict[str, Decision]:
        page = self.client.decisions(step_id=step.step_id, limit=1000)
        assert page.complete
        return {item.candidate_id: item for item in page.items}


@pytest.fixture
def recorded(monkeypatch: pytest.MonkeyPatch) -> Iterator[Recorded]:
    settings = ServerSettings(store="memory:", port=0)
    with BackgroundServer(settings) as server, Client(server.url) as client:
        monkeypatch.setenv("XRAY_URL", server.url)
        monkeypatch.setattr(guard, "_last_said_s", {})
        forget_destinations()
        with guard.raising():
            yield Recorded(client)
        xray.close()


def run_snippet(text: str, **variables: Any) -> dict[str, Any]:
    exec(compile(text.replace("from sdk import", "from xray import"), "snippet", "exec"), variables)
    return variables


def test_context_managers_alone_give_hierarchy_timing_and_status(recorded: Recorded) -> None:
    run_snippet(
        A_MINIMAL,
        product={"title": "iPhone 15 Case"},
        candidates=PRODUCTS,
        generate_keywords=lambda product: [product["title"]],
        apply_filters=lambda candidates: candidates[:1],
    )
    run = recorded.only_run()
    assert (run.pipeline, run.status) == ("CompetitorDiscovery", "completed")
    assert run.duration_ms is not None
    assert run.duration_ms >= sum(step.duration_ms or 0.0 for step in run.steps) > 0
    assert [(step.name, step.step_type, step.status) for step in run.steps] == [
        ("GenerateKeywords", "generate", "completed"),
        ("FilterCompetitors", "filter", "completed"),
    ]


def test_a_step_that_raises_is_the_failed_one_and_the_pipeline_gets_its_exception(
    recorded: Recorded,
) -> None:
    def break_down(candidates: object) -> None:
        raise ConnectionError("catalogue is away")

    with pytest.raises(ConnectionError, match="catalogue is away"):
        run_snippet(
            A_MINIMAL,
            product={},
            candidates=[],
            generate_keywords=lambda product: [],
            apply_filters=break_down,
        )
    run = recorded.only_run()
    assert run.status == "failed"
    assert [step.status for step in run.steps] == ["completed", "failed"]
    assert run.steps[1].error is not None
    assert run.steps[1].error.type.endswith("ConnectionError")


def test_full_instrumentation_gives_counts_reasons_metrics_and_samples(recorded: Recorded) -> None:
    run_snippet(A_FULL, candidates=PRODUCTS)
    run = recorded.only_run()
    assert run.metadata == {"product_id": "prod_123"}
    (step,) = run.steps
    assert (step.declared_input_count, step.declared_output_count) == (4, 2)
    assert (step.input_count, step.output_count) == (4, 2)
    assert step.stats["filter_rate"] == 0.5
    assert step.rejection_rate == 0.5
    found = recorded.decisions(step)
    assert {name: item.decision for name, item in found.items()} == {
        "prod_1": "accepted",
        "prod_2": "rejected",
        "prod_3": "accepted",
        "prod_4": "rejected",
    }
    assert found["prod_2"].reasoning == "Price $150 exceeds threshold $100"
    assert found["prod_2"].attributes["price"] == 150
    assert all(item.is_logged for item in found.values())


def test_its_filter_rate_can_be_asked_for(recorded: Recorded) -> None:
    run_snippet(A_FULL, candidates=PRODUCTS)
    recorded.only_run()
    assert recorded.client.steps(**{"stats.filter_rate__gt": 0.4}).total == 1
    assert recorded.client.steps(**{"stats.filter_rate__gt": 0.9}).total == 0


def test_candidates_are_logged_with_named_scores_and_reasoning(recorded: Recorded) -> None:
    with xray.xray_run("CompetitorDiscovery"):
        run_snippet(A_SCORES, xray_step=xray.xray_step)
    (step,) = recorded.only_run().steps
    assert (step.name, step.step_type) == ("RankAndSelect", "generate")
    winner = recorded.decisions(step)["prod_1"]
    assert winner.decision == "selected"
    assert winner.score == {"relevance": 0.95, "quality": 0.92}
    assert winner.reasoning == "Best overall match"
    assert winner.attributes["title"] == "Winner"


def test_a_step_outside_any_run_records_nothing(recorded: Recorded) -> None:
    run_snippet(A_SCORES, xray_step=xray.xray_step)
    assert xray.flush().is_complete
    assert recorded.client.runs().items == []
    assert recorded.client.steps().items == []


def test_a_step_without_a_type_is_kept_as_custom_with_one_warning(
    recorded: Recorded, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, logger="xray")
    with xray.XRay("team_a").run() as run:
        run_snippet(B_STEP_TYPES, run=run)
        run_snippet(B_STEP_TYPES, run=run)
    assert [step.step_type for step in recorded.only_run().steps] == ["custom", "filter"] * 2
    assert len([line for line in caplog.messages if "step_type" in line]) == 1
    assert recorded.client.steps(step_type="filter").total == 2


def test_three_lines_record_input_output_status_and_duration(recorded: Recorded) -> None:
    variables = run_snippet(
        B_MINIMAL,
        data={"query": "iPhone 15 Case"},
        my_existing_code=lambda: {"selected": "case_1"},
    )
    run = recorded.only_run()
    assert run.run_id == variables["run"].run_id
    assert (run.pipeline, run.status) == ("my_pipeline", "completed")
    assert run.input == {"query": "iPhone 15 Case"}
    assert run.output == {"selected": "case_1"}
    assert run.duration_ms is not None


def test_three_lines_record_the_error_the_pipeline_raised(recorded: Recorded) -> None:
    def fail() -> None:
        raise ValueError("no such product")

    with pytest.raises(ValueError, match="no such product"):
        run_snippet(B_MINIMAL, data=None, my_existing_code=fail)
    run = recorded.only_run()
    assert run.status == "failed"
    assert run.error is not None
    assert (run.error.type.rpartition(".")[2], run.error.message) == (
        "ValueError",
        "no such product",
    )


def test_rejections_are_counted_by_reason_with_what_was_kept_about_them(
    recorded: Recorded,
) -> None:
    run_snippet(
        B_FULL,
        xray=xray.XRay("shop"),
        data={"query": "case"},
        candidates=ITEMS,
        threshold=100,
        filtered=ITEMS[:2],
    )
    (step,) = recorded.only_run().steps
    assert (step.input_count, step.output_count) == (4, 2)
    assert (step.counts.rejected, step.counts.accepted) == (2, 2)
    assert step.rejections["price_too_high"].count == 2
    found = recorded.decisions(step)
    assert found["prod_2"].reason == "price_too_high"
    assert found["prod_2"].attributes == {"price": 150}
    assert found["prod_1"].decision == "accepted"
    assert recorded.client.steps(step_type="filter", rejection_rate_gt=0.4).total == 1


def test_each_capture_level_is_the_one_the_step_asked_for(recorded: Recorded) -> None:
    with xray.XRay("levels").run() as run:
        run_snippet(B_CAPTURE_LEVELS, run=run)
    assert [step.capture for step in recorded.only_run().steps] == ["sample", "full", "minimal"]


@pytest.mark.parametrize(
    ("capture", "rows"),
    [
        ("full", 3000),
        ("sample", 1024 + 50),
        ("minimal", 0),
    ],
)
def test_counts_are_exact_at_every_level_and_detail_follows_the_level(
    recorded: Recorded, capture: str, rows: int
) -> None:
    with xray.XRay("levels").run() as run, run.step("f", "filter", capture=capture) as step:
        for number in range(3000):
            step.reject(f"item_{number}", "price_too_high", {"price": number})
    (stored,) = recorded.only_run().steps
    assert stored.counts.rejected == 3000
    assert stored.rejections["price_too_high"].count == 3000
    found = list(recorded.client.iter_decisions(step_id=stored.step_id, limit=1000))
    assert len(found) == rows
    if rows:
        assert sum(item.weight for item in found) == pytest.approx(3000)


def test_buffering_is_the_default_and_everything_arrives(recorded: Recorded) -> None:
    before = xray.stats()
    variables = run_snippet(B_OFFLINE, XRay=xray.XRay)
    with variables["xray"].run(input=1):
        pass
    with xray.XRay("pipeline").run(input=2):
        pass
    assert xray.flush(timeout_s=10).is_complete
    # One delivery serves both: the default mode is the documented one.
    assert (xray.stats().acknowledged - before.acknowledged).records == 4
    assert [run.input for run in recorded.client.runs(pipeline="pipeline").items] == [2, 1]


@pytest.mark.parametrize("mode", ["fail", "silent", "buffer"])
def test_every_offline_mode_delivers_to_a_server_that_is_there(
    recorded: Recorded, mode: str
) -> None:
    with xray.XRay("pipeline", offline_mode=mode).run(input=mode):
        pass
    assert recorded.only_run().input == mode


@pytest.mark.parametrize("mode", ["silent", "buffer"])
def test_a_pipeline_goes_on_when_no_server_answers(
    monkeypatch: pytest.MonkeyPatch, mode: str
) -> None:
    monkeypatch.setenv("XRAY_URL", "http://127.0.0.1:9")
    before = xray.stats()
    text = B_OFFLINE.replace("buffer", mode)
    variables = run_snippet(text, XRay=xray.XRay)
    with variables["xray"].run(input=1) as run:
        run.set_output("done")
    assert (xray.stats().acknowledged - before.acknowledged).records == 0
    assert (xray.stats().offered - before.offered).records == 2
    xray.close(timeout_s=0)
