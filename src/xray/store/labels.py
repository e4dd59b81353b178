"""The labels that the store in memory keeps: of each run and candidate the latest."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from xray.errors import InvalidRecordError
from xray.model.labels import (
    MAX_LABELS_OF_RUN,
    Label,
    Labelled,
    LabelsAsked,
    open_label,
)
from xray.model.vocabulary import LabelWord


def refuse_another_label(run_id: str) -> InvalidRecordError:
    """The error for one label more than a run can have."""
    return InvalidRecordError(
        f"The run {run_id} has {MAX_LABELS_OF_RUN:,} labels, and can have no more.",
        hint="Label the run as a whole, or the candidates that matter.",
    )


def order_label(fact: Labelled) -> tuple[str, str]:
    """By what labels of one run are ordered where they are handed on."""
    return fact.label_id, fact.candidate_id or ""


class LabelBook:
    """What was said last about each run and candidate; what was taken back is remembered too.

    Whoever uses it sees to it that only one thread does at a time.
    """

    def __init__(self) -> None:
        self._runs: dict[str, dict[str | None, Labelled]] = {}

    def add(self, fact: Labelled) -> bool:
        """Keep *fact*; whether it is news: the latest about its subject.

        Raises:
            InvalidRecordError: the run has too many labels.
        """
        said = self._runs.get(fact.run_id, {})
        known = said.get(fact.candidate_id)
        if known is not None and known.age >= fact.age:
            return False
        if known is None and len(said) >= MAX_LABELS_OF_RUN:
            raise refuse_another_label(fact.run_id)
        self._runs.setdefault(fact.run_id, said)[fact.candidate_id] = fact
        return True

    def forget(self, run_id: str) -> None:
        """Nothing was ever said of this run."""
        self._runs.pop(run_id, None)

    def facts(self) -> list[Labelled]:
        """What was said last about each run and candidate, what was taken back included."""
        return [fact for said in self._runs.values() for fact in said.values()]

    @property
    def run_ids(self) -> Iterable[str]:
        """The runs of which something was said."""
        return self._runs

    def facts_of(self, run_id: str) -> Iterable[Labelled]:
        """What was said last of the run and of each of its candidates, also what was taken back."""
        return self._runs.get(run_id, {}).values()

    def word_of_run(self, run_id: str) -> LabelWord | None:
        """The label of the run itself."""
        fact = self._runs.get(run_id, {}).get(None)
        return None if fact is None else fact.label

    def words_of(self, run_id: str) -> dict[str, LabelWord]:
        """The labels of the candidates of a run."""
        said = self._runs.get(run_id, {})
        return {
            name: fact.label
            for name, fact in said.items()
            if name is not None and fact.label is not None
        }

    def list(self, asked: LabelsAsked) -> list[Label]:
        """The labels that are asked for, newest first."""
        found = sorted(self._meeting(asked), key=lambda fact: fact.age, reverse=True)
        return [open_label(fact) for fact in found[: asked.limit]]

    def _meeting(self, asked: LabelsAsked) -> Iterator[Labelled]:
        run_ids = self._runs if asked.run_ids is None else dict.fromkeys(asked.run_ids)
        end = None
        if asked.after is not None:
            end = (asked.after.labelled_at_us, asked.after.label_id)
        for run_id in run_ids:
            for fact in self._runs.get(run_id, {}).values():
                is_met = (
                    fact.label is not None
                    and asked.label in (None, fact.label)
                    and asked.candidate_id in (None, fact.candidate_id)
                    and asked.labelled_by in (None, fact.labelled_by)
                    and asked.is_of_run in (None, fact.candidate_id is None)
                    and (end is None or fact.age < end)
                )
                if is_met:
                    yield fact
