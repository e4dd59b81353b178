"""docs/rules.md says when a rule deserves attention, and what each number is."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

from xray.forensics.rules import health, nearness, survey
from xray.model.rules import Concern, RuleHealth

TEXT = (Path(__file__).resolve().parents[2] / "docs" / "rules.md").read_text(encoding="utf-8")


NUMBERS, CONCERNS = TEXT.split("## What deserves attention")


def first_cells(text: str) -> list[str]:
    lines = [line for line in text.splitlines() if line.startswith("| `")]
    return [name for line in lines for name in re.findall(r"`(\w+)`", line.split("|")[1])]


def test_every_concern_is_explained_in_the_order_of_the_report() -> None:
    assert first_cells(CONCERNS) == list(get_args(Concern))


def test_every_number_that_is_explained_is_in_the_answer() -> None:
    named = first_cells(NUMBERS)
    assert len(named) == len(set(named)) > 10
    assert set(named) <= set(RuleHealth.__struct_fields__)


def test_the_bounds_that_are_named_are_those_that_hold() -> None:
    assert f"{nearness.NEAR_SHARE:.0%}".replace("%", " %") in TEXT
    plain = " ".join(TEXT.split())
    assert f"at most {survey.MAX_STEPS} steps, {survey.MAX_RULES} rules" in plain
    assert f"{survey.MAX_PATTERNS:,} combinations" in plain
    assert f"at least {health.MIN_NEVER} candidates" in plain
