"""The sentences of an answer: one for each stop of a journey, and the one that says why."""

from __future__ import annotations

from xray.forensics.grounds import describe_rejection, describe_score, list_failed_checks
from xray.forensics.passages import Passage
from xray.forensics.wording import (
    count_things,
    list_items,
    name_kept,
    quote_text,
    shorten_text,
    show_candidate,
    show_measured,
    show_number,
)
from xray.model.answers import Cut, RunnerUp
from xray.model.counts import OVERALL_SCORE_NAMES, score_value
from xray.model.records import Step
from xray.model.vocabulary import DUPLICATE, ERROR, OVER_BUDGET


def describe_passage(passage: Passage, candidate_id: str, sources: list[Step]) -> str:
    """What became of the candidate at one step, as a clause without a full stop.

    Args:
        passage: the step and what happened there.
        candidate_id: the candidate.
        sources: the steps that one takes its candidates from.
    """
    told = _describe_fate(passage, show_candidate(candidate_id), sources)
    return told + _tell_lack_of_detail(passage)


def _tell_lack_of_detail(passage: Passage) -> str:
    row, counts = passage.decision, passage.step.counts
    if row is None or row.has_detail:
        return ""
    if row.decision != "rejected":
        return " (details not kept)"
    return (
        f"; its details were not kept (those of {passage.detailed:,} of "
        f"{count_things(counts.rejected, 'rejection')} were)"
    )


def _describe_fate(passage: Passage, shown: str, sources: list[Step]) -> str:
    name, kind = passage.step.name, passage.kind
    if kind == "selected":
        return _describe_selection(passage, shown)
    if kind == "accepted":
        return _describe_acceptance(passage, shown)
    if kind == "rejected":
        return _describe_rejected(passage, shown)
    if kind in ("outranked", "not_selected"):
        return _describe_outranked(passage, shown)
    if kind == "merged":
        into = passage.decision.merged_into if passage.decision else None
        return f"{name} merged {shown} into {show_candidate(into) if into else 'another candidate'}"
    if kind == "vanished":
        return _describe_vanished(passage, shown, sources)
    return _describe_open_question(passage, shown)


def _describe_open_question(passage: Passage, shown: str) -> str:
    name = passage.step.name
    if passage.kind == "kept":
        return f"{name} kept {shown}, as far as can be told: {passage.because}"
    if passage.kind == "not_recorded":
        if passage.certainty == "unknown":
            return f"{passage.because}, so whether it brought {shown} is unknown"
        return f"{name} did not bring {shown}"
    if passage.kind == "not_reached":
        if passage.certainty == "unknown":
            return f"{passage.because}, so whether {shown} reached it is unknown"
        return f"{shown} did not reach {name}"
    return f"what {name} did with {shown} is unknown: {passage.because}"


def _describe_selection(passage: Passage, shown: str) -> str:
    row, step = passage.decision, passage.step
    verb = "chose" if step.step_type in ("select", "generate") else "selected"
    if row is None:
        return f"{step.name} {verb} {shown}: {passage.because}"
    facts = []
    if row.rank is not None and row.rank > 1:
        facts.append(f"rank {row.rank}")
    score = score_value(row.score)
    if score is not None:
        facts.append(_word_score(passage))
    if passage.runner_up is not None:
        facts.append(describe_runner_up(passage.runner_up, has_score=score is not None))
    told = f"{step.name} {verb} {shown}"
    if facts:
        told += f" ({', '.join(facts)})"
    told += _tell_queries(passage)
    return f"{told}, noting {quote_text(row.reasoning)}" if row.reasoning else told


def describe_runner_up(runner_up: RunnerUp, has_score: bool) -> str:
    """The candidate that came second, and by how much."""
    rival = show_candidate(runner_up.candidate_id)
    where = f" in {runner_up.measured_at}" if runner_up.measured_at else ""
    at = show_number(runner_up.score)
    if runner_up.gap < 0:
        return f"although {rival} scored {at}{where}"
    if has_score and not where:
        return f"next best {rival} at {at}"
    if has_score:
        lead = f"ahead of {rival} by {show_number(runner_up.gap)}"
        return f"{lead if runner_up.gap else f'level with {rival}'}{where}"
    won_at = show_number(round(runner_up.score + runner_up.gap, 9))
    return f"{won_at}{where}, next best {rival} at {at}"


def _describe_acceptance(passage: Passage, shown: str) -> str:
    row, step = passage.decision, passage.step
    verb = name_kept(step) if step.step_type != "select" else "accepted"
    if row is None:
        return f"{step.name} {verb} {shown}: {passage.because}"
    facts = []
    if row.rank is not None:
        facts.append(f"rank {row.rank}")
    if row.score is not None:
        facts.append(_word_score(passage))
    told = f"{step.name} {verb} {shown}" + (f" ({', '.join(facts)})" if facts else "")
    failed = list_failed_checks(row.checks)
    if failed:
        told += f" although {failed}"
    told += _tell_queries(passage)
    return f"{told}, noting {quote_text(row.reasoning)}" if row.reasoning else told


def _word_score(passage: Passage) -> str:
    row = passage.decision
    if row is None:
        return ""
    overall = score_value(row.score)
    is_total = not isinstance(row.score, dict) or any(
        name in row.score for name in OVERALL_SCORE_NAMES
    )
    if is_total and overall is not None:
        return f"score {show_measured(overall, row.score_error)}"
    return describe_score(row)


def _describe_rejected(passage: Passage, shown: str) -> str:
    row, name = passage.decision, passage.step.name
    if row is None:
        return f"{name} rejected {shown}, as far as can be told: {passage.because}"
    if row.reason == DUPLICATE:
        return f"{name} dropped {shown} as a duplicate"
    if row.reason == OVER_BUDGET:
        return f"{name} dropped {shown}: the budget was used up (over_budget)"
    if row.reason == ERROR:
        noted = f": {quote_text(row.reasoning)}" if row.reasoning else ""
        return f"{name} dropped {shown} because of an error{noted}"
    score = f" ({_word_score(passage)})" if row.score is not None else ""
    grounds = describe_rejection(row)
    told = f"{name} rejected {shown}{score}"
    told += f": {grounds}" if grounds else " and gave no reason"
    return told + _tell_queries(passage)


def _tell_queries(passage: Passage) -> str:
    """Where the candidate was decided for several queries: for which the verdict holds."""
    verdict = passage.decision.decision if passage.decision else None
    same = [row.by for row in passage.decisions if row.decision == verdict and row.by is not None]
    if not same:
        return ""
    decided = [row for row in passage.decisions if row.decision is not None]
    if len(decided) == 1:
        return f", for {show_candidate(same[0])}"
    return f", for {len(same)} of {len(decided)} ({list_items(same)})"


def _describe_outranked(passage: Passage, shown: str) -> str:
    step, row = passage.step, passage.decision
    told = f"{shown} was outranked in {step.name}"
    if passage.kind == "not_selected":
        told += _tell_choice(step)
    is_single = step.decision is not None and isinstance(step.decision.selected, str)
    position = describe_cut(passage.cut, "it" if is_single else "the last that was kept")
    if position:
        told += f": {position}"
    elif passage.kind == "outranked":
        told += ": it fell below the cut"
    return f"{told}, noting {quote_text(row.reasoning)}" if row and row.reasoning else told


def _tell_choice(step: Step) -> str:
    if step.decision is None:
        return ""
    selected = step.decision.selected
    if isinstance(selected, str):
        return f", which chose {show_candidate(selected)}"
    return f", which chose {count_things(len(selected), 'other')}"


def describe_cut(cut: Cut | None, last: str = "the last that was kept") -> str:
    """How far an outranked candidate was from surviving; empty where nothing was measured.

    Args:
        cut: what was measured.
        last: what the last candidate that was kept is called.
    """
    if cut is None:
        return ""
    facts = []
    if cut.rank is not None:
        among = f" of {cut.ranked_count:,}" if cut.ranked_count else ""
        has_cut = cut.last_kept_rank is not None and cut.last_kept_rank != 1
        limit = f" where the cut is {cut.last_kept_rank}" if has_cut else ""
        facts.append(f"rank {cut.rank}{among}{limit}")
    if cut.score is not None and (cut.gap is None or cut.score_error is not None):
        facts.append(f"score {show_measured(cut.score, cut.score_error)}")
    if cut.gap is not None and cut.last_kept_score is not None:
        facts.append(_describe_gap(cut, cut.gap, last))
    told = ", ".join(facts)
    return f"{told} (measured in {cut.measured_at})" if told and cut.measured_at else told


def _describe_gap(cut: Cut, gap: float, last: str) -> str:
    if cut.gap_error is not None and abs(gap) <= cut.gap_error:
        return f"about level with {last}"
    if gap == 0:
        return f"level with {last}"
    points = show_measured(abs(gap), cut.gap_error)
    is_behind = (
        cut.rank is not None and cut.last_kept_rank is not None and cut.rank > cut.last_kept_rank
    )
    if gap > 0:
        side = "below"
    else:
        side = "behind" if is_behind else "above"
    unit = "point" if points.endswith(" 1") or points == "1" else "points"
    return f"{points} {unit} {side} {last}"


def _describe_vanished(passage: Passage, shown: str, sources: list[Step]) -> str:
    step = passage.step
    if step.status != "completed":
        error = ""
        if step.error is not None:
            error = f" ({shorten_text(f'{step.error.type}: {step.error.message}')})"
        return f"{step.name} {step.status}{error} before it decided {shown}"
    failed = list_failed_checks(passage.decisions[0].checks) if passage.decisions else ""
    if passage.decisions:
        found = f" ({failed})" if failed else ""
        return f"{step.name} checked {shown}{found} and never decided it"
    if not sources:
        return f"{step.name} never decided {shown}"
    source = sources[0]
    verb = name_kept(source)
    if passage.first_decided:
        return (
            f"{shown} was lost between {source.name} and {step.name}: {source.name} {verb} "
            f"{count_things(passage.offered_count)}, and {step.name} decided exactly the first "
            f"{passage.first_decided:,} of them, as a cut in between would leave"
        )
    return (
        f"{shown} was lost between {source.name} and {step.name}: "
        f"{source.name} {verb} it, and {step.name} never decided it"
    )


def describe_stranger(passage: Passage, candidate_id: str, drop: Passage | None) -> str:
    """A step decided a candidate that nobody had offered it.

    Args:
        passage: that step.
        candidate_id: the candidate.
        drop: where the candidate had been dropped before; None when it had not been recorded.
    """
    shown = show_candidate(candidate_id)
    told = f"{describe_passage(passage, candidate_id, [])}, though nobody offered it"
    if drop is None:
        return f"{told}: no step before {passage.step.name} let {shown} through"
    return f"{told}: before that, {describe_passage(drop, 'it', [])}"
