"""`xray show` prints what the checks of sampled steps observed."""

from __future__ import annotations

from array import array

from tests.unit.cli_records import make_step
from xray.cli.observed import draw_observed
from xray.cli.terminal import Terminal
from xray.cli.why import say_cut
from xray.model.answers import Cut
from xray.model.records import Step
from xray.model.sketch import CheckSketch, ObservedByCheck, describe_sketches, sketch_values

PLAIN = Terminal()


def checks_of(**values: list[float]) -> list[ObservedByCheck]:
    sketches = []
    for name, numbers in values.items():
        sketch = sketch_values(array("d", numbers))
        assert sketch is not None
        sketches += [CheckSketch(name, False, sketch), CheckSketch(name, True, sketch)]
    return describe_sketches(sketches)


def step_with(checks: list[ObservedByCheck]) -> Step:
    return make_step(0, "rules", "filter", checks=checks)


def test_steps_without_sketches_take_no_line() -> None:
    assert draw_observed([step_with([])], PLAIN) == []


def test_each_check_says_how_many_values_lie_where() -> None:
    few, many = [1.0, 2.5, 9.0], [100 + number / 10 for number in range(1_000)]
    lines = draw_observed([step_with(checks_of(dear=few, heavy=many))], PLAIN)
    spread = "3 with 1 to 9, half of them up to 2.5"
    wide = "1,000 with 100 to 199.9, half of them up to about"
    assert lines[:2] == ["Observed values", f"  rules: dear met by {spread}; failed by {spread}"]
    assert lines[2].startswith(f"  rules: heavy met by {wide} 1")
    assert lines[2].count(wide) == 2


def test_of_many_checks_the_first_are_shown() -> None:
    checks = checks_of(**{f"check_{number}": [4.0] for number in range(7)})
    lines = draw_observed([step_with(checks)], PLAIN)
    assert lines[1] == "  rules: check_0 met by 1 with 4; failed by 1 with 4"
    assert lines[-1] == "  rules: 2 more checks"
    assert len(lines) == 7


def test_what_only_a_roster_knows_of_a_cut_is_said_to_be_about() -> None:
    cut = Cut(
        rank=812, last_kept_rank=10, score=0.410003662, last_kept_score=0.75, gap=0.339996338,
        score_error=3.9e-6, gap_error=3.9e-6, ranked_count=5_000,
    )  # fmt: skip
    assert say_cut(cut) == (
        "rank 812 of 5,000 (last kept 10), score about 0.41 (last kept 0.75), gap about 0.34"
    )
