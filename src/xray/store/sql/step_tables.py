"""The decisions and rosters of steps, opened where they are asked for."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Final

from xray.model.decisions import DecisionTable
from xray.model.hashing import hash64
from xray.model.roster import Roster
from xray.store.decision_table import NO_LABELS, Labels, open_rows_about, open_table
from xray.store.frames import Decompressor
from xray.store.paging import StepKey
from xray.store.sql.driver import Driver
from xray.store.sql.labels import has_candidate_labels, load_words
from xray.store.sql.payloads import load_blocks
from xray.store.sql.postings import find_steps
from xray.store.sql.rosters import load_roster
from xray.store.sql.rows import id_text, raw_id

_MAX_KEPT_RUNS: Final = 1_000


class StepTables:
    """Opens what steps decided, at one moment of the database.

    Args:
        driver: a connection within a transaction.
        decompressor: opens blocks.
    """

    def __init__(self, driver: Driver, decompressor: Decompressor) -> None:
        self._driver = driver
        self._decompressor = decompressor
        self._deciding: dict[str, frozenset[int]] = {}
        self._words: dict[str, Labels] = {}

    def number(self, step_id: str) -> int | None:
        """The number of a step; None where there is none."""
        raw = raw_id(step_id)
        found = self._driver.execute("select seq from steps where step_id = ?", (raw,)).fetchone()
        return None if found is None else int(found[0])

    def find_keys(self, condition: str, values: Sequence[object]) -> dict[int, StepKey]:
        """The steps that meet *condition* in SQL, by their numbers."""
        query = (
            "select steps.seq, step_id, run_id, ordinal, steps.started_at"  # noqa: S608
            f" from steps join runs on runs.seq = steps.run where {condition}"
        )
        return {
            row[0]: StepKey(id_text(row[1]), id_text(row[2]), *row[3:])
            for row in self._driver.execute(query, values)
        }

    def find_deciding(self, candidate_id: str) -> frozenset[int]:
        """The steps that may hold a row about the candidate; all that do are among them."""
        found = self._deciding.get(candidate_id)
        if found is None:
            found = frozenset(find_steps(self._driver, hash64(candidate_id)))
            self._deciding[candidate_id] = found
        return found

    def open(self, seq: int, step_id: str, run_id: str) -> DecisionTable:
        """Every stored decision of a step."""
        blocks = load_blocks(self._driver, seq, self._decompressor)
        return open_table(step_id, run_id, blocks, self.labels_of(run_id))

    def open_about(self, candidate_id: str, seq: int, step_id: str, run_id: str) -> DecisionTable:
        """The stored decisions of a step about one candidate."""
        blocks = load_blocks(self._driver, seq, self._decompressor)
        return open_rows_about(candidate_id, step_id, run_id, blocks, self.labels_of(run_id))

    def open_roster(self, seq: int, key: StepKey, candidate_id: str | None) -> Roster | None:
        """The roster of a step, restricted to one candidate where it is named."""
        return load_roster(
            self._driver,
            seq,
            self._decompressor,
            step_id=key.step_id,
            run_id=key.run_id,
            candidate_id=candidate_id,
        )

    def labels_of(self, run_id: str) -> Labels:
        """The labels of a run's candidates."""
        if not self._has_labels:
            return NO_LABELS
        labels = self._words.get(run_id)
        if labels is None:
            if len(self._words) >= _MAX_KEPT_RUNS:
                self._words.clear()
            labels = self._words[run_id] = load_words(self._driver, run_id)
        return labels

    @cached_property
    def _has_labels(self) -> bool:
        return has_candidate_labels(self._driver)
