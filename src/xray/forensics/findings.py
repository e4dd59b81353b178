"""What about a run deserves a look: losses, invented ids, counts that disagree, failures."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from xray.forensics.case import Case
from xray.forensics.conservation import Balance
from xray.forensics.evidence import Key, RunEvidence
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
    shorten_text,
    show_candidate,
)
from xray.model.answers import Finding
from xray.model.records import Step
from xray.model.vocabulary import Certainty

MAX_EXAMPLES: Final = 10
_SHOWN_EXAMPLES: Final = 3


def find(evidence: RunEvidence) -> list[Finding]:
    """Everything about the run that deserves a look, losses first.

    Args:
        evidence: the run.
    """
    case = Case.of(evidence)
    balances = case.conservation.balances()
    found: list[Finding] = []
    for balance in balances:
        found.extend(_find_imbalance(case, balance))
    for step in case.flow.steps:
        found.extend(_find_in_step(case, step))
    found.extend(_find_unknown_flow(balances))
    return found


def _find_imbalance(case: Case, balance: Balance) -> Iterator[Finding]:
    step = balance.step
    certainty: Certainty = "inferred" if balance.is_inferred else "known"
    lost = count_vanished(case.flow, case.conservation, balance)
    if lost.count and step.status == "completed":
        examples = _list_examples(case, balance.vanished, balance.sources)
        text = _word_vanished(case, balance, examples, lost)
        yield _about(step, "vanished", text, certainty, lost.count, examples, balance)
    strange = count_not_offered(case.flow, balance)
    if strange.count:
        examples = _list_examples(case, balance.not_offered, (step,))
        text = (
            f"{step.name} decided {_say(strange, 'candidate')} that "
            f"{list_names(balance.sources, 'or')} had not let through"
            f"{_show(examples, strange.count)}."
        )
        yield _about(step, "not_offered", text, certainty, strange.count, examples, balance)
    if balance.vanished_count or balance.not_offered_count:
        yield _compare_counts(balance)


def _about(
    step: Step,
    code: str,
    text: str,
    certainty: Certainty,
    count: int | None = None,
    examples: Iterable[str] = (),
    balance: Balance | None = None,
) -> Finding:
    return Finding(
        code=code,
        text=text,
        certainty=certainty,
        step_id=step.step_id,
        step_name=step.name,
        count=count,
        examples=list(examples)[:MAX_EXAMPLES],
        because=balance.because if balance else "",
    )


def _say(shortfall: Shortfall, thing: str = "") -> str:
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
        f"{step.name} never decided {_say(lost)} of the {number} that {names} {verb}"
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
    return _about(step, code, text, "inferred", count, (), balance)


def _find_in_step(case: Case, step: Step) -> Iterator[Finding]:
    if step.status == "failed":
        yield _word_failure(case, step)
    yield from _find_mismatch(case, step)
    if _has_kept_nothing(case, step):
        count = step.input_count or 0
        told = f"all {count:,} candidates" if count > 1 else "the only candidate it had"
        text = f"{step.name} rejected {told}; nothing went on.{_tell_top_reason(step)}"
        yield _about(step, "empty", text, "known", count)
    if step.counts.redecided:
        number = count_things(step.counts.redecided, "verdict")
        text = f"{step.name} replaced {number} by a later one about the same candidate."
        yield _about(step, "redecided", text, "known", step.counts.redecided)
    if step.incomplete:
        missing = "; ".join(_negate(one) for one in step.incomplete)
        text = f"{step.name} ({step.step_type}) recorded {missing}."
        yield _about(step, "incomplete", text, "known")


def _negate(requirement: str) -> str:
    """What is missing: `neither counts nor decisions`."""
    return f"neither {requirement.replace(' or ', ' nor ')}"


def _word_failure(case: Case, step: Step) -> Finding:
    text = f"{step.name} failed"
    if step.error is not None:
        text += f" ({shorten_text(f'{step.error.type}: {step.error.message}')})"
    balance = case.conservation.balance(step)
    undecided = count_vanished(case.flow, case.conservation, balance)
    if undecided.count:
        text += f" with {_say(undecided, 'candidate')} undecided"
    examples = _list_examples(case, balance.undecided, balance.sources)
    return _about(step, "failed", f"{text}.", "known", undecided.count or None, examples)


def _find_mismatch(case: Case, step: Step) -> Iterator[Finding]:
    """Counts set by hand against counted ones, where every candidate was to be counted."""
    counts = step.counts
    decided = counts.rejected + counts.accepted + counts.selected
    is_two_sided = counts.accepted or (counts.rejected and counts.selected)
    if not decided or not is_two_sided:
        return
    survivors = counts.selected or counts.accepted
    wrong = []
    if step.declared_input_count not in (None, decided) and case.flow.role(step) != "creates":
        wrong.append(f"an input of {step.declared_input_count:,} but decided {decided:,}")
    if step.declared_output_count not in (None, survivors, counts.selected + counts.accepted):
        wrong.append(f"an output of {step.declared_output_count:,} but kept {survivors:,}")
    if wrong:
        text = f"{step.name} declared {' and '.join(wrong)}."
        yield _about(step, "count_mismatch", text, "known")


def _has_kept_nothing(case: Case, step: Step) -> bool:
    if case.flow.role(step) != "keeps" or step.status != "completed":
        return False
    counts = step.counts
    if counts.accepted or counts.selected:
        return False
    if step.declared_output_count is not None:
        return step.declared_output_count == 0 and bool(step.declared_input_count)
    outflow = case.flow.outflow(step)
    if not counts.rejected or not outflow.is_complete:
        return False
    sources = [edge.source for edge in case.flow.edges(step)]
    if all(case.flow.ledger(one).is_detailed() for one in sources):
        return not case.flow.everyone.let_through(step)
    # Candidates known by hash only are in no set: here the counts say whether any is left.
    return len(sources) == 1 and count_survivors(sources[0]) == counts.rejected


def _tell_top_reason(step: Step) -> str:
    if not step.rejections:
        return ""
    reason, rejection = max(step.rejections.items(), key=lambda item: item[1].count)
    if not rejection.count:
        samples = (
            "A sample it logged says" if step.input_count == 1 else "The samples it logged say"
        )
        return f" {samples}: {list_items(list(step.rejections))}."
    return f" The most frequent reason: {reason} ({rejection.count:,})."


def _find_unknown_flow(balances: Iterable[Balance]) -> Iterator[Finding]:
    unknown = [balance for balance in balances if balance.unknown]
    if not unknown:
        return
    reasons = list(dict.fromkeys(balance.unknown for balance in unknown))
    names = list_names(balance.step for balance in unknown)
    text = f"Whether candidates were lost on the way into {names} is unknown: {reasons[0]}."
    yield Finding(
        code="flow_unknown",
        text=text,
        certainty="unknown",
        step_id=unknown[0].step.step_id,
        step_name=unknown[0].step.name,
        because="; ".join(reasons),
    )


def _list_examples(case: Case, keys: frozenset[Key], steps: Iterable[Step]) -> list[str]:
    """Some of the candidates of *keys*, in the order in which *steps* recorded them."""
    wanted = {candidate_id for _, candidate_id in keys}
    found: dict[str, None] = {}
    for step in steps:
        for candidate_id in case.flow.ledger(step).candidate_ids:
            if len(found) >= MAX_EXAMPLES:
                break
            if candidate_id in wanted:
                found[candidate_id] = None
    return list(found)


def _show(examples: list[str], count: int) -> str:
    if not examples:
        return "; their ids were not kept" if count > 1 else "; its id was not kept"
    shown = [show_candidate(one) for one in examples[:_SHOWN_EXAMPLES]]
    if count > len(shown):
        return f": {', '.join(shown)} and {count - len(shown):,} more"
    return f": {list_items(shown)}"
