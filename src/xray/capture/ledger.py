"""What a step keeps of its decisions once they are too many to keep each one's detail.

Every candidate is entered with its verdict, reason and origins, so counts stay exact; of the detail
a uniform sample is kept for each verdict and reason: Algorithm L (K.-H. Li, "Reservoir-sampling
algorithms of time complexity O(n(1+log(N/n)))", ACM TOMS 20(4), 1994).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Sequence
from random import Random
from typing import Final, cast

import msgspec
from msgspec import Raw, Struct
from msgspec.structs import replace

from xray.model.counts import (
    MAX_REASONS,
    OTHER_REASON,
    add_origin,
    add_reason,
    reason_of,
    resolve_rows,
    union_origins,
)
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
from xray.model.vocabulary import UNNAMED_REASON

SAMPLES_PER_REASON: Final = 50
MAX_KEPT_SELECTED: Final = 1_024
_MAX_COMBINATIONS: Final = 65_536

_encode: Final = msgspec.msgpack.Encoder().encode
_decode_row: Final = msgspec.msgpack.Decoder(DecisionRow).decode

Origins = tuple[OriginRef, ...]


class Group:
    """The candidates of one verdict and reason that came after the census, and a sample of them."""

    __slots__ = (
        "_capacity",
        "_draw",
        "_threshold",
        "kept",
        "next_kept",
        "reason",
        "seen",
        "verdict",
    )

    def __init__(self, verdict: int, reason: str | None, draw: Callable[[], float]) -> None:
        self.verdict = verdict
        self.reason = reason
        self.seen = 0
        self.next_kept = 1
        self.kept: list[Kept] = []
        self._capacity = MAX_KEPT_SELECTED if verdict == SELECTED else SAMPLES_PER_REASON
        self._threshold = 1.0
        self._draw = draw

    def keep(self, decision: Kept) -> None:
        """Put *decision* into the sample, in the place of another once the sample is full."""
        if len(self.kept) < self._capacity:
            self.kept.append(decision)
            if len(self.kept) < self._capacity:
                self.next_kept = self.seen + 1
                return
        else:
            place = int(self._draw() * self._capacity)
            self.kept[place].row = None
            self.kept[place] = decision
        self._threshold *= math.exp(math.log(1.0 - self._draw()) / self._capacity)
        skip = math.log(1.0 - self._draw()) / math.log1p(-self._threshold)
        self.next_kept = self.seen + 1 + int(skip)


class Combination:
    """What decisions of the step have in common when they count alike.

    Args:
        group: their verdict and reason.
        origins: what brought the candidate.
        is_named: the pipeline named the reason; else it follows from a check or from free text.
        failed_check: the first check that failed, which names a later verdict without a reason.
    """

    __slots__ = ("failed_check", "group", "is_named", "origins")

    def __init__(
        self, group: Group, origins: Origins, is_named: bool, failed_check: str | None
    ) -> None:
        self.group = group
        self.origins = origins
        self.is_named = is_named
        self.failed_check = failed_check


class Kept:
    """A decision whose detail is kept, unless *row* is taken away again."""

    __slots__ = ("combination", "is_census", "row")

    def __init__(self, combination: Combination, row: bytes, *, is_census: bool) -> None:
        self.combination = combination
        self.row: bytes | None = row
        self.is_census = is_census


Entry = Combination | Kept


class SealedRows(Struct, frozen=True, kw_only=True):
    """The decisions of a finished step, ready for its fact.

    Args:
        rows: encoded rows that stand for themselves.
        reservoirs: the samples; their rows are encoded, too.
        tally: exact counts.
        sampled_out: candidates whose detail was not kept.
    """

    rows: list[Raw]
    reservoirs: list[Reservoir]
    tally: Tally
    sampled_out: int


class Ledger:
    """Every decision of a large step: the census first, then whatever came after it.

    Args:
        seed: makes the samples the same whenever the same run is recorded again.
    """

    def __init__(self, seed: str) -> None:
        self._random = Random(seed)  # noqa: S311  (a sample, not a secret)
        # Key and entry alternate, so that one atomic `extend` enters a decision even when several
        # threads record into the step.
        self._entries: list[object] = []
        self._groups: list[dict[str | None, Group]] = [{}, {}, {}, {}]
        self._combinations: dict[tuple[object, ...], Combination] = {}
        self._plain: list[dict[str | None, Combination]] = [{}, {}, {}]
        self._census: list[Kept] = []

    def enter_census(self, rows: Iterable[bytes]) -> None:
        """Enter rows whose detail is kept whatever follows."""
        for encoded in rows:
            row = _decode_row(encoded)
            decision = Kept(self._combine(row), encoded, is_census=True)
            self._census.append(decision)
            self._entries.extend((_key(row), decision))

    def enter(self, row: DecisionRow) -> None:
        """Enter one decision after the census; its detail is kept if the sample wants it."""
        combination = self._combine(row)
        group = combination.group
        group.seen += 1
        # `>=`, because another thread may have counted past the exact position.
        if group.seen >= group.next_kept:
            self._keep(_key(row), combination, _encode(row))
        else:
            self._entries.extend((_key(row), combination))

    def enter_plain(
        self, candidate_id: str, verdict: int, reason: str | None
    ) -> Combination | None:
        """Enter a decision that has no more to it than this, unless its detail is to be kept.

        Returns:
            None; or what to call `keep` with, together with the decision's row.
        """
        try:
            combination = self._plain[verdict][reason]
        except KeyError:
            named = reason or None
            combination = self._plain[verdict][reason] = self._find(
                verdict,
                UNNAMED_REASON if named is None and verdict == REJECTED else named,
                is_named=named is not None,
            )
        group = combination.group
        seen = group.seen = group.seen + 1
        # `>=`, because another thread may have counted past the exact position.
        if seen >= group.next_kept:
            return combination
        self._entries.extend((candidate_id, combination))
        return None

    def keep(self, candidate_id: str, combination: Combination, row: DecisionRow) -> None:
        """Enter a decision together with its detail."""
        self._keep(candidate_id, combination, _encode(row))

    def _keep(self, key: Hashable, combination: Combination, row: bytes) -> None:
        decision = Kept(combination, row, is_census=False)
        self._entries.extend((key, decision))
        combination.group.keep(decision)

    def _combine(self, row: DecisionRow) -> Combination:
        return self._find(
            row.verdict,
            reason_of(row) if row.verdict == REJECTED else row.reason,
            tuple(OriginRef(ref.candidate_id, ref.step_id) for ref in row.origin or ()),
            is_named=bool(row.reason),
            failed_check=next((check.name for check in row.checks or () if not check.passed), None),
        )

    def _find(
        self,
        verdict: int,
        reason: str | None,
        origins: Origins = (),
        *,
        is_named: bool,
        failed_check: str | None = None,
    ) -> Combination:
        key = (verdict, reason, origins, is_named, failed_check)
        found = self._combinations.get(key)
        if found is not None:
            return found
        groups = self._groups[verdict]
        if reason not in groups and len(groups) >= MAX_REASONS:
            reason = OTHER_REASON
        group = groups.get(reason) or groups.setdefault(
            reason, Group(verdict, reason, self._random.random)
        )
        if len(self._combinations) >= _MAX_COMBINATIONS:
            origins = (OriginRef(OTHER_REASON),) if origins else ()
            failed_check = None
        key = (verdict, reason, origins, is_named, failed_check)
        return self._combinations.setdefault(
            key, Combination(group, origins, is_named, failed_check)
        )

    def seal(self, evidence: Sequence[DecisionRow], anonymous: int) -> SealedRows:
        """The rows, samples and exact counts of the step.

        Args:
            evidence: rows of checks that no verdict followed.
            anonymous: candidates without an id of their own.
        """
        late = [Kept(self._combine(row), _encode(row), is_census=True) for row in evidence]
        settlement = self._settle(
            [*self._entries[0::2], *map(_key, evidence)],
            [*cast("list[Entry]", self._entries[1::2]), *late],
        )
        tally = _count(settlement, anonymous)
        census = [Raw(kept.row) for kept in self._census if kept.row is not None]
        reservoirs = self._reservoirs(settlement)
        detailed = len(census) + sum(len(reservoir.rows) for reservoir in reservoirs)
        return SealedRows(
            rows=[*census, *(Raw(kept.row) for kept in late if kept.row is not None)],
            reservoirs=reservoirs,
            tally=tally,
            sampled_out=tally.decided - detailed,
        )

    def _reservoirs(self, settlement: Settlement) -> list[Reservoir]:
        found = []
        for group in (group for groups in self._groups for group in groups.values()):
            rows: dict[Group, list[Raw]] = {}
            for kept in group.kept:
                if kept.row is not None:
                    rows.setdefault(kept.combination.group, []).append(Raw(kept.row))
            found += [
                Reservoir(
                    final.verdict,
                    final.reason,
                    settlement.drawn_from[group, final],
                    cast("list[DecisionRow]", drawn),
                )
                for final, drawn in rows.items()
            ]
        return found

    def _settle(self, keys: list[object], entries: list[Entry]) -> Settlement:
        settlement = Settlement()
        once = entries
        if len(set(keys)) < len(keys):
            times = Counter(keys)
            once = []
            several: dict[object, list[Entry]] = {}
            for key, entry in zip(keys, entries, strict=True):
                if times[key] == 1:
                    once.append(entry)
                else:
                    several.setdefault(key, []).append(entry)
            for decisions in several.values():
                self._settle_one(decisions, settlement)
        for entry, number in Counter(once).items():
            combination = _combination_of(entry)
            settlement.counts[combination] += number
            if not _is_census(entry):
                settlement.drawn_from[combination.group, combination.group] += number
        return settlement

    def _settle_one(self, decisions: list[Entry], settlement: Settlement) -> None:
        """Settle a candidate entered more than once, as `resolve_rows` would all its rows."""
        combinations = [_combination_of(entry) for entry in decisions]
        verdicts = [
            entry
            for entry, combination in zip(decisions, combinations, strict=True)
            if combination.group.verdict != EVIDENCE
        ]
        if not verdicts:
            return
        last = verdicts[-1]
        group = _combination_of(last).group
        is_named = _combination_of(last).is_named
        failed = next((one.failed_check for one in combinations if one.failed_check), None)
        final = self._find(
            group.verdict,
            failed if failed and group.verdict == REJECTED and not is_named else group.reason,
            tuple(dict.fromkeys(ref for one in combinations for ref in one.origins)),
            is_named=is_named,
            failed_check=failed,
        )
        settlement.redecided += len(verdicts) - 1
        settlement.counts[final] += 1
        if not _is_census(last):
            settlement.drawn_from[group, final.group] += 1
        _merge_details(decisions, last, final)


class Settlement:
    """Where every candidate of a step stands in the end.

    Args:
        counts: candidates by what they count as.
        drawn_from: candidates after the census, by the group whose sample they could be drawn
            into and the group they stand in; the two differ where a later check named the reason.
        redecided: verdicts that a later verdict replaced.
    """

    __slots__ = ("counts", "drawn_from", "redecided")

    def __init__(self) -> None:
        self.counts: Counter[Combination] = Counter()
        self.drawn_from: Counter[tuple[Group, Group]] = Counter()
        self.redecided = 0


def _combination_of(entry: Entry) -> Combination:
    return entry.combination if type(entry) is Kept else cast("Combination", entry)


def _is_census(entry: Entry) -> bool:
    return type(entry) is Kept and entry.is_census


def _merge_details(decisions: list[Entry], last: Entry, final: Combination) -> None:
    """Keep one row of a candidate entered more than once: the last verdict's, or none."""
    kept = [entry for entry in decisions if type(entry) is Kept and entry.row is not None]
    if type(last) is not Kept or last.row is None:
        for entry in kept:
            if entry.combination.group.verdict != EVIDENCE:
                entry.row = None
        return
    resolved, _ = resolve_rows(_decode_row(entry.row) for entry in kept if entry.row is not None)
    for entry in kept:
        entry.row = None
    row = resolved[0]
    if final.origins:
        row = replace(row, origin=union_origins(row.origin, list(final.origins)))
    # The check that names the reason may belong to an earlier verdict, whose row was not kept.
    if final.failed_check and not row.reason and row.verdict == REJECTED:
        row = replace(row, reason=final.group.reason)
    last.combination = final
    last.row = _encode(row)


def _key(row: DecisionRow) -> Hashable:
    return row.candidate_id if row.by is None else (row.by, row.candidate_id)


def _count(settlement: Settlement, anonymous: int) -> Tally:
    verdicts = [0, 0, 0, 0]
    reasons: dict[str, int] = {}
    origins: dict[tuple[str, str | None], list[int]] = {}
    for combination, count in settlement.counts.items():
        verdict = combination.group.verdict
        verdicts[verdict] += count
        if verdict == REJECTED:
            add_reason(reasons, combination.group.reason or OTHER_REASON, count)
        if verdict != EVIDENCE:
            for ref in combination.origins:
                add_origin(origins, ref, verdict, count)
    return Tally(
        rejected=verdicts[REJECTED],
        accepted=verdicts[ACCEPTED],
        selected=verdicts[SELECTED],
        reasons=reasons,
        origins=[OriginCount(name, step, *counts) for (name, step), counts in origins.items()],
        redecided=settlement.redecided,
        anonymous=anonymous,
    )
