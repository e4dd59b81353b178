"""Adds steps to a run that another process started: by headers on its input, or by key."""

from __future__ import annotations

import json
import sys

import xray


def main() -> None:
    told = json.load(sys.stdin)
    attached = (
        xray.attach(told["headers"])
        if "headers" in told
        else xray.attach(told["pipeline"], key=told["key"])
    )
    with attached as run:
        run.set_metadata({told["name"]: "was here"})
        with run.step(f"retrieve {told['name']}", "retrieve") as step:
            for candidate in told["candidates"]:
                step.accept(candidate)
        with run.step(f"filter {told['name']}", "filter") as step:
            for candidate in told["candidates"]:
                if step.check(candidate, "price", len(candidate), "<=", 3):
                    step.accept(candidate)
                else:
                    step.reject(candidate)
    assert xray.flush(timeout_s=20).is_complete
    print(run.run_id)


main()
