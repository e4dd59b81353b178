"""Numbers for repeated text, given by whichever server comes first."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from xray.model.facts import RunStarted, StepFinished
from xray.model.stored_facts import StoredFact
from xray.model.tallies import Tallied
from xray.store.postgres.driver import PostgresDriver
from xray.store.sql.dims import Dims
from xray.store.words import ENVIRONMENT, PIPELINE, REPOSITORY, STEP_NAME, VERSION, DimKind

_ADD: Final = (
    "insert into dim (kind, text, folded) values (?, ?, ?) on conflict (kind, text) do nothing"
)
_FIND: Final = "select id from dim where kind = ? and text = ?"


class SharedDims(Dims):
    """Numbers that are never taken back, so that remembering them contradicts nobody.

    Args:
        driver: the writer's connection.
    """

    def __init__(self, driver: PostgresDriver) -> None:
        super().__init__(driver)
        self._driver = driver

    def prepare(self, facts: Iterable[StoredFact]) -> None:
        """Give the texts of *facts* their numbers before a transaction begins.

        Within one, two servers that name the same two new texts could wait for each other.
        """
        named: set[tuple[DimKind, str]] = {(PIPELINE, "")}
        for fact in facts:
            named.update(_list_texts(fact))
        for kind, text in sorted(named):
            self.number(kind, text)

    def number_few(self, kind: DimKind, text: str | bytes, most: int) -> int | None:
        """The number of *text*; None once *most* of its kind have one, and it has none."""
        # Bytes lie in a column of text: each as the character of its number.
        return super().number_few(kind, _as_text(text), most)

    def _add(self, kind: DimKind, text: str | bytes) -> int:
        text = _as_text(text)
        self._driver.execute(_ADD, (kind, text, text.casefold().encode()))
        found = self._driver.execute(_FIND, (kind, text)).fetchone()
        return int(found[0])


def _as_text(text: str | bytes) -> str:
    return text if isinstance(text, str) else text.decode("latin-1")


def _list_texts(fact: StoredFact) -> Iterable[tuple[DimKind, str]]:
    if isinstance(fact, RunStarted):
        yield PIPELINE, fact.pipeline
        optional: tuple[tuple[DimKind, str | None], ...] = (
            (REPOSITORY, fact.repository),
            (VERSION, fact.version),
            (ENVIRONMENT, fact.environment),
        )
        yield from ((kind, text) for kind, text in optional if text is not None)
    elif isinstance(fact, StepFinished):
        yield PIPELINE, fact.pipeline
        yield STEP_NAME, fact.name
    elif isinstance(fact, Tallied):
        yield PIPELINE, fact.pipeline
