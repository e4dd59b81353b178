"""Chosen candidates that nobody had offered: ids a language model made up."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from xray.forensics.case import Case
from xray.forensics.findings.noticing import notice, show_examples
from xray.forensics.spelling import list_similar
from xray.forensics.wording import count_things, list_items, list_names, show_candidate
from xray.model.answers import Finding
from xray.model.ids import parse_uuid
from xray.model.records import Step

_CHOOSING: Final = frozenset({"select", "rank", "generate"})
_MIN_ALIKE: Final = 2
_DIGITS: Final = re.compile(r"\d+")


def find_invented(case: Case, step: Step) -> Iterator[Finding]:
    """Where all that *step* chose is unknown to the run, though it looks like what was offered.

    A step that recorded nothing but its choice shares no candidate with the steps before it then,
    so sets cannot be compared; the form of the ids says that they are meant to be the same things.
    """
    chosen = list_invented(case, step)
    if not chosen or case.conservation.balance(step).not_offered:
        return
    sources = _list_sources(case, step)
    offered = {one for source in sources for one in case.flow.everyone.let_through(source).ids}
    forms = Counter(map(_find_form, offered))
    if not offered or any(forms[_find_form(one)] < _MIN_ALIKE for one in chosen):
        return
    number = "a candidate" if len(chosen) == 1 else f"{count_things(len(chosen))}"
    text = (
        f"{step.name} chose {number} that no earlier step recorded"
        f"{show_examples(chosen, len(chosen))}; {list_names(sources, 'or')} let "
        f"{count_things(len(offered))} through."
    )
    yield notice(
        step,
        "not_offered",
        text + tell_alike(case, chosen),
        "inferred",
        count=len(chosen),
        examples=chosen,
        because="their ids have the form of those that were offered, and nothing else is known",
    )


def list_invented(case: Case, step: Step) -> list[str]:
    """The candidates that *step* selected though no earlier step recorded them."""
    ledger = case.flow.ledger(step)
    if step.step_type not in _CHOOSING or step.status != "completed":
        return []
    if step.counts.anonymous or not step.counts.selected or not ledger.is_detailed("selected"):
        return []
    chosen = dict.fromkeys(
        ledger.table.candidate_ids[at] for at in ledger.counting_positions("selected")
    )
    earlier = [one for one in case.evidence.steps if one.ordinal < step.ordinal]
    return [one for one in chosen if not any(case.flow.ledger(other).has(one) for other in earlier)]


def tell_alike(case: Case, strangers: Iterable[str]) -> str:
    """Recorded ids that ids which nobody recorded may be slips of; empty where there is none."""
    pairs = [(one, list_similar(case, one)[:1]) for one in list(strangers)[:3]]
    told = [
        f"{show_candidate(one)} is like {show_candidate(like[0])}" for one, like in pairs if like
    ]
    return f" {list_items(told)}." if told else ""


def _list_sources(case: Case, step: Step) -> Sequence[Step]:
    """The steps whose survivors *step* chose from, where all of those are known."""
    flow = case.flow
    sources: list[Step] = [edge.source for edge in flow.edges(step)]
    if flow.role(step) == "creates":
        # A model that makes new candidates may number them on; one that says what it takes chooses.
        named = (flow.find_step(one, step) for one in step.takes or ())
        sources = [one for one in named if one is not None and one.ordinal < step.ordinal]
    is_known = all(
        flow.outflow(one).is_complete and flow.ledger(one).is_detailed() for one in sources
    )
    return sources if is_known else []


def _find_form(candidate_id: str) -> str:
    """What ids of one kind have in common; the id itself where it has no number."""
    return "uuid" if parse_uuid(candidate_id) else _DIGITS.sub("#", candidate_id)
