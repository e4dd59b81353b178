"""What is to be forgotten, and what is left of it: the answer of `xray forget`."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b
from typing import Final, Literal

from msgspec import Struct

from xray.errors import InvalidRecordError
from xray.model.sayings import say_bytes, say_number_of

MAX_NAMED: Final = 1_000
"""How many names one request may give."""
MAX_SHOWN: Final = 100
"""How many runs, and how many places, an answer lists."""
FORGOTTEN_CODE: Final = "forgotten"
"""The code under which a record of a forgotten run is refused."""

OUT_OF_REACH: Final = (
    "backups and exports made before",
    "records that clients have not sent yet: they are refused when they come",
    "replicas of the database, and copies that a file system or a disk keeps of its blocks",
)

Stage = Literal["deleting", "rewriting", "sweeping", "returning space", "looking"]


class ForgetRequest(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Which runs are to be forgotten: all that any of the names leads to.

    Args:
        run_ids: these runs.
        pipelines: every run of these pipelines, and what was usual of their steps.
        correlation_ids: every run that has one of these ids in another system.
        candidate_ids: every run that decided one of these candidates, or has a label about it.
        dry_run: only say which they are.
    """

    run_ids: list[str] = []
    pipelines: list[str] = []
    correlation_ids: list[str] = []
    candidate_ids: list[str] = []
    dry_run: bool = False

    def names(self) -> list[str]:
        """Everything that is looked for afterwards."""
        named = (self.run_ids, self.pipelines, self.correlation_ids, self.candidate_ids)
        return list(dict.fromkeys(name for names in named for name in names))


class Progress(Struct, frozen=True):
    """How far forgetting is.

    Args:
        stage: what is being done.
        done: how much of that.
        total: of how much; 0 where that is not known.
    """

    stage: Stage
    done: int = 0
    total: int = 0


class Trace(Struct, frozen=True, kw_only=True):
    """A place where a name was found.

    Args:
        name: the name.
        where: the kind of record, or what else it is.
        run_id: the run it belongs to, where it belongs to one.
        is_whole: whether the name is a value of its own there, and not a word of a longer text.
        count: how many such records there are.
    """

    name: str
    where: str
    run_id: str | None = None
    is_whole: bool = True
    count: int = 1


class NameSearch(Struct, frozen=True, kw_only=True):
    """What was looked through for names, and where they were found.

    Args:
        records: how many values of rows.
        frames: how many compressed payloads were opened.
        dictionaries: how many dictionaries of the compression.
        raw_bytes: how many bytes of files were read as they are, free pages and log included.
        files: the names of those files.
        traces: where the names were found, at most `MAX_SHOWN` places.
        unsearched: names that are too short to be told from chance in bytes that are no record.
    """

    records: int = 0
    frames: int = 0
    dictionaries: int = 0
    raw_bytes: int = 0
    files: list[str] = []
    traces: list[Trace] = []
    unsearched: list[str] = []


class Forgotten(Struct, frozen=True):
    """What a store let go.

    Args:
        runs: how many runs.
        steps: how many steps they had.
        is_compact: whether space that records left was given back and holds nothing of them.
        problem: why not.
    """

    runs: int = 0
    steps: int = 0
    is_compact: bool = True
    problem: str = ""


class ForgetReport(Struct, frozen=True, kw_only=True):
    """What was forgotten, and what is left of it.

    Args:
        answer: what is so, for people.
        runs: how many runs were forgotten, or would be.
        run_ids: the first of them.
        steps: how many steps they had; 0 where nothing was deleted.
        is_dry: whether nothing was deleted.
        is_complete: false while it is being done: the same request asks how far it is.
        progress: how far it is, where it is not complete.
        search: what was looked through afterwards, and where names are still found.
        out_of_reach: where X-Ray cannot look.
    """

    answer: str
    runs: int
    run_ids: list[str] = []
    steps: int = 0
    is_dry: bool = False
    is_complete: bool = True
    progress: Progress | None = None
    search: NameSearch | None = None
    out_of_reach: list[str] = []


def hash_run(raw_run_id: bytes) -> bytes:
    """What is kept of the id of a forgotten run, so that its records are known when they come."""
    return blake2b(raw_run_id, digest_size=16, person=b"xray-forgotten").digest()


def refuse_forgotten(run_id: str) -> InvalidRecordError:
    """The error for a record of a run that was forgotten."""
    return InvalidRecordError(
        f"The run {run_id} was forgotten, and is not recorded again.", code=FORGOTTEN_CODE
    )


def say_found(run_count: int, *, is_dry: bool) -> str:
    """How many runs there are to be forgotten."""
    if not run_count:
        return "No stored run is named by that."
    would = "would be" if is_dry else ("is" if run_count == 1 else "are")
    return f"{say_number_of(run_count, 'run')} {would} forgotten."


def say_forgotten(forgotten: Forgotten, named: int, search: NameSearch) -> str:
    """What was forgotten, what was looked through, and what was found there."""
    did = "No stored run was named by that"
    if forgotten.runs:
        verb = "was" if forgotten.runs == 1 else "were"
        steps = say_number_of(forgotten.steps, "step")
        did = f"{say_number_of(forgotten.runs, 'run')} with {steps} {verb} forgotten"
    places = [
        f"{say_number_of(search.records, 'value')} of rows",
        f"{say_number_of(search.frames, 'compressed frame')}",
        "1 dictionary" if search.dictionaries == 1 else f"{search.dictionaries:,} dictionaries",
    ]
    if search.raw_bytes:
        places.append(f"all {say_bytes(search.raw_bytes)} of {' and '.join(search.files)}")
    names = "The name" if named == 1 else f"The {named:,} names"
    through = f"{', '.join(places[:-1])} and {places[-1]}"
    said = f"{did}. {names} {'was' if named == 1 else 'were'} looked for in {through}: "
    said += _say_traces(search.traces) if search.traces else "found nowhere."
    if search.unsearched:
        short = "One is" if len(search.unsearched) == 1 else f"{len(search.unsearched):,} are"
        said += f" {short} too short to be told from chance in bytes that are no record."
    if forgotten.problem:
        said += f" {forgotten.problem}"
    return said


def _say_traces(traces: Sequence[Trace]) -> str:
    whole = sum(trace.count for trace in traces if trace.is_whole)
    within = sum(trace.count for trace in traces if not trace.is_whole)
    runs = {trace.run_id for trace in traces if trace.run_id is not None}
    told = []
    if whole:
        told.append(f"still found in {say_number_of(whole, 'place')}")
    if within:
        told.append(f"found as part of a longer text in {say_number_of(within, 'place')}")
    of_runs = f" of {say_number_of(len(runs), 'other run')}" if runs else ""
    return f"{' and '.join(told)}{of_runs}."
