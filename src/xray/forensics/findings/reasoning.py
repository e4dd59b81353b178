"""Choices whose stated reason contradicts what was recorded of the candidate."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from xray.forensics.audits.claims import Claim
from xray.forensics.audits.reasonings import Unsupported, read_reasonings
from xray.forensics.case import Case
from xray.forensics.findings.noticing import notice
from xray.forensics.wording import count_things, list_items, show_candidate, show_value
from xray.model.answers import Finding
from xray.model.records import Step

_SHOWN: Final = 2
_OF_THE_REJECTED: Final = 0.6
_BECAUSE: Final = "read from the words of its reasoning, beside the attributes that were recorded"


def find_in_reasoning(case: Case, step: Step) -> Iterator[Finding]:
    """Where the reasoning of *step* says of candidates what the record contradicts."""
    if case.flow.role(step) != "keeps":
        return
    found = read_reasonings(case, step).unsupported
    if not found:
        return
    told = [f"of {show_candidate(one.candidate_id)}, {tell_claim(one.claims[0])}" for one in found]
    more = len(found) - _SHOWN
    shown = [*told[:_SHOWN], *([f"{more} more"] if more > 0 else [])]
    text = (
        f"The reasoning of {step.name} contradicts what was recorded of "
        f"{count_things(len(found))}: {list_items(shown)}."
    )
    chosen = [one for one in case.origins.answer if one in {one.candidate_id for one in found}]
    if chosen:
        text += f" {list_items([show_candidate(one) for one in chosen])} is in the answer."
    yield notice(
        step,
        "unsupported_reasoning",
        text,
        "inferred",
        count=len(found),
        examples=[one.candidate_id for one in found],
        because=_BECAUSE,
        surprise=None if any(map(_is_kept, found)) else _OF_THE_REJECTED,
    )


def _is_kept(one: Unsupported) -> bool:
    return one.is_kept


def tell_claim(claim: Claim) -> str:
    """What is said and what was recorded: `"price 45", but its price is 60`."""
    said = f'"{claim.said}"'
    if claim.recorded is None:
        others = count_things(len(claim.holders), "other")
        return f"{said}, but no {claim.attribute} was recorded of it, as of {others}"
    told = f"{said}, but its {claim.attribute} is {show_value(claim.recorded)}"
    if 0 < len(claim.holders) <= _SHOWN:
        told += f" (that is {list_items([show_candidate(one) for one in claim.holders])})"
    return told
