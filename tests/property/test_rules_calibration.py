"""Where nothing changed, no rule is said to drift: counted over simulated runs."""

from __future__ import annotations

from random import Random

import pytest

from tests.property.test_deviations_calibration import upper_bound
from xray.forensics.rules.reporting import RulesAsked, report_rules
from xray.forensics.rules.survey import RuleSurvey
from xray.model.checked import CheckedRun, CheckedStep, StepChecks, StepCounts
from xray.model.decisions import Outline
from xray.model.facts import Check
from xray.query.plan import Plan

QUICK_TRIALS = 150
PROVEN_TRIALS = 2_000
MOST = 0.05
ASKED = RulesAsked(Plan(scope="run"), None, None, ())
RULES = ("too_dear", "bad_rating", "wrong_country", "too_old")


def a_step(random: Random, number: int) -> CheckedStep:
    """A step whose candidates have much in common, as those of one query do."""
    taste = [random.betavariate(1.2, 3) for _ in RULES]
    rows = []
    for place in range(random.randrange(3, 14)):
        checks = [
            Check(name, passed=random.random() > share, op="==", observed="a", limit="b")
            for name, share in zip(RULES, taste, strict=True)
        ]
        failed = [check.name for check in checks if not check.passed]
        rows.append(
            Outline(
                f"p{place}", "rejected" if failed else "accepted", failed[0] if failed else None,
                None, None, None, checks, 1.0, False,
            )
        )  # fmt: skip
    reasons = [row.reason for row in rows if row.reason is not None]
    return CheckedStep(
        step_id=f"s{number}",
        name="filter",
        step_type="filter",
        status="completed",
        attempt=1,
        parent_step_id=None,
        is_bare=False,
        checks=StepChecks(
            StepCounts(
                len(rows) - len(reasons), {name: reasons.count(name) for name in set(reasons)}
            ),
            rows,
            (),
        ),
    )


def is_told(seed: int) -> bool:
    """Whether a rule is said to drift among runs of versions that decide alike."""
    random = Random(seed)
    survey = RuleSurvey()
    versions = random.choice((2, 3, 5))
    weights = random.choice(((1.0,), (1.0, 20.0)))
    for number in range(random.choice((12, 40, 90))):
        survey.add(
            CheckedRun(
                run_id=f"r{number}",
                pipeline="shop",
                started_at_us=number * 1_000_000,
                weight=random.choice(weights),
                version=str(random.randrange(versions)),
                steps=[a_step(random, number)],
                find_selected=lambda _: (),
            )
        )
    report = report_rules(survey, ASKED)
    assert report.runs
    return any(concern.kind == "drift" for rule in report.rules for concern in rule.concerns)


@pytest.mark.parametrize(
    "trials", [QUICK_TRIALS, pytest.param(PROVEN_TRIALS, marks=pytest.mark.prove)]
)
def test_at_most_five_of_a_hundred_reports_name_a_drift_where_there_is_none(trials: int) -> None:
    hits = sum(is_told(seed) for seed in range(trials))
    bound = upper_bound(hits, trials)
    print(f"{hits} of {trials} reports name a drift; the rate is at most {100 * bound:.2f} %")
    assert bound <= MOST
