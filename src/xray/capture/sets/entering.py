"""How decisions of the verbs about many candidates reach the step."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from xray.capture.evidence import read_reason
from xray.capture.sets.columns import Column
from xray.capture.sets.decisions import Decisions, Detail, Kind
from xray.capture.sets.each import Cut, choose_score, describe_scores, read_each
from xray.capture.sets.items import Items, describe_items
from xray.capture.standings import Standings
from xray.model.facts import ACCEPTED, REJECTED, SELECTED
from xray.model.vocabulary import RANKING_STEP_TYPES, StepType

if TYPE_CHECKING:
    from xray.capture.rows import RowMaker

BELOW_CUT: Final = "below_cut"

Describe = Callable[[Sequence[int]], list[Detail]]
"""Makes the details of the decisions at some places."""


class ManyEntering:
    """What acting and recording verbs share: a step that takes many decisions at once."""

    records: bool = True
    """Whether anything is recorded; results are the same where nothing is."""
    step_type: StepType
    _rows: RowMaker
    _omissions: dict[str, int]

    def enter_many(self, decisions: Decisions) -> None:
        """Enter decisions about many candidates, as the verbs would one by one."""
        raise NotImplementedError

    def _record_cut(
        self,
        held: Items,
        cut: Cut,
        describe: Describe,
        key: str | None,
        by: Any,
        part_of: Any,
        *,
        has_moved: bool,
        origin: Any = None,
        scores: Mapping[str, Column] | None = None,
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
                    origin=origin, stand=self._tell_standings(ranks, scores, order))  # fmt: skip

    def _tell_standings(
        self, ranks: Sequence[int], scores: Mapping[str, Column] | None, order: Sequence[int]
    ) -> Callable[[range], Standings | None]:
        """What tells where candidates stand, in steps that order them."""
        if self.step_type not in RANKING_STEP_TYPES or not (ranks or scores):
            return lambda _: None
        column = choose_score(scores) if scores else None

        def stand(places: range) -> Standings:
            chosen = slice(places.start, places.stop)
            numbers = array("d") if column is None else column.numbers(order[chosen])
            return Standings(ranks[chosen], numbers)

        return stand

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
        describe: Describe | None,
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
        if order is not None and type(order) is not range:
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
    held: Items, places: Sequence[int], describe: Describe | None, by: Any, part_of: Any
) -> Describe:
    """Details that also tell what each decision is made by, and what its candidate is part of."""
    partitions, wholes = read_each(held, by), read_each(held, part_of)

    def describe_apart(chosen: Sequence[int]) -> list[Detail]:
        details = [Detail() for _ in chosen] if describe is None else describe(chosen)
        for place, detail in zip(chosen, details, strict=True):
            detail.by, detail.part_of = partitions[places[place]], wholes[places[place]]
        return details

    return describe_apart
