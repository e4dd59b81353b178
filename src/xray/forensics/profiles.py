"""What was recorded of candidates, and how alike two of them are."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

from msgspec import Struct

from xray.forensics.case import Case
from xray.forensics.changes import are_same
from xray.model.differences import Change
from xray.model.records import Decision, Step
from xray.model.values import is_mark

CAME_FROM: Final = "came from"
"""Under this name stands what brought a candidate."""

Profile = dict[str, Any]
"""What was recorded of one candidate, by name: attributes, and what checks observed."""


class Comparison(Struct, frozen=True):
    """How alike two candidates are.

    Args:
        likeness: from 0 to 1.
        alike: what is the same of both.
        differing: what is not, each with how alike it is.
    """

    likeness: float
    alike: list[str]
    differing: list[tuple[float, Change]]


def gather_profiles(case: Case, candidate_ids: Iterable[str], last: Step) -> dict[str, Profile]:
    """What was recorded of candidates up to a step; what a later step says stands.

    Args:
        case: their run.
        candidate_ids: the candidates.
        last: the step.
    """
    profiles: dict[str, Profile] = {one: {} for one in candidate_ids}
    for step in case.flow.deciding_steps:
        if step.ordinal > last.ordinal:
            continue
        ledger = case.flow.ledger(step)
        for candidate_id, profile in profiles.items():
            for at in ledger.positions(candidate_id):
                row = ledger.row(at)
                profile.update(_open_facts(row))
                if row.origin:
                    found = profile.get(CAME_FROM, ())
                    brought = (origin.candidate_id for origin in row.origin)
                    profile[CAME_FROM] = tuple(dict.fromkeys([*found, *brought]))
    return profiles


def list_facts(row: Decision) -> Iterator[tuple[str, Any]]:
    """What a decision tells of its candidate, by name: its attributes, and what checks observed."""
    yield from row.attributes.items()
    for check in row.checks:
        if check.observed is not None:
            yield check.field or check.name, check.observed


def _open_facts(row: Decision) -> Profile:
    """What a decision tells of its candidate and can be compared; an attribute before a check."""
    facts: Profile = {}
    for name, value in list_facts(row):
        if is_mark(value):
            continue
        named = {name: value}
        if isinstance(value, dict):
            named = {f"{name}.{key}": part for key, part in value.items() if not is_mark(part)}
        for one, part in named.items():
            facts.setdefault(one, part)
    return facts


class Likeness:
    """Measures how alike candidates are: Gower's coefficient (Biometrics 27, 1971).

    Numbers are as alike as they are near, measured by how far apart they lie among all; texts and
    lists by the words or items they share; all else is the same or not. What only one of two has
    is not alike.

    Args:
        profiles: of all that are compared.
    """

    def __init__(self, profiles: Iterable[Profile]) -> None:
        lowest: dict[str, float] = {}
        highest: dict[str, float] = {}
        for profile in profiles:
            for name, value in profile.items():
                if _is_number(value):
                    lowest[name] = min(value, lowest.get(name, value))
                    highest[name] = max(value, highest.get(name, value))
        self._spreads = {name: highest[name] - low for name, low in lowest.items()}

    def compare(self, own: Profile, other: Profile) -> Comparison:
        """How alike two candidates are, *own* being A."""
        alike: list[str] = []
        differing: list[tuple[float, Change]] = []
        total = 0.0
        names = list(dict.fromkeys([*own, *other]))
        for name in names:
            if name not in other:
                differing.append((0.0, Change(path=name, a=_show(own[name]), only_in="a")))
            elif name not in own:
                differing.append((0.0, Change(path=name, b=_show(other[name]), only_in="b")))
            elif are_same(own[name], other[name]):
                alike.append(name)
                total += 1.0
            else:
                nearness = self._measure(name, own[name], other[name])
                change = Change(path=name, a=_show(own[name]), b=_show(other[name]))
                differing.append((nearness, change))
                total += nearness
        return Comparison(total / len(names) if names else 0.0, alike, differing)

    def _measure(self, name: str, a: object, b: object) -> float:
        if _is_number(a) and _is_number(b):
            spread = self._spreads.get(name, 0.0)
            return 1.0 - min(1.0, abs(a - b) / spread) if spread else 0.0  # type: ignore[operator]
        if isinstance(a, str) and isinstance(b, str):
            return _overlap(a.casefold().split(), b.casefold().split())
        if isinstance(a, (list, tuple)) and isinstance(b, (list, tuple)):
            return _overlap(list(map(repr, a)), list(map(repr, b)))
        return 0.0


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _overlap(a: Sequence[str], b: Sequence[str]) -> float:
    either = {*a, *b}
    return len({*a} & {*b}) / len(either) if either else 0.0


def _show(value: object) -> object:
    return list(value) if isinstance(value, tuple) else value
