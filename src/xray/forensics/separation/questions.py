"""What can be asked of a column: whether a value, a number or its absence goes with one side."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Final, NamedTuple

from msgspec import Struct

from xray.forensics.groups.samples import Paired, Share, line_up
from xray.forensics.separation.table import MISSING, Cell, Column, Missing, Single, Table
from xray.forensics.wording import show_number, show_value
from xray.model.separation import Condition

MAX_VALUES: Final = 64
RECORDED: Final = "recorded"
"""The column of a step that says whether a run has it."""

_FEW_NUMBERS: Final = 12
_MIN_FOR_IDS: Final = 10
_ID_SHARE: Final = 0.5


class Held(NamedTuple):
    """What one candidate or run holds of a column.

    Args:
        cell: what is recorded.
        is_in_a: its side.
        weight: how many it stands for.
        row: where it stands in its table.
    """

    cell: Cell
    is_in_a: bool
    weight: float
    row: int


class Question(Struct, frozen=True):
    """Something that may tell the sides apart.

    Args:
        column: where it is recorded.
        condition: `is`, `has` or `missing`; `above` stands for the number as such.
        value: the value that is asked for; None where none is.
    """

    column: Column
    condition: Condition
    value: Single | None = None

    def measure(self, cell: Cell) -> float | None:
        """The number a cell counts as; None where it does not matter to the question."""
        if self.condition == "missing":
            return float(cell is MISSING)
        if self.condition == "above":
            return cell if is_number(cell) else None  # type: ignore[return-value]
        if isinstance(cell, tuple):
            return float(any(same(one, self.value) for one in cell))
        return float(same(cell, self.value))


def is_number(cell: object) -> bool:
    """Whether a cell is a number and no truth value."""
    return isinstance(cell, (int, float)) and not isinstance(cell, bool)


def same(one: object, other: object) -> bool:
    """Whether two cells are one value: true is not 1."""
    return one == other and isinstance(one, bool) == isinstance(other, bool)


def observe(table: Table, column: Column) -> list[Held]:
    """What every row of *table* holds of *column*, as far as it is known."""
    return [
        Held(cell, table.is_in_a[row], table.weights[row], row)
        for row, cell in column.cells.items()
    ]


def join_namesakes(table: Table, held: list[Held]) -> list[Held]:
    """The same with every candidate once: what it holds mostly, on the side it is mostly on.

    A candidate that comes up in a thousand runs tells no more of chance than one that comes once.
    """
    by_name: dict[str, list[Held]] = {}
    for one in held:
        by_name.setdefault(table.names[one.row], []).append(one)
    if len(by_name) == len(held):
        return held
    return [joined for same_name in by_name.values() for joined in _join(same_name)]


def _join(held: list[Held]) -> Iterator[Held]:
    if len(held) == 1:
        yield held[0]
        return
    weight = sum(one.weight for one in held)
    in_a = sum(one.weight for one in held if one.is_in_a)
    if 2 * in_a == weight:
        return
    is_in_a = 2 * in_a > weight
    mine = [one for one in held if one.is_in_a == is_in_a]
    counted = Counter(_mark(one.cell) for one in held)
    commonest = counted.most_common(1)[0][0]
    cell = next(one.cell for one in held if _mark(one.cell) == commonest)
    numbers = sorted(one.cell for one in held if is_number(one.cell))  # type: ignore[type-var]
    if 2 * len(numbers) > len(held):
        cell = numbers[len(numbers) // 2]
    yield Held(cell, is_in_a, weight / len(held), mine[0].row)


def _mark(cell: Cell) -> tuple[bool, Cell]:
    return isinstance(cell, bool), cell


def ask(column: Column, held: list[Held]) -> list[Question]:
    """What can be asked of a column, whatever the sides are.

    Args:
        column: the column.
        held: what is known of it.
    """
    counted = count_values(held)
    missing = sum(one.cell is MISSING for one in held)
    numbers = sum(is_number(one.cell) for one in held)
    is_list = any(isinstance(one.cell, tuple) for one in held)
    questions = [Question(column, "missing")] if missing and len(counted) > 1 else []
    common = [value for (_, value), count in counted.most_common(MAX_VALUES) if count > 1]
    if numbers and 2 * numbers > len(held) - missing:
        if len(counted) == 1:
            return [Question(column, "missing")]
        questions.append(Question(column, "above"))
        if not 2 < len(counted) <= _FEW_NUMBERS:
            return questions
    elif len(counted) == 2 and not missing and not is_list:
        # Of two values, one says all.
        common = common[:1]
    return questions + [Question(column, "has" if is_list else "is", one) for one in common]


def count_values(held: Iterable[Held]) -> Counter[tuple[bool, Single]]:
    """How many hold each value; true and 1 are two."""
    counted: Counter[tuple[bool, Single]] = Counter()
    for one in held:
        if isinstance(one.cell, tuple):
            counted.update((isinstance(part, bool), part) for part in one.cell)
        elif one.cell is not MISSING:
            counted[isinstance(one.cell, bool), one.cell] += 1  # type: ignore[index]
    return counted


def explain_leaving_out(held: list[Held], names: tuple[str, str]) -> str | None:
    """Why a column is not looked at; None where it is.

    Args:
        held: what is known of it.
        names: what the sides are called.
    """
    sides = {one.is_in_a for one in held}
    if len(sides) == 1:
        return f"recorded of the {names[0] if True in sides else names[1]} alone"
    singles = [one.cell for one in held if isinstance(one.cell, str)]
    distinct = len(set(singles))
    if len(singles) >= _MIN_FOR_IDS and distinct > _ID_SHARE * len(singles):
        return f"{distinct:,} different texts in {len(singles):,}: ids or free text"
    return None


_Mark = tuple[bool, Single] | None


class Tally:
    """Both sides of a column by value, counted once for all questions about its values.

    Args:
        held: what is known of the column.
    """

    def __init__(self, held: Iterable[Held]) -> None:
        self._whole = (Share(), Share())
        self._by_mark: dict[_Mark, tuple[Share, Share]] = {}
        for one in held:
            side = 0 if one.is_in_a else 1
            self._whole[side].add(one.weight)
            for mark in _list_marks(one.cell):
                shares = self._by_mark.get(mark)
                if shares is None:
                    shares = self._by_mark[mark] = (Share(), Share())
                shares[side].add(one.weight)

    def pair_up(self, question: Question) -> Paired:
        """Those without and with what a question asks for, which is no number as such."""
        mark = None if question.condition == "missing" else _mark_single(question.value)
        holding = self._by_mark.get(mark, (Share(), Share()))
        of_a, of_b = (
            [whole.less([mine]), mine] for whole, mine in zip(self._whole, holding, strict=True)
        )
        return line_up([0.0, 1.0], of_a, of_b)


def _list_marks(cell: Cell) -> Iterable[_Mark]:
    if isinstance(cell, tuple):
        return {_mark_single(one) for one in cell}
    return (None,) if isinstance(cell, Missing) else (_mark_single(cell),)


def _mark_single(value: Single | None) -> _Mark:
    assert value is not None
    return isinstance(value, bool), value


def pair_up(held: Iterable[Held], measure: Callable[[Cell], float | None]) -> Paired:
    """Both sides by what *measure* gives."""
    shares: dict[float, tuple[Share, Share]] = {}
    for one in held:
        value = measure(one.cell)
        if value is None:
            continue
        pair = shares.get(value)
        if pair is None:
            pair = shares[value] = (Share(), Share())
        pair[0 if one.is_in_a else 1].add(one.weight)
    values = sorted(shares)
    return line_up(values, [shares[one][0] for one in values], [shares[one][1] for one in values])


def word_condition(column: Column, condition: Condition, value: object) -> str:
    """A condition in words: `category is "Lamps"`."""
    path, step = column.path, column.step
    if step is not None:
        if path == RECORDED:
            return f"{step} {'ran' if value else 'did not run'}"
        path = f"{path} of {step}"
    if condition == "missing":
        return f"there is no {path}"
    if condition in ("above", "at_most"):
        assert isinstance(value, (int, float))
        return f"{path} is {'above' if condition == 'above' else 'at most'} {show_number(value)}"
    return f"{path} {'is' if condition == 'is' else 'has'} {show_value(value)}"
