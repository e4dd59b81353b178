"""How an answer is told to a model: a sentence, its evidence, what to ask next, within a budget.

A model pays for every word it reads and forgets what does not fit. So a text comes in pages, a
structure is pruned until it is small, and both say what they leave out and how to get it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Final
from urllib.parse import urlencode

import msgspec
from msgspec import Struct

from xray.model.vocabulary import Certainty
from xray.questions import Pairs

MAX_PAGE_CHARACTERS: Final = 5_000
"""How long the evidence of one page may be; the sentence and the questions come on top."""
MAX_LINE_CHARACTERS: Final = 600
MAX_DATA_CHARACTERS: Final = 8_000
_WIDTHS: Final = (20, 10, 5, 3, 1)
_TEXT_WIDTHS: Final = (300, 300, 200, 100, 60)
_NOT_READ: Final = frozenset({"state"})
"""What only programs that add up parts of an answer can use."""

Argument = str | int | list[str]


class Question(Struct, frozen=True):
    """A question that leads on from an answer.

    Args:
        tool: the tool to call.
        arguments: what to call it with.
        why: what it would tell.
    """

    tool: str
    arguments: dict[str, Argument]
    why: str


class Told(Struct, frozen=True, kw_only=True):
    """An answer as it is told.

    Args:
        answer: one plain sentence.
        certainty: whether that is known, inferred or unknown.
        because: what it was inferred from, or why it is unknown.
        lines: the evidence, with the ids it rests on.
        questions: what to ask next, the most useful first.
        request: the call of the HTTP API that answers the same.
        data: the answer as a structure.
    """

    answer: str
    certainty: Certainty = "known"
    because: str = ""
    lines: Sequence[str] = ()
    questions: Sequence[Question] = ()
    request: str = ""
    data: Struct


def spell_request(path: str, pairs: Pairs = ()) -> str:
    """A question to the HTTP API as one writes it down."""
    return f"GET {path}" + (f"?{urlencode(pairs, errors='replace')}" if pairs else "")


def on_one_line(text: str, limit: int = MAX_LINE_CHARACTERS) -> str:
    """*text* without line breaks, and its beginning where it is longer than *limit*."""
    line = " ".join(text.split())
    if len(line) <= limit:
        return line
    return f"{line[:limit].rstrip()}… ({len(line) - limit:,} more characters)"


def show(value: object, limit: int = 160) -> str:
    """A free-form value on one line."""
    if isinstance(value, str):
        return on_one_line(value, limit)
    return on_one_line(msgspec.json.encode(value).decode("utf-8", "replace"), limit)


def hedge(certainty: Certainty, because: str = "", said: str = "") -> str:
    """What follows a sentence that is not known: ` (inferred: why)`."""
    if certainty == "known":
        return ""
    return f" ({certainty}: {because})" if because and because not in said else f" ({certainty})"


def cut_pages(lines: Sequence[str]) -> list[list[str]]:
    """*lines* in pages that fit the budget; one empty page for none."""
    pages: list[list[str]] = [[]]
    length = 0
    for line in map(on_one_line, lines):
        if pages[-1] and length + len(line) > MAX_PAGE_CHARACTERS:
            pages.append([])
            length = 0
        pages[-1].append(line)
        length += len(line) + 1
    return pages


def write_text(told: Told, page: int = 1) -> tuple[str, int]:
    """The text of one page of an answer, and how many pages there are."""
    pages = cut_pages(told.lines)
    number = min(max(page, 1), len(pages))
    head = on_one_line(told.answer) + hedge(told.certainty, told.because, told.answer)
    parts = [head] if number == 1 else [f"{head} (continued)"]
    parts += pages[number - 1]
    if number < len(pages):
        left = sum(map(len, pages[number:]))
        more = f"{left:,} more lines: ask the same with page={number + 1}"
        parts.append(f"Page {number} of {len(pages)}; {more}.")
    if told.questions:
        parts += ["", "Ask next:"]
        parts += [f"- {_spell_question(one)}: {one.why}" for one in told.questions]
    if told.request:
        parts += ["", f"The same over HTTP: {on_one_line(told.request)}"]
    return "\n".join(parts), len(pages)


def _spell_question(question: Question) -> str:
    given = ", ".join(
        f"{name}={msgspec.json.encode(value).decode()}"
        for name, value in question.arguments.items()
    )
    return f"{question.tool}({given})"


def write_structure(told: Told, page: int, pages: int) -> dict[str, Any]:
    """The answer as a structure, pruned to its budget; `left_out` counts what is not in it."""
    data, left_out = prune(told.data)
    return {
        "answer": told.answer,
        "certainty": told.certainty,
        "because": told.because,
        "data": data,
        "left_out": left_out,
        "next": msgspec.to_builtins(list(told.questions)),
        "request": told.request,
        "page": page,
        "pages": pages,
    }


def prune(data: Struct) -> tuple[dict[str, Any], dict[str, int]]:
    """*data* without what is empty, with as much of its lists and texts as the budget allows.

    Returns:
        The structure, and by path how many entries of lists and mappings are not in it.
    """
    whole: dict[str, Any] = msgspec.to_builtins(data, str_keys=True)
    pruned: dict[str, Any] = {}
    left_out: Counter[str] = Counter()
    for width, text in zip(_WIDTHS, _TEXT_WIDTHS, strict=True):
        left_out = Counter()
        pruned = {
            name: _prune(value, name, width, text, left_out)
            for name, value in whole.items()
            if not _is_empty(value) and name not in _NOT_READ
        }
        if len(msgspec.json.encode(pruned)) <= MAX_DATA_CHARACTERS:
            return pruned, dict(left_out)
    flat = {
        name: value for name, value in pruned.items() if isinstance(value, (str, int, float, bool))
    }
    for name in pruned.keys() - flat.keys():
        left_out[name] = len(whole[name])
    return flat, dict(left_out)


def _prune(value: Any, path: str, width: int, text: int, left_out: Counter[str]) -> Any:
    if isinstance(value, str):
        return value if len(value) <= text else f"{value[:text]}…"
    if isinstance(value, list):
        left_out.update({path: len(value) - width} if len(value) > width else {})
        return [_prune(one, path, width, text, left_out) for one in value[:width]]
    if isinstance(value, Mapping):
        # The fields of a record are few; only what pipelines give has names without end.
        room = max(width, 40)
        named = [(name, one) for name, one in value.items() if not _is_empty(one)]
        left_out.update({path: len(named) - room} if len(named) > room else {})
        return {
            name: _prune(one, f"{path}.{name}", width, text, left_out) for name, one in named[:room]
        }
    return value


def _is_empty(value: object) -> bool:
    return value is None or value in ("", [], {})
