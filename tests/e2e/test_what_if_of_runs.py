"""Many runs go through a server, and are asked over HTTP what they would have decided."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import xray
from xray import XRay
from xray.client import Client
from xray.errors import InvalidQueryError
from xray.model.what_if_runs import WhatIfOfRuns
from xray.server.serving import BackgroundServer
from xray.server.settings import ServerSettings

RUNS, CANDIDATES = 40, 30


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    folder: Path = tmp_path_factory.mktemp("what_if")
    settings = ServerSettings(store=f"sqlite:///{folder / 'runs.db'}", port=0)
    with BackgroundServer(settings) as server:
        x = XRay("shop", url=server.url)
        for number in range(RUNS):
            with x.run(metadata={"number": number}) as run:
                with run.step("price", step_type="filter") as step:
                    for place in range(CANDIDATES):
                        price = 10 * place + number
                        if step.check(
                            f"p{place}", "too_dear", price, "<=", 100 + number, field="price"
                        ):
                            step.accept(f"p{place}")
                        else:
                            step.reject(f"p{place}")
                with run.step("pick", step_type="select") as step:
                    step.select("p10")
        assert xray.flush(timeout_s=30).is_complete
        with Client(server.url) as client:
            yield client


def test_all_runs_are_summed_up(client: Client) -> None:
    answer = client.what_if_of_runs("pipeline = 'shop'", price=150)
    truth = [
        ({place for place in range(CANDIDATES) if 10 * place + number <= 100 + number},
         {place for place in range(CANDIDATES) if 10 * place + number <= 150})
        for number in range(RUNS)
    ]  # fmt: skip
    gained = [len(after - before) for before, after in truth]
    lost = [len(before - after) for before, after in truth]
    assert (answer.runs, answer.judged, answer.exact) == (RUNS, RUNS, RUNS)
    assert (answer.newly_kept.least, answer.newly_kept.most) == (sum(gained), sum(gained))
    assert (answer.newly_dropped.least, answer.newly_dropped.most) == (sum(lost), sum(lost))
    assert answer.newly_kept.runs.least == sum(map(bool, gained))
    assert answer.touched.most == sum(10 not in after for _, after in truth)
    assert answer.steps[0].changes[0].is_was_whole is False
    assert answer.complete


def test_a_query_says_which_runs(client: Client) -> None:
    answer = client.what_if_of_runs("metadata.number < 10", too_dear=150)
    assert (answer.runs, answer.newly_dropped.most) == (10, 0)
    assert answer.newly_kept.least == sum(
        10 * place + number <= 150 and place > 10
        for place in range(CANDIDATES)
        for number in range(10)
    )


def test_one_run_by_itself_is_answered_alike(client: Client) -> None:
    newest = client.runs(limit=1).items[0]
    alone = client.what_if(newest.run_id, too_dear=120)
    summed = client.what_if_of_runs(f"run_id = '{newest.run_id}'", too_dear=120)
    assert summed.newly_dropped.least == alone.steps[0].newly_dropped.least == 2
    assert summed.examples[0].lost_answers == alone.lost_answers == ["p10"]


def test_progress_is_told_only_where_there_are_parts(client: Client) -> None:
    parts: list[WhatIfOfRuns] = []
    client.what_if_of_runs(note_part=parts.append, price=1)
    assert parts == []


def test_what_is_asked_wrongly_is_refused_by_the_server(client: Client) -> None:
    with pytest.raises(InvalidQueryError) as caught:
        client.what_if_of_runs("pipeline is", price=1)
    assert caught.value.at is not None
    with pytest.raises(InvalidQueryError, match="which limit"):
        client.what_if_of_runs()
