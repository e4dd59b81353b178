"""Answers about the rules of many runs: what a URL asks, read from a store."""

from __future__ import annotations

from xray.errors import InvalidQueryError
from xray.forensics.rules.reporting import RulesAsked
from xray.forensics.rules.reporting import survey_rules as report_on_rules
from xray.model.rules import RuleReport
from xray.query.parameters import plan_from_parameters
from xray.query.values import TIME_FORMS, read_time_us
from xray.reading.lists import Parameters
from xray.store.protocol import Store


def survey_rules(store: Store, parameters: Parameters, now_us: int) -> RuleReport:
    """How the rules of the runs that meet *parameters* do.

    Raises:
        InvalidQueryError: a parameter is unknown or cannot be used, or the cursor goes on with
            nothing.
    """
    own = {name: value for name, value in parameters if name in ("since", "since_version")}
    cursor = dict(parameters).get("cursor")
    unusable = [name for name, _ in parameters if name == "limit"]
    if unusable or len(own) > 1:
        raise InvalidQueryError(
            "There is no parameter 'limit' here."
            if unusable
            else "Runs are parted by one moment, not by since= and since_version= at once.",
            hint="Besides the parameters of the list of runs there are since= or since_version=.",
            code="invalid_parameter",
        )
    since_us = None
    if "since" in own:
        since_us = read_time_us(own["since"], now_us)
        if since_us is None:
            raise InvalidQueryError(
                f"since={own['since'][:100]!r} is no time.",
                hint=f"Write {TIME_FORMS}.",
                code="invalid_parameter",
            )
    which = [pair for pair in parameters if pair[0] not in (*own, "cursor")]
    asked = RulesAsked(
        plan=plan_from_parameters("run", which, now_us),
        since_version=own.get("since_version"),
        since_us=since_us,
        pairs=tuple(pair for pair in parameters if pair[0] != "cursor"),
    )
    return report_on_rules(store, asked, cursor)
