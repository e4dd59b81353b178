"""Forgetting: which runs are meant, letting them go without a trace, and looking afterwards."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from msgspec.structs import replace

from xray.errors import InvalidQueryError
from xray.model.forgetting import (
    MAX_NAMED,
    MAX_SHOWN,
    OUT_OF_REACH,
    ForgetReport,
    ForgetRequest,
    Forgotten,
    NameSearch,
    Progress,
    say_forgotten,
    say_found,
)
from xray.query.cursor import decode_cursor
from xray.query.plan import MAX_LIMIT, Comparison, FieldRef, Plan
from xray.reading.lists import read_id
from xray.store.protocol import Store

_MOST_CORRELATED = 1_000_000


def forget(
    store: Store,
    asked: ForgetRequest,
    note: Callable[[Sequence[str]], None] = lambda _: None,
    show: Callable[[Progress], None] = lambda _: None,
) -> ForgetReport:
    """Forget the runs that are asked for, and look whether anything still names them.

    Args:
        store: where the runs are.
        asked: which; where nothing is to be deleted, only they are told.
        note: is told the ids of runs that are forgotten.
        show: is told how far it is.

    Raises:
        InvalidQueryError: nothing is named, or a run id is none.
    """
    asked = replace(asked, run_ids=list(map(read_id, asked.run_ids)))
    run_ids = find_named(store, asked)
    if asked.dry_run:
        return ForgetReport(
            answer=say_found(len(run_ids), is_dry=True),
            runs=len(run_ids),
            run_ids=run_ids[:MAX_SHOWN],
            is_dry=True,
            out_of_reach=list(OUT_OF_REACH),
        )
    # What was asked for by its id is not taken later either, whether it is stored or not.
    wanted = list(dict.fromkeys((*run_ids, *asked.run_ids)))
    names = asked.names()
    forgotten, search = Forgotten(), None
    if not wanted and not asked.pipelines and not store.owes_sweeping():
        search = store.find_names(names, asked.candidate_ids, show)
    if search is None or _is_unaccounted(search):
        show(Progress("deleting", 0, len(wanted)))
        forgotten = store.forget_runs(wanted, asked.pipelines, show).result()
        note(wanted)
        search = store.find_names(names, asked.candidate_ids, show)
    return ForgetReport(
        answer=say_forgotten(forgotten, len(names), search),
        runs=forgotten.runs,
        run_ids=run_ids[:MAX_SHOWN],
        steps=forgotten.steps,
        search=search,
        out_of_reach=list(OUT_OF_REACH),
    )


def _is_unaccounted(search: NameSearch) -> bool:
    """Whether a name stands where no run does that could be forgotten."""
    return any(trace.run_id is None for trace in search.traces)


def find_named(store: Store, asked: ForgetRequest) -> list[str]:
    """Ids of the stored runs that are asked for.

    Raises:
        InvalidQueryError: nothing is named, or too much.
    """
    names = asked.names()
    if not names or not all(names):
        raise InvalidQueryError(
            "Nothing is named that is to be forgotten.",
            hint="Name run ids, pipelines, correlation ids or candidate ids.",
            code="nothing_named",
        )
    if len(names) > MAX_NAMED:
        raise InvalidQueryError(
            f"{len(names):,} names are given; {MAX_NAMED:,} at most can be.",
            hint="Ask several times.",
            code="too_many_names",
        )
    found = dict.fromkeys(run_id for run_id in asked.run_ids if store.run(run_id) is not None)
    for pipeline in asked.pipelines:
        found.update(dict.fromkeys(_list_runs(store, pipeline)))
    for correlation_id in asked.correlation_ids:
        found.update(dict.fromkeys(store.correlated(correlation_id, _MOST_CORRELATED)))
    for candidate_id in asked.candidate_ids:
        found.update(dict.fromkeys(store.runs_holding(candidate_id)))
    return list(found)


def _list_runs(store: Store, pipeline: str) -> list[str]:
    where = Comparison(FieldRef("run", "pipeline"), "=", pipeline)
    plan = Plan(scope="run", where=where, limit=MAX_LIMIT)
    page = store.runs(plan)
    found = [run.run_id for run in page.items]
    while page.next_cursor is not None:
        after = decode_cursor(page.next_cursor, plan)
        page = store.runs(Plan(scope="run", where=where, limit=MAX_LIMIT, after=after))
        found += [run.run_id for run in page.items]
    return found
