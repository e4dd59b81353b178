"""Real sockets through a proxy that breaks them, to a real server: nothing lost, nothing doubled.

A failure names its seed; `XRAY_PROXY_SEED=<seed> pytest -k named_scenario` lives it once more.
"""

import logging
import os
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from tests.e2e.uvicorn_process import UvicornProcess
from tests.fault.certificates import make_certificate
from tests.fault.proxied_scenarios import DOMAIN, Scenario, list_kinds, name_host, own_names
from xray.delivery.exchange import answers
from xray.delivery.exchange.batches import Batch
from xray.delivery.exchange.transport import Answer
from xray.model.facts import Receipt
from xray.query.plan import Plan
from xray.store.opening import open_store

QUICK_SEEDS = 28
PROVEN_SEEDS = 2_000
PROVEN_SLICES = 20
FIRST_PROVEN_SEED = 1_000_000
WANTED_KINDS = 22
AT_ONCE = 6


@pytest.fixture(autouse=True)
def _quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("xray", "asyncio"):
        monkeypatch.setattr(logging.getLogger(name), "disabled", True)


def live_through(seeds: Iterable[int], folder: Path) -> list[Scenario]:
    """Scenarios beside one another against one server, whose store is compared at the end."""
    good = make_certificate(folder / "good", f"DNS:*.{DOMAIN}")
    bad = [
        make_certificate(folder / "stranger", f"DNS:*.{DOMAIN}"),
        make_certificate(folder / "expired", f"DNS:*.{DOMAIN}", is_expired=True),
        make_certificate(folder / "another", "DNS:another.invalid"),
    ]
    seeds = list(seeds)
    server = UvicornProcess(
        ["python3", "-m", "uvicorn", "xray.server.app:app", "--port", "0"],
        folder,
        XRAY_ALLOWED_HOSTS=",".join(map(name_host, seeds)),
    )
    try:
        with own_names() as names, ThreadPoolExecutor(AT_ONCE) as pool:
            scenarios = [Scenario(seed, server.port, folder, names, good, bad) for seed in seeds]
            ending = [pool.submit(scenario.run) for scenario in scenarios]
            try:
                for each in ending:
                    each.result()
            finally:
                pool.shutdown(cancel_futures=True)
    finally:
        server.stop()
    with closing(open_store(f"sqlite:///{folder / 'xray.db'}")) as store:
        for scenario in scenarios:
            scenario.compare(store)
        stored = store.runs(Plan(scope="run", limit=1)).total
        assert stored <= sum(len(scenario.offered) for scenario in scenarios)
    return scenarios


def test_whatever_befalls_a_connection_every_record_is_stored_once(tmp_path: Path) -> None:
    scenarios = live_through(range(QUICK_SEEDS), tmp_path)
    assert len(list_kinds()) >= WANTED_KINDS
    assert {name for each in scenarios for name in each.trace} == set(list_kinds())


def test_a_client_that_believes_any_answer_is_caught(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The checker itself can fail."""

    def believe(answer: Answer, batch: Batch) -> Receipt:
        return Receipt(batch_id=batch.batch_id, accepted=len(batch.parcels), duplicate=0)

    monkeypatch.setattr(answers, "_read_receipt", believe)
    kinds = list_kinds()
    first = kinds.index("_fault_garbage")
    with pytest.raises(AssertionError, match="seed"):
        live_through(range(first, first + 8 * len(kinds), len(kinds)), tmp_path)


@pytest.mark.prove
@pytest.mark.parametrize("part", range(PROVEN_SLICES))
def test_fault_proxy_at_full_size(part: int, tmp_path: Path) -> None:
    size = PROVEN_SEEDS // PROVEN_SLICES
    first = FIRST_PROVEN_SEED + part * size
    live_through(range(first, first + size), tmp_path)


@pytest.mark.skipif("XRAY_PROXY_SEED" not in os.environ, reason="no scenario is named")
def test_a_named_scenario_lives_once_more(tmp_path: Path) -> None:
    live_through([int(os.environ["XRAY_PROXY_SEED"])], tmp_path)
