"""A shop's search for shoes, recorded in two versions, the second of which is stricter."""

from __future__ import annotations

from dataclasses import dataclass

import xray
from tests.contract.http.api import Api
from xray import XRay
from xray.client import Client

RUNS = 30
SHOES = 20
INPUTS = 15
LABELS = {1: "good", 3: "bad", 9: "good", 10: "bad", 11: "good"}
LIMITS = {"1.4": 120, "1.5": 70}


@dataclass(frozen=True)
class Shop:
    """A server with the shop's runs.

    Args:
        url: where it listens.
        api: talks to it.
        before: a run of version 1.4.
        after: a run of version 1.5 on the same input.
        unnamed: a run that kept counts only.
        large: a run of 3,000 shoes of which a sample was kept.
        chained: a run in which words brought questions, and these brought passages.
        labelled: a run of version 1.5 of whose shoes some are labelled.
    """

    url: str
    api: Api
    before: str
    after: str
    unnamed: str
    large: str
    chained: str
    labelled: str

    def step(self, run_id: str, name: str) -> str:
        """The id of a run's step."""
        steps = self.api.get(f"/v1/steps?run_id={run_id}").json["steps"]
        return next(step["step_id"] for step in steps if step["name"] == name)


def record_shop(url: str, api: Api) -> Shop:
    """Send the shop's runs to the server at *url*."""
    runs: dict[str, list[str]] = {}
    for version, limit in LIMITS.items():
        pipeline = XRay("shoes", url=url, version=version)
        runs[version] = [search(pipeline, number, limit) for number in range(RUNS)]
    unnamed = search(XRay("quiet_shoes", url=url, capture="minimal"), 0, 90)
    large = search(XRay("many_shoes", url=url), 0, 90, shoes=3_000)
    chained = look_up(XRay("handbook", url=url))
    assert xray.flush(timeout_s=30)
    labelled = runs["1.5"][7]
    with Client(url) as client:
        for place, label in LABELS.items():
            client.label(labelled, label, candidate=f"shoe_7_{place}", note="by eye")
    return Shop(url, api, runs["1.4"][0], runs["1.5"][0], unnamed, large, chained, labelled)


def look_up(pipeline: XRay) -> str:
    """Make two questions of each word, find ten passages for each question, and choose one."""
    with pipeline.run(input={"words": ["boot", "sole"]}) as run:
        with run.step("words", step_type="generate") as step:
            for word in ("boot", "sole"):
                step.accept(word)
        with run.step("ask", step_type="generate") as step:
            questions = {f"{word}?{place}": word for word in ("boot", "sole") for place in range(2)}
            for question, word in questions.items():
                step.accept(question, origin=word)
        with run.step("find", step_type="retrieve") as step:
            for question in questions:
                for place in range(10):
                    step.accept(f"{question}/{place}", origin=question)
        with run.step("choose", step_type="select") as step:
            for question in questions:
                for place in range(10):
                    passage = f"{question}/{place}"
                    if passage == "boot?1/7":
                        step.select(passage)
                    else:
                        step.reject(passage, "not_selected")
    return str(run.run_id)


def search(pipeline: XRay, number: int, limit: int, shoes: int = SHOES) -> str:
    """Find shoes, keep the cheap and good ones, rank them, and choose one."""
    kind = number % INPUTS
    with pipeline.run(input={"query": kind}) as run:
        with run.step("words", step_type="generate") as step:
            step.accept("shoe")
            step.accept("boot")
        found = {f"shoe_{kind}_{place}": place for place in range(shoes)}
        with run.step("search", step_type="retrieve") as step:
            for shoe, place in found.items():
                step.accept(shoe, origin="boot" if place % 4 == 0 else "shoe")
        kept: dict[str, int] = {}
        with run.step("filter", step_type="filter", params={"limit": limit}) as step:
            for shoe, place in found.items():
                price = 40 + 5 * (place % SHOES) + number % 5
                is_cheap = step.check(shoe, "price_too_high", price, "<=", limit, field="price")
                rating = 3 + place * 7 % 20 / 10
                is_good = step.check(shoe, "rating_too_low", rating, ">=", 3.4, field="rating")
                if is_cheap and is_good:
                    kept[shoe] = price
                    step.accept(shoe)
                else:
                    step.reject(shoe)
        with run.step("rank", step_type="rank") as step:
            for place, (shoe, price) in enumerate(sorted(kept.items(), key=lambda one: -one[1]), 1):
                if place <= 5:
                    step.accept(shoe, score=price / 200, rank=place)
                else:
                    step.reject(shoe, "below_cut", score=price / 200, rank=place)
        with run.step("choose", step_type="select") as step:
            best = max(kept, key=lambda shoe: (kept[shoe], shoe))
            step.select(best, score=0.9)
            run.set_output({"chosen": best})
    return str(run.run_id)
