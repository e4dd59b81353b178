"""From the SDK over a server to the sentence that says why: every fate a candidate can have."""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

import xray
from tests.e2e.uvicorn_process import UvicornProcess
from xray import XRay
from xray.capture.guard import raising
from xray.capture.run import Run
from xray.client import Client
from xray.model.vocabulary import CaptureLevel

pytestmark = pytest.mark.xdist_group("why_road")

COMMAND = "uvicorn xray.server.app:app --host 127.0.0.1 --port 0"
PRICES = {"p1": 20, "p2": 30, "p3": 25, "p4": 140, "p5": 90, "p6": 35}


def shop(run: Run) -> None:
    """Two keywords bring six products; one is too dear, two are outranked, one wins."""
    with run.step("generate_keywords", step_type="generate") as step:
        step.accept("desk lamp")
        step.accept("stand")
    with run.step("search", step_type="retrieve") as step:
        for number, product in enumerate(PRICES):
            step.accept(product, origin="stand" if number % 2 else "desk lamp")
    with run.step("affordable", step_type="filter") as step:
        for product, price in PRICES.items():
            if step.check(
                product, "price_too_high", observed=price, op="<=", limit=100, field="price"
            ):
                step.accept(product)
            else:
                step.reject(product)
    with run.step("relevance", step_type="rank") as step:
        for rank, product in enumerate(["p2", "p1", "p3", "p6", "p5"], 1):
            if rank <= 3:
                step.accept(product, score=1 - rank / 10, rank=rank)
            else:
                step.reject(product, "below_cut", score=1 - rank / 10, rank=rank)
    with run.step("pick", step_type="select") as step:
        step.select("p2", score=0.9)
        step.reject("p1", "not_selected", score=0.8)
        step.reject("p3", "not_selected", score=0.7)


def silent_cut(run: Run) -> None:
    """Thirty are found, `[:20]` of them are looked at."""
    found = [f"d{number}" for number in range(30)]
    with run.step("search", step_type="retrieve") as step:
        for name in found:
            step.accept(name)
    with run.step("relevant", step_type="filter") as step:
        for name in found[:20]:
            if name == "d3":
                step.reject(name, "off_topic")
            else:
                step.accept(name)


def invented(run: Run) -> None:
    """A model is asked to choose from five and answers with a sixth."""
    with run.step("search", step_type="retrieve") as step:
        for number in range(5):
            step.accept(f"d{number}")
    with run.step("ask_model", step_type="generate") as step:
        step.select("d77")
        for number in range(5):
            step.reject(f"d{number}", "not_selected")


def merged(run: Run) -> None:
    """Two retrievers with an overlap feed one filter."""
    with run.step("by_text", step_type="retrieve") as step:
        for number in range(5):
            step.accept(f"d{number}")
    with run.step("by_vector", step_type="retrieve") as step:
        for number in range(3, 9):
            step.accept(f"d{number}")
    with run.step("fresh", step_type="filter") as step:
        for number in range(9):
            if number % 2:
                step.accept(f"d{number}")
            else:
                step.reject(f"d{number}", "stale")


def chunks(run: Run) -> None:
    """Documents are searched by their parts."""
    with run.step("search", step_type="retrieve") as step:
        for name in ("a.md#1", "a.md#2", "b.md#1"):
            step.accept(name, part_of=name.partition("#")[0])
    with run.step("near", step_type="filter") as step:
        step.accept("a.md#1")
        step.reject("a.md#2", "too_far")
        step.reject("b.md#1", "too_far", observed=0.9, op="<=", limit=0.5)


def retried(run: Run) -> None:
    """The first attempt to judge rejects what the second keeps."""
    with run.step("search", step_type="retrieve") as step:
        for name in ("d0", "d1"):
            step.accept(name)
    with contextlib.suppress(TimeoutError), run.step("judge", step_type="filter") as step:
        step.reject("d0", "unsafe")
        raise TimeoutError("no answer")
    with run.step("judge", step_type="filter") as step:
        step.accept("d0")
        step.reject("d1", "unsafe")


def many(run: Run, capture: CaptureLevel = "sample") -> None:
    """Five thousand candidates, half of them kept, one chosen."""
    with run.step("search", step_type="retrieve", capture=capture) as step:
        for number in range(5000):
            step.accept(f"d{number}")
    with run.step("wanted", step_type="filter", capture=capture) as step:
        for number in range(5000):
            if number % 2:
                step.accept(f"d{number}")
            else:
                step.reject(f"d{number}", "unwanted")
    with run.step("pick", step_type="select", capture=capture) as step:
        step.select("d4999")


def counted(run: Run) -> None:
    """Nothing but counts is kept."""
    many(run, capture="minimal")


PIPELINES: tuple[Callable[[Run], None], ...] = (
    shop,
    silent_cut,
    invented,
    merged,
    chunks,
    retried,
    many,
    counted,
)


@dataclass(frozen=True)
class Road:
    """A server with one run of every pipeline.

    Args:
        url: its address.
        runs: the id of each pipeline's run.
    """

    url: str
    runs: dict[str, str]

    def call(self, *words: str, expect_error: bool = False) -> tuple[int, str]:
        """Exit code of `xray` with these words, and what it printed, or complained of."""
        inherited = {name: text for name, text in os.environ.items() if "XRAY_" not in name}
        done = subprocess.run(
            [sys.executable, "-m", "xray.cli.main", *words],
            env={**inherited, "XRAY_URL": self.url, "COLUMNS": "400", "PYTHONIOENCODING": "utf-8"},
            capture_output=True,
            encoding="utf-8",
            timeout=60,
            check=False,
        )
        assert bool(done.stderr) is expect_error, done.stderr
        return done.returncode, done.stderr or done.stdout

    def why(self, pipeline: str, candidate: str) -> tuple[int, dict[str, Any]]:
        """The answer as JSON; the page for people begins with the same sentence."""
        words = ("why", self.runs[pipeline], candidate)
        code, printed = self.call(*words, "--json")
        answer: dict[str, Any] = json.loads(printed)
        shown_code, shown = self.call(*words)
        assert shown_code == code
        first, second, *_ = shown.splitlines()
        assert first == answer["answer"]
        certainty = answer["certainty"]
        is_marked = certainty != "known" or answer["because"]
        assert second.startswith(f"({certainty}" if is_marked else pipeline)
        return code, answer

    def findings(self, pipeline: str) -> list[dict[str, Any]]:
        """What the server finds worth a look in the run."""
        with Client(self.url) as client:
            body = json.loads(client.get(f"/v1/runs/{self.runs[pipeline]}/findings"))
        found: list[dict[str, Any]] = body["findings"]
        return found


@pytest.fixture(scope="module")
def road(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Road]:
    folder = tmp_path_factory.mktemp("why_road")
    server = UvicornProcess(
        ["python", "-m", *COMMAND.split()], folder, XRAY_STORE=f"sqlite:///{folder}/why.db"
    )
    try:
        url = f"http://127.0.0.1:{server.port}"
        runs = {}
        with raising():
            for record in PIPELINES:
                with XRay(record.__name__, url=url).run(input={"q": "a"}) as run:
                    record(run)
                runs[record.__name__] = run.run_id
            assert xray.flush(timeout_s=20).is_complete
            xray.close()
        yield Road(url, runs)
    finally:
        assert server.stop() in (0, -15), "".join(server.log)


def stops(why: dict[str, Any]) -> dict[str, str]:
    return {stop["name"]: stop["kind"] for stop in why["journey"]}


def test_the_winner(road: Road) -> None:
    code, why = road.why("shop", "p2")
    assert (code, why["outcome"], why["certainty"]) == (0, "selected", "known")
    assert why["answer"] == (
        "pick chose p2 (score 0.9, next best p1 at 0.8); "
        'it came from the keyword "stand" of generate_keywords.'
    )
    assert why["provenance"][0]["text"] == (
        'keyword "stand" (generate_keywords) brought 3 candidates to search; '
        "1 of them was selected."
    )
    assert stops(why) == {
        "search": "accepted",
        "affordable": "accepted",
        "relevance": "accepted",
        "pick": "selected",
    }


def test_one_rejected_with_its_evidence(road: Road) -> None:
    code, why = road.why("shop", "p4")
    assert (code, why["outcome"], why["certainty"]) == (0, "rejected", "known")
    assert why["answer"] == (
        "affordable rejected p4: price 140 exceeds the limit of 100 by 40 (price_too_high). "
        'It came from the keyword "stand" of generate_keywords.'
    )
    stop = next(stop for stop in why["journey"] if stop["name"] == "affordable")
    (check,) = stop["checks"]
    assert {name: check[name] for name in ("observed", "op", "limit", "passed", "margin")} == {
        "observed": 140, "op": "<=", "limit": 100, "passed": False, "margin": 40,
    }  # fmt: skip
    assert stop["reason"] == "price_too_high"
    _, shown = road.call("why", road.runs["shop"], "p4")
    assert "price 140 <= 100 failed by 40 (price_too_high)" in shown
    assert 'keyword "stand" (generate_keywords) brought 3 candidates to search' in shown


def test_one_outranked_with_rank_cut_and_gap(road: Road) -> None:
    code, why = road.why("shop", "p6")
    assert (code, why["outcome"], why["certainty"]) == (0, "outranked", "known")
    assert why["answer"] == (
        "p6 was outranked in relevance: rank 4 where the cut is 3, "
        "0.1 points below the last that was kept. "
        'It came from the keyword "stand" of generate_keywords.'
    )
    cut = next(stop["cut"] for stop in why["journey"] if stop["name"] == "relevance")
    assert (cut["rank"], cut["last_kept_rank"], cut["gap"]) == (4, 3, 0.1)
    code, why = road.why("shop", "p1")
    assert (code, why["outcome"]) == (0, "outranked")
    assert why["answer"].startswith("p1 was outranked in pick, which chose p2: 0.1 points below it")


def test_one_never_retrieved(road: Road) -> None:
    code, why = road.why("shop", "sofa_9")
    assert (code, why["outcome"], why["certainty"]) == (0, "never_retrieved", "known")
    assert why["answer"] == "No step of this run recorded sofa_9: it was never retrieved."
    assert set(stops(why).values()) == {"not_recorded", "not_reached"}


def test_one_lost_by_a_silent_cut_between_two_steps(road: Road) -> None:
    code, why = road.why("silent_cut", "d25")
    assert (code, why["outcome"], why["certainty"]) == (0, "vanished", "known")
    assert why["answer"] == (
        "d25 was lost between search and relevant: search returned 30 candidates, and relevant "
        "decided exactly the first 20 of them, as a cut in between would leave."
    )
    (finding,) = road.findings("silent_cut")
    assert (finding["code"], finding["count"]) == ("vanished", 10)
    assert "d25" in finding["examples"]


def test_one_decided_though_nobody_offered_it(road: Road) -> None:
    code, why = road.why("invented", "d77")
    assert (code, why["outcome"], why["certainty"]) == (0, "not_offered", "known")
    assert why["answer"] == (
        "ask_model chose d77, though nobody offered it: no step before ask_model let d77 through."
    )
    (finding,) = road.findings("invented")
    assert (finding["code"], finding["count"], finding["examples"]) == ("not_offered", 1, ["d77"])


def test_parallel_retrievers_that_merge_are_no_finding(road: Road) -> None:
    assert road.findings("merged") == []
    code, why = road.why("merged", "d3")
    assert (code, why["outcome"], why["certainty"]) == (0, "survived", "known")
    assert why["answer"] == "d3 survived: fresh kept it, and no step came after that."
    code, why = road.why("merged", "d8")
    assert (code, why["answer"]) == (0, "fresh rejected d8: stale.")
    assert stops(why) == {"by_text": "not_recorded", "by_vector": "accepted", "fresh": "rejected"}


def test_a_whole_is_asked_for_by_its_own_name(road: Road) -> None:
    code, why = road.why("chunks", "a.md")
    assert (code, why["outcome"], why["parts"]) == (0, "survived", ["a.md#1", "a.md#2"])
    assert why["answer"] == (
        "a.md was here in 2 parts: 1 survived and 1 rejected. "
        "a.md#1 survived: near kept it, and no step came after that."
    )
    code, why = road.why("chunks", "b.md")
    assert (code, why["outcome"]) == (0, "rejected")
    assert why["answer"] == (
        "b.md was here as b.md#1. "
        "near rejected b.md#1: 0.9 exceeds the limit of 0.5 by 0.4 (too_far)."
    )


def test_the_last_attempt_counts_and_the_one_before_is_told(road: Road) -> None:
    code, why = road.why("retried", "d0")
    assert (code, why["outcome"], why["certainty"]) == (0, "survived", "known")
    assert why["answer"] == (
        "d0 survived: judge kept it, and no step came after that. "
        "Attempt 1, which failed, had said otherwise: judge rejected it: unsafe."
    )
    judged = [(stop["attempt"], stop["kind"]) for stop in why["journey"] if stop["name"] == "judge"]
    assert judged == [(1, "rejected"), (2, "accepted")]


def test_counts_alone_leave_the_question_open_and_say_so(road: Road) -> None:
    code, why = road.why("counted", "d0")
    assert (code, why["outcome"], why["certainty"]) == (1, "unknown", "unknown")
    assert why["answer"].startswith(
        "What became of d0 is unknown: at the capture level minimal search kept counts only."
    )


def test_a_candidate_without_detail_is_answered_from_the_roster(road: Road) -> None:
    code, why = road.why("many", "d4988")
    assert (code, why["outcome"], why["certainty"]) == (0, "rejected", "known")
    assert re.fullmatch(
        r"wanted rejected d4988: unwanted; its details were not kept "
        r"\(those of \d+ of 2,500 rejections were\)\.",
        why["answer"],
    )
    assert why["because"] == (
        "it stands in the roster of wanted, which mistakes one candidate in 100,000 for another"
    )
    assert stops(why) == {"search": "accepted", "wanted": "rejected", "pick": "not_reached"}
    code, why = road.why("many", "d4991")
    assert (code, why["outcome"], why["decided_at"]) == (0, "outranked", "pick")
    assert stops(why)["wanted"] == "accepted"
    code, why = road.why("many", "d5000")
    assert (code, why["outcome"], why["certainty"]) == (0, "never_retrieved", "known")
    assert road.findings("many") == []


def test_show_says_of_how_many_the_detail_was_kept(road: Road) -> None:
    code, shown = road.call("show", road.runs["many"])
    assert code == 0
    assert re.search(r"\d[\d,]* of 5,000 in detail, all named", " ".join(shown.split()))


def test_the_chosen_is_kept_however_many_were_not(road: Road) -> None:
    code, why = road.why("many", "d4999")
    assert (code, why["outcome"], why["certainty"]) == (0, "selected", "known")
    assert why["answer"].startswith("pick chose d4999")


def test_the_beginning_of_an_id_is_answered_with_the_ids_that_begin_so(road: Road) -> None:
    code, why = road.why("silent_cut", "D-25")
    assert (code, why["similar"]) == (0, ["d25"])
    code, why = road.why("shop", "desk")
    assert (code, why["outcome"], why["similar"]) == (0, "never_retrieved", ["desk lamp"])
    assert why["answer"] == (
        'No step of this run recorded desk: it was never retrieved. Did you mean "desk lamp"?'
    )


def test_a_run_that_is_not_there_is_one_sentence_and_1(road: Road) -> None:
    code, said = road.call("why", "ffff", "p1", expect_error=True)
    assert (code, said) == (
        1,
        "xray: No run begins with 'ffff'. `xray runs` lists the runs there are.\n",
    )
