"""Memory for bodies is shared: who finds too little waits its turn, or is told to come later."""

import sys
import threading
from collections.abc import Iterator

import anyio
import pytest

from xray.errors import StoreBusyError
from xray.server.app import create_app
from xray.server.settings import ServerSettings
from xray.server.space import Lease, Space, Spaces
from xray.store.memory import MemoryStore

PATIENCE_S = 30.0


async def test_who_finds_too_little_waits_until_it_is_given_back() -> None:
    space = Space(100)
    order: list[str] = []

    async def use(name: str, size: int) -> None:
        with Lease(space) as lease:
            await lease.take(size, PATIENCE_S)
            order.append(name)

    async with anyio.create_task_group() as tasks:
        with Lease(space) as first:
            await first.take(80, PATIENCE_S)
            tasks.start_soon(use, "large", 90)
            await anyio.wait_all_tasks_blocked()
            # Nobody overtakes who has waited, or a stream of small ones would starve it.
            tasks.start_soon(use, "small", 10)
            await anyio.wait_all_tasks_blocked()
            assert order == []
    assert order == ["large", "small"]
    assert space.taken_bytes == 0


async def test_who_waits_too_long_is_told_to_come_later_and_holds_nothing() -> None:
    space = Space(100)
    with Lease(space) as first:
        await first.take(100, PATIENCE_S)
        with pytest.raises(StoreBusyError) as caught:
            await space.take(1, 0.0)
    assert caught.value.code == "server_busy"
    assert space.taken_bytes == 0
    assert space.try_take(100)


async def test_one_that_wants_more_than_there_is_gets_all_there_is() -> None:
    space = Space(100)
    with Lease(space) as lease:
        await lease.take(500, PATIENCE_S)
        assert space.taken_bytes == 100
    assert space.taken_bytes == 0


async def test_a_body_that_arrives_is_refused_where_too_many_others_do() -> None:
    space = Space(100)
    with Lease(space) as first, Lease(space) as second:
        first.grow(60)
        with pytest.raises(StoreBusyError):
            second.grow(60)
        second.grow(40)
        first.shrink(10)
        second.grow(50)
        assert space.taken_bytes == 100
    assert space.taken_bytes == 0


async def test_a_request_that_is_cancelled_while_it_waits_leaves_its_place() -> None:
    space = Space(100)
    with Lease(space) as first:
        await first.take(100, PATIENCE_S)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(space.take, 50, PATIENCE_S)
            await anyio.wait_all_tasks_blocked()
            tasks.cancel_scope.cancel()
    assert space.taken_bytes == 0
    assert space.try_take(100)


async def test_large_bodies_are_opened_one_after_another() -> None:
    spaces = Spaces()
    open_now: list[int] = []
    most_at_once: list[int] = []
    is_first_open, may_go_on = threading.Event(), threading.Event()

    def work() -> None:
        open_now.append(1)
        is_first_open.set()
        assert may_go_on.wait(PATIENCE_S)
        most_at_once.append(len(open_now))
        open_now.pop()

    async with anyio.create_task_group() as tasks:
        for _ in range(3):
            tasks.start_soon(spaces.open_in_turn, work)
        await anyio.wait_all_tasks_blocked()
        assert await anyio.to_thread.run_sync(is_first_open.wait, PATIENCE_S)
        may_go_on.set()
    assert most_at_once == [1, 1, 1]


@pytest.fixture
def switch_interval_s() -> Iterator[float]:
    before_s, own_s = sys.getswitchinterval(), 0.005
    sys.setswitchinterval(own_s)
    yield sys.getswitchinterval()
    sys.setswitchinterval(before_s)


async def test_threads_of_a_process_that_only_serves_give_way_sooner(
    switch_interval_s: float,
) -> None:
    app = create_app(ServerSettings(store="memory:"))
    async with app.router.lifespan_context(app):
        assert sys.getswitchinterval() < switch_interval_s


async def test_a_program_that_serves_beside_its_work_keeps_its_threads_as_they_are(
    switch_interval_s: float,
) -> None:
    app = create_app(ServerSettings(), MemoryStore())
    async with app.router.lifespan_context(app):
        assert sys.getswitchinterval() == switch_interval_s
