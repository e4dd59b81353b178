"""Which other runs a run is worth comparing with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from xray.errors import InvalidQueryError, NotFoundError
from xray.model.clock import to_wall_us
from xray.model.ids import parse_uuid
from xray.model.records import Run
from xray.query.plan import AllOf, Comparison, Condition, FieldRef, Plan
from xray.store.protocol import Store
from xray.web.addresses import diff_page

_LOOKED_AT: Final = 20
_PIPELINE: Final = FieldRef("run", "pipeline")
_STARTED: Final = FieldRef("run", "started_at")
_VERSION: Final = FieldRef("run", "version")


@dataclass(frozen=True, slots=True)
class Counterpart:
    """A run that another is compared with.

    Args:
        text: which one it is.
        run: the run.
        href: the page that compares them, the older one first.
    """

    text: str
    run: Run
    href: str


def find_counterparts(store: Store, run: Run, now_us: int) -> list[Counterpart]:
    """The run before *run* in its pipeline, and the last one of another version.

    Of the nearest twenty the first that was given the same is preferred: what differs between two
    runs on one input is the pipeline's doing.
    """
    started_us = to_wall_us(run.started_at)
    of_pipeline = Comparison(_PIPELINE, "=", run.pipeline)
    before = AllOf((of_pipeline, Comparison(_STARTED, "<", started_us)))
    found = [
        _choose(run, _list(store, before, now_us), "the run before", "the last run on this input")
    ]
    if run.version is not None:
        other = AllOf((of_pipeline, Comparison(_VERSION, "!=", run.version)))
        runs = _list(store, other, now_us)
        found.append(_choose(run, runs, "version {}", "version {} on this input"))
    chosen = {one.run.run_id: one for one in found if one is not None}
    return list(chosen.values())


def _list(store: Store, where: Condition, now_us: int) -> Sequence[Run]:
    plan = Plan(scope="run", where=where, limit=_LOOKED_AT, now_us=now_us)
    return store.runs(plan).items


def _choose(run: Run, others: Sequence[Run], said: str, said_of_same: str) -> Counterpart | None:
    others = [one for one in others if one.run_id != run.run_id]
    if not others:
        return None
    same = [one for one in others if run.input is not None and one.input == run.input]
    other = (same or others)[0]
    older, newer = sorted((run, other), key=lambda one: (one.started_at, one.run_id))
    text = (said_of_same if same else said).format(other.version)
    return Counterpart(text, other, diff_page(older.run_id, newer.run_id))


def read_run_id(store: Store, text: str) -> str:
    """The id of the run that *text* is, or begins as no other does.

    Raises:
        InvalidQueryError: several runs begin so.
        NotFoundError: none does.
    """
    whole = parse_uuid(text)
    if whole is not None:
        return whole
    found = store.run_ids(text.lower(), 2)
    if not found:
        raise NotFoundError(
            f"No run's id begins with {text[:100]!r}.",
            hint="The list of runs shows the ids there are.",
            code="run_not_found",
        )
    if len(found) > 1:
        raise InvalidQueryError(
            f"Several runs' ids begin with {text[:100]!r}.",
            hint="Give more of the id.",
            code="invalid_id",
        )
    return found[0]
