"""Labels: what somebody says of runs and candidates, and what was said of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NoReturn

from msgspec.structs import replace

from xray.errors import InvalidQueryError, InvalidRecordError, NotFoundError
from xray.model.clock import to_wall_us
from xray.model.ids import canonical_id, new_uuid7, parse_uuid
from xray.model.labels import (
    MAX_LABELLER_LENGTH,
    MAX_NOTE_LENGTH,
    Label,
    Labelled,
    Labelling,
    LabelList,
    LabelPosition,
    LabelRequest,
    LabelsAsked,
)
from xray.model.vocabulary import LABELS, LabelWord, parse_label
from xray.query.cursor import asked_at_us, decode_cursor, encode_cursor
from xray.query.language import parse_query
from xray.query.plan import (
    DEFAULT_LIMIT,
    MAX_LIMIT,
    AllOf,
    AnyOf,
    Comparison,
    FieldRef,
    Plan,
    Position,
)
from xray.reading.lists import Parameters, read_id
from xray.store.protocol import Store

MAX_CORRELATED_RUNS: Final = 100
"""How many runs one correlation id may lead to where they are labelled by it."""

_PARAMETERS: Final = (
    "run_id", "candidate_id", "label", "labelled_by", "about", "q", "limit", "cursor",
)  # fmt: skip
_PORTION: Final = 500
_MAX_PORTIONS: Final = 20
_MAX_NAMED: Final = 3
_MAX_WEIGHED: Final = 20_000


def make_labels(store: Store, asked: LabelRequest, now_us: int) -> list[Labelled]:
    """What is to be stored for *asked*: one fact for each run that is meant.

    A label is younger than the one it takes the place of, whatever the clock says.

    Args:
        store: where the runs are; a run named by its id may arrive later.
        asked: what somebody says; without a label it takes the one that holds back.
        now_us: the time.

    Raises:
        InvalidRecordError: it does not say what is meant, or holds too much.
        NotFoundError: no run has the correlation id.
    """
    run_ids = _find_runs(store, asked)
    label = None if asked.label is None else _read_label(asked.label)
    candidate_id = None if asked.candidate_id is None else canonical_id(asked.candidate_id)
    _check_length("note", asked.note, MAX_NOTE_LENGTH)
    _check_length("labelled_by", asked.labelled_by, MAX_LABELLER_LENGTH)
    known = _find_labels(store, run_ids, candidate_id)
    newest_us = max((to_wall_us(one.labelled_at) for one in known), default=-1)
    return [
        Labelled(
            label_id=new_uuid7(now_us),
            run_id=run_id,
            labelled_at_us=max(now_us, newest_us + 1),
            candidate_id=candidate_id,
            label=label,
            note=asked.note,
            labelled_by=asked.labelled_by,
        )
        for run_id in run_ids
    ]


def _find_runs(store: Store, asked: LabelRequest) -> list[str]:
    if (asked.run_id is None) == (asked.correlation is None):
        _refuse("It is not said which run is meant.", "Give either run_id or correlation.")
    if asked.run_id is not None:
        run_id = parse_uuid(asked.run_id)
        if run_id is None:
            _refuse(f"{asked.run_id[:100]!r} is not an id of a run.", "Ids of runs are UUIDs.")
        return [run_id]
    wanted = asked.correlation or ""
    found = store.correlated(wanted, MAX_CORRELATED_RUNS + 1)
    if not found:
        raise NotFoundError(
            f"No run that has arrived is known as {wanted[:100]!r} in another system.",
            hint="Record the id with correlation=, or label by run_id; a run_id may also be one "
            "that arrives later.",
            code="run_not_found",
        )
    if len(found) > MAX_CORRELATED_RUNS:
        _refuse(
            f"More than {MAX_CORRELATED_RUNS} runs are known as {wanted[:100]!r}.",
            "Name the runs that are meant by run_id.",
        )
    return found


def _read_label(text: str) -> LabelWord:
    label = parse_label(text)
    if label is None:
        _refuse(f"{text[:100]!r} is no label.", f"It is one of {', '.join(LABELS)}.")
    return label


def _check_length(name: str, text: str | None, limit: int) -> None:
    if text is not None and len(text) > limit:
        _refuse(f"{name} has {len(text):,} characters.", f"It may have {limit:,}.")


def _refuse(detail: str, hint: str) -> NoReturn:
    raise InvalidRecordError(detail, hint=hint, code="invalid_label")


def _find_labels(store: Store, run_ids: Sequence[str], candidate_id: str | None) -> list[Label]:
    is_of_run = candidate_id is None
    return store.labels(
        LabelsAsked(run_ids=tuple(run_ids), candidate_id=candidate_id, is_of_run=is_of_run)
    )


def report_labels(store: Store, facts: Sequence[Labelled]) -> Labelling:
    """What came of *facts*, once they are stored.

    Args:
        store: where they are.
        facts: what `make_labels` made.
    """
    run_ids = [fact.run_id for fact in facts]
    candidate_id, label = facts[0].candidate_id, facts[0].label
    awaited = [run_id for run_id in run_ids if store.run(run_id) is None]
    unseen: list[str] = []
    if candidate_id is not None and label is not None:
        arrived = [run_id for run_id in run_ids if run_id not in awaited]
        unseen = [run_id for run_id in arrived if not _is_decided(store, run_id, candidate_id)]
    verb = "is" if candidate_id is not None or len(run_ids) == 1 else "are"
    said = "without a label" if label is None else f"labelled {label}"
    answer = f"{_name_subject(run_ids, candidate_id)} {verb} {said}."
    if awaited:
        answer += (
            f" {_name_runs(awaited)} {'has' if len(awaited) == 1 else 'have'} not arrived; the "
            "label waits."
        )
    if unseen:
        answer += (
            f" No step of {_name_runs(unseen, is_first=False)} recorded a decision about it: it "
            "counts as never retrieved, if the id is right."
        )
    return Labelling(
        answer=answer,
        run_ids=run_ids,
        labels=_find_labels(store, run_ids, candidate_id),
        awaited=awaited,
        unseen=unseen,
    )


def _is_decided(store: Store, run_id: str, candidate_id: str) -> bool:
    named = AllOf(
        (
            Comparison(FieldRef("decision", "run_id"), "=", run_id),
            Comparison(FieldRef("decision", "candidate_id"), "=", candidate_id),
        )
    )
    return bool(store.decisions(Plan(scope="decision", where=named, limit=1)).items)


def _name_subject(run_ids: Sequence[str], candidate_id: str | None) -> str:
    if candidate_id is None:
        return _name_runs(run_ids)
    return f"{candidate_id} in {_name_runs(run_ids, is_first=False)}"


def _name_runs(run_ids: Sequence[str], *, is_first: bool = True) -> str:
    noun = "run" if len(run_ids) == 1 else f"{len(run_ids)} runs:"
    named = ", ".join(run_ids[:_MAX_NAMED])
    more = " and more" if len(run_ids) > _MAX_NAMED else ""
    said = f"{noun} {named}{more}"
    return said[:1].upper() + said[1:] if is_first else said


def list_labels(store: Store, parameters: Parameters, now_us: int) -> LabelList:
    """The labels that *parameters* ask for, newest first.

    Raises:
        InvalidQueryError: a parameter is unknown, or its value cannot be used.
    """
    named: dict[str, list[str]] = {}
    for name, value in parameters:
        if name not in _PARAMETERS:
            raise InvalidQueryError(
                f"There is no parameter {name[:100]!r} here.",
                hint=f"There are {', '.join(_PARAMETERS)}.",
                code="invalid_parameter",
            )
        named.setdefault(name, []).append(value)
    one = {name: values[-1] for name, values in named.items()}
    cursor, limit = one.get("cursor"), _read_limit(one.get("limit"))
    if cursor is not None:
        now_us = asked_at_us(cursor)
    query = one.get("q", "")
    where = parse_query(query, "run", now_us)
    asked = LabelsAsked(
        run_ids=tuple(map(read_id, named["run_id"])) if "run_id" in named else None,
        candidate_id=one.get("candidate_id"),
        is_of_run=_read_about(one.get("about")),
        label=_read_asked_label(one.get("label")),
        labelled_by=one.get("labelled_by"),
    )
    plan = Plan(scope="run", where=where, now_us=now_us)
    also = repr(replace(asked, limit=0))
    if cursor is not None:
        end = decode_cursor(cursor, plan, also)
        asked = replace(asked, after=LabelPosition(end.sort_us, end.record_id))
    listed, end_at = _walk(store, asked, plan if query.strip() else None, limit)
    is_cut = end_at is not None and len(listed) < limit
    return LabelList(
        labels=listed,
        next_cursor=None if end_at is None else encode_cursor(end_at, plan, also),
        total=len(listed) if end_at is None and cursor is None else None,
        total_is_exact=end_at is None and cursor is None,
        complete=not is_cut,
    )


def _walk(
    store: Store, asked: LabelsAsked, plan: Plan | None, limit: int
) -> tuple[list[Label], Position | None]:
    """Labels of the runs that meet *plan*, and where the search ended before it saw all."""
    found: list[Label] = []
    for _ in range(_MAX_PORTIONS):
        size = limit + 1 if plan is None else _PORTION
        portion = store.labels(replace(asked, limit=size))
        kept = portion if plan is None else _of_runs_that_meet(store, plan, portion)
        found += kept
        if len(found) > limit:
            return found[:limit], _position(found[limit - 1])
        if len(portion) < size:
            return found, None
        last = _position(portion[-1])
        asked = replace(asked, after=LabelPosition(last.sort_us, last.record_id))
    return found, last


def find_labels(store: Store) -> dict[str, dict[str, LabelWord]]:
    """The labels of candidates by run, the newest of them where there are very many."""
    found: dict[str, dict[str, LabelWord]] = {}
    for label in store.labels(LabelsAsked(is_of_run=False, limit=_MAX_WEIGHED)):
        if label.candidate_id is not None:
            found.setdefault(label.run_id, {})[label.candidate_id] = label.label
    return found


def find_labelled_runs(store: Store, plan: Plan, wanted: int) -> tuple[list[str], bool]:
    """The runs that meet *plan* and have labelled candidates, those labelled last first.

    Args:
        store: where they are.
        plan: a question about runs.
        wanted: how many at most.

    Returns:
        Their ids, and whether these are all.
    """
    found: dict[str, None] = {}
    asked = LabelsAsked(is_of_run=False, limit=_PORTION)
    for _ in range(_MAX_PORTIONS):
        portion = store.labels(asked)
        found.update((one.run_id, None) for one in _of_runs_that_meet(store, plan, portion))
        if len(found) > wanted or len(portion) < _PORTION:
            break
        last = _position(portion[-1])
        asked = replace(asked, after=LabelPosition(last.sort_us, last.record_id))
    return list(found)[:wanted], len(found) <= wanted and len(portion) < _PORTION


def _of_runs_that_meet(store: Store, plan: Plan, labels: list[Label]) -> list[Label]:
    run_ids = dict.fromkeys(label.run_id for label in labels)
    if not run_ids:
        return []
    named = AnyOf(tuple(Comparison(FieldRef("run", "run_id"), "=", one) for one in run_ids))
    page = store.runs(replace(plan, where=AllOf((named, plan.where)), limit=MAX_LIMIT))
    met = {run.run_id for run in page.items}
    return [label for label in labels if label.run_id in met]


def _position(label: Label) -> Position:
    return Position(to_wall_us(label.labelled_at), label.label_id)


def _read_limit(text: str | None) -> int:
    if text is None:
        return DEFAULT_LIMIT
    limit = int(text) if text.isascii() and text.isdigit() and len(text) < 5 else 0
    if not 1 <= limit <= MAX_LIMIT:
        raise InvalidQueryError(
            f"limit={text[:100]!r} is not a number from 1 to {MAX_LIMIT}.",
            code="invalid_parameter",
        )
    return limit


def _read_about(text: str | None) -> bool | None:
    if text not in (None, "run", "candidate"):
        raise InvalidQueryError(
            f"about={text[:100]!r} is neither run nor candidate.",
            hint="about=run lists labels of whole runs, about=candidate those of candidates.",
            code="invalid_parameter",
        )
    return None if text is None else text == "run"


def _read_asked_label(text: str | None) -> LabelWord | None:
    label = None if text is None else parse_label(text)
    if text is not None and label is None:
        raise InvalidQueryError(
            f"label={text[:100]!r} is no label.",
            hint=f"It is one of {', '.join(LABELS)}.",
            code="invalid_parameter",
        )
    return label
