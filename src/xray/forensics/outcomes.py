"""What one step decided, candidate by candidate: by id as far as they are known, else by hash.

What thousands of candidates of two runs are compared by are columns; only those that are shown
become objects.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import cached_property
from itertools import count, repeat
from math import isfinite
from typing import Final, TypeVar

from msgspec import Struct

from xray.forensics.evidence import Ledger, RunEvidence
from xray.forensics.keys import Key
from xray.model.counts import score_value
from xray.model.decisions import place_last
from xray.model.differences import Standing
from xray.model.facts import EVIDENCE, REJECTED, Score
from xray.model.fates import Fate
from xray.model.ranking import unpack_place
from xray.model.roster import Matched, Roster
from xray.model.vocabulary import RANKING_STEP_TYPES, UNNAMED_REASON, VERDICTS

Name = str | Key
"""What a decision is about: a candidate's id, or where it was decided `by` something, its key."""

_NO_COLUMN: Final = frozenset([None])
_PLAIN: Final = frozenset([float, type(None)])
_Cell = TypeVar("_Cell")


class Standings(Mapping[Name, Standing]):
    """How candidates stood, a column for each part of it; a `Standing` is made when asked for.

    Args:
        names: the candidates, each once.
        codes: the verdict of each, as `DecisionRow` has it.
        reasons: why it was rejected, for those that were.
        ranks: their ranks.
        scores: the numbers they are compared by.
        places: the place of each candidate in the columns.

    Attributes:
        score_errors: by how much the scores may be off.
    """

    def __init__(
        self,
        names: list[Name],
        codes: bytes,
        reasons: list[str | None],
        ranks: list[int | None],
        scores: list[float | None],
        places: Mapping[Name, int] | None = None,
    ) -> None:
        self.names = names
        self.places = place_last(names) if places is None else places
        self.codes = codes
        self.reasons = reasons
        self.ranks = ranks
        self.scores = scores
        self.score_errors: list[float | None] = [None] * len(names)

    def __len__(self) -> int:
        return len(self.places)

    def __iter__(self) -> Iterator[Name]:
        return iter(self.places)

    def __contains__(self, name: object) -> bool:
        return name in self.places

    def __getitem__(self, name: Name) -> Standing:
        at = self.places[name]
        return Standing(
            VERDICTS[self.codes[at]],
            self.reasons[at],
            self.ranks[at],
            self.scores[at],
            self.score_errors[at],
        )

    @property
    def has_ranks(self) -> bool:
        """Whether some candidate has a rank."""
        return self.ranks.count(None) < len(self.ranks)

    @property
    def has_scores(self) -> bool:
        """Whether some candidate has a score."""
        return self.scores.count(None) < len(self.scores)

    def add_all(self, standings: Mapping[Name, Standing]) -> None:
        """Take in more candidates."""
        self._add_names(standings)
        added = list(standings.values())
        self.codes += bytes(VERDICTS.index(one.decision) for one in added)
        self.reasons += [one.reason for one in added]
        self.ranks += [one.rank for one in added]
        self.scores += [one.score for one in added]
        self.score_errors += [one.score_error for one in added]

    def add_alike(self, codes: Mapping[str, int], standings: Sequence[Standing]) -> None:
        """Take in more candidates, each with the place in *standings* of how it stood."""
        self._add_names(codes)
        verdicts = [VERDICTS.index(one.decision) for one in standings]
        reasons = [one.reason for one in standings]
        self.codes += bytes(map(verdicts.__getitem__, codes.values()))
        self.reasons += map(reasons.__getitem__, codes.values())
        unknown = [None] * len(codes)
        self.ranks += unknown
        self.scores += unknown
        self.score_errors += unknown

    def _add_names(self, names: Collection[Name]) -> None:
        places = dict(self.places)
        places.update(zip(names, count(len(self.names))))
        self.places = places
        self.names.extend(names)


class Outcomes(Struct, frozen=True):
    """What a step decided.

    Args:
        known: the candidates known by id.
        hashed: the others, ascending: the hashes each can stand for, and the place of its fate.
        fates: the fates of those.
        is_complete: whether these are all that the step decided.
    """

    known: Standings
    hashed: list[tuple[int, int, int]]
    fates: list[Fate]
    is_complete: bool


def read_outcomes(ledger: Ledger, names: Names) -> Outcomes:
    """What a step decided.

    Args:
        ledger: the decisions of the step.
        names: every candidate that is to be known by id.
    """
    known = _read_rows(ledger)
    if ledger.roster is None:
        return Outcomes(known, [], [], ledger.is_complete())
    matched = ledger.roster.match(names.by_hash)
    _add_named(known, matched, names, is_ranked=_is_ranked(ledger, ledger.roster))
    return Outcomes(known, matched.others, matched.fates, ledger.is_complete())


def _is_ranked(ledger: Ledger, roster: Roster) -> bool:
    """Whether there is more to know of its candidates than their fate: where they have an order."""
    return ledger.step.step_type in RANKING_STEP_TYPES and roster.has_places


def _add_named(known: Standings, matched: Matched, names: Names, *, is_ranked: bool) -> None:
    """Take in the candidates of a roster that are known by id, and have no row."""
    standings = list(map(stand_as, matched.fates))
    by = [fate.by for fate in matched.fates]
    if not is_ranked and names.are_apart and _NO_COLUMN.issuperset(by):
        places, by_hash = known.places, names.by_hash
        fresh = {by_hash[hashed]: code for hashed, code, _ in matched.found}
        if not fresh.keys().isdisjoint(places):
            fresh = {name: code for name, code in fresh.items() if name not in places}
        known.add_alike(fresh, standings)
        return
    named = (
        (name_of(by[code], candidate_id), code, place)
        for hashed, code, place in matched.found
        for candidate_id in names.list_named(hashed)
    )
    added: dict[Name, Standing] = {}
    for named_as, code, place in named:
        if named_as not in known.places and named_as not in added:
            standing = standings[code]
            added[named_as] = _place(standing, place) if is_ranked and place else standing
    known.add_all(added)


def name_of(by: str | None, candidate_id: str) -> Name:
    """What names a candidate that was decided *by* something, or for nothing in particular."""
    return candidate_id if by is None else (by, candidate_id)


def _read_rows(ledger: Ledger) -> Standings:
    table = ledger.table
    ids, codes = table.candidate_ids, table.codes
    names: list[Name] = list(ids)
    is_parted = not _NO_COLUMN.issuperset(table.partitions)
    if is_parted:
        names = list(map(name_of, table.partitions, ids))
    is_counting = EVIDENCE not in codes and not any(table.logged) and not ledger.anonymous_count
    every: Sequence[int] = range(len(names))
    places: Mapping[Name, int] | None = None
    if not is_counting or not ledger.is_single:
        every = _list_counting(ledger, names)
        codes = bytes(pick(codes, every))
    elif not is_parted:
        places = table.places  # type: ignore[assignment]
    reasons = pick(table.reasons, every)
    if len(reasons) - reasons.count(None) > codes.count(REJECTED):
        told = zip(reasons, codes, strict=True)
        reasons = [reason if code == REJECTED else None for reason, code in told]
    ranks, scores = pick(table.ranks, every), _list_numbers(pick(table.scores, every))
    return Standings(pick(names, every), codes, reasons, ranks, scores, places)


def pick(column: Sequence[_Cell], places: Sequence[int]) -> list[_Cell]:
    """What stands at *places* of a column."""
    if isinstance(places, range):
        return list(column[places.start : places.stop])
    return [column[at] for at in places]


def _list_counting(ledger: Ledger, names: Sequence[Name]) -> Sequence[int]:
    """Where the last row about each candidate stands that is no mere illustration."""
    table = ledger.table
    nameless = table.anonymous if ledger.anonymous_count else repeat(False)
    rows = zip(table.verdicts, table.logged, nameless, strict=False)
    counting = [
        at
        for at, (verdict, is_logged, is_nameless) in enumerate(rows)
        if verdict is not None and not is_logged and not is_nameless
    ]
    return list({names[at]: at for at in counting}.values())


def _list_numbers(scores: list[Score | None]) -> list[float | None]:
    """The number each of *scores* is compared by."""
    kinds = set(map(type, scores))
    if kinds <= _PLAIN:
        # A sum is finite only if all it is made of is.
        whole = scores if float in kinds and len(kinds) == 1 else filter(None, scores)
        if isfinite(sum(whole)):  # type: ignore[arg-type]
            return scores  # type: ignore[return-value]
    return list(map(score_value, scores))


def _place(standing: Standing, place: int) -> Standing:
    placing = unpack_place(place)
    if placing is None:
        return standing
    return Standing(
        standing.decision, standing.reason, placing.rank, placing.score, placing.score_error
    )


def stand_as(fate: Fate) -> Standing:
    """How a candidate of that fate stood."""
    reason = (fate.reason or UNNAMED_REASON) if fate.decision == "rejected" else None
    return Standing(decision=fate.decision, reason=reason)


class Names:
    """Ids that are looked up by their hashes.

    Args:
        runs: the runs whose ids they are; read when the first is looked up.
    """

    def __init__(self, *runs: RunEvidence) -> None:
        self._runs = runs

    @property
    def are_apart(self) -> bool:
        """Whether no two ids share a hash."""
        return len(self.by_hash) == len(self._known)

    @cached_property
    def by_hash(self) -> dict[int, str]:
        """The ids by their hashes: one of those that share theirs."""
        return dict(zip(self._known.values(), self._known, strict=True))

    def list_named(self, hashed: int) -> list[str]:
        """The ids of a hash: one, unless several share it."""
        return [self.by_hash[hashed]] if self.are_apart else self._namesakes[hashed]

    @cached_property
    def _namesakes(self) -> dict[int, list[str]]:
        found: dict[int, list[str]] = {}
        for name, hashed in self._known.items():
            found.setdefault(hashed, []).append(name)
        return found

    @cached_property
    def _known(self) -> dict[str, int]:
        known: dict[str, int] = {}
        for run in self._runs:
            known.update(run.known_ids)
        return known
