"""Candidate ids as people type them, matched to ids as they were recorded."""

from __future__ import annotations

import json
from collections.abc import Iterator

from xray.forensics.case import Case
from xray.model.ids import canonical_id, parse_uuid

_MAX_SIMILAR = 3


def recognize_candidate(case: Case, typed: str) -> str:
    """The recorded candidate or whole that *typed* means, else *typed* as it is.

    Surrounding blanks and quotes, the case of a UUID and the spacing of a tuple do not matter.
    """
    for spelling in _spell(typed):
        if case.has_candidate(spelling) or case.parts_of(spelling):
            return spelling
    return typed


def list_similar(case: Case, candidate_id: str) -> list[str]:
    """Recorded ids that differ from *candidate_id* only in case, blanks and punctuation."""
    wanted = _fold(candidate_id)
    if not wanted:
        return []
    found: dict[str, None] = {}
    for step in case.flow.steps:
        for known in case.flow.ledger(step).candidate_ids:
            if _fold(known) == wanted and known != candidate_id:
                found[known] = None
    return list(found)[:_MAX_SIMILAR]


def _spell(typed: str) -> Iterator[str]:
    yield typed
    stripped = typed.strip()
    yield stripped
    if len(stripped) > 1 and stripped[0] == stripped[-1] and stripped[0] in "\"'":
        yield stripped[1:-1]
    uuid = parse_uuid(stripped)
    if uuid is not None:
        yield uuid
    if stripped.startswith(("[", "(")):
        array = _parse_array(f"[{stripped[1:-1]}]") or _parse_array(
            f"[{stripped[1:-1]}]".replace("'", '"')
        )
        canonical = canonical_id(tuple(array)) if array else None
        if canonical is not None:
            yield canonical


def _parse_array(text: str) -> list[object] | None:
    try:
        parsed = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return parsed if isinstance(parsed, list) else None


def _fold(candidate_id: str) -> str:
    return "".join(letter for letter in candidate_id.casefold() if letter.isalnum())
