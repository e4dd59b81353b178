"""Golden decisions: what is expected of which runs, one statement a line of a file.

# What the shop's search must decide.
for pipeline = "search" and input.query = "laptop stand":
    laptop_stand_42 is not selected
    at most 40% rejected by price_too_high

for each pipeline = "search" and started_at > 24h:
    exactly 1 selected
"""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct

from xray.client import Client
from xray.errors import InvalidQueryError, NotFoundError
from xray.model.verification import Verification


class Golden(Struct, frozen=True, kw_only=True):
    """What is expected of some runs.

    Args:
        query: which runs; None for the run that is named where the file is used.
        is_each: whether every run of the query has to meet it, or the newest alone.
        line: where it begins in its file, from 1.
        expectations: the statements, each with its line.
    """

    query: str | None
    is_each: bool
    line: int
    expectations: list[tuple[int, str]]


def read_golden(text: str, name: str) -> list[Golden]:
    """What the file *text* expects.

    Args:
        text: its content.
        name: its name, for what is said of faults.

    Raises:
        InvalidQueryError: a line is neither an expectation nor says of which runs.
    """
    found = [one for one in _read_blocks(text, name) if one.query is not None or one.expectations]
    for one in found:
        if not one.expectations:
            raise _refuse(name, one.line, "expects nothing of the runs it names")
    if not found:
        raise InvalidQueryError(
            f"{name} expects nothing.",
            hint="Write one expectation a line: laptop_stand_42 is not selected.",
            code="invalid_expectation",
        )
    return found


def verify_golden(client: Client, golden: Golden, run: str | None) -> Iterator[Verification]:
    """What became of *golden* in each run that it speaks of, newest first.

    Args:
        client: whom to ask.
        golden: what is expected.
        run: the run that is meant where *golden* names none: an id, a prefix of one, or `last`.

    Raises:
        NotFoundError: there is no such run.
        InvalidQueryError: no run is named, the query is none, or a statement is none.
    """
    texts = [text for _, text in golden.expectations]
    for run_id in _list_runs(client, golden, run):
        yield client.verify(run_id, *texts)


def _list_runs(client: Client, golden: Golden, run: str | None) -> Iterator[str]:
    if golden.query is None:
        if run is None:
            raise InvalidQueryError(
                "It is not said which run is meant.",
                hint="Name a run (an id, the beginning of one, or `last`) or a query.",
                code="missing_parameter",
            )
        yield client.resolve_run(run)
        return
    found = False
    for one in client.iter_runs(q=golden.query, limit=100 if golden.is_each else 1):
        found = True
        yield one.run_id
        if not golden.is_each:
            break
    if not found:
        raise NotFoundError(
            f"No run meets {golden.query}, so nothing shows that what is expected of it holds.",
            hint="Run the pipeline first, or ask `xray runs` with the same query.",
            code="run_not_found",
        )


def _read_blocks(text: str, name: str) -> Iterator[Golden]:
    block = Golden(query=None, is_each=False, line=1, expectations=[])
    for number, written in enumerate(text.splitlines(), 1):
        line = written.strip()
        if not line or line.startswith("#"):
            continue
        if line.startswith("for "):
            yield block
            block = _begin(line, number, name)
        else:
            block.expectations.append((number, line))
    yield block


def _begin(line: str, number: int, name: str) -> Golden:
    if not line.endswith(":"):
        raise _refuse(name, number, "begins with 'for' and does not end with a colon")
    query = line[len("for ") : -1].strip()
    word, _, rest = query.partition(" ")
    is_each = word == "each"
    query = rest.strip() if is_each else query
    if not query:
        raise _refuse(name, number, "names no runs")
    return Golden(query=query, is_each=is_each, line=number, expectations=[])


def _refuse(name: str, line: int, fault: str) -> InvalidQueryError:
    return InvalidQueryError(
        f"{name}, line {line}, {fault}.",
        hint='Runs are named so: for pipeline = "search" and status = "completed":',
        code="invalid_expectation",
    )
