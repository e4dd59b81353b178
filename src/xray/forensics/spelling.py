"""Candidate ids as people type them, matched to ids as they were recorded."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterator
from itertools import islice
from typing import Final

from xray.forensics.case import Case
from xray.model.ids import canonical_id, parse_uuid

_MAX_SIMILAR: Final = 3
_MIN_BEGINNING: Final = 3
_MIN_LIKENESS: Final = 0.8
_MAX_COMPARED: Final = 20_000


def recognize_candidate(case: Case, typed: str) -> str:
    """The recorded candidate or whole that *typed* means, else *typed* as it is.

    Surrounding blanks and quotes, the case of a UUID and the spacing of a tuple do not matter.
    """
    for spelling in _spell(typed):
        if case.has_candidate(spelling) or case.parts_of(spelling):
            return spelling
    return typed


def list_similar(case: Case, candidate_id: str) -> list[str]:
    """Recorded ids that *candidate_id* may stand for.

    Those that differ in case, blanks and punctuation only, else those that begin so, else those
    with the same digits and nearly the same letters.
    """
    wanted = _fold(candidate_id)
    if not wanted:
        return []
    known = {
        one: _fold(one)
        for step in case.flow.steps
        for one in case.flow.ledger(step).candidate_ids
        if one != candidate_id
    }
    found = [one for one, folded in known.items() if folded == wanted]
    if not found and len(wanted) >= _MIN_BEGINNING:
        found = [one for one, folded in known.items() if folded.startswith(wanted)]
    return (found or _list_misspelt(known, wanted))[:_MAX_SIMILAR]


def _list_misspelt(known: dict[str, str], wanted: str) -> list[str]:
    # Another number is another candidate, not a slip.
    digits = _digits(wanted)
    pool = {folded: one for one, folded in known.items() if _digits(folded) == digits}
    folded = islice(pool, _MAX_COMPARED)
    near = difflib.get_close_matches(wanted, folded, n=_MAX_SIMILAR, cutoff=_MIN_LIKENESS)
    return [pool[one] for one in near]


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


def _digits(folded: str) -> str:
    return "".join(letter for letter in folded if letter.isdigit())
