"""Two groups of runs compared: read, folded, asked what chance does not explain."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from msgspec.structs import replace

from xray.errors import InvalidQueryError
from xray.forensics.groups.comparison import LEVEL, Found, find_differences
from xray.forensics.groups.gathering import Gathering
from xray.forensics.groups.group import Group
from xray.forensics.groups.sentences import answer_comparison
from xray.forensics.unfinished import Unfinished
from xray.model.clock import from_wall_us
from xray.model.comparison import ComparedGroup, Comparison
from xray.query.parameters import plan_from_parameters
from xray.query.plan import Plan
from xray.store.protocol import Store

FIRST_BUDGET_S: Final = 2.0
NEXT_BUDGET_S: Final = 5.0

_unfinished: Final = Unfinished[Gathering]("comparison of these groups")


def compare_groups(
    store: Store,
    a: str,
    b: str,
    now_us: int,
    *,
    cursor: str | None = None,
    budget_s: float | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> Comparison:
    """Say how the runs that meet one query differ from those that meet another.

    Args:
        store: where the runs are.
        a: the query of the runs that are compared with; empty for all.
        b: that of the runs that are compared.
        now_us: the time, from which ages are counted.
        cursor: of an answer that was not complete, to go on from there.
        budget_s: how long to read before what was read so far is compared; longer for whoever goes
            on, as comparing takes its time too.
        clock: seconds that pass.

    Raises:
        InvalidQueryError: a query is none, or the cursor goes on with nothing.
    """
    asked = (a, b)
    plans = (_plan("a", a, now_us), _plan("b", b, now_us))
    if cursor is None:
        gathering = Gathering(store, *plans, asked)
    else:
        gathering = _unfinished.take(cursor, store, asked)
    if budget_s is None:
        # Of very many runs the comparing itself takes long: no part reads for less time than that.
        budget_s = FIRST_BUDGET_S if cursor is None else max(NEXT_BUDGET_S, gathering.compared_s)
    deadline_s = clock() + budget_s
    is_complete = gathering.read(lambda: clock() >= deadline_s)
    began_s = clock()
    found = find_differences(gathering.a, gathering.b)
    gathering.compared_s = clock() - began_s
    compared = _conclude(gathering, asked, found)
    if is_complete:
        return compared
    return replace(compared, complete=False, next_cursor=_unfinished.keep(gathering))


def _plan(name: str, query: str, now_us: int) -> Plan:
    try:
        return plan_from_parameters("run", [("q", query)] if query.strip() else [], now_us)
    except InvalidQueryError as error:
        error.parameter = name
        raise


def _conclude(gathering: Gathering, asked: tuple[str, str], found: Found) -> Comparison:
    groups = (gathering.a, gathering.b)
    a, b = (_describe(query, group) for query, group in zip(asked, groups, strict=True))
    compared = Comparison(
        answer="",
        certainty="inferred" if found.tests else "unknown",
        because=_explain(a, b, found),
        a=a,
        b=b,
        differences=found.differences,
        settings=found.settings,
        tests=found.tests,
        level=LEVEL,
        overlap=gathering.overlap,
        is_cut=any(fold.is_cut for group in groups for fold in group.pipelines.values()),
    )
    return replace(compared, answer=answer_comparison(compared))


def _describe(query: str, group: Group) -> ComparedGroup:
    return ComparedGroup(
        query=query,
        runs=group.all.runs,
        stands_for=group.all.weight,
        unfinished=group.unfinished,
        first=None if group.first_us is None else from_wall_us(group.first_us),
        last=None if group.last_us is None else from_wall_us(group.last_us),
    )


def _explain(a: ComparedGroup, b: ComparedGroup, found: Found) -> str:
    if not found.tests:
        return f"{a.runs:,} and {b.runs:,} runs tell nothing from chance"
    return (
        f"from {found.tests:,} figures of {a.runs:,} and {b.runs:,} runs; were the groups alike, "
        f"any of them would be named in at most {LEVEL * 100:.0f} % of comparisons"
    )
