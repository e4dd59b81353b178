"""Every example as the script a person runs, against a real server, and the fault it plants."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

from xray.client import Client
from xray.model.records import Run, Step
from xray.server.serving import BackgroundServer
from xray.server.settings import ServerSettings

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
SCRIPTS = sorted(path.stem for path in EXAMPLES.glob("[!_]*.py"))


@dataclass(frozen=True)
class Shop:
    """A server, a client that asks it, and the examples that ran against it."""

    url: str
    client: Client

    def run_script(self, name: str, *arguments: str) -> str:
        done = _run_script(self.url, name, arguments)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def runs(self, pipeline: str) -> list[Run]:
        return self.client.runs(pipeline=pipeline, limit=200).items

    def run_of(self, pipeline: str, **inputs: str) -> Run:
        return next(
            run
            for run in self.runs(pipeline)
            if inputs.items() <= {**(run.input or {}), **run.metadata}.items()
        )

    def step(self, run: Run, name: str) -> Step:
        return next(step for step in self.client.run(run.run_id).steps if step.name == name)


@cache
def _run_script(
    url: str, name: str, arguments: tuple[str, ...]
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(EXAMPLES / f"{name}.py"), *arguments],
        env={**os.environ, "XRAY_URL": url, "PYTHONIOENCODING": "utf-8"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        timeout=60,
        check=False,
    )


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    store = tmp_path_factory.mktemp("store") / "examples.db"
    settings = ServerSettings(store=f"sqlite:///{store}", port=0)
    with BackgroundServer(settings) as server, Client(server.url) as client:
        yield Shop(server.url, client)


pytestmark = pytest.mark.xdist_group("examples")


def test_the_bad_match_is_traced_to_the_keyword_that_brought_it(shop: Shop) -> None:
    printed = shop.run_script("scenario_bad_match_demo")
    run = shop.client.runs(pipeline="competitor_selection", status="completed").items[0]
    assert run.input["product_title"] == "iPhone 15 Case"
    selected = run.output["selected"]
    assert selected.startswith("laptop_stand_")
    assert f"xray why last {selected}" in printed
    why = shop.client.why(run.run_id, selected)
    assert why.outcome == "selected"
    assert why.provenance[0].origin.candidate_id == "stand"
    assert why.provenance[0].step_name == "generate_keywords"
    assert 'the keyword "stand"' in why.answer


def test_the_bad_match_reads_as_the_walkthrough_of_the_architecture_shows(shop: Shop) -> None:
    shop.run_script("scenario_bad_match_demo")
    run = shop.run_of("competitor_selection", product_title="iPhone 15 Case")
    steps = {step.name: step for step in shop.client.run(run.run_id).steps}
    assert list(steps) == [
        "generate_keywords",
        "search_products",
        "filter_candidates",
        "rank_candidates",
        "select_best",
    ]
    assert steps["generate_keywords"].output == {"keywords": ["case", "stand", "holder", "cover"]}
    rejections = steps["filter_candidates"].rejections
    assert rejections["category_mismatch"].count > 20
    assert rejections["price_too_high"].count > 5
    assert rejections["category_mismatch"].samples
    decision = steps["select_best"].decision
    assert decision is not None
    assert decision.selected == run.output["selected"]
    assert decision.score is not None
    assert 0.5 < decision.score <= 1


def test_the_stand_passed_because_nothing_checked_its_category(shop: Shop) -> None:
    shop.run_script("scenario_bad_match_demo")
    run = shop.run_of("competitor_selection", product_title="iPhone 15 Case")
    why = shop.client.why(run.run_id, run.output["selected"])
    checks = next(stop.checks for stop in why.journey if stop.name == "filter_candidates")
    assert {check.field for check in checks} == {"price", "rating"}
    assert all(check.passed for check in checks)


def test_the_repaired_search_selects_a_phone_case_and_says_what_it_held_against_the_stand(
    shop: Shop,
) -> None:
    shop.run_script("scenario_bad_match_demo")
    bad = shop.run_of("competitor_selection", product_title="iPhone 15 Case").output["selected"]
    shop.run_script("scenario_bad_match_demo", "--repaired")
    run = next(run for run in shop.runs("competitor_selection") if run.version == "1.1")
    chosen = shop.client.why(run.run_id, run.output["selected"])
    assert chosen.outcome == "selected"
    assert run.output["selected"].startswith(("iphone_case_", "phone_case_", "phone_cover_"))
    why = shop.client.why(run.run_id, bad)
    assert why.outcome == "rejected"
    assert "category_mismatch" in why.answer


def test_competitors_are_found_under_the_first_seeds_words(shop: Shop) -> None:
    shop.run_script("scenario_competitor_discovery")
    runs = shop.client.runs(pipeline_type="CompetitorDiscovery", status="SUCCESS").items
    assert len(runs) == 8
    run = shop.run_of("CompetitorDiscovery", product_id="laptop_stand_42")
    names = [step.name for step in shop.client.run(run.run_id).steps]
    assert names == ["GenerateKeywords", "SearchCompetitors", "FilterCompetitors", "RankAndSelect"]
    filtered = shop.step(run, "FilterCompetitors")
    assert filtered.input_count is not None
    assert filtered.output_count is not None
    assert filtered.rate_basis == "declared"
    assert filtered.rejection_rate == pytest.approx(filtered.stats["filter_rate"])


def test_a_filter_that_drops_everything_is_found_across_pipelines(shop: Shop) -> None:
    shop.run_script("scenario_competitor_discovery")
    steps = shop.client.steps(step_type="filter", rejection_rate_gt=0.9).items
    run = shop.run_of("CompetitorDiscovery", product_id="stand_mixer_11")
    assert run.output == {"selected": None}
    assert run.run_id in {step.run_id for step in steps}


def test_a_wrong_category_is_traced_to_the_products_and_words_behind_it(shop: Shop) -> None:
    printed = shop.run_script("scenario_categorization")
    assert printed.splitlines()[-1] == "20 of 25 listings come out right."
    run = shop.run_of("ProductCategorization", title="Wireless charging pad for desk")
    assert run.tags == ["wrong"]
    assert run.output == {"category": "Lamps"}
    why = shop.client.why(run.run_id, "Lamps")
    origins = {link.origin.candidate_id for link in why.provenance}
    assert any(origin.startswith("desk_lamp_") for origin in origins)
    assert "desk" in origins


def test_an_unclear_category_says_by_how_much_it_missed(shop: Shop) -> None:
    shop.run_script("scenario_categorization")
    run = shop.run_of("ProductCategorization", title="Lamp for plant shelf, clip-on")
    assert run.output == {"category": None}
    chosen = shop.step(run, "choose_category")
    assert chosen.rejections["low_confidence"].count == 1


def test_variants_lost_in_a_silent_slice_are_found(shop: Shop) -> None:
    shop.run_script("scenario_listing_optimization")
    run = shop.run_of("ListingOptimization", product_id="kettle_14")
    checked = shop.step(run, "check_variants")
    ranked = shop.step(run, "rank_variants")
    assert checked.output_count is not None
    assert ranked.input_count == 20
    lost = [finding for finding in shop.client.findings(run.run_id) if finding.code == "vanished"]
    assert [finding.count for finding in lost] == [checked.output_count - 20]
    why = shop.client.why(run.run_id, lost[0].examples[0])
    assert why.outcome == "vanished"


def test_an_odd_title_is_traced_to_the_best_seller_its_words_came_from(shop: Shop) -> None:
    shop.run_script("scenario_listing_optimization")
    run = shop.run_of("ListingOptimization", product_id="kettle_14")
    assert "Mixer" in run.output["title"]
    selected = shop.step(run, "choose_title").decision
    assert selected is not None
    why = shop.client.why(run.run_id, str(selected.selected))
    origins = {link.origin.candidate_id for link in why.provenance}
    assert "mixer" in origins
    assert any(origin.startswith("stand_mixer_") for origin in origins)


def test_real_place_names_come_out_right_as_often_as_the_example_says(shop: Shop) -> None:
    printed = shop.run_script("place_names")
    assert printed.splitlines()[-1] == "23 of 30 queries come out right."
    runs = shop.runs("place_names")
    assert len(runs) == 30
    assert sum("right" in run.tags for run in runs) == 23


def test_a_wrong_place_says_which_hint_was_read_wrongly(shop: Shop) -> None:
    shop.run_script("place_names")
    run = shop.run_of("place_names", query="Tbilisi, Georgia")
    filtered = shop.step(run, "apply_hints")
    assert filtered.counts.accepted == 0
    why = shop.client.why(run.run_id, "tbilisi_611717")
    assert why.outcome == "rejected"
    assert why.decided_at == "apply_hints"
    failed = {
        check.name: check.limit for stop in why.journey for check in stop.checks if not check.passed
    }
    assert failed == {"country_mismatch": "US", "region_mismatch": "GA"}


def test_two_parallel_retrievers_raise_no_false_alarm(shop: Shop) -> None:
    shop.run_script("place_names")
    merged = 0
    for run in shop.runs("place_names"):
        steps = shop.client.run(run.run_id).steps
        found = [step.output_count for step in steps if step.step_type == "retrieve"]
        if "right" in run.tags and all(found):
            merged += 1
            assert shop.client.findings(run.run_id) == []
    assert merged > 10


def test_a_script_says_when_its_traces_could_not_be_delivered(unused_url: str) -> None:
    done = _run_script(unused_url, "scenario_competitor_discovery", ())
    assert done.returncode == 1
    assert done.stdout.count(" -> ") == 8
    assert unused_url in done.stderr


@pytest.fixture
def unused_url() -> str:
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{probe.getsockname()[1]}"


@pytest.mark.parametrize("name", SCRIPTS)
def test_every_example_can_be_imported_as_part_of_a_package(name: str) -> None:
    assert importlib.import_module(f"examples.{name}").__doc__


def test_the_catalogue_is_large_and_the_same_every_time() -> None:
    catalogue = importlib.import_module("examples.catalogue")
    products = catalogue.make_products()
    assert products == catalogue.make_products()
    assert len(products) > 4000
    assert len({product.id for product in products}) == len(products)
    assert products[0].title == "Kindlewood Clear Case for iPhone 13 Sand"
