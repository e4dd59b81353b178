"""Answers about many runs at once, part by part where they are more than one answer holds."""

from __future__ import annotations

from collections.abc import Callable

from xray.client.asking import Asking
from xray.model.audit import Audit
from xray.model.baseline import WINDOW_DAYS
from xray.model.baseline_report import BaselineReport
from xray.model.comparison import Comparison
from xray.model.flakiness import FlakinessReport
from xray.model.rules import RuleReport
from xray.model.separation import Separation
from xray.model.what_if_runs import WhatIfOfRuns
from xray.questions import (
    Pairs,
    audit_request,
    baselines_request,
    compare_request,
    rules_request,
    separate_runs_request,
    spell_limits,
)
from xray.replies import read_record


class GroupAnswers(Asking):
    """Asks what groups of runs have in common and what tells them apart."""

    def compare(
        self,
        a: str,
        b: str,
        *,
        is_whole: bool = True,
        note_part: Callable[[Comparison], object] = lambda _: None,
    ) -> Comparison:
        """How the runs that meet query *b* differ from those that meet query *a*.

        Args:
            a: a query of runs, e.g. `"version = '1.4'"`; empty for all.
            b: another.
            is_whole: go on until all runs were looked at, not only the newest.
            note_part: called with each part of the answer as it comes.
        """
        pairs = compare_request(a, b)[1]
        compared = read_record(self.get("/v1/compare", pairs), Comparison)
        while is_whole and compared.next_cursor is not None:
            note_part(compared)
            asked = [*pairs, ("cursor", compared.next_cursor)]
            compared = read_record(self.get("/v1/compare", asked), Comparison)
        return compared

    def what_if_of_runs(
        self,
        q: str = "",
        *,
        is_whole: bool = True,
        note_part: Callable[[WhatIfOfRuns], object] = lambda _: None,
        **limits: object,
    ) -> WhatIfOfRuns:
        """What many runs would have decided: `what_if_of_runs("pipeline = 'shop'", price=120)`.

        Args:
            q: which runs: a query of runs; all of them when empty.
            is_whole: go on where the search stops at its budget, until all runs were looked at.
            note_part: called with what is known each time it does.
            limits: other limits, by the name of a check or its field.
        """
        pairs = [("q", q)] if q else []
        pairs += [("limit", spelled) for spelled in spell_limits(limits)]
        return self.try_limits(pairs, is_whole=is_whole, note_part=note_part)

    def try_limits(
        self, pairs: Pairs, *, is_whole: bool, note_part: Callable[[WhatIfOfRuns], object]
    ) -> WhatIfOfRuns:
        """What `what_if_of_runs` answers to parameters as the query of a URL has them."""
        from xray.query.what_if_parts import add_parts

        if not is_whole:
            return read_record(self.get("/v1/what-if", pairs), WhatIfOfRuns)
        return self._ask_whole("/v1/what-if", pairs, WhatIfOfRuns, add_parts, note_part)

    def rules(
        self,
        q: str = "",
        *,
        since_version: str | None = None,
        since: str | None = None,
        is_whole: bool = True,
        note_part: Callable[[RuleReport], object] = lambda _: None,
    ) -> RuleReport:
        """How the rules of the runs that meet query *q* do: `rules("pipeline = 'shop'")`.

        Args:
            q: which runs: a query of runs; all of them when empty.
            since_version: hold the runs since this version came against those before.
            since: hold the runs since a time, or an age like `7d`, against those before.
            is_whole: go on until all runs were looked at, not only the newest.
            note_part: called with each part of the answer as it comes.
        """
        pairs = rules_request(q, since_version=since_version, since=since)[1]
        report = read_record(self.get("/v1/rules", pairs), RuleReport)
        while is_whole and report.next_cursor is not None:
            note_part(report)
            asked = [*pairs, ("cursor", report.next_cursor)]
            report = read_record(self.get("/v1/rules", asked), RuleReport)
        return report

    def flakiness(self, q: str = "", runs: int = 20) -> FlakinessReport:
        """How far the newest *runs* that meet query *q* decide alike on the same input."""
        pairs: Pairs = [("q", q), ("runs", str(runs))]
        return read_record(self.get("/v1/flakiness", pairs), FlakinessReport)

    def audit(self, q: str = "", runs: int = 200) -> Audit:
        """What the choices of the newest *runs* that meet query *q* rest on."""
        return read_record(self.get(*audit_request(q, runs)), Audit)

    def baselines(
        self, pipeline: str, step: str | None = None, days: int = WINDOW_DAYS
    ) -> BaselineReport:
        """What is usual of the steps of *pipeline* over some *days*, and of the latest is not."""
        return read_record(self.get(*baselines_request(pipeline, step, days)), BaselineReport)

    def separate_runs(self, a: str, b: str = "", *, runs: int | None = None) -> Separation:
        """What separates the newest runs that meet query *a* from those that meet only query *b*.

        Args:
            a: a query of runs, e.g. `"status = 'failed'"`.
            b: another; all other runs when empty.
            runs: how many of each are looked at; 1,000 when absent.
        """
        return read_record(self.get(*separate_runs_request(a, b, runs)), Separation)
