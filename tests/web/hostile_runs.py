"""Runs all of whose texts, keys and ids are hostile, recorded by both ways there are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import xray
from tests.contract.http.api import Api
from tests.web.hostile_strings import HOSTILE
from xray import XRay
from xray.client import Client

PIPELINE, BEFORE, AFTER, REASON, CHECK = HOSTILE[1], HOSTILE[2], HOSTILE[90], HOSTILE[12], '"><b>x'
RUNS = 3


@dataclass(frozen=True)
class Hostile:
    """A server whose runs are hostile.

    Args:
        url: where it listens.
        api: talks to it.
        before: a run of one version with every text as a candidate.
        after: the same of another version.
        single: runs by the text that is each of their fields.
    """

    url: str
    api: Api
    before: str
    after: str
    single: dict[str, str]

    def steps(self, run_id: str) -> list[str]:
        """The ids of a run's steps."""
        return [step["step_id"] for step in self.api.get(f"/v1/runs/{run_id}").json["steps"]]


def record_hostile(url: str, api: Api) -> Hostile:
    """Send them to the server at *url*."""
    runs: dict[str, list[str]] = {}
    for version, limit in ((BEFORE, 150), (AFTER, 90)):
        pipeline = XRay(PIPELINE, url=url, version=version, environment=version, capture="full")
        runs[version] = [record_all(pipeline, limit) for _ in range(RUNS)]
    assert xray.flush(timeout_s=60).is_complete
    single = {text: post_one(api, text) for text in HOSTILE}
    with Client(url) as client:
        for number, text in enumerate(HOSTILE):
            label = "good" if number % 3 else "bad"
            client.label(runs[AFTER][0], label, candidate=text, note=text, by=text[:100])
        client.label(runs[AFTER][0], "bad", note=HOSTILE[5])
    return Hostile(url, api, runs[BEFORE][0], runs[AFTER][0], single)


def record_all(pipeline: XRay, limit: int) -> str:
    """A run in which every text is a candidate, a key, a reason and more besides."""
    everything = {text: text for text in HOSTILE}
    run = pipeline.run(
        input={"same": PIPELINE},
        metadata=everything,
        params=everything,
        tags=list(HOSTILE[:40]),
        correlation={"order": HOSTILE[3]},
    )
    with run:
        with run.step(HOSTILE[10], step_type="generate", input=everything) as step:
            for text in HOSTILE[:20]:
                step.accept(text)
            step.set_output(list(HOSTILE))
        with run.step(HOSTILE[11], step_type="retrieve", params=everything) as step:
            for number, text in enumerate(HOSTILE):
                step.accept(
                    text, attributes={text: text, REASON: text}, origin=HOSTILE[number % 20]
                )
        with run.step(HOSTILE[12], step_type="filter") as step:
            for number, text in enumerate(HOSTILE):
                step.check(text, HOSTILE[number], text, "==", text, field=text)
                if step.check(text, CHECK, number, "<=", limit, field=REASON):
                    step.accept(text, reasoning=text)
                else:
                    reason = REASON if number % 2 else text
                    step.reject(text, reason, {text: text}, text, {text: 0.5})
        with run.step(HOSTILE[13], step_type="rank") as step:
            for rank, text in enumerate(HOSTILE[:limit], 1):
                step.accept(text, score={text: 1 / rank, "total": 1 / rank}, rank=rank)
        with run.step(HOSTILE[14], step_type="select") as step:
            step.select(HOSTILE[limit - 5], score=0.9, reasoning=HOSTILE[4])
        run.set_output({HOSTILE[6]: HOSTILE[7]})
    return str(run.run_id)


def post_one(api: Api, text: str) -> str:
    """A failed run all of whose fields are *text*."""
    error = {"type": text, "message": text}
    step: dict[str, Any] = {
        "name": text,
        "step_type": "filter",
        "params": {text: text},
        "input": {text: text},
        "output": text,
        "stats": {text: 1},
        "error": error,
        "decisions": [
            {
                "candidate_id": text,
                "decision": "rejected",
                "reason": text,
                "reasoning": text,
                "score": 0.5,
                "attributes": {text: text},
                "origin": text,
                "by": text,
                "part_of": text,
                "checks": [
                    {
                        "name": text,
                        "field": text,
                        "op": "==",
                        "observed": text,
                        "limit": f"{text} ",
                        "passed": False,
                    }
                ],
            }
        ],
    }
    return api.create_run(
        pipeline=text,
        version=text,
        environment=text,
        status="failed",
        tags=[text],
        metadata={text: text},
        params={text: text},
        correlation={"order": text[:100]},
        input={text: text},
        output={text: text},
        error=error,
        steps=[step],
    )
