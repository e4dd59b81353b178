"""How long runs are kept, in words: `keep 90d where status = 'failed'; keep 14d`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from msgspec import Struct

from xray.errors import ConfigurationError, InvalidQueryError
from xray.query.language import parse_query
from xray.query.plan import (
    MAX_LIMIT,
    AllOf,
    Comparison,
    Condition,
    FieldRef,
    Not,
    Plan,
    simplify,
)

MAX_RULES: Final = 50
_DAY_US: Final = 86_400_000_000
_UNITS_US: Final = {"h": 3_600_000_000, "d": _DAY_US, "w": 7 * _DAY_US, "y": 365 * _DAY_US}
_UNITS_BYTES: Final = {"MB": 10**6, "GB": 10**9, "TB": 10**12}
_MIN_BYTES: Final = 10**6
_MAX_AGE_US: Final = 1_000 * _UNITS_US["y"]
_STARTED_AT: Final = FieldRef("run", "started_at")
_RULE: Final = re.compile(
    r"keep\s+(?:(?P<ever>forever|for\s+ever)|(?P<number>\d{1,9}(?:\.\d{1,6})?)\s*(?P<unit>[a-z]+))"
    r"(?:\s+where\s+(?P<where>\S.*))?",
    re.IGNORECASE | re.DOTALL,
)
_EXAMPLE: Final = "keep 90d where status = 'failed'; keep 14d"


class Rule(Struct, frozen=True):
    """How long some runs are kept.

    Args:
        text: the rule as it was written.
        keep_us: how long after their start, in µs; None for ever.
        where: which runs, a query; empty for all that no earlier rule is about.
    """

    text: str
    keep_us: int | None
    where: str = ""


class Policy(Struct, frozen=True):
    """What is kept: of each run the first rule that is about it decides.

    Args:
        rules: the rules; a run that none is about is kept for ever.
        max_bytes: how large the store may grow before the oldest go earlier; None for any size.
    """

    rules: tuple[Rule, ...] = ()
    max_bytes: int | None = None

    def about(self, place: int, now_us: int) -> Condition:
        """Which runs the rule at *place* decides about."""
        own = parse_query(self.rules[place].where, "run", now_us)
        earlier = [Not(parse_query(rule.where, "run", now_us)) for rule in self.rules[:place]]
        return simplify(AllOf((own, *earlier)))

    def expired(self, place: int, now_us: int) -> Plan | None:
        """Which runs the rule at *place* does not keep any longer; None where it keeps for ever."""
        keep_us = self.rules[place].keep_us
        if keep_us is None:
            return None
        is_old = Comparison(_STARTED_AT, "<", max(0, now_us - keep_us))
        where = simplify(AllOf((is_old, self.about(place, now_us))))
        return Plan(scope="run", where=where, limit=MAX_LIMIT, now_us=now_us)

    def dispensable(self, now_us: int) -> Condition:
        """Which runs may go before their time when the store grows too large."""
        kept = [
            Not(self.about(place, now_us))
            for place, rule in enumerate(self.rules)
            if rule.keep_us is None
        ]
        return simplify(AllOf(tuple(kept)))


def read_policy(text: str) -> Policy:
    """The policy that *text* says: rules separated by semicolons or line ends.

    Args:
        text: e.g. `keep forever where label = 'bad'; keep 90d where status = 'failed'; keep 14d`.
            Ages are in `h`, `d`, `w` or `y`; `keep 50GB` bounds the whole store, in `MB`, `GB` or
            `TB`.

    Raises:
        ConfigurationError: a rule cannot be understood, or asks what no run has.
    """
    rules: list[Rule] = []
    max_bytes: int | None = None
    for said in _split(text):
        found = _RULE.fullmatch(said)
        if found is None:
            raise _refuse(said, f"Write for example: {_EXAMPLE}")
        where = (found["where"] or "").strip()
        size = _UNITS_BYTES.get((found["unit"] or "").upper())
        if size is not None:
            if where or max_bytes is not None:
                raise _refuse(said, "A size is given once, and for all runs together.")
            max_bytes = max(_MIN_BYTES, round(float(found["number"]) * size))
            continue
        _check_query(said, where)
        rules.append(Rule(said, _read_age_us(said, found), where))
    if len(rules) > MAX_RULES:
        raise ConfigurationError(
            f"There are {len(rules)} rules of retention; {MAX_RULES} at most can be given.",
            hint="Join conditions by `or`.",
            code="invalid_retention",
        )
    return Policy(tuple(rules), max_bytes)


def _read_age_us(said: str, found: re.Match[str]) -> int | None:
    if found["ever"]:
        return None
    unit_us = _UNITS_US.get(found["unit"].lower())
    age_us = 0 if unit_us is None else round(float(found["number"]) * unit_us)
    if not 0 < age_us <= _MAX_AGE_US:
        raise _refuse(said, "Ages are such as 12h, 14d, 6w, 1y or forever; sizes such as 50GB.")
    return age_us


def _check_query(said: str, where: str) -> None:
    try:
        parse_query(where, "run", _MAX_AGE_US)
    except InvalidQueryError as error:
        raise _refuse(said, str(error)) from error


def _refuse(said: str, hint: str) -> ConfigurationError:
    return ConfigurationError(
        f"{said!r} is no rule of retention.", hint=hint, code="invalid_retention"
    )


def _split(text: str) -> Iterator[str]:
    """The rules of *text*; what stands in quotes is no end of a rule."""
    start, quote = 0, ""
    is_escaped = False
    for at, letter in enumerate(text):
        if quote:
            if is_escaped or letter == "\\":
                is_escaped = not is_escaped
            elif letter == quote:
                quote = ""
        elif letter in "'\"":
            quote = letter
        elif letter in ";\n":
            yield from filter(None, [text[start:at].strip()])
            start = at + 1
    yield from filter(None, [text[start:].strip()])
