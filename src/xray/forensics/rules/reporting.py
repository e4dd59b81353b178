"""How the rules of many runs do: read from a store part by part, added up, reported."""

from __future__ import annotations

import weakref
from collections import Counter
from typing import Final
from urllib.parse import urlencode

from msgspec import Struct
from msgspec.structs import replace

from xray.forensics.rules.amounts import LEVEL
from xray.forensics.rules.drift import find_drifts, find_splits
from xray.forensics.rules.health import StepView, describe_rules, rank_rule
from xray.forensics.rules.limit_history import show_time
from xray.forensics.rules.nearness import NEAR_MEANS
from xray.forensics.rules.sentences import answer_report, explain_report
from xray.forensics.rules.survey import RuleSurvey
from xray.forensics.unfinished import Unfinished
from xray.model.clock import from_wall_us
from xray.model.records import Scan
from xray.model.rules import RuleReport
from xray.query.plan import Plan
from xray.store.protocol import Store


class RulesAsked(Struct, frozen=True):
    """A question about the rules of runs.

    Args:
        plan: which runs.
        since_version: the version whose coming parts them; None for any that came.
        since_us: the time that parts them instead, in µs since 1970.
        pairs: the question as the query of a URL has it.
    """

    plan: Plan
    since_version: str | None
    since_us: int | None
    pairs: tuple[tuple[str, str], ...]

    @property
    def words(self) -> tuple[str, ...]:
        """What tells it from other questions."""
        return tuple(f"{name}={value}" for name, value in self.pairs)


class Surveying:
    """The rules of runs as far as they were read.

    Args:
        store: where the runs are.
        asked: the question.
    """

    def __init__(self, store: Store, asked: RulesAsked) -> None:
        self._store = weakref.ref(store)
        self._asked = asked
        self._plan = asked.plan
        self._rows = 0
        self.survey = RuleSurvey(asked.since_us)

    def is_about(self, store: Store, asked: tuple[str, ...]) -> bool:
        """Whether it is what this question asks of that store."""
        return self._store() is store and self._asked.words == asked

    def read(self, store: Store) -> tuple[bool, Scan]:
        """Read on until the store has had enough; whether all was read, and how far it came."""
        visited = store.check_runs(self._plan, None, self.survey.add)
        self._rows += visited.scan.rows
        if visited.end is not None:
            self._plan = replace(self._plan, after=visited.end)
        return visited.end is None, Scan(rows=self._rows, back_to=visited.scan.back_to)

    def report(self) -> RuleReport:
        """What was found so far."""
        return report_rules(self.survey, self._asked)


_unfinished: Final = Unfinished[Surveying]("report on these rules")


def survey_rules(store: Store, asked: RulesAsked, cursor: str | None = None) -> RuleReport:
    """Say how the rules of the runs do that meet a question.

    Args:
        store: where the runs are.
        asked: the question.
        cursor: of a report that was not complete, to go on from there.

    Raises:
        InvalidQueryError: the cursor goes on with nothing.
    """
    if cursor is None:
        surveying = Surveying(store, asked)
    else:
        surveying = _unfinished.take(cursor, store, asked.words)
    is_complete, scan = surveying.read(store)
    report = replace(surveying.report(), scan=scan)
    if is_complete:
        return report
    return replace(report, complete=False, next_cursor=_unfinished.keep(surveying))


def explain_no_split(asked: RulesAsked) -> str:
    """Why no rule could be held against an earlier time that was asked for."""
    if asked.since_version is not None:
        since = f"version {asked.since_version}"
    elif asked.since_us is not None:
        since = show_time(from_wall_us(asked.since_us))
    else:
        return ""
    return f" Nothing can be said of a change since {since}: no step has runs before it and since."


def report_rules(survey: RuleSurvey, asked: RulesAsked) -> RuleReport:
    """What *survey* found, the rules that deserve attention first."""
    keys = sorted(survey.steps)
    folds = [survey.steps[key] for key in keys]
    splits = [find_splits(fold, asked.since_version, asked.since_us) for fold in folds]
    drifts = find_drifts(folds, splits)
    views = [
        StepView(
            key,
            fold,
            own,
            {name: drift for (at, name), drift in drifts.found.items() if at == place},
        )
        for place, (key, fold, own) in enumerate(zip(keys, folds, splits, strict=True))
    ]
    named = Counter(name for fold in folds for name in fold.rules)
    shared = frozenset(name for name, count in named.items() if count > 1)
    rules = [rule for view in views for rule in describe_rules(view, shared)]
    rules.sort(key=rank_rule)
    report = RuleReport(
        answer="",
        near_means=NEAR_MEANS,
        request=f"/v1/rules?{urlencode(asked.pairs)}" if asked.pairs else "/v1/rules",
        runs=survey.runs.runs,
        estimated_runs=round(survey.runs.weight, 4),
        sampled_runs=survey.sampled_runs,
        bare_runs=survey.bare_runs,
        rules=rules,
        attention=sum(bool(rule.concerns) for rule in rules),
        tests=drifts.tests,
        level=LEVEL,
        is_cut=survey.is_cut or any(fold.is_cut for fold in folds),
    )
    because = explain_report(report)
    is_parted = any(splits) or not rules
    return replace(
        report,
        answer=answer_report(report) + ("" if is_parted else explain_no_split(asked)),
        certainty="unknown" if not rules else "inferred" if because else "known",
        because=because,
    )
