"""Where every candidate of a large step stands in the end, and what is told about it."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Hashable, Iterator, Sequence
from itertools import chain
from typing import NamedTuple, cast

from msgspec import Raw, Struct
from msgspec.structs import replace

from xray.capture.draw import Combination, Draw, Segment
from xray.capture.ledger import Batch, Ledger, decode_row, encode_row, key_of
from xray.capture.sets.ids import Ids, TextIds, are_distinct
from xray.model.counts import OTHER_REASON, add_origin, add_reason, resolve_rows, union_origins
from xray.model.facts import (
    ACCEPTED,
    EVIDENCE,
    REJECTED,
    SELECTED,
    DecisionRow,
    OriginCount,
    OriginRef,
    Reservoir,
    Tally,
)


class NamedGroup(NamedTuple):
    """A group of the roster, of any size; its ids need not be spelled yet."""

    verdict: int
    reason: str | None
    origin: list[OriginRef] | None
    by: str | None
    ids: Ids


class SealedRows(Struct, frozen=True, kw_only=True):
    """The decisions of a finished step, ready for its facts.

    Args:
        rows: encoded rows that stand for themselves.
        reservoirs: the samples; their rows are encoded, too.
        roster: every candidate decided after the census.
        tally: exact counts; None when the rows are all there is.
        sampled_out: candidates whose detail was not kept.
    """

    rows: list[bytes] = []
    reservoirs: list[Reservoir] = []
    roster: list[NamedGroup] = []
    tally: Tally | None = None
    sampled_out: int = 0


def seal(ledger: Ledger, evidence: Sequence[DecisionRow], anonymous: int) -> SealedRows:
    """The rows, samples, roster and exact counts of a finished step.

    Args:
        ledger: its decisions.
        evidence: rows of checks that no verdict followed.
        anonymous: candidates without an id of their own.
    """
    settlement = Settlement(ledger, evidence)
    tally = settlement.tally(anonymous)
    census = settlement.census()
    reservoirs = settlement.reservoirs()
    detailed = len(census) + sum(len(reservoir.rows) for reservoir in reservoirs)
    return SealedRows(
        rows=[*census, *settlement.evidence()],
        reservoirs=reservoirs,
        roster=settlement.roster(),
        tally=tally,
        sampled_out=tally.decided - detailed,
    )


class Settlement:
    """One verdict for every candidate: the last one, as `resolve_rows` would find from all rows.

    Args:
        ledger: the step's decisions.
        evidence: rows of checks that no verdict followed.
    """

    def __init__(self, ledger: Ledger, evidence: Sequence[DecisionRow]) -> None:
        self._ledger = ledger
        self._census = _Rows([*ledger.census])
        self._evidence = _Rows([encode_row(row) for row in evidence])
        self._samples = {draw: _Rows([one.row for one in draw.sample]) for draw in ledger.draws()}
        drawn = {(one.source, one.index) for draw in self._samples for one in draw.sample}
        self._near = [one for one in ledger.nearest.kept() if (one.source, one.index) not in drawn]
        self._near_rows = _Rows([one.row for one in self._near])
        self._standing = {one: one.ids for one in ledger.combinations()}
        self._columns = {one: [part.ids for part in one.segments] for one in self._standing}
        self._drawn_from: Counter[tuple[Draw, Draw]] = Counter()
        self._redecided = 0
        late = {key_of(row): ledger.combine(row, is_census=True) for row in evidence}
        settled = self._settle_repeated(late)
        for combination, ids in self._standing.items():
            if not combination.is_census:
                standing = len(ids) + self._count_columns(combination)
                self._drawn_from[combination.draw, combination.draw] += standing
        for key, final in settled:
            self._standing.setdefault(final, []).append(key)

    def tally(self, anonymous: int) -> Tally:
        """The exact counts."""
        verdicts = [0, 0, 0]
        reasons: dict[str, int] = {}
        origins: dict[tuple[str, str | None], list[int]] = {}
        for combination, ids in self._standing.items():
            verdict = combination.draw.verdict
            count = len(ids) + self._count_columns(combination)
            if verdict == EVIDENCE or not count:
                continue
            verdicts[verdict] += count
            if verdict == REJECTED:
                add_reason(reasons, combination.draw.reason or OTHER_REASON, count)
            for ref in combination.origins:
                add_origin(origins, ref, verdict, count)
        return Tally(
            rejected=verdicts[REJECTED],
            accepted=verdicts[ACCEPTED],
            selected=verdicts[SELECTED],
            reasons=reasons,
            origins=[OriginCount(name, step, *n) for (name, step), n in origins.items()],
            redecided=self._redecided,
            anonymous=anonymous,
        )

    def census(self) -> list[bytes]:
        """The rows of the census that still stand."""
        return self._census.left()

    def evidence(self) -> list[bytes]:
        """The rows of checks that no verdict's row took."""
        return self._evidence.left()

    def reservoirs(self) -> list[Reservoir]:
        """The samples, each with how many candidates it stands for; near misses stand for none."""
        found = [
            Reservoir(final.verdict, final.reason, self._drawn_from[draw, final], drawn)
            for draw, rows in self._samples.items()
            for final, drawn in rows.by_draw([draw] * len(rows.encoded)).items()
        ]
        near = self._near_rows.by_draw([_combination_of(one.source).draw for one in self._near])
        return found + [Reservoir(one.verdict, one.reason, 0, rows) for one, rows in near.items()]

    def roster(self) -> list[NamedGroup]:
        """Every candidate decided after the census, by what is known about it."""
        groups: list[NamedGroup] = []
        for combination, keys in self._standing.items():
            if combination.is_census:
                continue
            parts: dict[str | None, list[str]] = {}
            if combination.is_partitioned:
                for by, candidate_id in cast("list[tuple[str, str]]", keys):
                    parts.setdefault(by, []).append(candidate_id)
            else:
                parts[None] = cast("list[str]", keys)
            named: list[tuple[str | None, Ids]] = [
                (by, TextIds(ids)) for by, ids in parts.items() if ids
            ]
            named += [(None, ids) for ids in self._columns.get(combination, ())]
            groups += [
                NamedGroup(
                    combination.draw.verdict,
                    combination.draw.reason,
                    [*combination.origins] or None,
                    by,
                    ids,
                )
                for by, ids in named
            ]
        return groups

    def _count_columns(self, combination: Combination) -> int:
        return sum(map(len, self._columns.get(combination, ())))

    def _are_distinct(self, late: dict[Hashable, Combination]) -> bool:
        """Whether every candidate was entered once."""
        columns = [ids for several in self._columns.values() for ids in several]
        keys: list[Hashable] = [*late, *chain.from_iterable(self._standing.values())]
        if columns:
            texts = [key for key in keys if type(key) is str]
            found = are_distinct(columns, texts) if len(set(keys)) == len(keys) else False
            if found is not None:
                return found
            keys += chain.from_iterable(ids.texts() for ids in columns)
        return len(set(keys)) == len(keys)

    def _spell_columns(self) -> None:
        for combination, columns in self._columns.items():
            texts = chain.from_iterable(ids.texts() for ids in columns)
            self._standing[combination] = [*self._standing[combination], *texts]
        self._columns = {}

    def _settle_repeated(
        self, late: dict[Hashable, Combination]
    ) -> list[tuple[Hashable, Combination]]:
        """Take the candidates entered more than once out, and find where each of them stands."""
        if self._are_distinct(late):
            return []
        self._spell_columns()
        times = Counter(chain(late, *self._standing.values()))
        occurrences: dict[Hashable, list[_Occurrence]] = {
            key: [] for key, count in times.items() if count > 1
        }
        for occurrence in self._occurrences(late):
            if occurrence.key in occurrences:
                occurrences[occurrence.key].append(occurrence)
        self._standing = {
            combination: [key for key in ids if key not in occurrences]
            for combination, ids in self._standing.items()
        }
        return [(key, self._settle(several)) for key, several in occurrences.items()]

    def _occurrences(self, late: dict[Hashable, Combination]) -> Iterator[_Occurrence]:
        """Every decision in the order they were made, with its row where that is kept."""
        sampled = {
            (one.source, one.index): (self._samples[draw], place)
            for draw in self._ledger.draws()
            for place, one in enumerate(draw.sample)
        } | {
            (one.source, one.index): (self._near_rows, place)
            for place, one in enumerate(self._near)
        }
        entered: Counter[Combination] = Counter()
        census_places = itertools.count()
        for combination in self._ledger.order:
            if isinstance(combination, Batch):
                for segment, index, text in _spell_batch(combination):
                    kept = sampled.get((segment, index))
                    yield _Occurrence(text, segment.combination, kept)
                continue
            index = entered[combination]
            entered[combination] += 1
            rows: tuple[_Rows, int] | None
            if combination.is_census:
                rows = self._census, next(census_places)
            else:
                rows = sampled.get((combination, index))
            yield _Occurrence(combination.ids[index], combination, rows)
        for place, (key, combination) in enumerate(late.items()):
            yield _Occurrence(key, combination, (self._evidence, place))

    def _settle(self, occurrences: Sequence[_Occurrence]) -> Combination:
        """Where a candidate stands that was entered more than once."""
        verdicts = [one for one in occurrences if one.combination.draw.verdict != EVIDENCE]
        if not verdicts:
            return occurrences[-1].combination
        last = verdicts[-1]
        draw, is_named = last.combination.draw, last.combination.is_named
        combinations = [one.combination for one in occurrences]
        failed = next((one.failed_check for one in combinations if one.failed_check), None)
        final = self._ledger.find(
            draw.verdict,
            failed if failed and draw.verdict == REJECTED and not is_named else draw.reason,
            tuple(dict.fromkeys(ref for one in combinations for ref in one.origins)),
            is_named=is_named,
            failed_check=failed,
            is_census=last.combination.is_census,
            is_partitioned=last.combination.is_partitioned,
        )
        self._redecided += len(verdicts) - 1
        if not final.is_census:
            self._drawn_from[draw, final.draw] += 1
        _merge_rows(occurrences, last, final)
        return final


def _combination_of(source: Combination | Segment) -> Combination:
    return source.combination if isinstance(source, Segment) else source


def _spell_batch(batch: Batch) -> Iterator[tuple[Segment, int, str]]:
    """The decisions of *batch* in their order: segment, index within it, and id."""
    parts = [
        iter(())
        if segment is None
        else zip(itertools.repeat(segment), itertools.count(), segment.ids.texts())
        for segment in batch.segments
    ]
    for code in batch.codes:
        yield next(parts[code])


class _Rows:
    """Encoded rows, each of which may be taken away, or stand for another verdict and reason."""

    def __init__(self, encoded: list[bytes]) -> None:
        self.encoded: list[bytes | None] = [*encoded]
        self.moved_to: dict[int, Draw] = {}

    def by_draw(self, draws: Sequence[Draw]) -> dict[Draw, list[DecisionRow]]:
        """The rows that are left by the verdict and reason they stand for.

        Args:
            draws: the verdict and reason each row was kept under.
        """
        found: dict[Draw, list[DecisionRow]] = {}
        for place, (draw, row) in enumerate(zip(draws, self.encoded, strict=True)):
            if row is not None:
                encoded = cast("DecisionRow", Raw(row))
                found.setdefault(self.moved_to.get(place, draw), []).append(encoded)
        return found

    def left(self) -> list[bytes]:
        return [row for row in self.encoded if row is not None]


class _Occurrence(NamedTuple):
    """One decision about a candidate, and where its row is, if it is kept."""

    key: Hashable
    combination: Combination
    kept: tuple[_Rows, int] | None

    def take_row(self) -> bytes | None:
        """The row, which is kept no longer."""
        if self.kept is None:
            return None
        rows, place = self.kept
        row = rows.encoded[place]
        rows.encoded[place] = None
        return row


def _merge_rows(occurrences: Sequence[_Occurrence], last: _Occurrence, final: Combination) -> None:
    """Keep one row of a candidate entered more than once: the last verdict's, or none."""
    if last.kept is None:
        for one in occurrences:
            if one.combination.draw.verdict != EVIDENCE:
                one.take_row()
        return
    taken = [one.take_row() for one in occurrences]
    resolved, _ = resolve_rows(decode_row(encoded) for encoded in taken if encoded is not None)
    row = resolved[0]
    if final.origins:
        row = replace(row, origin=union_origins(row.origin, [*final.origins]))
    # The check that names the reason may belong to an earlier verdict, whose row was not kept.
    if final.failed_check and not row.reason and row.verdict == REJECTED:
        row = replace(row, reason=final.draw.reason)
    rows, place = last.kept
    rows.encoded[place] = encode_row(row)
    rows.moved_to[place] = final.draw
