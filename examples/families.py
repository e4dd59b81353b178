"""The kinds of products the catalogue holds, read from `families.csv`, and the made-up brands."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

BRANDS = (
    "Alderline", "Arcwood", "Ashgrove", "Basalt & Co", "Birchfold", "Bluequay", "Brightmoor",
    "Caskwell", "Cedarlane", "Cindral", "Corvane", "Daybrook", "Dovetail Works", "Duneline",
    "Eastmark", "Elmstead", "Emberly", "Fenwick Lane", "Fjordal", "Foldwise", "Granary",
    "Halcyon Bay", "Harrowgate", "Inkwell", "Ironleaf", "Juniper Row", "Kestrel", "Kindlewood",
    "Larkspur", "Lumenfold", "Maplecroft", "Meridian Co", "Moorland", "Nimbly", "Northbeam",
    "Oakhurst", "Orbital", "Pinecrest", "Quillon", "Ravenport", "Ridgeway", "Saltmarsh",
    "Silverbirch", "Stonehaven", "Tidewater", "Umberly", "Vantage Hill", "Wickerly", "Yarrow",
)  # fmt: skip
COLOURS = ("Black", "Navy", "Sage", "Sand", "Clear", "Grey", "Rose", "White")


@dataclass(frozen=True, slots=True)
class Family:
    """One kind of product.

    Args:
        slug: how the ids of its products begin.
        category: the shelf it is sold from.
        count: how many products the catalogue holds.
        lowest_price: in dollars.
        highest_price: in dollars.
        reviews: the typical number of reviews.
        title: a pattern of `{style}`, `{detail}` and plain words; the brand goes before it.
        styles: what `{style}` may be.
        details: what `{detail}` may be.
    """

    slug: str
    category: str
    count: int
    lowest_price: float
    highest_price: float
    reviews: int
    title: str
    styles: tuple[str, ...]
    details: tuple[str, ...]


def load_families() -> list[Family]:
    """Every family of `families.csv`, in the order of the file."""
    table = Path(__file__).with_name("families.csv").read_text(encoding="utf-8")
    return [
        Family(
            slug=row["slug"],
            category=row["category"],
            count=int(row["count"]),
            lowest_price=float(row["lowest_price"]),
            highest_price=float(row["highest_price"]),
            reviews=int(row["reviews"]),
            title=row["title"],
            styles=tuple(row["styles"].split("; ")),
            details=tuple(row["details"].split("; ")),
        )
        for row in csv.DictReader(table.splitlines())
    ]
