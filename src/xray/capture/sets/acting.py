"""Verbs that act: they decide about a container's items, and give those back that go on."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, Final, TypeVar

from xray.capture.guard import guarded
from xray.capture.sets.decisions import Detail, Kind
from xray.capture.sets.each import (
    Cut,
    choose_score,
    find_firsts,
    list_fields,
    read_each,
    read_likeness,
    read_scores,
)
from xray.capture.sets.entering import Describe, ManyEntering
from xray.capture.sets.items import Items, read_items
from xray.capture.sets.judging import Evaluate, Judgement
from xray.capture.sets.rules import read_rules
from xray.model.facts import ACCEPTED, REJECTED

T = TypeVar("T")

DUPLICATE: Final = "duplicate"


class ActingVerbs(ManyEntering):
    """Verbs that return the caller's container, the same whether X-Ray records or not.

    A lazy frame is collected when it is given to one of them, and what is returned is a lazy frame
    over the collected rows. An item's id is what `key` names, else its `id` or `candidate_id`,
    else the label of its index, else the item itself. `by` and `part_of` take a value for all
    items, a column with one an item, or a function of the item.
    """

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
                self._record_cut(held, cut, describe, key, by, part_of, has_moved=True,
                                 scores=scores)  # fmt: skip
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
                nearest=partial(judgement.nearest, self._rows.hides), observe=judgement.observe,
                is_plain=self._rows.shows_operands,
            )  # fmt: skip

    def _record_merged(
        self,
        held: Items,
        firsts: Sequence[int],
        describe: Describe,
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
