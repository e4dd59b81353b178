"""How well steps keep what is labelled good and drop what is labelled bad.

Candidates without a label are unknown, not bad. Shares and orders are taken over the labelled ones
alone, as if the others were not in the list: condensed lists (T. Sakai, "Alternatives to Bpref",
SIGIR 2007). Beside them stand bounds over everything the others may be, the residual of A. Moffat
and J. Zobel ("Rank-biased precision for measurement of retrieval effectiveness", ACM TOIS 27(1),
2008). nDCG is that of K. Jarvelin and J. Kekalainen ("Cumulated gain-based evaluation of IR
techniques", ACM TOIS 20(4), 2002) with gain 1 for good and the discount 1 / log2(1 + rank).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, Literal

from msgspec import Struct

from xray.forensics.case import Case
from xray.forensics.evidence import RunEvidence
from xray.forensics.passages import Passage
from xray.forensics.wording import count_things, list_items, show_candidate
from xray.model.labels import Label
from xray.model.quality import LabelCounts, Measure, Miss, Quality, StepQuality
from xray.model.records import Step
from xray.model.vocabulary import LabelWord, StepType

DEFAULT_K: Final = 10
_MAX_MISSES: Final = 10
_MAX_NAMED: Final = 3

_Fate = Literal["kept", "unknown", "dropped", "absent"]
_STRONGEST: Final[tuple[_Fate, ...]] = ("kept", "unknown", "dropped", "absent")
_Key = tuple[str, str, StepType]


class RankedList(Struct, frozen=True):
    """The labelled candidates of one ranking, from its top.

    Args:
        ranks: their ranks.
        words: their labels, in the same order.
        size: how many candidates were ranked; None where that is unknown.
    """

    ranks: tuple[int, ...]
    words: tuple[LabelWord, ...]
    size: int | None = None

    @classmethod
    def of(cls, placed: Iterable[tuple[int, LabelWord]], size: int | None = None) -> RankedList:
        """A list of ranks with labels; of those on one rank the bad come first."""
        ordered = sorted(placed, key=lambda one: (one[0], one[1] == "good"))
        return cls(tuple(rank for rank, _ in ordered), tuple(word for _, word in ordered), size)

    @property
    def reciprocal_rank(self) -> tuple[float, float, float] | None:
        """One over the place of the first good: among the labelled, at least, and at most.

        At least, where no other candidate is good; at most, where all of them are.
        """
        if "good" not in self.words:
            return None
        place = self.words.index("good")
        bad = {rank for rank, word in zip(self.ranks, self.words, strict=True) if word == "bad"}
        first = next(rank for rank in range(1, len(bad) + 2) if rank not in bad)
        rank = max(1, self.ranks[place])
        return 1 / (place + 1), 1 / max(rank, place + 1), 1 / min(first, place + 1)

    @property
    def ndcg(self) -> float | None:
        """How near the order is to all good before all bad; None without both."""
        if len(set(self.words)) < 2:
            return None
        gains = [
            1 / math.log2(place + 2) for place, word in enumerate(self.words) if word == "good"
        ]
        return sum(gains) / sum(1 / math.log2(place + 2) for place in range(len(gains)))

    def count_top(self, k: int) -> tuple[int, int, int | None]:
        """How many good and bad stand on the first *k* ranks, and how many candidates do."""
        top = [word for rank, word in zip(self.ranks, self.words, strict=True) if rank <= k]
        good = top.count("good")
        size = None if self.size is None else min(k, self.size)
        return good, len(top) - good, None if size is None or size < len(top) else size


class _Tally(Struct):
    """What is known of one step, in all runs so far."""

    role: str
    ordinal: int
    runs: int = 0
    counts: dict[tuple[LabelWord, _Fate], int] = {}
    kept: int | None = 0
    lists: list[RankedList] = []
    lost_good: list[Miss] = []
    kept_bad: list[Miss] = []
    doubts: dict[str, None] = {}

    def get(self, word: LabelWord) -> LabelCounts:
        named = {fate: self.counts.get((word, fate), 0) for fate in _STRONGEST}
        return LabelCounts(**named)


class QualityGauge:
    """Adds up, run by run, how well steps keep what is good.

    Args:
        k: how many first ranks precision at k is about.
    """

    def __init__(self, k: int = DEFAULT_K) -> None:
        self._k = k
        self._tallies: dict[_Key, _Tally] = {}
        self._runs: dict[str, int] = {}
        self._words: dict[LabelWord, int] = {"good": 0, "bad": 0}

    def add(self, evidence: RunEvidence, labels: Sequence[Label]) -> None:
        """Add one run.

        Args:
            evidence: the run.
            labels: those of its candidates; others do not matter.
        """
        named = {label.candidate_id: label for label in labels if label.candidate_id is not None}
        if not named:
            return
        case = Case.of(evidence)
        pipeline = case.run.pipeline
        self._runs[pipeline] = self._runs.get(pipeline, 0) + 1
        found: dict[_Key, list[tuple[Label, Passage]]] = {}
        for candidate_id, label in named.items():
            self._words[label.label] += 1
            for passage in case.journey(candidate_id).passages:
                step = passage.step
                if case.flow.role(step) in ("creates", "keeps"):
                    key = (pipeline, step.name, step.step_type)
                    found.setdefault(key, []).append((label, passage))
        for key, passages in found.items():
            self._add_step(case, key, passages)

    def _add_step(self, case: Case, key: _Key, passages: list[tuple[Label, Passage]]) -> None:
        steps = {passage.step.step_id: passage.step for _, passage in passages}
        first = next(iter(steps.values()))
        tally = self._tallies.get(key)
        if tally is None:
            tally = _Tally(case.flow.role(first), first.ordinal)
            self._tallies[key] = tally
        tally.runs += 1
        tally.ordinal = min(tally.ordinal, first.ordinal)
        kept = count_kept(first) if len(steps) == 1 else None
        tally.kept = None if kept is None or tally.kept is None else tally.kept + kept
        for label, own in _group(passages):
            fate, passage = _settle(own)
            place = (label.label, fate)
            tally.counts[place] = tally.counts.get(place, 0) + 1
            if fate == "unknown" and passage.because:
                tally.doubts[passage.because] = None
            _note_miss(tally, label, fate, passage)
        size = case.flow.ledger(first).decided_count if len(steps) == 1 else None
        tally.lists += _read_lists(passages, size)

    def report(self, *, is_complete: bool = True) -> Quality:
        """How well the steps did in the runs that were added.

        Args:
            is_complete: whether these were all runs in question.
        """
        order = sorted(
            self._tallies.items(),
            key=lambda one: (-self._runs[one[0][0]], one[0][0], one[1].ordinal),
        )
        steps = [
            self._describe(key, tally)
            for key, tally in order
            if key[2] != "generate" or _has_any(tally)
        ]
        good, bad = self._words["good"], self._words["bad"]
        return Quality(
            answer=_word(sum(self._runs.values()), good, bad, steps),
            k=self._k,
            runs=sum(self._runs.values()),
            good=good,
            bad=bad,
            steps=steps,
            complete=is_complete,
        )

    def _describe(self, key: _Key, tally: _Tally) -> StepQuality:
        pipeline, name, step_type = key
        good, bad = tally.get("good"), tally.get("bad")
        so_far = _share(good.kept, good.dropped + good.absent, good.unknown)
        recall = so_far
        if tally.role == "keeps":
            recall = _share(good.kept, good.dropped, good.unknown)
        return StepQuality(
            pipeline=pipeline,
            name=name,
            step_type=step_type,
            runs=tally.runs,
            good=good,
            bad=bad,
            precision=_precision(good.kept, bad.kept, tally.kept),
            recall=recall,
            recall_so_far=so_far,
            precision_at_k=_precision_at(tally.lists, self._k),
            reciprocal_rank=_mean_reciprocal_rank(tally.lists),
            ndcg=_mean_ndcg(tally.lists),
            lost_good=tally.lost_good,
            kept_bad=tally.kept_bad,
            certainty="unknown" if tally.doubts else "known",
            because="; ".join(list(tally.doubts)[:_MAX_NAMED]),
        )


def rate_run(evidence: RunEvidence, labels: Sequence[Label], k: int = DEFAULT_K) -> Quality:
    """How well the steps of one run keep what is good."""
    gauge = QualityGauge(k)
    gauge.add(evidence, labels)
    return gauge.report()


def count_kept(step: Step) -> int | None:
    """How many candidates a step let go on; None where it recorded none that did."""
    counts = step.counts
    return counts.selected or counts.accepted or None


def _group(passages: list[tuple[Label, Passage]]) -> Iterable[tuple[Label, list[Passage]]]:
    grouped: dict[str | None, tuple[Label, list[Passage]]] = {}
    for label, passage in passages:
        grouped.setdefault(label.candidate_id, (label, []))[1].append(passage)
    return grouped.values()


def _settle(passages: Sequence[Passage]) -> tuple[_Fate, Passage]:
    """What became of a candidate at the steps of one name: the best that did."""
    judged = [(_read_fate(passage), passage) for passage in passages]
    return min(judged, key=lambda one: _STRONGEST.index(one[0]))


def _read_fate(passage: Passage) -> _Fate:
    if passage.fate == "in":
        return "kept"
    if passage.fate == "maybe" or passage.certainty == "unknown":
        return "unknown"
    return "dropped" if passage.fate == "out" else "absent"


def _note_miss(tally: _Tally, label: Label, fate: _Fate, passage: Passage) -> None:
    against: Mapping[tuple[LabelWord, _Fate], list[Miss]] = {
        ("good", "dropped"): tally.lost_good,
        ("bad", "kept"): tally.kept_bad,
    }
    misses = against.get((label.label, fate))
    if misses is not None and len(misses) < _MAX_MISSES:
        misses.append(
            Miss(
                run_id=label.run_id,
                step_id=passage.step.step_id,
                candidate_id=label.candidate_id or "",
                reason=None if passage.decision is None else passage.decision.reason,
                note=label.note,
            )
        )


def _read_lists(passages: Iterable[tuple[Label, Passage]], size: int | None) -> list[RankedList]:
    """The ranking of each step and each `by`, as far as it ranks labelled candidates."""
    placed: dict[tuple[str, str | None], list[tuple[int, LabelWord]]] = {}
    for label, passage in passages:
        for row in passage.decisions:
            if row.rank is not None and row.decision is not None:
                key = (passage.step.step_id, row.by)
                placed.setdefault(key, []).append((row.rank, label.label))
    return [RankedList.of(ranks, size if by is None else None) for (_, by), ranks in placed.items()]


def _share(part: int, rest: int, unknown: int) -> Measure | None:
    """*part* of part and rest, with what bounds it where *unknown* belong to either or neither."""
    whole = part + rest
    if not whole:
        return None
    return Measure(
        value=part / whole,
        least=part / (whole + unknown),
        most=(part + unknown) / (whole + unknown),
        n=whole,
    )


def _precision(good: int, bad: int, kept: int | None) -> Measure | None:
    if not good + bad:
        return None
    is_bounded = kept is not None and kept >= good + bad
    return Measure(
        value=good / (good + bad),
        least=good / kept if is_bounded and kept else None,
        most=(kept - bad) / kept if is_bounded and kept else None,
        n=good + bad,
    )


def _precision_at(lists: Sequence[RankedList], k: int) -> Measure | None:
    tops = [one.count_top(k) for one in lists]
    sizes = [size for _, _, size in tops if size is not None]
    good, bad = sum(one[0] for one in tops), sum(one[1] for one in tops)
    return _precision(good, bad, sum(sizes) if len(sizes) == len(tops) else None)


def _mean_reciprocal_rank(lists: Sequence[RankedList]) -> Measure | None:
    found = [one for one in (ranked.reciprocal_rank for ranked in lists) if one is not None]
    if not found:
        return None
    value, least, most = (sum(column) / len(found) for column in zip(*found, strict=True))
    return Measure(value=value, least=least, most=most, n=len(found))


def _mean_ndcg(lists: Sequence[RankedList]) -> Measure | None:
    found = [one for one in (ranked.ndcg for ranked in lists) if one is not None]
    return Measure(value=sum(found) / len(found), n=len(found)) if found else None


def _has_any(tally: _Tally) -> bool:
    """Whether a labelled candidate came there: a step that makes queries has none of them."""
    return any(count for (_, fate), count in tally.counts.items() if fate in ("kept", "dropped"))


def _word(runs: int, good: int, bad: int, steps: Sequence[StepQuality]) -> str:
    if not runs:
        return (
            "No candidate of these runs is labelled. Say of some that they are good or bad: "
            "`xray label RUN good --candidate ID`."
        )
    labelled = count_things(good + bad, "labelled candidate")
    told = [f"{count_things(runs, 'run')} with {labelled}: {good:,} good, {bad:,} bad."]
    losing = max(steps, key=lambda step: step.good.dropped, default=None)
    if losing is not None and losing.good.dropped:
        came = losing.good.kept + losing.good.dropped
        told.append(
            f"Most good ones are lost at {losing.name}: it drops {losing.good.dropped:,} of the "
            f"{came:,} that come there ({_name(losing.lost_good, losing.good.dropped)})."
        )
    elif good:
        told.append("No step drops one that is labelled good, as far as was recorded.")
    missing = max((step for step in steps if _finds(step)), key=_count_missing, default=None)
    if missing is not None and _count_missing(missing):
        told.append(f"{missing.name} does not find {missing.good.absent:,} of the {good:,} good.")
    last = next((step for step in reversed(steps) if step.precision is not None), None)
    if last is not None and last.precision is not None and bad:
        wrong = f" ({_name(last.kept_bad, last.bad.kept)})" if last.kept_bad else ""
        number = f"{last.bad.kept:,} are" if last.bad.kept > 1 else "1 is"
        told.append(
            f"Of the {last.precision.n:,} labelled that {last.name} keeps, "
            f"{number if last.bad.kept else 'none is'} bad{wrong}."
        )
    return " ".join(told)


def _finds(step: StepQuality) -> bool:
    return step.step_type in ("retrieve", "generate")


def _count_missing(step: StepQuality) -> int:
    return step.good.absent


def _name(misses: Sequence[Miss], count: int) -> str:
    """Some of the *count* candidates that *misses* are the first of."""
    ids = list(dict.fromkeys(one.candidate_id for one in misses))[:_MAX_NAMED]
    more = count - sum(one.candidate_id in ids for one in misses)
    names = [show_candidate(one) for one in ids]
    return list_items([*names, f"{more:,} more"] if more > 0 else names)
