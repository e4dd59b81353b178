"""Labels: what somebody who knows better thinks of a run, or of a candidate in it."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Annotated, Final

from msgspec import Meta, Struct

from xray.model.bounds import CandidateId, Uuid, WallTime
from xray.model.clock import from_wall_us
from xray.model.vocabulary import LabelWord

MAX_NOTE_LENGTH: Final = 4_000
MAX_LABELLER_LENGTH: Final = 200
MAX_LABELS_OF_RUN: Final = 10_000
"""How many labels one run can have: one of its own, and one for each candidate."""

Note = Annotated[str, Meta(max_length=MAX_NOTE_LENGTH)]
Labeller = Annotated[str, Meta(max_length=MAX_LABELLER_LENGTH)]

Subject = tuple[str, str | None]
"""What a label is about: a run, and a candidate of it or None for the run itself."""


class Labelled(Struct, tag="labelled", tag_field="fact", kw_only=True, frozen=True,
               omit_defaults=True):  # fmt: skip
    """Somebody labelled a run or a candidate of it, or took the label back.

    The latest by `labelled_at_us`, then by `label_id`, is the one that holds, in whatever order
    they arrive.

    Args:
        label_id: made by whoever labels.
        run_id: the run; it may arrive later.
        candidate_id: the candidate; None for the run itself.
        label: `good` or `bad`; None takes the label back.
        note: why, in free text.
        labelled_by: who or what labelled.
    """

    label_id: Uuid
    run_id: Uuid
    labelled_at_us: WallTime
    candidate_id: CandidateId | None = None
    label: LabelWord | None = None
    note: Note | None = None
    labelled_by: Labeller | None = None

    @property
    def subject(self) -> Subject:
        """What it is about."""
        return self.run_id, self.candidate_id

    @property
    def age(self) -> tuple[int, str]:
        """What decides between two about the same: the greater holds."""
        return self.labelled_at_us, self.label_id


class Label(Struct, frozen=True, kw_only=True):
    """The label that holds for a run, or for a candidate in it.

    Args:
        label_id: the id it was sent under.
        run_id: the run.
        candidate_id: the candidate; None where the run itself is meant.
        label: `good` or `bad`.
        note: why, in free text.
        labelled_by: who or what labelled.
        labelled_at: when.
    """

    label_id: str
    run_id: str
    candidate_id: str | None = None
    label: LabelWord
    note: str | None = None
    labelled_by: str | None = None
    labelled_at: datetime


class LabelRequest(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What somebody says of a run, or of every run that another system knows by an id.

    Args:
        run_id: the run; either it or `correlation` is given.
        correlation: an id that runs have in another system, under whatever name.
        candidate_id: the candidate that is meant; the run as a whole when absent.
        label: `good` or `bad`, in any case.
        note: why, in free text.
        labelled_by: who or what labels.
    """

    run_id: str | None = None
    correlation: str | None = None
    candidate_id: str | int | None = None
    label: str | None = None
    note: str | None = None
    labelled_by: str | None = None


class Labelling(Struct, frozen=True, kw_only=True):
    """What came of labelling.

    Args:
        answer: one plain sentence.
        run_ids: the runs that are meant.
        labels: the labels that hold of what is meant.
        awaited: the runs among them that have not arrived; their labels wait for them.
        unseen: the runs among them none of whose steps recorded a decision about the candidate.
    """

    answer: str
    run_ids: list[str]
    labels: list[Label] = []
    awaited: list[str] = []
    unseen: list[str] = []


class LabelList(Struct, frozen=True, kw_only=True):
    """Labels, newest first; `complete` is false when the search stopped at its budget."""

    labels: list[Label]
    next_cursor: str | None = None
    total: int | None = None
    total_is_exact: bool = False
    complete: bool = True


class LabelPosition(Struct, frozen=True, array_like=True):
    """Where a page of labels ended: the age of its last one."""

    labelled_at_us: int
    label_id: str


class LabelsAsked(Struct, frozen=True, kw_only=True):
    """Which labels are wanted, newest first.

    Args:
        run_ids: those of these runs; of all runs when None.
        candidate_id: those about this candidate.
        is_of_run: True: those of runs themselves; False: those of candidates; None: both.
        label: those of this word.
        labelled_by: those of this labeller.
        after: those older than this.
        limit: at most so many.
    """

    run_ids: tuple[str, ...] | None = None
    candidate_id: str | None = None
    is_of_run: bool | None = None
    label: LabelWord | None = None
    labelled_by: str | None = None
    after: LabelPosition | None = None
    limit: int = MAX_LABELS_OF_RUN


def open_label(fact: Labelled) -> Label:
    """The label that *fact* gives.

    Args:
        fact: one that takes nothing back.
    """
    assert fact.label is not None
    return Label(
        label_id=fact.label_id,
        run_id=fact.run_id,
        candidate_id=fact.candidate_id,
        label=fact.label,
        note=fact.note,
        labelled_by=fact.labelled_by,
        labelled_at=from_wall_us(fact.labelled_at_us),
    )


def label_of_run(labels: Iterable[Label]) -> Label | None:
    """The label of the run itself among those of one run."""
    return next((label for label in labels if label.candidate_id is None), None)


def words_by_candidate(labels: Iterable[Label]) -> dict[str, LabelWord]:
    """The words of the labelled candidates among the labels of one run."""
    return {label.candidate_id: label.label for label in labels if label.candidate_id is not None}
