"""Generated runs: complete pipelines that lose nothing, and arbitrary ones that obey no rule."""

from __future__ import annotations

from hypothesis import strategies as st
from msgspec.structs import replace

from tests.unit.small_runs import START_US, accept, reject, row, step
from xray.model.facts import EVIDENCE, Check, DecisionRow, OriginRef, Reservoir, StepFinished, Tally
from xray.model.vocabulary import STEP_TYPES

IDS = ("a", "b", "c", "d", "e", "f", "k", "Z z", "")

GONE = "018f0000-0000-7000-8000-00000000dead"
"""A step nobody recorded."""

candidate_ids = st.sampled_from(IDS)


@st.composite
def complete_pipelines(draw: st.DrawFn) -> list[StepFinished]:
    """A retriever or several, then steps that decide all they are offered and keep at least two."""
    count = draw(st.integers(2, 14))
    alive = [f"c{number}" for number in range(count)]
    overlap = draw(st.integers(0, count - 1))
    steps = [step("keywords", "generate", accept("k1", "k2"))]
    if draw(st.booleans()):
        steps.append(step("vector_search", "retrieve", accept(*alive[: overlap + 1])))
        steps.append(step("keyword_search", "retrieve", accept(*alive[overlap:])))
    else:
        steps.append(step("search", "retrieve", accept(*alive, origin="k1")))
    for number in range(draw(st.integers(1, 4))):
        kept = draw(st.integers(2, len(alive)))
        order = draw(st.permutations(alive))
        kind = draw(st.sampled_from(["filter", "rank"]))
        reason = draw(st.sampled_from(["price", "below_cut"]))
        decided = draw(
            st.permutations([*accept(*order[:kept]), *reject(*order[kept:], reason=reason)])
        )
        steps.append(step(f"step{number}", kind, decided))
        alive = list(order[:kept])
    return steps


def keeping_steps(steps: list[StepFinished]) -> list[int]:
    """The positions of the steps that keep or drop."""
    return [at for at, one in enumerate(steps) if one.step_type in ("filter", "rank")]


def without_candidate(
    steps: list[StepFinished], candidate_id: str, since: int
) -> list[StepFinished]:
    """The pipeline as it is when a candidate gets lost before the step at *since*."""
    return [
        replace(one, rows=[decided for decided in one.rows if decided.candidate_id != candidate_id])
        if at >= since
        else one
        for at, one in enumerate(steps)
    ]


checks = st.builds(
    Check,
    st.sampled_from(["price", "rating"]),
    st.sampled_from(["", "price"]),
    st.sampled_from([None, "<=", ">=", "<", ">", "==", "!=", "in", "not in"]),
    st.one_of(st.none(), st.integers(-5, 200), st.floats(), st.text(max_size=3), st.booleans()),
    st.one_of(st.none(), st.integers(-5, 200), st.floats(), st.lists(st.text(max_size=2))),
    st.booleans(),
)
origins = st.builds(
    OriginRef, candidate_ids, st.sampled_from([None, "s1", "s2", "nowhere"]), st.none(), st.none()
)
scores = st.one_of(
    st.none(),
    st.floats(0, 1),
    st.dictionaries(st.sampled_from(["score", "relevance"]), st.floats(), max_size=2),
)
ranks = st.one_of(st.none(), st.integers(-1, 9))
rows = st.builds(
    DecisionRow,
    verdict=st.integers(0, EVIDENCE),
    candidate_id=candidate_ids,
    reason=st.sampled_from([None, "price", "below_cut", "not_selected", "duplicate", "missing:x"]),
    score=scores,
    reasoning=st.sampled_from([None, "Price $150 exceeds $100"]),
    rank=ranks,
    origin=st.one_of(st.none(), st.lists(origins, max_size=2)),
    checks=st.one_of(st.none(), st.lists(checks, max_size=2)),
    by=st.sampled_from([None, None, None, "q1", "q2"]),
    part_of=st.sampled_from([None, None, None, "whole", "a"]),
    merged_into=st.sampled_from([None, None, None, "a", "b"]),
)
tallies = st.builds(
    Tally, rejected=st.integers(0, 9), accepted=st.integers(0, 9), selected=st.integers(0, 3)
)
reservoirs = st.builds(
    Reservoir, st.just(0), st.just("x"), st.integers(0, 9),
    st.lists(candidate_ids.map(lambda one: row(0, one, reason="x")), max_size=2),
)  # fmt: skip


@st.composite
def arbitrary_steps(draw: st.DrawFn) -> list[StepFinished]:
    """Steps of every kind in every state, with decisions that need not fit together."""
    steps: list[StepFinished] = []
    for number in range(draw(st.integers(0, 5))):
        above = [one.step_id for one in steps]
        steps.append(
            step(
                draw(st.sampled_from(["s1", "s2", f"s{number}"])),
                draw(st.sampled_from(STEP_TYPES)),
                draw(st.lists(rows, max_size=6)),
                status=draw(st.sampled_from(["completed", "completed", "failed", "cancelled"])),
                capture=draw(st.sampled_from(["minimal", "sample", "full"])),
                takes=draw(
                    st.sampled_from([None, None, [], [GONE], above, above[-2:], [GONE, *above[:1]]])
                ),
                parent_step_id=draw(st.sampled_from([None, None, *above])),
                attempt=draw(st.sampled_from([1, 1, 2])),
                tally=draw(st.one_of(st.none(), st.none(), tallies)),
                logged=draw(st.lists(rows, max_size=2)),
                reservoirs=draw(st.lists(reservoirs, max_size=1)),
                input_count=draw(st.sampled_from([None, 3, 9])),
                output_count=draw(st.sampled_from([None, 0, 3])),
                output=draw(st.sampled_from([None, {"selected": "a"}, ["b", 3]])),
                started_at_us=START_US + draw(st.integers(0, 40_000)),
                duration_ms=draw(st.sampled_from([None, 0.0, 10.0, 1e15])),
            )
        )
    return steps
