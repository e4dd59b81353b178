"""Candidates that got lost on the way into a step, or appeared there out of nowhere."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from xray.forensics.case import Case
from xray.forensics.conservation import Balance
from xray.forensics.findings.choices import list_invented, tell_alike
from xray.forensics.findings.noticing import MAX_EXAMPLES, notice, show_examples
from xray.forensics.keys import Keys
from xray.forensics.shortfall import (
    Shortfall,
    count_not_offered,
    count_survivors,
    count_vanished,
)
from xray.forensics.wording import (
    count_things,
    list_items,
    list_names,
    name_kept,
    show_candidate,
)
from xray.model.answers import Finding
from xray.model.records import Step
from xray.model.vocabulary import Certainty


def find_losses(case: Case, balance: Balance) -> Iterator[Finding]:
    """What the conservation check finds at one step: who was lost, and who was never offered."""
    step = balance.step
    certainty: Certainty = "inferred" if balance.is_inferred else "known"
    lost = count_vanished(case.flow, case.conservation, balance)
    if lost.count and step.status == "completed":
        examples = list_examples(case, balance.vanished, balance.sources)
        text = _word_vanished(case, balance, examples, lost)
        yield notice(
            step,
            "vanished",
            text,
            certainty,
            count=lost.count,
            examples=examples,
            because=balance.because,
        )
    strange = count_not_offered(case.flow, balance)
    if strange.count:
        examples = list_examples(case, balance.not_offered, (step,))
        text = (
            f"{step.name} decided {say_shortfall(strange, 'candidate')} that "
            f"{list_names(balance.sources, 'or')} had not let through"
            f"{_show(examples, strange.count)}.{_tell_dropped(case, balance)}"
        )
        yield notice(
            step,
            "not_offered",
            text,
            certainty,
            count=strange.count,
            examples=examples,
            because=balance.because,
        )
    if balance.vanished_count or balance.not_offered_count:
        yield _compare_counts(balance)


def _tell_dropped(case: Case, balance: Balance) -> str:
    """Which of the candidates nobody offered an earlier step had dropped."""
    for source in balance.sources:
        dropped = balance.not_offered & case.flow.ledger(source).keys("rejected")
        if dropped:
            told = "it" if len(balance.not_offered) == 1 else f"{len(dropped):,} of them"
            return f" {source.name} had rejected {told}."
    invented = list_invented(case, balance.step)
    if not invented:
        return ""
    told = list_items([show_candidate(one) for one in invented[:MAX_EXAMPLES]])
    number = "It" if len(invented) == len(balance.not_offered) == 1 else told
    verb = "was" if len(invented) == 1 else "were"
    return (
        f" {number} {verb} chosen, though no earlier step recorded it.{tell_alike(case, invented)}"
    )


def say_shortfall(shortfall: Shortfall, thing: str = "") -> str:
    """How many: a number, or `at least` one."""
    number = count_things(shortfall.count, thing) if thing else f"{shortfall.count:,}"
    return number if shortfall.is_exact else f"at least {number}"


def _count_offered(case: Case, balance: Balance) -> int:
    """How many candidates were offered: by the counts where some are known by hash only."""
    sources = balance.sources
    if len(sources) == 1 and not case.flow.ledger(sources[0]).is_detailed():
        return count_survivors(sources[0])
    return len(case.flow.everyone.offered(balance.step))


def _word_vanished(case: Case, balance: Balance, examples: list[str], lost: Shortfall) -> str:
    step = balance.step
    names = list_names(balance.sources)
    verb = name_kept(balance.sources[0]) if len(balance.sources) == 1 else "let through"
    is_counted = len(balance.sources) == 1 or all(
        case.flow.ledger(one).is_detailed() for one in balance.sources
    )
    number = count_things(_count_offered(case, balance)) if is_counted else "candidates"
    text = (
        f"{step.name} never decided {say_shortfall(lost)} of the {number} that {names} {verb}"
        f"{_show(examples, lost.count)}."
    )
    if balance.first_decided:
        text += (
            f" It decided exactly the first {balance.first_decided:,}, as a cut between the two "
            "would leave."
        )
    return text


def _compare_counts(balance: Balance) -> Finding:
    step, source = balance.step, balance.sources[0]
    short = balance.vanished_count
    count = short or balance.not_offered_count
    text = (
        f"{source.name} passed on {count_things(count)} {'more' if short else 'fewer'} than "
        f"{step.name} took in; which ones was not recorded."
    )
    code = "vanished" if short else "not_offered"
    return notice(step, code, text, "inferred", count=count, because=balance.because)


def find_unknown_flow(case: Case, balances: Iterable[Balance]) -> Iterator[Finding]:
    """Where the conservation check cannot tell whether candidates were lost; said once."""
    unknown = [
        balance
        for balance in balances
        if balance.unknown and not was_offered_nothing(case, balance.step)
    ]
    if not unknown:
        return
    reasons = list(dict.fromkeys(balance.unknown for balance in unknown))
    names = list_names(balance.step for balance in unknown)
    text = f"Whether candidates were lost on the way into {names} is unknown: {reasons[0]}."
    yield notice(unknown[0].step, "flow_unknown", text, "unknown", because="; ".join(reasons))


def was_offered_nothing(case: Case, step: Step) -> bool:
    """Whether no candidate was left when *step* began, so that it could lose none."""
    if step.input_count:
        return False
    return case.flow.offered(step).is_complete and not any(
        count_survivors(edge.source) or case.flow.everyone.let_through(edge.source)
        for edge in case.flow.edges(step)
    )


def list_examples(case: Case, keys: Keys, steps: Iterable[Step]) -> list[str]:
    """Some of the candidates of *keys*, in the order in which *steps* recorded them."""
    found: dict[str, None] = {}
    for step in steps:
        for candidate_id in case.flow.ledger(step).candidate_ids:
            if len(found) >= MAX_EXAMPLES:
                break
            if keys.has(candidate_id):
                found[candidate_id] = None
    return list(found)


def _show(examples: list[str], count: int) -> str:
    if not examples:
        return "; their ids were not kept" if count > 1 else "; its id was not kept"
    return show_examples(examples, count)
