"""Answers about many runs, as they are told to a model."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Final

from xray.mcp.told import Question, Told, show, spell_request
from xray.model.aggregates import Aggregate, FigureGroup, OtherGroups
from xray.model.comparison import Comparison, Difference, Example
from xray.model.what_if_runs import WhatIfOfRuns
from xray.questions import Pairs, compare_request

_MAX_EXAMPLES: Final = 3


def tell_comparison(compared: Comparison) -> Told:
    """How two groups of runs differ, beyond chance."""
    lines = [
        f"{name}: {group.query or 'all runs'}; {group.runs:,} runs compared"
        for name, group in (("A", compared.a), ("B", compared.b))
    ]
    lines += [f"{place}. {_say_difference(one)}" for place, one in
              enumerate(compared.differences, start=1)]  # fmt: skip
    lines += [f"told otherwise: {one.text}" for one in compared.settings]
    if not compared.complete:
        lines.append(
            "these figures are of the newest runs; a narrower query covers all of its runs"
        )
    return Told(
        answer=compared.answer,
        certainty=compared.certainty,
        because=compared.because,
        lines=lines,
        questions=list(_ask_after(compared)),
        request=spell_request(*compare_request(compared.a.query, compared.b.query)),
        data=compared,
    )


def _say_difference(one: Difference) -> str:
    seen = f"; A: {_say_examples(one.a_examples)}; B: {_say_examples(one.b_examples)}"
    follows = "; may follow from another difference" if one.follows else ""
    return f"{one.text} (p {one.p:.2g}){follows}{seen}"


def _say_examples(examples: list[Example]) -> str:
    return ", ".join(f"run {one.run_id}" for one in examples[:_MAX_EXAMPLES]) or "no example"


def _ask_after(compared: Comparison) -> Iterator[Question]:
    for one in compared.differences[:1]:
        if one.a_examples and one.b_examples:
            pair: dict[str, str | int | list[str]] = {
                "a": one.a_examples[0].run_id,
                "b": one.b_examples[0].run_id,
            }
            yield Question("diff", pair, "a run of each, decision by decision")
        for example in one.b_examples[:1]:
            yield Question("findings", {"run": example.run_id}, "what one of B shows")


def tell_what_if_of_runs(answer: WhatIfOfRuns, pairs: Pairs) -> Told:
    """What many runs would have decided with other limits."""
    lines = [f"{step.pipeline} {step.name}: {step.text}" for step in answer.steps]
    for run in answer.examples:
        flips = ", ".join(f"{one.candidate_id} ({show(one.observed, 40)})" for one in run.flips)
        lost = f"; would lose {', '.join(run.lost_answers)}" if run.lost_answers else ""
        lines.append(f"run {run.run_id}: {flips}{lost}")
    lines += [f"not judged: {one.runs:,} runs, {one.why}" for one in answer.unjudged]
    lines += [f"checks these runs recorded: {', '.join(answer.checks)}"] if answer.checks else []
    if not answer.complete:
        lines.append("the search stopped at its budget; a narrower query covers all of its runs")
    questions = [
        Question(
            "what_if",
            {"run": run.run_id, "limits": [f"{name}={show(limit)}" for name, limit in
                                           answer.limits.items()]},
            "the same for one run, candidate by candidate",
        )
        for run in answer.examples[:1]
    ]  # fmt: skip
    return Told(
        answer=answer.answer,
        certainty=answer.certainty,
        because=answer.because,
        lines=lines,
        questions=questions,
        request=spell_request("/v1/what-if", pairs),
        data=answer,
    )


def tell_aggregate(found: Aggregate, pairs: Pairs) -> Told:
    """Figures of groups of records."""
    number = len(found.groups)
    by = f" by {', '.join(found.by)}" if found.by else ""
    answer = f"{found.count:,.0f} {found.of}{by}, in {number:,} group{'' if number == 1 else 's'}."
    lines = [f"- {_say_group(group)}" for group in found.groups]
    if found.other is not None:
        least = "" if found.other.groups_is_exact else "at least "
        lines.append(
            f"- {least}{found.other.groups:,} more groups as one: {_say_figures(found.other)}; "
            "a larger limit shows them one by one"
        )
    return Told(
        answer=answer,
        certainty="known" if found.complete else "unknown",
        because="" if found.complete else "the search stopped at its budget; narrow the query",
        lines=lines,
        request=spell_request("/v1/aggregate", pairs),
        data=found,
    )


def _say_group(group: FigureGroup) -> str:
    named = ", ".join(f"{name}={show(value, 80)}" for name, value in group.group.items()) or "all"
    start = f" from {group.start.isoformat()}" if isinstance(group.start, datetime) else ""
    return f"{named}{start}: {_say_figures(group)}"


def _say_figures(group: FigureGroup | OtherGroups) -> str:
    said = [f"count {group.count:,.6g}"]
    said += [
        f"{name} {'unknown' if value is None else f'{value:,.6g}'}"
        for name, value in group.figures.items()
    ]
    return ", ".join(said)
