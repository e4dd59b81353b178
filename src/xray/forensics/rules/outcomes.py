"""What one step tells of its rules: which outcomes its candidates had together, and how near."""

from __future__ import annotations

import sys
from array import array
from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import Any, Final, NamedTuple

import msgspec
from msgspec import Struct

from xray.forensics.limits import Evidence, is_number, operator_of
from xray.model.checked import CheckedStep, StepChecks
from xray.model.decisions import Outline
from xray.model.operators import ORDERINGS
from xray.model.sketch import MAX_SKETCHES, Sketch
from xray.model.values import plain_value
from xray.model.vocabulary import MISSING_PREFIX, RESERVED_REASONS

_RESERVED: Final = frozenset(RESERVED_REASONS)
_MAX_LIMITS_A_STEP: Final = 3
_GREATEST: Final = sys.float_info.max


def is_rule(name: str) -> bool:
    """Whether a check or a reason of this name is a rule of the pipeline."""
    return name not in _RESERVED and not name.startswith(MISSING_PREFIX)


class Pattern(NamedTuple):
    """What candidates have in common that fared alike with every rule.

    Args:
        reason: why they were rejected; None where they were kept.
        failed: what they did not meet, the reason included.
        asked: the rules whose outcome is known.
        missing: those of them whose operand was missing.
        is_whole: whether these are all the rules of their step; None where it does not tell.
    """

    reason: str | None
    failed: frozenset[str]
    asked: frozenset[str]
    missing: frozenset[str]
    is_whole: bool | None


class Held(Struct):
    """The rows of one pattern in one step.

    Args:
        exact: how many candidates have a row of their own.
        drawn: how many drawn rows stand for more.
        weight: for how many.
        heaviest: for how many one of them does at most.
        example: one of them.
    """

    exact: int = 0
    drawn: int = 0
    weight: float = 0.0
    heaviest: float = 1.0
    example: str = ""

    def merge(self, other: Held) -> None:
        """Count the rows of *other* besides."""
        self.exact += other.exact
        self.drawn += other.drawn
        self.weight += other.weight
        self.heaviest = max(self.heaviest, other.heaviest)


class Nearest(NamedTuple):
    """The candidate nearest to a limit."""

    distance: float
    candidate_id: str
    observed: float
    limit: float


class CheckColumn:
    """What one check says of the candidates of a step.

    Args:
        first: one of its outcomes.
    """

    __slots__ = ("_number", "_seen", "field", "has_odd", "limits", "margins", "nearest", "op")

    def __init__(self, first: Evidence) -> None:
        self.op = operator_of(first)
        self.field = first.field or first.name
        self._seen: object = self
        self._number: float | None = None
        self.limits: list[Any] = []
        self.margins = (array("d"), array("d"))
        """Observed less limit, of those that did not meet it and of those that did."""
        self.nearest: list[Nearest | None] = [None, None]
        self.has_odd = False

    @property
    def is_scale(self) -> bool:
        """Whether it compares numbers on a scale."""
        return self.op in ORDERINGS

    def add(self, check: Evidence, candidate_id: str) -> None:
        """Take one outcome in."""
        limit = check.limit
        if limit is not self._seen and limit != self._seen:
            self._seen = limit
            self._number = float(limit) if is_number(limit) else None
            if limit not in self.limits and len(self.limits) < _MAX_LIMITS_A_STEP:
                self.limits.append(limit)
        observed, number = check.observed, self._number
        kind = type(observed)
        if number is None or (kind is not float and kind is not int):
            self.has_odd = True
            return
        margin = observed - number
        if not -_GREATEST <= margin <= _GREATEST:
            self.has_odd = True
            return
        side = bool(check.passed)
        self.margins[side].append(margin)
        near = self.nearest[side]
        if near is None or abs(margin) < near.distance:
            self.nearest[side] = Nearest(abs(margin), candidate_id, float(observed), number)

    def spelled_limits(self) -> list[str]:
        """Its limits as JSON."""
        return [msgspec.json.encode(plain_value(limit)).decode() for limit in self.limits]


class StepOutcomes:
    """The rules of one step, as far as its rows and sketches tell.

    Args:
        step: the step; it has checks.
        checks: what it recorded.
    """

    def __init__(self, step: CheckedStep, checks: StepChecks) -> None:
        self.step = step
        self.kept = checks.counts.kept
        self.reasons = checks.counts.reasons
        self.has_repeated = checks.counts.has_repeated
        self.columns: dict[str, CheckColumn] = {}
        self._sketches = {(one.name, one.passed): one.sketch for one in checks.sketches}
        self._signatures: dict[tuple[Any, ...], Held] = {}
        self.rowed = 0
        """How many candidates have a row that stands for itself."""
        self._read(checks.rows)

    @property
    def decided(self) -> int:
        """How many candidates it decided about."""
        return self.kept + sum(self.reasons.values())

    @property
    def is_whole(self) -> bool:
        """Whether every candidate has a row of its own."""
        return self.rowed >= self.decided

    @property
    def is_bare(self) -> bool:
        """Whether it kept counts only."""
        return not self._signatures and self.decided > 0

    def _read(self, rows: Iterable[Outline]) -> None:
        columns, signatures = self.columns, self._signatures
        for row in rows:
            if row.verdict is None or row.is_logged:
                continue
            for check in row.checks:
                name = check.name
                column = columns.get(name)
                if column is None:
                    column = columns[name] = CheckColumn(check)
                column.add(check, row.candidate_id)
            weight = row.weight
            if weight <= 0:
                continue
            signature = (
                row.reason or "" if row.verdict == "rejected" else None,
                *[(check.name, check.passed, check.op) for check in row.checks],
            )
            held = signatures.get(signature)
            if held is None:
                held = signatures[signature] = Held(example=row.candidate_id)
            if weight == 1.0:
                held.exact += 1
                self.rowed += 1
            else:
                held.drawn += 1
                held.weight += weight
                held.heaviest = max(held.heaviest, weight)

    @cached_property
    def patterns(self) -> dict[Pattern, Held]:
        """Its candidates by how they fared with every rule."""
        found: dict[Pattern, Held] = {}
        parts = [(self._open(signature), held) for signature, held in self._signatures.items()]
        rules = self._find_rules([part for part, _ in parts])
        for part, held in parts:
            is_whole = None if rules is None else rules <= part.asked
            pattern = part._replace(is_whole=is_whole)
            known = found.get(pattern)
            if known is None:
                found[pattern] = held
            else:
                known.merge(held)
        return found

    def _open(self, signature: tuple[Any, ...]) -> Pattern:
        reason, *checks = signature
        failed = {name for name, passed, _ in checks if not passed}
        asked = {name for name, _, _ in checks if is_rule(name)}
        missing: set[str] = set()
        for name, _, op in checks:
            if name.startswith(MISSING_PREFIX):
                missing.update(self._readers(name.removeprefix(MISSING_PREFIX), op))
        if reason is not None:
            failed.add(reason)
            if is_rule(reason):
                asked.add(reason)
        return Pattern(
            reason, frozenset(failed), frozenset(asked | missing), frozenset(missing), None
        )

    def _readers(self, field: str, op: str | None) -> list[str]:
        """The rules that observe *field* and compare it by *op*."""
        return [
            name
            for name, column in self.columns.items()
            if column.field == field and column.op == op and is_rule(name)
        ]

    def _find_rules(self, patterns: Sequence[Pattern]) -> frozenset[str] | None:
        """The rules a candidate has to meet; None where nobody was kept who shows them."""
        shown = [one.asked for one in patterns if one.reason is None and one.asked]
        if not shown:
            return None
        failed = [name for one in patterns for name in one.failed if is_rule(name)]
        return frozenset().union(*shown, failed, filter(is_rule, self.reasons))

    @cached_property
    def rules(self) -> frozenset[str]:
        """Every rule that left a trace in it."""
        asked = (pattern.asked for pattern in self.patterns)
        sketched = (name for name, _ in self._sketches if is_rule(name))
        return frozenset().union(*asked, sketched, filter(is_rule, self.reasons))

    def sketches(self, name: str) -> tuple[Sketch | None, Sketch | None] | None:
        """What a check observed of all candidates that failed and met it; None where some may lack.

        A number without end is in no sketch; where rows show one, or values that are no numbers,
        the sketches are not all there is.
        """
        column = self.columns.get(name)
        if self.is_whole or len(self._sketches) >= MAX_SKETCHES:
            return None
        if column is not None and column.has_odd:
            return None
        found = (self._sketches.get((name, False)), self._sketches.get((name, True)))
        return found if any(found) else None
