"""`xray diff A B`: how two runs differ, and where they first part."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Mapping

from xray.cli.connection import open_client
from xray.cli.console import open_console
from xray.cli.show import RUN_HELP, draw_headline
from xray.cli.terminal import Style, Terminal, printable, wrap
from xray.cli.wording import say_number, say_value
from xray.model.differences import Change, Move, MoveKind, Moves, RunDiff, Standing, StepDiff
from xray.questions import diff_request
from xray.replies import read_record

_MAX_CHANGES = 8
_MAX_MOVES = 5
_WORDS: dict[MoveKind, str] = {
    "newly_rejected": "kept in A, dropped in B",
    "newly_kept": "dropped in A, kept in B",
    "reason_changed": "dropped for another reason",
    "only_in_a": "in A only",
    "only_in_b": "in B only",
    "rank_moved": "ranked elsewhere",
    "score_changed": "scored otherwise",
}
_STYLES: dict[MoveKind, Style] = {
    "newly_rejected": "red",
    "newly_kept": "green",
    "reason_changed": "yellow",
    "only_in_a": "yellow",
    "only_in_b": "yellow",
    "rank_moved": "dim",
    "score_changed": "dim",
}


def add_arguments(parser: ArgumentParser) -> None:
    """Add the options of `xray diff`."""
    parser.usage = "xray diff [options] A B"
    parser.add_argument("a", metavar="A", help=f"the run that is compared with: {RUN_HELP}")
    parser.add_argument("b", metavar="B", help="the run that is compared, named alike")
    parser.epilog = (
        "Ids, times and durations are not compared. What sampling leaves unknown is said.\n"
        "The exit code is 0 when nothing differs, 1 when something does or there is no such\n"
        "run.\n\n"
        "examples:\n"
        "  xray diff 0193f0c2 last\n"
        "  xray diff 0193f0c2 0193f0c7 --json"
    )


def run(args: Namespace) -> int:
    """Say how two runs differ."""
    console = open_console(args)
    with open_client(args) as client:
        body = client.get(*diff_request(client.resolve_run(args.a), client.resolve_run(args.b)))
    diff = read_record(body, RunDiff)
    if args.json:
        console.write_json(body)
    else:
        console.write(draw_diff(diff, console.terminal))
    return 0 if diff.is_same else 1


def draw_diff(diff: RunDiff, terminal: Terminal) -> list[str]:
    """The sentence, what the runs were given, and the steps that differ."""
    lines = draw_headline(diff.answer, diff.certainty, diff.because, terminal)
    for name, side in (("A", diff.a), ("B", diff.b)):
        lines.append(terminal.paint(f"{name} {printable(side.pipeline)}, run {side.run_id}", "dim"))
    if diff.changes:
        lines += ["", terminal.paint("The runs", "bold"), *draw_changes(diff.changes, terminal)]
    for step in diff.steps:
        if not step.is_same:
            lines += ["", *draw_step(step, terminal)]
    same = [printable(step.name) for step in diff.steps if step.is_same]
    if same and not diff.is_same:
        lines += ["", *wrap(f"The same: {', '.join(same)}", terminal.width)]
    return lines


def draw_step(
    step: StepDiff,
    terminal: Terminal,
    words: Mapping[MoveKind, str] = _WORDS,
    max_moves: int = _MAX_MOVES,
) -> list[str]:
    """What differs at one step.

    Args:
        step: the step.
        terminal: where it is shown.
        words: what became of candidates that moved, by how.
        max_moves: how many of them are shown of each kind.
    """
    lines = [
        f"{terminal.paint(printable(step.name), 'bold')} {terminal.paint(step.step_type, 'dim')}"
    ]
    if step.a is None or step.b is None:
        return [*lines, f"  only {'B' if step.a is None else 'A'} has this step"]
    lines += draw_changes(step.changes, terminal)
    for shift in step.reasons[:_MAX_CHANGES]:
        text = f"rejected for {printable(shift.reason)}: {shift.a:,} → {shift.b:,}"
        lines += wrap(text, terminal.width, indent="    ", first="  ")
    for moves in step.moves:
        lines += _draw_moves(moves, terminal, words, max_moves)
    measures = [
        f"{name} {value:.3f}"
        for name, value in (
            ("survivors in common (Jaccard)", step.jaccard),
            ("order of the survivors (RBO)", step.rank_overlap),
            ("agreement on order (Kendall tau)", step.kendall_tau),
        )
        if value is not None and value != 1.0
    ]
    if measures:
        text = ", ".join(measures)
        lines += terminal.paint_all(wrap(text, terminal.width, indent="    ", first="  "), "dim")
    return lines


def draw_changes(changes: list[Change], terminal: Terminal) -> list[str]:
    """Values that differ, each with where it is."""
    lines = []
    for change in changes[:_MAX_CHANGES]:
        before = "absent" if change.only_in == "b" else say_value(change.a, terminal)
        after = "absent" if change.only_in == "a" else say_value(change.b, terminal)
        text = f"{printable(change.path)}: {before} → {after}"
        lines += wrap(text, terminal.width, indent="    ", first="  ")
    if len(changes) > _MAX_CHANGES:
        lines.append(f"  and {len(changes) - _MAX_CHANGES:,} more; --json has them")
    return lines


def _draw_moves(
    moves: Moves, terminal: Terminal, words: Mapping[MoveKind, str], most: int
) -> list[str]:
    said = f"{moves.count:,} {words[moves.kind]}"
    lines = [f"  {terminal.paint(said, _STYLES[moves.kind])}"]
    for move in moves.examples[:most]:
        lines += wrap(_say_move(moves.kind, move), terminal.width, indent="      ", first="    ")
    more = moves.count - min(len(moves.examples), most)
    if more and moves.examples:
        lines.append(f"    and {more:,} more")
    return lines


def _say_move(kind: MoveKind, move: Move) -> str:
    name = printable(move.candidate_id) + (f" for {printable(move.by)}" if move.by else "")
    if kind == "rank_moved" and move.a and move.b:
        return f"{name}: rank {move.a.rank} → {move.b.rank}"
    if kind == "score_changed" and move.a and move.b:
        return f"{name}: score {_say_score(move.a)} → {_say_score(move.b)}"
    told = [_say_standing(one) for one in (move.a, move.b) if one is not None]
    return f"{name}: {' → '.join(told)}"


def _say_standing(standing: Standing) -> str:
    reason = f" ({printable(standing.reason)})" if standing.reason else ""
    return f"{standing.decision}{reason}"


def _say_score(standing: Standing) -> str:
    about = "about " if standing.score_error else ""
    return about + ("none" if standing.score is None else say_number(standing.score))
