"""What is no query is refused in one exact sentence that points at the fault."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import pytest

from xray.errors import InvalidQueryError
from xray.query.fields import SCOPES
from xray.query.language import MAX_QUERY_LENGTH, parse_query
from xray.query.parser import MAX_COMPARISONS, MAX_DEPTH
from xray.query.plan import Scope

NOW_US = 1_767_225_600_000_000
IN_QUOTES = "Leave it out, or put it in quotes where it is text."
CORPUS = Path(__file__).parents[1] / "oracle" / "rejected_queries.txt"


class Rejected(NamedTuple):
    scope: Scope
    query: str
    fault: tuple[int, int]
    sentence: str


def read_case(text: str) -> Rejected:
    asked, pointer, sentence = text.split("\n")
    noun, _, query = asked.partition("> ")
    (scope,) = [scope for scope in SCOPES if noun == f"{scope}s"]
    start = len(pointer) - len(pointer.lstrip()) - len(noun) - 2
    return Rejected(scope, query, (start, start + pointer.count("^")), sentence)


def read_corpus() -> list[Rejected]:
    blocks = CORPUS.read_text(encoding="utf-8").strip().split("\n\n")
    return [read_case(block) for block in blocks if not block.startswith("#")]


def refusal_of(query: str, scope: Scope = "run") -> InvalidQueryError:
    with pytest.raises(InvalidQueryError) as caught:
        parse_query(query, scope, NOW_US)
    assert caught.value.query == query
    return caught.value


def test_the_corpus_holds_more_than_200_queries_each_once() -> None:
    corpus = read_corpus()
    assert len(corpus) > 200
    assert len({(case.scope, case.query) for case in corpus}) == len(corpus)


@pytest.mark.parametrize("case", read_corpus(), ids=lambda case: f"{case.scope}: {case.query}")
def test_what_is_no_query_is_refused_in_exactly_these_words(case: Rejected) -> None:
    error = refusal_of(case.query, case.scope)
    assert (str(error), error.at) == (case.sentence, case.fault)
    assert error.code == "invalid_query"


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ("key = '\ud83d'", "This is half a character. Leave it out."),
        (
            "key\u200b = 'a'",
            f"U+200B ZERO WIDTH SPACE means nothing here. {IN_QUOTES}",
        ),
        (
            "key = \x00",
            f"U+0000 means nothing here. {IN_QUOTES}",
        ),
        (
            "key " * 9_000,
            f"The query is longer than {MAX_QUERY_LENGTH:,} characters. Ask for less.",
        ),
        (
            "(" * 40 + "key = 'a'" + ")" * 40,
            f"The query is nested deeper than {MAX_DEPTH} levels. Ask for less.",
        ),
        (
            "not " * 40 + "key = 'a'",
            f"The query is nested deeper than {MAX_DEPTH} levels. Ask for less.",
        ),
        (
            f"key in ({', '.join(['1'] * 300)})",
            f"The query compares more than {MAX_COMPARISONS} values. Ask for less.",
        ),
        (
            " or ".join(["exists(key)"] * 300),
            f"The query compares more than {MAX_COMPARISONS} values. Ask for less.",
        ),
    ],
    ids=["surrogate", "invisible", "control", "long", "deep", "negated", "listed", "joined"],
)
def test_what_the_corpus_cannot_hold_is_refused_likewise(query: str, sentence: str) -> None:
    assert str(refusal_of(query)) == sentence


def test_a_query_as_deep_and_as_long_as_allowed_is_read() -> None:
    parse_query("(" * MAX_DEPTH + "key = 'a'" + ")" * MAX_DEPTH, "run", NOW_US)
    parse_query(f"key in ({', '.join(['0'] * MAX_COMPARISONS)})".replace("0", "'a'"), "run", NOW_US)
    parse_query(f"key = '{'a' * (MAX_QUERY_LENGTH - 8)}'", "run", NOW_US)
