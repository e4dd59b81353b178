"""What can be said of a candidate that no decision is about."""

from __future__ import annotations

from xray.forensics.case import Case
from xray.forensics.conservation import is_one_sided
from xray.forensics.gaps import explain_sample
from xray.forensics.journey import Journey
from xray.forensics.origins import names_value
from xray.forensics.spelling import list_similar
from xray.forensics.wording import count_things, list_items, list_names, show_candidate
from xray.model.answers import Outcome, Stop, Why
from xray.model.records import Step
from xray.model.vocabulary import Certainty


def explain_absence(case: Case, journey: Journey, stops: list[Stop]) -> Why:
    """Why a candidate is nowhere: it never was, or this capture level cannot tell."""
    outcome, answer, certainty, because = _judge_absence(case, journey)
    similar = list_similar(case, journey.candidate_id)
    if similar:
        options = list_items([show_candidate(one) for one in similar], "or")
        answer += f" Did you mean {options}?"
    return Why(
        run_id=case.run.run_id,
        pipeline=case.run.pipeline,
        candidate_id=journey.candidate_id,
        outcome=outcome,
        answer=answer,
        certainty=certainty,
        because=because,
        journey=stops,
        similar=similar,
    )


def _judge_absence(case: Case, journey: Journey) -> tuple[Outcome, str, Certainty, str]:
    shown = show_candidate(journey.candidate_id)
    flow = case.flow
    recording = [step for step in flow.deciding_steps if any(True for _ in _ids(case, step))]
    counting = [step for step in flow.deciding_steps if flow.ledger(step).decided_count]
    creators = _creators(case)
    is_known = bool(creators) and all(flow.is_accounted_for(step) for step in creators)
    if not recording and not is_known:
        because = (
            explain_sample(flow, counting[0]) if counting else "no step recorded its candidates"
        )
        return "unknown", f"What became of {shown} is unknown: {because}.", "unknown", because
    if case.run.status in ("running", "abandoned"):
        is_running = case.run.status == "running"
        because = "the run has not ended" if is_running else "the run was abandoned"
        answer = f"No step of this run has recorded {shown}, but {because}."
        return "unknown", answer, "unknown", because
    naming = [
        step for step in flow.deciding_steps if names_value(step.output, journey.candidate_id)
    ]
    if naming:
        because = f"only the output of {list_names(naming)} names it"
        answer = f"No step of this run decided {shown}; {because}."
        return "unknown", answer, "unknown", because
    replaced = journey.replaced_passages()
    if not is_known:
        hidden = _explain_hidden(case, recording, counting)
        if hidden:
            answer = f"What became of {shown} is unknown: {hidden}.{_tell_choice(case)}"
            return "unknown", answer, "unknown", hidden
    answer = f"No step of this run recorded {shown}: it was never retrieved."
    if not recording:
        answer = f"{list_names(creators)} brought no candidates, so {shown} was never retrieved."
    if replaced:
        first = replaced[0]
        answer = (
            f"Only attempt {first.attempt} of {first.step.name}, which {first.step.status}, "
            f"recorded {shown}; no attempt that counts retrieved it."
        )
    nameless = _find_nameless_parts(case)
    if nameless:
        because = (
            f"{nameless} names the wholes that candidates are parts of, and kept those of "
            "a sample only"
        )
        return "never_retrieved", answer, "inferred", because
    if is_known:
        return "never_retrieved", answer, "known", ""
    silent = [step for step in creators if not flow.is_accounted_for(step)]
    because = (
        f"{list_names(silent)} recorded no candidates, but {list_names(recording)} recorded "
        "every decision"
        if silent
        else f"{list_names(recording)} recorded every decision"
    )
    return "never_retrieved", answer, "inferred", because


def _find_nameless_parts(case: Case) -> str:
    """The step that knows some candidates without the whole they belong to; empty when none."""
    for step in case.flow.steps:
        ledger = case.flow.ledger(step)
        if not ledger.is_detailed() and any(True for _ in ledger.wholes):
            return step.name
    return ""


def _tell_choice(case: Case) -> str:
    """What is certain even so: the answer of the run, where every selected candidate is stored."""
    step = case.origins.answering_step
    if step is None or not case.flow.ledger(step).is_complete("selected"):
        return ""
    answer = [show_candidate(one) for one in case.origins.answer]
    return f" It was not chosen: {step.name} chose {list_items(answer)}."


def _creators(case: Case) -> list[Step]:
    """The steps that bring candidates in: those that retrieve, else those that generate."""
    creating = [step for step in case.flow.deciding_steps if case.flow.role(step) == "creates"]
    retrieving = [step for step in creating if step.step_type == "retrieve"]
    return retrieving or creating


def _ids(case: Case, step: Step) -> list[str]:
    return list(case.flow.ledger(step).candidate_ids)


def _explain_hidden(case: Case, recording: list[Step], counting: list[Step]) -> str:
    """Where the candidate may have been without leaving a row; empty when nowhere."""
    for step in counting:
        ledger = case.flow.ledger(step)
        if not ledger.is_complete():
            return explain_sample(case.flow, step)
        taken = step.declared_input_count or 0
        if taken > ledger.decided_count and case.flow.role(step) != "creates":
            return (
                f"{step.name} took in {count_things(taken)} and recorded what it did with "
                f"{ledger.decided_count:,} of them"
            )
    full = [step for step in counting if not is_one_sided(step)]
    if full:
        return ""
    if not counting:
        return f"{list_names(recording)} only logged samples of the candidates"
    kind = "rejected" if counting[0].counts.rejected else "selected"
    return f"{list_names(counting)} recorded only what was {kind}"
