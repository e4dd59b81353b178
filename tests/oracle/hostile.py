"""Small worlds whose rows were made to be misread: missing, of other types, huge, oddly named."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import msgspec
from msgspec import Raw

from xray.model.facts import (
    NIL,
    Check,
    DecisionRow,
    ErrorInfo,
    Fact,
    Reservoir,
    RunFinished,
    RunPatched,
    RunStarted,
    StepFinished,
    StepRows,
)
from xray.model.labels import Labelled

NOW_US = 1_767_225_600_000_000
DAY_US = 24 * 3600 * 1_000_000
RUNS, STEPS = 5, 7
RUN_IDS = tuple(f"0190c000-0000-7000-8000-{number:012x}" for number in range(RUNS))
STEP_IDS = tuple(f"0190d000-0000-7000-8000-{number:012x}" for number in range(STEPS))
CANDIDATES = ("a", "b", "B", "ä", "\x00nul", "a\x00", "", "c" * 512)
TEXTS = (
    "", "a", "b", "B", "filter", "ä", "𝕏", "a\x00b", "a\x00", 'quote"', "it's", "1", "true", "null",
    "Straße", "STRASSE", "ǆ", "İ", "\\", "\n", "a.b", "2026-01-01T00:00:00Z", "1e15", " ",
)  # fmt: skip
NUMBERS = (
    0, 1, -1, 5, 2**53, 2**53 + 1, 2**63 - 1, 2**63, 2**64 - 1, -(2**63), 0.0, -0.0, 0.1, 0.5, 1.0,
    1e15, 1e300, 5e-324, 9007199254740992.0, math.inf, -math.inf, math.nan,
)  # fmt: skip
TIMES_US = (0, NOW_US - 2 * DAY_US, NOW_US - DAY_US - 1, NOW_US - DAY_US, NOW_US - 5, NOW_US)
KEYS = ("x", "y", "a\x00b", 'quote"', "a.b", "", "it's", "0", "$xray", "value", "type", "message")

_T = TypeVar("_T")
_decoder = msgspec.msgpack.Decoder(Fact)


def make_world(chance: random.Random) -> list[Fact]:
    """Facts about some runs and their steps, in any order, as a decoder gives them."""
    maker = _Maker(chance)
    facts = [fact for run_id in RUN_IDS for fact in maker.run(run_id)]
    facts += [fact for step_id in STEP_IDS for fact in maker.step(step_id)]
    chance.shuffle(facts)
    return [_decoder.decode(msgspec.msgpack.encode(fact)) for fact in facts]


class _Maker:
    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self._labels = 0

    def run(self, run_id: str) -> list[Fact]:
        """The start of a run, perhaps missing, and what was said of it later."""
        pick, maybe = self._pick, self._maybe
        facts: list[Fact] = []
        if self._is(0.9):
            facts.append(
                RunStarted(
                    run_id=run_id,
                    pipeline=self._text(),
                    started_at_us=pick(TIMES_US),
                    input=self._packed(self._value),
                    metadata=self._packed(self._map),
                    params=self._packed(self._value),
                    tags=self._some(self._text),
                    correlation={key: self._text() for key in self._some(self._key)},
                    repository=maybe(self._text),
                    version=maybe(self._text),
                    environment=maybe(self._text),
                    key=maybe(self._text),
                    attempt=pick((1, 2, 3)),
                    weight=pick((0.5, 1.0, 100.0)),
                )
            )
        if self._is(0.6):
            facts.append(
                RunFinished(
                    run_id=run_id,
                    status=pick(("running", "completed", "failed", "cancelled", "abandoned")),
                    duration_ms=pick((None, 0.0, 0.5, 1.0, 1e15)),
                    output=self._packed(self._value),
                    error=maybe(self._error),
                    metadata=self._packed(self._map),
                    omissions={self._key(): 3} if self._is(0.3) else {},
                )
            )
        if self._is(0.2):
            facts.append(
                RunPatched(
                    run_id=run_id,
                    status=pick((None, "completed", "abandoned")),
                    metadata=self._packed(self._map),
                    tags=self._some(self._text) if self._is(0.5) else None,
                )
            )
        if self._is(0.5):
            facts += [self._label(run_id) for _ in range(pick((1, 2, 4)))]
        return facts

    def _label(self, run_id: str) -> Labelled:
        """A word about a run or a candidate of it, perhaps one that takes another back."""
        pick = self._pick
        self._labels += 1
        return Labelled(
            label_id=f"0190e000-0000-7000-8000-{self._labels:012x}",
            run_id=run_id,
            labelled_at_us=pick(TIMES_US),
            candidate_id=pick((None, *CANDIDATES)),
            label=pick(("good", "bad", "bad", None)),
            note=self._maybe(self._text),
        )

    def step(self, step_id: str) -> list[Fact]:
        """A step, and perhaps rows of it that came by themselves."""
        pick, maybe = self._pick, self._maybe
        run_id = pick(RUN_IDS)
        facts: list[Fact] = [
            StepFinished(
                run_id=run_id,
                step_id=step_id,
                pipeline=self._text(),
                name=self._text(),
                step_type=pick(("filter", "rank", "generate", "select", "custom", "group")),
                ordinal=pick((0, 1, 2)),
                started_at_us=pick(TIMES_US),
                duration_ms=pick((None, 0.0, 0.5, 1.0, 1e15)),
                status=pick(("completed", "failed")),
                declared_type=maybe(self._text),
                parent_step_id=maybe(lambda: pick(STEP_IDS)),
                attempt=pick((1, 2)),
                params=self._packed(self._value),
                input=self._packed(self._value),
                output=self._packed(self._value),
                input_count=pick((None, 0, 1, 7, 2**63 - 1)),
                output_count=pick((None, 0, 1, 7, 2**63 - 1)),
                stats=self._packed(self._map),
                capture=pick(("minimal", "sample", "full")),
                error=maybe(self._error),
                rows=self._some(self._row, 5),
                reservoirs=[Reservoir(0, "a", 9, self._some(self._row))] if self._is(0.2) else [],
                logged=self._some(self._row) if self._is(0.3) else [],
                omissions={self._key(): 2} if self._is(0.3) else {},
            )
        ]
        if self._is(0.1):
            rows = self._some(self._row)
            facts.append(StepRows(run_id=run_id, step_id=step_id, chunk=1, rows=rows))
        return facts

    def _row(self) -> DecisionRow:
        pick, maybe = self._pick, self._maybe
        named = {
            key: float(pick(NUMBERS)) for key in self._some(lambda: pick(("score", "total", "z")))
        }
        return DecisionRow(
            verdict=pick((0, 0, 1, 1, 2, 3)),
            candidate_id=pick(CANDIDATES),
            reason=maybe(self._text),
            attributes=self._packed(self._map),
            score=pick((None, 0.0, 0.5, 1.0, math.nan, math.inf, named)),
            reasoning=maybe(self._text),
            rank=pick((None, -2, 1, 5)),
            checks=[Check("price", "", "<=", 5, 1, False)] if self._is(0.2) else None,
            by=pick((None, "q1", "q2")),
            part_of=maybe(self._text),
            rank_before=pick((None, 1)),
            merged_into=maybe(lambda: pick(CANDIDATES)),
        )

    def _value(self, depth: int = 2) -> Any:
        kind = self._chance.random()
        if depth and kind < 0.4:
            return {key: self._value(depth - 1) for key in self._some(self._key, 4)}
        if depth and kind < 0.55:
            return [self._value(depth - 1) for _ in range(self._chance.randint(0, 3))]
        if kind < 0.7:
            return self._text()
        if kind < 0.9:
            return self._pick(NUMBERS)
        return self._pick((None, True, False, b"\x00\xff", ""))

    def _map(self) -> dict[str, Any]:
        return {key: self._value() for key in self._some(self._key, 5)}

    def _error(self) -> ErrorInfo:
        where = self._some(self._text) if self._is(0.3) else []
        return ErrorInfo(type=self._text(), message=self._text(), where=where)

    def _packed(self, make: Callable[[], object]) -> Raw:
        return NIL if self._is(0.2) else Raw(msgspec.msgpack.encode(make()))

    def _is(self, share: float) -> bool:
        return self._chance.random() < share

    def _pick(self, values: Sequence[_T]) -> _T:
        return self._chance.choice(values)

    def _maybe(self, make: Callable[[], _T]) -> _T | None:
        return make() if self._is(0.6) else None

    def _some(self, make: Callable[[], _T], most: int = 3) -> list[_T]:
        return [make() for _ in range(self._chance.randint(0, most))]

    def _text(self) -> str:
        return self._pick(TEXTS)

    def _key(self) -> str:
        return self._pick(KEYS)
