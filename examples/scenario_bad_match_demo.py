"""A competitor search for an iPhone case picks a laptop stand. X-Ray's trace says why.

python examples/scenario_bad_match_demo.py              # the bad match comes last
python examples/scenario_bad_match_demo.py --repaired   # the same searches with the fix
"""

from __future__ import annotations

import argparse
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from xray import XRay, current_step, xray_step

if TYPE_CHECKING:
    from xray import Run

if TYPE_CHECKING or __package__:
    from .catalogue import Catalogue, Product, open_catalogue, words_of
    from .language_model import MODEL, suggest_keywords
    from .reporting import finish, say
else:
    from catalogue import Catalogue, Product, open_catalogue, words_of
    from language_model import MODEL, suggest_keywords
    from reporting import finish, say

PIPELINE = "competitor_selection"
HITS_PER_KEYWORD = 40
SHORTLIST = 10
MIN_RATING = 4.0
WEIGHTS = {"title": 0.20, "price": 0.25, "rating": 0.25, "popularity": 0.30}

# Which shelves compete with our product, by the keyword that found the candidate. The language
# model also says "stand", which nobody put in this table: what `stand` brings is never checked.
COMPETING_CATEGORIES = {
    "case": ["Phone Cases"],
    "cover": ["Phone Cases"],
    "holder": ["Phone Cases"],
    "charger": ["Chargers"],
    "power adapter": ["Chargers"],
    "usb-c charger": ["Chargers"],
    "bottle": ["Drinkware"],
    "drinkware": ["Drinkware"],
    "flask": ["Drinkware"],
    "frying pan": ["Cookware"],
    "pan": ["Cookware"],
    "skillet": ["Cookware"],
}


@dataclass(frozen=True, slots=True)
class Search:
    """What somebody sells and wants the closest competitor of."""

    title: str
    price: float


@dataclass(frozen=True, slots=True)
class Found:
    """A product together with the keywords that found it."""

    product: Product
    keywords: list[str]


@dataclass(frozen=True, slots=True)
class Ranked:
    """A product with the scores it is ranked by."""

    product: Product
    scores: dict[str, float]


SEARCHES = (
    Search("Cast Iron Frying Pan", 39.00),
    Search("65W USB-C Charger", 39.00),
    Search("Stainless Steel Water Bottle", 24.00),
    Search("iPhone 15 Case", 24.99),
)


def select_competitor(
    search: Search, catalogue: Catalogue, *, is_repaired: bool = False
) -> Product | None:
    """The product of *catalogue* that competes most closely with *search*; None without any."""
    pipeline = XRay(PIPELINE, version="1.1" if is_repaired else "1.0")
    with pipeline.run(
        input={"product_title": search.title, "price": search.price},
        params={"is_repaired": is_repaired},
    ) as run:
        keywords = generate_keywords(run, search)
        found = search_products(run, keywords, catalogue)
        kept = filter_candidates(found, search, is_repaired=is_repaired)
        shortlist = rank_candidates(run, kept, search)
        best = select_best(run, shortlist)
        run.set_output({"selected": best.id if best else None})
        return best


def generate_keywords(run: Run, search: Search) -> list[str]:
    """Ask the language model what to search for."""
    with run.step("generate_keywords", step_type="generate", params={"model": MODEL}) as step:
        keywords = suggest_keywords(search.title)
        for keyword in keywords:
            step.accept(keyword.text, reasoning=keyword.because)
        step.set_output({"keywords": [keyword.text for keyword in keywords]})
        return [keyword.text for keyword in keywords]


def search_products(run: Run, keywords: list[str], catalogue: Catalogue) -> list[Found]:
    """Look every keyword up in the catalogue; a product found twice remembers both."""
    with run.step(
        "search_products", step_type="retrieve", params={"hits_per_keyword": HITS_PER_KEYWORD}
    ) as step:
        found: dict[str, Found] = {}
        for keyword in keywords:
            for hit in catalogue.search(keyword, HITS_PER_KEYWORD):
                entry = found.setdefault(hit.product.id, Found(hit.product, []))
                entry.keywords.append(keyword)
        for entry in found.values():
            step.accept(
                entry.product.id, attributes=entry.product.as_attributes(), origin=entry.keywords
            )
        return list(found.values())


# Its arguments are captured whole, so that `xray replay` can call it again with today's code.
@xray_step("filter_candidates", "filter", capture="full")
def filter_candidates(found: list[Found], search: Search, *, is_repaired: bool) -> list[Found]:
    """Keep what is sold from a competing shelf, costs about the same and is well rated."""
    highest_price = round(search.price * 1.5, 2)
    lowest_price = round(search.price * 0.5, 2)
    kept = []
    step = current_step()
    for entry in found:
        product = entry.product
        categories = competing_categories(entry.keywords, search, is_repaired=is_repaired)
        is_kept = True
        if categories is not None:
            is_kept &= step.check(
                product.id, "category_mismatch", field="category",
                observed=product.category, op="in", limit=categories,
            )  # fmt: skip
        is_kept &= step.check(
            product.id, "price_too_high", field="price",
            observed=product.price, op="<=", limit=highest_price,
        )  # fmt: skip
        is_kept &= step.check(
            product.id, "price_too_low", field="price",
            observed=product.price, op=">=", limit=lowest_price,
        )  # fmt: skip
        is_kept &= step.check(
            product.id, "rating_too_low", field="rating",
            observed=product.rating, op=">=", limit=MIN_RATING,
        )  # fmt: skip
        if is_kept:
            step.accept(product.id, origin=entry.keywords)
            kept.append(entry)
        else:
            step.reject(product.id, attributes=product.as_attributes(), origin=entry.keywords)
    return kept


def competing_categories(
    keywords: list[str], search: Search, *, is_repaired: bool
) -> list[str] | None:
    """The shelves that compete with *search*, seen from *keywords*; None means any shelf.

    The repaired version falls back to the shelf of the thing itself, where the first version
    lets everything through.
    """
    if all(keyword in COMPETING_CATEGORIES for keyword in keywords):
        return sorted({name for word in keywords for name in COMPETING_CATEGORIES[word]})
    if is_repaired:
        return COMPETING_CATEGORIES[suggest_keywords(search.title)[0].text]
    return None


def rank_candidates(run: Run, kept: list[Found], search: Search) -> list[Ranked]:
    """Order by likeness of title and price, by rating and by popularity; keep the shortlist."""
    ranked = sorted(
        (Ranked(entry.product, score_product(entry.product, search)) for entry in kept),
        key=lambda entry: (-entry.scores["total"], entry.product.id),
    )
    with run.step("rank_candidates", step_type="rank", params={"weights": WEIGHTS}) as step:
        for rank, entry in enumerate(ranked, start=1):
            if rank <= SHORTLIST:
                step.accept(entry.product.id, score=entry.scores, rank=rank)
            else:
                step.reject(entry.product.id, "below_cut", score=entry.scores, rank=rank)
    return ranked[:SHORTLIST]


def score_product(product: Product, search: Search) -> dict[str, float]:
    """The named scores of *product*, each from 0 to 1, and their weighted `total`."""
    wanted = set(words_of(search.title))
    parts = {
        "title": len(wanted & set(words_of(product.title))) / len(wanted),
        "price": 1 - min(1.0, abs(product.price - search.price) / search.price),
        "rating": max(0.0, (product.rating - 3) / 2),
        "popularity": min(1.0, math.log10(1 + product.reviews) / math.log10(20_000)),
    }
    total = sum(WEIGHTS[name] * value for name, value in parts.items())
    return {"total": round(total, 4)} | {name: round(part, 4) for name, part in parts.items()}


def select_best(run: Run, shortlist: list[Ranked]) -> Product | None:
    """Take the first of the shortlist."""
    with run.step("select_best", step_type="select") as step:
        for rank, entry in enumerate(shortlist, start=1):
            total = entry.scores["total"]
            if rank == 1:
                step.select(
                    entry.product.id,
                    score=total,
                    rank=rank,
                    attributes=entry.product.as_attributes(),
                )
            else:
                step.reject(entry.product.id, "not_selected", score=total, rank=rank)
        best = shortlist[0].product if shortlist else None
        step.set_output({"selected": best.id if best else None})
    return best


def main(arguments: list[str] | None = None) -> int:
    """Run every search; the last one is the bad match."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--repaired", action="store_true", help="check every candidate's shelf")
    is_repaired = parser.parse_args(arguments).repaired
    catalogue = open_catalogue()
    best = None
    for search in SEARCHES:
        best = select_competitor(search, catalogue, is_repaired=is_repaired)
        say(f"{search.title} -> {best.id if best else 'nothing'}: {best.title if best else ''}")
    if best is not None and not is_repaired:
        say(f"\nA {best.category[:-1].lower()} for a phone case? Ask: xray why last {best.id}")
    return finish()


if __name__ == "__main__":
    raise SystemExit(main())
