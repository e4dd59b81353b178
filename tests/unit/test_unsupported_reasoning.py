"""Reasoning is held against the record: what it contradicts is told, what it may mean is not."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from xray import XRay
from xray.forensics.audits.claims import Attributes
from xray.forensics.evidence import load_evidence
from xray.forensics.findings.attention import order_findings
from xray.forensics.findings.finders import find
from xray.model.answers import Finding
from xray.store.memory import MemoryStore
from xray.testing import MemorySink

SHELF: dict[str, dict[str, Any]] = {
    "p1": {"price": 60.0, "rating": 4.46, "category": "Phone Cases", "waterproof": False,
           "unit_price": 3, "title": "Slim case", "discount": 0.25, "colors": ["red", "blue"]},
    "p2": {"price": 45.0, "rating": 4.8, "category": "Stands", "waterproof": True,
           "unit_price": 5, "title": "Folding stand", "discount": 0.1, "colors": ["green"]},
    "p3": {"price": 45.0, "rating": 3.9, "category": "Stands", "is_foldable": True,
           "unit_price": 7, "title": "Desk stand", "discount": 0.5, "colors": ["black"]},
    "p4": {"price": 20.0, "rating": 4.1, "category": "Phone Cases", "is_foldable": True,
           "unit_price": 9, "title": "Waterproof case", "waterproof": False, "stock": 4},
    "p5": {"price": 19.0, "rating": 4.0, "category": "Phone Cases Pro", "stock": 9},
}  # fmt: skip


def shelf() -> Attributes:
    return Attributes(
        {one: {name: [value] for name, value in held.items()} for one, held in SHELF.items()}
    )


@pytest.mark.parametrize(
    ("reasoning", "attribute", "said", "holders"),
    [
        ("Strong match: price 45, rating 4.5.", "price", "price 45", ("p2", "p3")),
        ("Its price is $45 and it is slim.", "price", "price is $45", ("p2", "p3")),
        ("The rating of 4.8 stars convinced me.", "rating", "rating of 4.8", ("p2",)),
        ("A slim case. Category: Stands.", "category", "Category: Stands", ("p2", "p3")),
        ("It has category 'Stands', just right.", "category", "category 'Stands", ("p2", "p3")),
        ("Slim, waterproof and red.", "waterproof", "waterproof", ("p2",)),
        ("A foldable design.", "is_foldable", "foldable", ("p3", "p4")),
        ("With stock 7, it ships today.", "stock", "stock 7", ("p4", "p5")),
        ("Unit price 9, well made.", "unit_price", "Unit price 9", ("p4",)),
        ("Its colors: green.", "colors", "colors: green", ("p2",)),
    ],
)  # fmt: skip
def test_what_is_said_against_the_record_is_told_with_the_words(
    reasoning: str, attribute: str, said: str, holders: tuple[str, ...]
) -> None:
    (claim,) = shelf().read("p1", reasoning)
    assert (claim.attribute, claim.said, claim.holders) == (attribute, said, holders)
    recorded = SHELF["p1"].get(attribute)
    assert claim.recorded == recorded


CLEAN = [
    "Price 60, rating 4.5, category Phone Cases.",
    "price: 60.00; rating 4.4 (cut off) and 25 percent discount",
    "Discount 25 %, unit price 3.",
    "The category is phone cases, colors: red and blue.",
    "Price 45 would have been better.",
    "It is not waterproof.",
    "Not waterproof, yet well rated.",
    "Cheaper than price 45 items.",
    "Unlike p2 with price 45, it is slim.",
    "p2: price 45. Waterproof p2 was turned down.",
    "Its price is below 45, its rating above 4.",
    "The price limit 45 is respected.",
    "List price 45, reduced.",
    "The average price 45 is close.",
    "Price 40-50 is the usual range.",
    "Price 45k points.",
    "Rating 4.8/10 by critics.",
    "The user asked for a waterproof stand.",
    "A waterproof stand was requested; a slim case is what there is.",
    "Could be waterproof?",
    "Should be foldable for travel.",
    "Shipping price 45 included.",
    "price $6000 cents",
    "The category Stands apart from others.",
    "Great price, great rating, great category.",
    "This one stands out in its category.",
    "",
]


@pytest.mark.parametrize("reasoning", CLEAN)
def test_what_is_so_or_may_mean_something_else_is_left_alone(reasoning: str) -> None:
    assert shelf().read("p1", reasoning) == []


def test_words_of_its_own_title_and_numbers_of_the_question_support_what_is_said() -> None:
    assert shelf().read("p4", "A waterproof case.") == []
    assert shelf().read("p1", "Price 45.", spared={45.0}) == []
    assert shelf().read("p5", "Category Phone Cases.") == []
    assert shelf().read("unknown", "Price 45.") == []


values = st.one_of(
    st.integers(-10_000, 10_000), st.floats(-1e4, 1e4), st.booleans(), st.text(max_size=20)
)
names = st.sampled_from(["price", "rating", "is_new", "category", "unit price", "Weight", "x"])


@pytest.mark.parametrize(
    "reasoning",
    [
        "Selected for its looks, rank 1.",
        "It is relevant, position 2, and the total price 180 is fine.",
        "Top rating 5 in its class; brand new.",
        "Price 45 after coupon, rating 4.9 out of 5, price 1,5.",
        "The 45 price and the stands category were weighed.",
        "Pricey, waterproofing unknown.",
    ],
)
def test_words_of_the_choice_itself_are_no_attributes(reasoning: str) -> None:
    others = {"selected": [True], "relevant": [True], "rank": [1], "position": [2]}
    profiles = {one: {name: [value] for name, value in held.items()} for one, held in SHELF.items()}
    profiles["p1"] |= {"selected": [False], "relevant": [False], "rank": [7], "position": [9]}
    for one in ("p2", "p3"):
        profiles[one] |= others
    assert Attributes(profiles).read("p1", reasoning) == []


@given(st.dictionaries(names, values, max_size=6), st.dictionaries(names, values, max_size=6),
       st.integers(0, 4))  # fmt: skip
@example({"unit price": 0}, {"price": True}, 0)
def test_a_reasoning_made_of_the_record_contradicts_nothing(
    own: dict[str, Any], other: dict[str, Any], decimals: int
) -> None:
    profiles = {
        "own": {name: [value] for name, value in own.items()},
        "other": {name: [value] for name, value in other.items()},
        "more": {name: [value] for name, value in other.items()},
    }
    said = []
    for name, value in own.items():
        if isinstance(value, bool):
            said.append(f"It is {name}." if value else f"It is not {name}.")
        elif isinstance(value, (int, float)):
            said.append(f"Its {name} is {value:.{decimals}f}.")
        else:
            said.append(f"Its {name} is {value}.")
    claims = Attributes(profiles).read("own", " ".join(said))
    # A recorded text is quoted whole, and may hold whatever else was recorded of others.
    texts = [value for value in own.values() if isinstance(value, str)]
    assert not claims or texts


@given(st.text(max_size=200))
def test_any_text_can_be_read(text: str) -> None:
    shelf().read("p1", text)


def choose(reasonings: dict[str, str], chosen: str, **question: Any) -> list[Finding]:
    """A language model picks one of the shelf; what deserves a look in that run."""
    store, sink = MemoryStore(), MemorySink()
    x = XRay("picker", sink=sink)
    with x.run(input=question or {"query": "a case"}) as run:
        with run.step("search", step_type="retrieve") as step:
            for name, attributes in SHELF.items():
                step.accept(name, attributes=attributes)
        with run.step("llm_pick", step_type="generate", takes="search") as step:
            for name in SHELF:
                if name == chosen:
                    step.select(name, reasoning=reasonings.get(name))
                else:
                    step.reject(name, "not_selected", reasoning=reasonings.get(name))
    store.submit("batch", sink.facts).result()
    evidence = load_evidence(store, run.run_id)
    return order_findings(evidence, find(evidence))


def test_a_choice_for_a_made_up_reason_is_the_first_finding_of_the_run() -> None:
    (finding,) = choose({"p1": "Strong match: price 45, rating 4.5."}, "p1")
    assert finding.code == "unsupported_reasoning"
    assert finding.text == (
        "The reasoning of llm_pick contradicts what was recorded of 1 candidate: of p1, "
        '"price 45", but its price is 60 (that is p2 and p3). p1 is in the answer.'
    )
    assert (finding.certainty, finding.count, finding.examples) == ("inferred", 1, ["p1"])
    assert finding.because
    assert finding.surprise > 0.7


def test_a_rejection_for_a_made_up_reason_is_told_too_but_weighs_less() -> None:
    (finding,) = choose({"p2": "Its category is Phone Cases.", "p1": "Price 60."}, "p1")
    assert finding.examples == ["p2"]
    assert '"category is Phone Cases", but its category is "Stands"' in finding.text
    assert finding.surprise < 0.6


def test_a_choice_with_reasons_that_hold_has_nothing_to_tell() -> None:
    reasonings = {
        "p1": "Price 60, rating 4.46, category Phone Cases. Not waterproof.",
        "p2": "Price 45, rating 4.8, waterproof, but a stand.",
        "p3": "Foldable, price 45, rating 3.9.",
    }
    assert choose(reasonings, "p1") == []
    assert choose({"p1": "Price 45 is what was asked."}, "p1", max_price=45) == []
