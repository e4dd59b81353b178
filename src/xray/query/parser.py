"""From tokens to a written query: recursive descent, bounded in depth and size."""

from __future__ import annotations

from typing import Final, Literal, cast

from xray.errors import InvalidQueryError
from xray.query import foreign
from xray.query.spelling import find_nearest
from xray.query.syntax import (
    Compared,
    Existing,
    Joined,
    Negated,
    Sign,
    SomeRow,
    ValueKind,
    Written,
    WrittenField,
    WrittenValue,
)
from xray.query.tokens import Token, is_bare_key, refuse, say_text, shorten, split_query

MAX_DEPTH: Final = 32
MAX_COMPARISONS: Final = 256

FUNCTIONS: Final = ("any", "exists")
KEYWORDS: Final = frozenset(
    {"and", "or", "not", "in", "has", "contains", "any", "exists", "true", "false", "null"}
)
_NO_FUNCTIONS: Final = frozenset({"and", "or", "true", "false", "null"})
_SIGNS: Final[dict[str, Sign]] = {
    "==": "=",
    **{sign: sign for sign in ("=", "!=", "<", "<=", ">", ">=")},
}
_SIGN_WORDS: Final = ("in", "has", "contains")
_MISSING_PART: Final = "Write a condition there, or take the word out."
_JOIN: Final = "Join conditions with and, or."


def parse_text(query: str) -> Written | None:
    """What *query* says; None when it says nothing.

    Raises:
        InvalidQueryError: it is no sentence of the language.
    """
    parser = _Parser(query, split_query(query))
    return None if parser.is_empty else parser.whole()


class _Parser:
    def __init__(self, query: str, tokens: list[Token]) -> None:
        self._query = query
        self._tokens = tokens
        self._at = 0
        self._depth = 0
        self._comparisons = 0

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing but the end."""
        return self._here.kind == "end"

    def whole(self) -> Written:
        """The condition that the tokens are, all of them."""
        written = self._either()
        if self._here.kind != "end":
            raise self._refuse_rest()
        return written

    @property
    def _here(self) -> Token:
        return self._tokens[self._at]

    @property
    def _before(self) -> Token:
        return self._tokens[self._at - 1]

    def _take(self) -> Token:
        token = self._tokens[self._at]
        self._at += 1
        return token

    def _is_sign(self, text: str) -> bool:
        return self._here.kind == "sign" and self._here.text == text

    def _refuse(self, token: Token, detail: str, hint: str = "") -> InvalidQueryError:
        return refuse(self._query, token.start, token.end, detail, hint)

    def _either(self) -> Written:
        return self._joined("or")

    def _joined(self, word: Literal["and", "or"]) -> Written:
        parts = [self._part_of(word)]
        while self._here.word == word:
            self._take()
            parts.append(self._part_of(word))
        return parts[0] if len(parts) == 1 else Joined(word, tuple(parts))

    def _part_of(self, word: Literal["and", "or"]) -> Written:
        return self._joined("and") if word == "or" else self._negation()

    def _negation(self) -> Written:
        if self._here.word != "not":
            return self._primary()
        opening = self._take()
        self._enter(opening)
        negated = Negated(self._negation())
        self._depth -= 1
        return negated

    def _enter(self, opening: Token) -> None:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise self._refuse(
                opening, f"The query is nested deeper than {MAX_DEPTH} levels.", "Ask for less."
            )

    def _primary(self) -> Written:
        token = self._here
        if self._is_sign("("):
            self._enter(self._take())
            inner = self._either()
            self._close(token)
            return inner
        if token.kind != "path":
            raise self._refuse_beginning(token)
        follower = self._tokens[self._at + 1]
        is_call = follower.kind == "sign" and follower.text == "("
        if is_call and len(token.keys) == 1 and token.word not in _NO_FUNCTIONS:
            return self._call(token)
        if token.word in KEYWORDS:
            raise self._refuse_word(token)
        return self._comparison()

    def _close(self, opening: Token) -> None:
        self._depth -= 1
        if self._is_sign(")"):
            self._take()
            return
        if self._here.kind == "end":
            raise self._refuse(opening, "This bracket is never closed.", "Close it with ).")
        raise self._refuse_rest()

    def _call(self, name: Token) -> Written:
        opening = self._tokens[self._at + 1]
        if name.word not in FUNCTIONS:
            near = find_nearest(name.word, FUNCTIONS)
            hint = foreign.FUNCTIONS.get(name.word) or (
                f"Did you mean {near}(…)?" if near else "There are any(…) and exists(…)."
            )
            raise self._refuse(name, f"There is no function {name.said!r}.", hint)
        self._at += 2
        self._enter(name)
        if name.word == "exists":
            existing = Existing(self._field_inside())
            self._count(name)
            self._close(opening)
            return existing
        if self._is_sign(")"):
            raise self._refuse(
                self._here, "any() asks nothing.", "Write any(decision.reason = 'price_too_high')."
            )
        inner = self._either()
        self._close(opening)
        return SomeRow(inner, name.start, self._before.end)

    def _field_inside(self) -> WrittenField:
        token = self._here
        if token.kind != "path" or token.word in KEYWORDS:
            raise self._refuse(
                token, "exists() asks about one field.", "Write exists(metadata.user)."
            )
        self._take()
        if self._here.kind != "end" and not self._is_sign(")"):
            raise self._refuse(
                self._here,
                "exists() asks about one field and nothing else.",
                f"Write exists({token.said}), and join other conditions with and.",
            )
        return WrittenField(token.keys)

    def _comparison(self) -> Compared:
        token = self._take()
        field = WrittenField(token.keys)
        sign_token = self._here
        sign = self._sign(token)
        if sign in ("in", "not in"):
            values = self._list(sign)
        else:
            values = (self._value(field, sign),)
        for _ in values:
            self._count(sign_token)
        self._check_chain(field, sign, values)
        return Compared(field, sign, sign_token.start, sign_token.end, values)

    def _count(self, token: Token) -> None:
        self._comparisons += 1
        if self._comparisons > MAX_COMPARISONS:
            raise self._refuse(
                token, f"The query compares more than {MAX_COMPARISONS} values.", "Ask for less."
            )

    def _sign(self, field: Token) -> Sign:
        token = self._here
        if token.kind == "sign" and token.text in _SIGNS:
            return _SIGNS[self._take().text]
        if token.word in _SIGN_WORDS:
            return cast("Sign", self._take().word)
        if token.word == "not":
            self._take()
            if self._here.word == "in":
                self._take()
                return "not in"
            raise self._refuse(
                token,
                "Behind a field, not goes with in only.",
                f"Write not before the whole: not ({field.said} …), or != for =.",
            )
        raise self._refuse_sign(field, token)

    def _refuse_sign(self, field: Token, token: Token) -> InvalidQueryError:
        if token.word in foreign.COMPARISONS:
            hint = foreign.COMPARISONS[token.word].format(field=field.said)
            return self._refuse(token, f"There is no {token.said!r} in this language.", hint)
        is_over = token.kind == "end" or token.word in ("and", "or") or self._is_sign(")")
        if is_over:
            return self._refuse(
                field,
                f"{field.said} is compared with nothing.",
                f"Write {field.said} = value, or exists({field.said}).",
            )
        near = find_nearest(token.word, _SIGN_WORDS)
        return self._refuse(
            token,
            f"A comparison is missing between {field.said} and this.",
            f"Did you mean {near}?" if near else "Write one of = != < <= > >= in has contains.",
        )

    def _list(self, sign: Sign) -> tuple[WrittenValue, ...]:
        opening = self._here
        if not self._is_sign("("):
            said = opening.text if opening.kind == "number" else "'a'"
            raise self._refuse(
                opening, f"{sign} asks for a list in brackets.", f"Write {sign} ({said}, …)."
            )
        self._take()
        if self._is_sign(")"):
            raise self._refuse(self._here, "This list is empty.", f"Write {sign} ('a', 'b').")
        values = [self._listed()]
        while self._is_sign(","):
            self._take()
            values.append(self._listed())
        if not self._is_sign(")"):
            if self._here.kind == "end":
                raise self._refuse(opening, "This list is never closed.", "Close it with ).")
            raise self._refuse(self._here, "A comma is missing before this.", "Write ('a', 'b').")
        self._take()
        return tuple(values)

    def _listed(self) -> WrittenValue:
        if self._is_sign(")") or self._is_sign(","):
            raise self._refuse(
                self._here, "A value is missing before this.", "Take the surplus comma out."
            )
        return self._value(None, "in")

    def _value(self, field: WrittenField | None, sign: Sign) -> WrittenValue:
        token = self._take()
        is_flag = token.word in ("true", "false")
        if token.kind in ("text", "number", "span", "time") or is_flag:
            kind: ValueKind = "flag" if is_flag else cast("ValueKind", token.kind)
            value: str | float = token.text if kind == "text" else token.value
            if is_flag:
                value = token.word == "true"
            return WrittenValue(kind, value, token.text, token.start, token.end)
        self._at -= 1
        raise self._refuse_value(field, sign, token)

    def _refuse_value(
        self, field: WrittenField | None, sign: Sign, token: Token
    ) -> InvalidQueryError:
        if token.kind == "end":
            return self._refuse(self._before, f"A value is missing behind {self._before.said}.",
                         "Write text in quotes, numbers and true or false without.")  # fmt: skip
        named = "field" if field is None else shorten(self._query[field.start : field.end])
        if token.word in foreign.ABSENCES:
            negated = "" if sign == "!=" else "not "
            return self._refuse(
                token, f"{token.said} is no value.", f"Write {negated}exists({named})."
            )
        if token.word in foreign.MOMENTS:
            hint = "Write 0s for this moment, 24h for a day ago."
            return self._refuse(token, f"{token.said} is no value.", hint)
        if token.kind == "path" and token.word not in KEYWORDS:
            return self._refuse(
                token,
                f"{token.said} is no value: text stands in quotes, and fields come first.",
                f"Write {say_text(token.said)}.",
            )
        if self._is_sign("(") and field is not None:
            hint = (
                f"Write {named} in (…)." if sign == "=" else "Write one comparison for each value."
            )
            return self._refuse(token, f"{sign} compares with one value.", hint)
        return self._refuse(
            token,
            "A value is missing before this.",
            "Write text in quotes, numbers and true or false without.",
        )

    def _check_chain(
        self, field: WrittenField, sign: Sign, values: tuple[WrittenValue, ...]
    ) -> None:
        token = self._here
        is_sign = token.kind == "sign" and token.text in _SIGNS
        if is_sign or token.word in _SIGN_WORDS:
            named = shorten(self._query[field.start : field.end])
            said = f"{named} {sign} {self._query[values[0].start : values[0].end]}"
            raise self._refuse(
                token,
                "A comparison has one sign.",
                f"Write {said} and {named} {token.said} value."
                if len(said) < 60
                else "Write two comparisons, joined with and.",
            )

    def _refuse_beginning(self, token: Token) -> InvalidQueryError:
        if token.kind == "end":
            last = self._before
            return self._refuse(last, f"A condition is missing behind {last.said}.", _MISSING_PART)
        if token.kind == "sign":
            hint = "Take the surplus bracket out."
            if token.text != ")":
                hint = "Write the field first, then the sign, then the value."
            return self._refuse(token, f"A condition is missing before {token.said}.", hint)
        follower = self._tokens[self._at + 1]
        hint = "Write the field first, then the sign, then the value."
        if token.kind == "text" and follower.kind != "path" and is_bare_key(token.text):
            hint = f"Write {token.said} without quotes if it is a field."
        return self._refuse(token, "A condition begins with a field, not with a value.", hint)

    def _refuse_word(self, token: Token) -> InvalidQueryError:
        if token.word in FUNCTIONS:
            return self._refuse(
                token, f"A bracket is missing behind {token.said}.", f"Write {token.word}(…)."
            )
        if token.word in ("and", "or"):
            return self._refuse(
                token, f"A condition is missing before {token.said}.", _MISSING_PART
            )
        return self._refuse(
            token, f"{token.said} is no field but a word of the language.", _MISSING_PART
        )

    def _refuse_rest(self) -> InvalidQueryError:
        token = self._here
        if self._is_sign(")"):
            return self._refuse(token, "This bracket closes nothing.", "Take it out.")
        if self._is_sign(","):
            return self._refuse(token, "A comma joins nothing here.", "Write and, or or.")
        last = self._before
        if last.kind == "number" and token.kind == "path":
            is_unit = len(token.text) < 3
            hint = f"Write {last.said}{token.said} in one word." if is_unit else _JOIN
            return self._refuse(token, f"{token.said} belongs to nothing.", hint)
        if token.word in foreign.CLAUSES:
            detail = f"There is no {token.said!r} in this language."
            return self._refuse(token, detail, foreign.CLAUSES[token.word])
        near = find_nearest(token.word, ("and", "or"))
        return self._refuse(
            token,
            "A word is missing before this.",
            f"Did you mean {near}?" if near else _JOIN,
        )
