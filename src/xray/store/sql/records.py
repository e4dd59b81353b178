"""Runs and steps opened by their numbers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from msgspec.structs import replace

from xray.model.records import Run, Step
from xray.model.vocabulary import LabelWord
from xray.store.bodies import decode_run, decode_step, open_body, unpack
from xray.store.folding import RunFold
from xray.store.frames import Decompressor
from xray.store.sql.driver import Driver
from xray.store.sql.rosters import count_named
from xray.store.sql.rows import id_text
from xray.store.words import LABEL_WORDS

_IDS_PER_LOOKUP: Final = 500


class Records:
    """Opens runs and steps.

    Args:
        driver: a connection within a transaction.
        decompressor: opens bodies.
    """

    def __init__(self, driver: Driver, decompressor: Decompressor) -> None:
        self._driver = driver
        self._decompressor = decompressor

    def runs(self, seqs: Sequence[int], now_us: int) -> list[Run]:
        """The runs of these numbers, in that order, as they are displayed at *now_us*."""
        ids: dict[int, str] = {}
        labels: dict[int, LabelWord] = {}
        parts: dict[int, dict[int, bytes]] = {seq: {} for seq in seqs}
        for some in portion(seqs):
            marks = ", ".join("?" * len(some))
            query = f"select seq, run_id, label from runs where seq in ({marks})"  # noqa: S608
            for seq, run_id, label in self._driver.execute(query, some):
                ids[seq] = id_text(run_id)
                if label is not None:
                    labels[seq] = LABEL_WORDS[label]
            wanted = [seq << 2 | kind for seq in some for kind in range(4)]
            marks = ", ".join("?" * len(wanted))
            query = f"select id, data from run_facts where id in ({marks})"  # noqa: S608
            for part, data in self._driver.execute(query, wanted):
                parts[part >> 2][part & 3] = unpack(data, self._decompressor)
        folds: list[tuple[int, RunFold]] = [(seq, decode_run(parts[seq])) for seq in seqs]
        opened = [(seq, fold.open(ids[seq], now_us)) for seq, fold in folds]
        return [replace(run, label=labels[seq]) if seq in labels else run for seq, run in opened]

    def steps(self, seqs: Sequence[int]) -> list[Step]:
        """The steps of these numbers, in that order, without samples."""
        found: dict[int, bytes] = {}
        named: dict[int, int] = {}
        for some in portion(seqs):
            marks = ", ".join("?" * len(some))
            query = f"select seq, data from step_bodies where seq in ({marks})"  # noqa: S608
            found.update(self._driver.execute(query, some).fetchall())
            named.update(count_named(self._driver, some))
        bodies = (decode_step(unpack(found[seq], self._decompressor)) for seq in seqs)
        return [open_body(body, named.get(seq)) for seq, body in zip(seqs, bodies, strict=True)]


def portion(seqs: Sequence[int]) -> Iterator[Sequence[int]]:
    """*seqs* in parts that one query can name."""
    for start in range(0, len(seqs), _IDS_PER_LOOKUP):
        yield seqs[start : start + _IDS_PER_LOOKUP]
