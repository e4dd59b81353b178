"""The verbs of a step that decide about many candidates at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeVar

from xray.capture.evidence import read_reason
from xray.capture.guard import guarded
from xray.capture.sets.columns import Column, is_column, read_column
from xray.capture.sets.decisions import Decisions, Detail, Kind
from xray.capture.sets.each import (
    Cut,
    choose_score,
    code_reasons,
    describe_scores,
    find_firsts,
    list_fields,
    read_each,
    read_likeness,
    read_scores,
)
from xray.capture.sets.items import Items, describe_items, read_items
from xray.capture.sets.judging import Evaluate, Judgement
from xray.capture.sets.rules import read_rules
from xray.model.facts import ACCEPTED, REJECTED, SELECTED
from xray.model.vocabulary import StepType

if TYPE_CHECKING:
    from xray.capture.rows import RowMaker

T = TypeVar("T")

BELOW_CUT: Final = "below_cut"
DUPLICATE: Final = "duplicate"

_Describe = Callable[[Sequence[int]], list[Detail]]
_NOT_KEPT: Final = bytes(1) + b"\1" * 255


class SetVerbs:
    """Verbs over whole containers: lists, tuples, arrays, series, frames and tables.

    `filter`, `rank`, `take` and `dedupe` act: they return the caller's container with the items
    that go on, the same whether X-Ray records or not. A lazy frame is collected when it is given
    to one of them, and what is returned is a lazy frame over the collected rows. The other verbs
    record what was decided elsewhere.

    An item's id is what `key` names, else its `id` or `candidate_id`, else the label of its index,
    else the item itself. `by` and `part_of` take a value for all items, a column with one an item,
    or a function of the item.
    """

    records: bool = True
    step_type: StepType
    _rows: RowMaker
    _omissions: dict[str, int]

    def enter_many(self, decisions: Decisions) -> None:
        """Enter decisions about many candidates, as the verbs would one by one."""
        raise NotImplementedError

    # Verbs that act

    def filter(
        self,
        items: T,
        rules: Any,
        *,
        key: str | None = None,
        by: Any = None,
        part_of: Any = None,
        attrs: Sequence[str] | None = None,
        evaluate: Evaluate | None = None,
    ) -> T:
        """Keep the items that meet every rule, and record why the others do not.

            kept = step.filter(products, [
                ("price_too_high", "price", "<=", 100),
                ("out_of_stock", "in_stock"),
                ("wrong_brand", lambda product: product["brand"] in brands),
            ])

        The first rule that fails is the reason. What the others found is kept as evidence, but a
        predicate is not asked about an item that an earlier rule rejects. A value that is missing
        rejects as `missing:<field>`.

        Args:
            items: a container of candidates.
            rules: `xray.rule(name, field, op, limit)` or such a tuple; `(name, column)` or
                `(name, field)` of truth values; `(name, expression)` of the frame's library;
                `(name, predicate)`, which answers whether to keep, or `(keep, reasoning, score)`.
            key: the field that holds the id.
            by: the query or left record an item belongs to.
            part_of: the whole an item is a part of.
            attrs: the fields to keep of each item; without it short scalars.
            evaluate: `"first"` stops at the first rule that fails; `"all"` asks every predicate.

        Raises:
            TypeError: something is no rule, or a predicate must be awaited.
        """
        held = read_items(items)
        judgement = Judgement(held, read_rules(rules), evaluate)
        try:
            judgement.judge()
        finally:
            self._record_filter(held, judgement, key, by, part_of, attrs)
        kept: T = held.pick(judgement.kept())
        return kept

    async def afilter(
        self,
        items: T,
        rules: Any,
        *,
        key: str | None = None,
        by: Any = None,
        part_of: Any = None,
        attrs: Sequence[str] | None = None,
        evaluate: Evaluate | None = None,
    ) -> T:
        """Like `filter`, with predicates that may be awaited, one after the other."""
        held = read_items(items)
        judgement = Judgement(held, read_rules(rules), evaluate)
        try:
            await judgement.judge_later()
        finally:
            self._record_filter(held, judgement, key, by, part_of, attrs)
        kept: T = held.pick(judgement.kept())
        return kept

    def rank(
        self,
        items: T,
        score: Any,
        *,
        top: int | None = None,
        key: str | None = None,
        by: Any = None,
        part_of: Any = None,
        attrs: Sequence[str] | None = None,
    ) -> T:
        """Order the items by score, the highest first, and keep the `top` ones.

        Equal scores keep their order; items without a score come last. Those after the top are
        rejected as `below_cut`. In a step of type `select` what stays is selected.

        Args:
            items: a container of candidates.
            score: a field, a column, a function of the item, or several of these by name; named
                scores order by `score`, `total`, `overall`, or the first.
            top: how many stay, for each `by`; all of them when absent.
            key: the field that holds the id.
            by: the query or left record an item belongs to.
            part_of: the whole an item is a part of.
            attrs: the fields to keep of each item; without it short scalars.
        """
        held = read_items(items)
        scores = read_scores(held, score)
        order = choose_score(scores).descending()
        cut = Cut(order, read_each(held, by), len(order) if top is None else top)
        with guarded("Step.rank"):
            if self.records:
                describe = partial(self._describe, held, list_fields(score), attrs, scores)
                self._record_cut(held, cut, describe, key, by, part_of, has_moved=True)
        kept: T = held.pick(cut.kept())
        return kept

    def take(
        self,
        items: T,
        n: int,
        *,
        key: str | None = None,
        by: Any = None,
        part_of: Any = None,
        attrs: Sequence[str] | None = None,
    ) -> T:
        """Keep the first `n` items, for each `by`; the others are rejected as `below_cut`.

        Arguments as for `rank`. In a step of type `select` what stays is selected.
        """
        held = read_items(items)
        cut = Cut(range(len(held)), read_each(held, by), n)
        with guarded("Step.take"):
            if self.records:
                describe = partial(self._describe, held, (), attrs, {})
                self._record_cut(held, cut, describe, key, by, part_of, has_moved=False)
        kept: T = held.pick(cut.kept())
        return kept

    def dedupe(
        self,
        items: T,
        on: Any = None,
        *,
        key: str | None = None,
        by: Any = None,
        part_of: Any = None,
        attrs: Sequence[str] | None = None,
    ) -> T:
        """Keep the first of the items that are alike; the others are rejected as `duplicate`.

        Each of those is recorded as merged into the one that stays. Items without a value, or
        without an id, are like no other.

        Args:
            items: a container of candidates.
            on: the field they are alike in, several fields, a column, or a function of the item;
                their ids when absent.
            key: the field that holds the id.
            by: the query or left record an item belongs to; only within it are items alike.
            part_of: the whole an item is a part of.
            attrs: the fields to keep of each item; without it short scalars.
        """
        held = read_items(items)
        firsts = find_firsts(read_likeness(held, on, key), read_each(held, by))
        with guarded("Step.dedupe"):
            if self.records:
                describe = partial(self._describe, held, list_fields(on), attrs, {})
                self._record_merged(held, firsts, describe, key, by, part_of)
        kept: T = held.pick([place for place, first in enumerate(firsts) if place == first])
        return kept

    # Verbs that record

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
            codes = outcomes.translate(_NOT_KEPT)
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
            self._record_cut(held, cut, describe, None, by, part_of, has_moved=False, origin=origin)

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
        if is_column(reason):
            with guarded("Step.reject_many"):
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

    # How they are recorded

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
        self._decide(held, codes, kinds, describe, None, by, part_of, origin=origin)

    def _record_filter(
        self,
        held: Items,
        judgement: Judgement,
        key: str | None,
        by: Any,
        part_of: Any,
        attrs: Sequence[str] | None,
    ) -> None:
        with guarded("Step.filter"):
            if not self.records:
                return
            codes, kinds = judgement.classify()
            fields = judgement.fields()

            def describe(places: Sequence[int]) -> list[Detail]:
                details = self._describe(held, fields, attrs, {}, places)
                checks = judgement.checks(places, self._rows.make_check)
                for place, detail, evidence in zip(places, details, checks, strict=True):
                    detail.checks = evidence
                    detail.reasoning, detail.score = judgement.remarks.get(place, (None, None))
                return details

            self._decide(
                held, codes, kinds, describe, key, by, part_of,
                nearest=partial(judgement.nearest, self._rows.hides),
                is_plain=self._rows.shows_operands,
            )  # fmt: skip

    def _record_cut(
        self,
        held: Items,
        cut: Cut,
        describe: _Describe,
        key: str | None,
        by: Any,
        part_of: Any,
        *,
        has_moved: bool,
        origin: Any = None,
    ) -> None:
        order, ranks = cut.order, cut.ranks

        def describe_ranked(places: Sequence[int]) -> list[Detail]:
            items = [order[place] for place in places]
            details = describe(items)
            for place, item, detail in zip(places, items, details, strict=True):
                detail.rank = ranks[place]
                detail.rank_before = item + 1 if has_moved else None
            return details

        kinds = [Kind(SELECTED if self.step_type == "select" else ACCEPTED),
                 Kind(REJECTED, BELOW_CUT)]  # fmt: skip
        self._decide(held, cut.codes, kinds, describe_ranked, key, by, part_of, order=order,
                    origin=origin)  # fmt: skip

    def _record_merged(
        self,
        held: Items,
        firsts: Sequence[int],
        describe: _Describe,
        key: str | None,
        by: Any,
        part_of: Any,
    ) -> None:
        names = held.ids(key)
        ids = names.texts()
        # A candidate that comes again is no duplicate of itself.
        codes = bytes(
            place != first and (ids[place] != ids[first] or not ids[place])
            for place, first in enumerate(firsts)
        )

        def describe_merged(places: Sequence[int]) -> list[Detail]:
            details = describe(places)
            for place, detail in zip(places, details, strict=True):
                if codes[place]:
                    detail.merged_into = ids[firsts[place]] or None
            return details

        kinds = [Kind(ACCEPTED), Kind(REJECTED, DUPLICATE)]
        self._decide(held, codes, kinds, describe_merged, key, by, part_of)

    def _describe(
        self,
        held: Items,
        fields: Sequence[str],
        attrs: Sequence[str] | None,
        scores: Mapping[str, Column],
        places: Sequence[int],
    ) -> list[Detail]:
        details = describe_scores(scores, places)
        kept = describe_items(held, places, fields, attrs, self._omissions)
        for detail, attributes in zip(details, kept, strict=True):
            detail.attributes = attributes
        return details

    def _decide(
        self,
        held: Items,
        codes: bytes,
        kinds: Sequence[Kind],
        describe: _Describe | None,
        key: str | None,
        by: Any,
        part_of: Any,
        *,
        order: Sequence[int] | None = None,
        **more: Any,
    ) -> None:
        """Enter decisions about *held*, of which those in *codes* were made, in their order."""
        ids = held.ids(key)
        places: Sequence[int] = range(len(held))
        if order is not None:
            ids, places = ids.pick(order), order
        if by is not None or part_of is not None:
            describe = _describe_apart(held, places, describe, by, part_of)
        if describe is not None:
            more["describe"] = describe
        if not ids.is_complete:
            more["items"] = held.rows(places)
        if by is not None:
            more["is_plain"] = False
        named = [
            Kind(
                kind.verdict,
                read_reason(kind.reason, self._omissions),
                read_reason(kind.failed_check, self._omissions),
            )
            for kind in kinds
        ]
        distinct = list(dict.fromkeys(named))
        if len(distinct) < len(named):
            # Reasons that read alike count alike.
            codes = codes.translate(bytes(map(distinct.index, named)).ljust(256, b"\0"))
        self.enter_many(Decisions(ids=ids, codes=codes, kinds=distinct, **more))


def _describe_apart(
    held: Items, places: Sequence[int], describe: _Describe | None, by: Any, part_of: Any
) -> _Describe:
    """Details that also tell what each decision is made by, and what its candidate is part of."""
    partitions, wholes = read_each(held, by), read_each(held, part_of)

    def describe_apart(chosen: Sequence[int]) -> list[Detail]:
        details = [Detail() for _ in chosen] if describe is None else describe(chosen)
        for place, detail in zip(chosen, details, strict=True):
            detail.by, detail.part_of = partitions[places[place]], wholes[places[place]]
        return details

    return describe_apart
