"""Whether today's code decides as it did about what a recorded step, or run, was given."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from msgspec import Struct

from xray.client import Client
from xray.forensics.replay import compare_ends, compare_replay, word_replay
from xray.local import LocalClient
from xray.model.differences import StepDiff
from xray.model.facts import Fact
from xray.model.replay import Replay
from xray.replaying.arguments import Call, bind_arguments
from xray.replaying.calling import Rerun, make_call
from xray.replaying.code import find_code
from xray.replaying.recorded import read_recorded
from xray.replaying.requests import ReplayRequest
from xray.wire.address import names_file


class Performed(Struct, frozen=True):
    """A replay, and what its first call recorded."""

    replay: Replay
    facts: list[Fact]


def replay(
    run: str,
    step: str | None = None,
    function: Callable[..., Any] | str | None = None,
    /,
    *,
    client: Client | str | None = None,
    times: int | None = None,
    timeout_s: float | None = None,
    **params: Any,
) -> Replay:
    """Whether today's code decides as it did about what a recorded step, or run, was given.

        assert xray.replay("0198f2c1", "price", keep_affordable).is_same
        xray.replay("last", "price", limit=120).steps[0].moves

    The function is called here, with the arguments that were captured, and does whatever it does;
    only what it records stays in memory. An exception that leaves it is a part of the result.

    Args:
        run: the recorded run: an id, a unique prefix of one, or `last`.
        step: the step's name, `name#2` for the second so called, or its id; None for the run.
        function: today's function, or where it is: `module:function`, `file.py:function`; None
            looks where the recorded one was.
        client: whom to ask for the run: a client, or the URL of a server or a database file;
            `XRAY_URL` when absent.
        times: how often to replay; by default once, and once more where that differs, to see
            whether today's code agrees with itself.
        timeout_s: how long one call may take.
        params: arguments given in place of recorded ones.

    Raises:
        NotFoundError: there is no such run or step.
        NotReplayableError: what was captured does not suffice; it says what is missing.
    """
    request = ReplayRequest(
        run=run, step=step, code=function, objects=params, times=times, timeout_s=timeout_s
    )
    if isinstance(client, Client):
        return perform(client, request).replay
    with _open_client(client or os.environ.get("XRAY_URL")) as opened:
        return perform(opened, request).replay


def _open_client(url: str | None) -> Client:
    return LocalClient(url) if url and names_file(url) else Client(url)


def perform(client: Client, request: ReplayRequest) -> Performed:
    """Do what *request* asks for.

    Raises:
        NotFoundError: there is no such run or step.
        NotReplayableError: what was captured does not suffice; it says what is missing.
    """
    recorded = read_recorded(client, request.run, request.step)
    code = find_code(request.code, recorded.code, recorded.name)

    def call_again() -> tuple[Call, Rerun]:
        # Bound anew each time: a call may change what it is given.
        call = bind_arguments(code, recorded, request)
        return call, make_call(call, recorded, request.timeout_s)

    call, first = call_again()
    steps = compare_replay(recorded.evidence, first.evidence)
    changes = [] if recorded.step else compare_ends(recorded.run, first.evidence.run)
    is_same = not changes and all(step.is_same for step in steps)
    times = request.times or (1 if is_same else 2)
    unsettled: list[StepDiff] = []
    notes = call.notes if is_same else [*call.notes, *call.doubts]
    ends = set[str]()
    for _ in range(times - 1):
        again = call_again()[1].evidence
        unsettled += [one for one in compare_replay(first.evidence, again) if not one.is_same]
        if recorded.step is None:
            ends.update(one.path for one in compare_ends(first.evidence.run, again.run))
    if ends:
        notes = [*notes, f"Today's code ends otherwise each time: {', '.join(sorted(ends)[:3])}."]
    because = "; ".join(dict.fromkeys(step.because for step in steps if step.because))
    return Performed(
        Replay(
            run_id=recorded.run.run_id,
            pipeline=recorded.run.pipeline,
            step=None if recorded.step is None else recorded.step.name,
            step_id=None if recorded.step is None else recorded.step.step_id,
            code=code.name,
            answer=word_replay(recorded.name, changes, steps, unsettled, call.changed, times),
            is_same=is_same,
            changed=call.changed,
            changes=changes,
            steps=steps,
            times=times,
            unsettled=unsettled,
            notes=notes,
            certainty="unknown" if because else "known",
            because=because,
        ),
        first.facts,
    )
