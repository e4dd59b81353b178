"""What separates the rejected from the kept: planted causes are named, and nothing else is."""

from __future__ import annotations

import random
from typing import Any

import pytest

from tests.unit.separated_shops import Row, Shop, draw_rows
from xray import XRay
from xray.errors import InvalidQueryError, NotFoundError
from xray.forensics.evidence import load_evidence
from xray.forensics.separation import table
from xray.forensics.separation.candidates import Sides
from xray.forensics.separation.separating import Budget, separate_candidates, separate_run
from xray.model.separation import Separation, Separator
from xray.query.parameters import plan_from_parameters
from xray.reading import separate as read_separation
from xray.store.memory import MemoryStore
from xray.testing import MemorySink

NOW_US = 0


def separate(shop: Shop, run_id: str, step: str | None = "filter", **sides: Any) -> Separation:
    return separate_run(load_evidence(shop.store(), run_id), step, Sides(**sides))


def separate_many(shop: Shop, **parameters: str) -> Separation:
    pairs = list({"step": "filter", **parameters}.items())
    return read_separation(shop.store(), pairs, NOW_US)


def find(found: list[Separator], path: str) -> Separator:
    return next(one for one in found if one.path == path)


def of_lamps(row: Row) -> str | None:
    return "odd" if row["category"] == "Lamps" else None


def test_an_attribute_that_an_earlier_step_recorded_is_named_with_counts_of_both_sides() -> None:
    shop = Shop()
    found = separate(shop, shop.run(of_lamps))
    (only,) = found.separators
    lamps = found.a.count
    assert only.text == (
        f'category is "Lamps" for all {lamps} rejected and none of {90 - lamps} kept.'
    )
    assert found.answer == (
        f"What separates the {lamps} rejected from the {90 - lamps} kept: {only.text}"
    )
    assert (only.split.condition, only.split.value) == ("is", "Lamps")
    assert (only.split.a, only.split.a_of, only.split.b) == (lamps, lamps, 0)
    assert (only.effect, only.test, only.reads) == (1.0, "fisher", [])
    assert only.p < 1e-9
    assert {one.text for one in only.also} <= {'category is "Desks"', 'category is "Chairs"'}
    assert only.a_examples[0].candidate_id is not None
    assert only.a_examples[0].step_id is not None
    assert (found.rules, found.of, found.unit, found.runs) == ([], "candidates", "candidate", 1)
    assert found.certainty == "inferred"


def test_a_proxy_stands_under_what_it_adds_nothing_to() -> None:
    shop = Shop()
    found = separate(shop, shop.run(of_lamps))
    assert [proxy.path for proxy in found.separators[0].proxies] == ["brand"]
    assert found.separators[0].proxies[0].split.value == "Lux"


def test_two_causes_that_have_nothing_to_do_with_each_other_are_both_named() -> None:
    shop = Shop()

    def reject(row: Row) -> str | None:
        return "odd" if row["category"] == "Lamps" or row["keyword"] == "riser" else None

    found = separate(shop, shop.run(reject, draw_rows(random.Random(4), 300)))
    assert {one.path for one in found.separators} == {"category", "origin"}
    origin = find(found.separators, "origin")
    assert (origin.split.condition, origin.split.value) == ("has", "riser")
    assert origin.source == "origin"
    assert "1 more thing separates them." in found.answer


def test_the_threshold_of_a_number_is_as_round_as_it_can_be() -> None:
    shop = Shop()
    found = separate(shop, shop.run(lambda row: "x" if row["price"] > 120 else None))
    (price,) = found.separators
    assert (price.path, price.split.condition, price.test) == ("price", "above", "mann_whitney")
    assert price.split.value == 120
    assert (price.split.a, price.split.b) == (found.a.count, 0)
    assert price.a_median is not None
    assert price.b_median is not None
    assert price.b_median < 120 < price.a_median
    assert f"price is above 120 for all {found.a.count} rejected" in price.text
    assert "(medians " in price.text


def test_low_numbers_are_at_most_a_threshold() -> None:
    shop = Shop()
    found = separate(shop, shop.run(lambda row: "x" if row["rating"] <= 3.5 else None))
    (rating,) = found.separators
    assert rating.split.text == "rating is at most 3.5"
    assert rating.split.b == 0


def test_what_a_check_reads_is_told_as_the_rule_it_is() -> None:
    shop = Shop()
    found = separate(shop, shop.run(lambda _: None, checks_price=True))
    assert found.separators == []
    (price,) = found.rules
    assert price.reads == ["price_too_high"]
    assert price.text.endswith("; that is what price_too_high reads.")
    assert found.answer.startswith("Only what the step's own rules read separates the ")


def test_what_no_rule_reads_comes_before_the_rules() -> None:
    shop = Shop()
    found = separate(shop, shop.run(of_lamps, checks_price=True))
    assert [one.path for one in found.separators] == ["category"]
    assert [one.path for one in found.rules] == ["price"]
    assert found.answer.endswith(" So does price, which the step's own rules read.")


def test_one_reason_is_held_against_the_kept_alone() -> None:
    shop = Shop()
    run_id = shop.run(of_lamps, checks_price=True)
    found = separate(shop, run_id, reasons=frozenset({"odd"}))
    assert found.a.name == "rejected for odd"
    assert found.separators[0].split.a == found.a.count
    with pytest.raises(InvalidQueryError, match="No candidate was rejected for 'od'") as caught:
        separate(shop, run_id, reasons=frozenset({"od"}))
    assert caught.value.hint == "Did you mean 'odd'?"


def test_having_no_value_is_a_value_of_its_own() -> None:
    shop = Shop()
    found = separate(shop, shop.run(lambda row: "x" if "colour" not in row else None))
    (colour,) = found.separators
    assert colour.split.text == "there is no colour"
    assert (colour.split.a, colour.split.b) == (found.a.count, 0)


def test_attributes_that_only_the_rejected_were_given_are_left_out_and_that_is_said() -> None:
    sink = MemorySink()
    dice = random.Random(1)
    with (
        XRay("shop", sink=sink).run() as run,
        run.step("filter", step_type="filter") as step,
    ):
        for number in range(60):
            if number % 2:
                step.reject(f"p{number}", "x", attributes={"price": dice.random()})
            else:
                step.accept(f"p{number}", score=dice.random())
    found = separate(Shop(sink=sink), run.run_id)
    assert found.separators == []
    assert {(one.path, one.because) for one in found.left_out} == {
        ("price", "recorded of the rejected alone"),
        ("score", "recorded of the kept alone"),
    }


def test_ids_and_free_text_are_left_out_and_that_is_said() -> None:
    shop = Shop()
    (left,) = separate(shop, shop.run(of_lamps)).left_out
    assert left.path == "title"
    assert left.because == "90 different texts in 90: ids or free text"


def test_where_rejection_has_nothing_to_do_with_anything_nothing_is_named() -> None:
    for seed in range(20, 25):
        shop = Shop(seed)
        run_id = shop.run(lambda _, dice=shop.dice: "x" if dice.random() < 0.4 else None)  # type: ignore[misc]
        found = separate(shop, run_id)
        assert found.separators == found.rules == []
        assert found.answer.startswith("Nothing that is recorded separates the ")
        assert found.tests > 5


def test_too_few_candidates_tell_nothing_and_that_is_said() -> None:
    shop = Shop()
    names = ("Lamps", "Lamps", "Desks", "Desks")
    drawn = zip(draw_rows(shop.dice, 4), names, strict=True)
    found = separate(shop, shop.run(of_lamps, [{**row, "category": name} for row, name in drawn]))
    assert found.certainty == "unknown"
    assert found.separators == []
    assert found.answer == "With 2 rejected and 2 kept nothing can be told from chance."


def test_a_step_that_only_rejects_keeps_the_rest_of_what_it_was_offered() -> None:
    sink = MemorySink()
    rows = draw_rows(random.Random(2), 60)
    with XRay("shop", sink=sink).run() as run:
        with run.step("search", step_type="retrieve") as step:
            for row in rows:
                step.accept(row["id"], attributes={"category": row["category"]})
        with run.step("filter", step_type="filter") as step:
            for row in rows:
                if row["category"] == "Lamps":
                    step.reject(row["id"], "odd")
    found = separate(Shop(sink=sink), run.run_id)
    assert found.a.count + found.b.count == 60
    assert found.separators[0].split.value == "Lamps"
    assert "one side is what the step left of what it was offered" in found.because


def test_a_selection_is_held_against_what_it_left() -> None:
    sink = MemorySink()
    rows = draw_rows(random.Random(2), 60)
    with XRay("shop", sink=sink).run() as run:
        with run.step("search", step_type="retrieve") as step:
            for row in rows:
                step.accept(row["id"], attributes={"category": row["category"]})
        with run.step("pick", step_type="select") as step:
            for row in rows:
                if row["category"] == "Desks":
                    step.select(row["id"])
    shop = Shop(sink=sink)
    found = separate(shop, run.run_id, "pick")
    assert (found.a.name, found.b.name) == ("not selected", "selected")
    other = separate(shop, run.run_id, "pick", is_selected=True)
    assert (other.a.name, other.a.count) == ("selected", found.b.count)
    assert other.separators[0].text.startswith('category is "Desks" for all ')


def test_which_of_several_searches_found_a_candidate_is_looked_at() -> None:
    sink = MemorySink()
    with XRay("shop", sink=sink).run() as run:
        for name, ids in (("bm25", range(30)), ("vector", range(30, 60))):
            with run.step(name, step_type="retrieve") as step:
                for number in ids:
                    step.accept(f"p{number}")
        with run.step("filter", step_type="filter") as step:
            for number in range(60):
                if number < 30 and number % 10:
                    step.reject(f"p{number}", "x")
                else:
                    step.accept(f"p{number}")
    (only,) = separate(Shop(sink=sink), run.run_id).separators
    assert only.text == 'found_by has "bm25" for all 27 rejected and 3 of 33 kept.'


def test_what_a_ranking_orders_by_is_its_rule() -> None:
    sink = MemorySink()
    dice = random.Random(1)
    with XRay("shop", sink=sink).run() as run, run.step("rank", step_type="rank") as step:
        scores = sorted((dice.random() for _ in range(40)), reverse=True)
        for rank, score in enumerate(scores, 1):
            if rank <= 10:
                step.accept(f"p{rank}", score=score, rank=rank)
            else:
                step.reject(f"p{rank}", "below_cut", score=score, rank=rank)
    found = separate(Shop(sink=sink), run.run_id, "rank")
    assert found.separators == []
    assert {one.path for one in found.rules} == {"score", "rank"}
    assert all(one.reads == ["below_cut"] for one in found.rules)


def test_rows_that_were_sampled_count_by_their_weight() -> None:
    shop = Shop(capture="sample")
    rows = draw_rows(shop.dice, 4_000)
    found = separate(shop, shop.run(of_lamps, rows, attributes_at="filter"))
    lamps = sum(row["category"] == "Lamps" for row in rows)
    assert found.a.count < lamps
    assert found.a.stands_for == pytest.approx(lamps, rel=1e-9)
    assert found.separators[0].split.value == "Lamps"
    assert found.separators[0].test == "weighted_ranks"
    assert "sampled out" in found.because


def test_a_step_that_recorded_no_candidates_tells_nothing() -> None:
    shop = Shop(capture="minimal")
    found = separate(shop, shop.run(of_lamps))
    assert found.answer == (
        "No candidate at filter is known to be rejected, so there is nothing to tell apart."
    )
    assert found.certainty == "unknown"


def test_without_a_name_the_step_that_rejected_most_is_meant() -> None:
    shop = Shop()
    assert separate(shop, shop.run(of_lamps), None).step == "filter"


def test_a_step_that_is_not_there_is_said_with_the_nearest() -> None:
    shop = Shop()
    run_id = shop.run(of_lamps)
    with pytest.raises(NotFoundError, match="no step 'filtr'") as caught:
        separate(shop, run_id, "filtr")
    assert caught.value.hint == "Did you mean 'filter'?"
    with pytest.raises(NotFoundError, match="None of the 1 run has a step 'nowhere'"):
        separate_many(shop, step="nowhere")


def test_over_many_runs_a_run_is_what_chance_draws() -> None:
    shop = Shop()
    for _ in range(24):
        shop.run(of_lamps, draw_rows(shop.dice, 20))
    found = separate_many(shop)
    assert (found.unit, found.runs, found.complete) == ("run", 24, True)
    assert found.separators[0].split.value == "Lamps"
    assert found.a.count + found.b.count == 24 * 20
    assert "a run with all its candidates is what chance draws (24 runs)" in found.because


def test_over_a_few_runs_candidates_are_what_chance_draws_and_that_is_said() -> None:
    shop = Shop()
    for _ in range(3):
        shop.run(of_lamps)
    found = separate_many(shop)
    assert (found.unit, found.runs) == ("candidate", 3)
    assert found.separators[0].split.value == "Lamps"
    assert "3 runs are too few to take a run as what chance draws" in found.because


def test_a_difference_between_runs_is_no_difference_between_their_candidates() -> None:
    shop = Shop()
    for number in range(30):
        rows = draw_rows(shop.dice, 20)
        name, share = ("Lamps", 0.9) if number % 2 else ("Desks", 0.1)
        for row in rows:
            row["category"] = name
        shop.run(lambda _, share=share: "x" if shop.dice.random() < share else None, rows)  # type: ignore[misc]
    assert separate_many(shop).separators == []


def test_the_same_candidates_in_a_thousand_runs_tell_no_more_than_in_one() -> None:
    shop = Shop()
    rows = draw_rows(shop.dice, 12)
    verdicts = {row["id"]: number % 2 for number, row in enumerate(rows)}
    for row in rows:
        # Among twelve candidates such a share comes by chance.
        row["category"] = "Lamps" if verdicts[row["id"]] or row is rows[0] else "Desks"
    rows[1]["category"] = "Desks"
    for _ in range(40):
        shop.run(lambda row: "x" if verdicts[row["id"]] else None, rows)
    found = separate_many(shop)
    assert found.unit == "run"
    assert found.separators == []


def test_only_the_newest_runs_are_looked_at_and_how_many_is_said() -> None:
    shop = Shop()
    for _ in range(4):
        shop.run(of_lamps, draw_rows(shop.dice, 10))
    found = separate_many(shop, runs="3")
    assert (found.runs, found.complete) == (3, False)


def test_reading_stops_when_its_time_or_its_room_is_over_and_that_is_said(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shop = Shop()
    for _ in range(4):
        shop.run(of_lamps, draw_rows(shop.dice, 10))
    plan = plan_from_parameters("run", [], NOW_US)
    ways = (shop.store(), plan, "filter", Sides())
    found = separate_candidates(*ways, max_runs=9, budget=Budget(0.0))
    assert (found.runs, found.a.count + found.b.count, found.complete) == (1, 10, False)
    monkeypatch.setattr(table, "MAX_ROWS", 15)
    found = separate_candidates(*ways, max_runs=9)
    assert (found.runs, found.a.count + found.b.count, found.complete) == (2, 20, False)


def test_nothing_recorded_at_all_is_said() -> None:
    found = read_separation(MemoryStore(), [("step", "filter")], NOW_US)
    assert "nothing to tell apart" in found.answer
    assert found.call == "/v1/separate?step=filter"
