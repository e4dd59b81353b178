"""One run on a screen: how it ended, what each step let through, and what deserves a look."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import msgspec
from msgspec import Struct

from xray.model.answers import Finding
from xray.model.records import RunDetail, Step
from xray.model.vocabulary import RunStatus

_TOP_REASONS: Final = 3
_SHOWN_SELECTED: Final = 3
_MAX_OUTPUT: Final = 200
_MAX_NAME: Final = 32


class RunSummary(Struct, frozen=True):
    """How a run went; printing it shows the funnel of its steps.

    Args:
        run: the run with its steps, by ordinal.
        findings: what deserves a look.
    """

    run: RunDetail
    findings: list[Finding] = []

    @property
    def status(self) -> RunStatus:
        """How the run ended."""
        return self.run.status

    @property
    def output(self) -> Any:
        """What the run produced."""
        return self.run.output

    @property
    def steps(self) -> list[Step]:
        """Its steps with counts and rates, in order."""
        return self.run.steps

    def __str__(self) -> str:
        return "\n".join(self._draw())

    __repr__ = __str__

    def _draw(self) -> Iterator[str]:
        run = self.run
        took = "" if run.duration_ms is None else f" in {_say_duration(run.duration_ms)}"
        yield f"{_plain(run.pipeline)}  {run.status}{took}  (run {run.run_id})"
        if run.error is not None:
            yield f"error   {_plain(run.error.type)}: {_cut(_plain(run.error.message))}"
        rows = [_row(step) for step in self.steps]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        for name, kind, came_in, went_on, rate, details in rows:
            line = (
                f"  {name:<{widths[0]}}  {kind:<{widths[1]}}  {came_in:>{widths[2]}} -> "
                f"{went_on:>{widths[3]}}  {rate:>{widths[4]}}  {details}"
            )
            yield line.rstrip()
        if run.output is not None:
            yield f"output  {_cut(_spell(run.output))}"
        for finding in self.findings:
            ground = "" if finding.certainty == "known" else f" ({finding.certainty})"
            yield f"! {_plain(finding.text)}{ground}"


def _row(step: Step) -> tuple[str, str, str, str, str, str]:
    rate = ""
    if step.rejection_rate is not None:
        basis = "" if step.rate_basis == "counted" else f" ({step.rate_basis})"
        rate = f"{step.rejection_rate * 100:.1f} % rejected{basis}"
    return (
        _cut(_plain(step.name), _MAX_NAME),
        _cut(_plain(step.declared_type or step.step_type), _MAX_NAME),
        _say_count(step.input_count),
        _say_count(step.output_count),
        rate,
        "; ".join(_say_details(step)),
    )


def _say_details(step: Step) -> Iterator[str]:
    if step.status != "completed":
        yield step.status
    if step.decision is not None:
        chosen = step.decision.selected
        ids = chosen if isinstance(chosen, list) else [chosen]
        more = len(ids) - _SHOWN_SELECTED
        named = ", ".join(_cut(_plain(name), _MAX_NAME) for name in ids[:_SHOWN_SELECTED])
        yield f"selected {named}" + (f" and {more:,} more" if more > 0 else "")
    ordered = sorted(step.rejections.items(), key=lambda pair: (-pair[1].count, pair[0]))
    if ordered:
        named = ", ".join(
            f"{_cut(_plain(reason), _MAX_NAME)} {rejection.count:,}"
            for reason, rejection in ordered[:_TOP_REASONS]
        )
        more = len(ordered) - _TOP_REASONS
        yield named + (f", {more:,} more" if more > 0 else "")


def _say_count(count: int | None) -> str:
    return "" if count is None else f"{count:,}"


def _say_duration(duration_ms: float) -> str:
    return f"{duration_ms:.0f} ms" if duration_ms < 1000 else f"{duration_ms / 1000:.1f} s"


def _spell(value: Any) -> str:
    if isinstance(value, str):
        return _plain(value)
    return _plain(msgspec.json.encode(value).decode("utf-8", "replace"))


def _plain(text: str) -> str:
    """*text* without characters that would move a terminal's cursor or hide what follows."""
    if text.isprintable():
        return text
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape").decode("ascii")
        for letter in text
    )


def _cut(text: str, max_length: int = _MAX_OUTPUT) -> str:
    return text if len(text) <= max_length else f"{text[: max_length - 1]}…"
