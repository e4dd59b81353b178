"""`spec/query.md` lists the fields there are, and what it shows as a query is one."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from xray.query.fields import BY_SCOPE, FIELDS
from xray.query.language import MAX_QUERY_LENGTH, parse_query
from xray.query.parser import FUNCTIONS, MAX_COMPARISONS, MAX_DEPTH
from xray.query.plan import Scope
from xray.query.reference import render_fields

NOW_US = 1_767_225_600_000_000
SPEC = (Path(__file__).parents[2] / "spec" / "query.md").read_text("utf-8")


def test_the_tables_of_fields_are_those_questions_are_checked_by() -> None:
    _, _, rest = SPEC.partition("<!-- fields: python -m xray.query.reference -->\n")
    table, _, _ = rest.partition("<!-- end of fields -->")
    assert table.strip() == render_fields().strip(), "run: python -m xray.query.reference"


def test_the_limits_it_names_are_the_limits() -> None:
    said = f"{MAX_QUERY_LENGTH:,} characters, {MAX_COMPARISONS} values and {MAX_DEPTH} levels"
    assert said in SPEC


def test_every_function_is_in_the_grammar() -> None:
    for function in FUNCTIONS:
        assert f'"{function}" "("' in SPEC


EXAMPLES: list[tuple[Scope, str]] = [
    ("step" if "step_type = 'filter' and rejection" in line else "run", line.strip())
    for line in re.findall(r"^    (any\(.*?\))  ", SPEC, re.MULTILINE)
    + re.findall(r"^    (step_type = .*)$", SPEC, re.MULTILINE)
]


def test_it_shows_examples() -> None:
    assert len(EXAMPLES) >= 5


@pytest.mark.parametrize(("scope", "query"), EXAMPLES)
def test_what_it_shows_as_a_query_is_one(scope: Scope, query: str) -> None:
    parse_query(query, scope, NOW_US)


def test_a_field_is_found_by_one_spelling_only_once() -> None:
    for scope, fields in BY_SCOPE.items():
        spellings = [
            spelling
            for field in FIELDS
            if field.scope == scope
            for spelling in (field.name, *field.aliases)
        ]
        assert sorted(spellings) == sorted(fields)


def test_a_word_field_knows_its_words_and_no_other_does() -> None:
    for field in FIELDS:
        assert (field.type == "word") == (field.words is not None)
        if field.words is not None:
            assert all(field.words.parse(word.upper()) == word for word in field.words.known)
