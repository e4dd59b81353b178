"""What a step keeps of its decisions once they are too many to keep each one's detail.

Every candidate is entered with its verdict, reason and origins, so counts stay exact; of the detail
a uniform sample is kept for each verdict and reason: Algorithm L (K.-H. Li, "Reservoir-sampling
algorithms of time complexity O(n(1+log(N/n)))", ACM TOMS 20(4), 1994).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Hashable, Iterable
from random import Random
from typing import Final, cast

import msgspec
from msgspec import Raw, Struct

from xray.model.counts import (
    MAX_REASONS,
    OTHER_REASON,
    add_origin,
    add_reason,
    reason_of,
    resolve_rows,
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
        self.kept: list[tuple[int, bytes]] = []
        self._capacity = MAX_KEPT_SELECTED if verdict == SELECTED else SAMPLES_PER_REASON
        self._threshold = 1.0
        self._draw = draw

    def keep(self, index: int, row: bytes) -> None:
        """Put *row*, entered in the ledger at *index*, into the sample."""
        if len(self.kept) < self._capacity:
            self.kept.append((index, row))
            if len(self.kept) < self._capacity:
                self.next_kept = self.seen + 1
                return
        else:
            self.kept[int(self._draw() * self._capacity)] = (index, row)
        self._threshold *= math.exp(math.log(1.0 - self._draw()) / self._capacity)
        skip = math.log(1.0 - self._draw()) / math.log1p(-self._threshold)
        self.next_kept = self.seen + 1 + int(skip)


class Combination:
    """One verdict, reason and set of origins that candidates of the step share."""

    __slots__ = ("group", "origins")

    def __init__(self, group: Group, origins: Origins) -> None:
        self.group = group
        self.origins = origins


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
        # Key and combination alternate, so that one atomic `extend` enters a decision even when
        # several threads record into the step.
        self._entries: list[object] = []
        self._groups: dict[tuple[int, str | None], Group] = {}
        self._combinations: dict[tuple[int, str | None, Origins], Combination] = {}
        self._plain: list[dict[str | None, Combination]] = [{}, {}, {}]
        self._census: list[tuple[int, bytes]] = []

    def enter_census(self, rows: Iterable[bytes]) -> None:
        """Enter rows whose detail is kept whatever follows."""
        for encoded in rows:
            row = _decode_row(encoded)
            if row.verdict == EVIDENCE:
                continue
            reason = reason_of(row) if row.verdict == REJECTED else row.reason
            combination = self.find(row.verdict, reason, tuple(row.origin or ()))
            self._census.append((len(self._entries) // 2, encoded))
            self._entries.extend((_key(row), combination))

    def find(self, verdict: int, reason: str | None, origins: Origins = ()) -> Combination:
        """The combination of *verdict*, *reason* and *origins*."""
        found = self._combinations.get((verdict, reason, origins))
        if found is not None:
            return found
        group = self._groups.get((verdict, reason))
        if group is None:
            if len(self._groups) >= MAX_REASONS:
                reason = OTHER_REASON
            group = self._groups.setdefault(
                (verdict, reason), Group(verdict, reason, self._random.random)
            )
        if len(self._combinations) >= _MAX_COMBINATIONS:
            origins = (OriginRef(OTHER_REASON),) if origins else ()
        key = (verdict, reason, origins)
        return self._combinations.setdefault(key, Combination(group, origins))

    def enter(self, key: Hashable, combination: Combination, make_row: Callable[[], bytes]) -> None:
        """Enter one decision after the census.

        Args:
            key: the candidate's id, or `(by, id)`.
            combination: what `find` returned.
            make_row: encodes the decision's detail; called only when it is kept.
        """
        self._entries.extend((key, combination))
        group = combination.group
        group.seen += 1
        # `>=`, because another thread may have counted past the exact position.
        if group.seen >= group.next_kept:
            group.keep(len(self._entries) // 2 - 1, make_row())

    def enter_plain(self, candidate_id: str, verdict: int, reason: str | None) -> Group | None:
        """Enter a decision without origins; the sample its row belongs in, if it is to be kept."""
        try:
            combination = self._plain[verdict][reason]
        except KeyError:
            combination = self._plain[verdict][reason] = self.find(verdict, reason)
        self._entries.extend((candidate_id, combination))
        group = combination.group
        seen = group.seen = group.seen + 1
        # `>=`, because another thread may have counted past the exact position.
        return group if seen >= group.next_kept else None

    def keep(self, group: Group, row: bytes) -> None:
        """Keep the *row* that was entered last in the sample of *group*."""
        group.keep(len(self._entries) // 2 - 1, row)

    def seal(self, anonymous: int) -> SealedRows:
        """The rows, samples and exact counts of the step.

        Args:
            anonymous: candidates without an id of their own.
        """
        keys, combinations = self._entries[0::2], self._entries[1::2]
        last = {key: index for index, key in enumerate(keys)}
        redecided = len(keys) - len(last)
        if redecided:
            self._merge_redecided(keys, last)
        final = [combinations[index] for index in last.values()] if redecided else combinations
        tally = _count(final, redecided, anonymous)  # type: ignore[arg-type]
        always_kept = [Raw(row) for _, row in self._census]
        reservoirs = self._reservoirs(final, {index for index, _ in self._census}, combinations)
        detailed = len(always_kept) + sum(len(reservoir.rows) for reservoir in reservoirs)
        return SealedRows(
            rows=always_kept,
            reservoirs=reservoirs,
            tally=tally,
            sampled_out=len(final) - detailed,
        )

    def _reservoirs(
        self, final: list[object], census: set[int], combinations: list[object]
    ) -> list[Reservoir]:
        totals = Counter(entry.group for entry in final if isinstance(entry, Combination))
        for index in census:
            entry = combinations[index]
            if isinstance(entry, Combination):
                totals[entry.group] -= 1
        return [
            Reservoir(
                group.verdict,
                group.reason,
                totals[group],
                cast("list[DecisionRow]", [Raw(row) for _, row in group.kept]),
            )
            for group in self._groups.values()
            if group.kept and totals[group] > 0
        ]

    def _merge_redecided(self, keys: list[object], last: dict[object, int]) -> None:
        """Of a candidate decided more than once keep one row, the last verdict's, or none."""
        times = Counter(keys)
        kept: dict[object, list[tuple[int, bytes]]] = {}
        for index, row in (*self._census, *(k for g in self._groups.values() for k in g.kept)):
            if times[keys[index]] > 1:
                kept.setdefault(keys[index], []).append((index, row))
        merged: dict[int, bytes] = {}
        for key, rows in kept.items():
            rows.sort()
            if rows[-1][0] == last[key]:
                resolved, _ = resolve_rows(_decode_row(row) for _, row in rows)
                merged[last[key]] = _encode(resolved[0])
        self._census = _replace(self._census, keys, times, merged)
        for group in self._groups.values():
            group.kept = _replace(group.kept, keys, times, merged)


def _replace(
    kept: list[tuple[int, bytes]],
    keys: list[object],
    times: Counter[object],
    merged: dict[int, bytes],
) -> list[tuple[int, bytes]]:
    return [
        (index, merged.get(index, row))
        for index, row in kept
        if times[keys[index]] == 1 or index in merged
    ]


def _key(row: DecisionRow) -> Hashable:
    return row.candidate_id if row.by is None else (row.by, row.candidate_id)


def _count(final: list[Combination], redecided: int, anonymous: int) -> Tally:
    verdicts = [0, 0, 0]
    reasons: dict[str, int] = {}
    origins: dict[tuple[str, str | None], list[int]] = {}
    for combination, count in Counter(final).items():
        verdict = combination.group.verdict
        verdicts[verdict] += count
        if verdict == REJECTED:
            add_reason(reasons, combination.group.reason or OTHER_REASON, count)
        for ref in combination.origins:
            add_origin(origins, ref, verdict, count)
    return Tally(
        rejected=verdicts[REJECTED],
        accepted=verdicts[ACCEPTED],
        selected=verdicts[SELECTED],
        reasons=reasons,
        origins=[OriginCount(name, step, *counts) for (name, step), counts in origins.items()],
        redecided=redecided,
        anonymous=anonymous,
    )
