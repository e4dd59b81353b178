"""`xray replay` as a person types it: a program recorded it, another process replays it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from xray.client import Client
from xray.local import LocalClient
from xray.server.serving import BackgroundServer
from xray.server.settings import ServerSettings
from xray.settings import VARIABLES

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
DOCUMENT = " ".join((EXAMPLES.parent / "docs" / "replay.md").read_text("utf-8").split())
DEMO = "scenario_bad_match_demo.py"
BUG = "    if is_repaired:\n        return COMPETING_CATEGORIES[suggest_keywords"
FIX = "    if is_repaired or True:\n        return COMPETING_CATEGORIES[suggest_keywords"

SHOP = """
from __future__ import annotations

import asyncio
from dataclasses import dataclass

import xray

x = xray.XRay("shop", capture="full")


@dataclass
class Item:
    id: str
    price: float


@xray.xray_step("price", "filter")
async def keep_affordable(items: list[Item], limit: float) -> list[Item]:
    print("looking at", len(items))
    return xray.current_step().filter(items, [xray.rule("too_dear", "price", "<=", limit)])


@xray.xray_step("index", "retrieve")
def search(index: object) -> list[Item]:
    xray.current_step().accept_many(index.ids())
    return [Item(name, 10.0 * place) for place, name in enumerate(index.ids())]


class Index:
    def ids(self) -> list[str]:
        return [f"p{number}" for number in range(10)]


@x.run()
def answer(limit: float) -> list[Item]:
    return asyncio.run(keep_affordable(search(Index()), limit))


if __name__ == "__main__":
    answer(50)
    assert xray.flush(timeout_s=30).is_complete
"""


@dataclass(frozen=True)
class Place:
    """A folder with code, and the server its runs are recorded to."""

    folder: Path
    url: str

    def python(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        environment = {
            name: value for name, value in os.environ.items() if name not in VARIABLES.values()
        }
        return subprocess.run(
            [sys.executable, *arguments],
            env={**environment, "XRAY_URL": self.url, "COLUMNS": "100"},
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            timeout=60,
            check=False,
        )

    def record(self, *arguments: str) -> None:
        ran = self.python(*arguments)
        assert ran.returncode == 0, ran.stderr

    def replay(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return self.python("-m", "xray.cli.main", "replay", *arguments)

    def replay_json(self, *arguments: str) -> tuple[int, dict[str, Any]]:
        ran = self.replay(*arguments, "--json")
        return ran.returncode, json.loads(ran.stdout)


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    settings = ServerSettings(store=f"sqlite:///{tmp_path / 'runs.db'}", port=0)
    with BackgroundServer(settings) as server:
        yield Place(tmp_path, server.url)


def moved(replay: dict[str, Any]) -> dict[str, set[str]]:
    return {
        moves["kind"]: {move["candidate_id"] for move in moves["examples"]}
        for step in replay["steps"]
        for moves in step["moves"]
    }


def test_with_the_planted_bug_fixed_exactly_the_decisions_that_change_are_named(
    place: Place,
) -> None:
    shutil.copytree(EXAMPLES, place.folder / "code")
    script = place.folder / "code" / DEMO
    place.record(str(script))
    with Client(place.url) as client:
        buggy = client.run("last")
    asked = (buggy.run_id, "--step", "filter_candidates", "--code", f"code/{DEMO}")
    unchanged = place.replay(*asked)
    assert unchanged.returncode == 0, unchanged.stderr
    assert "decides as it did: none of its 160 decisions differs." in unchanged.stdout

    script.write_text(script.read_text("utf-8").replace(BUG, FIX), "utf-8")
    code, replayed = place.replay_json(*asked)
    assert code == 1
    place.record(str(script), "--repaired")
    with Client(place.url) as client:
        before, after = (
            {
                row.candidate_id: (row.decision, row.reason)
                for step in run.steps
                if step.name == "filter_candidates"
                for row in client.iter_decisions(step_id=step.step_id, limit=1_000)
            }
            for run in (buggy, client.run("last"))
        )
    differing = {name for name in before if before[name] != after[name]}
    dropped = {name for name in differing if before[name][0] == "accepted"}
    assert len(dropped) == 22
    assert moved(replayed) == {"newly_rejected": dropped, "reason_changed": differing - dropped}
    assert replayed["unsettled"] == []
    told = place.replay(*asked)
    assert "22 newly dropped" in told.stdout
    assert "laptop_stand_102: accepted → rejected (category_mismatch)" in told.stdout
    assert "and 12 more" in told.stdout

    by_param = place.replay_json(*asked, "--param", "is_repaired=true")[1]
    assert moved(by_param) == moved(replayed)
    assert " ".join(by_param["answer"].split()) in DOCUMENT
    assert " ".join(unchanged.stdout.split()[:12]) in DOCUMENT


def test_code_that_was_run_by_name_is_found_where_it_was(place: Place) -> None:
    (place.folder / "shop.py").write_text(SHOP, "utf-8")
    place.record("-m", "shop")
    same = place.replay("last", "--step", "price")
    assert same.returncode == 0, same.stderr
    assert "price decides as it did: none of its 10 decisions differs." in same.stdout
    assert "Ran shop:keep_affordable." in same.stdout
    assert "looking at 10" in same.stderr
    assert "looking at" not in same.stdout

    code, other = place.replay_json("last", "--step", "price", "--param", "limit=65.5")
    assert (code, moved(other)) == (1, {"newly_kept": {"p6"}})
    assert place.replay("last").returncode == 0
    assert moved(place.replay_json("last", "--param", "limit=15")[1]) == {
        "newly_rejected": {"p2", "p3", "p4", "p5"}
    }


def test_what_cannot_be_replayed_is_told_with_another_exit_code(place: Place) -> None:
    (place.folder / "shop.py").write_text(SHOP, "utf-8")
    place.record("shop.py")
    refused = place.replay("last", "--step", "index")
    assert refused.returncode == 2
    assert "of `index` only the type is kept, Index" in refused.stderr
    code, told = place.replay_json("last", "--step", "index")
    assert (code, set(told["missing"])) == (2, {"index"})
    given = place.replay("last", "--step", "index", "--object", "index=shop:Index()")
    assert given.returncode == 0, given.stderr

    (place.folder / "given.json").write_text(
        json.dumps({"items": [{"id": "p9", "price": 1}], "limit": 5})
    )
    assert place.replay("last", "--step", "price", "--input", "given.json").returncode == 1
    for arguments, said in (
        (("last", "--step", "prices"), "no step 'prices'"),
        (("0000", "--step", "price"), "No run begins with"),
        (("last", "--step", "price", "--param", "limit"), "is no --param"),
        (("last", "--step", "price", "--times", "0"), "--times must be 1 or more"),
        (("last", "--step", "price", "--input", "nowhere.json"), "holds no arguments"),
        (("last", "--step", "price", "--code", "nowhere:f"), "There is no module nowhere here"),
        (("last", "--step", "price", "--code", "shop:nothing"), "shop has no nothing"),
    ):
        ran = place.replay(*arguments)
        assert (ran.returncode, said in ran.stderr) == (2, True), ran.stderr

    (place.folder / "shop.py").write_text("1 / 0\n", "utf-8")
    broken = place.replay("last", "--step", "price")
    assert broken.returncode == 2
    assert "cannot be imported: ZeroDivisionError" in broken.stderr


def test_a_replay_is_stored_only_where_it_is_asked_to(place: Place) -> None:
    (place.folder / "shop.py").write_text(SHOP, "utf-8")
    place.record("-m", "shop")
    with Client(place.url) as client:
        recorded = client.run("last")
        place.replay("last", "--step", "price", "--param", "limit=20")
        assert len(client.runs().items) == 1
        kept = place.replay(recorded.run_id, "--step", "price", "--param", "limit=20", "--record")
        assert kept.returncode == 1, kept.stderr
        stored = client.run("last")
        assert stored.tags == ["replay"]
        assert stored.metadata == {"replay_of": recorded.run_id, "replayed_step": "price"}
        assert stored.steps[0].counts.accepted == 3


def test_a_database_file_is_replayed_from_without_a_server(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'file.db'}"
    place = Place(tmp_path, url)
    (tmp_path / "shop.py").write_text(SHOP, "utf-8")
    place.record("-m", "shop")
    assert place.replay("last", "--step", "price").returncode == 0
    kept = place.replay("last", "--record")
    assert kept.returncode == 0, kept.stderr
    with LocalClient(url) as client:
        assert client.runs(tag="replay").total == 1
