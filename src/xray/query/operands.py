"""Which values a field can be compared with, and what they are once they are read."""

from __future__ import annotations

from typing import Final

from xray.errors import InvalidQueryError
from xray.model.ids import parse_uuid
from xray.query.fields import Field
from xray.query.plan import Operand
from xray.query.syntax import Compared, ValueKind, WrittenValue
from xray.query.tokens import refuse, say_text, shorten
from xray.query.values import TIME_FORMS, read_number, read_time_us, say_words

_ORDERED: Final = frozenset({"<", "<=", ">", ">="})
_KINDS: Final[dict[ValueKind, str]] = {
    "text": "text",
    "number": "a number",
    "span": "a span of time",
    "time": "a time",
    "flag": "true or false",
}


class Judge:
    """Reads the values of comparisons.

    Args:
        query: the text of the query, for errors to point at.
        now_us: the moment that spans of time are counted back from.
    """

    def __init__(self, query: str, now_us: int) -> None:
        self._query = query
        self._now_us = now_us

    def values(self, written: Compared, field: Field, *, is_free: bool) -> list[Operand]:
        """The operands of *written*.

        Args:
            written: the comparison.
            field: the field it names.
            is_free: whether it names something inside the field, which can be anything.

        Raises:
            InvalidQueryError: the field cannot be compared so, or not with such a value.
        """
        is_free = is_free or field.type == "value"
        if field.type == "map" and not is_free:
            raise self._refuse_field(
                written,
                f"{field.name} is a map.",
                f"Name something inside it, {field.name}.x, or write exists({field.name}).",
            )
        self._check_sign(written, field, is_free=is_free)
        self._check_mixed(written.values)
        return [self._value(written, value, field, is_free=is_free) for value in written.values]

    def _check_sign(self, written: Compared, field: Field, *, is_free: bool) -> None:
        sign = written.sign
        named = shorten(self._query[written.field.start : written.field.end])
        said = shorten(self._query[written.values[0].start : written.values[0].end])
        if is_free:
            return
        if field.type == "list":
            if sign != "has":
                hint = f"{named} has {said}"
                if sign in ("!=", "not in"):
                    hint = f"not ({hint})"
                elif len(written.values) > 1:
                    hint += f" or {named} has …"
                raise self._refuse_sign(written, f"{field.name} is a list.", f"Write {hint}.")
        elif sign == "has":
            meant = "contains" if field.type == "text" else "="
            raise self._refuse_sign(
                written, f"{field.name} is no list.", f"Write {named} {meant} {said}."
            )
        elif sign == "contains":
            if field.type != "text":
                raise self._refuse_sign(
                    written, f"contains looks inside text; {field.name} is none.",
                    f"Write {named} = value.",
                )  # fmt: skip
        elif sign in _ORDERED and field.type in ("word", "id"):
            raise self._refuse_sign(
                written, f"Values of {field.name} come in no order.", f"Write {named} = {said}."
            )

    def _check_mixed(self, values: tuple[WrittenValue, ...]) -> None:
        first = values[0]
        for value in values[1:]:
            if value.kind != first.kind:
                raise self._refuse_value(
                    value,
                    f"This list mixes {_KINDS[first.kind]} with {_KINDS[value.kind]}.",
                    "Write two conditions, joined with or.",
                )

    def _value(
        self, written: Compared, value: WrittenValue, field: Field, *, is_free: bool
    ) -> Operand:
        if written.sign == "contains" and value.kind != "text":
            raise self._refuse_value(
                value, "contains asks for text.", f"Write {say_text(shorten(value.text))}."
            )
        if is_free:
            return self._free(written, value)
        if field.type == "time":
            return self._time(value, field)
        if field.type in ("number", "duration"):
            return self._number(value, field)
        if value.kind != "text":
            holds = "holds" if field.type == "list" else "is"
            hint = f"Write {say_text(shorten(value.text))}."
            if field.words is not None:
                hint = f"Write one of {', '.join(field.words.known)}, in quotes."
            elif field.type == "id":
                hint = "Write the UUID, in quotes."
            raise self._refuse_value(
                value, f"{field.name} {holds} text, and this is {_KINDS[value.kind]}.", hint
            )
        return self._text(value, field)

    def _free(self, written: Compared, value: WrittenValue) -> Operand:
        if value.kind == "span" or value.kind == "time":
            named = shorten(self._query[written.field.start : written.field.end])
            raise self._refuse_value(
                value,
                f"{named} can be compared with text, numbers, true and false.",
                f"Write {say_text(shorten(value.text))} where it is kept as text.",
            )
        if value.kind == "flag" and written.sign in _ORDERED:
            raise self._refuse_sign(written, "true and false come in no order.", "Write = or !=.")
        return value.value

    def _number(self, value: WrittenValue, field: Field) -> Operand:
        if value.kind == "number":
            return value.value
        if value.kind == "span" and field.type == "duration":
            milliseconds, rest = divmod(int(value.value), 1000)
            return milliseconds if not rest else int(value.value) / 1000
        read = read_number(str(value.value)) if value.kind == "text" else None
        if field.type == "duration":
            hint = "Write milliseconds, 5000, or a span, 5s."
        elif read is not None:
            hint = f"Write {shorten(str(value.value))} without quotes."
        else:
            hint = f"Write a number: {field.name} > 0.9."
        raise self._refuse_value(
            value, f"{field.name} is a number, and this is {_KINDS[value.kind]}.", hint
        )

    def _time(self, value: WrittenValue, field: Field) -> Operand:
        if value.kind == "time":
            return value.value
        text = value.text if value.kind in ("span", "text") else ""
        moment_us = read_time_us(text, self._now_us)
        if moment_us is None:
            kind = "no time" if value.kind == "text" else _KINDS[value.kind]
            raise self._refuse_value(
                value, f"{field.name} is a time, and this is {kind}.", f"Write {TIME_FORMS}."
            )
        return moment_us

    def _text(self, value: WrittenValue, field: Field) -> str:
        text = str(value.value)
        if field.type == "id":
            canonical = parse_uuid(text)
            if canonical is None:
                raise self._refuse_value(
                    value,
                    f"{_show(text)} is no id.",
                    "Ids of runs and steps are UUIDs, such as xray runs lists.",
                )
            return canonical
        if field.words is None:
            return text
        word = field.words.parse(text)
        if word is None:
            raise self._refuse_value(
                value,
                f"{_show(text)} is no {field.name}: there are {', '.join(field.words.known)}.",
                say_words(text, field.words),
            )
        return word

    def _refuse_field(self, written: Compared, detail: str, hint: str) -> InvalidQueryError:
        return refuse(self._query, written.field.start, written.field.end, detail, hint)

    def _refuse_sign(self, written: Compared, detail: str, hint: str) -> InvalidQueryError:
        return refuse(self._query, written.sign_start, written.sign_end, detail, hint)

    def _refuse_value(self, value: WrittenValue, detail: str, hint: str) -> InvalidQueryError:
        return refuse(self._query, value.start, value.end, detail, hint)


def _show(text: str) -> str:
    return say_text(shorten(text))
