"""Retention: what the rules let go, and letting it go."""

from __future__ import annotations

import msgspec

from xray.client.asking import Asking
from xray.model.retention_report import RetentionReport, RetentionRequest
from xray.questions import Pairs
from xray.replies import read_record

_PATH = "/v1/retention"


class Retention(Asking):
    """Asks what is kept how long, and deletes what is not kept any longer."""

    def retention(self, rules: str | None = None) -> RetentionReport:
        """What rules of retention would let go now; nothing is deleted.

        Args:
            rules: e.g. `keep 90d where status = 'failed'; keep 14d`; those that the server was
                given when absent.
        """
        asked: Pairs = [] if rules is None else [("rules", rules)]
        return read_record(self.get(_PATH, asked), RetentionReport)

    def let_expire(self, rules: str | None = None) -> RetentionReport:
        """Delete what rules of retention let go, at most 5,000 runs; what is left then.

        Args:
            rules: those that the server was given when absent.
        """
        body = msgspec.json.encode(RetentionRequest(rules=rules))
        return read_record(self.send("POST", _PATH, body=body), RetentionReport)
