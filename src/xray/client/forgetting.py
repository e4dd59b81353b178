"""Forgetting: runs that are to leave no trace."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from xray.client.asking import Asking
from xray.model.forgetting import ForgetReport, ForgetRequest, Progress
from xray.replies import read_record

_PATH = "/v1/forget"


class Forgetting(Asking):
    """Forgets runs, and tells whether anything still names them."""

    def forget(
        self,
        *,
        run_ids: Sequence[str] = (),
        pipelines: Sequence[str] = (),
        correlation_ids: Sequence[str] = (),
        candidate_ids: Sequence[str] = (),
        dry_run: bool = False,
        show: Callable[[Progress], None] = lambda _: None,
    ) -> ForgetReport:
        """Delete runs so that nothing stored tells what they held; returns when that is done.

        Args:
            run_ids: these runs.
            pipelines: every run of these pipelines, and what was usual of their steps.
            correlation_ids: every run that has one of these ids in another system.
            candidate_ids: every run that decided one of these candidates.
            dry_run: only say which runs they are.
            show: is told how far it is.
        """
        asked = ForgetRequest(
            run_ids=list(run_ids),
            pipelines=list(pipelines),
            correlation_ids=list(correlation_ids),
            candidate_ids=list(candidate_ids),
            dry_run=dry_run,
        )
        return self._ask_to_forget(asked, show)

    def _ask_to_forget(
        self, asked: ForgetRequest, show: Callable[[Progress], None]
    ) -> ForgetReport:
        body = msgspec.json.encode(asked)
        while True:
            report = read_record(self.send("POST", _PATH, body=body), ForgetReport)
            if report.is_complete:
                return report
            if report.progress is not None:
                show(report.progress)
