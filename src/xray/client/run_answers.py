"""Answers about one run, or about two."""

from __future__ import annotations

from collections.abc import Sequence

from xray.client.lists import Lists
from xray.model.answers import Finding, FindingList, Why
from xray.model.differences import RunDiff
from xray.model.lineage import Lineage
from xray.model.neighbours import Neighbours
from xray.model.separation import Separation
from xray.model.verification import Verification
from xray.model.what_if import WhatIf
from xray.questions import (
    alike_request,
    diff_request,
    provenance_request,
    run_path,
    separate_request,
    spell_limits,
    split_texts,
    verify_request,
    what_if_request,
    why_request,
)
from xray.replies import read_findings, read_record


class RunAnswers(Lists):
    """Asks why a run decided as it did."""

    def why(self, run: str, candidate: str) -> Why:
        """Why *candidate* ended as it did in *run* (an id, a unique prefix, or `last`)."""
        path, pairs = why_request(self.resolve_run(run), candidate)
        return read_record(self.get(path, pairs), Why)

    def provenance(self, run: str, item: str) -> Lineage:
        """What *item* came from and brought in *run* (an id, a unique prefix, or `last`)."""
        path, pairs = provenance_request(self.resolve_run(run), item)
        return read_record(self.get(path, pairs), Lineage)

    def alike(self, run: str, candidate: str, *, limit: int | None = None) -> Neighbours:
        """Candidates like *candidate* that *run* decided otherwise, and what differs.

        Args:
            run: the run: an id, a unique prefix, or `last`.
            candidate: the candidate.
            limit: how many are named, 1 to 20; 5 when absent.
        """
        path, pairs = alike_request(self.resolve_run(run), candidate, limit)
        return read_record(self.get(path, pairs), Neighbours)

    def diff(self, a: str, b: str) -> RunDiff:
        """How run *b* differs from run *a* (each an id, a unique prefix, or `last`)."""
        path, pairs = diff_request(self.resolve_run(a), self.resolve_run(b))
        return read_record(self.get(path, pairs), RunDiff)

    def what_if(self, run: str, **limits: object) -> WhatIf:
        """What *run* would have decided with other limits: `what_if("last", price=120)`."""
        path, pairs = what_if_request(self.resolve_run(run), spell_limits(limits))
        return read_record(self.get(path, pairs), WhatIf)

    def verify(self, run: str, *expectations: str) -> Verification:
        """Whether *run* (an id, a unique prefix, or `last`) decided as expected.

        Args:
            run: the run.
            expectations: as `spec/expectations.md` has them: `"p42 is not selected"`.
        """
        run_id = self.resolve_run(run)
        parts = [
            read_record(self.get(*verify_request(run_id, some)), Verification)
            for some in split_texts(expectations)
        ]
        verified = [one for part in parts for one in part.expectations]
        return Verification.of(run_id, parts[0].pipeline, verified)

    def findings(self, run: str) -> list[Finding]:
        """What deserves a look in *run* (an id, a unique prefix, or `last`), in that order."""
        return self.list_findings(run).findings

    def look_here_first(self, run: str) -> list[Finding]:
        """The findings in *run* to look at first: at most three."""
        return self.list_findings(run).first

    def list_findings(self, run: str) -> FindingList:
        """What deserves a look in *run*, and how many of them to look at first."""
        return read_findings(self.get(run_path(self.resolve_run(run), "findings")))

    def separate(
        self,
        run: str | None = None,
        step: str | None = None,
        *,
        where: str | None = None,
        reasons: Sequence[str] = (),
        is_selected: bool = False,
        runs: int | None = None,
    ) -> Separation:
        """What separates the rejected from the kept: `separate("last", "filter_candidates")`.

        Args:
            run: an id, a unique prefix, or `last`; without it *where* says which runs.
            step: the name of the step; of one run, the one that rejected most when absent.
            where: a query of runs; all of them when neither it nor a run is given.
            reasons: only candidates rejected for one of these, against the kept.
            is_selected: the selected against all others instead.
            runs: how many of the newest runs are looked at; 1,000 when absent.
        """
        path, pairs = separate_request(
            None if run is None else self.resolve_run(run),
            step=step,
            where=where,
            reasons=reasons,
            is_selected=is_selected,
            runs=runs,
        )
        return read_record(self.get(path, pairs), Separation)
