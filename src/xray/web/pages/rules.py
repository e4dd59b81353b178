"""How the rules of pipelines do over many runs: what each kills, alone or not, and since when."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from starlette.requests import Request

from xray import reading
from xray.forensics.limits import is_number
from xray.model.operators import ORDERINGS
from xray.model.rules import RuleHealth, RuleReport
from xray.model.sayings import say_number
from xray.query.tokens import say_text
from xray.questions import spell_limits
from xray.reading import Parameters
from xray.store.protocol import Store
from xray.web.addresses import page_of, runs_page
from xray.web.asked import read_asked
from xray.web.page import Call, Link, Page
from xray.web.site import site_of

PATH: Final = "/v1/rules"
BAR_WIDTH: Final = 120.0
_LEAST: Final = 1.5
_SIGNS: Final = {"<=": "≤", ">=": "≥", "!=": "≠", "==": "="}
_OWN: Final = ("since", "since_version", "cursor")


@dataclass(frozen=True, slots=True)
class KillBar:
    """Which share of a step's candidates a rule kills, in units of `BAR_WIDTH`.

    Args:
        killed: how long the bar is.
        alone: the part of it that failed nothing else, surely.
        maybe_alone: the part of it that may have failed nothing else.
    """

    killed: float
    alone: float
    maybe_alone: float


@dataclass(frozen=True, slots=True)
class RuleRow:
    """One rule.

    Args:
        rule: how it does.
        anchor: where on the page more is said of it.
        limit: its newest limit, as text; empty where it has none, or many.
        bar: what it kills.
        what_if: the page that moves its limit over the same runs; empty where it has none.
    """

    rule: RuleHealth
    anchor: str
    limit: str
    bar: KillBar
    what_if: str


@dataclass(frozen=True, slots=True)
class RulesModel:
    """How the rules of some runs do.

    Args:
        asked: the parameters.
        report: the answer.
        rows: every rule, those that deserve attention first.
        next_page: goes on where the search stopped.
    """

    asked: Parameters
    report: RuleReport
    rows: Sequence[RuleRow]
    next_page: str | None
    bar_width: float = BAR_WIDTH

    @property
    def attention(self) -> Sequence[RuleRow]:
        """The rules that deserve attention."""
        return self.rows[: self.report.attention]

    def given(self, name: str) -> str:
        """The value of a parameter; empty where it is not given."""
        return next((value for key, value in self.asked if key == name), "")


async def draw_rules(request: Request) -> Page:
    """The page that says how the rules of the runs do that meet the parameters of the URL."""
    asked = read_asked(request)
    site = site_of(request)
    now_us = site.clock.wall_us()
    model = await site.read(lambda store: model_rules(store, asked, now_us))
    return Page(
        template="rules.html",
        title="Rules",
        model=model,
        section="runs",
        calls=(Call(PATH, [pair for pair in asked if pair[0] != "cursor"], spell_rules(asked)),),
        trail=(Link("Runs", runs_page()),),
    )


def spell_rules(asked: Parameters) -> str:
    """The question as an expression of `client`, which knows queries alone."""
    named = dict(asked)
    parts = [
        value if name == "q" else f"{name} = {say_text(value)}"
        for name, value in asked
        if name not in _OWN
    ]
    query = parts[0] if len(parts) == 1 else " and ".join(f"({part})" for part in parts)
    told = [repr(query)] if query else []
    told += [f"{name}={named[name]!r}" for name in ("since", "since_version") if name in named]
    return f"client.rules({', '.join([*told, 'is_whole=False'])})"


def model_rules(store: Store, asked: Parameters, now_us: int) -> RulesModel:
    """What the page of rules shows."""
    report = reading.survey_rules(store, asked, now_us)
    others = [pair for pair in asked if pair[0] != "cursor"]
    runs = [pair for pair in others if pair[0] not in _OWN]
    return RulesModel(
        asked=asked,
        report=report,
        rows=[_describe(rule, f"rule-{at}", runs) for at, rule in enumerate(report.rules)],
        next_page=page_of(PATH, [*others, ("cursor", report.next_cursor)])
        if report.next_cursor
        else None,
    )


def _describe(rule: RuleHealth, anchor: str, runs: Parameters) -> RuleRow:
    newest = rule.limits[-1] if rule.limits and rule.limit_history != "varies" else None
    limit = "" if newest is None else f"{_SIGNS.get(newest.op, newest.op)} {_spell(newest.limit)}"
    moved: list[str] = []
    if rule.is_check and rule.op in ORDERINGS and "=" not in rule.rule and rule.limits:
        tried = rule.limits[-1].limit
        moved = spell_limits({rule.rule: tried}) if is_number(tried) else []
    asked = [*runs, *(("limit", one) for one in moved)]
    if moved and not any(name == "pipeline" for name, _ in runs):
        asked.insert(0, ("pipeline", rule.pipeline))
    return RuleRow(
        rule=rule,
        anchor=anchor,
        limit=limit,
        bar=lay_kills(rule),
        what_if=page_of("/v1/what-if", asked) if moved else "",
    )


def _spell(limit: object) -> str:
    if isinstance(limit, float):
        return say_number(limit)
    return limit if isinstance(limit, str) else spell_limits({"": limit})[0][1:]


def lay_kills(rule: RuleHealth, width: float = BAR_WIDTH) -> KillBar:
    """The share of candidates that *rule* kills as a bar, the part that it kills alone within."""
    if not rule.kills:
        return KillBar(0.0, 0.0, 0.0)
    killed = max(_LEAST, round(width * rule.kill_rate, 1))
    return KillBar(
        killed,
        round(killed * _share(rule.sole_kills.least, rule.kills), 1),
        round(killed * _share(rule.sole_kills.most, rule.kills), 1),
    )


def _share(part: int, whole: int) -> float:
    return min(1.0, part / whole)
