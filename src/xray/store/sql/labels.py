"""Labels as they lie in the database, and the ids in other systems by which runs are labelled."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

import msgspec

from xray.model.clock import from_wall_us
from xray.model.labels import MAX_LABELS_OF_RUN, Label, Labelled, LabelsAsked
from xray.model.vocabulary import LabelWord
from xray.store.labels import order_label, refuse_another_label
from xray.store.sql.driver import Driver
from xray.store.sql.rows import id_bytes, id_text, raw_id
from xray.store.words import LABEL_WORDS, number_words

_WORDS: Final[tuple[LabelWord, ...]] = LABEL_WORDS
_NUMBERS: Final = number_words(LABEL_WORDS)
_PORTION: Final = 1_000
_COLUMNS: Final = "run_id, is_run, candidate, label, labelled_at, label_id, labelled_by, note"
_PUT: Final = (
    f"insert into labels ({_COLUMNS}) values (?, ?, ?, ?, ?, ?, ?, ?)"  # noqa: S608
    " on conflict (run_id, is_run, candidate) do update set label = excluded.label,"
    " labelled_at = excluded.labelled_at, label_id = excluded.label_id,"
    " labelled_by = excluded.labelled_by, note = excluded.note"
)


def put_label(connection: Driver, fact: Labelled, run: int | None) -> bool:
    """Store *fact* where it is the latest about its subject; whether it is.

    Args:
        connection: within a transaction.
        fact: the label.
        run: the number of its run; None where that has not arrived.

    Raises:
        InvalidRecordError: the run has too many labels.
    """
    raw, is_run = id_bytes(fact.run_id), fact.candidate_id is None
    place = (raw, int(is_run), fact.candidate_id or "")
    age = (fact.labelled_at_us, id_bytes(fact.label_id))
    known = connection.execute(
        "select labelled_at, label_id from labels"
        " where run_id = ? and is_run = ? and candidate = ?",
        place,
    ).fetchone()
    if known is not None and tuple(known) >= age:
        return False
    if known is None and _count_labels(connection, raw) >= MAX_LABELS_OF_RUN:
        raise refuse_another_label(fact.run_id)
    number = None if fact.label is None else _NUMBERS[fact.label]
    connection.execute(_PUT, (*place, number, *age, fact.labelled_by, fact.note))
    if run is not None and is_run:
        connection.execute("update runs set label = ? where seq = ?", (number, run))
    elif is_run:
        connection.execute(
            "insert into waiting_labels (run_id) values (?) on conflict (run_id) do nothing", (raw,)
        )
    return True


def _count_labels(connection: Driver, raw: bytes) -> int:
    query = "select count(*) from labels where run_id = ?"
    return int(connection.execute(query, (raw,)).fetchone()[0])


def label_arrived(connection: Driver, runs: Iterable[tuple[str, int]]) -> None:
    """Give runs that were just stored the labels that waited for them.

    Args:
        connection: within a transaction.
        runs: ids and numbers of runs that were not stored before.
    """
    if not connection.execute("select exists (select 1 from waiting_labels)").fetchone()[0]:
        return
    for run_id, seq in runs:
        raw = id_bytes(run_id)
        came = connection.execute("delete from waiting_labels where run_id = ?", (raw,)).rowcount
        if came:
            connection.execute(
                "update runs set label = (select label from labels"
                " where run_id = ? and is_run = 1 and candidate = '') where seq = ?",
                (raw, seq),
            )


def put_correlated(connection: Driver, ids: Iterable[tuple[str, int]]) -> None:
    """Let each of *ids* lead to the run of that number."""
    query = "insert into correlated (id, run) values (?, ?) on conflict (id, run) do nothing"
    connection.executemany(query, ids)


def find_correlated(connection: Driver, correlation_id: str, limit: int) -> list[str]:
    """The ids of the runs that have *correlation_id* in another system, newest first."""
    found = connection.execute(
        "select run_id, id, correlation, run from correlated join runs on runs.seq = run"
        " where id = ? order by started_at desc, run_id desc",
        (correlation_id,),
    )
    named: list[str] = []
    for raw, _, correlation, _ in found:
        # A later word about the same name takes an earlier id away from the run.
        if correlation and correlation_id in msgspec.json.decode(correlation).values():
            named.append(id_text(raw))
            if len(named) >= limit:
                break
    return named


def load_labels(connection: Driver, asked: LabelsAsked) -> list[Label]:
    """The labels that are asked for, newest first."""
    tests = ["label is not null"]
    values: list[object] = []
    if asked.run_ids is not None:
        if not asked.run_ids:
            return []
        tests.append(f"run_id in ({', '.join('?' * len(asked.run_ids))})")
        values += map(raw_id, asked.run_ids)
    if asked.candidate_id is not None:
        tests.append("is_run = 0 and candidate = ?")
        values.append(asked.candidate_id)
    if asked.is_of_run is not None:
        tests.append("is_run = ?")
        values.append(int(asked.is_of_run))
    if asked.label is not None:
        tests.append("label = ?")
        values.append(_NUMBERS[asked.label])
    if asked.labelled_by is not None:
        tests.append("labelled_by = ?")
        values.append(asked.labelled_by)
    if asked.after is not None:
        tests.append("(labelled_at, label_id) < (?, ?)")
        values += [asked.after.labelled_at_us, raw_id(asked.after.label_id)]
    query = (
        f"select {_COLUMNS} from labels where {' and '.join(tests)}"  # noqa: S608
        " order by labelled_at desc, label_id desc limit ?"
    )
    return [_open(row) for row in connection.execute(query, (*values, asked.limit))]


def export_labels(connection: Driver, run_id: str) -> list[Labelled]:
    """What was said last of a run and of each of its candidates, also what was taken back."""
    query = f"select {_COLUMNS} from labels where run_id = ?"  # noqa: S608
    found = [
        Labelled(
            label_id=id_text(label_id),
            run_id=run_id,
            labelled_at_us=labelled_at_us,
            candidate_id=None if is_run else candidate,
            label=None if number is None else _WORDS[number],
            note=note,
            labelled_by=labelled_by,
        )
        for _, is_run, candidate, number, labelled_at_us, label_id, labelled_by, note in (
            connection.execute(query, (raw_id(run_id),))
        )
    ]
    return sorted(found, key=order_label)


def list_awaited(connection: Driver) -> Iterator[str]:
    """The ids of the runs of which nothing but labels came, a portion at a time."""
    query = (
        "select distinct run_id from labels where run_id > ?"
        " and not exists (select 1 from runs where runs.run_id = labels.run_id)"
        " order by run_id limit ?"
    )
    last = b""
    while rows := connection.execute(query, (last, _PORTION)).fetchall():
        last = rows[-1][0]
        for (raw,) in rows:
            yield id_text(raw)


def has_candidate_labels(connection: Driver) -> bool:
    """Whether any candidate has a label."""
    query = "select exists (select 1 from labels where is_run = 0 and label is not null)"
    return bool(connection.execute(query).fetchone()[0])


def load_words(connection: Driver, run_id: str) -> dict[str, LabelWord]:
    """The labels of the candidates of a run."""
    query = (
        "select candidate, label from labels where run_id = ? and is_run = 0 and label is not null"
    )
    found = connection.execute(query, (raw_id(run_id),))
    return {candidate: _WORDS[number] for candidate, number in found}


def _open(row: Sequence[Any]) -> Label:
    raw, is_run, candidate, number, labelled_at_us, label_id, labelled_by, note = row
    return Label(
        label_id=id_text(label_id),
        run_id=id_text(raw),
        candidate_id=None if is_run else candidate,
        label=_WORDS[number],
        note=note,
        labelled_by=labelled_by,
        labelled_at=from_wall_us(labelled_at_us),
    )
