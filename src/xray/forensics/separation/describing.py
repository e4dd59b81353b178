"""What separates two sides, in conditions a person reads and counts of both."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from xray.forensics.groups.effects import find_median
from xray.forensics.groups.paired import find_p
from xray.forensics.groups.samples import Paired, count_runs
from xray.forensics.separation.judging import LEVEL, Judged
from xray.forensics.separation.questions import (
    Held,
    Question,
    count_values,
    is_number,
    join_namesakes,
    observe,
    pair_up,
    same,
    word_condition,
)
from xray.forensics.separation.sentences import describe_separator
from xray.forensics.separation.table import MISSING, Cell, Column, Table
from xray.model.hashing import hash64
from xray.model.separation import Condition, Example, Proxy, Separator, Split

MAX_DESCRIBED: Final = 60
_MAX_ALSO: Final = 5
_MAX_HEADS: Final = 12
_MAX_FOLDED_ROWS: Final = 5_000
_MAX_EXAMPLES: Final = 3
_MAX_DIGITS: Final = 17
_TELLING: Final = ("share rejected for ", "error", "params.")
_IN: Final = 1.0
_UNKNOWN: Final = -1.0


class Described(Struct, frozen=True):
    """A separator and the column it stands for.

    Args:
        joined: what candidates hold of the column, each once, by which proxies are known.
        names: what each row of the table is the same by.
    """

    separator: Separator
    column: Column
    joined: list[Held]
    names: list[str]

    def is_met(self, cell: Cell) -> float:
        """Whether a cell meets the condition."""
        return float(meets(self.separator.split.condition, self.separator.split.value, cell))


def describe(
    table: Table, judged: Sequence[Judged], names: tuple[str, str]
) -> tuple[list[Separator], list[Separator]]:
    """What separates the sides, and what does so because something reads it; the best first.

    Args:
        table: the candidates or runs.
        judged: what chance does not explain.
        names: what the sides are called.
    """
    by_column: dict[tuple[str | None, str], list[Judged]] = {}
    for one in judged:
        column = one.question.column
        by_column.setdefault((column.step, column.path), []).append(one)
    described = [_describe(table, same_column, names) for same_column in by_column.values()]
    described.sort(key=_order)
    del described[MAX_DESCRIBED:]
    rules = [one for one in described if one.column.reads]
    others = [one for one in described if not one.column.reads]
    heads = _fold([*rules, *others], fixed=len(rules))
    return heads[len(rules) :], heads[: len(rules)]


def _order(one: Described) -> tuple[float, int, float, str, str]:
    told = one.separator
    return (
        -round(told.effect_least, 2),
        _find_remoteness(told),
        -round(abs(told.effect), 3),
        told.step or "",
        told.path,
    )


def _find_remoteness(one: Separator) -> int:
    """How far it is from a cause: what a run was told is one, how long it took a consequence."""
    if one.source == "step" or one.source == "run":
        if one.path.startswith(_TELLING) or one.path == "version":
            return 1
        return 3 if one.path == "duration_ms" else 2
    return 1 if one.source in ("answer", "score", "rank") else 0


def _fold(ordered: Sequence[Described], fixed: int) -> list[Separator]:
    """Separators with what adds nothing to a stronger one folded under it.

    Args:
        ordered: what stands for something first.
        fixed: how many of the first are never folded.
    """
    heads: list[tuple[Described, list[Proxy]]] = []
    for at, one in enumerate(ordered):
        under = (
            None
            if at < fixed
            else next(
                (proxies for head, proxies in heads[:_MAX_HEADS] if _adds_nothing(one, head)), None
            )
        )
        if under is None:
            heads.append((one, []))
        else:
            told = one.separator
            under.append(
                Proxy(path=told.path, step=told.step, text=told.text, split=told.split, p=told.p)
            )
    return [replace(head.separator, proxies=proxies) for head, proxies in heads]


def _adds_nothing(one: Described, stronger: Described) -> bool:
    """Whether *one* goes together with *stronger*, and among those alike in that says nothing."""
    names = stronger.names
    marks = {names[held.row]: stronger.is_met(held.cell) for held in stronger.joined}
    parts: dict[float, list[Held]] = {}
    together: list[Held] = []
    for held in one.joined:
        mark = marks.get(names[held.row], _UNKNOWN)
        parts.setdefault(mark, []).append(held)
        if mark != _UNKNOWN:
            together.append(held._replace(is_in_a=mark == _IN))
    if not _differs(together, one.is_met):
        return False
    return not any(_differs(part, one.is_met, len(parts)) for part in parts.values())


def _differs(held: Iterable[Held], measure: Callable[[Cell], float], parts: int = 1) -> bool:
    paired = pair_up(held, measure)
    if len(paired.values) < 2 or not (count_runs(paired.a) and count_runs(paired.b)):
        return False
    return find_p(paired) * parts < LEVEL


def _describe(table: Table, judged: Sequence[Judged], names: tuple[str, str]) -> Described:
    column = judged[0].question.column
    held = observe(table, column)
    joined = _thin(table, join_namesakes(table, held))
    ranked = sorted(
        ((one, split_by(one, held)) for one in judged),
        key=lambda pair: (
            -round(abs(_gap(pair[1])), 1),
            # A threshold says more about a number than one of its values does.
            pair[1].condition == "is" and is_number(pair[1].value),
            -round(pair[0].least, 2),
            _gap(pair[1]) < 0,
            str(pair[1].value),
        ),
    )
    best, split = ranked[0]
    numbers = pair_up(held, Question(column, "above").measure)
    is_of_number = split.condition in ("above", "at_most")
    separator = Separator(
        path=column.path,
        source=column.source,
        step=column.step,
        text="",
        split=split,
        also=[other for _, other in ranked[1 : 1 + _MAX_ALSO]],
        a_median=find_median(numbers.values, numbers.a) if is_of_number else None,
        b_median=find_median(numbers.values, numbers.b) if is_of_number else None,
        effect=_gap(split),
        effect_least=min(best.least, abs(_gap(split))),
        p=best.p,
        test=best.test,
        reads=list(column.reads),
        a_examples=_pick_examples(table, held, split, is_in_a=True),
        b_examples=_pick_examples(table, held, split, is_in_a=False),
    )
    text = describe_separator(separator, names)
    return Described(replace(separator, text=text), column, joined, table.names)


def _thin(table: Table, joined: list[Held]) -> list[Held]:
    """Some of many candidates, the same ones of every column."""
    step = 1 + len(table) // _MAX_FOLDED_ROWS
    return (
        joined if step == 1 else [one for one in joined if hash64(table.names[one.row]) % step == 0]
    )


def _gap(split: Split) -> float:
    return split.a_share - split.b_share


def split_by(judged: Judged, held: Sequence[Held]) -> Split:
    """The condition that an answer comes down to, and who meets it."""
    question = judged.question
    if question.condition == "above":
        numbers = pair_up(held, question.measure)
        return _count(question.column, *_find_threshold(numbers, is_up=judged.lean > 0), held)
    split = _count(question.column, question.condition, question.value, held)
    values = [value for _, value in count_values(held)]
    is_of_two = question.condition == "is" and len(values) == 2
    if is_of_two and _gap(split) < 0 and not any(one.cell is MISSING for one in held):
        other = values[1] if same(values[0], question.value) else values[0]
        return _count(question.column, "is", other, held)
    return split


def _find_threshold(paired: Paired, *, is_up: bool) -> tuple[Condition, float]:
    """The threshold that tells the sides apart best, as the roundest number that does."""
    of_a = math.fsum(share.weight for share in paired.a)
    of_b = math.fsum(share.weight for share in paired.b)
    best, place = -2.0, 0
    below_a = below_b = 0.0
    for at in range(len(paired.values) - 1):
        below_a += paired.a[at].weight
        below_b += paired.b[at].weight
        gap = below_b / of_b - below_a / of_a
        gap = gap if is_up else -gap
        if gap > best + 1e-12:
            best, place = gap, at
    low, high = paired.values[place], paired.values[min(place + 1, len(paired.values) - 1)]
    return ("above" if is_up else "at_most"), find_round(low, high)


def find_round(low: float, high: float) -> float:
    """The number with the fewest digits from *low* on and below *high*."""
    middle = low + (high - low) / 2
    for digits in range(1, _MAX_DIGITS):
        if float(f"{low:.{digits}g}") == low:
            rounded = float(low)
        else:
            rounded = float(f"{middle:.{digits}g}")
        if low <= rounded < high:
            return int(rounded) if rounded.is_integer() and abs(rounded) < 1e15 else rounded
    return low


def meets(condition: Condition, value: object, cell: Cell) -> bool:
    """Whether a cell meets a condition."""
    if condition == "missing":
        return cell is MISSING
    if condition in ("above", "at_most"):
        if not is_number(cell):
            return False
        assert isinstance(value, (int, float))
        is_above = cell > value  # type: ignore[operator]
        return is_above == (condition == "above")
    if isinstance(cell, tuple):
        return any(same(one, value) for one in cell)
    return same(cell, value)


def _count(column: Column, condition: Condition, value: object, held: Sequence[Held]) -> Split:
    met = [0, 0]
    of = [0, 0]
    met_weight = [0.0, 0.0]
    weight = [0.0, 0.0]
    for one in held:
        if condition in ("above", "at_most") and not is_number(one.cell):
            continue
        side = 0 if one.is_in_a else 1
        of[side] += 1
        weight[side] += one.weight
        if meets(condition, value, one.cell):
            met[side] += 1
            met_weight[side] += one.weight
    assert value is None or isinstance(value, (str, int, float))
    return Split(
        condition=condition,
        value=value,
        text=word_condition(column, condition, value),
        a=met[0],
        a_of=of[0],
        b=met[1],
        b_of=of[1],
        a_share=met_weight[0] / weight[0] if weight[0] else 0.0,
        b_share=met_weight[1] / weight[1] if weight[1] else 0.0,
    )


def _pick_examples(
    table: Table, held: Iterable[Held], split: Split, *, is_in_a: bool
) -> list[Example]:
    """Some of one side that the condition tells rightly."""
    is_met = is_in_a == (_gap(split) > 0)
    found = (
        table.examples[one.row]
        for one in held
        if one.is_in_a == is_in_a and meets(split.condition, split.value, one.cell) == is_met
    )
    return [example for _, example in zip(range(_MAX_EXAMPLES), found, strict=False)]
