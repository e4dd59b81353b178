"""From sums over runs to the answer: what they would have decided with other limits, in words."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from xray.errors import ServerError
from xray.model.limit_totals import Count, Curve, Extent, GroupKey, GroupTotals, Totals
from xray.model.operators import ORDERINGS
from xray.model.records import Scan
from xray.model.sketch import Sketch
from xray.model.vocabulary import Operator, parse_operator
from xray.model.what_if import CurvePoint
from xray.model.what_if_runs import (
    Blindness,
    Changed,
    Doubt,
    LimitsTried,
    RunBounds,
    StepOfRuns,
    Unjudged,
    WhatIfOfRuns,
)
from xray.query.spelling import find_nearest

_MAX_STEPS: Final = 10
_SHARES: Final = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
_BLIND: Final[dict[Blindness, str]] = {
    "no_such_check": "recorded no such check",
    "not_kept": "kept counts only",
    "no_evidence": "did not record what the check observed",
    "not_comparable": "recorded a check that cannot be compared with this limit",
}
_DOUBTS: Final[dict[Doubt, str]] = {
    "skipped": "not every candidate was put to every check",
    "hidden": "the checks of a sample of the decisions were kept",
    "silent": "checks were recorded only of candidates that were rejected",
    "overruled": "candidates were kept that failed the check",
}


def answer_totals(
    totals: Totals,
    *,
    scan: Scan | None = None,
    next_cursor: str | None = None,
    is_part: bool = False,
) -> WhatIfOfRuns:
    """The answer that *totals* are.

    Args:
        totals: the sums.
        scan: how far the search came.
        next_cursor: what goes on where it stopped; None when it came to the end.
        is_part: whether other parts of the same answer were or will be given.
    """
    limits: dict[str, Any] = msgspec.json.decode(totals.limits)
    ordered = sorted(totals.groups, key=lambda key: (-totals.groups[key].kept, key))
    steps = [_show_group(key, totals.groups[key]) for key in ordered[:_MAX_STEPS]]
    because = _explain_doubts(totals)
    return WhatIfOfRuns(
        limits=limits,
        answer=_word(totals, limits, steps),
        runs=totals.runs.stored,
        estimated_runs=_plain(totals.runs),
        is_estimated=_is_estimated(totals),
        judged=totals.judged.stored,
        exact=totals.exact.stored,
        unjudged=[
            Unjudged(why=why, runs=count.stored, estimated_runs=_plain(count))
            for why in _BLIND
            if (count := totals.unjudged.get(why)) is not None
        ],
        doubts={why: totals.doubts[why].stored for why in _DOUBTS if why in totals.doubts},
        kept=totals.kept.stored,
        newly_kept=_show_change(totals.newly_kept, totals.keeping),
        newly_dropped=_show_change(totals.newly_dropped, totals.dropping),
        touched=_show_runs(totals.touched),
        steps=steps,
        has_more_steps=totals.has_more_groups or len(totals.groups) > _MAX_STEPS,
        examples=totals.examples,
        checks=sorted(totals.checks) if not totals.judged.stored else [],
        certainty="unknown" if because else "known",
        because=because,
        complete=next_cursor is None,
        next_cursor=next_cursor,
        scan=scan,
        state=_pack(totals) if is_part else msgspec.UNSET,
    )


def add_parts(parts: Sequence[WhatIfOfRuns]) -> WhatIfOfRuns:
    """The answer that *parts* of it are together, in the order they came.

    Raises:
        ServerError: they do not hold what they could be added up from.
    """
    if len(parts) == 1:
        return parts[0]
    totals = unpack(parts[0].state or "")
    for part in parts[1:]:
        totals = totals + unpack(part.state or "")
    last = parts[-1]
    looked_at = sum(part.scan.rows for part in parts if part.scan is not None)
    scan = None if last.scan is None else Scan(rows=looked_at, back_to=last.scan.back_to)
    return answer_totals(totals, scan=scan, next_cursor=last.next_cursor, is_part=not last.complete)


def _pack(totals: Totals) -> str:
    pairs = [(key, totals.groups[key]) for key in sorted(totals.groups)]
    packed = msgspec.msgpack.encode((msgspec.structs.replace(totals, groups={}), pairs))
    return base64.b64encode(packed).decode("ascii")


def unpack(text: str) -> Totals:
    """The sums that the `state` of a part is.

    Raises:
        ServerError: it is none.
    """
    try:
        packed = base64.b64decode(text, validate=True)
        totals, pairs = msgspec.msgpack.decode(
            packed, type=tuple[Totals, list[tuple[GroupKey, GroupTotals]]]
        )
    except (binascii.Error, msgspec.MsgspecError) as error:
        raise ServerError(
            "The parts of the answer cannot be added up.",
            hint="Ask a server of the same version: `xray doctor`.",
            code="unexpected_answer",
        ) from error
    return msgspec.structs.replace(totals, groups=dict(pairs))


def _show_change(extent: Extent, runs: Extent) -> Changed:
    return Changed(
        least=extent.least.stored,
        most=extent.most.stored,
        estimated_least=_plain(extent.least),
        estimated_most=_plain(extent.most),
        runs=_show_runs(runs),
    )


def _show_runs(extent: Extent) -> RunBounds:
    return RunBounds(
        least=extent.least.stored,
        most=extent.most.stored,
        estimated_least=_plain(extent.least),
        estimated_most=_plain(extent.most),
    )


def _plain(count: Count) -> float:
    return round(count.estimate, 4)


def _is_estimated(totals: Totals) -> bool:
    return abs(totals.runs.estimate - totals.runs.stored) > 1e-3


def _show_group(key: GroupKey, group: GroupTotals) -> StepOfRuns:
    changes = [
        LimitsTried(
            check=name,
            field=field,
            op=op,
            was=[msgspec.json.decode(one) for one in sorted(was)],
            is_was_whole=not group.has_more_limits,
            now=msgspec.json.decode(now),
        )
        for (name, field, op, now), was in zip(key.checks, group.was, strict=True)
    ]
    least = group.kept + group.newly_kept[0] - group.newly_dropped[1]
    most = group.kept + group.newly_kept[1] - group.newly_dropped[0]
    said = _list([_word_change(one) for one in changes])
    number = "the same" if least == most == group.kept else f"{_range(least, most)} instead of"
    return StepOfRuns(
        pipeline=key.pipeline,
        name=key.name,
        step_type=key.step_type,
        changes=changes,
        steps=group.steps,
        kept=group.kept,
        least=least,
        most=most,
        newly_kept_least=group.newly_kept[0],
        newly_kept_most=group.newly_kept[1],
        newly_dropped_least=group.newly_dropped[0],
        newly_dropped_most=group.newly_dropped[1],
        curve=_draw_curve(group.curve, changes[0], (least, most)),
        text=f"With {said} {key.name} would have kept {number} {_count(group.kept, 'candidate')}"
        + (f", in {group.steps:,} runs." if group.steps > 1 else ".")
        + f" {group.labelled.word()}".rstrip(),
        quality=group.labelled.describe(),
    )


def _draw_curve(curve: Curve | None, change: LimitsTried, now: tuple[int, int]) -> list[CurvePoint]:
    op = parse_operator(change.op)
    if curve is None or op not in ORDERINGS:
        return []
    known = [one for one in (curve.surely, curve.maybe, curve.met, curve.failed) if one is not None]
    tried = {share_value(one, share) for one in known for share in _SHARES}
    limits = [one for one in (*change.was, change.now) if isinstance(one, (int, float))]
    ordered = sorted(tried)
    if len(ordered) > len(_SHARES):
        last = len(ordered) - 1
        ordered = [ordered[last * place // (len(_SHARES) - 1)] for place in range(len(_SHARES))]
    was = change.was[0] if change.is_was_whole and len(change.was) == 1 else None
    return [
        CurvePoint(limit, *(now if limit == change.now else bound_curve(curve, op, limit, was)))
        for limit in sorted({*ordered, *limits})
    ]


def share_value(sketch: Sketch, share: float) -> float:
    """A value near the one below which *share* of the values lie."""
    first, last = sketch.bounds_at(share)
    middle = first + (last - first) / 2
    short = float(f"{middle:.3g}")
    return short if first <= short <= last else middle


def bound_curve(curve: Curve, op: Operator, limit: float, was: object = None) -> tuple[int, int]:
    """How many candidates are kept at *limit*, at least and at most.

    Args:
        curve: what is known of them.
        op: how the check compares.
        limit: the limit.
        was: the limit that all of them were held to; None where it was not one.
    """
    surely, maybe = _bound(curve.surely, op, limit), _bound(curve.maybe, op, limit)
    met, failed = _bound(curve.met, op, limit), _bound(curve.failed, op, limit)
    lost_most = 0 if curve.met is None else curve.met.count - met[0]
    lost_least = 0 if curve.met is None else curve.met.count - met[1]
    kept_least = max(0, curve.kept - lost_most)
    kept_most = curve.kept - max(0, min(curve.kept, lost_least - curve.others))
    is_looser = is_tighter = False
    if isinstance(was, (int, float)):
        is_upper = op in ("<", "<=")
        is_looser = limit >= was if is_upper else limit <= was
        is_tighter = limit <= was if is_upper else limit >= was
    least = curve.always + surely[0] + kept_least + (curve.silent if is_looser else 0)
    most = curve.always + surely[1] + maybe[1] + kept_most + curve.silent
    most += min(curve.waiting, failed[1]) + (0 if is_tighter else curve.unproven)
    return least, most


def _bound(sketch: Sketch | None, op: Operator, limit: float) -> tuple[int, int]:
    if sketch is None:
        return 0, 0
    least, most = sketch.bound_below(limit, is_included=op in ("<=", ">"))
    return (least, most) if op in ("<", "<=") else (sketch.count - most, sketch.count - least)


def _word(totals: Totals, limits: dict[str, Any], steps: Sequence[StepOfRuns]) -> str:
    if not totals.runs.stored:
        return "There is no such run."
    if not totals.judged.stored:
        return _word_nothing_judged(totals, limits)
    told = [_word_changes(totals, limits, steps)]
    if totals.touched.most.stored:
        number = _range(totals.touched.least.stored, totals.touched.most.stored)
        noun = "run" if totals.touched.most.stored == 1 else "runs"
        told.append(f"In {number} {noun} a candidate that was selected would have been dropped.")
    blind = _word_unjudged(totals)
    if blind:
        told.append(blind)
    if _is_estimated(totals):
        told.append(_word_estimate(totals))
    if totals.newly_kept.most.stored:
        told.append(
            "What later steps would make of the candidates kept besides, only a rerun can tell."
        )
    return " ".join(told)


def _word_changes(totals: Totals, limits: dict[str, Any], steps: Sequence[StepOfRuns]) -> str:
    of = f"{_count(totals.judged.stored, 'run')}"
    if totals.judged.stored != totals.runs.stored:
        of = f"{totals.judged.stored:,} of {_count(totals.runs.stored, 'run')}"
    changes = {(one.field, one.op): one for step in steps for one in step.changes}
    said = _list(
        [_word_change(one) for one in changes.values()]
        if len(changes) == len(limits) and all(_has_one_limit(steps, key) for key in changes)
        else [f"{name} = {_value(limit)}" for name, limit in limits.items()]
    )
    parts = [
        f"{verb} {_word_flips(extent, runs, totals.judged.stored)}"
        for verb, extent, runs in (
            ("kept", totals.newly_kept, totals.keeping),
            ("dropped", totals.newly_dropped, totals.dropping),
        )
        if extent.most.stored
    ]
    if not parts:
        return f"With {said}, {of} would have decided the same."
    return f"With {said}, {of} would have {', and '.join(parts)}."


def _has_one_limit(steps: Sequence[StepOfRuns], key: tuple[str, str]) -> bool:
    found = [one for step in steps for one in step.changes if (one.field, one.op) == key]
    return all(one.was == found[0].was and one.is_was_whole for one in found)


def _word_flips(extent: Extent, runs: Extent, judged: int) -> str:
    least, most = extent.least.stored, extent.most.stored
    said = f"{_range(least, most)} {'candidate' if most == 1 else 'candidates'} besides"
    if judged == 1:
        return said
    if runs.least.stored == judged:
        return f"{said}, some in each"
    return f"{said} in {_range(runs.least.stored, runs.most.stored)} of them"


def _word_estimate(totals: Totals) -> str:
    parts = [
        f"{_about(extent)} candidates {said}"
        for extent, said in ((totals.newly_kept, "kept besides"), (totals.newly_dropped, "dropped"))
        if extent.most.stored
    ]
    changes = f", and {' and '.join(parts)}" if parts else ""
    return (
        f"These are the runs that were kept; by their weights there were about "
        f"{totals.runs.estimate:,.0f} runs{changes}."
    )


def _about(extent: Extent) -> str:
    least, most = round(extent.least.estimate), round(extent.most.estimate)
    return f"about {_range(least, most)}"


def _word_unjudged(totals: Totals) -> str:
    parts = [
        f"{totals.unjudged[why].stored:,} {said}"
        for why, said in _BLIND.items()
        if why in totals.unjudged
    ]
    if not parts:
        return ""
    number = sum(count.stored for count in totals.unjudged.values())
    if len(parts) == 1:
        parts = [f"{'it' if number == 1 else 'they'} {_BLIND[_only(totals)[0]]}"]
    return f"{_count(number, 'run')} could not be judged: {_list(parts)}."


def _only(totals: Totals) -> list[Blindness]:
    return [why for why in _BLIND if why in totals.unjudged]


def _word_nothing_judged(totals: Totals, limits: dict[str, Any]) -> str:
    names = _list(list(limits), "or")
    number = totals.runs.stored
    told = f"None of {number:,} runs" if number > 1 else "The only run"
    told += f" could {'' if number > 1 else 'not '}be judged by {names}: "
    whole = [
        f"{totals.unjudged[why].stored:,} {_BLIND[why]}" if number > 1 else f"it {_BLIND[why]}"
        for why in _only(totals)
    ]
    told += f"{_list(whole)}."
    for name in limits:
        near = find_nearest(name, sorted(totals.checks))
        if near is not None:
            told += f" Did you mean {near!r}?"
    return told


def _explain_doubts(totals: Totals) -> str:
    return "; ".join(
        f"{said}, in {_count(totals.doubts[why].stored, 'run')}"
        for why, said in _DOUBTS.items()
        if why in totals.doubts
    )


def _word_change(change: LimitsTried) -> str:
    said = f"{change.field} {change.op} {_value(change.now)}"
    if change.is_was_whole and len(change.was) == 1:
        return f"{said} instead of {_value(change.was[0])}"
    return said


def _value(value: object) -> str:
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        value = int(value)
    return msgspec.json.encode(value).decode()


def _range(least: int, most: int) -> str:
    return f"{least:,}" if least == most else f"{least:,} to {most:,}"


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def _list(items: Sequence[str], conjunction: str = "and") -> str:
    if len(items) <= 1:
        return "".join(items)
    return f"{', '.join(items[:-1])} {conjunction} {items[-1]}"
