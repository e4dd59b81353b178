"""Runs with labelled candidates, rated step by step for a comparison of groups."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from msgspec.structs import replace

from xray.forensics.evidence import load_evidence
from xray.forensics.quality import rate_run
from xray.model.labels import Label, LabelsAsked
from xray.model.run_figures import RunFigures
from xray.store.protocol import Store

MAX_RATED_RUNS: Final = 100
"""How many runs of a group are rated: the newest with labelled candidates."""

_MAX_LABELS: Final = 20_000


class Rating:
    """Gives runs the precision and recall of their steps, where candidates are labelled.

    Args:
        store: where the runs and the labels are.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._left = MAX_RATED_RUNS
        self._has_labels = bool(store.labels(LabelsAsked(is_of_run=False, limit=1)))

    def rate(self, runs: Sequence[RunFigures]) -> list[RunFigures]:
        """The same *runs*, newest first, rated as far as they are to be."""
        if not self._has_labels or not self._left or not runs:
            return list(runs)
        ids = tuple(run.run_id for run in runs)
        labels: dict[str, list[Label]] = {}
        for one in self._store.labels(LabelsAsked(run_ids=ids, is_of_run=False, limit=_MAX_LABELS)):
            labels.setdefault(one.run_id, []).append(one)
        return [self._rate(run, labels.get(run.run_id, [])) for run in runs]

    def _rate(self, run: RunFigures, labels: Sequence[Label]) -> RunFigures:
        if not labels or not self._left:
            return run
        self._left -= 1
        quality = rate_run(load_evidence(self._store, run.run_id), labels)
        rated = {(step.name, step.step_type): step for step in quality.steps}
        steps = []
        for step in run.steps:
            found = rated.get((step.name, step.step_type))
            if found is not None:
                precision = None if found.precision is None else found.precision.value
                recall = None if found.recall is None else found.recall.value
                step = replace(step, precision=precision, recall=recall)
            steps.append(step)
        return replace(run, steps=steps)
