"""`xray replay RUN --step NAME`: whether today's code decides as it did about what was recorded."""

from __future__ import annotations

import os
import sys
from argparse import ArgumentParser, Namespace
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any, Final

import msgspec
from msgspec.structs import replace

from xray.cli.connection import open_client, resolve_api_key
from xray.cli.console import open_console
from xray.cli.diff import draw_changes, draw_step
from xray.cli.show import RUN_HELP, draw_headline
from xray.cli.terminal import Terminal, printable, wrap
from xray.errors import InvalidQueryError, NotFoundError, NotReplayableError
from xray.model.differences import MoveKind, StepDiff
from xray.model.replay import Replay
from xray.replaying import ReplayRequest, perform
from xray.replaying.code import find_object
from xray.replaying.keeping import keep_replay

_SAME: Final = 0
_DIFFERENT: Final = 1
_IMPOSSIBLE: Final = 2
_MAX_MOVES: Final = 10
_WORDS: Final[dict[MoveKind, str]] = {
    "newly_rejected": "newly dropped",
    "newly_kept": "newly kept",
    "reason_changed": "dropped for another reason",
    "only_in_a": "no longer decided",
    "only_in_b": "decided that had not been",
    "rank_moved": "ranked elsewhere",
    "score_changed": "scored otherwise",
}


def add_arguments(parser: ArgumentParser) -> None:
    """Add the options of `xray replay`."""
    parser.usage = "xray replay [options] RUN [--step NAME]"
    parser.add_argument("run", metavar="RUN", help=f"the recorded run: {RUN_HELP}")
    parser.add_argument(
        "--step", metavar="NAME", help="a step: its name, NAME#2, or its id; the whole run without"
    )
    parser.add_argument(
        "--code",
        metavar="PLACE",
        help="today's function: module:function, path/to/file.py:function, "
        "'module:Class().method', or a module alone (else where the recorded one was)",
    )
    parser.add_argument(
        "--param",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="another value for an argument, of the type its annotation asks for",
    )
    parser.add_argument(
        "--object",
        action="append",
        default=[],
        metavar="NAME=PLACE",
        help="an argument that cannot be captured, such as a connection: NAME=module:variable or "
        "'NAME=module:make()'",
    )
    parser.add_argument("--input", metavar="FILE", help="arguments by name, as a JSON file")
    parser.add_argument(
        "--candidates",
        metavar="NAME",
        help="give this argument the candidates that the step decided: their ids, with the "
        "attributes recorded of them",
    )
    parser.add_argument(
        "--times",
        type=int,
        metavar="N",
        help="replay N times (default 1, and once more where that differs)",
    )
    parser.add_argument(
        "--timeout", type=float, metavar="S", help="give up a replay after S seconds"
    )
    parser.add_argument(
        "--record", action="store_true", help="store the replay as a run of its own, tagged replay"
    )
    parser.epilog = (
        "Today's code runs here, in this process, and does all it does: what it writes, sends or\n"
        "deletes, it does again. Modules are looked for in this folder first. What the code\n"
        "prints goes to stderr; what it records stays in memory, unless --record.\n\n"
        "A step can be replayed when it is a decorated function (@xray_step) whose arguments were\n"
        'captured; capture="full" keeps up to 1 MB of them. The exit code is 0 when nothing\n'
        "differs, 1 when something does, 2 when it cannot be replayed.\n\n"
        "examples:\n"
        "  xray replay last --step filter_candidates\n"
        "  xray replay 0193f0c2 --step price --code shop/search.py:keep_cheap --param limit=120\n"
        "  xray replay last --step search --object 'index=shop.index:open_index()' --json"
    )


def run(args: Namespace) -> int:
    """Say whether today's code decides as it did."""
    console = open_console(args)
    try:
        replay = _replay(args)
    except NotReplayableError as error:
        if not args.json:
            raise
        told = {"code": error.code, "detail": error.detail, "hint": error.hint}
        console.write_json(msgspec.json.encode({**told, "missing": error.missing}))
        return _IMPOSSIBLE
    except NotFoundError as error:
        raise NotReplayableError(error.detail, hint=error.hint, code=error.code) from error
    if args.json:
        console.write_json(msgspec.json.encode(replay))
    else:
        console.write(draw_replay(replay, console.terminal))
    return _SAME if replay.is_same else _DIFFERENT


def _replay(args: Namespace) -> Replay:
    if args.times is not None and args.times < 1:
        raise InvalidQueryError("--times must be 1 or more.", code="invalid_value")
    if args.timeout is not None and not args.timeout > 0:
        raise InvalidQueryError("--timeout must be above 0.", code="invalid_value")
    with open_client(args) as client, redirect_stdout(sys.stderr):
        performed = perform(
            client,
            ReplayRequest(
                run=args.run,
                step=args.step,
                code=args.code,
                texts=_read_pairs("--param", args.param),
                values={} if args.input is None else _read_file(Path(args.input)),
                objects={
                    name: find_object(place)
                    for name, place in _read_pairs("--object", args.object).items()
                },
                candidates=args.candidates,
                times=args.times,
                timeout_s=args.timeout,
            ),
        )
        if args.record:
            keep_replay(performed, client.url, resolve_api_key(args, os.environ).value)
    return performed.replay


def _read_pairs(option: str, given: list[str]) -> dict[str, str]:
    pairs = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not equals or not name.isidentifier():
            raise InvalidQueryError(
                f"{text!r} is no {option}.",
                hint=f"Write {option} NAME=VALUE.",
                code="invalid_value",
            )
        pairs[name] = value
    return pairs


def _read_file(path: Path) -> dict[str, Any]:
    try:
        return msgspec.json.decode(path.read_bytes(), type=dict[str, Any])
    except (OSError, msgspec.MsgspecError) as error:
        raise InvalidQueryError(
            f"{path} holds no arguments: {error}.",
            hint='Write a JSON object, {"argument": value}.',
            code="invalid_value",
        ) from error


def draw_replay(replay: Replay, terminal: Terminal) -> list[str]:
    """The sentence, each step that differs, and what a reader should know of the replay."""
    lines = draw_headline(replay.answer, replay.certainty, replay.because, terminal)
    lines += wrap(f"Ran {printable(replay.code)}.", terminal.width)
    for note in replay.notes:
        lines += terminal.paint_all(wrap(printable(note), terminal.width), "yellow")
    if replay.changes:
        lines += ["", terminal.paint("The run", "bold"), *draw_changes(replay.changes, terminal)]
    for step in replay.steps:
        if not step.is_same:
            lines += ["", *draw_step(_leave_output_out(step), terminal, _WORDS, _MAX_MOVES)]
    if replay.unsettled:
        lines += ["", "Between replays of the same code:"]
        for step in replay.unsettled[:3]:
            lines += wrap(printable(step.text), terminal.width, indent="    ", first="  ")
        lines += wrap("`xray flaky` says how far recorded runs agree.", terminal.width)
    return lines


def _leave_output_out(step: StepDiff) -> StepDiff:
    """*step* without how its output differs, where its decisions say why."""
    if not step.moves:
        return step
    changes = [one for one in step.changes if not one.path.startswith("output")]
    return replace(step, changes=changes)
