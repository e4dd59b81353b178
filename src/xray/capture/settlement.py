"""Where every candidate of a large step stands in the end, and what is told about it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterator, Sequence
from itertools import chain
from typing import Final, NamedTuple, cast

from msgspec import Raw, Struct
from msgspec.structs import replace

from xray.capture.draw import Batch, Combination, Draw, Drawn
from xray.capture.ledger import Ledger, decode_row, encode_row, key_of
from xray.capture.sets.decisions import MAX_KINDS, count_codes, find_places
from xray.capture.sets.ids import Ids, TextIds
from xray.capture.sets.repeats import find_repeats
from xray.capture.standings import Standings, gather_standings, join_standings
from xray.model.columns import IdColumn
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
    RosterColumn,
    RosterFate,
    RosterGroup,
    Tally,
)
from xray.model.sketch import CheckSketch

_TAKEN_OUT: Final = MAX_KINDS
"""A code that no kind of decisions has."""
_STAYS: Final = b"\1" * _TAKEN_OUT + b"\0" * (256 - _TAKEN_OUT)


class NamedGroup(NamedTuple):
    """A group of the roster, of any size."""

    verdict: int
    reason: str | None
    origin: list[OriginRef] | None
    by: str | None
    ids: Ids
    standings: Standings | None = None

    def tell(self, start: int, ids: IdColumn | list[str]) -> RosterGroup:
        """The part of it from *start* on that *ids* name, as it travels."""
        held = self.standings
        ranking = None if held is None else held.tell(start, start + len(ids))
        return RosterGroup(self.verdict, self.reason, self.origin, self.by, [*ids], ranking)


class NamedColumn(NamedTuple):
    """A column of the roster, of any size."""

    fates: list[RosterFate]
    codes: bytes
    ids: Ids
    standings: Standings | None = None

    def tell(self, start: int, ids: IdColumn | list[str]) -> RosterColumn:
        """The part of it from *start* on that *ids* name, as it travels."""
        stop, held = start + len(ids), self.standings
        ranking = None if held is None else held.tell(start, stop)
        return RosterColumn(self.fates, self.codes[start:stop], ids, ranking)


class SealedRows(Struct, frozen=True, kw_only=True):
    """The decisions of a finished step, ready for its facts.

    Args:
        rows: encoded rows that stand for themselves.
        reservoirs: the samples; their rows are encoded, too.
        roster: every candidate decided after the census.
        tally: exact counts; None when the rows are all there is.
        sampled_out: candidates whose detail was not kept.
        sketches: what values checks observed.
    """

    rows: list[bytes] = []
    reservoirs: list[Reservoir] = []
    roster: list[NamedGroup | NamedColumn] = []
    tally: Tally | None = None
    sampled_out: int = 0
    sketches: list[CheckSketch] = []


def seal(ledger: Ledger, evidence: Sequence[DecisionRow], anonymous: int) -> SealedRows:
    """The rows, samples, roster and exact counts of a finished step.

    Args:
        ledger: its decisions.
        evidence: rows of checks that no verdict followed.
        anonymous: candidates without an id of their own.
    """
    for row in evidence:
        ledger.observations.add_row(row)
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
        sketches=ledger.observations.sketch(),
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
        self._columns = [_Column(batch) for batch in ledger.batches]
        self._drawn_from: Counter[tuple[Draw, Draw]] = Counter()
        self._redecided = 0
        self._places = join_standings(ledger.standings)
        late = {key_of(row): ledger.combine(row, is_census=True) for row in evidence}
        settled = self._settle_repeated(late)
        for combination, count in self._count_standing().items():
            if not combination.is_census:
                self._drawn_from[combination.draw, combination.draw] += count
        for key, final in settled:
            self._standing.setdefault(final, []).append(key)

    def tally(self, anonymous: int) -> Tally:
        """The exact counts."""
        verdicts = [0, 0, 0]
        reasons: dict[str, int] = {}
        origins: dict[tuple[str, str | None], list[int]] = {}
        for combination, count in self._count_standing().items():
            verdict = combination.draw.verdict
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
        near = self._near_rows.by_draw([_combination_of(one).draw for one in self._near])
        return found + [Reservoir(one.verdict, one.reason, 0, rows) for one, rows in near.items()]

    def roster(self) -> list[NamedGroup | NamedColumn]:
        """Every candidate decided after the census, by what is known about it."""
        told: list[NamedGroup | NamedColumn] = []
        for combination, keys in self._standing.items():
            if combination.is_census:
                continue
            parts: dict[str | None, list[str]] = {}
            if combination.is_partitioned:
                for by, candidate_id in cast("list[tuple[str, str]]", keys):
                    parts.setdefault(by, []).append(candidate_id)
            elif keys:
                parts[None] = cast("list[str]", keys)
            draw, origin = combination.draw, [*combination.origins] or None
            for partition, ids in parts.items():
                standings = gather_standings(partition, ids, self._places)
                told.append(
                    NamedGroup(
                        draw.verdict, draw.reason, origin, partition, TextIds(ids), standings
                    )
                )
        told += [column.tell() for column in self._columns if not column.is_census]
        return told

    def _count_standing(self) -> Counter[Combination]:
        """How many candidates count as each combination, in the order it was first met."""
        counts = Counter({combination: len(ids) for combination, ids in self._standing.items()})
        for column in self._columns:
            counts.update(column.count())
        return counts

    def _settle_repeated(
        self, late: dict[Hashable, Combination]
    ) -> list[tuple[Hashable, Combination]]:
        """Take the candidates entered more than once out, and find where each of them stands."""
        parts = [late, *self._standing.values()]
        columns = [column.batch.ids for column in self._columns]
        # Ids made one by one are in memory as they are, and a table of them takes the least time.
        if not columns and len(set[Hashable]().union(*parts)) == sum(map(len, parts)):
            return []
        repeats = find_repeats(columns, [*chain.from_iterable(parts)])
        if repeats is None:
            return []
        again: dict[Batch, list[int]] = {}
        keys = repeats.singles
        for column, places in zip(self._columns, repeats.places, strict=True):
            again[column.batch] = places
            keys.update(column.batch.ids.at(places))
            column.take_out(places)
        self._standing = {
            combination: [key for key in ids if key not in keys]
            for combination, ids in self._standing.items()
        }
        occurrences: dict[Hashable, list[_Occurrence]] = {}
        for occurrence in self._occurrences(keys, again, late):
            occurrences.setdefault(occurrence.key, []).append(occurrence)
        return [(key, self._settle(several)) for key, several in occurrences.items()]

    def _occurrences(
        self,
        keys: set[Hashable],
        again: dict[Batch, list[int]],
        late: dict[Hashable, Combination],
    ) -> Iterator[_Occurrence]:
        """The decisions about *keys* in the order they were made, with their rows if they are kept.

        Args:
            keys: the candidates.
            again: the places of the decisions about them in each batch.
            late: candidates whose checks no verdict followed.
        """
        sampled = {
            (one.source, one.index): (self._samples[draw], place)
            for draw in self._ledger.draws()
            for place, one in enumerate(draw.sample)
        } | {
            (one.source, one.index): (self._near_rows, place)
            for place, one in enumerate(self._near)
        }
        entered: Counter[Combination] = Counter()
        in_census = 0
        for source in self._ledger.order:
            kept: tuple[_Rows, int] | None
            if isinstance(source, Batch):
                places = again[source]
                for place, text in zip(places, source.ids.at(places), strict=True):
                    combination = source.find(place)
                    kept = sampled.get((source, place))
                    if source.standings is not None:
                        self._places[text] = (text, *source.standings.at(place))
                    if combination.is_census:
                        kept = self._census, in_census + place
                    yield _Occurrence(text, combination, kept)
                in_census += len(source.codes) if source.is_census else 0
                continue
            index = entered[source]
            entered[source] += 1
            key = source.ids[index]
            if key in keys:
                kept = sampled.get((source, index))
                if source.is_census:
                    kept = self._census, in_census
                yield _Occurrence(key, source, kept)
            in_census += source.is_census
        for place, (key, combination) in enumerate(late.items()):
            if key in keys:
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


def _combination_of(drawn: Drawn) -> Combination:
    source = drawn.source
    return source.find(drawn.index) if isinstance(source, Batch) else source


class _Column:
    """The decisions of a batch, without those that are settled apart."""

    def __init__(self, batch: Batch) -> None:
        self.batch = batch
        self.is_census = batch.is_census
        self._codes = batch.codes
        self._ids = batch.ids
        self._standings = batch.standings

    def take_out(self, places: Sequence[int]) -> None:
        """Leave the decisions at *places* out."""
        if not places:
            return
        codes = bytearray(self._codes)
        for place in places:
            codes[place] = _TAKEN_OUT
        left = find_places(bytes(codes).translate(_STAYS), 1)
        self._ids = self._ids.pick(left)
        self._standings = self._standings and self._standings.pick(left)
        self._codes = bytes(codes).translate(None, bytes([_TAKEN_OUT]))

    def count(self) -> dict[Combination, int]:
        """How many candidates count as each combination."""
        counts: Counter[Combination] = Counter()
        for combination, count in zip(
            self.batch.combinations,
            count_codes(self._codes, len(self.batch.combinations)),
            strict=True,
        ):
            if combination is not None:
                counts[combination] += count
        return counts

    def tell(self) -> NamedColumn:
        """It as a part of the roster."""
        combinations = self.batch.combinations
        used = [code for code, one in enumerate(combinations) if one is not None]
        codes = self._codes
        if len(used) < len(combinations):
            table = bytearray(256)
            for place, code in enumerate(used):
                table[code] = place
            codes = codes.translate(table)
        fates = [
            RosterFate(one.draw.verdict, one.draw.reason, [*one.origins] or None)
            for one in combinations
            if one is not None
        ]
        return NamedColumn(fates, codes, self._ids, self._standings)


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
