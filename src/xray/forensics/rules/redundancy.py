"""Which rules fail no candidate that another does not fail, and which fail nobody alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from xray.forensics.rules.amounts import Amount, bound_share
from xray.forensics.rules.outcomes import Pattern, is_rule
from xray.forensics.rules.survey import StepFold
from xray.model.rules import Extent, Redundancy

MAX_EXCEPTIONS: Final = 0.05
_MIN_LIFT: Final = 4
_MAX_LISTED: Final = 3


class Together:
    """How the rules of a step fared together.

    Args:
        fold: the step.
    """

    def __init__(self, fold: StepFold) -> None:
        self._fold = fold
        self._rules = frozenset(
            name for pattern in fold.patterns for name in pattern.asked if is_rule(name)
        )
        self._alias = dict(self._find_aliases())

    def is_alias(self, name: str) -> bool:
        """Whether a reason is but another name of a check: each shows only where the other does."""
        return name in self._alias

    def check_behind(self, reason: str) -> str | None:
        """The check that a reason is another name of."""
        return self._alias.get(reason)

    def count_sole(self, name: str) -> Extent:
        """How many candidates failed *name* and nothing else."""
        names = {name, *(reason for reason, check in self._alias.items() if check == name)}

        def is_among(pattern: Pattern) -> bool:
            return pattern.reason in names

        def is_sole(pattern: Pattern) -> bool:
            return pattern.failed <= names

        surely, maybe = Amount(), Amount()
        self._add(surely, is_among, lambda one: is_sole(one) and self._is_whole(one, names))
        self._add(maybe, is_among, is_sole)
        rules = [self._fold.rules[one] for one in names if one in self._fold.rules]
        kills = sum(rule.kills for rule in rules)
        shown = sum(
            held.exact + held.weight
            for pattern, held in self._fold.patterns.items()
            if pattern.reason in names
        )
        maybe.add_unknown(kills - round(shown))
        least, most = surely.bound(), maybe.bound()
        return Extent(
            least=min(least.least, kills),
            most=min(most.most, kills),
            estimate=min(least.estimate, kills),
            basis="bounds" if least.is_exact and least.least < most.most else most.basis,
        )

    def count_overruled(self, name: str) -> Extent:
        """How many candidates were kept though they failed *name*."""
        amount = Amount()
        self._add(
            amount,
            lambda pattern: pattern.reason is None,
            lambda pattern: name in pattern.failed,
        )
        return amount.bound()

    def find_redundancies(self, name: str) -> list[Redundancy]:
        """The rules that fail every or nearly every candidate *name* fails, the surest first."""
        found = [self._compare(name, other) for other in self._list_likely(name)]
        kept = [one for one in found if one is not None and self._is_redundant(one)]
        kept.sort(key=lambda one: (one.only_at_most, -one.both.least, one.rule))
        return kept[:_MAX_LISTED]

    def _list_likely(self, name: str) -> list[str]:
        """The rules that may fail nearly all that *name* fails: few of very many pairs."""
        counts: dict[str, list[float]] = {}
        for pattern, held in self._fold.patterns.items():
            if name in pattern.failed:
                for other in pattern.asked - pattern.missing:
                    has_only = other not in pattern.failed
                    counts.setdefault(other, [0.0, 0.0])[has_only] += held.exact + held.weight
        counts.pop(name, None)
        return [
            other
            for other, (both, only) in sorted(counts.items())
            if only <= MAX_EXCEPTIONS * (both + only)
        ]

    def _is_redundant(self, one: Redundancy) -> bool:
        # Where the other fails nearly everybody, that it fails these says nothing of them.
        tells = 1 - one.other_elsewhere >= _MIN_LIFT * one.only_at_most
        return not one.unasked.estimate and tells

    def _compare(self, name: str, other: str) -> Redundancy | None:
        if self._alias.get(name) == other or self._alias.get(other) == name or self._fold.lost:
            return None
        both, only = self._joint(name, other)
        exceptions = _bound_exceptions(both, only)
        if exceptions > MAX_EXCEPTIONS:
            return None
        unasked = Amount()
        self._add(
            unasked,
            lambda pattern: name in pattern.failed,
            lambda pattern: other not in pattern.asked or other in pattern.missing,
        )
        elsewhere, passed = self._joint(other, name, is_reversed=True)
        runs, runs_with_only = self._fold.pairs.get((name, other), [0, 0])
        if not both.estimate or not runs:
            return None
        share = elsewhere.estimate / (elsewhere.estimate + passed.estimate or 1)
        back_both, back_only = self._joint(other, name)
        back = _bound_exceptions(back_both, back_only)
        return Redundancy(
            rule=other,
            both=both,
            only=only,
            unasked=unasked.bound(),
            only_at_most=exceptions,
            runs=runs,
            runs_with_only=runs_with_only,
            runs_at_most=bound_share(runs_with_only, runs),
            other_elsewhere=share,
            is_mutual=back <= MAX_EXCEPTIONS,
        )

    def _joint(self, name: str, other: str, *, is_reversed: bool = False) -> tuple[Extent, Extent]:
        """Candidates that failed *name* and *other*, and those that failed only *name*.

        Args:
            is_reversed: of the candidates that met *other*, those that failed *name* and the rest.
        """

        def is_asked(pattern: Pattern) -> bool:
            if {name, other} - pattern.asked or {name, other} & pattern.missing:
                return False
            return other not in pattern.failed if is_reversed else name in pattern.failed

        counted = name if is_reversed else other
        both, only = Amount(), Amount()
        self._add(both, is_asked, lambda pattern: counted in pattern.failed)
        self._add(only, is_asked, lambda pattern: counted not in pattern.failed)
        return both.bound(), only.bound()

    def _add(
        self,
        amount: Amount,
        is_among: Callable[[Pattern], bool],
        has: Callable[[Pattern], bool],
    ) -> None:
        weights, rows, heaviest = [0.0, 0.0], [0, 0], 1.0
        for pattern, held in self._fold.patterns.items():
            if is_among(pattern):
                side = has(pattern)
                amount.add(held.exact if side else 0)
                weights[side] += held.weight
                rows[side] += held.drawn
                heaviest = max(heaviest, held.heaviest)
        if sum(weights):
            amount.add_drawn(weights[1], rows[1], weights[0], rows[0], heaviest)

    def _is_whole(self, pattern: Pattern, names: set[str]) -> bool:
        # Of a reason that is another name of a check, the check tells the outcome.
        rules = self._rules - names - self._alias.keys()
        return pattern.is_whole is True or rules <= pattern.asked

    def _find_aliases(self) -> Iterator[tuple[str, str]]:
        """Reasons that no check has, each with the check that fails where they are given."""
        checked = _names_of_checks(self._fold)
        for reason in {one.reason for one in self._fold.patterns if one.reason is not None}:
            if reason in checked or not is_rule(reason):
                continue
            for check in checked:
                if all(
                    (reason == one.reason) == (check in one.failed) for one in self._fold.patterns
                ):
                    yield reason, check
                    break


def _names_of_checks(fold: StepFold) -> list[str]:
    return sorted(name for name, rule in fold.rules.items() if rule.is_check)


def _bound_exceptions(both: Extent, only: Extent) -> float:
    """The largest share of candidates that may be exceptions."""
    if only.is_exact and both.is_exact:
        return bound_share(only.least, both.least + only.least)
    return only.most / (only.most + both.least or 1)
