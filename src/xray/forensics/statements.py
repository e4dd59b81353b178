"""What may be expected of a run, as text (`spec/expectations.md`) and as statements."""

from __future__ import annotations

import re
from typing import Final, Literal

from msgspec import Struct

from xray.errors import InvalidQueryError

State = Literal["selected", "kept", "rejected", "vanished", "seen", "decided"]
Bound = Literal["at most", "at least", "exactly", "fewer than", "more than"]

CANDIDATE_STATES: Final[tuple[State, ...]] = ("selected", "kept", "rejected", "vanished", "seen")
COUNTED_STATES: Final[tuple[State, ...]] = ("selected", "kept", "rejected", "decided")

MAX_LENGTH: Final = 2_000

FORMS: Final = (
    "ID is [not] selected|kept|rejected|vanished|seen [by REASON] [at STEP]",
    "ID comes from ORIGIN",
    "ID ranks above ID [at STEP]",
    "at most|at least|exactly N[%] selected|kept|rejected|decided [by REASON] [at STEP]",
    "run: QUERY",
)
"""How statements are written; `fewer than` and `more than` are bounds, too."""


class CandidateStatement(Struct, frozen=True, kw_only=True):
    """What shall become of a candidate, in the run or at one step."""

    candidate_id: str
    is_negated: bool
    state: State
    reason: str | None = None
    step_name: str | None = None


class OriginStatement(Struct, frozen=True, kw_only=True):
    """What shall have brought a candidate, nearest or further back."""

    candidate_id: str
    is_negated: bool
    origin: str


class OrderStatement(Struct, frozen=True, kw_only=True):
    """Which of two candidates shall rank above the other."""

    candidate_id: str
    other_id: str
    step_name: str | None = None


class CountStatement(Struct, frozen=True, kw_only=True):
    """How many candidates, or which share of those decided, shall end so.

    Args:
        bound: how the number is meant.
        amount: the number; a share from 0 to 100 where `is_share`.
        is_share: whether it is a percentage of what the step decided.
        state: what is counted.
        reason: the reason they were rejected for; None for any.
        step_name: the step; None where the statement alone makes clear which.
    """

    bound: Bound
    amount: float
    is_share: bool
    state: State
    reason: str | None = None
    step_name: str | None = None


class RunStatement(Struct, frozen=True, kw_only=True):
    """A query about runs that the run shall meet."""

    query: str


Statement = CandidateStatement | OriginStatement | OrderStatement | CountStatement | RunStatement

_WORD: Final = re.compile(r'"(?:[^"\\]|\\.)*"|\'(?:[^\'\\]|\\.)*\'|\S+')
_NUMBER: Final = re.compile(r"(\d+(?:\.\d+)?)(%?)\Z")
_BOUND_WORDS: Final[dict[str, tuple[tuple[str, Bound], ...]]] = {
    "at": (("most", "at most"), ("least", "at least")),
    "fewer": (("than", "fewer than"),),
    "less": (("than", "fewer than"),),
    "more": (("than", "more than"),),
}


def parse_statement(text: str) -> Statement:
    """The statement that *text* makes.

    Raises:
        InvalidQueryError: it makes none.
    """
    if len(text) > MAX_LENGTH:
        raise _refuse(text[:80] + "…", f"is longer than {MAX_LENGTH:,} characters")
    head, colon, query = text.strip().partition(":")
    if colon and head.rstrip() == "run":
        return RunStatement(query=query.strip())
    return _Reader(text).read()


class _Reader:
    """Takes a statement word by word.

    Args:
        text: the statement.
    """

    def __init__(self, text: str) -> None:
        self._text = text
        self._words = _WORD.findall(text)
        self._at = 0

    def read(self) -> Statement:
        """The statement."""
        bound = self._take_bound()
        statement = self._read_candidate() if bound is None else self._read_count(bound)
        if self._at < len(self._words):
            raise _refuse(self._text, f"is not understood from {self._words[self._at]!r} on")
        return statement

    def _read_candidate(self) -> Statement:
        candidate_id = self._take("a candidate's id")
        if self._accept("comes") or self._accept("came"):
            self._expect("from")
            return OriginStatement(
                candidate_id=candidate_id, is_negated=False, origin=self._take("an origin's id")
            )
        if self._accept("does"):
            for word in ("not", "come", "from"):
                self._expect(word)
            return OriginStatement(
                candidate_id=candidate_id, is_negated=True, origin=self._take("an origin's id")
            )
        if self._accept("ranks"):
            self._expect("above")
            other_id = self._take("another candidate's id")
            step_name = self._take("a step's name") if self._accept("at") else None
            return OrderStatement(candidate_id=candidate_id, other_id=other_id, step_name=step_name)
        if not (self._accept("is") or self._accept("was")):
            raise _refuse(self._text, f"does not say what is expected of {candidate_id!r}")
        is_negated = self._accept("not")
        state = self._take_state(CANDIDATE_STATES)
        reason, step_name = self._take_tail(state)
        return CandidateStatement(
            candidate_id=candidate_id,
            is_negated=is_negated,
            state=state,
            reason=reason,
            step_name=step_name,
        )

    def _read_count(self, bound: Bound) -> Statement:
        word = self._take("a number")
        found = _NUMBER.match(word)
        if found is None:
            raise _refuse(self._text, f"needs a number or a share instead of {word!r}")
        amount, is_share = float(found[1]), bool(found[2]) or self._accept("%")
        if is_share and amount > 100:
            raise _refuse(self._text, f"speaks of {amount:g} %, which is more than all")
        if not self._accept("are"):
            self._accept("is")
        state = self._take_state(COUNTED_STATES)
        reason, step_name = self._take_tail(state)
        return CountStatement(
            bound=bound,
            amount=amount,
            is_share=is_share,
            state=state,
            reason=reason,
            step_name=step_name,
        )

    def _take_bound(self) -> Bound | None:
        start = self._at
        if self._accept("exactly"):
            return "exactly"
        for word, endings in _BOUND_WORDS.items():
            if self._accept(word):
                for ending, bound in endings:
                    if self._accept(ending):
                        return bound
        self._at = start
        return None

    def _take_state(self, states: tuple[State, ...]) -> State:
        word = self._take(f"one of {', '.join(states)}")
        for state in states:
            if state == word:
                return state
        raise _refuse(self._text, f"needs one of {', '.join(states)} instead of {word!r}")

    def _take_tail(self, state: State) -> tuple[str | None, str | None]:
        reason = step_name = None
        if self._accept("by"):
            if state != "rejected":
                raise _refuse(self._text, "gives a reason, which only rejected candidates have")
            reason = self._take("a reason")
        if self._accept("at"):
            step_name = self._take("a step's name")
        return reason, step_name

    def _accept(self, word: str) -> bool:
        if self._at < len(self._words) and self._words[self._at] == word:
            self._at += 1
            return True
        return False

    def _expect(self, word: str) -> None:
        if not self._accept(word):
            raise _refuse(self._text, f"lacks the word {word!r}")

    def _take(self, what: str) -> str:
        if self._at >= len(self._words):
            raise _refuse(self._text, f"ends where {what} should stand")
        word: str = self._words[self._at]
        self._at += 1
        if len(word) > 1 and word[0] == word[-1] and word[0] in "\"'":
            return re.sub(r"\\(.)", r"\1", word[1:-1])
        return word


def _refuse(text: str, fault: str) -> InvalidQueryError:
    return InvalidQueryError(
        f"The expectation {text!r} {fault}.",
        hint=f"It reads: {'; or '.join(FORMS)}.",
        code="invalid_expectation",
        parameter="that",
    )
