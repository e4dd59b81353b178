"""For products of the catalogue, find the product of another brand that competes most closely.

python examples/scenario_competitor_discovery.py
curl -s 'http://127.0.0.1:8000/v1/runs?pipeline_type=CompetitorDiscovery'
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from xray import xray_run, xray_step

if TYPE_CHECKING or __package__:
    from .catalogue import Catalogue, Product, open_catalogue, words_of
    from .language_model import MODEL, suggest_keywords
    from .reporting import finish, say
else:
    from catalogue import Catalogue, Product, open_catalogue, words_of
    from language_model import MODEL, suggest_keywords
    from reporting import finish, say

PIPELINE = "CompetitorDiscovery"
HITS_PER_KEYWORD = 30
PRICE_BAND = 1.4
MIN_RATING = 4.2
LOGGED_PER_VERDICT = 10

PRODUCT_IDS = (
    "charger_12",
    "yoga_mat_30",
    "water_bottle_20",
    "chef_knife_41",
    "desk_lamp_7",
    "stand_mixer_11",
    "backpack_31",
    "laptop_stand_42",
)


def discover_competitor(product: Product, catalogue: Catalogue) -> Product | None:
    """The product of another brand closest to *product*; None when the filter leaves nothing."""
    with xray_run(PIPELINE, metadata={"product_id": product.id, "title": product.title}) as run:
        keywords = generate_keywords(product)
        candidates = search_competitors(product, keywords, catalogue)
        kept = filter_competitors(product, candidates)
        best = rank_and_select(product, kept)
        run.set_output({"selected": best.id if best else None})
        return best


def generate_keywords(product: Product) -> list[str]:
    """Ask the language model what to search for."""
    with xray_step("GenerateKeywords", "LLM") as step:
        keywords = suggest_keywords(product.title)
        for keyword in keywords:
            step.accept(keyword.text, reasoning=keyword.because)
        step.set_params(model=MODEL)
        step.set_output({"keywords": [keyword.text for keyword in keywords]})
        return [keyword.text for keyword in keywords]


def search_competitors(
    product: Product, keywords: list[str], catalogue: Catalogue
) -> list[Product]:
    """Look every keyword up; the product itself and its own brand are no competition."""
    with xray_step("SearchCompetitors", "RETRIEVE") as step:
        found: dict[str, list[str]] = {}
        for keyword in keywords:
            for hit in catalogue.search(keyword, HITS_PER_KEYWORD):
                if hit.product.brand != product.brand:
                    found.setdefault(hit.product.id, []).append(keyword)
        candidates = [catalogue.products[product_id] for product_id in found]
        for candidate in candidates:
            step.accept(
                candidate.id, attributes=candidate.as_attributes(), origin=found[candidate.id]
            )
        return candidates


def filter_competitors(product: Product, candidates: list[Product]) -> list[Product]:
    """Keep what costs about the same and is well rated. Nothing looks at the category."""
    highest_price = round(product.price * PRICE_BAND, 2)
    lowest_price = round(product.price / PRICE_BAND, 2)
    with xray_step("FilterCompetitors", "FILTER") as step:
        kept = []
        rejected_with_reasons = []
        for candidate in candidates:
            if candidate.price > highest_price:
                why = f"Price ${candidate.price} exceeds threshold ${highest_price}"
            elif candidate.price < lowest_price:
                why = f"Price ${candidate.price} is below threshold ${lowest_price}"
            elif candidate.rating < MIN_RATING:
                why = f"Rating {candidate.rating} is below {MIN_RATING}"
            else:
                kept.append(candidate)
                continue
            rejected_with_reasons.append((as_candidate(candidate), why))
        step.log_stats(
            input_count=len(candidates),
            output_count=len(kept),
            filter_rate=len(rejected_with_reasons) / max(1, len(candidates)),
        )
        step.log_sampled_candidates(
            accepted=[as_candidate(candidate) for candidate in kept[:LOGGED_PER_VERDICT]],
            rejected=rejected_with_reasons[:LOGGED_PER_VERDICT],
        )
    return kept


def rank_and_select(product: Product, kept: list[Product]) -> Product | None:
    """Take the candidate whose title, price and ratings are closest."""
    ranked = sorted(
        ((score_candidate(product, candidate), candidate) for candidate in kept),
        key=lambda pair: (-pair[0]["overall"], pair[1].id),
    )
    with xray_step("RankAndSelect", "LLM") as step:
        step.log_stats(input_count=len(ranked), output_count=min(1, len(ranked)))
        step.log_sampled_candidates(
            selected=[
                (as_candidate(candidate), scores, "Best overall match")
                for scores, candidate in ranked[:1]
            ],
            rejected=[
                (as_candidate(candidate), scores, "Scores lower than the best match")
                for scores, candidate in ranked[1:LOGGED_PER_VERDICT]
            ],
        )
        best = ranked[0][1] if ranked else None
        step.set_output({"selected": best.id if best else None})
    return best


def score_candidate(product: Product, candidate: Product) -> dict[str, float]:
    """The named scores of *candidate*, each from 0 to 1, and their mean `overall`."""
    ours = set(words_of(product.title)) - set(words_of(product.brand))
    theirs = set(words_of(candidate.title)) - set(words_of(candidate.brand))
    scores = {
        "relevance": len(ours & theirs) / len(ours | theirs),
        "price": min(product.price, candidate.price) / max(product.price, candidate.price),
        "quality": candidate.rating / 5 * min(1.0, math.log10(1 + candidate.reviews) / 4),
    }
    overall = sum(scores.values()) / len(scores)
    return {"overall": round(overall, 4)} | {name: round(n, 4) for name, n in scores.items()}


def as_candidate(product: Product) -> dict[str, str | float]:
    """*product* as a candidate of a trace: its id and what is worth seeing."""
    return {"id": product.id} | product.as_attributes()


def main() -> int:
    """Find a competitor for each of `PRODUCT_IDS`."""
    catalogue = open_catalogue()
    for product_id in PRODUCT_IDS:
        product = catalogue.products[product_id]
        best = discover_competitor(product, catalogue)
        say(f"{product.title} -> {f'{best.id}: {best.title}' if best else 'nothing'}")
    return finish()


if __name__ == "__main__":
    raise SystemExit(main())
