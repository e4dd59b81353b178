"""The scenarios of examples/, run with a collaborator replaced, recorded into a store and asked.

with replaced(shop, MIN_RATING=4.95):
    recorded = record(lambda: search("iPhone 15 Case"))
assert recorded.first[0].code == "empty"
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from types import ModuleType
from unittest import mock

from msgspec.structs import replace

from examples import place_names as places
from examples import scenario_bad_match_demo as shop
from examples import scenario_categorization as shelves
from examples import scenario_competitor_discovery as rivals
from examples import scenario_listing_optimization as titles
from examples.catalogue import open_catalogue
from examples.gazetteer import open_gazetteer
from xray import reading
from xray.model.answers import Finding, FindingList
from xray.model.clock import SystemClock
from xray.model.comparison import Comparison
from xray.model.differences import RunDiff
from xray.model.facts import Fact, RunFinished, StepFinished
from xray.model.ids import new_uuid7
from xray.model.lineage import Lineage
from xray.model.vocabulary import CaptureLevel
from xray.model.what_if import WhatIf
from xray.session import recording_into
from xray.store.memory import MemoryStore
from xray.store.protocol import Store
from xray.testing import MemorySink

Pipeline = Callable[[], object]
"""Runs a pipeline once."""


@dataclass(frozen=True)
class Recorded:
    """A run in a store.

    Args:
        store: the store.
        run_id: the run.
    """

    store: Store
    run_id: str

    @property
    def found(self) -> FindingList:
        """What deserves a look."""
        return reading.list_findings(self.store, self.run_id)

    @property
    def first(self) -> list[Finding]:
        """Where to look first."""
        return self.found.first

    @property
    def codes(self) -> list[str]:
        """The codes of everything that deserves a look."""
        return [finding.code for finding in self.found.findings]

    def trace(self, item: str) -> Lineage:
        """What an item came from and brought."""
        return reading.trace_candidate(self.store, self.run_id, [("candidate", item)])

    def try_limit(self, limit: str) -> WhatIf:
        """What the run would have decided with another limit, as `check=value`."""
        return reading.try_limits(self.store, self.run_id, [("limit", limit)])


def record(
    pipeline: Pipeline, *, capture: CaptureLevel = "sample", store: Store | None = None
) -> Recorded:
    """Run *pipeline*, which may fail, and keep its last run.

    Args:
        pipeline: runs once or more.
        capture: the level.
        store: where to; one in memory when absent.
    """
    run_id, facts = run_facts(pipeline, capture)
    return keep(run_id, facts, store)


def run_facts(pipeline: Pipeline, capture: CaptureLevel = "sample") -> tuple[str, Sequence[Fact]]:
    """The last run of *pipeline* and every fact it recorded."""
    sink = MemorySink()
    with (
        mock.patch.dict(os.environ, XRAY_CAPTURE=capture),
        recording_into(sink),
        suppress(TimeoutError),
    ):
        pipeline()
    return sink.runs[-1].run_id, sink.facts


def keep(run_id: str, facts: Sequence[Fact], store: Store | None = None) -> Recorded:
    """Put *facts* into a store."""
    store = MemoryStore() if store is None else store
    receipt = store.submit(new_uuid7(), facts).result(60)
    assert not receipt.rejected, receipt.rejected[:3]
    return Recorded(store, run_id)


def record_group(
    store: Store,
    environment: str,
    pipelines: Iterable[Pipeline],
    change: Callable[[Fact], Fact] = lambda fact: fact,
) -> None:
    """Put a run of each of *pipelines* into *store*, told apart by their environment.

    Args:
        store: where to.
        environment: what the runs say they ran in.
        pipelines: each runs once.
        change: what becomes of each fact, for what no collaborator can do, such as take long.
    """
    with mock.patch.dict(os.environ, XRAY_ENVIRONMENT=environment):
        for number, pipeline in enumerate(pipelines):
            run_id, facts = run_facts(pipeline)
            keep(run_id, [change(_steady(fact, number)) for fact in facts], store)


def _steady(fact: Fact, number: int) -> Fact:
    """*fact* with a duration of its place: how busy the machine is differs between groups, too."""
    if isinstance(fact, (StepFinished, RunFinished)):
        return replace(fact, duration_ms=0.001 * (5 + number % 7))
    return fact


def compare_groups(store: Store) -> Comparison:
    """Why the runs of the environment `bad` differ from those of `good`."""
    asked = [("a", "environment = 'good'"), ("b", "environment = 'bad'")]
    return reading.compare_groups(store, asked, SystemClock().wall_us())


def compare(a: Recorded, b_pipeline: Pipeline) -> RunDiff:
    """How a run of *b_pipeline*, recorded beside *a*, differs from it."""
    b = record(b_pipeline, store=a.store)
    return reading.diff_runs(a.store, [("a", a.run_id), ("b", b.run_id)])


@contextmanager
def replaced(module: ModuleType | type, **collaborators: object) -> Iterator[None]:
    """Names of *module* stand for something else within the block, built-in ones included."""
    with mock.patch.multiple(module, create=True, **collaborators):
        yield


def search(title: str = "iPhone 15 Case", price: float = 24.99) -> object:
    """The competitor search with its fault repaired."""
    return shop.select_competitor(shop.Search(title, price), open_catalogue(), is_repaired=True)


def search_unrepaired(title: str = "iPhone 15 Case", price: float = 24.99) -> object:
    """The competitor search that checks no category of what an unknown keyword brings."""
    return shop.select_competitor(shop.Search(title, price), open_catalogue())


def categorize(title: str = "Bamboo riser for two screens") -> object:
    """The shelf for a title."""
    return shelves.categorize(shelves.Listing(title, ""), open_catalogue())


def discover(product_id: str = "charger_12") -> object:
    """The competitor of a product, by the face that logs samples."""
    catalogue = open_catalogue()
    return rivals.discover_competitor(catalogue.products[product_id], catalogue)


def optimize(product_id: str = "kettle_14") -> object:
    """A better title, all variants ranked."""
    catalogue = open_catalogue()
    with replaced(titles, VARIANTS_RANKED=1_000):
        return titles.optimize_listing(catalogue.products[product_id], catalogue)


def optimize_sliced(product_id: str = "kettle_14") -> object:
    """A better title, of the first 20 variants alone."""
    catalogue = open_catalogue()
    return titles.optimize_listing(catalogue.products[product_id], catalogue)


def resolve(query: str = "San Jose, CA") -> object:
    """The city somebody means."""
    return places.resolve_place(query, open_gazetteer())


@contextmanager
def searching_in_shards(**hits: list[object] | None) -> Iterator[None]:
    """The place resolver looks names up in four shards, a step each.

    Args:
        hits: what a shard, by the name of its step, returns instead of what it holds; None leaves
            the shard out.
    """

    def retrieve(run: places.Run, reading_: places.Reading, gazetteer: places.Gazetteer) -> object:
        found: dict[str, places.Place] = {}
        for number in range(1, 5):
            name = f"search_shard_{number}"
            if name in hits and hits[name] is None:
                continue
            with run.step(name, step_type="retrieve") as step:
                form = reading_.forms[0]
                cities = hits.get(name, gazetteer.search_names(form, 1_000)[number - 1 :: 4])
                for city in cities or []:
                    step.accept(city.id, attributes=city.as_attributes(), origin=form)
                    text = places.match_text(city, form)
                    found[city.id] = places.Place(city, form, text)
                step.set_output({"cities": len(cities or [])})
        return list(found.values())

    with replaced(places, retrieve_places=retrieve):
        yield
