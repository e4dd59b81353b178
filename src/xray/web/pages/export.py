"""A run as one file that needs no server: to send, to archive, to print."""

from __future__ import annotations

import base64
import gzip
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import msgspec
from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import Response

from xray import reading
from xray.model.answers import FindingList, Why
from xray.model.clock import from_wall_us
from xray.model.records import Decision, RunDetail, Step
from xray.model.vocabulary import VERDICTS
from xray.questions import run_path
from xray.store.protocol import Store
from xray.web.addresses import run_page
from xray.web.assets import list_assets
from xray.web.charts.shares import ShareBar, lay_shares
from xray.web.page import HEADERS, Call
from xray.web.pages.run import RunModel, model_run
from xray.web.pages.step import Columns, choose_columns
from xray.web.rendering import render
from xray.web.site import site_of

_MAX_ROWS: Final = 100
"""Decisions of one verdict that a step shows."""
_MAX_STEPS: Final = 200
"""Steps that show decisions of theirs; all steps are in the table."""
_MAX_BYTES: Final = 4 << 20
"""What the decisions of all steps may take as JSON; a page of them is about three times that."""
_COMPRESSION: Final = 5
_NO_NAME: Final = re.compile(r"[^A-Za-z0-9_-]+")


@dataclass(frozen=True, slots=True)
class StepPart:
    """What the file says of one step.

    Args:
        step: the step.
        anchor: where it stands in the file.
        decided: how many candidates it decided.
        detailed: of how many of them the detail was kept.
        reasons: why it rejected, as bars of all it decided.
        decisions: those that are shown.
        columns: what stands beside each of them.
        left_out: what is not shown, in sentences.
    """

    step: Step
    anchor: str
    decided: int
    detailed: int
    reasons: Sequence[ShareBar]
    decisions: Sequence[Decision]
    columns: Columns
    left_out: Sequence[str]


@dataclass(frozen=True, slots=True)
class ExportModel:
    """A run with its steps, their decisions and what deserves a look.

    Args:
        page: what the page of the run shows.
        findings: what deserves a look, all of it.
        answers: why what the run selected was selected.
        parts: its steps.
        exported_at: when the file was made.
        calls: the calls that yield what it shows.
    """

    page: RunModel
    findings: FindingList
    answers: Sequence[Why]
    parts: Sequence[StepPart]
    exported_at: datetime
    calls: Sequence[Call]

    @property
    def run(self) -> RunDetail:
        """The run."""
        return self.page.run

    def anchor(self, step_id: str | None) -> str:
        """Where a step stands in the file; empty where it does not."""
        return next((part.anchor for part in self.parts if part.step.step_id == step_id), "")


async def draw_export(request: Request) -> Response:
    """A run as one HTML file, to be kept."""
    run_id = reading.read_id(request.path_params["run_id"])
    site = site_of(request)
    now_us = site.clock.wall_us()
    server = str(request.base_url).rstrip("/")

    def make(store: Store) -> bytes:
        model = model_export(store, run_id, now_us)
        return gzip.compress(spell_file(model, server).encode(), _COMPRESSION, mtime=0)

    packed = await site.read(make)
    is_taken = "gzip" in request.headers.get("accept-encoding", "")
    pipeline = (await site.read(lambda store: reading.find_run(store, run_id))).pipeline
    headers = {
        **HEADERS,
        "Content-Security-Policy": f"{_policy(_style())}; sandbox",
        "Cache-Control": "private, no-store",
        "Content-Disposition": f'attachment; filename="{name_file(pipeline, run_id)}"',
        "Vary": "Accept-Encoding, Cookie",
        **({"Content-Encoding": "gzip"} if is_taken else {}),
    }
    content = packed if is_taken else gzip.decompress(packed)
    return Response(content, headers=headers, media_type="text/html")


def name_file(pipeline: str, run_id: str) -> str:
    """What the file is called: letters that every system takes."""
    named = _NO_NAME.sub("_", pipeline)[:60].strip("_") or "run"
    return f"xray-{named}-{run_id[:13]}.html"


def spell_file(model: ExportModel, server: str) -> str:
    """The whole file.

    Args:
        model: what it shows.
        server: the address of the server it comes from.
    """
    style = _style()
    return render(
        "export.html",
        model=model,
        server=server,
        live=server + run_page(model.run.run_id),
        now=model.exported_at,
        style=Markup(style),  # noqa: S704  (our own style sheet)
        policy=_policy(style),
    )


def _style() -> str:
    return list_assets()["xray.css"].content.decode()


def _policy(style: str) -> str:
    """What the file may do wherever it is opened: show itself in this style, and nothing else."""
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    return f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"


def model_export(store: Store, run_id: str, now_us: int) -> ExportModel:
    """What the file of a run shows."""
    page = model_run(store, run_id, now_us)
    room = _MAX_BYTES
    parts: list[StepPart] = []
    for place, step in enumerate(page.run.steps):
        part, taken = _read_part(store, step, place, room if place < _MAX_STEPS else 0, now_us)
        parts.append(part)
        room = max(0, room - taken)
    candidates = [("candidate", one) for one in page.answers]
    call = Call(run_path(run_id), (), f"client.run({run_id!r})")
    found = Call(run_path(run_id, "findings"), (), f"client.findings({run_id!r})")
    return ExportModel(
        page=page,
        findings=page.findings or reading.list_findings(store, run_id),
        answers=[reading.explain_candidate(store, run_id, [one]) for one in candidates],
        parts=parts,
        exported_at=from_wall_us(now_us),
        calls=(call, found),
    )


def _read_part(
    store: Store, step: Step, place: int, room: int, now_us: int
) -> tuple[StepPart, int]:
    """One step's part of the file, and how many bytes its decisions take as JSON."""
    counts = step.counts
    shown: list[Decision] = []
    left_out: list[str] = []
    taken = 0
    for verdict in reversed(VERDICTS):
        many = getattr(counts, verdict)
        kept, size = _pick(store, step, verdict, room - taken, now_us) if many else ([], 0)
        taken += size
        shown += kept
        if len(kept) < many:
            left_out.append(f"{many - len(kept):,} of {many:,} {verdict}")
    decided = counts.rejected + counts.accepted + counts.selected
    reasons = {reason: one.count for reason, one in step.rejections.items()}
    part = StepPart(
        step=step,
        anchor=f"step-{place + 1}",
        decided=decided,
        detailed=decided - step.omissions.get("sampled_out", 0),
        reasons=lay_shares(reasons, decided),
        decisions=shown,
        columns=choose_columns(step, shown),
        left_out=left_out,
    )
    return part, taken


def _pick(
    store: Store, step: Step, verdict: str, room: int, now_us: int
) -> tuple[list[Decision], int]:
    """The first decisions of a verdict that there is room for, and how many bytes they take."""
    asked = [("step_id", step.step_id), ("decision", verdict), ("limit", str(_MAX_ROWS))]
    picked: list[Decision] = []
    taken = 0
    if room <= 0:
        return picked, taken
    for one in reading.list_decisions(store, asked, now_us).decisions:
        size = len(msgspec.json.encode(one))
        if taken + size > room:
            break
        taken += size
        picked.append(one)
    return picked, taken
