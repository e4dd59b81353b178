"""Rewrite product titles with the words best-sellers use, and choose the best variant.

The ranking reads at most 20 variants; the cut between the filter and the ranking is a slice that
no step records. X-Ray's trace shows the variants that vanish there.

    python examples/scenario_listing_optimization.py
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

from xray import XRay

if TYPE_CHECKING:
    from xray import Run

if TYPE_CHECKING or __package__:
    from .catalogue import Catalogue, Product, open_catalogue, words_of
    from .reporting import finish, say
else:
    from catalogue import Catalogue, Product, open_catalogue, words_of
    from reporting import finish, say

PIPELINE = "ListingOptimization"
BESTSELLERS = 25
TERMS = 9
NAMED_USERS = 3
MAX_LENGTH = 60
MIN_LENGTH = 30
MAX_REPEATED_WORDS = 0
VARIANTS_RANKED = 20
SHORTLIST = 5

PRODUCT_IDS = (
    "water_bottle_9",
    "kettle_14",
    "backpack_8",
    "phone_holder_3",
    "desk_lamp_40",
    "earbuds_77",
)
_STOP_WORDS = frozenset({"for", "with", "and", "to", "of"})


@dataclass(frozen=True, slots=True)
class Term:
    """A word of best-selling titles.

    Args:
        word: the word.
        used_by: ids of the best-selling products that use it.
        reviews: how many reviews all products that use it have.
    """

    word: str
    used_by: list[str]
    reviews: int


@dataclass(frozen=True, slots=True)
class Variant:
    """A title that might replace the present one."""

    id: str
    title: str
    terms: tuple[Term, ...]


def optimize_listing(product: Product, catalogue: Catalogue) -> str:
    """A better title for *product*; its present one when no variant passes."""
    with XRay(PIPELINE, version="0.4").run(
        input={"product_id": product.id, "title": product.title}
    ) as run:
        bestsellers = find_bestsellers(run, product, catalogue)
        terms = collect_terms(run, product, bestsellers)
        variants = write_variants(run, product, terms)
        kept = check_variants(run, variants)[:VARIANTS_RANKED]
        ranked = rank_variants(run, kept)
        title = choose_title(run, ranked) or product.title
        run.set_output({"title": title})
        return title


def find_bestsellers(run: Run, product: Product, catalogue: Catalogue) -> list[Product]:
    """The products of the same shelf that sell best."""
    with run.step("find_bestsellers", step_type="retrieve") as step:
        hits = [
            hit.product
            for hit in catalogue.search(product.category, limit=1000)
            if hit.product.category == product.category and hit.product.id != product.id
        ]
        bestsellers = sorted(hits, key=lambda other: (-other.reviews, other.id))[:BESTSELLERS]
        for rank, other in enumerate(bestsellers, start=1):
            step.accept(other.id, rank=rank, score=other.reviews, attributes=other.as_attributes())
        return bestsellers


def collect_terms(run: Run, product: Product, bestsellers: list[Product]) -> list[Term]:
    """The words those titles use and ours does not, the best-selling first."""
    used_by: dict[str, list[Product]] = defaultdict(list)
    ours = set(words_of(product.title))
    for other in bestsellers:
        for word in set(words_of(other.title)) - set(words_of(other.brand)):
            used_by[word].append(other)
    terms = sorted(
        (
            Term(
                word,
                [user.id for user in users[:NAMED_USERS]],
                sum(user.reviews for user in users),
            )
            for word, users in used_by.items()
        ),
        key=lambda term: (-term.reviews, term.word),
    )
    with run.step("collect_terms", step_type="generate") as step:
        fresh = []
        for term in terms:
            is_useful = term.word not in _STOP_WORDS and not term.word[0].isdigit()
            if term.word in ours:
                step.reject(term.word, "used_already", origin=term.used_by)
            elif not is_useful:
                step.reject(term.word, "stop_word", origin=term.used_by)
            else:
                step.accept(term.word, score=term.reviews, origin=term.used_by)
                fresh.append(term)
        step.set_output({"terms": [term.word for term in fresh]})
        return fresh


def write_variants(run: Run, product: Product, terms: list[Term]) -> list[Variant]:
    """The stand-in writer: the present title with one, two or three more terms."""
    chosen = terms[:TERMS]
    groups = [group for size in (1, 2, 3) for group in combinations(chosen, size)]
    with run.step("write_variants", step_type="generate") as step:
        variants = []
        for number, group in enumerate(groups, start=1):
            extra = " ".join(term.word.capitalize() for term in group)
            variant = Variant(f"variant_{number}", f"{product.title}, {extra}", group)
            step.accept(
                variant.id,
                attributes={"title": variant.title},
                origin=[term.word for term in group],
            )
            variants.append(variant)
        step.set_output({"variants": len(variants)})
        return variants


def check_variants(run: Run, variants: list[Variant]) -> list[Variant]:
    """Keep titles a shop accepts: not too long, not too short, no word twice."""
    kept = []
    with run.step("check_variants", step_type="filter") as step:
        for variant in variants:
            words = words_of(variant.title)
            is_kept = step.check(
                variant.id, "too_long", field="length", observed=len(variant.title), op="<=",
                limit=MAX_LENGTH,
            )  # fmt: skip
            is_kept &= step.check(
                variant.id, "too_short", field="length", observed=len(variant.title), op=">=",
                limit=MIN_LENGTH,
            )  # fmt: skip
            is_kept &= step.check(
                variant.id, "repeats_itself", field="repeated_words",
                observed=len(words) - len(set(words)), op="<=", limit=MAX_REPEATED_WORDS,
            )  # fmt: skip
            if is_kept:
                step.accept(variant.id)
                kept.append(variant)
            else:
                step.reject(variant.id, attributes={"title": variant.title})
    return kept


def rank_variants(run: Run, kept: list[Variant]) -> list[tuple[Variant, dict[str, float]]]:
    """Order by what the added terms sell and by how close the title is to a handy length."""
    best_reach = max((_reach(variant) for variant in kept), default=1)
    scored = []
    for variant in kept:
        reach = _reach(variant) / best_reach
        brevity = 1 - len(variant.title) / (2 * MAX_LENGTH)
        total = 0.7 * reach + 0.3 * brevity
        named = {"total": total, "reach": reach, "brevity": brevity}
        scored.append((variant, {name: round(value, 4) for name, value in named.items()}))
    scored.sort(key=lambda pair: (-pair[1]["total"], pair[0].id))
    with run.step("rank_variants", step_type="rank") as step:
        for rank, (variant, scores) in enumerate(scored, start=1):
            if rank <= SHORTLIST:
                step.accept(variant.id, score=scores, rank=rank)
            else:
                step.reject(variant.id, "below_cut", score=scores, rank=rank)
    return scored[:SHORTLIST]


def _reach(variant: Variant) -> int:
    return sum(term.reviews for term in variant.terms)


def choose_title(run: Run, ranked: list[tuple[Variant, dict[str, float]]]) -> str | None:
    """Take the best variant."""
    with run.step("choose_title", step_type="select") as step:
        for rank, (variant, scores) in enumerate(ranked, start=1):
            if rank == 1:
                step.select(
                    variant.id, score=scores["total"], rank=rank,
                    attributes={"title": variant.title},
                )  # fmt: skip
            else:
                step.reject(variant.id, "not_selected", score=scores["total"], rank=rank)
        title = ranked[0][0].title if ranked else None
        step.set_output({"title": title})
    return title


def main() -> int:
    """Optimize each of `PRODUCT_IDS`."""
    catalogue = open_catalogue()
    for product_id in PRODUCT_IDS:
        product = catalogue.products[product_id]
        say(f"{product.title} -> {optimize_listing(product, catalogue)}")
    return finish()


if __name__ == "__main__":
    raise SystemExit(main())
