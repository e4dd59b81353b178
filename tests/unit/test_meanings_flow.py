"""What flow, conservation and grouping mean, as a table."""

from __future__ import annotations

import pytest

from tests.unit.meanings import Meaning, prove
from tests.unit.small_runs import START_US, accept, reject, select, several, step
from xray.model.facts import REJECTED, Reservoir, Tally

TEN = several("p", 10)


def found(*codes: str) -> set[tuple[str, str]]:
    return {(code.split()[0], code.split()[1]) for code in codes}


CONSERVATION = [
    Meaning(
        "a complete pipeline has nothing to report",
        (
            step("find", "retrieve", accept(*TEN)),
            step("f", "filter", accept(*TEN[:6]), reject(*TEN[6:], reason="x")),
            step("r", "rank", accept(*TEN[:3]), reject(*TEN[3:6], reason="below_cut")),
            step("s", "select", select("p_1")),
        ),
        outcomes={
            "p_1": "selected",
            "p_2": "outranked",
            "p_5": "outranked",
            "p_9": "rejected",
            "q": "never_retrieved",
        },
    ),
    Meaning(
        "what was offered and not decided has vanished",
        (step("find", "retrieve", accept(*TEN)), step("f", "filter", accept(*TEN[:8]))),
        outcomes={"p_1": "survived", "p_9": "vanished"},
        findings=found("vanished f"),
    ),
    Meaning(
        "what was decided and not offered is a stranger",
        (
            step("find", "retrieve", accept("a", "b")),
            step("s", "select", select("ghost"), reject("a", "b", reason="not_selected")),
        ),
        outcomes={"ghost": "not_offered", "a": "outranked"},
        findings=found("not_offered s"),
    ),
    Meaning(
        "what was dropped before and decided again was not offered either",
        (
            step("find", "retrieve", accept("a", "b", "c")),
            step("f", "filter", accept("a", "b"), reject("c", reason="price")),
            step("r", "rank", accept("a", "c"), reject("b", reason="below_cut")),
        ),
        outcomes={"c": "not_offered", "a": "survived", "b": "outranked"},
        findings=found("not_offered r"),
    ),
    Meaning(
        "what went around a step is lost there and goes on",
        (
            step("find", "retrieve", accept("a", "b")),
            step("f", "filter", accept("a")),
            step("s", "select", select("b"), reject("a", reason="not_selected")),
        ),
        outcomes={"b": "selected"},
        findings=found("vanished f"),
    ),
    Meaning(
        "sets with nothing in common say nothing",
        (step("find", "retrieve", accept("doc-1")), step("f", "filter", accept("chunk-1"))),
        outcomes={"doc-1": "unknown", "chunk-1": "survived"},
        findings=found("flow_unknown f"),
    ),
    Meaning(
        "several edges that say nothing are said once",
        (
            step("find", "retrieve", accept("a")),
            step("f", "filter", accept("b")),
            step("r", "rank", accept("c")),
        ),
        findings=found("flow_unknown f"),
    ),
    Meaning(
        "rejections only keeps the rest",
        (
            step("find", "retrieve", accept("a", "b", "c")),
            step("f", "filter", reject("b", reason="x")),
            step("r", "rank", accept("a", "c")),
        ),
        outcomes={"a": "survived", "b": "rejected"},
    ),
    Meaning(
        "what rejections only kept can be lost afterwards",
        (
            step("find", "retrieve", accept("a", "b", "c")),
            step("f", "filter", reject("b", reason="x")),
            step("r", "rank", accept("a")),
        ),
        outcomes={"c": "vanished"},
        findings=found("vanished r"),
    ),
    Meaning(
        "rejections only keep the rest no longer where the counts say that more was dropped",
        (
            step("find", "retrieve", accept("a", "b", "c")),
            step("f", "filter", reject("b", reason="x"), input_count=3, output_count=1),
            step("r", "rank", accept("a")),
        ),
        outcomes={"a": "survived", "c": "unknown"},
        findings=found("flow_unknown r"),
    ),
    Meaning(
        "candidates without an id of their own compare with none of another step",
        (
            step("find", "retrieve", accept("anon-0", "anon-1", is_anonymous=True)),
            step("f", "filter", accept("anon-0", is_anonymous=True)),
        ),
        outcomes={"a": "unknown"},
        findings=found("flow_unknown f"),
    ),
    Meaning(
        "rejections only that reject all that was offered leave nothing",
        (
            step("find", "retrieve", accept("a", "b")),
            step("f", "filter", reject("a", "b", reason="x")),
        ),
        outcomes={"a": "rejected"},
        findings=found("empty f"),
    ),
    Meaning(
        "selections only leave the rest unselected",
        (step("find", "retrieve", accept("a", "b", "c")), step("s", "select", select("b"))),
        outcomes={"a": "outranked", "b": "selected", "q": "never_retrieved"},
    ),
    Meaning(
        "a sample says nothing about what it left out",
        (
            step("find", "retrieve", accept(*TEN)),
            step(
                "f",
                "filter",
                accept("p_1"),
                reservoirs=[Reservoir(REJECTED, "x", 5, reject("p_2", reason="x"))],
                tally=Tally(rejected=5, accepted=3, reasons={"x": 5}),
            ),
        ),
        outcomes={"p_1": "survived", "p_2": "rejected", "p_7": "unknown", "q": "never_retrieved"},
        findings=found("flow_unknown f"),
    ),
    Meaning(
        "where one verdict alone was sampled, the rest must have it",
        (
            step("find", "retrieve", accept(*TEN)),
            step(
                "f",
                "filter",
                accept("p_1"),
                reservoirs=[Reservoir(REJECTED, "x", 9, reject("p_2", reason="x"))],
                tally=Tally(rejected=9, accepted=1, reasons={"x": 9}),
            ),
        ),
        outcomes={"p_1": "survived", "p_7": "rejected"},
        findings=found("flow_unknown f"),
    ),
    Meaning(
        "a sampled step let through what a later step decided",
        (
            step("find", "retrieve", accept("a", "b", "c")),
            step("f", "filter", accept("a"), tally=Tally(rejected=1, accepted=2)),
            step("s", "select", select("b"), reject("a", reason="not_selected")),
        ),
        outcomes={"b": "selected", "c": "unknown"},
        findings=found("flow_unknown f"),
    ),
    Meaning(
        "what may have been sampled out before was not outranked for sure",
        (
            step("find", "retrieve", accept("a", "b", "c")),
            step("f", "filter", accept("a"), tally=Tally(rejected=1, accepted=2)),
            step("s", "select", select("a")),
        ),
        outcomes={"a": "selected", "b": "unknown"},
        findings=found("flow_unknown f"),
    ),
    Meaning(
        "steps that only logged samples are unknown, said once",
        (
            step("find", "retrieve", logged=accept("a", "b")),
            step("f", "filter", logged=[*accept("a"), *reject("b", reason="x")]),
            step("s", "select", select("a")),
        ),
        outcomes={"a": "selected", "b": "rejected", "q": "unknown"},
        findings=found("flow_unknown s"),
    ),
    Meaning(
        "at minimal only the counts of a single source compare",
        (
            step("find", "retrieve", tally=Tally(accepted=50), capture="minimal"),
            step("f", "filter", tally=Tally(accepted=5, rejected=15), capture="minimal"),
        ),
        outcomes={"a": "unknown"},
        findings=found("vanished f"),
    ),
    Meaning(
        "at minimal the counts of several sources do not compare",
        (
            step("v", "retrieve", tally=Tally(accepted=50), capture="minimal"),
            step("k", "retrieve", tally=Tally(accepted=50), capture="minimal"),
            step("f", "filter", tally=Tally(accepted=5, rejected=55), capture="minimal"),
        ),
        findings=found("flow_unknown f"),
    ),
    Meaning(
        "above minimal neighbouring counts are never compared",
        (
            step("find", "retrieve", accept("x"), output_count=50),
            step("f", "filter", input_count=20, output_count=5),
        ),
        findings=found("count_mismatch find", "flow_unknown f"),
    ),
    Meaning(
        "a step that failed has lost nothing; it failed",
        (
            step("find", "retrieve", accept("a", "b", "c")),
            step("f", "filter", accept("a"), status="failed", error="too slow"),
        ),
        outcomes={"a": "survived", "b": "vanished"},
        findings=found("failed f"),
    ),
]

EDGES = [
    Meaning(
        "parallel retrievers merge",
        (
            step("kw", "generate", accept("stand")),
            step("v", "retrieve", accept("a", "b")),
            step("k", "retrieve", accept("b", "c")),
            step("f", "filter", accept("a", "c"), reject("b", reason="x")),
        ),
        outcomes={"a": "survived", "b": "rejected", "c": "survived", "stand": "survived"},
    ),
    Meaning(
        "what one of two parallel retrievers brought can be lost",
        (
            step("v", "retrieve", accept("a", "b")),
            step("k", "retrieve", accept("b", "c", "d")),
            step("f", "filter", accept("a", "c"), reject("b", reason="x")),
        ),
        outcomes={"d": "vanished", "b": "rejected"},
        findings=found("vanished f"),
    ),
    Meaning(
        "retrievers that run at the same time merge, whichever ends first",
        (
            step("v", "retrieve", accept("a"), started_at_us=START_US, duration_ms=300.0),
            step("k", "retrieve", accept("b"), started_at_us=START_US + 10, duration_ms=20.0),
            step("f", "filter", accept("a", "b"), started_at_us=START_US + 400_000),
        ),
        outcomes={"a": "survived", "b": "survived"},
    ),
    Meaning(
        "a retriever that worked on what the other brought does not merge with it",
        (
            step("ids", "retrieve", accept("i1", "i2", "i3")),
            step("full", "retrieve", accept("d1", origin="i1"), accept("d2", origin="i2")),
            step("f", "filter", accept("d1"), reject("d2", reason="x")),
        ),
        outcomes={"d1": "survived", "i3": "survived"},
    ),
    Meaning(
        "the keyword step before a retriever is no source of the filter",
        (
            step("kw", "generate", accept("stand", "case")),
            step("find", "retrieve", accept("a", "b")),
            step("f", "filter", accept("a"), reject("b", reason="x")),
        ),
        outcomes={"stand": "survived"},
    ),
    Meaning(
        "`takes` says what a step works on",
        (
            step("find", "retrieve", accept("a", "b", "c")),
            step("cheap", "filter", accept("a"), reject("b", "c", reason="x")),
            step("near", "filter", accept("b"), reject("a", "c", reason="y"), takes=["find"]),
            step("s", "select", select("a"), reject("b", reason="z"), takes=["cheap", "near"]),
        ),
        outcomes={"a": "selected", "b": "rejected", "c": "rejected"},
    ),
    Meaning(
        "with `takes`, another branch does not excuse a stranger",
        (
            step("find", "retrieve", accept("a", "b")),
            step("cheap", "filter", accept("a"), reject("b", reason="x")),
            step("near", "filter", accept("b"), reject("a", reason="y"), takes=["find"]),
            step("s", "select", select("a"), accept("b"), takes=["near"]),
        ),
        outcomes={"a": "not_offered"},
        findings=found("not_offered s"),
    ),
    Meaning(
        "branches that share out the candidates lose none",
        (
            step("find", "retrieve", accept("a", "b", "c")),
            step("left", "filter", accept("a"), takes=["find"]),
            step("right", "filter", accept("b"), takes=["find"]),
            step("s", "select", select("a"), reject("b", reason="z"), takes=["left", "right"]),
        ),
        outcomes={"a": "selected", "b": "rejected", "c": "vanished"},
        findings=found("vanished left", "vanished right"),
    ),
    Meaning(
        "a step opened once a batch is one step",
        (
            step("find", "retrieve", accept("a", "b", "c", "d")),
            step("f", "filter", accept("a"), reject("b", reason="x")),
            step("f", "filter", accept("c"), reject("d", reason="x")),
            step("s", "select", select("a")),
        ),
        outcomes={"a": "selected", "c": "outranked", "d": "rejected"},
    ),
    Meaning(
        "search and filter in a loop lose nothing",
        (
            step("find", "retrieve", accept("a", "b")),
            step("f", "filter", accept("a"), reject("b", reason="x")),
            step("find", "retrieve", accept("c", "d")),
            step("f", "filter", accept("c"), reject("d", reason="x")),
            step("s", "select", select("a"), reject("c", reason="not_selected")),
        ),
        outcomes={"a": "selected", "b": "rejected", "c": "outranked"},
    ),
    Meaning(
        "a group stands for the steps in it",
        (
            step("recall", "group"),
            step("v", "retrieve", accept("a"), parent_step_id="recall"),
            step("k", "retrieve", accept("a", "b"), parent_step_id="recall"),
            step("f", "filter", accept("a")),
        ),
        outcomes={"a": "survived", "b": "vanished"},
        findings=found("vanished f"),
    ),
    Meaning(
        "a retriever none of whose candidates went on is unknown, not lost",
        (
            step("v", "retrieve", accept("a")),
            step("k", "retrieve", accept("b")),
            step("f", "filter", accept("a")),
        ),
        outcomes={"a": "survived", "b": "unknown"},
        findings=found("flow_unknown f"),
    ),
    Meaning(
        "the first step of a group takes what was before the group",
        (
            step("find", "retrieve", accept("a", "b")),
            step("refine", "group"),
            step("f", "filter", accept("a"), parent_step_id="refine"),
        ),
        outcomes={"b": "vanished"},
        findings=found("vanished f"),
    ),
    Meaning(
        "a transform without decisions is looked through",
        (
            step("find", "retrieve", accept("a", "b")),
            step("normalize", "transform"),
            step("f", "filter", accept("a")),
        ),
        outcomes={"a": "survived", "b": "vanished"},
        findings=found("vanished f"),
    ),
    Meaning(
        "a transform that gives new ids ends the trail",
        (
            step("find", "retrieve", accept("doc")),
            step("split", "transform", accept("doc#1", "doc#2")),
            step("f", "filter", accept("doc#1"), reject("doc#2", reason="short")),
        ),
        outcomes={"doc": "unknown", "doc#2": "rejected"},
    ),
    Meaning(
        "a transform may leave alone what it does not mention",
        (
            step("find", "retrieve", accept("a", "b")),
            step("fix", "transform", accept("a")),
            step("f", "filter", accept("a", "b")),
        ),
        outcomes={"a": "survived", "b": "survived"},
    ),
    Meaning(
        "a generate step that ranks what was retrieved counts as keeping",
        (
            step("find", "retrieve", accept("a", "b", "c")),
            step("llm", "generate", select("b"), reject("a", reason="not_selected")),
        ),
        outcomes={"b": "selected", "c": "vanished"},
        findings=found("vanished llm"),
    ),
    Meaning(
        "a generate step that invents an id is found out",
        (
            step("find", "retrieve", accept("a", "b")),
            step("llm", "generate", accept("a", "b"), select("ghost")),
        ),
        outcomes={"ghost": "not_offered"},
        findings=found("not_offered llm"),
    ),
    Meaning(
        "filters that run at the same time take from the same step",
        (
            step("find", "retrieve", accept("a", "b"), duration_ms=10.0),
            step(
                "x", "filter", accept("a"), reject("b", reason="x"),
                started_at_us=START_US + 100_000, duration_ms=500.0,
            ),
            step(
                "y", "filter", accept("b"), reject("a", reason="y"),
                started_at_us=START_US + 200_000, duration_ms=500.0,
            ),
        ),
        outcomes={"a": "rejected", "b": "survived"},
    ),
    Meaning(
        "with `by` a candidate is compared for each query",
        (
            step("find", "retrieve", accept("a", by="q1"), accept("a", "b", by="q2")),
            step("f", "filter", accept("a", by="q1"), accept("b", by="q2")),
        ),
        outcomes={"a": "survived", "b": "survived"},
        findings=found("vanished f"),
    ),
    Meaning(
        "where one side alone has `by`, the candidate is compared",
        (
            step("find", "retrieve", accept("a", by="q1"), accept("a", "b", by="q2")),
            step("f", "filter", accept("a", "b")),
        ),
        outcomes={"a": "survived", "b": "survived"},
    ),
]  # fmt: skip


@pytest.mark.parametrize("meaning", CONSERVATION, ids=str)
def test_conservation_means_what_the_design_says(meaning: Meaning) -> None:
    prove(meaning)


@pytest.mark.parametrize("meaning", EDGES, ids=str)
def test_edges_mean_what_the_design_says(meaning: Meaning) -> None:
    prove(meaning)
