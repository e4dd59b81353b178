"""How numbers, ids, checks and reasons read in a sentence."""

from __future__ import annotations

from typing import Any

import pytest

from xray.forensics.grounds import describe_check, describe_rejection
from xray.forensics.wording import (
    count_things,
    end_sentence,
    list_items,
    name_product,
    quote_text,
    show_candidate,
    show_number,
)
from xray.model.clock import from_wall_us
from xray.model.decisions import open_check
from xray.model.facts import Check as CheckRow
from xray.model.records import Check, Decision, Step


def a_check(op: str | None, observed: Any, limit: Any, field: str = "price") -> Check:
    return open_check(CheckRow("the_reason", field, op, observed, limit, passed=False))


@pytest.mark.parametrize(
    ("check", "words"),
    [
        (a_check("<=", 150, 100), "price 150 exceeds the limit of 100 by 50"),
        (a_check("<", 100, 100), "price 100 is not below 100"),
        (a_check(">=", 2.1, 3.5), "price 2.1 falls short of the minimum of 3.5 by 1.4"),
        (a_check(">", 3, 3), "price 3 is not above 3"),
        (a_check("==", "phone", "laptop"), 'price "phone" is not "laptop"'),
        (a_check("!=", "Acme", "Acme"), 'price "Acme" is excluded'),
        (a_check("in", "phone", ["a", "b"]), 'price "phone" is not among "a" and "b"'),
        (a_check("not in", "x", ["x"]), 'price "x" is among the excluded "x"'),
        (a_check("<=", None, 100), "it has no price"),
        (a_check(None, 150, 100), "price 150 against 100, 50 over"),
        (a_check(None, False, None), "price false"),
        (a_check("<=", 100.0001, 100), "price 100.0001 exceeds the limit of 100 by 0.0001"),
        (a_check("<=", float("inf"), 100), "price Infinity does not meet <= 100"),
        (a_check("<=", "dear", 100), 'price "dear" does not meet <= 100'),
        (a_check("==", {"$xray": "redacted"}, "x"), 'price a redacted value is not "x"'),
        (a_check("<=", 150, 100, field=""), "150 exceeds the limit of 100 by 50"),
    ],
)  # fmt: skip
def test_a_failed_check_reads_as_what_was_found(check: Check, words: str) -> None:
    assert describe_check(check) == words


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"reason": "price_too_high"}, "price_too_high"),
        (
            {"reason": "price_too_high", "attributes": {"price": 150, "tags": ["x"]}},
            "price_too_high (price 150)",
        ),
        ({"reason": "missing:price"}, "it has no price (missing:price)"),
        ({"reason": "unspecified"}, ""),
        (
            {"reason": "too # dear", "is_reason_inferred": True, "reasoning": "too 150 dear"},
            '"too 150 dear"',
        ),
        ({"reason": "dear", "reasoning": "far too much"}, 'dear, "far too much"'),
        (
            {"reason": "the_reason", "checks": [a_check("<=", 5, 1, "x"), a_check("<=", 9, 8)]},
            "x 5 exceeds the limit of 1 by 4 (the_reason)",
        ),
        ({"reason": "veto", "checks": [a_check("<=", 5, 1)]}, "veto"),
    ],
)
def test_a_rejection_reads_as_its_evidence(fields: dict[str, Any], words: str) -> None:
    decision = Decision(candidate_id="a", decision="rejected", step_id="s", run_id="r", **fields)
    assert describe_rejection(decision) == words


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (3, "3"), (3.0, "3"), (0.87, "0.87"), (0.1 + 0.2, "0.3"), (1e-7, "1e-07"),
        (1234567.25, "1.23457e+06"), (10**18, "1e+18"), (float("nan"), "nan"),
    ],
)  # fmt: skip
def test_numbers_show_the_digits_that_matter(number: float, text: str) -> None:
    assert show_number(number) == text


@pytest.mark.parametrize(
    ("candidate", "text"),
    [("prod_1", "prod_1"), ("a b", '"a b"'), ("", '""'), ("a\nb", '"a\\nb"'), ("é", "é")],
)
def test_an_id_is_quoted_where_it_does_not_read_as_one_word(candidate: str, text: str) -> None:
    assert show_candidate(candidate) == text


@pytest.mark.parametrize(
    ("name", "step_type", "product"),
    [
        ("generate_keywords", "generate", "keyword"),
        ("GenerateKeywords", "generate", "keyword"),
        ("expand queries", "generate", "query"),
        ("suggest-boxes", "generate", "box"),
        ("draft", "generate", ""),
        ("run_analysis", "generate", ""),
        ("search_products", "retrieve", ""),
    ],
)
def test_a_step_that_generates_names_what_it_makes(name: str, step_type: Any, product: str) -> None:
    step = Step(
        step_id="s", run_id="r", pipeline="p", name=name, step_type=step_type, ordinal=0,
        status="completed", started_at=from_wall_us(0),
    )  # fmt: skip
    assert name_product(step) == product


def test_lists_counts_and_quotes_are_short() -> None:
    assert list_items(["a"]) == "a"
    assert list_items(["a", "b", "c"]) == "a, b and c"
    assert list_items(list("abcdef")) == "a, b, c, d and 2 more"
    assert count_things(1) == "1 candidate"
    assert count_things(5000) == "5,000 candidates"
    assert quote_text("two\n lines") == '"two lines"'
    assert len(quote_text("x" * 999)) == 202


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("f kept a", "f kept a."),
        ("Really?", "Really?"),
        ('f rejected a: "It is a lamp."', 'f rejected a: "It is a lamp."'),
        ('f rejected a: "a lamp"', 'f rejected a: "a lamp".'),
    ],
)
def test_a_sentence_ends_once(words: str, sentence: str) -> None:
    assert end_sentence(words) == sentence
