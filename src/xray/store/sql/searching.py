"""Every row of a database looked through for names, with all that is compressed in it opened."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, Literal

from msgspec import Struct

from xray.model.forgetting import Progress
from xray.model.hashing import hash64
from xray.store.blocks import BLOCK_BITS, Block
from xray.store.bodies import unpack
from xray.store.frames import Decompressor
from xray.store.names import Names
from xray.store.sql.driver import Driver
from xray.store.sql.payloads import block_range, load_dictionaries
from xray.store.sql.postings import find_steps
from xray.store.sql.rosters import ID_BITS, is_named
from xray.store.sql.rows import id_text
from xray.store.words import PARAMS

_PAGE_ROWS: Final = 500
_Form = Literal["id", "text", "json", "body", "document"]


class _Place(Struct, frozen=True):
    """Columns of a table that hold what was recorded.

    Args:
        table: the table.
        key: its whole-numbered key.
        columns: the columns and how what they hold is stored.
        said: what a record of it is called.
        of_run: how far the key is shifted against the number of a run; None where it is not one.
        of_step: how far it is shifted against the number of a step; None where it is not one.
    """

    table: str
    key: str
    columns: dict[str, _Form]
    said: str
    of_run: int | None = None
    of_step: int | None = None


_PLACES: Final = (
    _Place(
        "runs",
        "seq",
        {
            "run_id": "id",
            "key": "text",
            "tags": "json",
            "metadata": "json",
            "correlation": "json",
            "error": "json",
        },
        "a run",
        of_run=0,
    ),
    _Place("run_facts", "id", {"data": "body"}, "a run", of_run=2),
    _Place(
        "steps",
        "seq",
        {"step_id": "id", "parent_step_id": "id", "stats": "json", "error": "json"},
        "a step",
        of_step=0,
    ),
    _Place("step_bodies", "seq", {"data": "body"}, "a step", of_step=0),
    _Place("tallies", "seq", {"data": "body"}, "a tally of runs that were not kept"),
    _Place("rosters", "seq", {"fates": "body"}, "a roster", of_step=0),
    _Place("roster_chunks", "id", {"fates": "body"}, "a roster", of_step=ID_BITS),
)


class Searching:
    """Looks through one moment of a database.

    Args:
        driver: a connection within a transaction.
        decompressor: opens what is compressed.
        names: looks at what is opened.
        show: is told how far it is.
    """

    def __init__(
        self,
        driver: Driver,
        decompressor: Decompressor,
        names: Names,
        show: Callable[[Progress], None],
    ) -> None:
        self._driver = driver
        self._decompressor = decompressor
        self._names = names
        self._show = show

    def run(self, candidate_ids: Sequence[str]) -> None:
        """Look at every row.

        Args:
            candidate_ids: those of the names that rosters and the index may know by their hash.
        """
        for place in _PLACES:
            self._look_at(place)
        self._look_at_blocks()
        self._look_at_texts()
        self._look_at_labels()
        self._look_at_hashes(candidate_ids)
        for dictionaries in load_dictionaries(self._driver):
            for data in filter(None, dictionaries.by_kind.values()):
                self._names.see_dictionary(data)

    def _look_at(self, place: _Place) -> None:
        columns = ", ".join(place.columns)
        query = f"select {place.key}, {columns} from {place.table}"  # noqa: S608
        for number, *values in self._rows(query, place.key):
            owner = self._find_owner(place, number)
            for form, value in zip(place.columns.values(), values, strict=True):
                self._see(form, value, place.said, owner)

    def _look_at_hashes(self, candidate_ids: Sequence[str]) -> None:
        for name in candidate_ids:
            holders, dangling = find_holders(self._driver, self._decompressor, name)
            for run_id in holders:
                self._names.note(name, "the candidates of a step", run_id)
            for _ in range(dangling):
                self._names.note(name, "the index of candidates")

    def _rows(self, query: str, key: str) -> Iterator[Any]:
        """What *query* gives, a page at a time: some drivers hold all of an answer in memory."""
        after: int | None = -1
        while after is not None:
            rows = self._driver.execute(
                f"{query} where {key} > ? order by {key} limit {_PAGE_ROWS}", (after,)
            ).fetchall()
            yield from rows
            after = rows[-1][0] if len(rows) == _PAGE_ROWS else None
            self._show(Progress("looking", self._names.records + self._names.frames))

    def _see(self, form: _Form, value: Any, said: str, owner: Callable[[], str | None]) -> None:
        names = self._names
        if form == "id":
            names.see_raw_id(value, said, owner)
        elif form == "text":
            names.see_text(value, said, owner)
        elif form == "json":
            names.see_json(value, said, owner)
        elif form == "document":
            names.see_document(value, said, owner)
        elif value:
            names.see_payload(unpack(value, self._decompressor), said, owner)

    def _find_owner(self, place: _Place, number: int) -> Callable[[], str | None]:
        def find() -> str | None:
            if place.of_run is not None:
                return self._run_id(number >> place.of_run)
            return None if place.of_step is None else self._run_of_step(number >> place.of_step)

        return find

    def _run_id(self, seq: int | None) -> str | None:
        found = self._driver.execute("select run_id from runs where seq = ?", (seq,)).fetchone()
        return None if found is None else id_text(found[0])

    def _run_of_step(self, seq: int) -> str | None:
        for table in ("steps", "early_steps"):
            query = f"select run from {table} where seq = ?"  # noqa: S608
            found = self._driver.execute(query, (seq,)).fetchone()
            if found is not None:
                return self._run_id(found[0])
        return None

    def _look_at_blocks(self) -> None:
        for number, data in self._rows("select id, data from blocks", "id"):
            draft = Block(0, data, self._decompressor).draft()

            def owner(seq: int = number >> BLOCK_BITS) -> str | None:
                return self._run_of_step(seq)

            for payload in (draft.head, draft.body):
                self._names.see_payload(payload, "decisions of a step", owner)

    def _look_at_texts(self) -> None:
        for _, kind, text in self._rows("select id, kind, text from dim", "id"):
            said = "a name of a pipeline, step, version or reason"
            if kind == PARAMS:
                document = text if isinstance(text, bytes) else text.encode("latin-1")
                self._names.see_document(document, "parameters of a step or run", _nobody)
            else:
                self._names.see_text(text, said, _nobody)
        for day, name, usual in self._driver.execute(
            "select day, name, usual from baselines order by day, name"
        ):
            del day, name
            self._names.see_document(usual, "what is usual of steps", _nobody)

    def _look_at_labels(self) -> None:
        query = "select run_id, candidate, labelled_by, note from labels"
        for raw, *texts in self._driver.execute(query).fetchall():

            def owner(raw: bytes = raw) -> str:
                return id_text(raw)

            self._names.see_raw_id(raw, "a label", owner)
            for text in texts:
                self._names.see_text(text, "a label", owner)
        for name in self._names.texts:
            query = "select run from correlated where id = ?"
            for (seq,) in self._driver.execute(query, (name,)).fetchall():
                self._names.note(name, "an id in another system", self._run_id(seq))
        for table, column in (("waiting_labels", "run_id"), ("early_steps", "step_id")):
            query = f"select {column} from {table}"  # noqa: S608
            for (raw,) in self._driver.execute(query).fetchall():
                self._names.see_raw_id(raw, "records that wait for others", _nobody)


def _nobody() -> None:
    return None


def find_holders(
    driver: Driver, decompressor: Decompressor, candidate_id: str
) -> tuple[list[str], int]:
    """The runs that decided about a candidate or have a label about it, also of early steps.

    A roster knows a candidate by its hash: one in 100,000 that it never held looks like one it did.

    Returns:
        Their ids, and how many entries of the index lead to no step.
    """
    seqs = set(find_steps(driver, hash64(candidate_id)))
    holding: set[int] = set()
    for seq in seqs:
        blocks = driver.execute(
            "select chunk, data from blocks where id between ? and ?", block_range(seq)
        ).fetchall()
        if any(Block(chunk, data, decompressor).positions(candidate_id) for chunk, data in blocks):
            holding.add(seq)
    for (seq,) in driver.execute("select seq from rosters").fetchall():
        if seq not in holding and is_named(driver, seq, candidate_id):
            holding.add(seq)
    raws: set[bytes] = set()
    dangling = 0
    for seq in holding | seqs:
        found = _find_run_of(driver, seq)
        dangling += found is None and seq in seqs
        if found is not None and seq in holding:
            raws.add(found)
    query = "select run_id from labels where is_run = 0 and candidate = ?"
    raws.update(raw for (raw,) in driver.execute(query, (candidate_id,)).fetchall())
    return sorted(map(id_text, raws)), dangling


def _find_run_of(driver: Driver, seq: int) -> bytes | None:
    for table in ("steps", "early_steps"):
        query = (
            f"select run_id from runs join {table} on {table}.run = runs.seq"  # noqa: S608
            f" where {table}.seq = ?"
        )
        found = driver.execute(query, (seq,)).fetchone()
        if found is not None:
            return bytes(found[0])
    return None
