"""Applying rules to items: what each rule found, what that decides, and the evidence it leaves."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from itertools import compress
from typing import Any, Final, Literal

from xray.capture.evidence import read_number
from xray.capture.nearest import NEAREST_PER_CHECK
from xray.capture.observations import MAX_OBSERVED, ObservedColumn
from xray.capture.sets.columns import FAILED, MET, MISSING, Column, pick_numbers
from xray.capture.sets.decisions import MAX_KINDS, Kind
from xray.capture.sets.items import Items
from xray.capture.sets.libraries import find_numpy
from xray.capture.sets.rules import AnyRule, Condition, Predicate, Rule
from xray.model.facts import ACCEPTED, REJECTED, Check
from xray.model.vocabulary import MISSING_PREFIX

UNASKED: Final = 3
_PORTION: Final = 1_024

Evaluate = Literal["all", "first"]
MakeCheck = Callable[..., Check]


class Judgement:
    """What the rules of one filter found about its items.

    Args:
        items: the items.
        rules: the rules, in the order they name a reason.
        evaluate: whether every rule is asked about every item, or none after the first that
            failed; by default only predicates are spared.
    """

    def __init__(self, items: Items, rules: Sequence[AnyRule], evaluate: Evaluate | None) -> None:
        if evaluate not in (None, "all", "first"):
            raise ValueError(f"evaluate={evaluate!r}: use 'all' or 'first'.")
        self.rules = rules
        self.remarks: dict[int, tuple[object, object]] = {}
        """What predicates said about items, by place: reasoning and score."""
        self.judged = 0
        """How many items were judged."""
        self._items = items
        self._evaluate = evaluate
        self._columns: list[Column | None] = [_read_values(items, one) for one in rules]
        self._outcomes: list[bytes | bytearray] = [
            _find_outcome(one, column, len(items))
            for one, column in zip(rules, self._columns, strict=True)
        ]

    def judge(self) -> None:
        """Ask everything there is to ask.

        Raises:
            TypeError: a predicate must be awaited; `afilter` does.
        """
        asking, answer = self._ask(), None
        while True:
            try:
                answer = asking.send(answer)
            except StopIteration:
                return
            if inspect.isawaitable(answer):
                if inspect.iscoroutine(answer):
                    answer.close()
                raise TypeError("A rule must be awaited: use `await step.afilter(...)`.")

    async def judge_later(self) -> None:
        """Ask everything there is to ask, and wait for each answer that is on its way."""
        asking, answer = self._ask(), None
        while True:
            try:
                answer = asking.send(answer)
            except StopIteration:
                return
            if inspect.isawaitable(answer):
                answer = await answer

    def _ask(self) -> Generator[Any, Any, None]:
        """Yields what each predicate answers, and is sent the answer once it is there."""
        places = [place for place, one in enumerate(self.rules) if isinstance(one, Predicate)]
        count = len(self._items)
        if places:
            for start in range(0, count, _PORTION):
                portion = range(start, min(count, start + _PORTION))
                for place, item in zip(portion, self._items.rows(portion), strict=True):
                    for number in places:
                        if self._is_spared(number, place):
                            continue
                        one = self.rules[number]
                        assert isinstance(one, Predicate)
                        self._note(number, place, (yield one.ask(item)))
                    self.judged = place + 1
        self.judged = count
        if self._evaluate == "first":
            self._forget_later_rules()

    def _is_spared(self, number: int, place: int) -> bool:
        if self._evaluate == "all":
            return False
        return any(outcome[place] != MET for outcome in self._outcomes[:number])

    def _note(self, number: int, place: int, answer: Any) -> None:
        keep, reasoning, score = answer, None, None
        if type(answer) is tuple:
            keep, reasoning, score = (*answer, None, None)[:3]
        outcome = self._outcomes[number]
        assert isinstance(outcome, bytearray)
        outcome[place] = MET if keep else FAILED
        if reasoning is not None or score is not None:
            known = self.remarks.get(place, (None, None))
            self.remarks[place] = (
                known[0] if reasoning is None else reasoning,
                known[1] if score is None else score,
            )

    def _forget_later_rules(self) -> None:
        has_failed = bytearray(len(self._items))
        for number, outcome in enumerate(self._outcomes):
            forgotten = bytearray(outcome)
            for place in compress(range(len(has_failed)), has_failed):
                forgotten[place] = UNASKED
            self._outcomes[number] = forgotten
            for place in compress(range(len(outcome)), outcome):
                has_failed[place] = 1

    # What it decides

    def kept(self) -> Sequence[int]:
        """The places of the items that every rule keeps."""
        outcomes = self._outcomes
        if not outcomes:
            return range(len(self._items))
        numpy = find_numpy()
        if numpy is not None:
            failed = numpy.zeros(len(self._items), bool)
            for outcome in outcomes:
                found = numpy.frombuffer(outcome, "uint8")
                failed |= (found == FAILED) | (found == MISSING)
            places: Sequence[int] = numpy.flatnonzero(~failed)
            return places
        return [
            place
            for place, found in enumerate(zip(*outcomes, strict=True))
            if FAILED not in found and MISSING not in found
        ]

    def classify(self) -> tuple[bytes, list[Kind]]:
        """The kind each judged item is of, by its place, and the kinds; the first is `accepted`."""
        kinds = [Kind(ACCEPTED)]
        if not self.rules:
            return bytes(self.judged), kinds
        if len(self.rules) == 1:
            kinds += [self._kind_of((FAILED,)), self._kind_of((MISSING,))]
            return bytes(self._outcomes[0][: self.judged]), kinds
        codes = _Codes(self._kind_of, kinds)
        found = map(codes.__getitem__, zip(*self._outcomes, strict=True))
        return bytes(code for code, _ in zip(found, range(self.judged), strict=False)), kinds

    def _kind_of(self, outcomes: Sequence[int]) -> Kind:
        failed = [
            (one, outcome)
            for one, outcome in zip(self.rules, outcomes, strict=True)
            if outcome in (FAILED, MISSING)
        ]
        if not failed:
            return Kind(ACCEPTED)
        first = failed[0]
        if isinstance(first[0], Rule):
            return Kind(REJECTED, None, _name_failure(*first))
        # A rule that compares nothing names the reason itself; what failed after it is evidence.
        second = _name_failure(*failed[1]) if len(failed) > 1 else None
        return Kind(REJECTED, _name_failure(*first), second)

    # What it leaves

    def fields(self) -> list[str]:
        """The fields that decided."""
        return [
            one.values
            for one in self.rules
            if not isinstance(one, Predicate) and isinstance(one.values, str)
        ]

    def checks(self, places: Sequence[int], make: MakeCheck) -> list[list[Check] | None]:
        """The evidence about the items at *places*.

        Args:
            places: the items.
            make: makes a check of its parts.
        """
        found: list[list[Check]] = [[] for _ in places]
        is_reason_known = [False] * len(places)
        for one, column, outcome in zip(self.rules, self._columns, self._outcomes, strict=True):
            observed = column.values(places) if isinstance(one, Rule) and column else None
            for number, place in enumerate(places):
                result = outcome[place]
                is_failure = result in (FAILED, MISSING)
                if isinstance(one, Rule) and observed is not None and result != UNASKED:
                    name = _name_failure(one, result)
                    found[number].append(
                        make(name, one.field, observed[number], one.op, one.limit,
                             passed=result == MET)
                    )  # fmt: skip
                elif is_failure and is_reason_known[number]:
                    found[number].append(Check(_name_failure(one, result)))
                is_reason_known[number] |= is_failure
        return [checks or None for checks in found]

    def nearest(
        self, is_hidden: Callable[[str], bool], start: int
    ) -> Iterable[tuple[str, list[tuple[int, float]]]]:
        """For each comparison the places from *start* on nearest to its limit, and their margins.

        Args:
            is_hidden: whether the values of a field are redacted.
            start: the first place that counts.
        """
        for one, column, outcome in zip(self.rules, self._columns, self._outcomes, strict=True):
            if not isinstance(one, Rule) or column is None or is_hidden(one.field or one.name):
                continue
            if self._evaluate == "first":
                asked = [place for place in range(start, len(outcome)) if outcome[place] != UNASKED]
                near = column.nearest(one.limit, asked, NEAREST_PER_CHECK)
            else:
                near = column.nearest(one.limit, range(start, self.judged), NEAREST_PER_CHECK)
            yield one.name, near

    def observe(self, places: range) -> Iterator[ObservedColumn]:
        """What each comparison with a number observed at *places*, met or not."""
        for one, column, outcome in zip(self.rules, self._columns, self._outcomes, strict=True):
            if not isinstance(one, Rule) or column is None or read_number(one.limit) is None:
                continue
            for start in range(places.start, places.stop, MAX_OBSERVED):
                some = range(start, min(start + MAX_OBSERVED, places.stop))
                found, numbers = bytes(outcome[some.start : some.stop]), column.numbers(some)
                for code in (MET, FAILED):
                    yield one.name, one.field, code == MET, pick_numbers(numbers, found, code)


class _Codes(dict[tuple[int, ...], int]):
    """The code of each combination of outcomes, made when it is first met."""

    def __init__(self, kind_of: Callable[[Sequence[int]], Kind], kinds: list[Kind]) -> None:
        super().__init__()
        self._kind_of = kind_of
        self._kinds = kinds

    def __missing__(self, outcomes: tuple[int, ...]) -> int:
        kind = self._kind_of(outcomes)
        if len(self._kinds) >= MAX_KINDS:
            # So many rules that the first to fail must do.
            kind = Kind(kind.verdict, kind.reason or kind.failed_check)
        if kind not in self._kinds:
            self._kinds.append(kind)
        self[outcomes] = self._kinds.index(kind)
        return self[outcomes]


def _read_values(items: Items, one: AnyRule) -> Column | None:
    if isinstance(one, Predicate):
        return None
    column = items.field(one.values) if isinstance(one.values, str) else items.truth(one.values)
    if len(column) != len(items):
        raise ValueError(f"Rule {one.name!r} has {len(column)} values for {len(items)} items.")
    return column


def _find_outcome(one: AnyRule, column: Column | None, count: int) -> bytes | bytearray:
    if column is None:
        return bytearray([UNASKED]) * count
    return column.compare(one.op, one.limit) if isinstance(one, Rule) else column.truth()


def _name_failure(one: AnyRule, outcome: int) -> str:
    if outcome != MISSING:
        return one.name
    if isinstance(one, Rule):
        return f"{MISSING_PREFIX}{one.field or one.name}"
    if isinstance(one, Condition) and isinstance(one.values, str):
        return f"{MISSING_PREFIX}{one.values}"
    return f"{MISSING_PREFIX}{one.name}"
