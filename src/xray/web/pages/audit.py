"""What choices rest on: where the chosen stood, what was offered, what was said of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from starlette.requests import Request

from xray import reading
from xray.model.audit import Audit, AuditedShare, Bias, ChoiceAudit
from xray.reading import Parameters
from xray.store.protocol import Store
from xray.web.addresses import runs_page
from xray.web.asked import read_asked
from xray.web.charts.columns import PITCH, Column, lay_columns
from xray.web.charts.ranges import Range, lay_range
from xray.web.page import Call, Link, Page
from xray.web.site import site_of

PATH: Final = "/v1/audit"
RANGE_WIDTH: Final = 140.0
_RUNS: Final = "200"
BIASES: Final[dict[Bias, str]] = {
    "none_seen": "no preference for a place",
    "biased": "prefers a place",
    "confounded": "cannot be told",
    "too_few": "too few choices",
}


@dataclass(frozen=True, slots=True)
class ShareRow:
    """How many of a step's choices show something.

    Args:
        said: what.
        share: how many.
        range: where the share and its bounds stand.
        is_fault: it is a fault where it is more than none.
    """

    said: str
    share: AuditedShare
    range: Range
    is_fault: bool


@dataclass(frozen=True, slots=True)
class StepRow:
    """How one step chooses.

    Args:
        audit: the answer about it.
        bias: what is known of a preference for a place, in words.
        columns: how many of the chosen stood first, second, …
        width: how wide these are together.
        shares: what else its choices show.
    """

    audit: ChoiceAudit
    bias: str
    columns: Sequence[Column]
    width: float
    shares: Sequence[ShareRow]


@dataclass(frozen=True, slots=True)
class AuditModel:
    """What the choices of some runs rest on.

    Args:
        q: which runs.
        runs: how many of the newest were wanted.
        audit: the answer.
        steps: the steps that choose.
    """

    q: str
    runs: str
    audit: Audit
    steps: Sequence[StepRow]
    range_width: float = RANGE_WIDTH


async def draw_audit(request: Request) -> Page:
    """The page that says what the choices of the runs rest on that the URL names."""
    asked = read_asked(request)
    site = site_of(request)
    now_us = site.clock.wall_us()
    model = await site.read(lambda store: model_audit(store, asked, now_us))
    return Page(
        template="audit.html",
        title="What choices rest on",
        model=model,
        section="runs",
        calls=(Call(PATH, asked, f"client.audit({model.q!r}, {model.runs})"),),
        trail=(Link("Runs", runs_page()),),
    )


def model_audit(store: Store, asked: Parameters, now_us: int) -> AuditModel:
    """What the page of what choices rest on shows."""
    audit = reading.audit_choices(store, asked, now_us)
    named = dict(asked)
    return AuditModel(
        q=named.get("q", ""),
        runs=named.get("runs", _RUNS),
        audit=audit,
        steps=[_describe(step) for step in audit.steps],
    )


def _describe(step: ChoiceAudit) -> StepRow:
    columns = lay_columns(step.position.places)
    shares = (
        ("took ids that nobody had offered", step.invented, True),
        ("reasoned against the record", step.unsupported, True),
        ("took the best scores", step.agreement, False),
    )
    return StepRow(
        audit=step,
        bias=BIASES[step.position.bias],
        columns=columns,
        width=len(columns) * PITCH,
        shares=[
            ShareRow(
                said,
                share,
                lay_range(share.share, share.least, share.most, RANGE_WIDTH),
                is_fault and share.count > 0,
            )
            for said, share, is_fault in shares
            if share is not None
        ],
    )
