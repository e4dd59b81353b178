"""The verbs of a step: everything a pipeline can say about one candidate, and how it is kept."""

from __future__ import annotations

import inspect
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pytest

from xray import Step, XRay
from xray.capture.minimal import MinimalStep
from xray.capture.noop import NoopStep
from xray.capture.noop_run import NoopRun
from xray.capture.run import Run
from xray.capture.sampled import FullStep, SampledStep
from xray.model.counts import reason_of, resolve_rows
from xray.model.facts import ACCEPTED, EVIDENCE, REJECTED, SELECTED, Check, DecisionRow, OriginRef
from xray.model.values import open_value
from xray.testing import MemorySink

LEVELS = ("minimal", "sample", "full")
DETAILED = ("sample", "full")
CANDIDATE_UUID = uuid.UUID("018F0000-0000-7000-8000-00000000ABCD")


@contextmanager
def open_step(sink: MemorySink, level: str = "sample") -> Iterator[Step]:
    run = XRay("p", sink=sink, capture=level).run()
    with run, run.step("work", "filter") as step:
        yield step


def record(act: Callable[[Step], Any], level: str = "sample") -> list[DecisionRow]:
    sink = MemorySink()
    with open_step(sink, level) as step:
        act(step)
    return sink.step("work").rows


@dataclass
class Plain:
    id: str


class Slotted:
    __slots__ = ("candidate_id",)

    def __init__(self, candidate_id: int) -> None:
        self.candidate_id = candidate_id


@pytest.mark.parametrize("level", DETAILED)
def test_a_rejection_keeps_every_argument(level: str) -> None:
    [row] = record(
        lambda step: step.reject(
            "a", "too_dear", {"price": 3}, "costs too much", 0.5, 150, 100, "<=",
            "k1", 7, "q1", "w1",
        ),
        level,
    )  # fmt: skip
    assert (row.verdict, row.candidate_id, row.reason) == (REJECTED, "a", "too_dear")
    assert open_value(row.attributes) == {"price": 3}
    assert (row.reasoning, row.score, row.rank) == ("costs too much", 0.5, 7)
    assert row.origin == [OriginRef("k1")]
    assert (row.by, row.part_of) == ("q1", "w1")
    assert row.checks == [Check("too_dear", "", "<=", 150, 100, False)]


@pytest.mark.parametrize("level", DETAILED)
@pytest.mark.parametrize(("verb", "verdict"), [("accept", ACCEPTED), ("select", SELECTED)])
def test_what_survives_keeps_every_argument(level: str, verb: str, verdict: int) -> None:
    [row] = record(
        lambda step: getattr(step, verb)(
            "a", {"fit": 0.5, "price": 2}, {"x": 1}, "good", 5, 10, "<=",
            "k1", 1, "q1", "w1", "best",
        ),
        level,
    )  # fmt: skip
    assert (row.verdict, row.candidate_id, row.reason) == (verdict, "a", "best")
    assert row.score == {"fit": 0.5, "price": 2}
    assert open_value(row.attributes) == {"x": 1}
    assert (row.reasoning, row.rank, row.by, row.part_of) == ("good", 1, "q1", "w1")
    assert row.origin == [OriginRef("k1")]
    assert row.checks == [Check("best", "", "<=", 5, 10, True)]


@pytest.mark.parametrize("verb", ["reject", "accept", "select"])
@pytest.mark.parametrize("level", DETAILED)
def test_an_id_alone_is_enough(verb: str, level: str) -> None:
    [row] = record(lambda step: getattr(step, verb)("a"), level)
    assert row == DecisionRow({"reject": 0, "accept": 1, "select": 2}[verb], "a")


@pytest.mark.parametrize("kind", [MinimalStep, SampledStep, FullStep, NoopStep])
def test_every_level_has_the_same_verbs(kind: type[Step]) -> None:
    verbs = ["reject", "accept", "select", "check", "log_sampled_candidates", "log_stats"]
    verbs += ["set_params", "set_input", "set_output", "set_input_count", "set_output_count"]
    for verb in verbs:
        assert inspect.signature(getattr(kind, verb)) == inspect.signature(getattr(Step, verb))


def test_a_client_that_is_off_has_the_same_run() -> None:
    for verb in ("start", "finish", "give_input", "set_output", "set_metadata", "step"):
        assert inspect.signature(getattr(NoopRun, verb)) == inspect.signature(getattr(Run, verb))


def test_a_client_that_is_off_compares_and_records_nothing() -> None:
    sink = MemorySink()
    x = XRay("p", sink=sink, enabled=False)
    with x.run(input=1) as run, run.step("f", "filter") as step:
        assert step.check("a", "price", 1, "<=", 2)
        assert not step.check("a", "price", 3, "<=", 2)
        step.reject("a", "price")
        step.set_input_count(3)
        step.log_sampled_candidates(rejected=["a"])
        run.set_output(1)
        run.add_tags("t")
    assert sink.facts == []
    assert sink.settled_runs == []


@pytest.mark.parametrize("level", DETAILED)
def test_a_rejection_without_a_reason_takes_its_first_failed_check(level: str) -> None:
    def decide(step: Step) -> None:
        assert step.check("a", "in_stock", 4, ">", 0)
        assert not step.check("a", "price_too_high", 150, "<=", 100, field="price")
        assert not step.check("a", "too_far", 9, "<", 5)
        step.reject("a")

    [row] = record(decide, level)
    assert reason_of(row) == "price_too_high"
    assert row.checks == [
        Check("in_stock", "", ">", 4, 0, True),
        Check("price_too_high", "price", "<=", 150, 100, False),
        Check("too_far", "", "<", 9, 5, False),
    ]


def test_a_rejection_s_own_reason_counts_more_than_its_checks() -> None:
    def decide(step: Step) -> None:
        step.check("a", "price_too_high", 150, "<=", 100)
        step.reject("a", "banned")

    [row] = record(decide)
    assert reason_of(row) == "banned"
    assert [check.name for check in row.checks or ()] == ["price_too_high"]


@pytest.mark.parametrize("absent", [None, float("nan")])
@pytest.mark.parametrize("level", LEVELS)
def test_a_missing_operand_is_its_own_reason(absent: object, level: str) -> None:
    sink = MemorySink()
    with open_step(sink, level) as step:
        assert not step.check("a", "price_too_high", absent, "<=", 100, field="price")
        step.reject("a")
        assert not step.check("b", "weight", absent, "<=", 100)
        step.reject("b")
    assert sink.summary("work").reasons == {"missing:price": 1, "missing:weight": 1}


@pytest.mark.parametrize(
    ("observed", "op", "limit", "holds"),
    [
        (1, "<", 2, True), (2, "<", 2, False), (2, "<=", 2, True), (3, ">", 2, True),
        (2, ">=", 3, False), ("x", "==", "x", True), ("x", "!=", "x", False),
        ("x", "in", ["x", "y"], True), ("z", "not in", ["x"], True), ("x", "in", 5, False),
        (Decimal("1.5"), "<", 2, True), ("1", "<", 2, False), (1, "~", 2, False),
        (1, "<", None, False),
    ],
)  # fmt: skip
@pytest.mark.parametrize("level", LEVELS)
def test_a_check_answers_and_decides_nothing(
    observed: object, op: str, limit: object, holds: bool, level: str
) -> None:
    sink = MemorySink()
    with open_step(sink, level) as step:
        assert step.check("a", "rule", observed, op, limit) is holds
    counts = sink.summary("work").counts
    assert (counts.rejected, counts.accepted, counts.selected) == (0, 0, 0)


def test_evidence_about_a_candidate_never_decided_stays_with_the_step() -> None:
    [row] = record(lambda step: step.check("a", "rule", 1, "<=", 2))
    assert row == DecisionRow(EVIDENCE, "a", checks=[Check("rule", "", "<=", 1, 2, True)])


@pytest.mark.parametrize("level", DETAILED)
def test_evidence_goes_to_the_verdict_that_follows_it(level: str) -> None:
    def decide(step: Step) -> None:
        step.check("a", "one", 3, "<=", 2)
        step.check("b", "two", 1, "<=", 2)
        step.reject("c", "other")
        step.accept("b")
        step.reject("a")

    rows = record(decide, level)
    assert [(row.candidate_id, [c.name for c in row.checks or ()]) for row in rows] == [
        ("c", []),
        ("b", ["two"]),
        ("a", ["one"]),
    ]


@pytest.mark.parametrize(
    ("candidate", "expected"),
    [
        ("a", "a"),
        ({"id": 7, "name": "x"}, "7"),
        ({"candidate_id": "c"}, "c"),
        ({"metadata": {"id": "m"}}, "m"),
        (Plain("p"), "p"),
        (Slotted(4), "4"),
        (12, "12"),
        (CANDIDATE_UUID, "018f0000-0000-7000-8000-00000000abcd"),
        (b"\x01\xff", "01ff"),
        (("doc", 3), '["doc",3]'),
        ("é", "é"),
        ("x" * 600, None),
    ],
)
@pytest.mark.parametrize("level", DETAILED)
def test_a_candidate_is_known_by_its_canonical_id(
    candidate: object, expected: str | None, level: str
) -> None:
    [row] = record(lambda step: step.reject(candidate, "r"), level)
    assert not row.is_anonymous
    assert len(row.candidate_id) <= 512
    assert expected is None or row.candidate_id == expected


@pytest.mark.parametrize("nameless", [{"name": "x"}, object(), True, 1.5, None, ""])
def test_a_candidate_without_an_id_is_numbered_and_counted(nameless: object) -> None:
    sink = MemorySink()
    with open_step(sink) as step:
        step.reject(nameless, "r")
        step.accept(nameless)
    rows = sink.step("work").rows
    assert [(row.candidate_id, row.is_anonymous) for row in rows] == [
        ("anon-0", True),
        ("anon-1", True),
    ]
    assert sink.summary("work").counts.anonymous == 2


def test_the_last_verdict_about_a_candidate_wins() -> None:
    sink = MemorySink()
    with open_step(sink) as step:
        step.accept("a", origin="k1", attributes={"x": 1})
        step.reject("a", "late", origin="k2")
    summary = sink.summary("work")
    assert (summary.counts.rejected, summary.counts.accepted, summary.counts.redecided) == (1, 0, 1)
    [row], _ = resolve_rows(sink.step("work").rows)
    assert row.origin == [OriginRef("k1"), OriginRef("k2")]
    assert open_value(row.attributes) == {"x": 1}


@pytest.mark.parametrize("level", LEVELS)
def test_an_origin_is_an_id_a_step_and_id_a_name_and_id_or_a_list(level: str) -> None:
    sink = MemorySink()
    run = XRay("p", sink=sink, capture=level).run()
    with run:
        with run.step("keywords", "generate") as keywords:
            keywords.accept("k1")
        with run.step("work", "retrieve") as step:
            step.accept("a", origin="k1")
            step.accept("b", origin=(keywords, "k1"))
            step.accept("c", origin=("keywords", "k1"))
            step.accept("d", origin=["k1", (keywords.step_id, "k2"), "k1"])
            step.accept(
                "e", origin={"step": "keywords", "candidate_id": "k3", "rank": 2, "score": 1}
            )
            step.accept("f", origin=("nowhere", "k1"))
    of_step = keywords.step_id
    if level != "minimal":
        assert [row.origin for row in sink.step("work").rows] == [
            [OriginRef("k1")],
            [OriginRef("k1", of_step)],
            [OriginRef("k1", of_step)],
            [OriginRef("k1"), OriginRef("k2", of_step)],
            [OriginRef("k3", of_step, 2, 1.0)],
            [OriginRef('["nowhere","k1"]')],
        ]
    counted = {(o.candidate_id, o.step_id): o.accepted for o in sink.summary("work").origins}
    assert counted == {
        ("k1", None): 2, ("k1", of_step): 2, ("k2", of_step): 1, ("k3", of_step): 1,
        ('["nowhere","k1"]', None): 1,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("given", "candidate", "score", "reasoning"),
    [
        ("a", "a", None, None),
        (("a", "too dear"), "a", None, "too dear"),
        (("a", 0.5), "a", 0.5, None),
        (("a", {"fit": 1}), "a", {"fit": 1.0}, None),
        (("a", 0.5, "good"), "a", 0.5, "good"),
        (("a", None), "a", None, None),
        (("a", None, "good"), "a", None, "good"),
        (({"id": "a", "price": 3}, "too dear"), "a", None, "too dear"),
        ({"id": "a"}, "a", None, None),
        (Plain("a"), "a", None, None),
        (7, "7", None, None),
        (("doc", ("x", "y")), '["doc","[\\"x\\",\\"y\\"]"]', None, None),
    ],
)
def test_a_logged_sample_stands_alone_or_in_a_tuple(
    given: object, candidate: str, score: object, reasoning: str | None
) -> None:
    for verdict, name in ((ACCEPTED, "accepted"), (REJECTED, "rejected"), (SELECTED, "selected")):
        sink = MemorySink()
        with open_step(sink) as step:
            step.log_sampled_candidates(**{name: [given]})
        [row] = sink.step("work").logged
        assert (row.verdict, row.candidate_id, row.score, row.reasoning) == (
            verdict, candidate, score, reasoning,
        )  # fmt: skip


@pytest.mark.parametrize("level", LEVELS)
def test_logged_samples_change_no_count(level: str) -> None:
    sink = MemorySink()
    with open_step(sink, level) as step:
        step.reject("a", "r")
        step.accept("b")
        step.log_sampled_candidates(["c", "d"], [{"name": "no id"}], ["e"])
    summary = sink.summary("work")
    assert (summary.counts.rejected, summary.counts.accepted, summary.counts.selected) == (1, 1, 0)
    assert summary.counts.anonymous == 0
    assert summary.rejection_rate == 0.5
    assert len(sink.step("work").logged) == 4


def test_logged_samples_beyond_their_bound_are_counted() -> None:
    sink = MemorySink()
    with open_step(sink) as step:
        step.log_sampled_candidates(accepted=[f"c{n}" for n in range(1_000)])
        step.log_sampled_candidates(rejected=[f"r{n}" for n in range(30)])
    found = sink.step("work")
    assert len(found.logged) == 1_024
    assert found.omissions == {"logged_out": 6}


def test_an_iterator_of_samples_is_left_to_the_pipeline() -> None:
    items = iter(["a", "b"])
    sink = MemorySink()
    with open_step(sink) as step:
        step.log_sampled_candidates(accepted=items)
    assert list(items) == ["a", "b"]
    assert sink.step("work").omissions == {"unread_iterable": 1}


@pytest.mark.parametrize("level", LEVELS)
def test_a_reason_that_no_wire_takes_is_still_counted(level: str) -> None:
    sink = MemorySink()
    with open_step(sink, level) as step:
        step.reject("a", "bad\ud800")
        step.reject("b", "bad\ud800", score=1)
        step.reject("c", "r" * 10_000)
        step.reject("d", "r" * 10_000, score=1)
        step.reject("e", "")
    reasons = sink.summary("work").reasons
    assert sorted(reasons.values()) == [1, 2, 2]
    assert reasons["bad\ufffd"] == 2
    assert reasons["unspecified"] == 1
    assert all(len(reason) <= 256 for reason in reasons)
    assert sink.losses == {}


def test_counts_set_by_hand_and_statistics_travel() -> None:
    sink = MemorySink()
    with open_step(sink) as step:
        step.set_input_count(10)
        step.set_output_count(4)
        step.set_params({"top": 3}, mode="strict")
        step.log_stats({"mean": Decimal("1.5")}, total=4, label="x")
        step.set_input([1])
        step.set_output({"n": 2})
    found = sink.step("work")
    assert (found.input_count, found.output_count) == (10, 4)
    assert open_value(found.params) == {"top": 3, "mode": "strict"}
    assert open_value(found.stats) == {"mean": 1.5, "total": 4, "label": "x"}
    assert open_value(found.input) == [1]
    assert open_value(found.output) == {"n": 2}
    assert sink.summary("work").rejection_rate == 0.6


def test_what_is_recorded_is_frozen_at_the_call() -> None:
    attributes = {"tags": ["new"], "price": 1}
    sink = MemorySink()
    with open_step(sink) as step:
        step.reject("a", "r", attributes)
        step.set_output(attributes)
        attributes["price"] = 2
    assert open_value(sink.step("work").rows[0].attributes) == {"tags": ["new"], "price": 1}
    assert open_value(sink.step("work").output) == {"tags": ["new"], "price": 1}


def test_a_verb_kept_in_a_variable_works_when_the_step_is_off_or_over() -> None:
    sink = MemorySink()
    with open_step(sink) as step:
        reject = step.reject
        reject("a", "r")
    reject("b", "r")
    step.close()
    assert sink.summary("work").reasons == {"r": 1}
    assert len(sink.steps) == 1
