"""How what separates two sides reads."""

from __future__ import annotations

from typing import Final

from xray.forensics.wording import count_things, list_items, show_number
from xray.model.separation import Separation, Separator, Split

_MAX_NAMED: Final = 3


def describe_separator(one: Separator, names: tuple[str, str]) -> str:
    """One separator as a sentence.

    Args:
        one: the separator, but for its text.
        names: what the sides are called.
    """
    told = f"{one.split.text} for {say_counts(one.split, names)}"
    if one.a_median is not None and one.b_median is not None:
        told += f" (medians {_round(one.a_median)} and {_round(one.b_median)})"
    if one.reads:
        told += (
            f"; that is what {list_items(one.reads)} {'reads' if len(one.reads) == 1 else 'read'}"
        )
    return f"{told}."


def _round(number: float) -> str:
    return show_number(float(f"{number:.4g}"))


def say_counts(split: Split, names: tuple[str, str]) -> str:
    """`31 of 33 rejected and 2 of 60 kept`."""
    sides = (
        (split.a, split.a_of, split.a_share, names[0]),
        (split.b, split.b_of, split.b_share, names[1]),
    )
    return " and ".join(_say_side(*side) for side in sides)


def _say_side(met: int, of: int, share: float, name: str) -> str:
    if met == of:
        counted = f"all {of:,} {name}"
    elif not met:
        counted = f"none of {of:,} {name}"
    else:
        counted = f"{met:,} of {of:,} {name}"
    # Where rows stand for different numbers of candidates, counts alone would mislead.
    if of and abs(share - met / of) > 0.005:
        counted += f" (about {100 * share:.0f} %)"
    return counted


def answer_separation(found: Separation) -> str:
    """The sentence that stands for the whole answer."""
    a, b = found.a, found.b
    if found.of == "runs":
        sides = f"{count_things(a.count, 'run')} of A from {count_things(b.count, 'run')} of B"
        both = sides.replace(" from ", " and ")
    else:
        sides = f"the {a.count:,} {a.name} from the {b.count:,} {b.name}"
        both = f"{a.count:,} {a.name} and {b.count:,} {b.name}"
    for side, name in ((a, "A" if found.of == "runs" else a.name), (b, "B")):
        if not side.count:
            return _say_empty(found, side.name, name)
    if not found.tests:
        return f"With {both} nothing can be told from chance."
    if not found.separators and not found.rules:
        return f"Nothing that is recorded separates {sides} by more than chance explains."
    if not found.separators:
        return f"Only what the step's own rules read separates {sides}: {found.rules[0].text}"
    rest = len(found.separators) - 1
    more = (
        f" {rest:,} more {'thing separates' if rest == 1 else 'things separate'} them."
        if rest
        else ""
    )
    first = found.separators[0].text
    return f"What separates {sides}: {first}{more}{_name_rules(found)}"


def _name_rules(found: Separation) -> str:
    if not found.rules:
        return ""
    named = list_items([one.path for one in found.rules], limit=_MAX_NAMED)
    return f" So does {named}, which the step's own rules read."


def _say_empty(found: Separation, name: str, side: str) -> str:
    if found.of == "runs":
        return f"No run is on side {side}, so there is nothing to tell apart."
    where = f" at {found.step}" if found.step else ""
    return f"No candidate{where} is known to be {name}, so there is nothing to tell apart."
