"""Verbs that record what was decided elsewhere about many candidates."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, Final

from xray.capture.guard import guarded
from xray.capture.sets.acting import DUPLICATE
from xray.capture.sets.columns import MISSING, is_column, read_column
from xray.capture.sets.decisions import Detail, Kind
from xray.capture.sets.each import (
    Cut,
    code_reasons,
    describe_scores,
    read_each,
    read_scores,
)
from xray.capture.sets.entering import ManyEntering
from xray.capture.sets.items import Items, read_items
from xray.model.facts import ACCEPTED, REJECTED, SELECTED

_NOT_KEPT: Final = bytes(1) + b"\1" * 255


class RecordingVerbs(ManyEntering):
    """Verbs over columns of ids: lists, arrays, series and columns of tables.

    `by` and `part_of` take a value for all candidates, or a column with one for each.
    """

    def decide(
        self,
        ids: Any,
        keep: Any,
        *,
        reason: Any = None,
        scores: Any = None,
        origin: Any = None,
        by: Any = None,
        part_of: Any = None,
    ) -> None:
        """Record which candidates of a column survive: `decide(ids, keep=mask, reason="dear")`.

        Args:
            ids: their ids, or items that hold them.
            keep: a truth value for each: true where the candidate is kept.
            reason: why the others are rejected: one text, or one for each candidate.
            scores: a number for each, or several columns of them by name.
            origin: what brought all of them.
            by: the query or left record: one for all, or one for each.
            part_of: the whole they are parts of: one for all, or one for each.
        """
        with guarded("Step.decide"):
            if not self.records:
                return
            held = read_items(ids)
            outcomes = held.truth(keep).truth()
            if len(outcomes) != len(held):
                raise ValueError(f"{len(outcomes)} decisions for {len(held)} candidates")
            # A decision that is missing keeps nothing.
            codes = outcomes.translate(_NOT_KEPT) if MISSING in outcomes else outcomes
            if is_column(reason):
                codes, kinds = code_reasons(codes, read_column(reason))
            else:
                kinds = [Kind(ACCEPTED), Kind(REJECTED, reason)]
            self._record_ids(held, codes, kinds, scores, origin, by, part_of)

    def ranked(
        self,
        ids: Any,
        *,
        scores: Any = None,
        top: int | None = None,
        origin: Any = None,
        by: Any = None,
        part_of: Any = None,
    ) -> None:
        """Record an order that was made elsewhere; those after the `top` are `below_cut`.

        Args:
            ids: candidates, the best first.
            scores: a number for each, or several columns of them by name.
            top: how many stay, for each `by`; all of them when absent.
            origin: what brought all of them.
            by: the query or left record: one for all, or one for each.
            part_of: the whole they are parts of: one for all, or one for each.
        """
        with guarded("Step.ranked"):
            if not self.records:
                return
            held = read_items(ids)
            columns = read_scores(held, scores)
            cut = Cut(range(len(held)), read_each(held, by), len(held) if top is None else top)
            describe = partial(describe_scores, columns)
            self._record_cut(held, cut, describe, None, by, part_of, has_moved=False, origin=origin,
                             scores=columns)  # fmt: skip

    def merged(self, losers: Any, into: Any, *, by: Any = None, part_of: Any = None) -> None:
        """Record candidates that another one stands for from here on: they are `duplicate`.

        Args:
            losers: the candidates that go no further.
            into: the one that stands for them: one for all, or one for each.
            by: the query or left record: one for all, or one for each.
            part_of: the whole they are parts of: one for all, or one for each.
        """
        with guarded("Step.merged"):
            if not self.records:
                return
            held = read_items(losers)
            winners = read_each(held, into)

            def describe(places: Sequence[int]) -> list[Detail]:
                return [Detail(merged_into=winners[place]) for place in places]

            kinds = [Kind(REJECTED, DUPLICATE)]
            self._decide(held, bytes(len(held)), kinds, describe, None, by, part_of)

    def accept_many(
        self, ids: Any, *, scores: Any = None, origin: Any = None, by: Any = None,
        part_of: Any = None,
    ) -> None:  # fmt: skip
        """Record that all these candidates survive this step; arguments as for `decide`."""
        self._record_alike("accept_many", Kind(ACCEPTED), ids, scores, origin, by, part_of)

    def reject_many(
        self, ids: Any, reason: Any = None, *, scores: Any = None, origin: Any = None,
        by: Any = None, part_of: Any = None,
    ) -> None:  # fmt: skip
        """Record that all these candidates go no further; arguments as for `decide`."""
        with guarded("Step.reject_many"):
            if is_column(reason):
                kept = bytes(len(reason))
                self.decide(ids, list(kept), reason=reason, scores=scores, origin=origin, by=by,
                            part_of=part_of)  # fmt: skip
                return
            kind = Kind(REJECTED, reason)
            self._record_alike("reject_many", kind, ids, scores, origin, by, part_of)

    def select_many(
        self, ids: Any, *, scores: Any = None, origin: Any = None, by: Any = None,
        part_of: Any = None,
    ) -> None:  # fmt: skip
        """Record that all these candidates are in the answer; arguments as for `decide`."""
        self._record_alike("select_many", Kind(SELECTED), ids, scores, origin, by, part_of)

    def _record_alike(self, verb: str, kind: Kind, ids: Any, *given: Any) -> None:
        with guarded(f"Step.{verb}"):
            if self.records:
                held = read_items(ids)
                self._record_ids(held, bytes(len(held)), [kind], *given)

    def _record_ids(
        self, held: Items, codes: bytes, kinds: Sequence[Kind], scores: Any, origin: Any,
        by: Any, part_of: Any,
    ) -> None:  # fmt: skip
        columns = read_scores(held, scores)
        describe = partial(describe_scores, columns) if columns else None
        stand = self._tell_standings((), columns, range(len(held)))
        self._decide(held, codes, kinds, describe, None, by, part_of, origin=origin, stand=stand)
