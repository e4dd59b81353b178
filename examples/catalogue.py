"""A shop's catalogue: some four thousand products, the same on every machine, with a text index."""

from __future__ import annotations

import math
import random
import re
import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from typing import TYPE_CHECKING, TypeVar

# Relative as a part of the installed package, by plain name when a scenario is run as a script.
if TYPE_CHECKING or __package__:
    from .families import BRANDS, COLOURS, Family, load_families
else:
    from families import BRANDS, COLOURS, Family, load_families

SEED = 20240115
POPULARITY_BOOST = 0.35
"""What a tenfold number of reviews is worth against the text score of the index."""

Choice = TypeVar("Choice")
_WORD = re.compile(r"[a-z0-9]+(?:\.[0-9]+)?")


@dataclass(frozen=True, slots=True)
class Product:
    """One product on sale."""

    id: str
    title: str
    brand: str
    category: str
    price: float
    rating: float
    reviews: int

    def as_attributes(self) -> dict[str, str | float]:
        """What a trace should show about the product."""
        return {name: value for name, value in asdict(self).items() if name not in ("id", "brand")}


@dataclass(frozen=True, slots=True)
class Hit:
    """A product the index found.

    Args:
        product: the product.
        rank: its position in the result, from 1.
        score: how well it matched; higher is better.
    """

    product: Product
    rank: int
    score: float


class Catalogue:
    """Products by id, and a full-text index (SQLite FTS5) over titles and categories."""

    def __init__(self, products: Iterable[Product]) -> None:
        self.products = {product.id: product for product in products}
        self._index = sqlite3.connect(":memory:")
        self._index.execute(
            "CREATE VIRTUAL TABLE shelf USING fts5(id UNINDEXED, boost UNINDEXED, title, category,"
            " tokenize = 'porter unicode61')"
        )
        self._index.executemany(
            "INSERT INTO shelf VALUES (?, ?, ?, ?)",
            [
                (p.id, POPULARITY_BOOST * math.log10(1 + p.reviews), p.title, p.category)
                for p in self.products.values()
            ],
        )

    def __len__(self) -> int:
        return len(self.products)

    def search(self, text: str, limit: int = 40) -> list[Hit]:
        """The best *limit* products whose title or category holds every word of *text*.

        Products with many reviews come a little earlier, as in any shop's search.
        """
        return self._match(" ".join(_quote(words_of(text))), limit)

    def search_any(self, text: str, limit: int = 40) -> list[Hit]:
        """The best *limit* products that share at least one word with *text*."""
        return self._match(" OR ".join(_quote(words_of(text))), limit)

    def _match(self, expression: str, limit: int) -> list[Hit]:
        if not expression:
            return []
        rows = self._index.execute(
            "SELECT id, boost - bm25(shelf, 0, 0, 1.0, 0.4) AS score FROM shelf"
            " WHERE shelf MATCH ? ORDER BY score DESC, id LIMIT ?",
            (expression, limit),
        )
        return [
            Hit(self.products[product_id], rank, round(score, 4))
            for rank, (product_id, score) in enumerate(rows, start=1)
        ]


@cache
def open_catalogue() -> Catalogue:
    """The catalogue, built in memory once a process."""
    return Catalogue(make_products())


def make_products() -> list[Product]:
    """Every product of every family; the same list on every machine and Python."""
    # `random()` is the one method whose sequence Python promises to keep for a seed.
    chance = random.Random(SEED)
    return [
        _make_product(family, number, chance)
        for family in load_families()
        for number in range(1, family.count + 1)
    ]


def words_of(text: str) -> list[str]:
    """The lower-case words and numbers of *text*, in order."""
    return _WORD.findall(text.lower())


def _make_product(family: Family, number: int, chance: random.Random) -> Product:
    brand = _pick(BRANDS, chance)
    body = family.title.format(
        style=_pick(family.styles, chance), detail=_pick(family.details, chance)
    )
    colour = f" {_pick(COLOURS, chance)}" if chance.random() < 0.3 else ""
    span = family.highest_price - family.lowest_price
    dollars = math.floor(family.lowest_price + span * chance.random() ** 1.6)
    # Ratings lean high, review counts are spread over a factor of twenty: as in real shops.
    rating = 4.9 - 2.4 * chance.random() ** 1.8 * (0.4 + 0.6 * chance.random())
    spread = 1.5 * (chance.random() + chance.random() - 1)
    return Product(
        id=f"{family.slug}_{number}",
        title=f"{brand} {body}{colour}",
        brand=brand,
        category=family.category,
        price=round(dollars + _pick((0.49, 0.95, 0.99), chance), 2),
        rating=round(rating, 1),
        reviews=int(family.reviews * math.exp(spread)),
    )


def _pick(choices: Sequence[Choice], chance: random.Random) -> Choice:
    return choices[int(chance.random() * len(choices))]


def _quote(words: Iterable[str]) -> list[str]:
    return [f'"{word}"' for word in words]
