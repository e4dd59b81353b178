"""A stand-in for a language model: plain functions, so that every run gives the same answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING or __package__:
    from .catalogue import words_of
else:
    from catalogue import words_of

MODEL = "keyword-writer-2"
"""The model's name, as it would appear in a trace's parameters."""

# fmt: off
_KNOWN_NOUNS = {
    "backpack", "board", "bottle", "cable", "case", "charger", "cover", "earbuds", "headphones",
    "holder", "kettle", "keyboard", "knife", "lamp", "mat", "mouse", "mug", "notebook", "pan",
    "rack", "saucepan", "sleeve", "stand", "webcam",
}
# fmt: on

# What the model believes people also call a thing. Two lines are careless: a case does not stand,
# and nobody looks for a phone case when they want a stand.
_RELATED_TERMS = {
    "bottle": ("flask", "drinkware"),
    "case": ("stand", "holder", "cover"),
    "charger": ("power adapter", "usb-c charger"),
    "kettle": ("electric kettle",),
    "mug": ("travel mug", "drinkware"),
    "pan": ("frying pan", "skillet"),
    "backpack": ("laptop backpack",),
    "stand": ("riser", "phone case"),
}


@dataclass(frozen=True, slots=True)
class Keyword:
    """A search term the model suggests, and where it took it from."""

    text: str
    because: str


def suggest_keywords(title: str) -> list[Keyword]:
    """What to search for to find products that compete with *title*.

    The thing itself (the last noun the model knows) and what else it is called.
    """
    words = words_of(title)
    noun = next((word for word in reversed(words) if word in _KNOWN_NOUNS), words[-1])
    keywords = [Keyword(noun, f"names the thing in {title!r}")]
    keywords += [
        Keyword(term, f"related term of {noun!r}") for term in _RELATED_TERMS.get(noun, ())
    ]
    return keywords
