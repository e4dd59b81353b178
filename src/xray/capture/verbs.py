"""Verbs about one candidate: what a step decided about it, and on what evidence."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from xray.capture.comparison import meets
from xray.capture.guard import caught, guarded, warn
from xray.capture.rows import MAX_LOGGED_ROWS, RowMaker
from xray.capture.snapshot import read_list
from xray.capture.spelling import count_omission
from xray.model.facts import ACCEPTED, REJECTED, SELECTED
from xray.model.kinds import is_a


class CandidateVerbs:
    """Verbs that a pipeline calls for each candidate; a capture level says what they keep."""

    _rows: RowMaker
    _omissions: dict[str, int]

    def reject(
        self,
        candidate_id: object,
        reason: str | None = None,
        attributes: object = None,
        reasoning: str | None = None,
        score: object = None,
        observed: object = None,
        limit: object = None,
        op: str | None = None,
        origin: object = None,
        rank: int | None = None,
        by: object = None,
        part_of: object = None,
    ) -> None:
        """Record that a candidate goes no further.

        Args:
            candidate_id: its id, or an object or mapping that holds one.
            reason: a short code to group by; without one the first failed check names it.
            attributes: what to keep about the candidate.
            reasoning: free text.
            score: a number, or named numbers.
            observed: the value that broke the rule.
            limit: what it was compared with.
            op: the comparison that should have held, e.g. `<=`.
            origin: what brought the candidate: an id, `(step, id)`, or a list of them.
            rank: its position, from 1.
            by: the query or left record it belongs to.
            part_of: the whole it is a part of.
        """
        raise NotImplementedError

    def accept(
        self,
        candidate_id: object,
        score: object = None,
        attributes: object = None,
        reasoning: str | None = None,
        observed: object = None,
        limit: object = None,
        op: str | None = None,
        origin: object = None,
        rank: int | None = None,
        by: object = None,
        part_of: object = None,
        reason: str | None = None,
    ) -> None:
        """Record that a candidate survives this step; arguments as for `reject`."""
        raise NotImplementedError

    def select(
        self,
        candidate_id: object,
        score: object = None,
        attributes: object = None,
        reasoning: str | None = None,
        observed: object = None,
        limit: object = None,
        op: str | None = None,
        origin: object = None,
        rank: int | None = None,
        by: object = None,
        part_of: object = None,
        reason: str | None = None,
    ) -> None:
        """Record that a candidate is in the answer; arguments as for `reject`."""
        raise NotImplementedError

    def reason(self, reason: str) -> Callable[..., None]:
        """`reject` with its *reason* bound, for a loop that rejects many for the same one.

            too_dear = step.reason("too_dear")
            too_dear("prod_1", {"price": 150})

        Args:
            reason: the code to group by.

        Returns:
            a callable with the arguments of `reject`, without the reason.
        """

        def reject_for_reason(
            candidate_id: object, attributes: object = None, **details: Any
        ) -> None:
            self.reject(candidate_id, reason, attributes, **details)

        return reject_for_reason

    def check(
        self,
        candidate_id: object,
        name: str,
        observed: Any,
        op: str,
        limit: Any,
        field: str | None = None,
    ) -> bool:
        """Compare, record the evidence, and decide nothing.

        Args:
            candidate_id: the candidate.
            name: the check's name; the reason of a rejection that gives none.
            observed: the candidate's value.
            op: one of `<`, `<=`, `>`, `>=`, `==`, `!=`, `in`, `not in`.
            limit: what it is compared with.
            field: what was observed; the name when absent.

        Returns:
            Whether `observed op limit` holds; False when the value is missing.
        """
        passed = meets(observed, op, limit)
        try:
            self._rows.add_check(candidate_id, name, field, observed, op, limit, passed=passed)
        except Exception as error:  # noqa: BLE001
            caught("Step.check", error)
        return passed

    def log_sampled_candidates(
        self, accepted: object = None, rejected: object = None, selected: object = None
    ) -> None:
        """Keep some candidates for illustration; counts and rates stay as they are.

        Each candidate stands alone or in a tuple: `(candidate, reasoning)`, `(candidate, score)`
        or `(candidate, score, reasoning)`.
        """
        with guarded("Step.log_sampled_candidates"):
            for verdict, given in (
                (ACCEPTED, accepted),
                (REJECTED, rejected),
                (SELECTED, selected),
            ):
                if given is None:
                    continue
                items = read_list(given, MAX_LOGGED_ROWS + 1)
                if items is None or is_a(given, (set, frozenset)):
                    count_omission(self._omissions, "unread_iterable")
                    warn(
                        "unread",
                        "log_sampled_candidates wants lists; other iterables are not read.",
                    )
                    continue
                for item in items:
                    self._rows.log(verdict, item)
