"""Which city does somebody mean? Place names resolved against 34,000 real cities.

python examples/place_names.py                     # every query, and how many come out right
python examples/place_names.py "Springfield near Boston"
"""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from xray import XRay

if TYPE_CHECKING:
    from xray import Run

if TYPE_CHECKING or __package__:
    from .gazetteer import City, Gazetteer, fold, open_gazetteer
    from .place_hints import Reading, read_query
    from .reporting import finish, say
else:
    from gazetteer import City, Gazetteer, fold, open_gazetteer
    from place_hints import Reading, read_query
    from reporting import finish, say

PIPELINE = "place_names"
HITS_PER_FORM = 60
MIN_POPULATION = 20_000
MAX_DISTANCE_KM = 300.0
MIN_TEXT_MATCH = 0.6
WEIGHTS = {"text": 0.5, "population": 0.3, "distance": 0.2}

# The queries to try, and the city a person means: `name, region, country`. Not all come out right.
QUERIES = (
    ("Paris", "Paris, 11, FR"),
    ("Paris, TX", "Paris, TX, US"),
    ("Springfield near Boston", "Springfield, MA, US"),
    ("Springfield, IL", "Springfield, IL, US"),
    ("Springfield near Chicago", "Springfield, IL, US"),
    ("Cambridge, UK", "Cambridge, ENG, GB"),
    ("Cambridge near Boston", "Cambridge, MA, US"),
    ("Cambridge, Ontario", "Cambridge, 08, CA"),
    ("San José", "San José, 08, CR"),
    ("San Jose, CA", "San Jose, CA, US"),
    ("Portland near Boston", "Portland, ME, US"),
    ("London, ON", "London, 08, CA"),
    ("Birmingham near Atlanta", "Birmingham, AL, US"),
    ("Vienna", "Vienna, 09, AT"),
    ("Vienna, VA", "Vienna, VA, US"),
    ("St. Petersburg, FL", "St. Petersburg, FL, US"),
    ("Saint Petersburg", "Saint Petersburg, 66, RU"),
    ("Tbilisi, Georgia", "Tbilisi, 51, GE"),
    ("Athens, Georgia", "Athens, GA, US"),
    ("Toronto, CA", "Toronto, 08, CA"),
    ("Newcastle near Sydney", "Newcastle, 02, AU"),
    ("Newcastle near Durham", "Newcastle upon Tyne, ENG, GB"),
    ("Peking", "Beijing, 22, CN"),
    ("Saigon", "Ho Chi Minh City, 79, VN"),
    ("Köln", "Köln, 07, DE"),
    ("東京", "Tokyo, 40, JP"),
    ("Frankfurt near Berlin", "Frankfurt (Oder), 11, DE"),
    ("Sparta, Greece", "Sparta, 41, GR"),
    ("Hyderabad, Pakistan", "Hyderabad, 05, PK"),
    ("Córdoba, Argentina", "Córdoba, 05, AR"),
)


@dataclass(frozen=True, slots=True)
class Place:
    """A city that may be meant.

    Args:
        city: the city.
        form: the way of writing the query's name that found it.
        text: how well its best name matches that form, from 0 to 1.
    """

    city: City
    form: str
    text: float


@dataclass(frozen=True, slots=True)
class RankedPlace:
    """A city with the scores it is ranked by."""

    city: City
    scores: dict[str, float]


def resolve_place(query: str, gazetteer: Gazetteer, expected: str | None = None) -> City | None:
    """The city that *query* means; None when nothing fits.

    Args:
        query: what somebody wrote.
        gazetteer: the cities there are.
        expected: the label of the city a person means, kept with the trace when it is known.
    """
    metadata = {"expected": expected} if expected else {}
    with XRay(PIPELINE, version="1.0").run(input={"query": query}, metadata=metadata) as run:
        reading = generate_forms(run, query)
        anchor = locate_anchor(run, reading, gazetteer) if reading.near else None
        found = retrieve_places(run, reading, gazetteer)
        kept = apply_hints(run, found, reading, anchor)
        ranked = rank_places(run, kept, anchor)
        city = select_place(run, ranked)
        run.set_output({"selected": city.id if city else None})
        if expected:
            run.add_tags("right" if city and city.label == expected else "wrong")
        return city


def generate_forms(run: Run, query: str) -> Reading:
    """Understand the query: the ways to write the name, and what is said about where."""
    with run.step("generate_forms", step_type="generate") as step:
        reading = read_query(query)
        for form in reading.forms:
            reasoning = "as written" if form == reading.forms[0] else "abbreviation written in full"
            step.accept(form, reasoning=reasoning)
        step.set_output(
            {
                "forms": reading.forms,
                "country": reading.hint.country,
                "region": reading.hint.region,
                "near": reading.near,
                "unread": reading.unread,
            }
        )
        return reading


def locate_anchor(run: Run, reading: Reading, gazetteer: Gazetteer) -> City | None:
    """Where the place is said to be near to: the most populous city of that very name."""
    with run.step("locate_anchor", step_type="transform", input={"near": reading.near}) as step:
        wanted = fold(reading.near or "")
        hits = gazetteer.search_names(wanted, HITS_PER_FORM)
        anchor = next((city for city in hits if fold(city.name) == wanted), None)
        step.set_output({"anchor": anchor.label if anchor else None})
        return anchor


def retrieve_places(run: Run, reading: Reading, gazetteer: Gazetteer) -> list[Place]:
    """Look every form up twice: among the usual names, and among all other names."""
    places: dict[str, Place] = {}
    for name, search in (
        ("search_names", gazetteer.search_names),
        ("search_alternate_names", gazetteer.search_alternate_names),
    ):
        with run.step(name, step_type="retrieve", params={"hits": HITS_PER_FORM}) as step:
            found: dict[str, list[str]] = {}
            for form in reading.forms:
                for city in search(form, HITS_PER_FORM):
                    found.setdefault(city.id, []).append(form)
            for city_id, forms in found.items():
                city = gazetteer.cities[city_id]
                step.accept(city_id, attributes=city.as_attributes(), origin=forms)
                text, form = max((match_text(city, form), form) for form in forms)
                if city_id not in places or places[city_id].text < text:
                    places[city_id] = Place(city, form, text)
            step.set_output_count(len(found))
            step.set_output({"cities": len(found)})
    return list(places.values())


def match_text(city: City, form: str) -> float:
    """How well the best name of *city* matches *form*: 1 when equal, less the more is added.

    Any other name counts a little less than the usual one.
    """
    usual = _share(fold(city.name), form)
    other = max((_share(fold(name), form) for name in city.other_names), default=0.0)
    return round(max(usual, 0.95 * other), 4)


def _share(name: str, form: str) -> float:
    return len(form) / len(name) if f" {form} " in f" {name} " else 0.0


def apply_hints(run: Run, found: list[Place], reading: Reading, anchor: City | None) -> list[Place]:
    """Drop what lies elsewhere, is too small to be meant, or only contains the name."""
    hint = reading.hint
    kept = []
    with run.step("apply_hints", step_type="filter") as step:
        step.set_input_count(len(found))
        for place in found:
            city = place.city
            is_kept = step.check(
                city.id, "name_differs", field="text", observed=place.text, op=">=",
                limit=MIN_TEXT_MATCH,
            )  # fmt: skip
            if hint.country:
                is_kept &= step.check(
                    city.id, "country_mismatch", field="country", observed=city.country, op="==",
                    limit=hint.country,
                )  # fmt: skip
            if hint.region:
                is_kept &= step.check(
                    city.id, "region_mismatch", field="region", observed=city.region, op="==",
                    limit=hint.region,
                )  # fmt: skip
            if anchor:
                is_kept &= step.check(
                    city.id, "too_far", field="distance_km",
                    observed=round(city.distance_km(anchor), 1), op="<=", limit=MAX_DISTANCE_KM,
                )  # fmt: skip
            is_kept &= step.check(
                city.id, "population_too_small", field="population", observed=city.population,
                op=">=", limit=MIN_POPULATION,
            )  # fmt: skip
            if is_kept:
                step.accept(city.id)
                kept.append(place)
            else:
                step.reject(city.id, attributes=city.as_attributes())
        step.set_output_count(len(kept))
    return kept


def rank_places(run: Run, kept: list[Place], anchor: City | None) -> list[RankedPlace]:
    """Order by text match, population and nearness."""
    ranked = sorted(
        (RankedPlace(place.city, score_place(place, anchor)) for place in kept),
        key=lambda entry: (-entry.scores["total"], entry.city.id),
    )
    with run.step("rank_places", step_type="rank", params={"weights": WEIGHTS}) as step:
        step.set_input_count(len(kept))
        step.set_output_count(len(ranked))
        for rank, entry in enumerate(ranked, start=1):
            step.accept(entry.city.id, score=entry.scores, rank=rank)
    return ranked


def score_place(place: Place, anchor: City | None) -> dict[str, float]:
    """The named scores of *place*, each from 0 to 1, and their weighted `total`."""
    nearness = 0.0 if anchor is None else math.exp(-place.city.distance_km(anchor) / 150)
    parts = {
        "text": place.text,
        "population": min(1.0, math.log10(1 + place.city.population) / 7),
        "distance": nearness,
    }
    total = sum(WEIGHTS[name] * value for name, value in parts.items())
    return {"total": round(total, 4)} | {name: round(part, 4) for name, part in parts.items()}


def select_place(run: Run, ranked: list[RankedPlace]) -> City | None:
    """Take the best."""
    with run.step("select_place", step_type="select") as step:
        for rank, entry in enumerate(ranked, start=1):
            total = entry.scores["total"]
            if rank == 1:
                step.select(entry.city.id, score=total, rank=rank)
            else:
                step.reject(entry.city.id, "not_selected", score=total, rank=rank)
        city = ranked[0].city if ranked else None
        step.set_output({"selected": city.label if city else None})
    return city


def main(arguments: list[str] | None = None) -> int:
    """Resolve the queries given, or all of `QUERIES` with a verdict on each."""
    gazetteer = open_gazetteer()
    given = sys.argv[1:] if arguments is None else arguments
    if given:
        for query in given:
            city = resolve_place(query, gazetteer)
            say(f"{query} -> {city.label if city else 'nothing'}")
        return finish()
    right = 0
    for query, expected in QUERIES:
        city = resolve_place(query, gazetteer, expected)
        label = city.label if city else "nothing"
        right += label == expected
        say(f"{query} -> {label}" + ("" if label == expected else f"   WRONG, meant {expected}"))
    say(f"{right} of {len(QUERIES)} queries come out right.")
    return finish()


if __name__ == "__main__":
    raise SystemExit(main())
