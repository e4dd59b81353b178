"""`xray why RUN CANDIDATE`: the answer in a sentence, then the evidence."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from typing import Any, Final

from xray.cli.connection import open_client
from xray.cli.console import open_console
from xray.cli.labels import LABEL_STYLES, say_label
from xray.cli.show import CERTAINTY_STYLES, RUN_HELP, draw_findings, draw_headline
from xray.cli.terminal import Glyph, Style, Terminal, printable, wrap
from xray.cli.wording import say_certainty, say_measured, say_number, say_value
from xray.model.answers import Cut, Provenance, Stop, StopKind, Why
from xray.model.records import Check
from xray.questions import why_request
from xray.replies import read_record

_GLYPHS: Final[dict[StopKind, tuple[Glyph, Style]]] = {
    "selected": ("selected", "green"),
    "accepted": ("kept", "green"),
    "kept": ("kept", "green"),
    "rejected": ("dropped", "red"),
    "outranked": ("dropped", "red"),
    "not_selected": ("dropped", "red"),
    "vanished": ("dropped", "red"),
    "merged": ("merged", "yellow"),
    "undecided": ("unknown", "yellow"),
    "unknown": ("unknown", "yellow"),
    "not_recorded": ("passed_by", "dim"),
    "not_reached": ("passed_by", "dim"),
}


def add_arguments(parser: ArgumentParser) -> None:
    """Add the options of `xray why`."""
    parser.usage = "xray why [options] RUN CANDIDATE"
    parser.add_argument("run", metavar="RUN", help=RUN_HELP)
    parser.add_argument("candidate", metavar="CANDIDATE", help="the candidate's id")
    parser.epilog = (
        "What is not marked is known. `inferred` says what from, `unknown` says why.\n"
        "The exit code is 0 when there is an answer, also that the candidate was never retrieved;\n"
        "1 when there is no such run, or what became of the candidate is unknown.\n\n"
        "examples:\n"
        "  xray why last prod_17\n"
        "  xray why 0193f0c2-7a51 prod_17 --json"
    )


def run(args: Namespace) -> int:
    """Say why a candidate ended as it did."""
    console = open_console(args)
    with open_client(args) as client:
        body = client.get(*why_request(client.resolve_run(args.run), args.candidate))
    why = read_record(body, Why)
    if args.json:
        console.write_json(body)
    else:
        console.write(draw_why(why, console.terminal))
    return 1 if why.outcome == "unknown" else 0


def draw_why(why: Why, terminal: Terminal) -> list[str]:
    """The sentence, the journey, where it came from and what deserves a look."""
    lines = draw_headline(why.answer, why.certainty, why.because, terminal)
    place = f"{printable(why.pipeline)}, run {why.run_id}"
    lines.append(terminal.paint(place, "dim"))
    for label in why.labels:
        whose = "run" if label.candidate_id is None else "candidate"
        said = f"This {whose} is labelled {say_label(label)}"
        lines += terminal.paint_all(wrap(said, terminal.width), LABEL_STYLES[label.label])
    if why.journey:
        lines += ["", terminal.paint("Its journey", "bold")]
        for stop in why.journey:
            lines += draw_stop(stop, terminal)
    if why.provenance:
        lines += ["", terminal.paint("Where it came from", "bold")]
        for link in why.provenance:
            lines += draw_link(link, terminal)
    if why.parts:
        parts = ", ".join(printable(part) for part in why.parts)
        lines += ["", terminal.paint("Its parts", "bold")]
        lines += wrap(parts, terminal.width, indent="  ")
    if why.similar:
        similar = ", ".join(printable(name) for name in why.similar)
        lines += ["", terminal.paint("Recorded ids like it", "bold")]
        lines += wrap(similar, terminal.width, indent="  ")
    if why.findings:
        lines += ["", *draw_findings(why.findings, terminal)]
    return lines


def draw_stop(stop: Stop, terminal: Terminal) -> list[str]:
    """One step of the journey with its evidence."""
    glyph, style = _GLYPHS[stop.kind]
    attempt = f" (attempt {stop.attempt})" if stop.attempt > 1 else ""
    query = f" for {printable(stop.by)}" if stop.by is not None else ""
    where = f"{stop.ordinal} {printable(stop.name)}{attempt}{query}"
    if glyph == "passed_by" and stop.certainty == "known":
        return terminal.paint_all(
            wrap(
                f"{where} {stop.step_type}: {printable(stop.text)}",
                terminal.width,
                indent="      ",
                first=f"  {terminal.glyph(glyph)} ",
            ),
            style,
        )
    lines = [
        (
            f"  {terminal.paint(terminal.glyph(glyph), style)} {terminal.paint(where, 'bold')} "
            f"{terminal.paint(stop.step_type, 'dim')}"
        )
    ]
    ground = say_certainty(stop.certainty, stop.because, stop.text)
    said = f"{printable(stop.text)} {ground}".rstrip()
    said_lines = wrap(said, terminal.width, indent="      ")
    lines += terminal.paint_all(said_lines, *CERTAINTY_STYLES[stop.certainty])
    for check in stop.checks:
        evidence = wrap(say_check(check, terminal), terminal.width, indent="      ")
        lines += terminal.paint_all(evidence, "green" if check.passed else "red")
    if stop.reasoning and stop.reasoning not in stop.text:
        lines += wrap(f'"{printable(stop.reasoning)}"', terminal.width, indent="      ")
    if stop.cut is not None:
        lines += wrap(say_cut(stop.cut), terminal.width, indent="      ")
    else:
        lines += wrap(_say_standing(stop), terminal.width, indent="      ")
    return [line for line in lines if line.strip()]


def say_check(check: Check, terminal: Terminal) -> str:
    """The evidence as one line: `price 150 <= 100 failed by 50`."""
    verdict = "passed" if check.passed else "failed"
    field = printable(check.field or check.name)
    observed = _say_operand(check.observed, terminal)
    if check.op is None:
        said = f"{field} {observed} {verdict}"
    else:
        said = f"{field} {observed} {check.op} {_say_operand(check.limit, terminal)} {verdict}"
        if check.margin:
            said += f" by {say_number(abs(check.margin))}"
    # The name is the reason a failed check gives; beside a passed one it would mislead.
    has_reason = not check.passed and field != printable(check.name)
    return f"{said} ({printable(check.name)})" if has_reason else said


def _say_operand(value: Any, terminal: Terminal) -> str:
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return say_number(value)
    return "nothing" if value is None else say_value(value, terminal)


def say_cut(cut: Cut) -> str:
    """How far an outranked candidate was from being kept."""
    said: list[str] = []
    if cut.rank is not None:
        among = f" of {cut.ranked_count:,}" if cut.ranked_count else ""
        last = f" (last kept {cut.last_kept_rank})" if cut.last_kept_rank is not None else ""
        said.append(f"rank {cut.rank}{among}{last}")
    if cut.score is not None:
        last = ""
        if cut.last_kept_score is not None:
            last = f" (last kept {say_number(cut.last_kept_score)})"
        said.append(f"score {say_measured(cut.score, cut.score_error)}{last}")
    if cut.gap is not None:
        said.append(f"gap {say_measured(cut.gap, cut.gap_error)}")
    where = f" at {printable(cut.measured_at)}" if cut.measured_at is not None else ""
    return ", ".join(said) + where


def _say_standing(stop: Stop) -> str:
    """Rank and score, as far as the sentence does not give them."""
    said: list[str] = []
    if stop.rank is not None and f"rank {stop.rank}" not in stop.text:
        said.append(f"rank {stop.rank}")
    if (
        stop.score is not None
        and (score := say_measured(stop.score, stop.score_error)) not in stop.text
    ):
        said.append(f"score {score}")
    return ", ".join(said)


def draw_link(link: Provenance, terminal: Terminal) -> list[str]:
    """One link of the chain back to what brought a candidate."""
    arrow = "←" if terminal.is_unicode else "<-"
    indent = "  " * link.depth
    text = printable(link.text) or _say_link(link)
    said = f"{text} {say_certainty(link.certainty)}".rstrip()
    lines = wrap(said, terminal.width, indent=f"{indent}  ", first=f"{indent}{arrow} ")
    return terminal.paint_all(lines, *CERTAINTY_STYLES[link.certainty])


def _say_link(link: Provenance) -> str:
    origin = printable(link.origin.candidate_id)
    step = f" of {printable(link.step_name)}" if link.step_name is not None else ""
    brought = f" brought {link.brought:,} candidates" if link.brought is not None else ""
    return f"{origin}{step}{brought}"
