"""`xray show RUN`: one run as a funnel, and what deserves a look."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Iterable
from typing import Final

from xray.cli.connection import open_client
from xray.cli.console import Console, open_console
from xray.cli.labels import say_label
from xray.cli.observed import draw_observed
from xray.cli.runs import STATUS_STYLES
from xray.cli.terminal import (
    Cell,
    Column,
    Style,
    Terminal,
    draw_bar,
    draw_table,
    fit,
    printable,
    wrap,
)
from xray.cli.wording import (
    NOT_THERE,
    say_certainty,
    say_count,
    say_duration,
    say_error,
    say_number,
    say_rate,
    say_value,
    say_when,
)
from xray.model.answers import Finding, FindingList
from xray.model.labels import label_of_run, words_by_candidate
from xray.model.nesting import measure_depths
from xray.model.records import RunDetail, Step, StepDecision
from xray.model.vocabulary import LABELS, Certainty
from xray.questions import run_path
from xray.replies import read_findings, read_record

RUN_HELP: Final = "a run's id, a unique beginning of it, or `last`"
CERTAINTY_STYLES: Final[dict[Certainty, tuple[Style, ...]]] = {
    "known": (),
    "inferred": ("cyan",),
    "unknown": ("yellow",),
}
_WIDE: Final = 120
"""From this width on a step takes one line, with a longer bar."""
_BAR_WIDTHS: Final = (10, 20)
_TOP_REASONS: Final = 3
_SHOWN_SELECTED: Final = 3
_COLUMNS: Final = (
    Column("#", is_right=True, drop_order=1),
    Column("STEP", min_width=10, max_width=32),
    Column("TYPE", drop_order=2),
    Column("IN", is_right=True),
    Column("", drop_order=4),
    Column("OUT", is_right=True),
    Column("", drop_order=3),
    Column("REJECTED", is_right=True, min_width=8),
    Column("TOOK", is_right=True, drop_order=5),
)
_DETAILS: Final = Column("WHAT IT DECIDED", min_width=20)


def add_arguments(parser: ArgumentParser) -> None:
    """Add the options of `xray show`."""
    parser.usage = "xray show [options] RUN"
    parser.add_argument("run", metavar="RUN", help=RUN_HELP)
    parser.epilog = (
        "The bar of a step is what came in; its filled part went on. An empty IN or a REJECTED\n"
        "of `-` was not recorded, which is not 0.\n\n"
        "examples:\n"
        "  xray show last\n"
        "  xray show 0193f0c2-7a51 --json"
    )


def run(args: Namespace) -> int:
    """Show one run."""
    console = open_console(args)
    with open_client(args) as client:
        run_id = client.resolve_run(args.run)
        body = client.get(run_path(run_id))
        if args.json:
            console.write_json(body)
            return 0
        findings = read_findings(client.get(run_path(run_id, "findings")))
    shown = read_record(body, RunDetail)
    console.write(draw_header(shown, console))
    if findings.first:
        console.write(["", *draw_first(findings, console.terminal)])
    console.write(["", *draw_funnel(shown.steps, console.terminal)])
    observed = draw_observed(shown.steps, console.terminal)
    if observed:
        console.write(["", *observed])
    rest = draw_rest(findings, console.terminal)
    if rest:
        console.write(["", *rest])
    return 0


def draw_header(run: RunDetail, console: Console) -> list[str]:
    """Who ran, when, how it ended and with what."""
    terminal = console.terminal
    took = "" if run.duration_ms is None else f", took {say_duration(run.duration_ms)}"
    lines = [
        (
            f"{terminal.paint(printable(run.pipeline), 'bold')}  "
            f"{terminal.paint(run.status, STATUS_STYLES[run.status])}  "
            f"{say_when(run.started_at, console.now)}{took}"
        )
    ]
    room = None if terminal.width is None else max(10, terminal.width - 13)
    for label, text in _facts_of(run, terminal, room or 2000):
        lines.append(f"{terminal.paint(f'{label:<11}', 'dim')}  {text}")
    return lines


def _facts_of(run: RunDetail, terminal: Terminal, room: int) -> Iterable[tuple[str, str]]:
    yield "run", run.run_id
    if run.error is not None:
        yield "error", fit(say_error(run.error), room, terminal.ellipsis)
    for label, value in (("input", run.input), ("output", run.output), ("params", run.params)):
        if value is not None:
            yield label, say_value(value, terminal, room)
    if run.metadata:
        yield "metadata", say_value(run.metadata, terminal, room)
    if run.tags:
        yield "tags", fit(printable(", ".join(run.tags)), room, terminal.ellipsis)
    for label in ("environment", "repository", "version", "key"):
        text = getattr(run, label)
        if text is not None:
            yield label, fit(printable(text), room, terminal.ellipsis)
    if run.attempt > 1:
        yield "attempt", str(run.attempt)
    yield from _labels_of(run, terminal, room)
    if run.omissions:
        yield "left out", say_value(run.omissions, terminal, room)


def _labels_of(run: RunDetail, terminal: Terminal, room: int) -> Iterable[tuple[str, str]]:
    of_run = label_of_run(run.labels)
    if of_run is not None:
        yield "label", fit(say_label(of_run), room, terminal.ellipsis)
    words = words_by_candidate(run.labels)
    for word in LABELS:
        named = [printable(name) for name, said in words.items() if said == word]
        if named:
            yield f"{word} ones", fit(", ".join(named), room, terminal.ellipsis)


def draw_funnel(steps: list[Step], terminal: Terminal) -> list[str]:
    """One line a step: what came in, what went on, and what it decided."""
    if not steps:
        return ["No steps were recorded."]
    depths = measure_depths(steps)
    largest = max(max(step.input_count or 0, step.output_count or 0) for step in steps)
    is_one_line = terminal.width is None or terminal.width >= _WIDE
    columns = (*_COLUMNS, _DETAILS) if is_one_line else _COLUMNS
    rows: list[list[Cell]] = []
    for step in steps:
        bar = draw_bar(
            step.input_count, step.output_count, largest, _BAR_WIDTHS[is_one_line], terminal
        )
        cells = _row(step, depths[step.step_id], bar, terminal)
        rows.append([*cells, Cell(_say_details(step))] if is_one_line else cells)
    heading, *lines = draw_table(columns, rows, terminal)
    if is_one_line:
        return [heading, *lines]
    drawn = [heading]
    for step, line in zip(steps, lines, strict=True):
        drawn.append(line)
        details = _say_details(step)
        if details:
            drawn.extend(wrap(details, terminal.width, indent="     "))
    return drawn


def _row(step: Step, depth: int, bar: str, terminal: Terminal) -> list[Cell]:
    attempt = f" (attempt {step.attempt})" if step.attempt > 1 else ""
    return [
        Cell(str(step.ordinal), "dim"),
        Cell("  " * depth + printable(step.name) + attempt, _style_of(step)),
        Cell(printable(step.declared_type or step.step_type), "dim"),
        Cell("" if step.input_count is None else say_count(step.input_count)),
        Cell(terminal.arrow, "dim"),
        Cell(NOT_THERE if step.output_count is None else say_count(step.output_count)),
        Cell(bar, "cyan"),
        Cell(_say_rate_with_basis(step)),
        Cell(say_duration(step.duration_ms)),
    ]


def _style_of(step: Step) -> Style | None:
    if step.status == "failed":
        return "red"
    return "cyan" if step.status == "running" else None


def _say_rate_with_basis(step: Step) -> str:
    if step.rate_basis in (None, "counted"):
        return say_rate(step)
    return f"{say_rate(step)} {step.rate_basis}"


def _say_details(step: Step) -> str:
    said: list[str] = []
    if step.status != "completed":
        said.append(step.status + (f": {say_error(step.error)}" if step.error else ""))
    if step.decision is not None:
        said.append(_say_choice(step.decision))
    if step.rejections:
        said.append(_say_reasons(step))
    if step.coverage in ("named", "sampled"):
        said.append(say_coverage(step))
    if step.incomplete:
        said.append(f"not recorded: {', '.join(step.incomplete)}")
    return "; ".join(said)


def say_coverage(step: Step) -> str:
    """Of how many candidates the detail was kept, and whether the others are named.

    For example `1,024 of 5,000 in detail, all named`.
    """
    decided = step.counts.rejected + step.counts.accepted + step.counts.selected
    kept = decided - step.omissions.get("sampled_out", 0)
    said = f"{kept:,} of {decided:,} in detail" if kept < decided else "a sample in detail"
    return f"{said}, all named" if step.coverage == "named" else said


def _say_choice(decision: StepDecision) -> str:
    several = isinstance(decision.selected, list)
    ids = decision.selected if isinstance(decision.selected, list) else [decision.selected]
    named = ", ".join(printable(name) for name in ids[:_SHOWN_SELECTED])
    more = len(ids) - _SHOWN_SELECTED
    score = ""
    if decision.score is not None:
        score = f" ({'lowest score' if several else 'score'} {say_number(decision.score)})"
    return f"selected {named}{f' and {more} more' if more > 0 else ''}{score}"


def _say_reasons(step: Step) -> str:
    ordered = sorted(step.rejections.items(), key=lambda pair: (-pair[1].count, pair[0]))
    said = ", ".join(
        f"{printable(reason)} {say_count(rejection.count)}"
        for reason, rejection in ordered[:_TOP_REASONS]
    )
    more = len(ordered) - _TOP_REASONS
    return f"{said}, {more} more reason{'' if more == 1 else 's'}" if more > 0 else said


def draw_first(findings: FindingList, terminal: Terminal) -> list[str]:
    """Where to look first."""
    return draw_findings(findings.first, terminal, "Look here first") if findings.first else []


def draw_rest(findings: FindingList, terminal: Terminal) -> list[str]:
    """What else deserves a look, or that nothing does."""
    if not findings.findings:
        return [terminal.paint("Nothing stands out in this run.", "dim")]
    rest = findings.findings[findings.look_here_first :]
    return draw_findings(rest, terminal, "Also" if findings.first else "Noticed") if rest else []


def draw_findings(
    findings: list[Finding], terminal: Terminal, heading: str = "Look here"
) -> list[str]:
    """Findings under a heading, each with how sure it is."""
    lines = [terminal.paint(heading, "bold")]
    for finding in findings:
        ground = say_certainty(finding.certainty, finding.because, finding.text)
        text = f"{printable(finding.text)} {ground}"
        mark = "?" if finding.certainty == "unknown" else "!"
        said = wrap(text.rstrip(), terminal.width, indent="    ", first=f"  {mark} ")
        lines += terminal.paint_all(said, *CERTAINTY_STYLES[finding.certainty])
        if any(example not in finding.text for example in finding.examples):
            lines.extend(wrap(_say_examples(finding), terminal.width, indent="    "))
    return lines


def draw_headline(answer: str, certainty: Certainty, because: str, terminal: Terminal) -> list[str]:
    """The sentence of an answer, and below it how sure it is and what it rests on."""
    lines = terminal.paint_all(wrap(printable(answer), terminal.width), "bold")
    if certainty != "known":
        ground = say_certainty(certainty, because, answer)
        lines += terminal.paint_all(wrap(ground, terminal.width), *CERTAINTY_STYLES[certainty])
    elif because:
        ground = f"(known: {printable(because)})"
        lines += terminal.paint_all(wrap(ground, terminal.width), "dim")
    return lines


def _say_examples(finding: Finding) -> str:
    named = ", ".join(printable(example) for example in finding.examples)
    more = (finding.count or 0) - len(finding.examples)
    return f"{named} and {more:,} more" if more > 0 else named
