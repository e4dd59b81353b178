"""The reasoning of a step held against what the run recorded of each candidate."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Any, Final

from msgspec import Struct

from xray.forensics.audits.claims import Attributes, Claim
from xray.forensics.case import Case
from xray.forensics.profiles import list_facts
from xray.forensics.redeciding import is_number
from xray.model.records import Decision, Step
from xray.model.values import is_mark
from xray.model.vocabulary import VERDICTS

_MAX_READ: Final = 100
_MAX_ROWS: Final = 50
"""How many rows of a step are opened for what others have."""
_TRIED: Final = 3
_MAX_VALUES: Final = 500


class Unsupported(Struct, frozen=True):
    """A decision whose reasoning says what the record contradicts.

    Args:
        candidate_id: the candidate.
        is_kept: whether the step kept it.
        claims: what is said.
    """

    candidate_id: str
    is_kept: bool
    claims: tuple[Claim, ...]


class Reasonings(Struct, frozen=True):
    """What became of the reasoning of a step.

    Args:
        read: how many decisions with a reasoning were read.
        unsupported: those that say what the record contradicts, the kept first.
    """

    read: int = 0
    unsupported: tuple[Unsupported, ...] = ()


def read_reasonings(case: Case, step: Step) -> Reasonings:
    """What the reasoning of *step* says that was recorded otherwise; of the chosen first."""
    reasoned = _list_reasoned(case, step)
    if not reasoned:
        return Reasonings()
    attributes = Attributes(_gather_profiles(case, step, reasoned))
    spared = frozenset(_list_spared(case, step))
    found = []
    for row in reasoned:
        claims = attributes.read(row.candidate_id, row.reasoning or "", spared)
        if claims:
            is_kept = row.decision != "rejected"
            found.append(Unsupported(row.candidate_id, is_kept, tuple(claims)))
    return Reasonings(len(reasoned), tuple(found))


def _list_reasoned(case: Case, step: Step) -> list[Decision]:
    """The decisions with a reasoning, the selected first; few are opened where none has."""
    ledger = case.flow.ledger(step)
    wanted: list[int] = []
    for verdict in reversed(VERDICTS):
        places = ledger.counting_positions(verdict)
        if any(ledger.row(at).reasoning for at in places[:_TRIED]):
            wanted += places[: _MAX_READ - len(wanted)]
    rows = (ledger.row(at) for at in wanted)
    return [row for row in rows if row.reasoning]


def _gather_profiles(
    case: Case, step: Step, reasoned: Sequence[Decision]
) -> dict[str, dict[str, list[Any]]]:
    """What was recorded of candidates up to *step*: first of those that are spoken of."""
    profiles: dict[str, dict[str, list[Any]]] = {}
    spoken = list(dict.fromkeys(row.candidate_id for row in reasoned))
    for earlier in case.flow.deciding_steps:
        if earlier.ordinal > step.ordinal:
            continue
        ledger = case.flow.ledger(earlier)
        places = dict.fromkeys(at for one in spoken for at in ledger.positions(one))
        places.update(dict.fromkeys(range(min(_MAX_ROWS, len(ledger.table)))))
        for at in places:
            row = ledger.row(at)
            for name, value in _list_told(row):
                held = profiles.setdefault(row.candidate_id, {}).setdefault(name, [])
                if value not in held:
                    held.append(value)
    # What was cut short may have said it: such an attribute speaks neither for nor against.
    return {
        one: {name: held for name, held in profile.items() if not any(map(is_mark, held))}
        for one, profile in profiles.items()
    }


def _list_told(row: Decision) -> Iterator[tuple[str, Any]]:
    yield from list_facts(row)
    if isinstance(row.score, dict):
        yield from row.score.items()


def _list_spared(case: Case, step: Step) -> Iterator[float]:
    """Numbers of the question and of rules: a reasoning may speak of them."""
    told = (case.run.input, case.run.params, case.run.metadata, step.input, step.params)
    waiting: list[Any] = list(told)
    for _ in range(_MAX_VALUES):
        if not waiting:
            break
        value = waiting.pop()
        if isinstance(value, dict):
            waiting.extend(value.values())
        elif isinstance(value, list):
            waiting.extend(value)
        elif is_number(value):
            yield float(value)
    for ledger in map(case.flow.ledger, case.flow.deciding_steps):
        checks = chain.from_iterable(ledger.row(at).checks for at in ledger.shown[:_TRIED])
        yield from (float(check.limit) for check in checks if is_number(check.limit))
