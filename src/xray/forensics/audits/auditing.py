"""How the steps of many runs choose: by place, by score, for reasons that hold."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Final

from msgspec.structs import replace

from xray.forensics.audits.gathering import Choice, list_draws
from xray.forensics.audits.places import Draw, chance_of_hits, chance_of_places
from xray.forensics.audits.shares import bound_share
from xray.forensics.findings.reasoning import tell_claim
from xray.forensics.groups.chance import adjust
from xray.forensics.wording import count_things, list_items
from xray.model.audit import (
    Audit,
    AuditedShare,
    ChoiceAudit,
    ChoiceExample,
    OfferedOrder,
    PlaceTest,
    PositionAudit,
)

FAMILY: Final = 0.01
"""How often any place is called preferred where none is, at most."""
MIN_CHOICES: Final = 10
_MAX_EXAMPLES: Final = 10
_SHOWN_PLACES: Final = 10
_SCORED: Final = 0.8
"""Of this share of the choices scores must be known to say what the order means by them."""
_UNRELATED: Final = 0.2
_SURE: Final = 3.0
"""How many standard errors lie around a mean that is taken for none."""
_REORDERED: Final = 0.5

_GROUNDS: Final[dict[OfferedOrder, str]] = {
    "shuffled": "the order was shuffled",
    "unrelated": "the order does not follow the scores of the candidates, which are known",
    "by_score": "the order in which they were offered follows their scores",
    "by_rank": "the order in which they were offered is that of their ranks",
    "unknown": "no score is known, and nothing says that the order is chance",
}


def audit_choices(choices: Iterable[Choice], query: str, runs: int) -> Audit:
    """What the choices of some runs rest on, step by step.

    Args:
        choices: those of all runs.
        query: which runs they are.
        runs: how many.
    """
    groups: dict[tuple[str, str, str], list[Choice]] = {}
    for choice in choices:
        groups.setdefault((choice.pipeline, choice.name, choice.step_type), []).append(choice)
    steps = [_audit_step(group) for group in groups.values()]
    steps = _judge(sorted(steps, key=lambda step: (-step.runs, step.pipeline, step.step)))
    is_answered = bool(steps)
    return Audit(
        answer=_tell(steps, runs),
        certainty="inferred" if is_answered else "unknown",
        because="from what the steps recorded, with bounds that hold in 99 of 100"
        if is_answered
        else "no step of these runs chose among candidates that were offered to it",
        query=query,
        runs=runs,
        steps=steps,
        tests=sum(len(step.position.tests) for step in steps),
        level=FAMILY,
    )


def _audit_step(group: Sequence[Choice]) -> ChoiceAudit:
    first = group[0]
    known = [one for one in group if one.is_offer_known]
    scored = [one for one in group if one.is_best is not None]
    reasoned = [one for one in group if one.reasonings.read]
    return ChoiceAudit(
        pipeline=first.pipeline,
        step=first.name,
        step_type=first.step_type,
        runs=len(group),
        position=_audit_places(group),
        invented=_share(
            [(len(one.invented), len(one.chosen), one.weight) for one in known],
            (_point_at(one, name) for one in known for name in one.invented),
        ),
        unsupported=_share(
            [
                (len(one.reasonings.unsupported), one.reasonings.read, one.weight)
                for one in reasoned
            ],
            (
                _point_at(one, found.candidate_id, tell_claim(found.claims[0]))
                for one in reasoned
                for found in one.reasonings.unsupported
            ),
        ),
        agreement=_share(
            [(1 if one.is_best else 0, 1, one.weight) for one in scored],
            (_point_at(one, one.chosen[0]) for one in scored if one.is_best),
        ),
    )


def _point_at(choice: Choice, candidate_id: str, said: str = "") -> ChoiceExample:
    return ChoiceExample(
        run_id=choice.run_id, step_id=choice.step_id, candidate_id=candidate_id, said=said
    )


def _share(
    parts: Sequence[tuple[int, int, float]], examples: Iterable[ChoiceExample]
) -> AuditedShare | None:
    """The share that *parts*, how many of how many at which weight, make together."""
    count, of = sum(part[0] for part in parts), sum(part[1] for part in parts)
    if not of:
        return None
    weight = math.fsum(size * weight for _, size, weight in parts)
    share = math.fsum(hits * weight for hits, _, weight in parts) / weight
    # As many equal ones would tell as much (Kish 1965).
    worth = weight**2 / math.fsum(size * weight**2 for _, size, weight in parts)
    size = max(1, min(of, math.floor(worth + 1e-9)))
    return AuditedShare(
        count=count,
        of=of,
        share=share,
        least=bound_share(math.floor(share * size + 1e-9), size)[0],
        most=bound_share(math.ceil(share * size - 1e-9), size)[1],
        examples=[one for _, one in zip(range(_MAX_EXAMPLES), examples, strict=False)],
    )


def _audit_places(group: Sequence[Choice]) -> PositionAudit:
    drawn = list(list_draws(group))
    draws = [Draw(len(choice.offered), places) for choice, places in drawn]
    order = _find_order([choice for choice, _ in drawn])
    places = [0] * min(_SHOWN_PLACES, max((draw.offered for draw in draws), default=0))
    for draw in draws:
        for place in draw.places:
            places[min(place, len(places)) - 1] += 1
    tests = _test_places(draws) if len(draws) >= MIN_CHOICES else []
    return PositionAudit(
        bias="too_few" if not tests else "none_seen",
        order=order,
        because=_GROUNDS[order],
        choices=len(draws),
        tests=tests,
        places=places,
    )


def _test_places(draws: Sequence[Draw]) -> list[PlaceTest]:
    first = sum(1 in draw.places for draw in draws)
    last = sum(draw.offered in draw.places for draw in draws)
    expected = math.fsum(len(draw.places) / draw.offered for draw in draws)
    chosen = sum(len(draw.places) for draw in draws)
    mean = (
        math.fsum((place - 1) / (draw.offered - 1) for draw in draws for place in draw.places)
        / chosen
    )
    return [
        PlaceTest(about="first", observed=first, expected=expected, p=chance_of_hits(draws, first)),
        PlaceTest(about="last", observed=last, expected=expected, p=chance_of_hits(draws, last)),
        PlaceTest(about="mean", observed=mean, expected=0.5, p=chance_of_places(draws)),
    ]


def _find_order(choices: Sequence[Choice]) -> OfferedOrder:
    """What the order means in which candidates were offered."""
    if choices and all(choice.is_shuffled for choice in choices):
        return "shuffled"
    taus = [choice.tau for choice in choices if choice.tau is not None]
    if taus and len(taus) >= _SCORED * len(choices):
        return "unrelated" if _is_none(taus) else "by_score"
    if choices and all(choice.is_ranked for choice in choices):
        return "by_rank"
    return "shuffled" if _is_reordered(choices) else "unknown"


def _is_none(taus: Sequence[float]) -> bool:
    """Whether the order follows the scores no further than chance would let it."""
    mean = math.fsum(taus) / len(taus)
    spread = math.sqrt(math.fsum((tau - mean) ** 2 for tau in taus) / len(taus))
    return abs(mean) <= min(_UNRELATED, _SURE * spread / math.sqrt(len(taus)))


def _is_reordered(choices: Sequence[Choice]) -> bool:
    """Whether the same candidates keep coming in another order."""
    orders: dict[frozenset[str], set[tuple[str, ...]]] = {}
    for choice in choices:
        orders.setdefault(frozenset(choice.offered), set()).add(choice.offered)
    again = sum(len(found) for found in orders.values() if len(found) > 1)
    return bool(choices) and again > _REORDERED * len(choices)


def _judge(steps: Sequence[ChoiceAudit]) -> list[ChoiceAudit]:
    """*steps* with what is to be said of places, all questions counted as one family."""
    chances = iter(adjust([one.p for step in steps for one in step.position.tests]))
    judged = []
    for step in steps:
        audit = step.position
        tests = [replace(one, p=next(chances)) for one in audit.tests]
        audit = replace(audit, tests=tests)
        if any(one.p <= FAMILY for one in tests):
            is_free = audit.order in ("shuffled", "unrelated")
            audit = replace(audit, bias="biased" if is_free else "confounded")
        audit = replace(audit, text=_tell_places(step.step, audit))
        judged.append(replace(step, position=audit))
    return judged


def _tell_places(name: str, audit: PositionAudit) -> str:
    number = count_things(audit.choices, "choice")
    if audit.bias == "too_few":
        return f"{name} made {number} among candidates in a known order, too few to tell of places"
    if audit.bias == "none_seen":
        return f"{name} shows no preference for a place in {number}"
    told = _tell_strangest(audit)
    if audit.bias == "biased":
        return f"{name} prefers places: it {told}, and {audit.because}"
    return (
        f"{name} {told}, but {audit.because}: a preference for the place cannot be "
        "told from one for the best; shuffling them would"
    )


def _tell_strangest(audit: PositionAudit) -> str:
    """What is told most plainly of the places: one that is chosen often, else where they lie."""
    telling = [one for one in audit.tests if one.p <= FAMILY and one.observed > one.expected]
    ends = [one for one in telling if one.about != "mean"]
    number = count_things(audit.choices, "choice")
    if ends:
        often = min(ends, key=lambda one: one.p)
        return (
            f"took what came {often.about} in {often.observed:,.0f} of {number} (chance: "
            f"{often.expected:,.3g})"
        )
    mean = next(one for one in audit.tests if one.about == "mean")
    down = f"{100 * mean.observed:.0f} % down the list"
    return f"took on average what stood {down} in {number} (chance: 50 %)"


def _tell(steps: Sequence[ChoiceAudit], runs: int) -> str:
    looked = count_things(runs, "run")
    if not steps:
        return f"None of {looked} chose among candidates that were offered to it."
    told: list[str] = []
    for step in steps:
        if step.position.bias in ("biased", "confounded"):
            told.append(step.position.text)
        if step.invented is not None and step.invented.count:
            told.append(
                f"{step.step} took {_tell_share(step.invented)} ids that nobody had offered"
            )
        if step.unsupported is not None and step.unsupported.count:
            told.append(
                f"{_tell_share(step.unsupported)} reasonings of {step.step} contradict the record"
            )
    names = list_items(list(dict.fromkeys(step.step for step in steps)))
    if not told:
        return f"Nothing was found against what {names} took in {looked}."
    return f"{'; '.join(told)} ({looked})."


def _tell_share(share: AuditedShare) -> str:
    return (
        f"{share.count:,} of {share.of:,} ({_percent(share.share)}, at most {_percent(share.most)})"
    )


def _percent(share: float) -> str:
    return f"{100 * share:.2g} %" if 0 < share < 0.1 else f"{100 * share:.0f} %"
