"""Every engine, opened empty."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import strategies as st

from tests.contract.store.worlds import NOW_US
from tests.postgres_server import ScratchStore
from xray.store.memory import MemoryStore
from xray.store.protocol import Store
from xray.store.scanning import ScanBudget
from xray.store.sqlite.engine import SqliteStore
from xray.testing.clock import FakeClock

ENGINES = ("memory", "sqlite", "postgres")
some_engines = st.integers(0, 3).map(lambda turn: ENGINES[: 2 if turn else 3])
"""For tests of many examples: PostgreSQL, where each takes longest, takes part in some of them."""

FORGET_LABELS = (
    "drop table labels; drop table waiting_labels; drop table correlated;"
    " drop index run_by_label; alter table runs drop column label;"
    " alter table runs drop column params; alter table steps drop column brief;"
    " alter table early_steps drop column run; drop table forgotten;"
)
"""Leaves a SQLite database as a version without labels had it."""


def open_engine(engine: str, folder: Path, budget: ScanBudget | None = None) -> Store:
    """An empty store of *engine* whose clock stands at `NOW_US`."""
    clock = FakeClock(NOW_US)
    if engine == "memory":
        return MemoryStore(clock, budget)
    if engine == "postgres":
        return ScratchStore(clock, budget)
    return SqliteStore(folder / "store.db", clock=clock, merge_fanout=2, budget=budget)


@pytest.fixture(params=ENGINES)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    opened = open_engine(request.param, tmp_path)
    yield opened
    opened.close()


@pytest.fixture
def open_empty(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Callable[[str], Store]]:
    """Opens an empty store of an engine, as often as it is called."""
    opened: list[Store] = []

    def open_one(engine: str) -> Store:
        opened.append(open_engine(engine, tmp_path_factory.mktemp("store")))
        return opened[-1]

    yield open_one
    for store in opened:
        store.close()
