"""What a reasoning says of a candidate that its recorded attributes contradict.

Only what can be checked is read: a number or a word right beside the name of an attribute, and the
names of properties that others have and this candidate has not. A sentence that compares, denies,
wishes or speaks of limits and users is left alone altogether, as is one that names another
candidate: whom its words are about cannot be told. What is left unread is no error; what is called
a contradiction by mistake would be.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from functools import cached_property, lru_cache
from itertools import islice
from typing import Any, Final

from msgspec import Struct

from xray.model.values import is_mark

Profile = Mapping[str, Sequence[Any]]
"""What was recorded of one candidate: the values of each attribute, at whichever step."""

_MIN_NAME: Final = 3
_MIN_PROPERTY: Final = 4
_MIN_HOLDERS: Final = 2
"""Fewer others with an attribute make it none that a candidate would be expected to have."""
_MAX_TEXT: Final = 4_000
_MAX_VALUES: Final = 200
_SENTENCE: Final = re.compile(r"(?<=[.!?;])\s+|[\n•|]+")
_WORD: Final = re.compile(r"[\w'.:/-]*\w")
_PARTS: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
_NUMBER: Final = r"[$€£]?\s*(?P<number>-?\d+(?:,\d{3})*(?:\.\d+)?)"
_NUMBER_END: Final = (
    r"(?=\s*(?:%|$|[.;!?)](?:\s|$)|,\s|\s(?:and|but|with|dollars?|euros?|usd|eur|stars?|points?|"
    r"percent)\b))(?P<percent>\s*(?:%|percent\b))?"
)
_JOINS: Final = r"\s*(?:is|of|at|was|:|=)?\s*"
_LEADS: Final = frozenset(
    (
        "its",
        "the",
        "a",
        "an",
        "and",
        "with",
        "has",
        "having",
        "have",
        "offers",
        "at",
        "also",
        "plus",
    )
)
"""What may stand before the name of an attribute that is the candidate's own."""
_OF_THE_CHOICE: Final = frozenset(
    (
        "accepted", "candidate", "chosen", "confidence", "dropped", "eligible", "failed", "index",
        "kept", "match", "matched", "number", "passed", "picked", "place", "position", "rank",
        "rejected", "relevant", "score", "selected", "similarity", "valid",
    )
)  # fmt: skip
"""Names that a reasoning uses for the choice it explains, whatever an attribute calls so."""
_NUMERALS: Final = re.compile(r"-?\d+(?:\.\d+)?")
_ELSEWHERE: Final = re.compile(
    r"\b(?:not?|nor|none|never|without|cannot|lack\w*|miss\w*|absent|unknown|unavailable|"
    r"than|versus|vs|compar\w*|unlike|instead|rather|others?|another|both|either|"
    r"average|typical\w*|median|usual\w*|limit\w*|max\w*|min\w*|budget|threshold|cap|cut\w*|"
    r"target\w*|range\w*|between|if|unless|would|could|should|must|may|might|needs?|"
    r"needed|requir\w*|expect\w*|want\w*|ask\w*|quer\w*|users?|customers?|buyers?|request\w*|"
    r"reference|original\w*|look\w*|search\w*|similar\w*|like|likely|assum\w*|suppos\w*|seem\w*|"
    r"appear\w*|probabl\w*|perhaps|possibl\w*|about|around|approx\w*|roughly|nearly|almost|"
    r"over|under|above|below|less|more|fewer|great\w*er|high\w*er|low\w*er|cheap\w*er|better|"
    r"worse|least|except|despite|although|though|while|whereas|however|"
    r"previous\w*|former\w*|old|next|runner\w*|competitor\w*|alternative\w*|same|"
    r"differ\w*|score[sd]?)\b|n't\b|\?|[<>≤≥~]",
    re.IGNORECASE,
)
"""Words by which a sentence may speak of something else than what the candidate is."""


class Claim(Struct, frozen=True):
    """Something said of a candidate that was recorded otherwise.

    Args:
        said: the words.
        attribute: the attribute they are about.
        recorded: its recorded value; None where the candidate has no such attribute.
        holders: other candidates of which it would be true, or that have the attribute at all.
    """

    said: str
    attribute: str
    recorded: Any
    holders: tuple[str, ...] = ()


class _Column:
    """One attribute over all candidates.

    Args:
        held: its values by candidate.
    """

    def __init__(self, held: Mapping[str, Sequence[Any]]) -> None:
        self.held = held

    @cached_property
    def has_numbers(self) -> bool:
        """Whether it is a number where it is known."""
        numeric = (one for one in self.held.values() if _list_numbers(one))
        return sum(1 for _ in islice(numeric, _MIN_HOLDERS)) == _MIN_HOLDERS

    @cached_property
    def properties(self) -> tuple[str, ...]:
        """The candidates of which it is true."""
        return tuple(one for one, values in self.held.items() if any(v is True for v in values))

    @cached_property
    def words(self) -> dict[str, dict[str, None]]:
        """The candidates by what it says of them, the longest words first."""
        found: dict[str, dict[str, None]] = {}
        for one, values in self.held.items():
            for value in map(str.casefold, _list_words(values)):
                if len(found) < _MAX_VALUES or value in found:
                    found.setdefault(value, {})[one] = None
        return dict(sorted(found.items(), key=lambda pair: -len(pair[0])))

    def find_number(self, text: str, *, is_percent: bool) -> tuple[str, ...]:
        """The candidates of which a number is true as it is written."""
        return tuple(
            one
            for one, values in self.held.items()
            if any(_agrees(text, number, is_percent=is_percent) for number in _list_numbers(values))
        )


class Attributes:
    """What was recorded of the candidates of a step, as far as reasoning may speak of it.

    Args:
        profiles: what is known of each candidate, by its id.
    """

    def __init__(self, profiles: Mapping[str, Profile]) -> None:
        self.profiles = profiles
        columns: dict[str, dict[str, Sequence[Any]]] = {}
        for candidate_id, profile in profiles.items():
            for name, values in profile.items():
                columns.setdefault(name, {})[candidate_id] = values
        self._columns = {
            name: (phrase, _Column(held))
            for name, held in columns.items()
            if (phrase := _phrase_of(name)) is not None
        }

    def read(
        self, candidate_id: str, reasoning: str, spared: AbstractSet[float] = frozenset()
    ) -> list[Claim]:
        """What *reasoning* says of a candidate that its record contradicts, each attribute once.

        Args:
            candidate_id: the candidate.
            reasoning: free text.
            spared: numbers that belong to the question or to a rule, which the text may mean.
        """
        own = self.profiles.get(candidate_id)
        if not own:
            return []
        found: dict[str, Claim] = {}
        for sentence in _SENTENCE.split(reasoning[:_MAX_TEXT]):
            if _ELSEWHERE.search(sentence) or self._names_another(sentence, candidate_id):
                continue
            for name, (phrase, column) in self._columns.items():
                if name in found or self._is_within(name, own, sentence):
                    continue
                if phrase.search(sentence):
                    said = _Said(sentence, name, own, column)
                    claim = said.number(spared) or said.word() or said.property(phrase)
                    if claim is not None:
                        found[name] = claim
        return list(found.values())

    def _is_within(self, name: str, own: Profile, sentence: str) -> bool:
        """Whether *sentence* names a longer attribute of its own: a `unit price` is no `price`."""
        bare = _bare(name)
        longer = (other for other in own if other != name and bare in _bare(other))
        return any(
            other in self._columns and self._columns[other][0].search(sentence) for other in longer
        )

    def _names_another(self, sentence: str, candidate_id: str) -> bool:
        words = _WORD.findall(sentence)
        return any(word != candidate_id and word in self.profiles for word in words)


class _Said(Struct, frozen=True):
    """A sentence that names an attribute.

    Args:
        sentence: the sentence.
        name: the attribute.
        own: what was recorded of the candidate it is about.
        column: the attribute over all candidates.
    """

    sentence: str
    name: str
    own: Profile
    column: _Column

    def number(self, spared: AbstractSet[float]) -> Claim | None:
        """A number beside the attribute's name that is not its own."""
        mine = self.own.get(self.name)
        for found in _pattern_of(self.name, _NUMBER + _NUMBER_END).finditer(self.sentence):
            text = found["number"].replace(",", "")
            is_percent = found["percent"] is not None
            known = self.own.values() if mine is None else (mine,)
            numbers = [_list_numbers(values) for values in known]
            is_told = all(numbers) if mine is not None else self.column.has_numbers
            if not is_told or float(text) in spared or not _is_own(self.sentence, found.start()):
                continue
            if any(_agrees(text, one, is_percent=is_percent) for some in numbers for one in some):
                continue
            holders = (
                tuple(self.column.held)
                if mine is None
                else self.column.find_number(text, is_percent=is_percent)
            )
            return self._claim(found[0], holders)
        return None

    def word(self) -> Claim | None:
        """A word beside the attribute's name that others have there."""
        mine = [value.casefold() for value in _list_words(self.own.get(self.name, ()))]
        if not mine:
            return None
        for found in _pattern_of(self.name, r"[\"'“‘]?(?P<rest>.*)").finditer(self.sentence):
            text = found["rest"].casefold()
            if not _is_own(self.sentence, found.start()):
                continue
            if any(_begins(text, value) for value in mine):
                continue
            for value, holders in self.column.words.items():
                is_akin = any(value in one or one in value for one in mine)
                if _begins(text, value) and not is_akin:
                    end = found.start("rest") - found.start() + len(value)
                    return self._claim(found[0][:end], tuple(holders))
        return None

    def property(self, phrase: re.Pattern[str]) -> Claim | None:
        """A property that others have and this one has not."""
        holders, mine = self.column.properties, self.own.get(self.name, ())
        is_denied = bool(mine) and all(value is False or value is None for value in mine)
        is_lacking = not mine and len(holders) >= _MIN_HOLDERS
        if not holders or not (is_denied or is_lacking) or len(_bare(self.name)) < _MIN_PROPERTY:
            return None
        # Its own title may say so in words.
        if any(phrase.search(text) for held in self.own.values() for text in _list_words(held)):
            return None
        found = phrase.search(self.sentence)
        return None if found is None else self._claim(found[0], holders)

    def _claim(self, said: str, holders: tuple[str, ...]) -> Claim:
        return Claim(" ".join(said.split()), self.name, _first(self.own, self.name), holders)


def _first(own: Profile, name: str) -> Any:
    return next((value for value in own.get(name, ()) if value is not None), None)


def _begins(text: str, value: str) -> bool:
    """Whether *text* begins with the word, or words, *value*."""
    after = text[len(value) : len(value) + 1]
    return len(value) > 1 and text.startswith(value) and not (after.isalnum() or after in "-_")


def _is_own(sentence: str, at: int) -> bool:
    """Whether nothing before the name of an attribute says that it is another one's."""
    before = sentence[:at].rstrip(" \t*_`")
    if not before or before[-1] in ",;:(.!-–—":
        return True
    return before.rpartition(" ")[2].casefold() in _LEADS


def _bare(name: str) -> str:
    words = [word.casefold() for word in _PARTS.findall(name)]
    if len(words) > 1 and words[0] in ("is", "has", "are"):
        words = words[1:]
    return " ".join(words)


@lru_cache(maxsize=1_024)
def _phrase_of(name: str) -> re.Pattern[str] | None:
    """The name of an attribute as a text may spell it: `is_waterproof` as `waterproof`."""
    bare = _bare(name)
    words = bare.split()
    if bare in _OF_THE_CHOICE or sum(map(len, words)) < _MIN_NAME:
        return None
    spelled = r"[\s_-]*".join(map(re.escape, words))
    return re.compile(rf"(?<![\w-]){spelled}(?![\w-])", re.IGNORECASE)


@lru_cache(maxsize=2_048)
def _pattern_of(name: str, rest: str) -> re.Pattern[str]:
    """The name of an attribute with what is said of it right behind."""
    phrase = _phrase_of(name)
    assert phrase is not None
    return re.compile(phrase.pattern + _JOINS + rest, re.IGNORECASE)


def _list_numbers(values: Iterable[Any]) -> list[float]:
    """The numbers that *values* are, hold or spell."""
    found: list[float] = []
    for value in values:
        if isinstance(value, bool) or is_mark(value):
            continue
        if isinstance(value, (int, float)) and math.isfinite(value):
            found.append(float(value))
        elif isinstance(value, str):
            found += [float(one) for one in _NUMERALS.findall(value.replace(",", ""))[:9]]
        elif isinstance(value, list):
            found += _list_numbers(value)
    return found


def _list_words(values: Iterable[Any]) -> list[str]:
    """The texts that *values* are or hold."""
    found: list[str] = []
    for value in values:
        if isinstance(value, str):
            found.append(value)
        elif isinstance(value, list):
            found += [one for one in value if isinstance(one, str)]
    return found


def _agrees(text: str, recorded: float, *, is_percent: bool) -> bool:
    """Whether a number as written may be the recorded one: rounded, cut off, in other units."""
    said = float(text)
    _, _, decimals = text.partition(".")
    unit = 10.0 ** -len(decimals)
    scales = (1.0, 100.0, 0.01) if is_percent else (1.0, 100.0, 1000.0, 60.0, 1024.0)
    for scale in scales:
        for factor in (scale, 1 / scale):
            if abs(recorded * factor - said) < unit * (1 - 1e-9):
                return True
    return False
