"""What rules of retention let go is exactly what they say, on every engine."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec import Raw

from tests.contract.store.conftest import some_engines
from tests.contract.store.test_store_labels import a_label
from tests.contract.store.worlds import DAY_US, NOW_US
from xray.model.facts import (
    REJECTED,
    DecisionRow,
    Fact,
    RunFinished,
    RunStarted,
    StepFinished,
)
from xray.model.ids import new_uuid7
from xray.model.values import pack_value
from xray.model.vocabulary import LabelWord
from xray.query.retention import Policy, read_policy
from xray.store.expiry import expire, foresee
from xray.store.protocol import Store

OpenEmpty = Callable[[str], Store]
HOUR_US = DAY_US // 24


class Written(NamedTuple):
    age_us: int
    pipeline: str
    status: str
    label: LabelWord | None


PARTS: dict[str, Callable[[Written], bool]] = {
    "": lambda _: True,
    "status = 'failed'": lambda run: run.status == "failed",
    "pipeline = 'a'": lambda run: run.pipeline == "a",
    "label = 'bad'": lambda run: run.label == "bad",
    "exists(label)": lambda run: run.label is not None,
    "status != 'failed' and pipeline = 'b'": lambda run: (
        run.status != "failed" and run.pipeline == "b"
    ),
}
AGES = {"1h": HOUR_US, "1d": DAY_US, "2d": 2 * DAY_US, "1w": 7 * DAY_US, "forever": None}

rules = st.lists(
    st.tuples(st.sampled_from(sorted(AGES)), st.sampled_from(sorted(PARTS))), max_size=5
)
runs = st.lists(
    st.builds(
        Written,
        st.sampled_from([0, HOUR_US, HOUR_US + 1, DAY_US - 1, DAY_US, DAY_US + 1, 3 * DAY_US])
        | st.integers(0, 9 * DAY_US),
        st.sampled_from("ab"),
        st.sampled_from(["completed", "failed"]),
        st.sampled_from([None, "good", "bad"]),
    ),
    max_size=12,
)


def facts_of(run: Written, rows: int = 0) -> tuple[str, list[Fact]]:
    run_id = new_uuid7(NOW_US - run.age_us)
    facts: list[Fact] = [
        RunStarted(run_id=run_id, pipeline=run.pipeline, started_at_us=NOW_US - run.age_us),
        RunFinished(run_id=run_id, status=run.status),  # type: ignore[arg-type]
    ]
    if run.label:
        facts.append(a_label(run.label, None, run_id))
    if rows:
        decided = [
            DecisionRow(
                REJECTED,
                new_uuid7(NOW_US),
                "price",
                attributes=Raw(pack_value({"n": new_uuid7(n)})),
            )
            for n in range(rows)
        ]
        facts.append(
            StepFinished(
                run_id=run_id, step_id=new_uuid7(NOW_US), pipeline=run.pipeline, name="filter",
                step_type="filter", ordinal=0, started_at_us=NOW_US - run.age_us, rows=decided,
            )
        )  # fmt: skip
    return run_id, facts


def is_kept(run: Written, said: list[tuple[str, str]]) -> bool:
    for age, part in said:
        if PARTS[part](run):
            keep_us = AGES[age]
            return keep_us is None or run.age_us <= keep_us
    return True


@settings(max_examples=40, suppress_health_check=list(HealthCheck))
@given(written=runs, said=rules, pass_runs=st.sampled_from([1, 3, 5_000]), engines=some_engines)
def test_exactly_the_runs_go_that_no_rule_keeps(
    open_empty: OpenEmpty,
    written: list[Written],
    said: list[tuple[str, str]],
    pass_runs: int,
    engines: Sequence[str],
) -> None:
    policy = read_policy(
        "; ".join(f"keep {age} where {part}" if part else f"keep {age}" for age, part in said)
    )
    for engine in engines:
        check_who_goes(open_empty(engine), policy, written, said, pass_runs)


def check_who_goes(
    store: Store,
    policy: Policy,
    written: list[Written],
    said: list[tuple[str, str]],
    pass_runs: int,
) -> None:
    kept, gone = set(), set()
    for run in written:
        run_id, facts = facts_of(run)
        store.submit(run_id, facts).result()
        (kept if is_kept(run, said) else gone).add(run_id)
    report = foresee(store, policy, NOW_US)
    assert (report.runs, report.expired) == (len(written), len(gone))
    assert set(store.run_ids("", 100)) == kept | gone
    removed = 0
    while True:
        expiry = expire(store, policy, NOW_US, pass_runs)
        assert expiry.removed.runs <= pass_runs
        removed += expiry.removed.runs
        if expiry.is_complete:
            break
    assert removed == len(gone)
    assert set(store.run_ids("", 100)) == kept
    store.close()


def test_the_forecast_tells_each_rules_runs_and_the_oldest(store: Store) -> None:
    for age in (1, 3, 5):
        store.submit("", facts_of(Written(age * DAY_US, "a", "failed", None))[1]).result()
        store.submit("", facts_of(Written(age * DAY_US, "b", "completed", None))[1]).result()
    policy = read_policy("keep 4d where status = 'failed'; keep 2d")
    report = foresee(store, policy, NOW_US)
    assert [(rule.rule, rule.runs) for rule in report.rules] == [
        ("keep 4d where status = 'failed'", 1), ("keep 2d", 2),
    ]  # fmt: skip
    for rule in report.rules:
        assert rule.oldest is not None
        assert rule.oldest.timestamp() * 1e6 == NOW_US - 5 * DAY_US
    assert report.answer.startswith("6 runs are stored")
    assert "3 are older than the rules keep" in report.answer


def test_a_store_that_is_too_large_loses_its_oldest_runs_but_none_kept_for_ever(
    open_empty: OpenEmpty,
) -> None:
    store = open_empty("sqlite")
    oldest, facts = facts_of(Written(40 * DAY_US, "a", "failed", "bad"), 1_000)
    store.submit("", facts).result()
    by_age: list[str] = []
    for hours in range(80):
        run_id, facts = facts_of(Written(hours * HOUR_US, "a", "completed", None), 1_000)
        store.submit("", facts).result()
        by_age.append(run_id)
    before = store.size_bytes()
    assert before is not None
    assert before > 3_000_000
    policy = read_policy(f"keep forever where label = 'bad'; keep {before / 2e6:.3f}MB")
    while not expire(store, policy, NOW_US).is_complete:
        pass
    after = store.size_bytes()
    assert after is not None
    assert before / 4 < after <= before / 2
    left = set(store.run_ids("", 100))
    assert left == {oldest, *by_age[: len(left) - 1]}
    assert len(left) > 20


def test_a_store_that_is_not_on_disk_is_never_too_large(store: Store) -> None:
    store.submit("", facts_of(Written(DAY_US, "a", "failed", None))[1]).result()
    expiry = expire(store, read_policy("keep 900TB"), NOW_US)
    assert (expiry.removed.runs, expiry.is_complete) == (0, True)
