"""Labels: saying what is good and what is bad, and what was said."""

from __future__ import annotations

import msgspec

from xray.client.lists import Lists
from xray.model.frames import Records
from xray.model.labels import Label, Labelling, LabelRequest
from xray.model.quality import Quality
from xray.model.records import Page
from xray.questions import Pairs, Parameter, as_pairs
from xray.replies import read_labels, read_record

_PATH = "/v1/labels"


class Labels(Lists):
    """Labels runs and candidates, and lists what was said of them."""

    def label(
        self,
        run: str,
        label: str,
        *,
        candidate: str | None = None,
        note: str | None = None,
        by: str | None = None,
    ) -> Labelling:
        """Say that a run, or a candidate in it, is `good` or `bad`: `label("last", "bad")`.

        Args:
            run: an id, also of a run that arrives later; a unique prefix of one; or `last`.
            label: `good` or `bad`; it takes the place of an earlier one about the same.
            candidate: the candidate that is meant; the run as a whole when absent.
            note: why.
            by: who or what says so.
        """
        asked = LabelRequest(
            run_id=self.resolve_run(run),
            candidate_id=candidate,
            label=label,
            note=note,
            labelled_by=by,
        )
        return self.give_label(asked)

    def label_correlated(
        self,
        correlation: str,
        label: str,
        *,
        candidate: str | None = None,
        note: str | None = None,
        by: str | None = None,
    ) -> Labelling:
        """Label every run that another system knows by the id *correlation*; see `label`."""
        asked = LabelRequest(
            correlation=correlation,
            candidate_id=candidate,
            label=label,
            note=note,
            labelled_by=by,
        )
        return self.give_label(asked)

    def give_label(self, asked: LabelRequest) -> Labelling:
        """Label what *asked* means; both faces of it are `label` and `label_correlated`."""
        return read_record(self.send("POST", _PATH, body=msgspec.json.encode(asked)), Labelling)

    def unlabel(self, run: str, *, candidate: str | None = None) -> Labelling:
        """Take the label of a run, or of a candidate in it, back."""
        pairs = [("run_id", self.resolve_run(run))]
        return self.take_label_back(pairs, candidate)

    def unlabel_correlated(self, correlation: str, *, candidate: str | None = None) -> Labelling:
        """Take the labels of the runs that another system knows as *correlation* back."""
        return self.take_label_back([("correlation", correlation)], candidate)

    def take_label_back(self, subject: Pairs, candidate: str | None) -> Labelling:
        """Take labels back; both faces of it are `unlabel` and `unlabel_correlated`."""
        pairs = [*subject, *([] if candidate is None else [("candidate_id", candidate)])]
        return read_record(self.send("DELETE", _PATH, pairs), Labelling)

    def labels(self, **parameters: Parameter) -> Page[Label]:
        """Labels, newest first: `labels(q="pipeline = 'shop'", label="bad")`.

        Args:
            parameters: those of `GET /v1/labels`; `q` takes a query of runs.
        """
        return read_labels(self.get(_PATH, as_pairs(parameters)))

    def quality(self, q: str = "", *, k: int = 10, runs: int = 100) -> Quality:
        """How well the steps of the runs that meet query *q* keep what is labelled good.

        Args:
            q: a query of runs; all with labelled candidates when empty.
            k: precision is told on so many first ranks.
            runs: how many runs to look at, those labelled last first.
        """
        pairs: Pairs = [("q", q), ("k", str(k)), ("runs", str(runs))]
        return read_record(self.get("/v1/quality", pairs), Quality)

    def iter_labels(self, **parameters: Parameter) -> Records[Label]:
        """Every label that meets the parameters, page after page; also as a data frame."""
        return Records(self._iterate(_PATH, parameters, read_labels))
