"""Put products on a shelf by what similar products stand on, and count how many come out right.

python examples/scenario_categorization.py
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
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

PIPELINE = "ProductCategorization"
HITS = 60
MIN_OVERLAP = 0.35
MIN_REVIEWS = 100
MIN_CONFIDENCE = 0.55
SHORTLIST = 3
NAMED_SUPPORTERS = 5
EVERY = 401
"""Every how many-th product of the catalogue is put to the test."""

# What sellers write themselves, and the shelf a person would choose. Not all come out right.
LISTINGS = (
    ("Wireless charging pad for desk", "Chargers"),
    ("Leather folio for iPhone 14 Pro with card slots", "Phone Cases"),
    ("Bamboo riser for two screens", "Monitor Stands"),
    ("Silk pillow case, king size, 2 pack", "Bedding"),
    ("Noise cancelling earbuds with charging case", "Headphones"),
    ("Case for Bluetooth earbuds", "Headphones"),
    ("Cover for cast iron pan, 28 cm", "Cookware"),
    ("Stand for headphones with USB hub", "Headphone Stands"),
    ("Phone holder for bike with charger", "Phone Holders"),
    ("Glass jars for spices, set of 12", "Kitchen Storage"),
    ("Lamp for plant shelf, clip-on", "Lamps"),
    ("Sleeve with strap for a 4 mm mat", "Fitness"),
    ("Knife with walnut chopping board", "Kitchen Knives"),
    ("Handmade birthday gift", "Stationery"),
)

_STOP_WORDS = frozenset({"for", "with", "and", "of", "to", "in", "from"})


@dataclass(frozen=True, slots=True)
class Listing:
    """A title to find the shelf for.

    Args:
        title: what the seller wrote.
        expected: the category a person would choose.
        product_id: its id when it stands in the catalogue already.
    """

    title: str
    expected: str
    product_id: str | None = None


@dataclass(frozen=True, slots=True)
class Neighbour:
    """A product that resembles the listing.

    Args:
        product: the product.
        overlap: the share of the listing's words it has too.
        words: those words.
    """

    product: Product
    overlap: float
    words: list[str]


@dataclass(frozen=True, slots=True)
class Vote:
    """A category, its supporters, and the scores it is ranked by."""

    category: str
    supporters: list[Neighbour]
    scores: dict[str, float]


def categorize(listing: Listing, catalogue: Catalogue) -> str | None:
    """The category *listing* belongs to, judged by its title alone; None when it is unclear."""
    with XRay(PIPELINE, version="2.3").run(
        input={"title": listing.title, "product_id": listing.product_id},
        metadata={"expected": listing.expected},
    ) as run:
        words = extract_words(run, listing)
        found = find_similar(run, listing, words, catalogue)
        neighbours = filter_neighbours(run, found)
        votes = propose_categories(run, neighbours)
        ranked = score_categories(run, votes)
        category = choose_category(run, ranked)
        run.set_output({"category": category})
        run.add_tags("right" if category == listing.expected else "wrong")
        return category


def extract_words(run: Run, listing: Listing) -> list[str]:
    """The words of the title that may say something about the shelf."""
    with run.step("extract_words", step_type="generate") as step:
        words = list(dict.fromkeys(words_of(listing.title)))
        useful = []
        for word in words:
            if word in _STOP_WORDS or word.isdigit():
                step.reject(word, "stop_word")
            else:
                step.accept(word)
                useful.append(word)
        step.set_output({"words": useful})
        return useful


def find_similar(
    run: Run, listing: Listing, words: list[str], catalogue: Catalogue
) -> list[Neighbour]:
    """The products that share most with the title; never the listing itself."""
    with run.step("find_similar", step_type="retrieve", params={"hits": HITS}) as step:
        neighbours = []
        for hit in catalogue.search_any(" ".join(words), HITS):
            if hit.product.id == listing.product_id:
                continue
            theirs = set(words_of(hit.product.title))
            shared = [word for word in words if word in theirs]
            step.accept(
                hit.product.id,
                score=hit.score,
                rank=hit.rank,
                attributes=hit.product.as_attributes(),
                origin=shared,
            )
            neighbours.append(Neighbour(hit.product, len(shared) / len(words), shared))
        step.set_output({"neighbours": len(neighbours)})
        return neighbours


def filter_neighbours(run: Run, found: list[Neighbour]) -> list[Neighbour]:
    """Keep neighbours that have enough in common and that enough people have bought."""
    kept = []
    with run.step("filter_neighbours", step_type="filter") as step:
        step.set_input_count(len(found))
        for neighbour in found:
            product_id = neighbour.product.id
            is_kept = step.check(
                product_id, "too_little_in_common", field="overlap",
                observed=round(neighbour.overlap, 3), op=">=", limit=MIN_OVERLAP,
            )  # fmt: skip
            is_kept &= step.check(
                product_id, "too_few_reviews", field="reviews",
                observed=neighbour.product.reviews, op=">=", limit=MIN_REVIEWS,
            )  # fmt: skip
            if is_kept:
                step.accept(product_id)
                kept.append(neighbour)
            else:
                step.reject(product_id, attributes={"title": neighbour.product.title})
        step.set_output_count(len(kept))
    return kept


def propose_categories(run: Run, neighbours: list[Neighbour]) -> list[Vote]:
    """Every category a neighbour stands in, with the closest neighbours as its origin."""
    supporters: dict[str, list[Neighbour]] = defaultdict(list)
    for neighbour in neighbours:
        supporters[neighbour.product.category].append(neighbour)
    with run.step("propose_categories", step_type="generate") as step:
        votes = [
            Vote(category, behind, score_category(behind, neighbours))
            for category, behind in supporters.items()
        ]
        for vote in votes:
            closest = sorted(vote.supporters, key=lambda entry: -entry.overlap)[:NAMED_SUPPORTERS]
            step.accept(vote.category, origin=[entry.product.id for entry in closest])
        step.set_output({"categories": [vote.category for vote in votes]})
        return votes


def score_category(supporters: list[Neighbour], neighbours: list[Neighbour]) -> dict[str, float]:
    """The named scores of a category, each from 0 to 1, and their weighted `total`."""
    votes = len(supporters) / len(neighbours)
    weight = sum(entry.overlap for entry in supporters) / sum(entry.overlap for entry in neighbours)
    closest = max(entry.overlap for entry in supporters)
    total = 0.25 * votes + 0.35 * weight + 0.40 * closest
    return {
        "total": round(total, 4),
        "votes": round(votes, 4),
        "weight": round(weight, 4),
        "closest": round(closest, 4),
    }


def score_categories(run: Run, votes: list[Vote]) -> list[Vote]:
    """Order by votes, by how much the voters have in common, and by the closest of them."""
    ranked = sorted(votes, key=lambda vote: (-vote.scores["total"], vote.category))
    with run.step("score_categories", step_type="rank") as step:
        step.set_input_count(len(votes))
        step.set_output_count(min(SHORTLIST, len(votes)))
        for rank, vote in enumerate(ranked, start=1):
            if rank <= SHORTLIST:
                step.accept(vote.category, score=vote.scores, rank=rank)
            else:
                step.reject(vote.category, "below_cut", score=vote.scores, rank=rank)
    return ranked[:SHORTLIST]


def choose_category(run: Run, ranked: list[Vote]) -> str | None:
    """Take the best category when it is clear enough; leave the rest to a person."""
    with run.step("choose_category", step_type="select") as step:
        chosen = None
        for rank, vote in enumerate(ranked, start=1):
            total = vote.scores["total"]
            is_clear = step.check(
                vote.category, "low_confidence", field="total", observed=total, op=">=",
                limit=MIN_CONFIDENCE,
            )  # fmt: skip
            if rank == 1 and is_clear:
                step.select(vote.category, score=total, rank=rank)
                chosen = vote.category
            else:
                reason = "low_confidence" if rank == 1 else "not_selected"
                step.reject(vote.category, reason, score=total, rank=rank)
        step.set_output({"category": chosen})
    return chosen


def main() -> int:
    """Categorize a sample of the catalogue and what sellers wrote themselves."""
    catalogue = open_catalogue()
    sample = list(catalogue.products.values())[EVERY // 2 :: EVERY]
    listings = [Listing(product.title, product.category, product.id) for product in sample]
    listings += [Listing(title, expected) for title, expected in LISTINGS]
    right = 0
    for listing in listings:
        category = categorize(listing, catalogue)
        right += category == listing.expected
        verdict = "" if category == listing.expected else f"   WRONG, meant {listing.expected}"
        say(f"{listing.title} -> {category or 'unclear'}{verdict}")
    say(f"{right} of {len(listings)} listings come out right.")
    return finish()


if __name__ == "__main__":
    raise SystemExit(main())
