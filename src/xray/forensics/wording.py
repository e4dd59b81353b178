"""How ids, numbers, values and step names read in a sentence."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Sequence
from typing import Final

from xray.model.ranking import round_measured
from xray.model.records import Step
from xray.model.values import MARK, is_mark

_MAX_QUOTE: Final = 200
_MAX_VALUE: Final = 60
_MAX_LISTED: Final = 4
_WORD: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")


def show_candidate(candidate_id: str) -> str:
    """A candidate's id as it stands in a sentence: quoted where it would not read as one word."""
    is_word = candidate_id and candidate_id.isprintable() and " " not in candidate_id
    return candidate_id if is_word else json.dumps(candidate_id, ensure_ascii=False)


def show_number(value: float) -> str:
    """A number with the digits that matter."""
    if isinstance(value, int) or (math.isfinite(value) and value == int(value)):
        return str(int(value)) if abs(value) < 1e15 else f"{value:.6g}"
    plain = repr(value)
    return plain if len(plain) <= 8 else f"{value:.6g}"


def show_measured(value: float, error: float | None) -> str:
    """A number as it was given, or about, where a roster rounded it."""
    return (
        show_number(value)
        if error is None
        else f"about {show_number(round_measured(value, error))}"
    )


def show_value(value: object) -> str:
    """A recorded value as it stands in a sentence."""
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "nothing"}[value]
    if isinstance(value, (int, float)):
        return show_number(value)
    if isinstance(value, dict) and is_mark(value):
        return _show_mark(value)
    if isinstance(value, str):
        return f'"{shorten_text(value, _MAX_VALUE)}"'
    if isinstance(value, list):
        return list_items([show_value(item) for item in value])
    return shorten_text(json.dumps(value, ensure_ascii=False, default=str), _MAX_VALUE)


def _show_mark(mark: dict[str, object]) -> str:
    kind = mark[MARK]
    if kind == "float":
        return str(mark.get("value"))
    if kind == "redacted":
        return "a redacted value"
    head = mark.get("head")
    return quote_text(f"{head}…") if isinstance(head, str) and head else "a value not kept"


def shorten_text(text: str, limit: int = _MAX_QUOTE) -> str:
    """*text* on one line, at most *limit* characters long."""
    line = " ".join(text.split())
    return line if len(line) <= limit else f"{line[: limit - 1].rstrip()}…"


def quote_text(text: str) -> str:
    """Somebody's own words, quoted."""
    return f'"{shorten_text(text)}"'


def count_things(number: int, thing: str = "candidate") -> str:
    """A number and its noun: `1 candidate`, `37 candidates`."""
    return f"{number:,} {thing}" if number == 1 else f"{number:,} {thing}s"


def list_items(items: Sequence[str], conjunction: str = "and", limit: int = _MAX_LISTED) -> str:
    """`a`, `a and b`, `a, b and c`; of many the first few and how many more."""
    if len(items) > limit:
        return f"{', '.join(items[:limit])} {conjunction} {len(items) - limit:,} more"
    if len(items) <= 1:
        return "".join(items)
    return f"{', '.join(items[:-1])} {conjunction} {items[-1]}"


def list_names(steps: Iterable[Step], conjunction: str = "and") -> str:
    """The names of *steps*, each once."""
    return list_items(list(dict.fromkeys(step.name for step in steps)), conjunction)


def name_product(step: Step) -> str:
    """What one thing that *step* makes is called: `keyword` for `generate_keywords`, else nothing.

    Only a plural at the end of the name of a step that generates says so.
    """
    words: list[str] = _WORD.findall(step.name)
    if step.step_type != "generate" or not words:
        return ""
    plural = words[-1].lower()
    if len(plural) < 4 or not plural.endswith("s") or plural.endswith(("ss", "us", "is")):
        return ""
    if plural.endswith("ies"):
        return plural[:-3] + "y"
    return plural[:-2] if plural.endswith(("sses", "xes", "ches", "shes")) else plural[:-1]


def name_kept(step: Step) -> str:
    """What *step* did with a candidate it let through."""
    verbs = {
        "generate": "generated",
        "retrieve": "returned",
        "filter": "kept",
        "rank": "kept",
        "select": "chose",
    }
    return verbs.get(step.step_type, "accepted")


def end_sentence(sentence: str) -> str:
    """*sentence* with a full stop, once."""
    # A quoted sentence that ends in its own mark ends this one too.
    is_ended = sentence.removesuffix('"').endswith((".", "…", "?", "!"))
    return sentence if is_ended else f"{sentence}."
