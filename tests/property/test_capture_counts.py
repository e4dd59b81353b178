"""Whatever is decided, in whatever order, a sampled step counts as all its rows would."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from xray import XRay
from xray.capture import sampled
from xray.model.counts import reason_of, resolve_rows, tally_rows
from xray.model.facts import (
    EVIDENCE,
    REJECTED,
    DecisionRow,
    OriginRef,
    StepFinished,
    Tally,
)
from xray.testing import MemorySink

Verdict = tuple[str, str, dict[str, Any], bool]


@st.composite
def verdicts(draw: st.DrawFn) -> Verdict:
    verb = draw(st.sampled_from(["reject", "accept", "select", "check"]))
    candidate = draw(st.sampled_from([*"abcdefgh", "é", ""]))
    given: dict[str, Any] = {}
    if draw(st.booleans()):
        given["reason"] = draw(st.sampled_from(["dear", "far", "", "zu weit ü", "x" * 300]))
    if draw(st.booleans()):
        given["origin"] = draw(st.sampled_from(["k1", "k2", ["k1", "k3"]]))
    if draw(st.booleans()):
        given["by"] = draw(st.sampled_from(["q1", "q2"]))
    if draw(st.integers(0, 3)) == 0:
        given["reasoning"] = "costs 3"
    return verb, candidate, given, draw(st.integers(0, 4)) == 0


def record(decided: list[Verdict], census_rows: int) -> StepFinished:
    return record_into(MemorySink(), decided, census_rows)


def record_into(sink: MemorySink, decided: list[Verdict], census_rows: int) -> StepFinished:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sampled, "CENSUS_ROWS", census_rows)
        with XRay("p", sink=sink).run() as run, run.step("work", "filter") as step:
            for verb, candidate, given, is_checked in decided:
                if is_checked:
                    step.check(candidate, "rule", 3, "<=", 2)
                if verb == "check":
                    step.check(candidate, "other_rule", 1, ">", 2)
                else:
                    getattr(step, verb)(candidate, **given)
    return sink.step("work")


def unordered(tally: Tally) -> tuple[object, ...]:
    counts = (tally.rejected, tally.accepted, tally.selected, tally.redecided, tally.anonymous)
    origins = {
        (one.candidate_id, one.step_id): (one.rejected, one.accepted, one.selected)
        for one in tally.origins
    }
    return (*counts, tally.reasons, origins)


@given(st.lists(verdicts(), max_size=40), st.integers(1, 12))
def test_counts_after_the_census_are_those_of_all_rows(
    decided: list[Verdict], census_rows: int
) -> None:
    complete = record(decided, 10_000)
    assert complete.tally is None
    rows, redecided = resolve_rows(complete.rows)
    rows = [row for row in rows if row.verdict != EVIDENCE]
    found = record(decided, census_rows)
    verdicts_given = sum(verb != "check" for verb, *_ in decided)
    assert (found.tally is not None) is (verdicts_given >= census_rows)
    if found.tally is not None:
        assert unordered(found.tally) == unordered(tally_rows(rows, redecided))


@given(st.lists(verdicts(), min_size=12, max_size=60), st.integers(1, 12))
def test_a_sample_stands_for_the_candidates_after_the_census_and_names_their_reason(
    decided: list[Verdict], census_rows: int
) -> None:
    found = record(decided, census_rows)
    assume(found.tally is not None)
    assert found.tally is not None
    detailed = sum(row.verdict != EVIDENCE for row in found.rows)
    stood_for = sum(reservoir.seen for reservoir in found.reservoirs)
    # With fewer rows than a sample holds, every candidate's last verdict is kept.
    assert detailed + stood_for == found.tally.decided
    assert "sampled_out" not in found.omissions
    for reservoir in found.reservoirs:
        assert len(reservoir.rows) == reservoir.seen
        for row in reservoir.rows:
            assert row.verdict == reservoir.verdict
            named = reason_of(row) if row.verdict == REJECTED else row.reason
            assert named == reservoir.reason


@given(st.lists(verdicts(), min_size=12, max_size=60), st.integers(1, 12))
def test_no_row_that_is_kept_tells_of_a_verdict_replaced_since(
    decided: list[Verdict], census_rows: int
) -> None:
    last = {
        (row.by, row.candidate_id): row.verdict
        for row in resolve_rows(record(decided, 999).rows)[0]
        if row.verdict != EVIDENCE
    }
    found = record(decided, census_rows)
    assume(found.tally is not None)
    drawn = [row for reservoir in found.reservoirs for row in reservoir.rows]
    kept = [
        row for row in (*found.rows, *drawn) if row.verdict != EVIDENCE and not row.is_anonymous
    ]
    assert {(row.by, row.candidate_id): row.verdict for row in kept}.items() <= last.items()
    assert len({(row.by, row.candidate_id) for row in kept}) == len(kept)


Standing = tuple[int, str | None, frozenset[tuple[str, str | None]]]


def standing(verdict: int, reason: str | None, origins: Sequence[OriginRef] | None) -> Standing:
    return verdict, reason, frozenset((ref.candidate_id, ref.step_id) for ref in origins or ())


def stand(row: DecisionRow) -> Standing:
    reason = reason_of(row) if row.verdict == REJECTED else row.reason
    return standing(row.verdict, reason, row.origin)


@given(st.lists(verdicts(), max_size=60), st.integers(1, 12))
def test_census_and_roster_name_every_candidate_once_and_as_all_rows_would(
    decided: list[Verdict], census_rows: int
) -> None:
    sink = MemorySink()
    found = record_into(sink, decided, census_rows)
    assume(found.tally is not None)
    named = [
        ((row.by, row.candidate_id), stand(row)) for row in found.rows if row.verdict != EVIDENCE
    ]
    for group in sink.roster("work"):
        shared = standing(group.verdict, group.reason, group.origin)
        named += [((group.by, candidate_id), shared) for candidate_id in group.ids]
    everybody, _ = resolve_rows(record(decided, 10_000).rows)
    expected = {
        (row.by, row.candidate_id): stand(row) for row in everybody if row.verdict != EVIDENCE
    }
    assert dict(named) == expected
    assert len(named) == len(expected)
