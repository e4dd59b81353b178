"""Planted pipelines: what is said of their rules, and that nothing is said of healthy ones."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest
from msgspec.structs import replace

from tests.unit.planted_rules import (
    COUNTRY,
    HEAVY,
    NOW_US,
    PRICE,
    RATING,
    STOCK,
    Item,
    Rules,
    by_name,
    concerns_of,
    make_items,
    record_filters,
    report_on,
    store_of,
)
from xray import XRay, reading
from xray.errors import InvalidQueryError
from xray.model.facts import RunStarted
from xray.model.rules import RuleConcern, RuleReport
from xray.model.vocabulary import CaptureLevel
from xray.store.memory import MemoryStore
from xray.testing import MemorySink

HEALTHY: Rules = (PRICE, RATING, COUNTRY)


def survey(
    runs: int,
    rules: Any,
    *asked: tuple[str, str],
    size: int = 40,
    seed: int = 1,
    make: Any = make_items,
    **recorded: Any,
) -> RuleReport:
    random = Random(seed)
    sink = MemorySink()
    batches = [make(random, size) for _ in range(runs)]
    record_filters(sink, batches, rules if callable(rules) else lambda _: rules, **recorded)
    return report_on(store_of(sink), *asked)


def concern(report: RuleReport, rule: str, kind: str) -> RuleConcern:
    (found,) = [one for one in by_name(report)[rule].concerns if one.kind == kind]
    return found


def newer(number: int) -> str:
    return "1.3" if number < 30 else "1.4"


def test_a_rule_that_never_fires_is_named_with_the_bound_that_leaves() -> None:
    report = survey(30, (PRICE, ("absurd", "price", "<", 1000)))
    assert concerns_of(report) == {"absurd": ["never_failed"]}
    assert concern(report, "absurd", "never_failed").text == (
        "absurd never failed anybody in 1,200 candidates of 30 runs: with 99 %, at most 0.39 % of "
        "candidates would, and in at most 14.3 % of runs."
    )
    never = by_name(report)["absurd"].never_failed
    assert never is not None
    assert (1 - never.share_at_most) ** 1200 == pytest.approx(0.01)
    assert (1 - never.runs_at_most) ** 30 == pytest.approx(0.01)


def test_too_few_candidates_tell_nothing_of_a_rule_that_did_not_fire() -> None:
    report = survey(5, (PRICE, ("absurd", "price", "<", 1000)))
    assert concerns_of(report) == {}
    assert by_name(report)["absurd"].never_failed is not None


def test_a_rule_whose_every_kill_another_rule_fails_too_is_redundant() -> None:
    report = survey(50, (HEAVY, STOCK, PRICE))
    assert concerns_of(report) == {"too_heavy": ["redundant"]}
    rule = by_name(report)["too_heavy"]
    assert rule.kills > 200
    assert (rule.sole_kills.least, rule.sole_kills.most) == (0, 0)
    (one,) = rule.redundancies
    assert (one.rule, one.runs, one.only.most, one.unasked.most) == ("out_of_stock", 50, 0, 0)
    assert not one.is_mutual
    assert concern(report, "too_heavy", "redundant").text == (
        f"too_heavy never kills alone: all {rule.kills:,} it fails also fail out_of_stock, in 50 "
        "runs; at most 8.8 % of runs may have another, with 99 %."
    )


def test_of_two_rules_that_fail_the_same_one_is_named() -> None:
    report = survey(40, (PRICE, ("above_budget", "price", "<=", 100), RATING))
    assert concerns_of(report) == {"above_budget": ["redundant"]}
    assert by_name(report)["too_dear"].redundancies[0].is_mutual
    said = concern(report, "above_budget", "redundant").text
    assert said.startswith("above_budget never decides: all ")
    assert "also fail too_dear, and the other way round, in 40 runs" in said


def test_a_rule_that_another_fails_only_as_it_fails_nearly_all_is_not_redundant() -> None:
    rules = (("bargain", "price", "<", 12), RATING)
    report = survey(60, rules)
    assert concerns_of(report) == {"bargain": ["kills_most"]}
    assert "bargain kills 98" in concern(report, "bargain", "kills_most").text


def test_a_rule_that_two_others_together_leave_nothing_is_told() -> None:
    rules = (
        ("not_red", "colour", "not in", ["rose", "crimson"]),
        ("no_rose", "petals", "<", 5),
        ("no_crimson", "depth", "<", 5),
    )

    def coloured(random: Random, count: int) -> list[Item]:
        colours = [random.choice(["rose", "crimson", "blue", "green"]) for _ in range(count)]
        return [
            {
                "id": f"p{place}",
                "colour": colour,
                "petals": 5 if colour == "rose" else random.randrange(6),
                "depth": 5 if colour == "crimson" else random.randrange(6),
            }
            for place, colour in enumerate(colours)
        ]

    report = survey(20, rules, make=coloured)
    assert concerns_of(report) == {"not_red": ["never_alone"]}
    said = concern(report, "not_red", "never_alone").text
    assert "it fails also fails another rule; with 99 %, at most " in said


def test_many_rules_that_fail_together_by_chance_are_no_concern() -> None:
    def scored(random: Random, count: int) -> list[Item]:
        return [
            {"id": f"p{place}", **{f"f{number}": random.random() for number in range(40)}}
            for place in range(count)
        ]

    rules = [(f"low_{number}", f"f{number}", ">=", 0.12) for number in range(40)]
    report = survey(30, rules, make=scored)
    assert concerns_of(report) == {}


def test_what_a_rule_kills_alone_is_told_beside_what_it_kills() -> None:
    report = survey(10, (STOCK, HEAVY, PRICE))
    stock = by_name(report)["out_of_stock"]
    assert 0 < stock.sole_kills.least == stock.sole_kills.most < stock.kills
    assert f" {stock.sole_kills.least:,} of them alone" in stock.text
    assert stock.text.startswith("out_of_stock (stock == 1) killed ")
    (first, *_) = stock.examples
    assert first.run_id
    assert first.candidate_id.startswith("p")


def test_a_limit_that_changed_with_a_version_is_told_with_what_it_brought() -> None:
    report = survey(
        60,
        lambda number: (("too_dear", "price", "<=", 100 if number < 30 else 120), RATING),
        version=newer,
    )
    assert concerns_of(report) == {"too_dear": ["drift"]}
    rule = by_name(report)["too_dear"]
    assert rule.drift is not None
    assert (rule.drift.version, rule.drift.before_runs, rule.drift.after_runs) == ("1.4", 30, 30)
    assert rule.drift.least <= rule.drift.after - rule.drift.before <= rule.drift.most < 0
    assert [(use.limit, use.versions, use.runs) for use in rule.limits] == [
        (100, ["1.3"], 30),
        (120, ["1.4"], 30),
    ]
    assert len({use.newest_run for use in rule.limits}) == 2
    text = concern(report, "too_dear", "drift").text
    assert text.startswith("Since version 1.4 too_dear fails ")
    assert "; its limit went from 100 to 120 with version 1.4 at " in text
    assert rule.drift.before_examples
    assert rule.drift.after_examples


def test_a_limit_that_changed_and_moved_nothing_is_told_by_itself() -> None:
    report = survey(
        20, lambda number: (("too_dear", "price", "<=", 100 if number < 10 else 100.5), RATING)
    )
    assert concerns_of(report) == {"too_dear": ["limit_changed"]}
    said = concern(report, "too_dear", "limit_changed").text
    assert said.startswith("The limit of too_dear changed from 100 to 100.5 at ")


def test_two_limits_at_a_time_are_told_with_the_versions_that_have_them() -> None:
    report = survey(
        20,
        lambda number: (("too_dear", "price", "<=", 100 + number % 2), RATING),
        version=lambda number: ("1.3", "1.4")[number % 2],
    )
    assert concerns_of(report) == {"too_dear": ["limits_side_by_side"]}
    assert concern(report, "too_dear", "limits_side_by_side").text.startswith(
        "too_dear had two limits at a time: price <= 100 in 10 runs of version 1.3 and "
        "price <= 101 in 10 runs of version 1.4, side by side from "
    )


def test_a_limit_that_differs_from_run_to_run_is_no_concern() -> None:
    report = survey(40, lambda number: (("too_dear", "price", "<=", 80 + 7 * number % 40), RATING))
    assert concerns_of(report) == {}
    assert by_name(report)["too_dear"].limit_history == "varies"


def test_versions_in_use_together_are_told_apart_by_their_runs() -> None:
    report = survey(
        80,
        lambda number: (("too_dear", "price", "<=", 100 - 40 * (number % 2)), RATING),
        version=lambda number: ("1.3", "1.4")[number % 2],
    )
    assert concerns_of(report) == {"too_dear": ["drift", "limits_side_by_side"]}
    text = concern(report, "too_dear", "drift").text
    assert text.startswith("With version 1.4 too_dear fails ")
    assert text.endswith("; 40 runs of earlier ones, 40 since).")


def dearer(random: Random, count: int) -> list[Item]:
    items = make_items(random, count)
    dearer.runs += 1  # type: ignore[attr-defined]
    for item in items if dearer.runs > 30 else ():  # type: ignore[attr-defined]
        item["price"] *= 1.3
    return items


@pytest.mark.parametrize("asked", [[], [("since_version", "1.4")], [("q", "pipeline = 'shop'")]])
def test_a_rule_that_kills_more_since_a_version_drifts(asked: list[tuple[str, str]]) -> None:
    dearer.runs = 0  # type: ignore[attr-defined]
    report = survey(60, HEALTHY, *asked, make=dearer, version=newer)
    assert concerns_of(report) == {"too_dear": ["drift"]}
    rule = by_name(report)["too_dear"]
    assert rule.drift is not None
    assert (rule.drift.since, rule.drift.limits) == ("version 1.4", "")
    assert rule.drift.p < report.level
    assert report.tests >= 1


def test_a_rule_that_kills_more_since_a_time_drifts() -> None:
    dearer.runs = 0  # type: ignore[attr-defined]
    random, sink = Random(1), MemorySink()
    record_filters(sink, [dearer(random, 40) for _ in range(60)], lambda _: HEALTHY)
    store = store_of(sink)
    started = sorted(store.run(run_id).started_at for run_id in store.run_ids("", 100))  # type: ignore[union-attr]
    report = report_on(store, ("since", started[30].isoformat()))
    assert concerns_of(report) == {"too_dear": ["drift"]}
    assert report_on(store).answer.endswith("none stands out.")
    later = report_on(store, ("since", "2099-01-01"))
    assert "Nothing can be said of a change since 2099-01-01 00:00: no step has" in later.answer


def test_a_rule_that_came_with_a_version_is_told_and_does_not_drift() -> None:
    report = survey(60, lambda number: HEALTHY if number >= 30 else HEALTHY[:2], version=newer)
    assert concerns_of(report) == {"wrong_country": ["new_rule"]}
    assert concern(report, "wrong_country", "new_rule").text.startswith(
        "wrong_country came with version 1.4; it killed "
    )


def test_candidates_without_what_a_rule_observes_are_told() -> None:
    def lacking(random: Random, count: int) -> list[Item]:
        items = make_items(random, count)
        for item in items[:3]:
            item["rating"] = None
        return items

    report = survey(10, HEALTHY, make=lacking)
    assert concerns_of(report) == {"bad_rating": ["missing_operands"]}
    assert concern(report, "bad_rating", "missing_operands").text == (
        "rating was missing for 30 of 400 candidates (7.5 %), so that bad_rating cannot judge them."
    )
    (first, _) = concern(report, "bad_rating", "missing_operands").examples
    assert first.candidate_id == "p0"


@pytest.mark.parametrize("capture", ["full", "sample"])
@pytest.mark.parametrize("seed", range(4))
def test_nothing_is_said_of_healthy_rules(seed: int, capture: CaptureLevel) -> None:
    report = survey(60, HEALTHY, seed=seed, capture=capture, version=newer)
    assert concerns_of(report) == {}
    assert report.answer == "3 rules of 1 step in 60 runs: none stands out."
    assert report.certainty == "known"
    assert all(rule.text for rule in report.rules)


def test_nothing_is_said_of_healthy_rules_of_sampled_steps() -> None:
    report = survey(6, HEALTHY, size=1_700, capture="sample", version=lambda _: "1")
    assert concerns_of(report) == {}
    assert report.because == (
        "6 runs kept a sample of the rows: kills are exact, ranges are bounds that hold with 99 %"
    )


def test_counts_only_tell_kills_and_no_more() -> None:
    report = survey(10, HEALTHY, capture="minimal")
    assert concerns_of(report) == {}
    rule = by_name(report)["too_dear"]
    assert rule.kills > 0
    assert rule.evaluated is None
    assert (rule.sole_kills.least, rule.sole_kills.most) == (0, rule.kills)
    assert report.certainty == "inferred"
    assert "10 runs kept counts only" in report.because


def test_planted_rules_are_found_in_sampled_steps() -> None:
    rules = (HEAVY, STOCK, PRICE, ("absurd", "price", "<", 1000))
    report = survey(8, rules, size=1_800, capture="sample")
    found = concerns_of(report)
    assert found["absurd"] == ["never_failed"]
    assert set(found) <= {"absurd", "too_heavy"}
    assert set(found.get("too_heavy", [])) <= {"redundant", "never_alone"}
    never = by_name(report)["absurd"].never_failed
    assert never is not None
    assert never.candidates == 8 * 1_800


def test_most_kills_just_outside_a_limit_are_told_with_examples() -> None:
    def crowded(random: Random, count: int) -> list[Item]:
        items = make_items(random, count)
        for item in items:
            if item["price"] > 100 and random.random() < 0.7:
                item["price"] = 100.5 + random.random()
        return items

    report = survey(20, (PRICE, RATING), make=crowded)
    assert concerns_of(report) == {"too_dear": ["near_limit"]}
    found = concern(report, "too_dear", "near_limit")
    assert found.text.startswith("Most of what too_dear fails just fails it: ")
    just_failed, just_met = found.examples
    assert just_failed.limit == just_met.limit == 100
    assert just_failed.observed is not None
    assert 100 < just_failed.observed < 101
    assert report.near_means.startswith("near a limit is within 5 %")


def test_candidates_kept_though_they_failed_a_check_are_told_first() -> None:
    sink = MemorySink()
    x = XRay("shop", sink=sink)
    with x.run() as run, run.step("filter_products", step_type="filter") as step:
        for place in range(40):
            is_cheap = step.check(f"p{place}", "too_dear", place, "<=", 20, field="price")
            if is_cheap or place == 30:
                step.accept(f"p{place}")
            else:
                step.reject(f"p{place}")
    report = report_on(store_of(sink))
    assert concerns_of(report) == {"too_dear": ["overruled"]}
    found = concern(report, "too_dear", "overruled")
    assert found.text == "1 candidate failed too_dear and was kept."
    assert [one.candidate_id for one in found.examples] == ["p30"]


def test_a_reason_that_is_another_name_of_a_check_is_that_rule() -> None:
    sink = MemorySink()
    random, both = Random(3), []
    for _ in range(20):
        x = XRay("shop", sink=sink)
        with x.run() as run, run.step("filter_products", step_type="filter") as step:
            for item in make_items(random, 40):
                name, price, rating = item["id"], item["price"], item["rating"]
                is_cheap = step.check(name, "price_check", price, "<=", 100, field="price")
                is_good = step.check(name, "bad_rating", rating, ">=", 2, field="rating")
                both.append((is_cheap, is_good))
                if not is_cheap:
                    step.reject(name, "too_dear")
                elif not is_good:
                    step.reject(name)
                else:
                    step.accept(name)
    report = report_on(store_of(sink))
    assert concerns_of(report) == {}
    assert set(by_name(report)) == {"price_check", "bad_rating"}
    for rule, kills, alone in (
        ("price_check", [(False, True), (False, False)], (False, True)),
        ("bad_rating", [(True, False)], (True, False)),
    ):
        found = by_name(report)[rule]
        assert found.kills == sum(map(both.count, kills))
        assert found.sole_kills.least == found.sole_kills.most == both.count(alone)


def test_reasons_without_a_check_are_rules_of_which_kills_are_known() -> None:
    sink = MemorySink()
    x = XRay("shop", sink=sink)
    with x.run() as run, run.step("filter_products", step_type="filter") as step:
        step.reject_many([f"d{place}" for place in range(7)], "duplicate")
        step.reject_many([f"r{place}" for place in range(5)], "off_topic")
        step.accept("p1")
    (rule,) = report_on(store_of(sink)).rules
    assert (rule.rule, rule.kills, rule.is_check, rule.evaluated) == ("off_topic", 5, False, None)
    assert rule.text == (
        "off_topic killed 5 of 13 candidates of filter_products (38.5 %) in 1 run, 5 of them alone;"
        " nothing tells whom it let pass."
    )


def test_of_a_step_that_was_tried_again_the_last_attempt_counts() -> None:
    sink = MemorySink()
    with XRay("shop", sink=sink).run() as run:
        for attempt in range(2):
            try:
                with run.step("filter_products", step_type="filter") as step:
                    step.reject("p1", "off_topic")
                    step.accept("p2")
                    if not attempt:
                        raise TimeoutError("slow")
            except TimeoutError:
                continue
    (rule,) = report_on(store_of(sink)).rules
    assert (rule.kills, rule.decided) == (1, 2)


def test_rules_of_one_name_in_two_steps_are_told_apart() -> None:
    sink = MemorySink()
    random = Random(2)
    for pipeline in ("shop", "outlet"):
        batches = [make_items(random, 40) for _ in range(30)]
        rules = (PRICE, ("absurd", "price", "<", 1000 if pipeline == "shop" else 130))
        record_filters(sink, batches, lambda _, rules=rules: rules, pipeline=pipeline)  # type: ignore[misc]
    report = report_on(store_of(sink))
    assert [(rule.pipeline, rule.rule) for rule in report.rules if rule.concerns] == [
        ("outlet", "absurd"),
        ("shop", "absurd"),
    ]
    assert report.answer.startswith("4 rules of 2 steps in 60 runs: 2 deserve attention. ")


def test_runs_that_stand_for_others_count_by_their_weight() -> None:
    sink = MemorySink()
    random = Random(4)
    record_filters(sink, [make_items(random, 40) for _ in range(40)], lambda _: (PRICE,))
    facts = []
    heavy = 0
    for fact in sink.facts:
        if isinstance(fact, RunStarted):
            heavy += 1
            fact = replace(fact, weight=10.0 if heavy % 2 else 1.0)
        facts.append(fact)
    store = MemoryStore()
    assert not store.submit("b", facts).result().rejected
    report = report_on(store)
    (rule,) = report.rules
    assert (report.runs, report.estimated_runs) == (40, 220)
    assert rule.kill_rate != pytest.approx(rule.kills / rule.decided, abs=1e-9)


def test_no_run_and_no_rule_are_said_so() -> None:
    assert report_on(MemoryStore()).answer == "There is no such run."
    sink = MemorySink()
    with XRay("shop", sink=sink).run() as run, run.step("find", step_type="retrieve") as step:
        step.accept("p1")
    report = report_on(store_of(sink))
    assert report.answer == "1 run has no rule: no check, and no reason of a rejection."
    assert report.certainty == "unknown"


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        ([("limit", "3")], "invalid_parameter"),
        ([("since", "soon")], "invalid_parameter"),
        ([("since", "7d"), ("since_version", "1")], "invalid_parameter"),
        ([("q", "pipeline is")], "invalid_query"),
        ([("colour", "red")], "invalid_query"),
        ([("cursor", "x")], "invalid_cursor"),
    ],
)
def test_what_cannot_be_asked_is_refused(asked: list[tuple[str, str]], code: str) -> None:
    with pytest.raises(InvalidQueryError) as caught:
        reading.survey_rules(MemoryStore(), asked, NOW_US)
    assert caught.value.code == code


def test_the_answer_names_the_request_that_gives_it() -> None:
    report = survey(2, HEALTHY, ("q", "pipeline = 'shop'"), ("since_version", "2"))
    assert report.request == "/v1/rules?q=pipeline+%3D+%27shop%27&since_version=2"


@pytest.mark.parametrize("number", [0, 1])
def test_a_rule_that_is_left_less_to_kill_by_another_does_not_drift_itself(number: int) -> None:
    """Reasons without checks tell kills alone, and those of an earlier rule are not left."""
    random, sink = Random(6), MemorySink()
    for run_number in range(80):
        x = XRay("shop", sink=sink, version=newer(run_number) if number else None)
        with x.run() as run, run.step("filter_products", step_type="filter") as step:
            for item in make_items(random, 60):
                if item["price"] > (110 if run_number < 30 else 70):
                    step.reject(item["id"], "too_dear")
                elif item["rating"] < 3:
                    step.reject(item["id"], "bad_rating")
                else:
                    step.accept(item["id"])
    report = report_on(store_of(sink))
    assert concerns_of(report) == ({"too_dear": ["drift"]} if number else {})
    if number:
        drift = by_name(report)["bad_rating"].drift
        assert drift is not None
        assert (drift.measure, drift.follows) == ("killed", "too_dear")
        assert " too_dear kills " in concern(report, "too_dear", "drift").text
