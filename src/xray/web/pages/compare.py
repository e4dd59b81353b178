"""Two groups of runs side by side: what differs beyond what chance explains."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from starlette.requests import Request

from xray import reading
from xray.model.aggregates import Aggregate
from xray.model.comparison import Comparison, Difference, DifferenceKind, SettingDifference
from xray.model.sayings import say_duration, say_number
from xray.query.tokens import say_text
from xray.questions import compare_request
from xray.reading import Parameters
from xray.store.protocol import Store
from xray.web.addresses import compare_page, page_of, runs_page
from xray.web.charts.diverging import Lean, Wings, lay_lean, lay_wings
from xray.web.page import Call, Link, Page
from xray.web.site import site_of

WINGS_WIDTH: Final = 60.0
LEAN_WIDTH: Final = 40.0
_NUMBERS: Final[frozenset[DifferenceKind]] = frozenset(
    {"input_count", "output_count", "score", "stat", "repeats"}
)
_WHAT: Final[dict[DifferenceKind, str]] = {
    "duration": "time it took",
    "rejection_rate": "rejected",
    "precision": "good among the labelled it kept",
    "recall": "kept of those labelled good",
    "reason": "rejected for",
    "new_reason": "rejected for",
    "vanished_reason": "rejected for",
    "input_count": "came in",
    "output_count": "went on",
    "empty": "came out empty",
    "score": "score",
    "unscored": "gave no score",
    "stat": "stat",
    "failure": "failed",
    "error": "failed with",
    "lost": "never ended",
    "repeats": "times in a run",
    "new_step": "runs that have it",
    "vanished_step": "runs that have it",
}
_MEASURES: Final = {"median": "median run", "mean": "mean of runs", "share": "share of runs"}
_PROPOSED: Final = (
    ("What changed in the last day", "started_at < 24h and started_at > 8d", "started_at > 24h"),
    ("What failed runs have in common", "status = 'completed'", "status = 'failed'"),
    ("What runs labelled bad have in common", "label = 'good'", "label = 'bad'"),
)
_MAX_PAIRS: Final = 6
_LONG_MS: Final = 1_000.0


@dataclass(frozen=True, slots=True)
class Proposal:
    """Two groups that are worth comparing."""

    text: str
    href: str


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure that differs.

    Args:
        difference: the answer about it.
        what: which figure.
        a: it in A, in its unit.
        b: it in B.
        measure: how a group is summed up.
        change: from A to B.
        bounds: from where to where the change lies; empty where that is not known.
        wings: both figures as bars.
        lean: how far apart the groups are, and how far at least.
    """

    difference: Difference
    what: str
    a: str
    b: str
    measure: str
    change: str
    bounds: str
    wings: Wings
    lean: Lean


@dataclass(frozen=True, slots=True)
class CompareModel:
    """How two groups of runs differ.

    Args:
        a: the query of A.
        b: that of B.
        compared: the answer; None while no groups are named.
        ranked: what differs, the most telling first.
        by_step: the same, step by step.
        settings: what the runs were told otherwise.
        proposals: groups that are worth comparing.
        swapped: the page that says how A differs from B.
        next_page: goes on where the search stopped.
    """

    a: str
    b: str
    compared: Comparison | None
    ranked: Sequence[Figure] = ()
    by_step: Sequence[Figure] = ()
    settings: Sequence[SettingDifference] = ()
    proposals: Sequence[Proposal] = ()
    swapped: str = ""
    next_page: str | None = None
    wings_width: float = WINGS_WIDTH
    lean_width: float = LEAN_WIDTH


async def draw_compare(request: Request) -> Page:
    """The page that says how two groups of runs differ; without them, the page that asks."""
    # An empty query means all runs, so that empty fields count here.
    asked = [(name, value.strip()) for name, value in request.query_params.multi_items()]
    site = site_of(request)
    now_us = site.clock.wall_us()
    model = await site.read(lambda store: model_compare(store, asked, now_us))
    calls = (
        (
            Call(
                *compare_request(model.a, model.b),
                f"client.compare({model.a!r}, {model.b!r}, is_whole=False)",
            ),
        )
        if model.compared is not None
        else ()
    )
    return Page(
        template="compare.html",
        title="Two groups of runs compared",
        model=model,
        section="runs",
        calls=calls,
        trail=(Link("Runs", runs_page()),),
    )


def model_compare(store: Store, asked: Parameters, now_us: int) -> CompareModel:
    """What the page of two groups shows."""
    named = dict(asked)
    a, b = named.get("a", ""), named.get("b", "")
    if not (a or b) and "cursor" not in named:
        versions = reading.aggregate(
            store, [("of", "runs"), ("by", "pipeline"), ("by", "version")], now_us
        )
        return CompareModel(a, b, None, proposals=list_proposals(versions))
    compared = reading.compare_groups(store, [("a", a), ("b", b), *_others(asked)], now_us)
    ranked = [_measure(one) for one in compared.differences]
    return CompareModel(
        a=a,
        b=b,
        compared=compared,
        ranked=ranked,
        by_step=_group_by_step(ranked),
        settings=compared.settings,
        swapped=compare_page(b, a),
        next_page=page_of("/v1/compare", [("a", a), ("b", b), ("cursor", compared.next_cursor)])
        if compared.next_cursor
        else None,
    )


def _others(asked: Parameters) -> Parameters:
    return [pair for pair in asked if pair[0] not in ("a", "b")]


def _group_by_step(ranked: Sequence[Figure]) -> list[Figure]:
    """The figures of a step together, the step that differs most first."""
    places: dict[tuple[str, str | None], int] = {}
    for one in ranked:
        places.setdefault((one.difference.pipeline, one.difference.step), len(places))
    return sorted(ranked, key=lambda one: places[one.difference.pipeline, one.difference.step])


def list_proposals(versions: Aggregate) -> list[Proposal]:
    """Groups that are worth comparing: versions of a pipeline, and others that are always there.

    Args:
        versions: how many runs each version of each pipeline has.
    """
    known: dict[str, list[str]] = {}
    for one in versions.groups:
        pipeline, version = one.group.get("pipeline"), one.group.get("version")
        if isinstance(pipeline, str) and isinstance(version, str):
            known.setdefault(pipeline, []).append(version)
    pairs = [
        (pipeline, *sorted(found, key=_spell_version)[-2:])
        for pipeline, found in known.items()
        if len(found) > 1
    ]
    proposals = [
        Proposal(
            f"{pipeline}: version {new} against {old}",
            compare_page(_ask_version(pipeline, old), _ask_version(pipeline, new)),
        )
        for pipeline, old, new in pairs[:_MAX_PAIRS]
    ]
    return proposals + [Proposal(text, compare_page(a, b)) for text, a, b in _PROPOSED]


def _spell_version(version: str) -> list[tuple[int, str]]:
    """Versions in the order of their numbers: 1.10 after 1.9."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(
        r"(\d+)", version) if part]  # fmt: skip


def _ask_version(pipeline: str, version: str) -> str:
    return f"pipeline = {say_text(pipeline)} and version = {say_text(version)}"


def _measure(one: Difference) -> Figure:
    return Figure(
        difference=one,
        what=f"{_WHAT[one.kind]} {one.name}" if one.name else _WHAT[one.kind],
        a=_say(one.kind, one.a),
        b=_say(one.kind, one.b),
        measure=_MEASURES[one.measure],
        change="" if one.change is None else _say_change(one, one.change),
        bounds=""
        if one.least is None or one.most is None
        else f"{_say_change(one, one.least)} to {_say_change(one, one.most)}",
        wings=lay_wings([(max(0.0, one.a), max(0.0, one.b))], WINGS_WIDTH)[0],
        lean=lay_lean(one.effect, one.effect_least, LEAN_WIDTH),
    )


def _say(kind: DifferenceKind, figure: float) -> str:
    if kind == "duration":
        return f"{figure:.3g} ms" if figure < _LONG_MS else say_duration(figure)
    if kind in _NUMBERS:
        return say_number(float(f"{figure:.4g}"))
    return f"{figure * 100:.3g} %"


def _say_change(one: Difference, change: float) -> str:
    if one.scale == "times":
        return f"× {change:.3g}"
    sign = "+" if change > 0 else "−" if change < 0 else ""
    if one.kind in _NUMBERS:
        return f"{sign}{say_number(abs(float(f'{change:.4g}')))}"
    return f"{sign}{abs(change) * 100:.3g} points"
