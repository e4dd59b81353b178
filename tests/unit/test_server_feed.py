"""Changes are remembered in order, told once, and never without end."""

from __future__ import annotations

from xray.model.ids import new_uuid7
from xray.server.feed import _KEPT_CHANGES, Feed


async def test_what_changed_since_a_moment_is_told_each_once_the_last_at_the_end() -> None:
    feed = Feed()
    a, b = new_uuid7(), new_uuid7()
    since = feed.moment
    feed.note([a, b])
    feed.note([a])
    changes = await feed.wait(since, 1)
    assert (changes.run_ids, changes.missed) == ([b, a], 0)
    assert (await feed.wait(changes.until, 0.01)).run_ids == []


async def test_a_moment_of_another_process_means_now() -> None:
    feed = Feed()
    feed.note([new_uuid7()])
    for other in ("other-0", "", "-", f"{feed.moment}x"):
        assert (await feed.wait(other, 0.01)).run_ids == []


async def test_changes_that_were_forgotten_are_counted() -> None:
    feed = Feed()
    since = feed.moment
    feed.note([new_uuid7() for _ in range(_KEPT_CHANGES + 7)])
    changes = await feed.wait(since, 1)
    assert (len(changes.run_ids), changes.missed) == (_KEPT_CHANGES, 7)


async def test_nobody_waits_for_a_feed_that_ended() -> None:
    feed = Feed()
    feed.end()
    assert (await feed.wait(feed.moment, 60)).run_ids == []
