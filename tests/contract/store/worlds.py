"""Generated facts for stores, hostile on purpose, and all that can be asked about them."""

from __future__ import annotations

import math
from collections.abc import Sequence

import msgspec
from hypothesis import strategies as st
from msgspec import Raw

from xray.model.facts import (
    NIL,
    Check,
    DecisionRow,
    ErrorInfo,
    Fact,
    OriginRef,
    Reservoir,
    RosterGroup,
    RunFinished,
    RunPatched,
    RunStarted,
    StepFinished,
    StepRoster,
    StepRows,
    Tally,
)
from xray.model.fates import Fate
from xray.query.plan import AllOf, Comparison, FieldRef, Plan
from xray.store.protocol import Store

NOW_US = 1_767_225_600_000_000
DAY_US = 24 * 3600 * 1_000_000
RUN_IDS = tuple(f"0190a000-0000-7000-8000-00000000000{digit}" for digit in "123a")
STEP_IDS = tuple(f"0190b000-0000-7000-8000-00000000000{digit}" for digit in "12345f")
CANDIDATES = ("a", "b", "B", "ä", "\x00nul", "a\x00", "", "c" * 512)
TEXTS = ("", "a", "b", "B", "filter", "ä", "𝕏", "a\x00b", "a\x00", 'quote"', "1", "true", "null")

_decoder = msgspec.msgpack.Decoder(Fact)

_ROSTER_CHUNKS = {
    (STEP_IDS[0], 1): (CANDIDATES[:4], 3, 5),
    (STEP_IDS[0], 2): (CANDIDATES[4:], 2, 5),
    (STEP_IDS[1], 1): (CANDIDATES, 4, 4),
}
"""By step and chunk: which candidates it may name, how many of them, and the roster's total."""

times = st.sampled_from(
    [0, NOW_US - 2 * DAY_US, NOW_US - DAY_US, NOW_US - DAY_US - 1, NOW_US - 5, NOW_US]
)
texts = st.sampled_from(TEXTS)
optional_texts = st.none() | texts
numbers = st.sampled_from(
    [0, 1, -1, 5, 2**53, 2**53 + 1, 2**63 - 1, 2**64 - 1, -(2**63), 0.0, 0.1, 0.5, 1e300,
     5e-324, 9007199254740993.0, math.inf, -math.inf, math.nan]
)  # fmt: skip
plain = st.one_of(st.none(), st.booleans(), numbers, texts, st.binary(max_size=3))
values = st.recursive(
    plain,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=5,
)
maps = st.dictionaries(st.sampled_from(["x", "y", "a\x00b", 'quote"', "$xray"]), values, max_size=4)
counts = st.one_of(st.none(), st.sampled_from([0, 1, 7, 2**63 - 1]))
durations = st.one_of(st.none(), st.sampled_from([0.0, 0.5, 1.0, 1e15]))
scores = st.one_of(
    st.none(),
    st.sampled_from([0.0, 0.5, 1.0, math.inf, math.nan]),
    st.dictionaries(st.sampled_from(["score", "z"]), st.floats(), max_size=2),
)


def packed(strategy: st.SearchStrategy[object]) -> st.SearchStrategy[Raw]:
    """Free-form values as they travel."""
    return st.just(NIL) | strategy.map(lambda value: Raw(msgspec.msgpack.encode(value)))


errors = st.none() | st.builds(ErrorInfo, type=texts, message=texts)
rows = st.builds(
    DecisionRow,
    verdict=st.integers(0, 3),
    candidate_id=st.sampled_from(CANDIDATES),
    reason=optional_texts,
    attributes=packed(maps),
    score=scores,
    reasoning=optional_texts,
    rank=st.none() | st.integers(-2, 9),
    origin=st.none() | st.lists(st.builds(OriginRef, st.sampled_from(CANDIDATES)), max_size=2),
    checks=st.none()
    | st.lists(st.builds(Check, texts, texts, optional_texts, plain, values), max_size=2),
    by=st.none() | st.sampled_from(["q1", "q2"]),
    part_of=optional_texts,
    rank_before=st.none() | st.integers(0, 9),
    merged_into=st.none() | st.sampled_from(CANDIDATES),
    is_anonymous=st.booleans(),
)
row_lists = st.lists(rows, max_size=6)
tallies = st.none() | st.builds(
    Tally,
    rejected=st.integers(0, 9),
    accepted=st.integers(0, 9),
    selected=st.integers(0, 2),
    reasons=st.dictionaries(texts, st.integers(0, 9), max_size=3),
)
reservoirs = st.lists(
    st.builds(Reservoir, st.integers(0, 2), optional_texts, st.integers(1, 99), row_lists),
    max_size=2,
)
tags = st.lists(texts, max_size=3)
correlations = st.dictionaries(texts, texts, max_size=2)


def runs_started(run_id: str) -> st.SearchStrategy[Fact]:
    """The start of a run."""
    return st.builds(
        RunStarted,
        run_id=st.just(run_id),
        pipeline=texts,
        started_at_us=times,
        input=packed(values),
        metadata=packed(maps),
        params=packed(values),
        tags=tags,
        correlation=correlations,
        repository=optional_texts,
        version=optional_texts,
        environment=optional_texts,
        key=optional_texts,
        attempt=st.integers(1, 3),
        weight=st.sampled_from([0.5, 1.0, 100.0]),
    )


def runs_finished(run_id: str) -> st.SearchStrategy[Fact]:
    """The end of a run."""
    return st.builds(
        RunFinished,
        run_id=st.just(run_id),
        status=st.sampled_from(["running", "completed", "failed", "cancelled", "abandoned"]),
        duration_ms=durations,
        output=packed(values),
        error=errors,
        metadata=packed(maps),
        tags=tags,
        correlation=correlations,
        omissions=st.dictionaries(texts, st.integers(0, 5), max_size=2),
    )


def runs_patched(run_id: str) -> st.SearchStrategy[Fact]:
    """A change to a run."""
    return st.builds(
        RunPatched,
        run_id=st.just(run_id),
        status=st.sampled_from([None, "running", "completed", "abandoned"]),
        duration_ms=durations,
        output=packed(values),
        error=errors,
        metadata=packed(maps),
        tags=st.none() | tags,
        correlation=correlations,
    )


def steps_finished(step_id: str) -> st.SearchStrategy[Fact]:
    """A step of any run."""
    return st.builds(
        StepFinished,
        run_id=st.sampled_from(RUN_IDS),
        step_id=st.just(step_id),
        pipeline=texts,
        name=texts,
        step_type=st.sampled_from(["filter", "rank", "generate", "select", "custom"]),
        ordinal=st.integers(0, 2),
        started_at_us=times,
        duration_ms=durations,
        status=st.sampled_from(["completed", "failed"]),
        declared_type=optional_texts,
        parent_step_id=st.none() | st.sampled_from(STEP_IDS),
        attempt=st.integers(1, 2),
        params=packed(values),
        input=packed(values),
        output=packed(values),
        input_count=counts,
        output_count=counts,
        stats=packed(maps),
        capture=st.sampled_from(["minimal", "sample", "full"]),
        error=errors,
        rows=row_lists,
        reservoirs=reservoirs,
        logged=row_lists,
        tally=tallies,
        omissions=st.dictionaries(texts, st.integers(0, 5), max_size=2),
    )


def chunks_of(step_id: str, chunk: int) -> st.SearchStrategy[Fact]:
    """More rows of a step."""
    return st.builds(
        StepRows,
        run_id=st.sampled_from(RUN_IDS),
        step_id=st.just(step_id),
        chunk=st.just(chunk),
        rows=row_lists,
    )


@st.composite
def rosters_of(draw: st.DrawFn, step_id: str, chunk: int) -> Fact:
    """A chunk of a step's roster; all chunks of a step agree about its total."""
    names, size, total = _ROSTER_CHUNKS[step_id, chunk]
    ids = draw(st.lists(st.sampled_from(names), min_size=size, max_size=size, unique=True))
    fates = st.tuples(
        st.integers(0, 2),
        optional_texts,
        st.none() | st.lists(st.builds(OriginRef, st.sampled_from(CANDIDATES)), max_size=2),
        st.none() | st.sampled_from(["q1", "q2"]),
    )
    groups = [RosterGroup(*draw(fates), ids=[name]) for name in ids]
    run_id = draw(st.sampled_from(RUN_IDS))
    return StepRoster(run_id=run_id, step_id=step_id, chunk=chunk, total=total, groups=groups)


@st.composite
def worlds(draw: st.DrawFn) -> list[Fact]:
    """Facts about a few runs and steps, each at most once, as a decoder gives them."""
    kinds = [
        *(kind(run_id) for run_id in RUN_IDS for kind in (runs_started, runs_finished)),
        *(runs_patched(run_id) for run_id in RUN_IDS),
        *(steps_finished(step_id) for step_id in STEP_IDS),
        *(chunks_of(step_id, chunk) for step_id in STEP_IDS[:2] for chunk in (1, 2)),
        *(rosters_of(step_id, chunk) for step_id, chunk in _ROSTER_CHUNKS),
    ]
    chosen = draw(st.lists(st.sampled_from(kinds), max_size=12, unique_by=id))
    return as_received([draw(kind) for kind in chosen])


def as_received(facts: Sequence[Fact]) -> list[Fact]:
    """The facts as a decoder of the wire gives them."""
    return [_decoder.decode(msgspec.msgpack.encode(fact)) for fact in facts]


def everything(store: Store) -> dict[str, object]:
    """All that *store* answers about the ids of a world, in a form that compares NaN."""
    told: dict[str, object] = {"ids": store.run_ids("")}
    for run_id in RUN_IDS:
        told[f"run {run_id}"] = repr(store.run(run_id))
        told[f"steps {run_id}"] = repr(store.steps_of_run(run_id))
        told[f"decisions {run_id}"] = _decisions(store, "run_id", run_id)
    for step_id in STEP_IDS:
        table = store.decisions_of_step(step_id)
        told[f"step {step_id}"] = repr(store.step(step_id))
        told[f"rows {step_id}"] = repr(list(table))
        told[f"columns {step_id}"] = repr(
            [table.candidate_ids, table.verdicts, table.logged, table.partitions, table.wholes]
        )
        told[f"decisions {step_id}"] = _decisions(store, "step_id", step_id)
        told[f"roster {step_id}"] = _roster(store, step_id)
        for candidate_id in CANDIDATES:
            named = AllOf(
                (
                    Comparison(FieldRef("decision", "step_id"), "=", step_id),
                    Comparison(FieldRef("decision", "candidate_id"), "=", candidate_id),
                )
            )
            page = store.decisions(Plan(scope="decision", where=named))
            told[f"fate of {candidate_id} in {step_id}"] = sorted(map(repr, page.items))
    for candidate_id in CANDIDATES:
        told[f"candidate {candidate_id}"] = _decisions(store, "candidate_id", candidate_id)
    told["runs"] = repr(store.runs(Plan(scope="run", now_us=NOW_US)))
    told["steps"] = repr(store.steps(Plan(scope="step", now_us=NOW_US)))
    return told


def _roster(store: Store, step_id: str) -> object:
    roster = store.roster_of_step(step_id)
    if roster is None:
        return None
    found = {name: sorted(map(repr, roster.find(name))) for name in CANDIDATES}
    return roster.total, roster.held, roster.is_complete, found, repr(_sorted(roster.counts()))


def _sorted(counts: dict[Fate, int]) -> list[tuple[str, int]]:
    return sorted((repr(fate), count) for fate, count in counts.items())


def _decisions(store: Store, name: str, value: str) -> str:
    where = Comparison(FieldRef("decision", name), "=", value)
    return repr(store.decisions(Plan(scope="decision", where=where, limit=1000)))
