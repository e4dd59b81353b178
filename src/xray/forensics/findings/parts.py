"""Parts of one stage that should be alike: shards, batches, the origins of a retrieval.

Steps of one name but for a number (`search_shard_1`, `search_shard_2`) do the same to different
parts of the same thing, so what one of them does is a measure for the others.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from statistics import mean, median
from typing import Any, Final

from msgspec.structs import replace

from xray.forensics.case import Case
from xray.forensics.findings.noticing import SURPRISES, notice
from xray.forensics.origins import Link
from xray.forensics.redeciding import is_number
from xray.forensics.wording import count_things, list_items
from xray.model.answers import Finding
from xray.model.records import Origin, Step
from xray.model.vocabulary import BELOW_CUT

_MIN_PARTS: Final = 3
_MIN_USUAL: Final = 2
_MIN_EXPECTED: Final = 4.0
"""A part that should have returned fewer may by chance return nothing (e ** -4 is 1.8 %)."""
_IF_NO_SHARDS: Final = 0.6
_SHARD_WORDS: Final = frozenset(
    {"shard", "partition", "part", "segment", "bucket", "replica", "node", "index", "region"}
)
_MIN_SLOWER: Final = 10.0
_MIN_SLOWER_MS: Final = 500.0
_MIN_ORIGINS: Final = 3
_MIN_EACH: Final = 5
_FARTHEST_LIMIT: Final = 10
"""A limit more than that many times what each origin brought is one that nothing ever reaches."""
_EVEN_SURPRISE: Final = 0.75
_MAX_ORIGINS: Final = 64
_LIMIT_WORDS: Final = frozenset(
    {"limit", "top", "topk", "topn", "k", "hits", "max", "size", "results", "shortlist", "n"}
)
_THRESHOLD_WORDS: Final = frozenset({"min", "threshold", "cutoff", "floor", "least"})
"""Words of a parameter that says from where on anything is kept, besides how many."""
_CUT_NAMES: Final = frozenset({"top", "top_k", "topk", "top_n", "topn", "k", "shortlist"})
_DIGITS: Final = re.compile(r"\d+")
_WORDS: Final = re.compile(r"[a-z]+|[A-Z][a-z]*")


def find_in_parts(case: Case) -> Iterator[Finding]:
    """Parts that returned nothing, are not there, or took far longer than their siblings."""
    names = {step.name for step in case.evidence.steps}
    for parts in _group_parts(case):
        if case.flow.role(parts[0]) == "creates":
            yield from _find_silent(case, parts)
            yield from _find_gaps(parts, names)
        if case.flow.role(parts[0]) == "creates" or len({part.name for part in parts}) == 1:
            yield from _find_slow(parts)


def _group_parts(case: Case) -> Iterator[list[Step]]:
    groups: dict[tuple[str | None, str, str], list[Step]] = {}
    for step in case.flow.deciding_steps:
        kind = _DIGITS.sub("#", step.name)
        groups.setdefault((step.parent_step_id, step.step_type, kind), []).append(step)
    return (parts for parts in groups.values() if len(parts) >= _MIN_PARTS)


def _find_silent(case: Case, parts: Sequence[Step]) -> Iterator[Finding]:
    counted = [part for part in parts if part.status == "completed"]
    silent = [part for part in counted if not part.output_count and not _has_logged(case, part)]
    returned = [part.output_count or 0 for part in counted if part.output_count]
    if len(returned) < _MIN_USUAL or not silent or min(returned) < 2:
        return
    expected = mean(returned)
    if expected < _MIN_EXPECTED or len({part.name for part in parts}) < len(parts):
        return
    rarity = min(SURPRISES["silent_part"], 1 - math.exp(-expected))
    for part in silent:
        if part is parts[-1] and not _are_shards(parts):
            continue  # whoever searches in rounds stops when a round brings nothing
        text = (
            f"{part.name} returned nothing, while its {len(returned)} siblings returned "
            f"{min(returned):,} to {max(returned):,} candidates each."
        )
        yield notice(
            part,
            "silent_part",
            text,
            "inferred",
            because="steps of one name but for a number are taken for parts of the same thing",
            surprise=rarity if _are_shards(parts) else _IF_NO_SHARDS,
        )


def _are_shards(parts: Sequence[Step]) -> bool:
    """Whether their name says that each holds a part of the same; else they may be rounds."""
    return not _SHARD_WORDS.isdisjoint(_words_of(parts[0].name))


def _has_logged(case: Case, part: Step) -> bool:
    return any(True for _ in case.flow.ledger(part).candidate_ids)


def _find_gaps(parts: Sequence[Step], names: AbstractSet[str]) -> Iterator[Finding]:
    """Where the names of parts are numbered, the numbers that are not there."""
    numbers = [_DIGITS.findall(part.name) for part in parts]
    if any(len(found) != 1 for found in numbers):
        return
    there = sorted({int(found[0]) for found in numbers})
    if len(there) < _MIN_PARTS or there[0] > 1 or there[-1] > 2 * len(there):
        return
    numbered = [
        _DIGITS.sub(str(number), parts[0].name)
        for number in range(there[0], there[-1])
        if number not in there
    ]
    gone = [name for name in numbered if name not in names]
    if not gone:
        return
    verb = "was" if len(gone) == 1 else "were"
    text = f"{list_items(gone)} {verb} not recorded, though {parts[-1].name} was."
    because = "the numbers in the names of the other parts run from one to the next"
    surprise = None if _are_shards(parts) else _IF_NO_SHARDS
    yield notice(parts[-1], "missing_part", text, "inferred", because=because, surprise=surprise)


def _find_slow(parts: Sequence[Step]) -> Iterator[Finding]:
    timed = [(part.duration_ms, part) for part in parts if part.duration_ms is not None]
    if len(timed) < _MIN_PARTS:
        return
    slowest, part = max(timed, key=lambda pair: pair[0])
    others = [duration for duration, other in timed if other is not part]
    usual = median(others)
    if slowest < _MIN_SLOWER * usual or slowest - usual < _MIN_SLOWER_MS:
        return
    text = (
        f"{part.name} took {_say_seconds(slowest)}, its {len(others)} siblings "
        f"{_say_seconds(usual)} in the middle and {_say_seconds(max(others))} at most."
    )
    yield replace(notice(part, "slow_part", text), observed=slowest, expected=usual)


def _say_seconds(duration_ms: float) -> str:
    return f"{duration_ms / 1000:,.1f} s" if duration_ms >= 100 else f"{duration_ms:.0f} ms"


def find_in_limits(case: Case, step: Step) -> Iterator[Finding]:
    """Where *step* stopped short of a limit that its own parameters name."""
    params = step.params if isinstance(step.params, dict) else {}
    if step.status != "completed":
        return
    if case.flow.role(step) == "creates":
        yield from _find_short_origins(step, params)
    else:
        yield from _find_short_cut(step, params)


def _find_short_cut(step: Step, params: Mapping[str, Any]) -> Iterator[Finding]:
    """It cut candidates off though its limit left room for them."""
    below = step.rejections.get(BELOW_CUT)
    kept = step.counts.selected or step.counts.accepted
    named = [
        (name, limit)
        for name, limit in params.items()
        if str(name).lower() in _CUT_NAMES and is_number(limit) and limit > 0
    ]
    has_threshold = any(not _THRESHOLD_WORDS.isdisjoint(_words_of(str(name))) for name in params)
    if below is None or not below.count or len(named) != 1 or has_threshold:
        return
    ((name, limit),) = named
    if kept >= min(limit, kept + below.count):
        return
    text = (
        f"{step.name} kept {kept:,} and cut {count_things(below.count)} off, though its {name} is "
        f"{limit:,}."
    )
    yield notice(step, "short_of_limit", text, count=below.count)


def _find_short_origins(step: Step, params: Mapping[str, Any]) -> Iterator[Finding]:
    """Each origin brought the same number, as behind a cut, and the limit is another."""
    limits = [
        (name, value)
        for name, value in params.items()
        if is_number(value) and not _LIMIT_WORDS.isdisjoint(_words_of(str(name)))
    ]
    totals = [one.accepted + one.selected + one.rejected for one in step.origins]
    if len(totals) < _MIN_ORIGINS or len(set(totals)) != 1 or len(limits) != 1:
        return
    ((name, limit),) = limits
    (each,) = set(totals)
    if each < _MIN_EACH or not each < limit <= _FARTHEST_LIMIT * each:
        return
    text = (
        f"Each of the {len(totals)} origins of {step.name} brought exactly {each:,} candidates, as "
        f"a cut would leave; its {name} is {limit:,}."
    )
    because = "independent searches seldom find equally many"
    yield notice(step, "short_of_limit", text, "inferred", because=because, surprise=_EVEN_SURPRISE)


def _words_of(name: str) -> set[str]:
    return {word.lower() for word in _WORDS.findall(name)}


def find_in_origins(case: Case, step: Step) -> Iterator[Finding]:
    """Origins that no earlier step recorded, where the step's other origins were recorded."""
    named = step.origins[:_MAX_ORIGINS]
    if len(named) < 2 or len(step.origins) > _MAX_ORIGINS:
        return
    links = [
        (case.origins.resolve(Origin(candidate_id=one.candidate_id, step_id=one.step_id), step))
        for one in named
    ]
    strange = {link.origin.candidate_id for link in links if _is_unrecorded(link)}
    sources = {link.source.step_id for link in links if link.source and link.origin.is_recorded}
    is_whole = all(
        case.flow.ledger(case.evidence.steps_by_id[one]).is_complete() for one in sources
    )
    if not strange or not sources or not is_whole or 2 * len(strange) > len(links):
        return
    # What came by a recorded origin too may name its index or its source as well.
    ledger = case.flow.ledger(step)
    origins = ledger.table.origins
    stray = [at for at in ledger.shown if origins[at] and strange.issuperset(origins[at])]
    if not stray:
        return
    told = list_items([f'"{name}"' for name in sorted({origins[at][0] for at in stray})])
    verb = "alone brought" if len({origins[at] for at in stray}) == 1 else "brought"
    others = list_items(sorted({case.evidence.steps_by_id[one].name for one in sources}))
    text = (
        f"{told} {verb} {count_things(len(stray))} to {step.name}, but no earlier step recorded "
        f"it; other origins are from {others}."
    )
    names = [ledger.table.candidate_ids[at] for at in stray]
    yield notice(step, "unrecorded_origin", text, count=len(names), examples=names)


def _is_unrecorded(link: Link) -> bool:
    return link.source is None and not link.is_in_output
