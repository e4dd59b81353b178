"""How a finding is put: its sentence, its examples, and how surprising it is."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from xray.forensics.wording import list_items, show_candidate
from xray.model.answers import Finding
from xray.model.records import Step
from xray.model.vocabulary import Certainty

MAX_EXAMPLES: Final = 10
_SHOWN_EXAMPLES: Final = 3

SURPRISES: Final[dict[str, float]] = {
    # A contradiction within the run: no pipeline that does what it says shows it.
    "not_offered": 1.0,
    "vanished": 1.0,
    "not_a_number": 1.0,
    "limits_exclude": 1.0,
    "kept_though_failed": 1.0,
    "rejected_though_passed": 1.0,
    "answer_differs": 1.0,
    # An order, a silence or a gap that has hardly any innocent explanation.
    "order_flipped": 0.95,
    "out_of_order": 0.95,
    "silent_part": 0.95,
    "cut_out_of_rank": 0.9,
    "missing_part": 0.9,
    "failed": 0.9,
    # What a healthy pipeline shows now and then.
    "saturated": 0.85,
    "unsupported_reasoning": 0.85,
    "unchecked": 0.8,
    "errors": 0.8,
    "short_of_limit": 0.8,
    "slow_part": 0.8,
    "empty": 0.7,
    "values_missing": 0.7,
    "retried": 0.6,
    "unrecorded_origin": 0.6,
    "count_mismatch": 0.6,
    "no_score": 0.5,
    # What says more about the recording than about what the pipeline decided.
    "redecided": 0.3,
    "incomplete": 0.1,
    "flow_unknown": 0.0,
}
"""By code, how rare a finding is among runs that are as they should be: judged, not computed.

Findings that compare a run with others bring a computed surprise on the same scale.
"""
_IF_INFERRED: Final = 0.9
"""What is left of the surprise where the finding rests on an inference."""


def notice(
    step: Step,
    code: str,
    text: str,
    certainty: Certainty = "known",
    *,
    count: int | None = None,
    examples: Iterable[str] = (),
    because: str = "",
    surprise: float | None = None,
) -> Finding:
    """A finding about *step*.

    Args:
        step: the step.
        code: a key of `SURPRISES`.
        text: one plain sentence, or two.
        certainty: whether it is known, inferred or unknown.
        count: how many candidates it concerns.
        examples: ids of some of them; the first are kept.
        because: what it was inferred from, or why it is unknown.
        surprise: another one than the code's.
    """
    rarity = SURPRISES[code] if surprise is None else surprise
    return Finding(
        code=code,
        text=text,
        certainty=certainty,
        step_id=step.step_id,
        step_name=step.name,
        count=count,
        examples=list(dict.fromkeys(examples))[:MAX_EXAMPLES],
        because=because,
        surprise=rarity if certainty == "known" else round(rarity * _IF_INFERRED, 4),
    )


def show_examples(examples: Sequence[str], count: int) -> str:
    """Some ids of *count* candidates, as they end a sentence: `: a, b, c and 4 more`."""
    shown = [show_candidate(one) for one in examples[:_SHOWN_EXAMPLES]]
    if count > len(shown):
        return f": {', '.join(shown)} and {count - len(shown):,} more"
    return f": {list_items(shown)}"
