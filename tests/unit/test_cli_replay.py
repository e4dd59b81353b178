"""What `xray replay` draws of an answer."""

from __future__ import annotations

import io

from tests.unit.replay_desk import record, replay
from xray import current_step, xray_step
from xray.cli.replay import draw_replay
from xray.cli.terminal import Terminal, detect_terminal

ALLOWED = {"limit": 50}


@xray_step("price", "filter")
def keep(prices: list[int]) -> list[int]:
    step = current_step()
    kept = [price for price in prices if price <= ALLOWED["limit"]]
    for price in prices:
        (step.accept if price in kept else step.reject)(f"p{price}")
    return kept


def plain_terminal() -> Terminal:
    return detect_terminal(io.StringIO(), {"COLUMNS": "100"}, is_colour_refused=True)


def test_what_changed_is_drawn_with_each_candidate_and_without_the_output_it_explains() -> None:
    client = record(lambda: keep([*range(0, 100, 10)]))
    same = draw_replay(replay(client, "price", keep), plain_terminal())
    assert same == [
        "price decides as it did: none of its 10 decisions differs.",
        f"Ran {__name__}:keep.",
    ]
    ALLOWED["limit"] = 30
    try:
        drawn = draw_replay(replay(client, "price", keep), plain_terminal())
    finally:
        ALLOWED["limit"] = 50
    assert "  2 newly dropped" in drawn
    assert any("p40: accepted → rejected" in line for line in drawn)
    assert not any("output" in line for line in drawn)


def test_a_terminal_is_not_steered_by_what_was_recorded() -> None:
    @xray_step("price", "filter")
    def keep_all(ids: list[str], *, is_kept: bool = True) -> None:
        for one in ids:
            (current_step().accept if is_kept else current_step().reject)(one)

    client = record(lambda: keep_all(["\x1b[31mred"]))
    replayed = replay(client, "price", keep_all, texts={"is_kept": "false"})
    assert "\x1b" not in "\n".join(draw_replay(replayed, plain_terminal()))
