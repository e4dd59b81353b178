"""A query's text as words, values and signs, each with its place."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from typing import Final, Literal

from msgspec import Struct

from xray.errors import InvalidQueryError
from xray.model.clock import parse_time_us
from xray.query import foreign
from xray.query.values import read_number, read_span_us

TokenKind = Literal["path", "text", "number", "span", "time", "sign", "end"]

_BLANK: Final = re.compile(r"\s+")
_WORD: Final = re.compile(r"[^\W\d][\w-]*")
_KEY: Final = re.compile(r"[\w$-]+")
_NUMERIC: Final = re.compile(r"[+-]?\.?[0-9][\w.:+-]*")
_SIGN: Final = re.compile(r"==|!=|<=|>=|[=<>(),]")
_PLAIN_TEXT: Final = {quote: re.compile(rf"[^{quote}\\]+") for quote in "'\""}
_HEX: Final = re.compile(r"[0-9a-fA-F]{4}")
_ESCAPES: Final = {"n": "\n", "r": "\r", "t": "\t", "\\": "\\", "'": "'", '"': '"'}
_SURROGATE: Final = re.compile("[\ud800-\udfff]")
_SURROGATES: Final = range(0xD800, 0xE000)

_MAX_QUOTED: Final = 60
_WRONG_SIGN: Final = re.compile("&&|\\|\\||<>|=>|=<|=~|!~")


class Key(Struct, frozen=True):
    """One name of a path.

    Args:
        name: the name.
        start: where it begins.
        end: behind its last character.
        is_quoted: whether it stands in quotes.
    """

    name: str
    start: int
    end: int
    is_quoted: bool = False


class Token(Struct, frozen=True):
    """One word, value or sign.

    Args:
        kind: what it is; `end` stands behind the last.
        start: where it begins.
        end: behind its last character.
        text: it as it was written; of a text, its content.
        value: of a number its value, of a span its microseconds, of a time µs since 1970.
        keys: of a path, its names.
    """

    kind: TokenKind
    start: int
    end: int
    text: str = ""
    value: int | float = 0
    keys: tuple[Key, ...] = ()

    @property
    def said(self) -> str:
        """It as a sentence quotes it: not at any length."""
        return shorten(self.text)

    @property
    def word(self) -> str:
        """The word it is when it is one, in lower case; else nothing."""
        is_word = self.kind == "path" and len(self.keys) == 1
        return self.keys[0].name.lower() if is_word else ""


def split_query(query: str) -> list[Token]:
    """The tokens of *query*, `end` last.

    Raises:
        InvalidQueryError: something in it is no part of the language.
    """
    half = _SURROGATE.search(query)
    if half is not None:
        raise refuse(query, half.start(), half.end(), "This is half a character.", "Leave it out.")
    return list(_Scanner(query).scan())


def refuse(query: str, start: int, end: int, detail: str, hint: str = "") -> InvalidQueryError:
    """The error that points at *query* from *start* to *end*."""
    return InvalidQueryError(detail, hint=hint, query=query, at=(start, max(end, start + 1)))


def shorten(text: str) -> str:
    """*text* as far as a sentence quotes it."""
    return text if len(text) <= _MAX_QUOTED else text[: _MAX_QUOTED - 1] + "…"


def say_text(text: str) -> str:
    """*text* as a query spells it: in quotes, whatever cannot be seen escaped."""
    quote = '"' if "'" in text and '"' not in text else "'"
    return quote + "".join(_say_letter(letter, quote) for letter in text) + quote


def _say_letter(letter: str, quote: str) -> str:
    if letter in (quote, "\\"):
        return "\\" + letter
    if letter.isprintable() or ord(letter) > 0xFFFF:
        return letter
    return {"\n": "\\n", "\r": "\\r", "\t": "\\t"}.get(letter) or f"\\u{ord(letter):04x}"


def is_bare_key(name: str) -> bool:
    """Whether *name* may stand in a path without quotes."""
    return _KEY.fullmatch(name) is not None


class _Scanner:
    def __init__(self, query: str) -> None:
        self._query = query
        self._at = 0

    def scan(self) -> Iterator[Token]:
        query = self._query
        while True:
            blank = _BLANK.match(query, self._at)
            if blank is not None:
                self._at = blank.end()
            if self._at >= len(query):
                yield Token("end", len(query), len(query))
                return
            yield self._next()

    def _next(self) -> Token:
        query, start = self._query, self._at
        if query[start] in "'\"":
            content = self._text()
            return Token("text", start, self._at, content)
        if _WORD.match(query, start) is not None:
            return self._path()
        if _NUMERIC.match(query, start) is not None:
            return self._numeric()
        wrong = _WRONG_SIGN.match(query, start)
        sign = None if wrong else _SIGN.match(query, start)
        if sign is None:
            raise self._unknown(query[start] if wrong is None else wrong[0])
        self._at = sign.end()
        return Token("sign", start, sign.end(), sign[0])

    def _unknown(self, sign: str) -> InvalidQueryError:
        start = self._at
        said = sign if sign.isprintable() else f"U+{ord(sign):04X} {unicodedata.name(sign, '')}"
        hint = foreign.SIGNS.get(sign, "Leave it out, or put it in quotes where it is text.")
        detail = f"{said.strip()} means nothing here."
        return refuse(self._query, start, start + len(sign), detail, hint)

    def _path(self) -> Token:
        query, start = self._query, self._at
        word = _WORD.match(query, start)
        assert word is not None
        keys = [Key(word[0], start, word.end())]
        self._at = word.end()
        while self._at < len(query) and query[self._at] == ".":
            self._at += 1
            keys.append(self._key(keys[-1]))
        return Token("path", start, self._at, query[start : self._at], keys=tuple(keys))

    def _key(self, before: Key) -> Key:
        query, start = self._query, self._at
        if start < len(query) and query[start] in "'\"":
            name = self._text()
            return Key(name, start, self._at, is_quoted=True)
        bare = _KEY.match(query, start)
        if bare is None:
            raise refuse(
                query,
                start - 1,
                start,
                f"A name is missing behind {shorten(before.name)}.",
                'Write it behind the dot; an odd one in quotes: metadata."a b".',
            )
        self._at = bare.end()
        return Key(bare[0], start, bare.end())

    def _text(self) -> str:
        query, start = self._query, self._at
        quote = query[start]
        plain = _PLAIN_TEXT[quote]
        content: list[str] = []
        self._at += 1
        while True:
            run = plain.match(query, self._at)
            if run is not None:
                content.append(run[0])
                self._at = run.end()
            if self._at >= len(query):
                raise refuse(
                    query, start, start + 1, "This text has no end.", f"Close it with {quote}."
                )
            if query[self._at] == quote:
                self._at += 1
                return "".join(content)
            content.append(self._escape())

    def _escape(self) -> str:
        query, start = self._query, self._at
        letter = query[start + 1 : start + 2]
        if letter in _ESCAPES and letter:
            self._at += 2
            return _ESCAPES[letter]
        digits = _HEX.match(query, start + 2) if letter == "u" else None
        if digits is None:
            raise refuse(
                query,
                start,
                start + 2,
                f"{query[start : start + 2]} stands for nothing.",
                r"Write \\ for a backslash; there are also \' \" \n \r \t and \u0041.",
            )
        self._at = digits.end()
        if int(digits[0], 16) in _SURROGATES:
            raise refuse(
                query, start, self._at, f"\\u{digits[0]} is half a character.",
                "Write the character itself.",
            )  # fmt: skip
        return chr(int(digits[0], 16))

    def _numeric(self) -> Token:
        query, start = self._query, self._at
        chunk = _NUMERIC.match(query, start)
        assert chunk is not None
        end, text = chunk.end(), chunk[0]
        self._at = end
        number = read_number(text)
        if number is not None:
            return Token("number", start, end, text, number)
        span_us = read_span_us(text)
        if span_us is not None:
            return Token("span", start, end, text, span_us)
        moment_us = parse_time_us(text)
        if moment_us is not None and "-" in text:
            return Token("time", start, end, text, moment_us)
        raise refuse(query, start, end, f"{shorten(text)} is no number, no span and no time.",
                     _numeric_hint(text))  # fmt: skip


def _numeric_hint(text: str) -> str:
    if re.fullmatch(r"[0-9][0-9_]*", text):
        return f"Write {text.replace('_', '')[:40]}."
    return "Write 0.9, 24h or 2026-01-01T00:00:00Z; text stands in quotes."
