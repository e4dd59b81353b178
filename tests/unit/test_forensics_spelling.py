"""Which recorded ids an unknown one may stand for."""

from __future__ import annotations

import pytest

from tests.unit.small_runs import accept, evidence_of, step
from xray.forensics.why import explain


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("Prod 17", ["prod_17"]),
        ("prod", ["prod_17", "prod_18", "prod_200"]),
        ("prod_2", ["prod_200"]),
        ("laptop_stnad_4", ["laptop_stand_4"]),
        ("laptop_stand_5", []),
        ("prod_19", []),
        ("z", []),
        ("---", []),
    ],
)
def test_ids_that_may_be_meant_are_named(typed: str, meant: list[str]) -> None:
    known = ["prod_17", "prod_18", "prod_200", "laptop_stand_4"]
    why = explain(evidence_of(step("search", "retrieve", accept(*known))), typed)
    assert why.similar == meant
    assert ("Did you mean" in why.answer) is bool(meant)
