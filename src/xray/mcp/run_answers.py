"""Answers about one run, or about two, as they are told to a model."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Final

from xray.mcp.told import Question, Told, hedge, on_one_line, show, spell_request
from xray.model.answers import Finding, FindingList, Provenance, Stop, Why
from xray.model.differences import Change, Move, RunDiff, Standing, StepDiff
from xray.model.labels import Label
from xray.model.lineage import Generation, Lineage, Yield
from xray.model.records import Check, Page, Run, RunDetail, Step
from xray.model.what_if import Flips, StepWhatIf, WhatIf
from xray.questions import (
    Pairs,
    diff_request,
    provenance_request,
    run_path,
    what_if_request,
    why_request,
)

_MAX_REASONS: Final = 6
_MAX_EXAMPLES: Final = 5


def tell_runs(page: Page[Run], q: str, pairs: Pairs) -> Told:
    """The runs that meet a query, newest first."""
    number = len(page.items)
    total = "" if page.total is None or page.total <= number else f" of {page.total:,}"
    which = f" that meet {q}" if q else ""
    noun = "run" if number == 1 else "runs"
    answer = f"{number}{total} {noun}{which}, newest first." if number else f"No run meets {q!r}."
    if not number and not q:
        answer = "There are no runs yet."
    questions = [
        Question("findings", {"run": run.run_id}, "what deserves a look in it")
        for run in page.items[:1]
    ]
    if page.next_cursor is not None:
        more: dict[str, str | int | list[str]] = {
            "q": q,
            "limit": int(dict(pairs)["limit"]),
            "cursor": page.next_cursor,
        }
        questions.append(Question("find_runs", more, "the next of them"))
    if not number:
        by: dict[str, str | int | list[str]] = {"of": "runs", "by": ["pipeline", "status"]}
        questions.append(Question("aggregate", by, "which runs there are"))
    return Told(
        answer=answer,
        certainty="known" if page.complete else "unknown",
        because="" if page.complete else "the search stopped at its budget; go on with the cursor",
        lines=[f"- {_say_run(run)}" for run in page.items],
        questions=questions,
        request=spell_request("/v1/runs", pairs),
        data=page,
    )


def _say_run(run: Run) -> str:
    said = [f"{run.run_id} {run.pipeline} {run.status} {run.started_at:%Y-%m-%dT%H:%M:%SZ}"]
    if run.duration_ms is not None:
        said.append(f"{run.duration_ms:,.0f} ms")
    if run.error is not None:
        said.append(on_one_line(f"error {run.error.type}: {run.error.message}", 200))
    said += [f"labelled {run.label}"] if run.label else []
    said += [f"version {run.version}"] if run.version else []
    said += [f"input {show(run.input, 120)}"] if run.input is not None else []
    said += [f"output {show(run.output, 120)}"] if run.output is not None else []
    return "; ".join(said)


def tell_run(run: RunDetail) -> Told:
    """One run as a funnel."""
    chosen = find_chosen(run)
    counts = [step.output_count for step in run.steps if step.output_count is not None]
    kept = " → ".join(f"{count:,}" for count, _ in groupby(counts))
    answer = f"{run.pipeline} {run.status}"
    answer += f" with {run.error.type}: {run.error.message}" if run.error is not None else ""
    answer += f": {kept} candidates step by step" if kept else ""
    answer += f"; it selected {', '.join(chosen[:_MAX_EXAMPLES])}." if chosen else "."
    lines = [_say_run(run)]
    lines += [f"params {show(run.params)}"] if run.params else []
    lines += [_say_label(label) for label in run.labels]
    lines += [f"{step.ordinal}. {_say_step(step)}" for step in run.steps]
    questions = [Question("findings", {"run": run.run_id}, "what deserves a look in it")]
    questions += [_ask_why(run.run_id, one) for one in chosen[:2]]
    return Told(
        answer=answer,
        lines=lines,
        questions=questions,
        request=spell_request(run_path(run.run_id)),
        data=run,
    )


def _say_label(label: Label) -> str:
    about = "the run" if label.candidate_id is None else label.candidate_id
    by = f" by {label.labelled_by}" if label.labelled_by else ""
    return f"labelled {label.label}{by}: {about}" + (f"; {label.note}" if label.note else "")


def _say_step(step: Step) -> str:
    said = [f"{step.name} ({step.step_type}, step {step.step_id})"]
    if step.status != "completed":
        said.append(step.status + (f" with {step.error.type}" if step.error else ""))
    counts = [
        f"{name} {count:,}"
        for name, count in (("in", step.input_count), ("out", step.output_count))
        if count is not None
    ]
    said += [" ".join(counts)] if counts else []
    if step.rejection_rate is not None:
        said.append(f"rejected {100 * step.rejection_rate:.1f} % ({step.rate_basis})")
    reasons = sorted(step.rejections.items(), key=lambda pair: -pair[1].count)
    said += [f"{reason} {one.count:,}" for reason, one in reasons[:_MAX_REASONS]]
    more = len(reasons) - _MAX_REASONS
    said += [f"{more} more reasons"] if more > 0 else []
    said += [f"params {show(step.params)}"] if step.params else []
    return "; ".join(said)


def find_chosen(run: RunDetail) -> list[str]:
    """What the last step that chose anything chose."""
    for step in reversed(run.steps):
        if step.decision is not None:
            chosen = step.decision.selected
            return chosen if isinstance(chosen, list) else [chosen]
    return []


def _ask_why(run_id: str, candidate: str) -> Question:
    return Question(
        "why", {"run": run_id, "candidate": candidate}, f"why {candidate} ended as it did"
    )


def tell_findings(found: FindingList, chosen: Sequence[str]) -> Told:
    """What deserves a look in a run, and which candidates to ask about."""
    first = found.first or found.findings[:1]
    answer = first[0].text if first else "Nothing stands out in this run."
    lines = [f"run {found.run_id}"] if found.findings else []
    for place, finding in enumerate(found.findings):
        heading = "look here first" if place < found.look_here_first else "also"
        text = "as said above" if finding.text == answer else finding.text
        lines.append(f"{place + 1}. {heading}: {_say_finding(finding, text)}")
    # A candidate of the answer that a finding concerns is what the reader asks about first.
    concerned = [one for finding in first for one in finding.examples]
    asked = list(dict.fromkeys([*(one for one in chosen if one in concerned), *chosen, *concerned]))
    return Told(
        answer=answer,
        certainty=first[0].certainty if first else "known",
        because=first[0].because if first else "",
        lines=lines,
        questions=[_ask_why(found.run_id, one) for one in asked[:3]]
        or [Question("show_run", {"run": found.run_id}, "the run step by step")],
        request=spell_request(run_path(found.run_id, "findings")),
        data=found,
    )


def _say_finding(finding: Finding, text: str) -> str:
    where = f" at {finding.step_name} (step {finding.step_id})" if finding.step_id else ""
    named = [one for one in finding.examples[:_MAX_EXAMPLES] if one not in finding.text]
    examples = f" Candidates: {', '.join(named)}." if named else ""
    doubt = hedge(finding.certainty, finding.because, finding.text)
    return f"{finding.code}{where}: {text}{examples}{doubt}"


def tell_why(why: Why) -> Told:
    """Why a candidate ended as it did, step by step, and where it came from."""
    lines = [f"{why.pipeline}, run {why.run_id}, outcome {why.outcome}"]
    lines += [f"{stop.ordinal}. {_say_stop(stop)}" for stop in why.journey]
    lines += [f"came from: {_say_link(link)}" for link in why.provenance]
    lines += [_say_label(label) for label in why.labels]
    lines += [f"parts: {', '.join(why.parts)}"] if why.parts else []
    lines += [f"recorded ids like it: {', '.join(why.similar)}"] if why.similar else []
    lines += [f"finding: {_say_finding(one, one.text)}" for one in why.findings]
    return Told(
        answer=why.answer,
        certainty=why.certainty,
        because=why.because,
        lines=lines,
        questions=list(_ask_on(why)),
        request=spell_request(*why_request(why.run_id, why.candidate_id)),
        data=why,
    )


def _say_stop(stop: Stop) -> str:
    said = f"{stop.name} ({stop.step_type}, step {stop.step_id}): {stop.text.rstrip('.')}"
    said += hedge(stop.certainty, stop.because, stop.text)
    said += "".join(f"; {_say_check(check)}" for check in stop.checks)
    if stop.reasoning and stop.reasoning not in stop.text:
        said += f'; reasoning "{on_one_line(stop.reasoning, 200)}"'
    if stop.cut is not None and stop.cut.gap is not None:
        said += f"; {stop.cut.gap:.6g} short of the last that was kept"
    return said


def _say_check(check: Check) -> str:
    verdict = "passed" if check.passed else "failed"
    compared = "" if check.op is None else f" {check.op} {show(check.limit, 80)}"
    observed = f"{check.field or check.name} {show(check.observed, 80)}"
    return f"check {check.name}: {observed}{compared} {verdict}"


def _say_link(link: Provenance) -> str:
    return (link.text or link.origin.candidate_id) + hedge(link.certainty, "", link.text)


def _ask_on(why: Why) -> Iterator[Question]:
    """Towards the root: what brought it; then what would have changed it."""
    if why.provenance:
        root = max(why.provenance, key=lambda link: link.depth).origin.candidate_id
        yield Question(
            "provenance",
            {"run": why.run_id, "item": root},
            f"what else {root} brought into the run",
        )
    failed = [
        check
        for stop in why.journey
        for check in stop.checks
        if not check.passed
        and check.op in ("<=", ">=")
        and isinstance(check.observed, (int, float))
    ]
    if failed:
        limit = f"{failed[0].name}={show(failed[0].observed)}"
        yield Question(
            "what_if", {"run": why.run_id, "limits": [limit]}, "what else such a limit would let in"
        )
    for other in why.similar[:2]:
        yield _ask_why(why.run_id, other)
    if not why.provenance and not failed and not why.similar:
        yield Question("findings", {"run": why.run_id}, "what deserves a look in the run")


def tell_lineage(lineage: Lineage) -> Told:
    """What an item came from and brought."""
    lines = [f"{lineage.pipeline}, run {lineage.run_id}"]
    lines += [f"came from: {_say_link(link)}" for link in lineage.came_from]
    for generation in lineage.brought:
        lines += _say_generation(generation)
    lines += [f"recorded ids like it: {', '.join(lineage.similar)}"] if lineage.similar else []
    questions = [_ask_why(lineage.run_id, one) for one in lineage.answers[:2]]
    if lineage.came_from:
        root = max(lineage.came_from, key=lambda link: link.depth).origin.candidate_id
        asked: dict[str, str | int | list[str]] = {"run": lineage.run_id, "item": root}
        questions.append(Question("provenance", asked, f"what else {root} brought"))
    questions += [
        Question("provenance", {"run": lineage.run_id, "item": one}, "an id like the one asked for")
        for one in lineage.similar[:2]
    ]
    return Told(
        answer=lineage.answer,
        certainty=lineage.certainty,
        because=lineage.because,
        lines=lines,
        questions=questions,
        request=spell_request(*provenance_request(lineage.run_id, lineage.candidate_id)),
        data=lineage,
    )


def _say_generation(generation: Generation) -> list[str]:
    doubt = hedge(generation.certainty, generation.because, generation.text)
    lines = [f"brought to {generation.brought_to}: {generation.text}{doubt}"]
    return [
        *lines,
        *(f"- {one.name} (step {one.step_id}): {_say_yield(one)}" for one in generation.fared),
    ]


def _say_yield(fared: Yield) -> str:
    if fared.because and not fared.decided:
        return f"unknown: {fared.because}"
    counts = (("selected", fared.selected), ("kept", fared.accepted), ("rejected", fared.rejected))
    said = ", ".join(f"{count:,} {verdict}" for verdict, count in counts if count)
    reasons = [
        f"{reason} {count:,}" for reason, count in list(fared.reasons.items())[:_MAX_REASONS]
    ]
    told = ("at least " if fared.because else "") + said
    return f"{told} ({', '.join(reasons)})" if reasons else told


def tell_diff(diff: RunDiff) -> Told:
    """How two runs differ, and where they first part."""
    lines = [
        f"A {diff.a.pipeline}, run {diff.a.run_id}",
        f"B {diff.b.pipeline}, run {diff.b.run_id}",
    ]
    lines += [f"run {_say_change(change)}" for change in diff.changes]
    for step in diff.steps:
        if not step.is_same:
            lines += _say_step_diff(step)
    same = [step.name for step in diff.steps if step.is_same]
    lines += [f"the same in both: {', '.join(same)}"] if same and not diff.is_same else []
    return Told(
        answer=diff.answer,
        certainty=diff.certainty,
        because=diff.because,
        lines=lines,
        questions=list(_ask_after_diff(diff)),
        request=spell_request(*diff_request(diff.a.run_id, diff.b.run_id)),
        data=diff,
    )


def _ask_after_diff(diff: RunDiff) -> Iterator[Question]:
    if diff.first_divergence is not None:
        for moves in diff.steps[diff.first_divergence].moves[:2]:
            for move in moves.examples[:1]:
                run_id = diff.a.run_id if moves.kind == "only_in_a" else diff.b.run_id
                yield _ask_why(run_id, move.candidate_id)
    yield Question("findings", {"run": diff.b.run_id}, "what deserves a look in B")


def _say_change(change: Change) -> str:
    before = "absent" if change.only_in == "b" else show(change.a, 80)
    after = "absent" if change.only_in == "a" else show(change.b, 80)
    return f"{change.path}: {before} → {after}"


def _say_step_diff(step: StepDiff) -> list[str]:
    lines = [f"{step.name} ({step.step_type}): {step.text}{hedge(step.certainty, step.because)}"]
    lines += [f"- {_say_change(change)}" for change in step.changes]
    lines += [f"- rejected for {one.reason}: {one.a:,} → {one.b:,}" for one in step.reasons]
    for moves in step.moves:
        named = "; ".join(_say_move(move) for move in moves.examples[:_MAX_EXAMPLES])
        lines.append(f"- {moves.kind} {moves.count:,}: {named}")
    return lines


def _say_move(move: Move) -> str:
    return f"{move.candidate_id} {_say_standing(move.a)} → {_say_standing(move.b)}"


def _say_standing(standing: Standing | None) -> str:
    if standing is None:
        return "absent"
    said = standing.decision + (f" {standing.reason}" if standing.reason else "")
    said += f" rank {standing.rank}" if standing.rank is not None else ""
    return said + (f" score {standing.score:.6g}" if standing.score is not None else "")


def tell_what_if(answer: WhatIf, limits: Sequence[str]) -> Told:
    """What one run would have decided with other limits."""
    lines = [f"{answer.pipeline}, run {answer.run_id}"]
    for step in answer.steps:
        lines += _say_retried(step)
    if answer.lost_answers:
        lines.append(f"no longer in the answer: {', '.join(answer.lost_answers)}")
    if answer.rescored:
        lines.append(f"only a rerun can tell what these make of it: {', '.join(answer.rescored)}")
    flips = [
        flip.candidate_id
        for step in answer.steps
        for flips in (step.newly_kept, step.newly_dropped)
        for flip in flips.examples[:1]
    ]
    return Told(
        answer=answer.answer,
        certainty=answer.certainty,
        because=answer.because,
        lines=lines,
        questions=[_ask_why(answer.run_id, one) for one in [*answer.lost_answers, *flips][:2]],
        request=spell_request(*what_if_request(answer.run_id, limits)),
        data=answer,
    )


def _say_retried(step: StepWhatIf) -> list[str]:
    lines = [f"{step.name} (step {step.step_id}): {step.text}{hedge(step.certainty, step.because)}"]
    lines += [f"- kept besides: {_say_flips(step.newly_kept)}"] if step.newly_kept.most else []
    lines += (
        [f"- dropped besides: {_say_flips(step.newly_dropped)}"] if step.newly_dropped.most else []
    )
    points = [f"{one.limit:g}: {_say_range(one.least, one.most)}" for one in step.curve]
    return [*lines, *([f"- kept at other limits: {'; '.join(points)}"] if points else [])]


def _say_flips(flips: Flips) -> str:
    number = _say_range(flips.least, flips.most)
    named = [f"{one.candidate_id} ({show(one.observed, 40)})" for one in flips.examples]
    return f"{number}: {', '.join(named)}" if named else number


def _say_range(least: int, most: int) -> str:
    return f"{least:,}" if least == most else f"{least:,} to {most:,}"
