"""Rules of retention as people write them."""

from __future__ import annotations

import pytest

from xray.errors import ConfigurationError
from xray.query.plan import AllOf, AnyOf, Comparison, FieldRef, Not, Plan
from xray.query.retention import MAX_RULES, Rule, read_policy

DAY_US = 86_400_000_000
NOW_US = 1_767_225_600_000_000
FAILED = Comparison(FieldRef("run", "status"), "=", "failed")
STARTED_AT = FieldRef("run", "started_at")


def test_rules_are_separated_by_semicolons_or_line_ends() -> None:
    policy = read_policy(
        "keep forever where label = 'bad'; Keep 90d WHERE status = 'failed'\n\nkeep 14 d;"
    )
    assert policy.rules == (
        Rule("keep forever where label = 'bad'", None, "label = 'bad'"),
        Rule("Keep 90d WHERE status = 'failed'", 90 * DAY_US, "status = 'failed'"),
        Rule("keep 14 d", 14 * DAY_US, ""),
    )


def test_what_stands_in_quotes_ends_no_rule() -> None:
    first, second = read_policy(
        r"""keep 1h where pipeline = 'a;b\';c' or pipeline = "x;'y"; keep 2w"""
    ).rules
    assert first.where == r"""pipeline = 'a;b\';c' or pipeline = "x;'y" """.strip()
    assert second.keep_us == 14 * DAY_US


def test_a_size_bounds_all_runs_together() -> None:
    assert read_policy("keep 1.5GB").max_bytes == 1_500_000_000
    assert read_policy("keep 14d; keep 2 tb").max_bytes == 2 * 10**12


@pytest.mark.parametrize("text", ["", "  ", ";\n;"])
def test_without_rules_all_is_kept(text: str) -> None:
    policy = read_policy(text)
    assert (policy.rules, policy.max_bytes) == ((), None)
    assert policy.dispensable(NOW_US) == AllOf()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("14d", "'14d' is no rule of retention"),
        ("keep 14", "no rule of retention"),
        ("keep 0d", "Ages are such as"),
        ("keep 14 parsecs", "Ages are such as"),
        ("keep 99999999y", "Ages are such as"),
        ("keep 1d where", "no rule of retention"),
        ("keep 1d where colour = 'red'", "colour"),
        ("keep 1d where status =", "no rule of retention"),
        ("keep 1GB; keep 2GB", "A size is given once"),
        ("keep 1GB where status = 'failed'", "for all runs together"),
    ],
)
def test_what_is_no_rule_is_refused_with_what_to_write(text: str, said: str) -> None:
    with pytest.raises(ConfigurationError, match=said) as caught:
        read_policy(text)
    assert caught.value.code == "invalid_retention"
    assert caught.value.hint


def test_more_rules_than_can_be_asked_are_refused() -> None:
    with pytest.raises(ConfigurationError, match=f"{MAX_RULES} at most"):
        read_policy(
            ";".join(f"keep {n + 1}d where pipeline = 'p{n}'" for n in range(MAX_RULES + 1))
        )


def test_of_each_run_the_first_rule_about_it_decides() -> None:
    policy = read_policy(
        "keep forever where label = 'bad'; keep 90d where status = 'failed'; keep 2d"
    )
    labelled = Comparison(FieldRef("run", "label"), "=", "bad")
    assert policy.expired(0, NOW_US) is None
    assert policy.expired(2, NOW_US) == Plan(
        scope="run",
        where=AllOf(
            (
                Comparison(STARTED_AT, "<", NOW_US - 2 * DAY_US),
                Not(labelled),
                Not(FAILED),
            )
        ),
        limit=1000,
        now_us=NOW_US,
    )
    assert policy.dispensable(NOW_US) == Not(labelled)


def test_a_condition_of_several_parts_is_taken_as_one() -> None:
    policy = read_policy("keep 9d where status = 'failed' or pipeline = 'a'; keep 1d")
    plan = policy.expired(1, NOW_US)
    assert plan is not None
    either = AnyOf((FAILED, Comparison(FieldRef("run", "pipeline"), "=", "a")))
    assert plan.where == AllOf((Comparison(STARTED_AT, "<", NOW_US - DAY_US), Not(either)))
