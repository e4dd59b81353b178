"""Answers about many runs, as they are told to a model."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Final

from xray.mcp.told import Question, Told, show, spell_request
from xray.model.aggregates import Aggregate, FigureGroup, OtherGroups
from xray.model.audit import Audit, AuditedShare
from xray.model.baseline_report import BaselineReport, UsualFigure, say_figure
from xray.model.comparison import Comparison, Difference, Example
from xray.model.what_if_runs import WhatIfOfRuns
from xray.questions import Pairs, audit_request, baselines_request, compare_request

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


def tell_baselines(report: BaselineReport, step: str, days: int) -> Told:
    """What is usual of a pipeline's steps, and what of the latest day is not."""
    lines: list[str] = []
    for one in report.steps:
        lines.append(f"{one.name} ({one.step_type}): {one.runs:,} runs on {one.days} days before")
        lines += [f"- {_say_figure(figure)}" for figure in one.figures]
        failures = [f"{kind} {100 * share:.3g} %" for kind, share in one.failures.items()]
        lines += [f"- failures: {', '.join(failures)}"] if failures else []
    questions = []
    if report.deviations:
        latest: dict[str, str | int | list[str]] = {"q": report.latest_runs}
        questions.append(Question("find_runs", latest, f"the runs of {report.latest}"))
    return Told(
        answer=report.answer,
        certainty=report.certainty,
        because=report.because,
        lines=lines,
        questions=questions,
        request=spell_request(*baselines_request(report.pipeline, step or None, days)),
        data=report,
    )


def _say_figure(figure: UsualFigure) -> str:
    name = f"rejected for {figure.reason}" if figure.kind == "reason" else figure.kind
    usual, latest, low, high = (
        say_figure(figure.kind, one)
        for one in (figure.typical, figure.latest, figure.low, figure.high)
    )
    mark = " (unlike every day before)" if figure.deviates else ""
    return f"{name}: usually {usual} ({low} to {high}), latest day {latest}{mark}"


def tell_audit(audit: Audit, runs: int) -> Told:
    """What the choices of many runs rest on."""
    lines: list[str] = []
    questions: list[Question] = []
    for step in audit.steps:
        lines.append(f"{step.step} ({step.step_type}) of {step.pipeline}, {step.runs:,} runs")
        lines.append(f"- places: {step.position.text}")
        for said, share in (
            ("ids nobody had offered", step.invented),
            ("reasonings the record contradicts", step.unsupported),
            ("took the best scores", step.agreement),
        ):
            lines += [] if share is None else [f"- {said}: {_say_share(share)}"]
        for share in (step.invented, step.unsupported):
            for one in [] if share is None else share.examples[:1]:
                asked: dict[str, str | int | list[str]] = {
                    "run": one.run_id,
                    "candidate": one.candidate_id,
                }
                questions.append(Question("why", asked, one.said or "an id nobody had offered"))
    return Told(
        answer=audit.answer,
        certainty=audit.certainty,
        because=audit.because,
        lines=lines,
        questions=questions,
        request=spell_request(*audit_request(audit.query, runs)),
        data=audit,
    )


def _say_share(share: AuditedShare) -> str:
    examples = [f"{one.candidate_id} in run {one.run_id}" for one in share.examples[:_MAX_EXAMPLES]]
    told = (
        f"{share.count:,} of {share.of:,}, between {100 * share.least:.2g} % and "
        f"{100 * share.most:.2g} %"
    )
    return f"{told}; {', '.join(examples)}" if examples else told
