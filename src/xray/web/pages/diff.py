"""Two runs side by side: where they part first, what each was given, who fared otherwise."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from starlette.requests import Request

from xray import reading
from xray.model.differences import Move, MoveKind, Moves, RunDiff, StepDiff, StepSide
from xray.model.records import Run
from xray.model.sayings import shorten_ids
from xray.questions import diff_request
from xray.reading import Parameters
from xray.store.protocol import Store
from xray.web.addresses import diff_page, run_page, runs_page
from xray.web.asked import read_asked
from xray.web.charts.diverging import Funnels, Wings, lay_funnels, lay_wings
from xray.web.page import Call, Link, Page
from xray.web.pages.counterparts import Counterpart, find_counterparts, read_run_id
from xray.web.site import site_of

FUNNEL_WIDTH: Final = 66.0
TIME_WIDTH: Final = 38.0
REASON_WIDTH: Final = 90.0
SHOWN_MOVES: Final = 6
_SIDES: Final = ("a", "b")
KINDS: Final[dict[MoveKind, str]] = {
    "newly_rejected": "kept in A, dropped in B",
    "newly_kept": "dropped in A, kept in B",
    "reason_changed": "dropped in both, for another reason",
    "only_in_a": "came to this step in A only",
    "only_in_b": "came to this step in B only",
    "rank_moved": "ranked elsewhere",
    "score_changed": "scored otherwise",
}


@dataclass(frozen=True, slots=True)
class PickModel:
    """Runs that are still to be named.

    Args:
        a: what was given for A; empty where nothing was.
        b: the same for B.
        counterparts: runs that the one given is worth comparing with.
    """

    a: str
    b: str
    counterparts: Sequence[Counterpart]


@dataclass(frozen=True, slots=True)
class ReasonRow:
    """How many candidates were rejected for one reason in A and in B."""

    reason: str
    a: int
    b: int
    wings: Wings


@dataclass(frozen=True, slots=True)
class MoveRow:
    """One candidate that fared otherwise.

    Args:
        move: the candidate, as it stood in both.
        climbed: how many ranks it stands higher in B; None where one of the two has none.
        drift: how much higher its score is in B; None where one of the two has none.
    """

    move: Move
    climbed: int | None
    drift: float | None


@dataclass(frozen=True, slots=True)
class MovesRow:
    """Candidates that fared otherwise in the same way.

    Args:
        said: in which way.
        moves: how many, and which.
        rows: some of them.
        more: how many others there are.
    """

    said: str
    moves: Moves
    rows: Sequence[MoveRow]
    more: int


@dataclass(frozen=True, slots=True)
class StepRow:
    """One step in both runs.

    Args:
        diff: how it differs.
        anchor: where on the page its differences stand.
        is_first: it is the first that differs.
        funnels: how many came in and went on, back to back.
        times: how long it took.
        reasons: the reasons whose numbers differ.
        moves: who fared otherwise.
    """

    diff: StepDiff
    anchor: str
    is_first: bool
    funnels: Funnels
    times: Wings
    reasons: Sequence[ReasonRow]
    moves: Sequence[MovesRow]


@dataclass(frozen=True, slots=True)
class DiffModel:
    """How two runs differ.

    Args:
        diff: the answer.
        runs: A and B.
        short_ids: as much of their ids as tells them apart.
        is_same_input: both were given the same.
        rows: every step of either.
        swapped: the page that says how A differs from B.
        funnel_width: how long the greatest count is drawn.
        time_width: how long the longest time is.
        reason_width: how long the commonest reason of a step is.
        shown_moves: how many candidates that fared otherwise stand unfolded.
    """

    diff: RunDiff
    runs: tuple[Run, Run]
    short_ids: tuple[str, str]
    is_same_input: bool
    rows: Sequence[StepRow]
    swapped: str
    funnel_width: float = FUNNEL_WIDTH
    time_width: float = TIME_WIDTH
    reason_width: float = REASON_WIDTH
    shown_moves: int = SHOWN_MOVES

    @property
    def differing(self) -> list[StepRow]:
        """The steps that differ, in order."""
        return [row for row in self.rows if not row.diff.is_same]

    @property
    def unknown(self) -> list[StepDiff]:
        """The steps of which not everything could be compared."""
        return [row.diff for row in self.rows if row.diff.certainty == "unknown"]


async def draw_diff(request: Request) -> Page:
    """The page that says how two runs differ; without two, the page that asks for them."""
    asked = read_asked(request)
    site = site_of(request)
    now_us = site.clock.wall_us()
    named = dict(asked)
    if not all(named.get(side) for side in _SIDES):
        return await _draw_pick(request, named, now_us)
    model = await site.read(lambda store: model_diff(store, asked))
    pipeline = model.diff.b.pipeline
    a, b = model.diff.a.run_id, model.diff.b.run_id
    short_a, short_b = model.short_ids
    return Page(
        template="diff.html",
        title=f"{short_a} and {short_b}: what differs in {pipeline}",
        model=model,
        section="runs",
        calls=(Call(*diff_request(a, b), f"client.diff({a!r}, {b!r})"),),
        trail=(
            Link("Runs", runs_page()),
            Link(pipeline, runs_page(pipeline=pipeline)),
            Link(short_b, run_page(b)),
        ),
    )


async def _draw_pick(request: Request, named: dict[str, str], now_us: int) -> Page:
    a, b = (named.get(side, "") for side in _SIDES)

    def find(store: Store) -> list[Counterpart]:
        if not (a or b):
            return []
        return find_counterparts(store, reading.find_run(store, read_run_id(store, a or b)), now_us)

    counterparts = await site_of(request).read(find)
    return Page(
        template="diff_pick.html",
        title="Compare two runs",
        model=PickModel(a, b, counterparts),
        section="runs",
        trail=(Link("Runs", runs_page()),),
    )


def model_diff(store: Store, asked: Parameters) -> DiffModel:
    """What the page of two runs shows; each is named by its id or the beginning of it."""
    whole = [
        (name, read_run_id(store, value) if name in _SIDES else value) for name, value in asked
    ]
    diff = reading.diff_runs(store, whole)
    a, b = (reading.find_run(store, side.run_id) for side in (diff.a, diff.b))
    ids = shorten_ids([a.run_id, b.run_id])
    return DiffModel(
        diff=diff,
        runs=(a, b),
        short_ids=(ids[a.run_id], ids[b.run_id]),
        is_same_input=not any(_is_below(change.path, "input") for change in diff.changes),
        rows=_rows(diff),
        swapped=diff_page(b.run_id, a.run_id),
    )


def _is_below(path: str, name: str) -> bool:
    return path == name or path.startswith((f"{name}.", f"{name}["))


def _rows(diff: RunDiff) -> list[StepRow]:
    funnels = lay_funnels([(step.a, step.b) for step in diff.steps], FUNNEL_WIDTH)
    times = lay_wings([(_duration(step.a), _duration(step.b)) for step in diff.steps], TIME_WIDTH)
    return [
        StepRow(
            diff=step,
            anchor=f"step-{place}",
            is_first=place == diff.first_divergence,
            funnels=funnels[place],
            times=times[place],
            reasons=_reasons(step),
            moves=[_describe(moves) for moves in step.moves],
        )
        for place, step in enumerate(diff.steps)
    ]


def _duration(side: StepSide | None) -> float | None:
    return None if side is None else side.duration_ms


def _reasons(step: StepDiff) -> list[ReasonRow]:
    wings = lay_wings([(shift.a, shift.b) for shift in step.reasons], REASON_WIDTH)
    return [
        ReasonRow(shift.reason, shift.a, shift.b, bar)
        for shift, bar in zip(step.reasons, wings, strict=True)
    ]


def _describe(moves: Moves) -> MovesRow:
    return MovesRow(
        said=KINDS[moves.kind],
        moves=moves,
        rows=[_measure(move) for move in moves.examples],
        more=moves.count - len(moves.examples),
    )


def _measure(move: Move) -> MoveRow:
    a, b = move.a, move.b
    if a is None or b is None:
        return MoveRow(move, None, None)
    has_ranks = a.rank is not None and b.rank is not None
    has_scores = a.score is not None and b.score is not None
    return MoveRow(
        move,
        (a.rank or 0) - (b.rank or 0) if has_ranks else None,
        (b.score or 0.0) - (a.score or 0.0) if has_scores else None,
    )
